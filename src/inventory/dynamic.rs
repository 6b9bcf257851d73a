//! Hosts and groups that appear while a playbook runs: `add_host` and `group_by`.

use std::sync::Arc;

use super::{
    Inventory, InventoryError, Vars,
    folder::Kind,
    model::{ALL, Host},
};

impl Inventory {
    /// Adds a host, or adds groups and variables to one that is there; says whether that changed anything.
    ///
    /// # Errors
    /// When the files with the variables of a new host or group are wrong.
    pub fn add_host(&mut self, name: &str, groups: &[&str], vars: Vars) -> Result<bool, InventoryError> {
        let mut changed = false;
        if !self.hosts.contains_key(name) {
            let host = Host { name: name.into(), ..Host::default() };
            self.hosts.insert(name.to_owned(), host);
            self.join(ALL, name);
            self.read_entity(Kind::Host, name)?;
            changed = true;
        }
        if let Some(host) = self.hosts.get_mut(name)
            && vars.iter().any(|(key, value)| host.vars.get(key) != Some(value))
        {
            Arc::make_mut(&mut host.vars).extend(vars);
            changed = true;
        }
        for group in groups {
            let group = &*self.group_name(group);
            changed |= self.new_group(group)?;
            changed |= self.join(group, name);
        }
        if changed {
            self.reconcile()?;
        }
        Ok(changed)
    }

    /// Puts a host into a group, which is made where it is new, and the group into others; says whether that changed anything.
    ///
    /// # Errors
    /// When a group would be inside of itself, or the files with the variables of a new group are wrong.
    pub fn group_by(&mut self, host: &str, group: &str, parents: &[&str]) -> Result<bool, InventoryError> {
        let group = &*self.group_name(group);
        let parents: Vec<_> = parents.iter().map(|parent| self.group_name(parent)).collect();
        let mut changed = self.new_group(group)?;
        let mut linked = Vec::new();
        for parent in &parents {
            changed |= self.new_group(parent)?;
            if !self.groups.get(&**parent).is_some_and(|p| p.children.contains_key(group)) {
                self.link(parent, group, None);
                linked.push(parent);
            }
        }
        changed |= self.join(group, host) || !linked.is_empty();
        if changed {
            // What would close a circle is taken back: the inventory stays usable for a `rescue`.
            self.reconcile().inspect_err(|_| linked.iter().for_each(|parent| self.unlink(parent, group)))?;
        }
        Ok(changed)
    }

    fn new_group(&mut self, name: &str) -> Result<bool, InventoryError> {
        if self.groups.contains_key(name) {
            return Ok(false);
        }
        self.ensure_group(name, None);
        self.read_entity(Kind::Group, name)?;
        Ok(true)
    }

    fn unlink(&mut self, parent: &str, child: &str) {
        if let Some(parent) = self.groups.get_mut(parent) {
            parent.children.shift_remove(child);
        }
        if let Some(child) = self.groups.get_mut(child) {
            child.parents.shift_remove(parent);
        }
    }

    fn join(&mut self, group: &str, host: &str) -> bool {
        let Some(entry) = self.hosts.get_mut(host) else { return false };
        let Some(group) = self.groups.get_mut(group) else { return false };
        group.hosts.insert(host.to_owned());
        entry.groups.insert(group.name.clone())
    }

    fn read_entity(&mut self, kind: Kind, name: &str) -> Result<(), InventoryError> {
        let Self { folders, warnings, .. } = self;
        folders.iter_mut().try_for_each(|folder| folder.read(kind, name, warnings))
    }
}
