//! The hosts of a run: what is known of each, who is out, and those that appear while it runs.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use indexmap::IndexMap;

use super::{FactCache, LOCALHOST, lock, outcome::Due, task_error::TaskError, variables::Host};
use crate::{
    inventory::{Inventory, InventoryError, Layers, Level, Variable, Vars, is_localhost},
    module::Effect,
    report::Status,
};

/// All hosts, and the inventory that they come from.
pub struct Hosts {
    inventory: RwLock<Arc<Inventory>>,
    /// Variables of the command line, which every host has.
    extra: Arc<Vars>,
    known: Mutex<IndexMap<String, Arc<Host>>>,
    /// Where facts are kept for later runs.
    cache: Option<Arc<FactCache>>,
    /// The folder of the playbook at work: its `group_vars` and `host_vars` count.
    directory: Mutex<Option<PathBuf>>,
    /// What tasks have added to the inventory, each with the host that it was for.
    added: Mutex<Vec<(String, Due)>>,
    /// Those that have failed, and take part in no further play.
    out: Mutex<HashSet<String>>,
    /// Those that cannot be reached.
    gone: Mutex<HashSet<String>>,
}

impl Hosts {
    /// Returns the hosts of an inventory.
    pub fn new(inventory: Inventory, extra: Vars, cache: Option<Arc<FactCache>>) -> Hosts {
        Hosts {
            inventory: RwLock::new(Arc::new(inventory)),
            extra: Arc::new(extra),
            known: Mutex::default(),
            cache,
            directory: Mutex::default(),
            added: Mutex::default(),
            out: Mutex::default(),
            gone: Mutex::default(),
        }
    }

