//! The inventory as `bringup inventory` prints it, in the form of `ansible-inventory`.

use std::{path::Path, sync::Arc};

use serde_json::{Map, Value as Json, json};

use super::{Inventory, Level, Vars};

/// So many lines a tree has at most: a group that is inside of many others stands below each of them.
const MAX_LINES: usize = 200_000;

/// Variables that say where a host comes from; they are not printed.
const INTERNAL: [&str; 2] = ["inventory_file", "inventory_dir"];

impl Inventory {
    /// The groups as a tree, with their hosts.
    pub fn graph(&self, group: &str) -> Option<String> {
        let mut lines = Vec::new();
        self.groups.get(group)?;
        self.branch(group, 0, &mut lines);
        if lines.len() > MAX_LINES {
            lines.push("… and more: the groups are inside of each other in too many ways to show each".to_owned());
        }
        Some(lines.join("\n"))
    }

    fn branch(&self, name: &str, depth: usize, lines: &mut Vec<String>) {
        let Some(group) = self.groups.get(name).filter(|_| lines.len() <= MAX_LINES) else { return };
        let line = |text: String, depth: usize| match depth {
            0 => text,
            _ => format!("{}--{text}", "  |".repeat(depth)),
        };
        lines.push(line(format!("@{name}:"), depth));
        for child in group.children.keys() {
            self.branch(child, depth + 1, lines);
        }
        if name != super::model::ALL {
            lines.extend(group.hosts.iter().map(|host| line(host.clone(), depth + 1)));
        }
    }

    /// All groups with their hosts, and all variables of all hosts, as an inventory script would print them.
    pub fn list_json(&self, playbook_dir: Option<&Path>) -> Json {
        let mut groups = Map::new();
        self.groups_json(super::model::ALL, &mut groups);
        let mut hosts: Vec<&str> = self.group_hosts(super::model::ALL);
        hosts.sort_unstable();
        let vars: Map<String, Json> = hosts
            .into_iter()
            .map(|host| (host.to_owned(), self.host_json(host, playbook_dir)))
            .filter(|(_, vars)| vars.as_object().is_some_and(|vars| !vars.is_empty()))
            .collect();
        groups.insert("_meta".into(), json!({ "hostvars": vars }));
        groups.sort_keys();
        Json::Object(groups)
    }

    fn groups_json(&self, name: &str, out: &mut Map<String, Json>) {
        let Some(group) = self.groups.get(name).filter(|_| !out.contains_key(name)) else { return };
        let mut entry = Map::new();
        if !group.children.is_empty() {
            entry.insert("children".into(), group.children.keys().map(String::as_str).collect());
        }
        if name != super::model::ALL && !group.hosts.is_empty() {
            entry.insert("hosts".into(), group.hosts.iter().map(String::as_str).collect());
        }
        // Kept even when empty until the walk ends, so that each group is visited once.
        out.insert(name.into(), Json::Object(entry));
        for child in group.children.keys() {
            self.groups_json(child, out);
        }
        if out.get(name).and_then(Json::as_object).is_some_and(Map::is_empty) {
            out.shift_remove(name);
        }
    }

    /// The variables that a host has of its own: in inventories, and in `host_vars` beside them and beside a playbook.
    pub fn own_host_json(&self, host: &str, playbook_dir: Option<&Path>) -> Json {
        let own =
            |level: Level| matches!(level, Level::InventoryHost | Level::InventoryHostVars | Level::PlaybookHostVars);
        let layers = self.host_vars(host, playbook_dir).into_iter().filter(|layer| own(layer.level));
        json_of(layers.map(|layer| layer.vars))
    }

    /// The variables of a group: in inventories, and in `group_vars` beside them and beside a playbook.
    pub fn group_json(&self, group: &str, playbook_dir: Option<&Path>) -> Json {
        let Some(entry) = self.groups.get(group) else { return json!({}) };
        let mut vars = json_of(std::iter::once(entry.vars.clone()).chain(self.group_files(group, playbook_dir)));
        if let (Json::Object(vars), true) = (&mut vars, entry.priority != 1) {
            vars.insert("ansible_group_priority".into(), json!(entry.priority));
            vars.sort_keys();
        }
        vars
    }

    /// All variables of a host, by their names.
    pub fn host_json(&self, host: &str, playbook_dir: Option<&Path>) -> Json {
        json_of(self.host_vars(host, playbook_dir).into_iter().map(|layer| layer.vars))
    }
}

/// Variables that win from left to right, by their names.
fn json_of(layers: impl Iterator<Item = Arc<Vars>>) -> Json {
    let mut all = Vars::new();
    for vars in layers {
        all.extend(vars.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    let told = all.iter().filter(|(name, _)| !INTERNAL.contains(&name.as_str()));
    let mut vars: Map<String, Json> = told
        .map(|(name, value)| (name.clone(), value.node().map_or_else(|| value.to_json(), |node| shown(node))))
        .collect();
    vars.sort_keys();
    Json::Object(vars)
}

/// A value as Ansible prints it: what is encrypted stays so.
fn shown(node: &crate::yaml::Node) -> Json {
    node.to_json_with(&|text| json!({ "__ansible_vault": text }))
}
