//! All modules by name.

use std::{collections::HashMap, sync::OnceLock};

use super::{Entry, bringup, builtin, crypto, general, kubernetes, posix};
use crate::playbook::{About, Sets};

/// The table of modules.
pub struct Registry {
    entries: Vec<Entry>,
    by_name: HashMap<&'static str, usize>,
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
            Registry { entries, by_name }
        })
    }

    /// A module by its full name, an alias, or the last part of its name; `ansible.legacy.` is `ansible.builtin.`.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        let short = name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("ansible.legacy."));
        let index = self.by_name.get(name).or_else(|| {
            let entry = self.by_name.get(short?)?;
            self.entries[*entry].name.starts_with("ansible.builtin.").then_some(entry)
        });
        index.map(|i| &self.entries[*i])
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
        let distance = |known: &str| strsim::damerau_levenshtein(known, name);
        self.by_name
            .keys()
            .copied()
            .min_by_key(|k| (distance(k), k.len()))
            .filter(|k| distance(k) <= 1 + name.len() / 4)
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
