//! An inventory in the forms of `ansible-inventory`.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value as Json, json};

use crate::{
    inventory::{Inventory, Vars},
    template::to_text,
};

/// The group that every host belongs to, whose hosts are named in the others.
const ALL: &str = "all";

/// An inventory as it is to be shown.
pub struct Dump<'a> {
    /// The inventory.
    pub inventory: &'a Inventory,
    /// Variables stand with the groups and hosts that say them, instead of all with the hosts.
    pub export: bool,
    /// `--playbook-dir`.
    pub playbook_dir: Option<PathBuf>,
    /// The hosts that are shown.
    pub hosts: HashSet<String>,
    /// `--extra-vars`.
    pub extra_vars: &'a Vars,
}

impl Dump<'_> {
    /// The variables of a host.
    pub fn host(&self, name: &str) -> Json {
        if self.export {
            return self.inventory.own_host_json(name, self.playbook_dir.as_deref());
        }
        let here = self.playbook_dir.clone().or_else(|| std::env::current_dir().ok());
        let mut vars = self.inventory.host_json(name, here.as_deref());
        if let Json::Object(vars) = &mut vars {
            vars.extend(self.extra_vars.iter().map(|(name, value)| (name.clone(), value.to_json())));
            vars.sort_keys();
        }
        vars
    }

    fn group(&self, name: &str) -> Json {
        self.inventory.group_json(name, self.playbook_dir.as_deref().map(Path::new))
    }

    /// The children of a group and its hosts that are shown.
    fn inside(&self, name: &str) -> (Vec<&str>, Vec<&str>) {
        let Some(group) = self.inventory.groups.get(name) else { return (Vec::new(), Vec::new()) };
        let hosts = group.hosts.iter().filter(|host| name != ALL && self.hosts.contains(*host));
        (group.children.keys().map(String::as_str).collect(), hosts.map(String::as_str).collect())
    }

    /// As an inventory script prints it.
    pub fn json(&self) -> Json {
        let mut groups = Map::new();
        self.json_group(ALL, &mut groups, &mut HashSet::new());
        let vars = |host: &&String| (host.to_string(), self.host(host));
        let vars: Map<String, Json> =
            self.hosts.iter().map(|host| vars(&host)).filter(|(_, vars)| !empty(vars)).collect();
        groups.insert("_meta".into(), json!({ "hostvars": vars }));
        let mut all = Json::Object(groups);
        all.sort_all_objects();
        all
    }

    fn json_group<'i>(&'i self, name: &'i str, out: &mut Map<String, Json>, seen: &mut HashSet<&'i str>) {
        if !seen.insert(name) {
            return;
        }
        let (children, hosts) = self.inside(name);
        let mut entry = Map::new();
        put(&mut entry, "children", json!(children));
        put(&mut entry, "hosts", json!(hosts));
        if self.export {
            put(&mut entry, "vars", self.group(name));
        }
        if !entry.is_empty() {
            out.insert(name.to_owned(), Json::Object(entry));
        }
        children.into_iter().for_each(|child| self.json_group(child, out, seen));
    }

    /// As a tree for a YAML file.
    pub fn tree(&self) -> Json {
        let mut seen = (HashSet::new(), HashSet::new());
        self.tree_group(ALL, &mut seen)
    }

    fn tree_group<'i>(&'i self, name: &'i str, seen: &mut (HashSet<&'i str>, HashSet<&'i str>)) -> Json {
        let (children, hosts) = self.inside(name);
        let mut below = Map::new();
        for child in children {
            if seen.0.contains(child) {
                below.insert(child.to_owned(), json!({}));
                continue;
            }
            if let Json::Object(group) = self.tree_group(child, seen) {
                below.extend(group);
            }
            seen.0.insert(child);
        }
        let mut entry = Map::new();
        put(&mut entry, "children", Json::Object(below));
        put(&mut entry, "hosts", Json::Object(self.with_vars(hosts, &mut seen.1)));
        if self.export {
            put(&mut entry, "vars", self.group(name));
        }
        if entry.is_empty() { json!({}) } else { json!({ name: entry }) }
    }

    /// The variables of a host stand where it is named first.
    fn with_vars<'i>(&self, hosts: Vec<&'i str>, seen: &mut HashSet<&'i str>) -> Map<String, Json> {
        let vars = |host: &'i str, first: bool| if first { self.host(host) } else { json!({}) };
        hosts.into_iter().map(|host| (host.to_owned(), vars(host, seen.insert(host)))).collect()
    }

    /// As tables for a TOML file.
    pub fn tables(&self) -> Json {
        let (mut out, mut seen, mut hosts) = (Map::new(), HashSet::new(), HashSet::new());
        self.table(ALL, &mut out, &mut seen, &mut hosts);
        Json::Object(out)
    }

    fn table<'i>(
        &'i self,
        name: &'i str,
        out: &mut Map<String, Json>,
        seen: &mut HashSet<&'i str>,
        named: &mut HashSet<&'i str>,
    ) {
        if !seen.insert(name) {
            return;
        }
        let (children, hosts) = self.inside(name);
        let mut entry = Map::new();
        if name != ALL {
            put(&mut entry, "children", json!(children));
        }
        for child in children {
            self.table(child, out, seen, named);
        }
        put(&mut entry, "hosts", Json::Object(self.with_vars(hosts, named)));
        if self.export {
            put(&mut entry, "vars", self.group(name));
        }
        if !entry.is_empty() {
            out.insert(name.to_owned(), Json::Object(entry));
        }
    }

    /// As a tree of lines, with variables where `vars` says so.
    pub fn graph(&self, name: &str, vars: bool) -> Option<String> {
        if !vars {
            return self.inventory.graph(name);
        }
        self.inventory.groups.get(name)?;
        let mut lines = Vec::new();
        self.branch(name, 0, &mut lines);
        Some(lines.join("\n"))
    }

    fn branch(&self, name: &str, depth: usize, lines: &mut Vec<String>) {
        let Some(group) = self.inventory.groups.get(name) else { return };
        lines.push(line(&format!("@{name}:"), depth));
        group.children.keys().for_each(|child| self.branch(child, depth + 1, lines));
        for host in group.hosts.iter().filter(|_| name != ALL) {
            lines.push(line(host, depth + 1));
            variables(&self.host(host), depth + 2, lines);
        }
        variables(&self.group(name), depth + 1, lines);
    }
}

fn line(text: &str, depth: usize) -> String {
    if depth == 0 { text.to_owned() } else { format!("{}--{text}", "  |".repeat(depth)) }
}

fn variables(vars: &Json, depth: usize, lines: &mut Vec<String>) {
    let mut vars: Vec<(&String, &Json)> = vars.as_object().into_iter().flatten().collect();
    vars.sort_by_key(|(name, _)| *name);
    lines.extend(vars.into_iter().map(|(name, value)| line(&format!("{{{name} = {}}}", to_text(value)), depth)));
}

fn empty(value: &Json) -> bool {
    match value {
        Json::Array(items) => items.is_empty(),
        Json::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

/// Adds what is not empty.
fn put(entry: &mut Map<String, Json>, name: &str, value: Json) {
    if !empty(&value) {
        entry.insert(name.to_owned(), value);
    }
}
