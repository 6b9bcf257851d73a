//! `bringup inventory`: what hosts and groups there are, with their variables.

use clap::Args;
use miette::Report;

use super::{
    Exit, flags,
    say::{say, say_json},
};

/// Show the inventory: as a tree, as JSON, or one host's variables
#[derive(Args, Debug)]
pub struct Show {
    /// Groups and hosts as a tree (the default)
    #[arg(long, conflicts_with_all = ["list", "host"])]
    graph: bool,
    /// Everything as JSON, as an inventory script prints it
    #[arg(long, conflicts_with = "host")]
    list: bool,
    /// The variables of one host as JSON
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Begin the tree at this group
    #[arg(value_name = "GROUP", default_value = "all")]
    group: String,
    #[command(flatten)]
    hosts: flags::Hosts,
}

impl Show {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        self.hosts.vault.unlock()?;
        let here = std::env::current_dir().ok();
        let inventory = self.hosts.load(here.as_slice())?;
        let help = "`bringup inventory --graph` shows all groups and hosts";
        if let Some(name) = &self.host {
            if inventory.host(name).is_none() {
                return Err(miette::miette!(help = help, "there is no host `{name}`"));
            }
            say_json(&inventory.host_json(name, here.as_deref()))?;
        } else if self.list {
            say_json(&inventory.list_json(here.as_deref()))?;
        } else {
            let graph = inventory.graph(&self.group);
            let graph = graph.ok_or_else(|| miette::miette!(help = help, "there is no group `{}`", self.group))?;
            say(&format!("{graph}\n"))?;
        }
        Ok(Exit::Ok)
    }
}
