//! The variables of a host, in the order in which Ansible lets them count.
//!
//! Groups count by depth, then by `ansible_group_priority`, then by name.
//! Source: <https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html#how-variables-are-merged>

use std::{path::Path, sync::Arc};

use super::{
    Inventory, Layer, Level, Vars,
    folder::{Kind, VarsFolder},
    model::ALL,
};

impl Inventory {
    /// The variables of a host from inventories and from the files beside them and beside the playbook, weakest first.
    ///
    /// A playbook's folder counts when it was given to [`Inventory::load`] or [`Inventory::add_playbook_dir`].
    pub fn host_vars(&self, host: &str, playbook_dir: Option<&Path>) -> Vec<Layer> {
        let entry = self.host(host);
        let lineage = entry.as_deref().map(|h| h.lineage.as_slice()).unwrap_or_default();
        let groups: Vec<&str> = self.named(lineage).map(|g| g.name.as_str()).collect();
        let inventories: Vec<&VarsFolder> =
            self.inventory_folders.iter().filter_map(|at| self.folders.get(*at)).collect();
        let playbook: Vec<&VarsFolder> = playbook_dir.and_then(|dir| self.playbook_folder(dir)).into_iter().collect();

        let mut layers = Layering { layers: Vec::new() };
        layers.add(Level::InventoryAll, self.groups.get(ALL).map(|g| &g.vars));
        for group in self.named(lineage) {
            layers.add(Level::InventoryGroups, Some(&group.vars));
        }
        layers.files(Level::InventoryGroupVarsAll, &inventories, Kind::Group, &[ALL]);
        layers.files(Level::PlaybookGroupVarsAll, &playbook, Kind::Group, &[ALL]);
        layers.files(Level::InventoryGroupVars, &inventories, Kind::Group, &groups);
        layers.files(Level::PlaybookGroupVars, &playbook, Kind::Group, &groups);
        layers.add(Level::InventoryHost, entry.as_deref().map(|h| &h.vars));
        layers.files(Level::InventoryHostVars, &inventories, Kind::Host, &[host]);
        layers.files(Level::PlaybookHostVars, &playbook, Kind::Host, &[host]);
        layers.layers
    }

    /// What files say of a group: beside the inventories, then beside a playbook.
    pub(super) fn group_files(&self, group: &str, playbook_dir: Option<&Path>) -> Vec<Arc<Vars>> {
        let inventories = self.inventory_folders.iter().filter_map(|at| self.folders.get(*at));
        let folders: Vec<&VarsFolder> =
            inventories.chain(playbook_dir.and_then(|dir| self.playbook_folder(dir))).collect();
        let mut layers = Layering { layers: Vec::new() };
        layers.files(Level::InventoryGroupVars, &folders, Kind::Group, &[group]);
        layers.layers.into_iter().map(|layer| layer.vars).collect()
    }

    fn playbook_folder(&self, dir: &Path) -> Option<&VarsFolder> {
        let at = match self.playbook_folders.get(dir) {
            Some(at) => at,
            None => self.playbook_folders.get(&dir.canonicalize().ok()?)?,
        };
        self.folders.get(*at)
    }
}

struct Layering {
    layers: Vec<Layer>,
}

impl Layering {
    fn add(&mut self, level: Level, vars: Option<&Arc<Vars>>) {
        if let Some(vars) = vars.filter(|vars| !vars.is_empty()) {
            self.layers.push(Layer { level, vars: Arc::clone(vars) });
        }
    }

    /// Folder by folder, and in each name by name.
    fn files(&mut self, level: Level, folders: &[&VarsFolder], kind: Kind, names: &[&str]) {
        for folder in folders {
            for name in names {
                self.add(level, folder.get(kind, name));
            }
        }
    }
}
