//! `ansible`: one module on hosts.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Parser;
use miette::Report;

use super::{OptionsError, Program, flags::More};
use crate::{
    ansible_cfg,
    cli::{Exit, adhoc::Call, configured, fault, flags, say::say},
    report::{Minimal, terminal},
};

/// Modules that do nothing without arguments.
const NEED_ARGUMENTS: [&str; 6] = ["command", "shell", "raw", "script", "win_command", "win_shell"];

/// Seconds between two looks where nothing is said.
const POLL: u64 = 15;

/// Run one module on hosts
#[derive(Parser)]
#[command(name = "ansible", max_term_width = 100)]
pub struct AdHoc {
    /// The hosts: `all`, a group, `web:!web3`
    pattern: String,
    /// The module
    #[arg(short, long, value_name = "MODULE")]
    module_name: Option<String>,
    /// Its parameters: `key=value …` or JSON
    #[arg(short, long, value_name = "ARGS", allow_hyphen_values = true)]
    args: Option<String>,
    /// List the hosts, and run nothing
    #[arg(long)]
    list_hosts: bool,
    /// One line per host
    #[arg(short, long)]
    one_line: bool,
    /// Write each host's result into this folder
    #[arg(short, long, value_name = "FOLDER")]
    tree: Option<PathBuf>,
    /// Seconds that it may take, in the background; with `-P 0` it is left running, and its job is told
    #[arg(short = 'B', long, value_name = "SECONDS")]
    background: Option<u64>,
    /// Seconds between two looks at what runs in the background
    #[arg(short = 'P', long, value_name = "SECONDS", requires = "background")]
    poll: Option<u64>,
    /// Seconds that the task may take
    #[arg(long, value_name = "SECONDS")]
    task_timeout: Option<u64>,
    /// The folder with `group_vars` and `roles`
    #[arg(long, value_name = "FOLDER")]
    playbook_dir: Option<PathBuf>,
    /// Change nothing, and tell what would be changed
    #[arg(short = 'C', long)]
    check: bool,
    /// Show differences of files
    #[arg(short = 'D', long)]
    diff: bool,
    #[command(flatten)]
    hosts: flags::Hosts,
    #[command(flatten)]
    more: More,
}

impl AdHoc {
    fn module(&self) -> Result<(String, String), Report> {
        let configured = |name: &str| ansible_cfg::current().text(name).map(str::to_owned);
        let module = self.module_name.clone().or_else(|| configured("DEFAULT_MODULE_NAME"));
        let module = module.unwrap_or_else(|| "command".to_owned());
        let args = self.args.clone().or_else(|| configured("DEFAULT_MODULE_ARGS")).unwrap_or_default();
        let short = module.trim_start_matches("ansible.builtin.").trim_start_matches("ansible.legacy.");
        if args.is_empty() && NEED_ARGUMENTS.contains(&short) {
            let playbook = self.pattern.ends_with(".yml") || self.pattern.ends_with(".yaml");
            let help = if playbook { "playbooks are run by `ansible-playbook`" } else { "give it behind `-a`" };
            return Err(OptionsError::new(format!("the module `{module}` needs an argument"), help).into());
        }
        Ok((module, args))
    }

    /// `--list-hosts`.
    fn list(&self, folder: &PathBuf) -> Result<Exit, Report> {
        let inventory = self.hosts.load(std::slice::from_ref(folder))?;
        let hosts = inventory.resolve(&[&self.pattern], self.hosts.limit.as_deref())?.hosts;
        if hosts.is_empty() {
            terminal::warn("no host fits, nothing to do");
        }
        let names: String = hosts.iter().map(|host| format!("    {host}\n")).collect();
        say(&format!("  hosts ({}):\n{names}", hosts.len()))?;
        Ok(Exit::Ok)
    }
}

impl Program for AdHoc {
    fn run(mut self) -> Result<Exit, Report> {
        let more = self.more.clone();
        more.settle(&mut self.hosts);
        let folder = match self.playbook_dir.clone().or_else(configured::playbook_dir) {
            Some(folder) => folder,
            None => std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        };
        if self.list_hosts {
            return self.list(&folder);
        }
        let (module, args) = self.module()?;
        if let Some(tree) = &self.tree {
            std::fs::create_dir_all(tree).map_err(|e| {
                miette::miette!(help = "name a folder behind `--tree`", "cannot make {}: {e}", tree.display())
            })?;
        }
        let call = match Call::written(&module, &args) {
            Ok(call) => call.in_background(self.background.unwrap_or(0), self.poll.unwrap_or(POLL)),
            // What Ansible finds on the hosts is found here: it is the task that fails.
            Err(error) => {
                fault::tell(error);
                return Ok(Exit::Failed);
            }
        };
        let reporter = Minimal::new(self.hosts.verbose, self.one_line, self.tree.clone());
        let configured = ansible_cfg::current().number("TASK_TIMEOUT");
        let limit = self.task_timeout.or(configured).filter(|seconds| *seconds > 0);
        let summary = call.run_in(&self.hosts, &self.pattern, folder, Arc::new(reporter), |options| {
            options.check = self.check;
            options.diff = self.diff;
            options.task_timeout = limit.map(Duration::from_secs);
        })?;
        Ok(summary.map_or(Exit::Ok, |summary| flags::exit(&summary, false)))
    }
}
