//! The command line, one file per subcommand.

mod apply;
mod common;
mod module_names;
mod password;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// How the process ends; the gravest of several wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok,
    /// `plan --exit-code` found changes.
    Changes,
    /// A task failed.
    Failed,
    /// A host was unreachable or its key refused.
    Unreachable,
    /// Bad input or usage.
    Usage,
    /// The user interrupted the run.
    Interrupted,
    /// A fault of ours.
    Fault,
}

impl Exit {
    /// The number that scripts see.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Usage => 1,
            Exit::Failed => 2,
            Exit::Changes => 3,
            Exit::Unreachable => 4,
            Exit::Interrupted => 130,
            Exit::Fault => 250,
        }
    }
}

/// Brings hosts to the described state over SSH, in Ansible's language, with nothing installed on them.
#[derive(Parser)]
#[command(name = "bringup", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Apply(apply::Apply),
    Plan(apply::Plan),
}

/// Runs the command line and returns its exit code.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help that cannot be printed (a closed pipe) is nobody's error.
            let _ = error.print();
            let usage = error.use_stderr();
            return ExitCode::from(if usage { Exit::Usage.code() } else { 0 });
        }
    };
    let ended = std::panic::catch_unwind(|| match arguments.command {
        Command::Apply(apply) => apply.run(),
        Command::Plan(plan) => plan.run(),
    });
    let exit = match ended {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            eprintln!("{error:?}");
            Exit::Usage
        }
        Err(_) => Exit::Fault,
    };
    ExitCode::from(exit.code())
}
