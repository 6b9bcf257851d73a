//! `ansible-playbook`.

use std::path::PathBuf;

use clap::Parser;
use miette::Report;

use super::{Program, flags::More};
use crate::cli::{Exit, apply::Apply};

/// Run playbooks against hosts
#[derive(Parser)]
#[command(name = "ansible-playbook", max_term_width = 100)]
pub struct Playbook {
    #[command(flatten)]
    apply: Apply,
    #[command(flatten)]
    more: More,
    /// Forget the facts that are kept of all hosts
    #[arg(long)]
    flush_cache: bool,
}

impl Program for Playbook {
    fn run(mut self) -> Result<Exit, Report> {
        let plays = self.apply.plays();
        self.more.settle(&mut plays.hosts);
        plays.flush_cache = self.flush_cache;
        plays.playbooks.iter().try_for_each(there)?;
        self.apply.run()
    }
}

fn there(path: &PathBuf) -> Result<(), Report> {
    let help = "check the path";
    match std::fs::metadata(path) {
        Err(_) => Err(miette::miette!(help = help, "the playbook {} is not there", path.display())),
        Ok(found) if found.is_dir() => Err(miette::miette!(help = help, "the playbook {} is a folder", path.display())),
        Ok(_) => Ok(()),
    }
}
