//! Flags that several commands share, and what they become.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Args, builder::FalseyValueParser};
use miette::{IntoDiagnostic, Report};

use super::{Exit, configured, module_names::Modules, password, vault_password::Passwords};
use crate::{
    ansible_cfg, connection, foreign,
    inventory::{Inventory, parse_extra_vars},
    playbook::{Loader, Playbook, TagFilter},
    report::{self, Reporter, terminal},
    run::{InventoryExpressions, Options, Run, Summary, extra_var_map},
    ssh::{HostKeyPolicy, Secret},
};

/// Whether what is not native may run as Python.
#[derive(Args, Clone, Debug)]
pub struct Python {
    /// The Python with ansible-core that modules and plugins which are not native come from: `auto`, `never`, or its path
    #[arg(
        long,
        value_name = "PYTHON",
        env = "BRINGUP_PYTHON",
        hide_env_values = true,
        default_value = "auto",
        hide_default_value = true
    )]
    python: foreign::Python,
}

impl Python {
    /// Takes it over; before anything is looked for.
    pub fn allow(&self) {
        foreign::workstation::allow(self.python.clone());
    }
}

/// Which hosts, how to reach them, with which variables.
#[derive(Args, Clone, Debug)]
pub struct Hosts {
    /// Inventory file or folder, or a list of hosts with commas (`h1,h2,`); may be given several times
    #[arg(
        short,
        long,
        value_name = "INVENTORY",
        env = "BRINGUP_INVENTORY",
        hide_env_values = true,
        value_delimiter = ';'
    )]
    pub inventory: Vec<String>,
    /// Narrow the hosts to this pattern (`web:!web3`, `@FILE`)
    #[arg(short, long, value_name = "PATTERN", env = "BRINGUP_LIMIT", hide_env_values = true)]
    pub limit: Option<String>,
    /// Variables: `k=v`, JSON, or `@FILE`; may be given several times
    #[arg(short, long, value_name = "VARS")]
    pub extra_vars: Vec<String>,
    /// Work on so many hosts at once
    #[arg(short, long, default_value_t = 100, value_name = "N", env = "BRINGUP_FORKS", hide_env_values = true,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    pub forks: usize,
    /// Log in as this user, where no variable says otherwise
    #[arg(short, long, value_name = "USER", env = "BRINGUP_USER", hide_env_values = true)]
    pub user: Option<String>,
    /// Become another user (root unless --become-user says otherwise)
    #[arg(short = 'b', long = "become", env = "BRINGUP_BECOME", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub become_: bool,
    /// The user to become
    #[arg(long, value_name = "USER", env = "BRINGUP_BECOME_USER", hide_env_values = true)]
    pub become_user: Option<String>,
    /// How to become it: sudo, su or doas
    #[arg(long, value_name = "METHOD", env = "BRINGUP_BECOME_METHOD", hide_env_values = true)]
    pub become_method: Option<String>,
    /// Ask for the password of `become`
    #[arg(short = 'K', long, conflicts_with = "become_password_file")]
    pub ask_become_pass: bool,
    /// The password of `become` is in this file, or is what it prints when it is a program; `-` is standard input
    #[arg(
        long,
        alias = "become-pass-file",
        value_name = "FILE",
        env = "BRINGUP_BECOME_PASSWORD_FILE",
        hide_env_values = true
    )]
    pub become_password_file: Option<PathBuf>,
    /// Ask for the login password
    #[arg(short = 'k', long, conflicts_with = "connection_password_file")]
    pub ask_pass: bool,
    /// The login password is in this file, or is what it prints when it is a program
    #[arg(
        long,
        alias = "conn-pass-file",
        value_name = "FILE",
        env = "BRINGUP_CONNECTION_PASSWORD_FILE",
        hide_env_values = true
    )]
    pub connection_password_file: Option<PathBuf>,
    /// Log in with this key first
    #[arg(long, alias = "key-file", value_name = "FILE", env = "BRINGUP_PRIVATE_KEY", hide_env_values = true)]
    pub private_key: Option<PathBuf>,
    #[arg(
        short,
        long,
        value_name = "KIND",
        env = "BRINGUP_CONNECTION",
        hide_env_values = true,
        help = format!("Reach hosts by {}", connection::registry::names())
    )]
    pub connection: Option<String>,
    /// Further arguments of ssh, such as `-o ProxyJump=bastion`
    #[arg(
        long,
        value_name = "ARGS",
        allow_hyphen_values = true,
        env = "BRINGUP_SSH_COMMON_ARGS",
        hide_env_values = true
    )]
    pub ssh_common_args: Vec<String>,
    /// Accept and remember the keys of hosts never seen before
    #[arg(long, env = "BRINGUP_ACCEPT_NEW_HOST_KEYS", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub accept_new_host_keys: bool,
    /// Seconds for connecting and logging in
    #[arg(short = 'T', long, default_value_t = 30, value_name = "SECONDS", env = "BRINGUP_TIMEOUT",
        hide_env_values = true, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
    /// Folders to look for roles in, separated by colons
    #[arg(long, value_name = "FOLDERS", env = "BRINGUP_ROLES_PATH", hide_env_values = true, hide = true)]
    pub roles_path: Option<std::ffi::OsString>,
    /// An inventory that is missing is worth a warning, as it is to Ansible.
    #[arg(skip)]
    pub as_ansible: bool,
    #[command(flatten)]
    pub python: Python,
    #[command(flatten)]
    pub vault: Passwords,
    /// Take no lock on the hosts: for tests that know they are alone
    #[arg(long, hide = true)]
    pub no_lock: bool,
    /// Say more; several times for still more
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Hosts {
    /// The options of a run.
    pub fn options(&self) -> Result<Options, Report> {
        self.python.allow();
        // Files of variables may be encrypted.
        self.vault.unlock()?;
        let extra_vars = parse_extra_vars(&self.extra_vars)?;
        let (password, become_password) = self.passwords()?;
        let mut options = Options {
            forks: self.forks,
            verbosity: self.verbose,
            limit: self.limit.clone(),
            extra_vars,
            inventories: self.inventory.clone(),
            user: self.user.clone(),
            private_key: self.private_key.clone(),
            connection: self.connection.clone(),
            password,
            become_: self.become_,
            become_user: self.become_user.clone(),
            become_method: self.become_method.clone(),
            become_password,
            ssh_arguments: self.ssh_common_args.clone(),
            host_keys: self.accept_new_host_keys.then_some(HostKeyPolicy::AcceptNew),
            connect_timeout: Duration::from_secs(self.timeout.max(1)),
            who: who(),
            locks: !self.no_lock,
            ..Options::default()
        };
        configured::apply(ansible_cfg::current(), &mut options)?;
        Ok(options)
    }

    /// The passwords of logging in and of `become`, asked for or read.
    fn passwords(&self) -> Result<(Option<Secret>, Option<Secret>), Report> {
        let (login, becoming) = (self.connection_password_file.as_deref(), self.become_password_file.as_deref());
        let login = password::Source { ask: self.ask_pass, file: login };
        password::get(login, password::Source { ask: self.ask_become_pass, file: becoming })
    }

    /// Loads the inventory, with the `group_vars` and `host_vars` beside playbooks.
    pub fn load(&self, playbook_dirs: &[PathBuf]) -> Result<Inventory, Report> {
        self.python.allow();
        configured::warn();
        if self.as_ansible {
            return self.load_as_ansible(playbook_dirs);
        }
        if self.inventory.is_empty() {
            return Err(miette::miette!(
                help = "give one with `-i FILE`, or set BRINGUP_INVENTORY; for this machine alone: `-i localhost, -c local`",
                "there is no inventory"
            ));
        }
        let inventory = self.read(&self.inventory, playbook_dirs)?;
        inventory.warnings().iter().for_each(|w| terminal::warn(w));
        Ok(inventory)
    }
}

