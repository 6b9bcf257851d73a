//! The connections of a run: each belongs to the host and the values that it was made from.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde_json::Value as Json;

use super::{connection::Settings, lock, machine::Machine};
use crate::{connection::Context, fact::Resource};

/// A host reached with some values.
struct Reached {
    settings: Settings,
    machine: Arc<Machine>,
    /// The user that is logged in as, where that is said.
    login: Option<String>,
}

/// All connections, and what variables that say how to connect were found to be.
pub struct Machines {
    /// What every connection is made with.
    pub context: Arc<Context>,
    /// By the name of the host.
    reached: Mutex<HashMap<String, Vec<Reached>>>,
    found: Mutex<HashMap<String, Option<Json>>>,
}

impl Machines {
    /// Returns none yet.
    pub fn new(context: Arc<Context>) -> Machines {
        Machines { context, reached: Mutex::default(), found: Mutex::default() }
    }

    /// The machine that a host is reached as with these settings, and its login user as far as that is said.
    pub fn known(&self, host: &str, settings: &Settings) -> Option<(Arc<Machine>, Option<String>)> {
        let reached = lock(&self.reached);
        let known = reached.get(host)?.iter().find(|r| r.settings == *settings)?;
        Some((known.machine.clone(), known.login.clone()))
    }

    /// Adds a machine, unless the same one is there by other words. Returns the one that counts.
    pub fn add(&self, settings: Settings, machine: Machine, login: Option<String>) -> Arc<Machine> {
        let mut reached = lock(&self.reached);
        let host = machine.name.clone();
        let all = reached.values().flatten().map(|r| &r.machine);
        let machine = match all.clone().find(|m| m.name == host && m.target() == machine.target()) {
            Some(known) => known.clone(),
            None => {
                let machine = Arc::new(machine);
                all.filter(|other| other.may_be(&machine)).for_each(|other| Machine::relate(other, &machine));
                machine
            }
        };
        reached.entry(host).or_default().push(Reached { settings, machine: machine.clone(), login });
        machine
    }

    /// All connections of the run.
    pub fn all(&self) -> Vec<Arc<Machine>> {
        lock(&self.reached).values().flat_map(|reached| distinct(reached)).collect()
    }

    /// The connections of a host.
    pub fn of(&self, host: &str) -> Vec<Arc<Machine>> {
        lock(&self.reached).get(host).map(|reached| distinct(reached)).unwrap_or_default()
    }

    /// Forgets what was read of the Kubernetes API on all machines: a change of unknown effect ran somewhere.
    pub fn forget_api(&self) {
        for reached in lock(&self.reached).values().flatten() {
            reached.machine.forget(&[Resource::Api]);
        }
    }

    /// The value that is found once for a key, however many tasks ask for it.
    ///
    /// # Errors
    /// When it cannot be found: the next task tries again.
    pub fn find<E>(&self, key: String, read: impl FnOnce() -> Result<Option<Json>, E>) -> Result<Option<Json>, E> {
        if let Some(known) = lock(&self.found).get(&key) {
            return Ok(known.clone());
        }
        let found = read()?;
        lock(&self.found).insert(key, found.clone());
        Ok(found)
    }
}

fn distinct(reached: &[Reached]) -> Vec<Arc<Machine>> {
    let mut all: Vec<Arc<Machine>> = Vec::new();
    for Reached { machine, .. } in reached {
        if !all.iter().any(|known| Arc::ptr_eq(known, machine)) {
            all.push(machine.clone());
        }
    }
    all
}
