//! `ansible-console`: modules on hosts, one line after the other.

use std::{path::PathBuf, sync::Arc};

use clap::Parser;
use miette::Report;

use super::{Program, flags::More};
use crate::{
    cli::{Exit, adhoc::Call, configured, fault, flags, say::say},
    module::Registry,
    report::{Minimal, terminal},
};

const HELP: &str = "MODULE ARGUMENTS   runs a module on the hosts, such as `file path=/tmp/x state=touch`
! COMMAND          runs a command there (a line that begins with no module's name is one too)
cd PATTERN         works on other hosts from now on
list               names the hosts
become yes|no      becomes another user, or not
become_user USER   becomes this user
remote_user USER   logs in as this user
forks N            works on so many hosts at once
check yes|no       changes nothing, or does
diff yes|no        shows differences of files, or not
help               shows this
exit               ends
";

/// Run modules on hosts, one line after the other
#[derive(Parser)]
#[command(name = "ansible-console", max_term_width = 100)]
pub struct Console {
    /// The hosts: `all`, a group, `web:!web3`
    #[arg(default_value = "all")]
    pattern: String,
    /// Ask before each task: without effect, for each line is one
    #[arg(long)]
    step: bool,
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

impl Program for Console {
    fn run(mut self) -> Result<Exit, Report> {
        let more = self.more.clone();
        more.settle(&mut self.hosts);
        loop {
            let question = format!("{} ({})[f:{}]$", self.pattern, self.user(), self.hosts.forks);
            let Some(line) = terminal::line(&question).map_err(|e| miette::miette!("cannot read a line: {e}"))? else {
                return Ok(Exit::Ok);
            };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if matches!(line, "exit" | "quit" | "EOF") {
                return Ok(Exit::Ok);
            }
            // A line that fails ends nothing.
            let _ = fault::guarded(|| self.line(line).map(|()| Exit::Ok));
        }
    }
}

impl Console {
    fn user(&self) -> &str {
        self.hosts.user.as_deref().unwrap_or("the login user")
    }

    fn folder(&self) -> PathBuf {
        let here = || std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        self.playbook_dir.clone().or_else(configured::playbook_dir).unwrap_or_else(here)
    }

    fn line(&mut self, line: &str) -> Result<(), Report> {
        let (word, rest) = line.split_once(char::is_whitespace).map_or((line, ""), |(word, rest)| (word, rest.trim()));
        let truth = |text: &str| matches!(text, "yes" | "true" | "on" | "1");
        match word {
            "help" | "?" => return say(HELP),
            "list" => return self.list(),
            "cd" => self.pattern = if rest.is_empty() { "all".to_owned() } else { rest.to_owned() },
            "become" => self.hosts.become_ = truth(rest),
            "become_user" => self.hosts.become_user = Some(rest.to_owned()).filter(|user| !user.is_empty()),
            "become_method" => self.hosts.become_method = Some(rest.to_owned()).filter(|method| !method.is_empty()),
            "remote_user" => self.hosts.user = Some(rest.to_owned()).filter(|user| !user.is_empty()),
            "check" => self.check = truth(rest),
            "diff" => self.diff = truth(rest),
            "forks" => {
                let forks = rest.parse().ok().filter(|forks| *forks > 0);
                self.hosts.forks = forks.ok_or_else(|| miette::miette!("`{rest}` is no number of hosts"))?;
            }
            _ => return self.task(word, rest, line),
        }
        Ok(())
    }

    fn list(&self) -> Result<(), Report> {
        let inventory = self.hosts.load(&[self.folder()])?;
        let hosts = inventory.resolve(&[&self.pattern], self.hosts.limit.as_deref())?.hosts;
        say(&hosts.iter().map(|host| format!("{host}\n")).collect::<String>())
    }

    fn task(&self, word: &str, rest: &str, line: &str) -> Result<(), Report> {
        let call = match (line.strip_prefix('!'), Registry::get().find(word)) {
            (Some(command), _) => Call::written("ansible.builtin.shell", command.trim())?,
            (None, Some(entry)) => Call::written(entry.name, rest)?,
            // What has no dots may be a command of the hosts'.
            (None, None) if word.split('.').count() > 2 && !word.contains('/') => Call::written(word, rest)?,
            (None, None) => Call::written("ansible.builtin.shell", line)?,
        };
        let reporter = Arc::new(Minimal::new(self.hosts.verbose, false, None));
        call.run_in(&self.hosts, &self.pattern, self.folder(), reporter, |options| {
            options.check = self.check;
            options.diff = self.diff;
        })?;
        Ok(())
    }
}