impl Hosts {
    /// The same inventory once more; what is not there any more is left out.
    pub fn reload(&self, playbook_dirs: &[PathBuf]) -> Result<Inventory, Report> {
        let there = |source: &&String| source.contains(',') || Path::new(source.as_str()).exists();
        let sources: Vec<String> = match self.inventory.as_slice() {
            [] if self.as_ansible => vec![ANSIBLES_INVENTORY.to_owned()],
            named => named.to_vec(),
        };
        let sources: Vec<String> = sources.iter().filter(there).cloned().collect();
        self.read(&sources, playbook_dirs)
    }

    fn read(&self, sources: &[String], playbook_dirs: &[PathBuf]) -> Result<Inventory, Report> {
        let extra_vars = parse_extra_vars(&self.extra_vars)?;
        let made_with = (&InventoryExpressions::default() as &dyn crate::inventory::Expressions, &extra_vars);
        Ok(Inventory::load_by(configured::inventory_rules(self.as_ansible), sources, playbook_dirs, made_with)?)
    }
}

/// The inventory of Ansible where none is named.
const ANSIBLES_INVENTORY: &str = "/etc/ansible/hosts";

impl Hosts {
    /// What is not there is left out with a warning: this machine alone may be all that a play is for.
    fn load_as_ansible(&self, playbook_dirs: &[PathBuf]) -> Result<Inventory, Report> {
        let named = match self.inventory.as_slice() {
            [] => vec![ANSIBLES_INVENTORY.to_owned()],
            named => named.to_vec(),
        };
        let there = |source: &String| source.contains(',') || Path::new(source).exists();
        let (there, missing): (Vec<String>, Vec<String>) = named.into_iter().partition(there);
        let strict = |name: &str| ansible_cfg::current().truth(name) == Some(true);
        let asked = !self.inventory.is_empty();
        if let Some(first) = missing.first().filter(|_| asked && strict("INVENTORY_ANY_UNPARSED_IS_FAILED")) {
            return Err(miette::miette!(help = "check the path behind `-i`", "there is no inventory {first}"));
        }
        if there.is_empty() && strict("INVENTORY_UNPARSED_IS_FAILED") {
            return Err(miette::miette!(help = "name one with `-i`", "there is no inventory"));
        }
        if asked {
            missing
                .iter()
                .for_each(|source| terminal::warn(&format!("there is no inventory {source}; it is left out")));
        }
        if there.is_empty() {
            terminal::warn("No inventory was parsed: only implicit localhost is there, which `all` does not mean");
        }
        let inventory = self.read(&there, playbook_dirs)?;
        inventory.warnings().iter().for_each(|w| terminal::warn(w));
        Ok(inventory)
    }
}

