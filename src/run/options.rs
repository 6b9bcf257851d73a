//! How to run: what the command line and the environment decide.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use super::FactCache;
use crate::{
    connection::SshDefaults,
    inventory::{Inventory, Vars},
    playbook::TagFilter,
    ssh::{HostKeyPolicy, Secret},
};

/// When plays gather facts that do not say whether they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gathering {
    /// Always.
    #[default]
    Implicit,
    /// Never.
    Explicit,
    /// Of hosts whose facts are not known yet.
    Smart,
}

/// How one program becomes another user, where neither variables nor keywords say it.
#[derive(Clone, Debug, Default)]
pub struct BecomeDefaults {
    /// The program's path.
    pub exe: Option<String>,
    /// Its flags.
    pub flags: Option<String>,
    /// The password it asks for.
    pub password: Option<Secret>,
}

/// The settings of a run.
pub struct Options {
    /// Nothing is carried out.
    pub check: bool,
    /// Differences are shown.
    pub diff: bool,
    /// How many hosts are worked on at once.
    pub forks: usize,
    /// `-v`.
    pub verbosity: u8,
    /// `--limit`, as written.
    pub limit: Option<String>,
    /// `--tags`.
    pub tags: Vec<String>,
    /// `--skip-tags`.
    pub skip_tags: Vec<String>,
    /// Both, ready to be asked.
    pub tag_filter: TagFilter,
    /// `--start-at-task`.
    pub start_at_task: Option<String>,
    /// `--step`: the user is asked before each task.
    pub step: bool,
    /// Whether the task debugger starts at every failure.
    pub debugger: bool,
    /// Whether the debugger passes by failures that `ignore_errors` is for.
    pub debugger_passes_ignored: bool,
    /// `--extra-vars`.
    pub extra_vars: Vars,
    /// The inventories, as written.
    pub inventories: Vec<String>,
    /// `--user`.
    pub user: Option<String>,
    /// `--private-key`.
    pub private_key: Option<PathBuf>,
    /// `--connection`.
    pub connection: Option<String>,
    /// `-k`: the login password.
    pub password: Option<Secret>,
    /// `--become`.
    pub become_: bool,
    /// `--become-user`.
    pub become_user: Option<String>,
    /// `-K`: the password for `become`.
    pub become_password: Option<Secret>,
    /// `--become-method`.
    pub become_method: Option<String>,
    /// What is configured for each method, by its program's name.
    pub become_defaults: BTreeMap<&'static str, BecomeDefaults>,
    /// `--ssh-common-args` and its kin.
    pub ssh_arguments: Vec<String>,
    /// What is configured for SSH, where neither variables nor flags say it.
    pub ssh: SshDefaults,
    /// What to do with unknown host keys, where the command line says so.
    pub host_keys: Option<HostKeyPolicy>,
    /// Reads the inventory again, for `meta: refresh_inventory`.
    pub reload: Option<Reload>,
    /// What to warn of where the first host is reached whose key is not checked, as the configuration says.
    pub unchecked_keys: Option<String>,
    /// `--timeout`: for connecting.
    pub connect_timeout: Duration,
    /// `--task-timeout`.
    pub task_timeout: Option<Duration>,
    /// When plays gather facts that do not say whether they do.
    pub gathering: Gathering,
    /// Which facts plays gather that do not say which; all of them where this is empty.
    pub gather_subset: Vec<String>,
    /// Seconds that gathering a fact may take where the play does not say.
    pub gather_timeout: Option<u64>,
    /// Where facts are kept for later runs.
    pub fact_cache: Option<Arc<FactCache>>,
    /// Whether a failure ends the play for all hosts where no keyword says whether.
    pub any_errors_fatal: bool,
    /// Whether results are secret where no keyword says whether.
    pub no_log: bool,
    /// The `ansible.cfg` that was read: `ansible_config_file`.
    pub config_file: Option<PathBuf>,
    /// What `ansible_managed` says in templates, with `{file}`, `{host}`, `{uid}` and times.
    pub managed: Option<String>,
    /// Whether mappings of one name are joined over the levels of precedence, instead of the strongest one counting.
    pub merge_hashes: bool,
    /// Whether a condition that comes to a text is decided by that, as Ansible up to 2.18 does.
    pub broken_conditionals: bool,
    /// Whether `set_fact` leaves `yes` and `no` texts: `jinja2_native`.
    pub native: bool,
    /// Whether a notification that nobody hears is warned of alone.
    pub unheard: bool,
    /// `--force-handlers`.
    pub force_handlers: bool,
    /// Whether questions of coming tasks are asked together. Off only for tests that compare.
    pub lookahead: bool,
    /// Whether hosts are locked against other runs.
    pub locks: bool,
    /// Who runs this, for the lock: user, machine and process.
    pub who: String,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            check: false,
            diff: false,
            forks: 100,
            verbosity: 0,
            limit: None,
            tags: Vec::new(),
            skip_tags: Vec::new(),
            tag_filter: TagFilter::new::<&str>(&[], &[]),
            start_at_task: None,
            step: false,
            debugger: false,
            debugger_passes_ignored: true,
            extra_vars: Vars::new(),
            inventories: Vec::new(),
            user: None,
            private_key: None,
            connection: None,
            password: None,
            become_: false,
            become_user: None,
            become_password: None,
            become_method: None,
            become_defaults: BTreeMap::new(),
            ssh_arguments: Vec::new(),
            ssh: SshDefaults::default(),
            host_keys: None,
            reload: None,
            unchecked_keys: None,
            connect_timeout: Duration::from_secs(30),
            task_timeout: None,
            gathering: Gathering::default(),
            gather_subset: Vec::new(),
            gather_timeout: None,
            fact_cache: None,
            any_errors_fatal: false,
            no_log: false,
            config_file: None,
            managed: None,
            merge_hashes: false,
            broken_conditionals: true,
            native: false,
            unheard: false,
            force_handlers: false,
            lookahead: true,
            locks: true,
            who: "bringup".to_owned(),
        }
    }
}

impl Options {
    /// `inventory_dir`: the folder of the first inventory.
    pub fn inventory_dir(&self) -> Option<String> {
        let path = PathBuf::from(self.inventory_file()?);
        let folder = if path.is_dir() { path } else { path.parent()?.to_owned() };
        Some(folder.display().to_string())
    }

    /// `inventory_file`: the first inventory.
    pub fn inventory_file(&self) -> Option<String> {
        let first = self.inventories.first().filter(|i| !i.contains(','))?;
        std::path::absolute(first).ok().map(|p| p.display().to_string())
    }

    /// `ansible_inventory_sources`: all inventories, as paths or as lists of hosts.
    pub fn inventory_sources(&self) -> Vec<String> {
        let shown = |source: &String| match source.contains(',') {
            true => source.clone(),
            false => std::path::absolute(source).map_or_else(|_| source.clone(), |p| p.display().to_string()),
        };
        self.inventories.iter().map(shown).collect()
    }

    /// Whether facts are gathered though tags are given: the gathering is tagged `always`.
    pub fn gathers_with_tags(&self) -> bool {
        !self.skip_tags.iter().any(|t| t == "always" || t == "all")
    }
}

/// A way to read the inventory once more.
#[derive(Clone)]
pub struct Reload(pub Arc<dyn Fn() -> Result<Inventory, String> + Send + Sync>);

impl std::fmt::Debug for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reload")
    }
}
