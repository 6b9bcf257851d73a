//! `--list-tasks`, `--list-tags`, `--list-hosts`, `--syntax-check`: what a run would be about, without a run.

use std::fmt::Write as _;

use clap::Args;
use miette::Report;

use super::say::say;
use crate::{
    playbook::{Listing, Playbook, ReadTag, TagFilter},
    run::Run,
};

/// What to list in the place of running.
#[derive(Args, Debug)]
pub struct Lists {
    /// List the tasks, and run nothing
    #[arg(long)]
    list_tasks: bool,
    /// List the tags, and run nothing
    #[arg(long)]
    list_tags: bool,
    /// List the hosts of each play, and run nothing
    #[arg(long)]
    list_hosts: bool,
    /// Check the playbooks, and run nothing
    #[arg(long)]
    syntax_check: bool,
}

impl Lists {
    /// Whether anything is to be listed.
    pub fn any(&self) -> bool {
        self.list_tasks || self.list_tags || self.list_hosts || self.syntax_check
    }

    /// Whether hosts are.
    pub fn hosts(&self) -> bool {
        self.list_hosts
    }

    /// Prints the lists; hosts need a run to ask.
    pub fn print(
        &self,
        playbooks: &[Playbook],
        filter: &TagFilter,
        read: ReadTag<'_>,
        run: Option<&std::sync::Arc<Run>>,
    ) -> Result<(), Report> {
        let mut out = String::new();
        for playbook in playbooks {
            let listing = Listing { tasks: self.list_tasks, tags: self.list_tags };
            let hosts = run.filter(|_| self.list_hosts);
            if (self.list_tasks || self.list_tags) && hosts.is_none() {
                out.push_str(&playbook.list(listing, filter, read));
                continue;
            }
            let _ = writeln!(out, "\nplaybook: {}", playbook.path.display());
            let Some(run) = hosts else { continue };
            for (at, play) in playbook.plays.iter().enumerate() {
                let hosts = run.play_hosts(play)?;
                let lines: String = hosts.iter().map(|host| format!("      {host}\n")).collect();
                let about = format!("    pattern: {}\n    hosts ({}):\n{lines}", play.patterns(), hosts.len());
                out.push_str(&play.list(at + 1, listing, (filter, read), &about));
            }
        }
        say(&out)
    }
}