/// A loader that knows all modules.
pub fn loader(options: &Options, roles_path: Option<&OsStr>) -> Loader {
    with_modules(options, roles_path, false)
}

/// The same, that takes encrypted files as unknown where no password was given.
pub fn lenient_loader(options: &Options, roles_path: Option<&OsStr>) -> Loader {
    with_modules(options, roles_path, true)
}

fn with_modules(options: &Options, roles_path: Option<&OsStr>, sealed: bool) -> Loader {
    configured::warn();
    let roles_path = roles_path.map_or_else(configured::roles_path, |p| std::env::split_paths(p).collect());
    let collections_path = configured::collections_path();
    let extra_vars = extra_var_map(&options.extra_vars);
    Loader::new(
        Arc::new(Modules),
        crate::playbook::Options { extra_vars, roles_path, collections_path, unheard: configured::unheard(), sealed },
    )
}

/// Runs playbooks, interrupts heeded.
pub fn execute(run: &Arc<Run>, playbooks: &[Playbook]) -> Result<Summary, Report> {
    for text in foreign::workstation::take_warnings() {
        terminal::err(&format!("warning: {text}"));
    }
    foreign::prepare();
    let runtime = runtime()?;
    let summary = runtime.block_on(async {
        tokio::spawn(interrupts(run.clone()));
        run.playbooks(playbooks).await
    });
    // Threads that wait for a person's answer must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    report::end();
    Ok(summary?)
}

/// A run over an inventory.
pub fn new_run(options: Options, inventory: Inventory, loader: Loader, reporter: Arc<dyn Reporter>) -> Arc<Run> {
    Run::new(options, inventory, loader, Arc::new(report::Masked::new(reporter)), connections())
}

/// The first interrupt lets running steps finish; the second ends the process.
async fn interrupts(run: Arc<Run>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        match run.interrupt() {
            1 => report::aside(|| {
                terminal::err("\ninterrupted: running steps are finished, no new one is started; once more to abort");
            }),
            _ => {
                report::end();
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
        }
    }
}

/// What a run's end means for the exit code, `changes` being those of `plan --exit-code`.
pub fn exit(summary: &Summary, changes: bool) -> Exit {
    let any = |count: fn(&report::Counts) -> u32| summary.hosts.iter().any(|(_, c)| count(c) > 0);
    if !summary.faults.is_empty() {
        summary.faults.iter().for_each(|f| terminal::err(&format!("this is a fault of bringup: {f}")));
        return Exit::Fault;
    }
    if summary.interrupted {
        return Exit::Interrupted;
    }
    let (failed, unreachable) = summary.failed;
    match (unreachable, failed, changes && (any(|c| c.changed) || summary.undecided > 0)) {
        (true, ..) => Exit::Unreachable,
        (_, true, _) => Exit::Failed,
        (_, _, true) => Exit::Changes,
        _ => Exit::Ok,
    }
}

/// What connections share: keys read, passphrases asked for.
fn connections() -> Arc<connection::Context> {
    Arc::new(connection::Context::new(Arc::new(password::Terminal)))
}

/// Tag flags as a filter.
pub fn tag_filter(tags: &[String], skip: &[String]) -> TagFilter {
    TagFilter::new(tags, skip)
}

/// The runtime that everything asynchronous runs on.
fn runtime() -> Result<tokio::runtime::Runtime, Report> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().into_diagnostic()
}

/// Who runs this, as another run will read it in the lock.
fn who() -> String {
    let user = std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let machine = if machine.trim().is_empty() { "this workstation".to_owned() } else { machine.trim().to_owned() };
    format!("{user} on {machine} (process {})", std::process::id())
}
