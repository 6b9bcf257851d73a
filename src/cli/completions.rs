//! `bringup completions`: for shells.

use clap::{Args, CommandFactory};
use miette::Report;

use super::{Arguments, Exit, say::say};

/// Completions for a shell, to be put where that shell looks for them
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

impl Completions {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "bringup", &mut script);
        say(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Ok)
    }
}
