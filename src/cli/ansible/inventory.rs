//! `ansible-inventory`: what hosts and groups there are.

use std::path::PathBuf;

use clap::Parser;
use miette::Report;
use serde_json::Value as Json;

use super::{OptionsError, Program, dump::Dump, json};
use crate::{
    ansible_cfg,
    cli::{Exit, configured, flags, say::say},
    inventory::parse_extra_vars,
    template::to_yaml,
};

/// Show the inventory
#[derive(Parser)]
#[command(name = "ansible-inventory", max_term_width = 100)]
pub struct Inventory {
    /// The group that `--graph` begins at
    group: Option<String>,
    /// All hosts and groups, as an inventory script prints them
    #[arg(long)]
    list: bool,
    /// The variables of one host
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// The groups as a tree
    #[arg(long)]
    graph: bool,
    /// YAML in the place of JSON
    #[arg(short, long)]
    yaml: bool,
    /// TOML in the place of JSON
    #[arg(long)]
    toml: bool,
    /// Variables too, with `--graph`
    #[arg(long)]
    vars: bool,
    /// Variables with the groups and hosts that say them, with `--list`
    #[arg(long)]
    export: bool,
    /// Write into this file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The folder with `group_vars` and `host_vars`
    #[arg(long, value_name = "FOLDER")]
    playbook_dir: Option<PathBuf>,
    #[command(flatten)]
    hosts: flags::Hosts,
}

impl Program for Inventory {
    fn run(mut self) -> Result<Exit, Report> {
        self.hosts.as_ansible = true;
        self.hosts.vault.unlock()?;
        match [self.list, self.graph, self.host.is_some()].iter().filter(|asked| **asked).count() {
            1 => {}
            0 => {
                return Err(OptionsError::new(
                    "No action selected, at least one of --host, --graph or --list needs to be specified.",
                    "give `--list`, `--host NAME` or `--graph`",
                )
                .into());
            }
            _ => {
                return Err(OptionsError::new(
                    "one thing alone can be shown",
                    "give one of `--list`, `--host` and `--graph`",
                )
                .into());
            }
        }
        let extra_vars = parse_extra_vars(&self.hosts.extra_vars)?;
        let folder = self.playbook_dir.clone().or_else(configured::playbook_dir);
        let read = folder.clone().or_else(|| std::env::current_dir().ok());
        let inventory = self.hosts.load(read.as_slice())?;
        // A host is shown whatever the limit says.
        let limit = self.hosts.limit.as_deref().filter(|_| self.list);
        let hosts = inventory.resolve(&["all"], limit)?.hosts.into_iter().collect();
        let export = self.export || ansible_cfg::current().truth("INVENTORY_EXPORT") == Some(true);
        let dump = Dump { inventory: &inventory, export, playbook_dir: folder, hosts, extra_vars: &extra_vars };
        let text = self.text(&dump)?;
        match &self.output {
            None => say(&text)?,
            Some(file) => std::fs::write(file, text.trim_end_matches('\n')).map_err(|e| {
                miette::miette!(help = "name a file behind `--output`", "cannot write {}: {e}", file.display())
            })?,
        }
        Ok(Exit::Ok)
    }
}

impl Inventory {
    fn text(&self, dump: &Dump<'_>) -> Result<String, Report> {
        if self.graph {
            let group = self.group.as_deref().unwrap_or("all");
            let graph = dump.graph(group, self.vars).ok_or_else(|| {
                let message = "Pattern must be valid group name when using --graph";
                OptionsError::new(message, format!("there is no group `{group}`; `--graph` alone shows all groups"))
            })?;
            return Ok(format!("{graph}\n"));
        }
        if let Some(name) = &self.host {
            let found = dump.inventory.resolve(&[name], None)?.hosts;
            let [host] = found.as_slice() else {
                let message = match found.len() {
                    0 => format!("Could not match supplied host pattern, ignoring: {name}"),
                    many => format!("`{name}` is {many} hosts"),
                };
                return Err(OptionsError::new(message, "name one host behind `--host`").into());
            };
            return self.form(&dump.host(host), |_| dump.host(host));
        }
        let value = if self.yaml { dump.tree() } else { dump.json() };
        self.form(&value, |()| dump.tables())
    }

    fn form(&self, value: &Json, toml: impl FnOnce(()) -> Json) -> Result<String, Report> {
        if self.yaml {
            return Ok(to_yaml(value));
        }
        if self.toml {
            return as_toml(&toml(()));
        }
        Ok(json(value))
    }
}

fn as_toml(value: &Json) -> Result<String, Report> {
    toml::to_string(value).map_err(|error| {
        miette::miette!(
            help = "TOML has no `null`; show it with `--yaml`",
            "the inventory has a value that TOML cannot hold: {error}"
        )
    })
}
