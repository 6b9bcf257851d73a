//! Inventory and vars plugins of Python for inventories.

use std::path::Path;

use serde_json::json;

use super::plugins::PythonPlugins;
use super::workstation::{self, Fault};
use crate::inventory::plugin::{Failure, Plugins};

fn failure(fault: &Fault) -> Failure {
    Failure { reason: fault.to_string(), help: fault.help().map(str::to_owned) }
}

impl Plugins for PythonPlugins {
    fn inventory(&self, plugin: &str, file: &Path) -> Result<String, Failure> {
        workstation::ask("inventory", json!({ "name": plugin, "path": file })).map_err(|fault| failure(&fault))
    }

    fn variables(&self, folder: &Path, groups: &[&str], hosts: &[&str]) -> Result<String, Failure> {
        let arguments = json!({ "folder": folder, "groups": groups, "hosts": hosts });
        workstation::ask("variables", arguments).map_err(|fault| failure(&fault))
    }

    fn of_playbook(&self, folder: &Path) {
        workstation::of_playbook(folder);
    }
}
