//! `bringup man`: pages for man(1).

use clap::{Args, CommandFactory};
use miette::{IntoDiagnostic, Report};

use super::{Arguments, Exit, say::say};

/// The manual page of bringup, or of one of its commands: `bringup man apply | man -l -`
#[derive(Args, Debug)]
pub struct Man {
    /// The command
    command: Option<String>,
}

impl Man {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        let mut top = Arguments::command();
        top.build();
        let command = match &self.command {
            None => top,
            Some(name) => {
                let found = top.find_subcommand(name).cloned().ok_or_else(|| {
                    miette::miette!(help = "`bringup help` lists all commands", "there is no command `{name}`")
                })?;
                found.name(format!("bringup-{name}").leak() as &'static str)
            }
        };
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).into_diagnostic()?;
        say(&String::from_utf8_lossy(&page))?;
        Ok(Exit::Ok)
    }
}
