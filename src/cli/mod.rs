//! The command line, one file per subcommand.

mod adhoc;
mod ansible;
mod apply;
mod completions;
mod configured;
mod doc;
mod exec;
mod facts;
mod fault;
mod flags;
mod init;
mod inventory;
mod lint;
mod listing;
mod man;
mod module_names;
mod password;
mod ping;
mod say;
mod schema;
mod settings;
mod vault;
mod vault_password;

pub use module_names::Modules;

use std::process::ExitCode;

use clap::{
    FromArgMatches, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};
use miette::Report;

use crate::{
    foreign::PythonPlugins,
    inventory::plugin as inventory_plugin,
    report::{self, terminal},
    template,
};

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
    /// A playbook that cannot be read as one: bad input, which Ansible tells from others.
    Language,
    /// Undefined variables: the same.
    Undefined,
    /// Options that do not go together: the same.
    Options,
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
            Exit::Usage | Exit::Language | Exit::Undefined | Exit::Options => 1,
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
#[command(
    name = "bringup",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 well, 1 bad input, \
    2 a task failed, 3 `plan --exit-code` found changes, 4 a host is unreachable, 130 interrupted, \
    250 a fault of bringup."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Apply(apply::Apply),
    Plan(apply::Plan),
    Exec(exec::Exec),
    Ping(ping::Ping),
    Facts(facts::Facts),
    Inventory(inventory::Show),
    Lint(lint::Lint),
    Vault(vault::Vault),
    Doc(doc::Doc),
    Init(init::Init),
    Completions(completions::Completions),
    Man(man::Man),
    Schema(schema::Schema),
}

impl Command {
    fn run(&self) -> Result<Exit, Report> {
        match self {
            Command::Apply(c) => c.run(),
            Command::Plan(c) => c.run(),
            Command::Exec(c) => c.run(),
            Command::Ping(c) => c.run(),
            Command::Facts(c) => c.run(),
            Command::Inventory(c) => c.run(),
            Command::Lint(c) => c.run(),
            Command::Vault(c) => c.run(),
            Command::Doc(c) => c.run(),
            Command::Init(c) => c.run(),
            Command::Completions(c) => c.run(),
            Command::Man(c) => c.run(),
            Command::Schema(c) => c.run(),
        }
    }
}

/// Prints help or what is wrong with the command line; returns the exit code.
fn print(error: &clap::Error) -> u8 {
    let text = error.render();
    if !error.use_stderr() {
        let text = if console::colors_enabled() { text.ansi().to_string() } else { text.to_string() };
        // Help that cannot be printed (a closed pipe) is nobody's error.
        let _ = terminal::out(&text);
        return Exit::Ok.code();
    }
    let text = if console::colors_enabled_stderr() { text.ansi().to_string() } else { text.to_string() };
    terminal::err(text.trim_end_matches('\n'));
    Exit::Usage.code()
}

/// Runs the command line and returns its exit code.
pub fn main() -> ExitCode {
    template::provide(&PythonPlugins);
    inventory_plugin::provide(&PythonPlugins);
    let name = std::env::args_os().next().as_deref().and_then(ansible::Name::of);
    report::install_diagnostics(name.is_some());
    if let Some(name) = name {
        terminal::speak_as_ansible();
        return ansible::main(name);
    }
    let settings = match settings::all() {
        Ok(settings) => settings,
        Err(error) => {
            terminal::err(&format!("{error:?}"));
            return ExitCode::from(Exit::Usage.code());
        }
    };
    let parsed = settings::with_defaults(&settings).try_get_matches();
    let arguments = match parsed.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(mut error) => {
            let word =
                matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(arg)) if !arg.starts_with('-'));
            if word && error.kind() == ErrorKind::UnknownArgument && std::env::args().nth(1).as_deref() == Some("exec")
            {
                let tip = "put `--` before the command: bringup exec PATTERN -- COMMAND".into();
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
            }
            return ExitCode::from(print(&error));
        }
    };
    ExitCode::from(fault::guarded(|| arguments.command.run()).code())
}
