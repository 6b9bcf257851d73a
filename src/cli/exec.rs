//! `bringup exec`: a command or one module on hosts.

use std::sync::Arc;

use clap::Args;
use miette::Report;

use super::{Exit, adhoc::Call, flags};
use crate::report::{self, Output};

/// Run a command, or one module, on hosts
///
/// A command of one word, quoted as a whole, goes through the shell; several words are taken as they are.
#[derive(Args, Debug)]
pub struct Exec {
    /// The hosts: `all`, a group, `web:!web3`
    pattern: String,
    /// The command
    #[arg(last = true, value_name = "COMMAND", required_unless_present = "module", conflicts_with = "module")]
    command: Vec<String>,
    /// Run this module in the place of a command
    #[arg(short, long, value_name = "MODULE")]
    module: Option<String>,
    /// The module's parameters: `key=value …` or JSON
    #[arg(
        short,
        long,
        value_name = "ARGS",
        default_value = "",
        hide_default_value = true,
        requires = "module",
        allow_hyphen_values = true
    )]
    args: String,
    /// Change nothing, and tell what would be changed
    #[arg(short = 'C', long)]
    check: bool,
    /// Show differences of files
    #[arg(short = 'D', long)]
    diff: bool,
    #[command(flatten)]
    hosts: flags::Hosts,
    /// What to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", env = "BRINGUP_OUTPUT", hide_env_values = true)]
    output: Output,
}

impl Exec {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        let call = match &self.module {
            Some(module) => Call::written(module, &self.args)?,
            None => Call::command(&self.command)?,
        };
        let reporter = match self.output {
            Output::Human => Arc::new(report::AdHoc::new(self.hosts.verbose)),
            other => report::reporter(other, self.hosts.verbose, report::LeftOut::default(), false),
        };
        let summary = call.run(&self.hosts, &self.pattern, reporter, |options| {
            options.check = self.check;
            options.diff = self.diff;
        })?;
        Ok(flags::exit(&summary, false))
    }
}
