//! All modules by name.

use std::{
    collections::HashMap,
    sync::{OnceLock, PoisonError, RwLock},
};

use super::{Entry, bringup, builtin, crypto, general, kubernetes, posix};
use crate::playbook::{About, Sets};

/// The table of modules.
pub struct Registry {
    entries: Vec<Entry>,
    by_name: HashMap<&'static str, usize>,
    /// Modules that are files of the workstation, as they are found. They stay for as long as the program runs.
    added: RwLock<HashMap<&'static str, &'static Entry>>,
}

impl Registry {
    /// The one table of this program.
    pub fn get() -> &'static Registry {
        static REGISTRY: OnceLock<Registry> = OnceLock::new();
        REGISTRY.get_or_init(|| {
            let entries = all();
            let mut by_name = HashMap::new();
            for (index, entry) in entries.iter().enumerate() {
                let last = entry.name.rsplit('.').next().unwrap_or(entry.name);
                for name in entry.aliases.iter().copied().chain([entry.name, last]) {
                    by_name.insert(name, index);
                }
            }
            Registry { entries, by_name, added: RwLock::default() }
        })
    }

    /// A module by its full name, an alias, or the last part of its name; `ansible.legacy.` is `ansible.builtin.`.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        let short = name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("ansible.legacy."));
        let index = self.by_name.get(name).or_else(|| {
            let entry = self.by_name.get(short?)?;
            self.entries[*entry].name.starts_with("ansible.builtin.").then_some(entry)
        });
        index.map(|i| &self.entries[*i]).or_else(|| self.added(name))
    }

    fn added(&self, name: &str) -> Option<&Entry> {
        self.added.read().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    /// Adds a module that is a file of the workstation.
    pub(crate) fn add(&self, entry: Entry) -> &'static Entry {
        let entry: &'static Entry = Box::leak(Box::new(entry));
        self.added.write().unwrap_or_else(PoisonError::into_inner).insert(entry.name, entry);
        entry
    }

    /// All modules in alphabetical order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The module that tells all there is to know of a host.
    pub fn gatherer(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.about.sets == Sets::AllFacts)
    }

    /// The module name nearest to a mistyped one.
    pub fn near(&self, name: &str) -> Option<&'static str> {
        let mut known: Vec<&'static str> = self.by_name.keys().copied().collect();
        known.sort_unstable();
        crate::suggest::near(name, known)
    }
}

/// What a module says of itself; of one that is not here nothing.
pub fn about(name: &str) -> About {
    Registry::get().find(name).map_or(About::PLAIN, |entry| entry.about)
}

fn all() -> Vec<Entry> {
    let collections =
        [bringup::entries, builtin::entries, crypto::entries, general::entries, kubernetes::entries, posix::entries];
    let mut entries: Vec<Entry> = collections.into_iter().flat_map(|entries| entries()).collect();
    entries.sort_by_key(|e| e.name);
    entries
}
