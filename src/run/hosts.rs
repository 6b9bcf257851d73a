//! The hosts of a run: what is known of each, and those that appear while it runs.

use std::{
    path::Path,
    sync::{Arc, PoisonError},
};

use super::{LOCALHOST, Run, lock, outcome::Due, task_error::TaskError, variables::Host};
use crate::{
    inventory::{Inventory, InventoryError, Layers, Level, Variable, Vars},
    module::Effect,
};

impl Run {
    /// Takes over what `add_host` and `group_by` ask for: hosts and groups for the rest of the run.
    pub(crate) fn regroup(&self, host: &str, effects: &[Due]) -> Result<(), TaskError> {
        let wrong = |error: InventoryError| TaskError::new(error.to_string());
        for Due { effect, .. } in effects {
            let touched = match effect.as_ref() {
                Effect::Host { name, groups, vars } => {
                    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
                    let vars: Vars =
                        vars.iter().map(|(name, value)| (name.clone(), Variable::from(value.clone()))).collect();
                    self.change_inventory(|inventory| inventory.add_host(name, &groups, vars)).map_err(wrong)?;
                    Some(name.as_str())
                }
                Effect::Group { name, parents } => {
                    let parents: Vec<&str> = parents.iter().map(String::as_str).filter(|p| *p != "all").collect();
                    self.change_inventory(|inventory| inventory.group_by(host, name, &parents)).map_err(wrong)?;
                    Some(host)
                }
                Effect::Facts(_) | Effect::Variables { .. } => None,
            };
            let directory = lock(&self.playbook_dir).clone();
            if let (Some(host), Some(directory)) = (touched, directory) {
                self.refresh_host(host, &directory);
            }
        }
        Ok(())
    }

    /// The host of the inventory whose address this is.
    pub(super) fn host_at(&self, address: &str) -> Option<Arc<Host>> {
        let inventory = self.inventory();
        let is_there = |host: &Arc<Host>| {
            let given =
                inventory.host(&host.name).and_then(|host| host.vars.get("ansible_host").map(Variable::to_json));
            given.is_some_and(|given| given.as_str() == Some(address))
        };
        lock(&self.hosts).values().find(|host| is_there(host)).cloned()
    }

    fn change_inventory<T>(&self, change: impl FnOnce(&mut Inventory) -> T) -> T {
        change(Arc::make_mut(&mut self.inventory.write().unwrap_or_else(PoisonError::into_inner)))
    }

    pub(super) fn refresh_hosts(&self, directory: &Path) {
        let names: Vec<String> = self.inventory().hosts().map(str::to_owned).chain([LOCALHOST.to_owned()]).collect();
        names.iter().for_each(|name| self.refresh_host(name, directory));
    }

    /// What was found out about a host stays known; what the playbook's folder says of it may differ.
    fn refresh_host(&self, name: &str, directory: &Path) {
        let mut layers = Layers::new(self.inventory().host_vars(name, Some(directory)));
        layers.push(Level::ExtraVars, Arc::new(self.options.extra_vars.clone()));
        let mut hosts = lock(&self.hosts);
        match hosts.get(name) {
            Some(host) => host.refresh(&layers),
            None => {
                hosts.insert(name.to_owned(), Arc::new(Host::new(name, layers)));
            }
        }
    }
}