    /// The inventory as it is now: hosts and groups can appear while a playbook runs.
    pub fn inventory(&self) -> Arc<Inventory> {
        self.inventory.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A host by name.
    pub fn get(&self, name: &str) -> Option<Arc<Host>> {
        let known = lock(&self.known);
        let name = if is_localhost(name) && !known.contains_key(name) { LOCALHOST } else { name };
        known.get(name).cloned()
    }

    /// The host of the inventory whose address this is.
    pub fn at(&self, address: &str) -> Option<Arc<Host>> {
        let inventory = self.inventory();
        let is_there = |host: &Arc<Host>| {
            let given =
                inventory.host(&host.name).and_then(|host| host.vars.get("ansible_host").map(Variable::to_json));
            given.is_some_and(|given| given.as_str() == Some(address))
        };
        lock(&self.known).values().find(|host| is_there(host)).cloned()
    }

    /// What went wrong with facts that are kept for later runs, as far as it was not told yet.
    pub fn cache_troubles(&self) -> Vec<String> {
        lock(&self.known).values().filter_map(|host| host.cache_trouble()).collect()
    }

    /// Whether a host takes no further part.
    pub fn is_out(&self, host: &str) -> bool {
        lock(&self.out).contains(host) || lock(&self.gone).contains(host)
    }

    /// Notes that a host has failed.
    pub fn put_out(&self, host: &str) {
        lock(&self.out).insert(host.to_owned());
    }

    /// Notes that a host was lost, with the status of the task that it was lost in.
    pub fn lost(&self, host: &str, status: Status) {
        if status == Status::Unreachable {
            lock(&self.gone).insert(host.to_owned());
        }
        self.put_out(host);
    }

    /// `meta: clear_host_errors`.
    pub fn clear_errors(&self) {
        lock(&self.out).clear();
        lock(&self.gone).clear();
    }

    /// Takes over what `add_host` and `group_by` ask for: hosts and groups for the rest of the run. Says whether that changed anything.
    ///
    /// # Errors
    /// When the inventory does not take them.
    pub fn regroup(&self, host: &str, effects: &[Due]) -> Result<bool, TaskError> {
        let adds = |due: &&Due| matches!(due.effect.as_ref(), Effect::Host { .. } | Effect::Group { .. });
        lock(&self.added).extend(effects.iter().filter(adds).map(|due| (host.to_owned(), due.clone())));
        self.add(host, effects)
    }

    /// Whether taking over what `add_host` and `group_by` ask for would change anything; it is noted in `trial`, an inventory of its own.
    pub fn would_regroup(&self, host: &str, effects: &[Due], trial: &mut Option<Inventory>) -> bool {
        let adds = |due: &&Due| matches!(due.effect.as_ref(), Effect::Host { .. } | Effect::Group { .. });
        effects.iter().filter(adds).fold(false, |any, due| {
            let inventory = trial.get_or_insert_with(|| self.inventory().as_ref().clone());
            // What the inventory does not take is found out where it is given to it.
            put(inventory, host, &due.effect).unwrap_or(false) | any
        })
    }

    /// Goes on with an inventory that was read anew, to which is added what tasks have added so far.
    ///
    /// # Errors
    /// When it does not take that.
    pub fn reload(&self, inventory: Inventory) -> Result<(), TaskError> {
        *self.inventory.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(inventory);
        let directory = lock(&self.directory).clone();
        if let Some(directory) = directory {
            self.enter(&directory);
        }
        let added = lock(&self.added).clone();
        added.iter().try_for_each(|(host, due)| self.add(host, std::slice::from_ref(due)).map(|_| ()))
    }

    fn add(&self, host: &str, effects: &[Due]) -> Result<bool, TaskError> {
        let mut changed = false;
        let wrong = |error: InventoryError| TaskError::new(error.to_string());
        for Due { effect, .. } in effects {
            let touched = match effect.as_ref() {
                Effect::Host { name, .. } => Some(name.as_str()),
                Effect::Group { .. } => Some(host),
                Effect::Facts(_) | Effect::Variables { .. } | Effect::Stats { .. } => None,
            };
            if touched.is_some() {
                changed |= self.change_inventory(|inventory| put(inventory, host, effect)).map_err(wrong)?;
            }
            let directory = lock(&self.directory).clone();
            if let (Some(host), Some(directory)) = (touched, directory) {
                self.refresh(host, &directory);
            }
        }
        Ok(changed)
    }

    fn change_inventory<T>(&self, change: impl FnOnce(&mut Inventory) -> T) -> T {
        change(Arc::make_mut(&mut self.inventory.write().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Begins with a playbook of a folder.
    pub fn enter(&self, directory: &Path) {
        *lock(&self.directory) = Some(directory.to_owned());
        let names: Vec<String> = self.inventory().hosts().map(str::to_owned).chain([LOCALHOST.to_owned()]).collect();
        names.iter().for_each(|name| self.refresh(name, directory));
    }

    /// What was found out about a host stays known; what the playbook's folder says of it may differ.
    fn refresh(&self, name: &str, directory: &Path) {
        let mut layers = Layers::new(self.inventory().host_vars(name, Some(directory)));
        layers.push(Level::ExtraVars, self.extra.clone());
        let mut known = lock(&self.known);
        match known.get(name) {
            Some(host) => host.refresh(&layers),
            None => {
                known.insert(name.to_owned(), Arc::new(Host::new(name, layers, self.cache.clone())));
            }
        }
    }
}

/// Puts a host or a group into an inventory. Says whether that changed anything.
fn put(inventory: &mut Inventory, host: &str, effect: &Effect) -> Result<bool, InventoryError> {
    match effect {
        Effect::Host { name, groups, vars } => {
            let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
            let vars: Vars = vars.iter().map(|(name, value)| (name.clone(), Variable::from(value.clone()))).collect();
            inventory.add_host(name, &groups, vars)
        }
        Effect::Group { name, parents } => {
            let parents: Vec<&str> = parents.iter().map(String::as_str).filter(|p| *p != "all").collect();
            inventory.group_by(host, name, &parents)
        }
        Effect::Facts(_) | Effect::Variables { .. } | Effect::Stats { .. } => Ok(false),
    }
}
