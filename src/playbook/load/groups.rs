//! Groups of modules that `module_defaults` names: `group/NAME`.
//!
//! Source: `_resolve_group` of ansible-core; a collection says in its `meta/runtime.yml` what groups it has.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::Loader;
use crate::yaml::{Node, Value};

/// The collection of groups whose name says none.
const BUILTIN: &str = "ansible.builtin";

/// The groups that were asked for, by the folder of the playbook and their name.
#[derive(Default)]
pub(super) struct Groups(Mutex<HashMap<(PathBuf, String), Arc<Group>>>);

/// The modules of a group, by their full names.
#[derive(Debug, Default)]
struct Group {
    modules: BTreeSet<String>,
    /// Whether it is there at all.
    known: bool,
}

/// A group's collection and its name there.
fn parts(name: &str) -> (String, &str) {
    let mut dots = name.match_indices('.').map(|(at, _)| at);
    match dots.nth(1) {
        Some(at) => (name[..at].to_owned(), &name[at + 1..]),
        None => (BUILTIN.to_owned(), name),
    }
}

impl Loader {
    /// Whether a module is in a group that the playbook of a folder names.
    pub fn in_group(&self, group: &str, module: &str, directory: &Path) -> bool {
        self.group(group, directory).modules.contains(module)
    }

    /// Whether a group is known.
    pub(super) fn knows_group(&self, group: &str, directory: &Path) -> bool {
        self.group(group, directory).known
    }

    fn group(&self, name: &str, directory: &Path) -> Arc<Group> {
        let key = (directory.to_owned(), name.to_owned());
        let known = || self.groups.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = known().get(&key) {
            return group.clone();
        }
        let mut group = Group::default();
        group.known = self.gather(name, directory, &mut BTreeSet::new(), &mut group.modules);
        let group = Arc::new(group);
        known().insert(key, group.clone());
        group
    }

    /// Adds the modules of a group and of those it extends; tells whether it is there.
    fn gather(
        &self,
        name: &str,
        directory: &Path,
        seen: &mut BTreeSet<String>,
        modules: &mut BTreeSet<String>,
    ) -> bool {
        let (collection, short) = parts(name);
        let full = format!("{collection}.{short}");
        if !seen.insert(full.clone()) {
            return true;
        }
        if collection == BUILTIN {
            let Some(extended) = self.modules.group_of_groups(short) else { return false };
            for group in extended {
                self.gather(group, directory, seen, modules);
            }
            return true;
        }
        let within = |name: &str| match name.matches('.').count() {
            0 | 1 => format!("{collection}.{name}"),
            _ => name.to_owned(),
        };
        let entries = self.entries(&collection, &full, short, directory);
        let here = self.modules.group(&full);
        let named = entries.iter().flatten().filter_map(Node::as_str).chain(here.into_iter().flatten().copied());
        for module in named.map(within) {
            let known = self.modules.canonical(&module).map(str::to_owned);
            modules.insert(known.unwrap_or(module));
        }
        for group in entries.iter().flatten().flat_map(extended) {
            self.gather(&within(&group), directory, seen, modules);
        }
        entries.is_some() || here.is_some()
    }

    /// What a collection on the disk says of a group: modules, and what it extends.
    fn entries(&self, collection: &str, full: &str, short: &str, directory: &Path) -> Option<Vec<Node>> {
        let (namespace, name) = collection.split_once('.')?;
        let below = Path::new("ansible_collections").join(namespace).join(name).join("meta/runtime.yml");
        let own = directory.join("collections");
        let mut folders = std::iter::once(&own).chain(&self.options.collections_path).map(|folder| folder.join(&below));
        let told = self.file(&folders.find(|file| file.is_file())?).ok()?;
        let groups = told.get("action_groups")?;
        let group = groups.get(full).or_else(|| groups.get(short))?;
        group.as_seq().map(<[Node]>::to_vec)
    }
}

/// The groups that an entry of a group says it extends.
fn extended(entry: &Node) -> Vec<String> {
    let groups = entry.get("metadata").and_then(|metadata| metadata.get("extend_group"));
    match groups.map(|groups| &groups.value) {
        Some(Value::Seq(items)) => items.iter().filter_map(Node::as_str).map(str::to_owned).collect(),
        Some(Value::String { text, .. }) => vec![text.clone()],
        _ => Vec::new(),
    }
}
