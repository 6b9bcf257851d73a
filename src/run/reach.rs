//! Which connection a task uses: the one that was made from the very values that its variables and keywords have now.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value as Json;

use super::{
    Run,
    ahead::Features,
    connection::{self, Settings},
    host::HostRun,
    keyword, lock,
    machine::{Hold, Machine},
    task::TaskError,
};
use crate::{
    inventory::{Level, is_localhost},
    playbook::Scope,
    template::{Context, References},
};

/// The connections of a run, by the name of the host.
pub type Machines = HashMap<String, Vec<Reached>>;

/// A host reached with some values.
pub struct Reached {
    settings: Settings,
    machine: Arc<Machine>,
    /// The user that is logged in as, where that is said.
    login: Option<String>,
}

impl Run {
    /// The machine of a host, and its login user as far as that is said. `own` are the variables of the host that the task is for,
    /// `reached` those of the host that is acted on.
    pub fn reach(
        &self,
        host: &str,
        scope: &Scope,
        own: &Context,
        reached: &Context,
    ) -> Result<(Arc<Machine>, Option<String>), TaskError> {
        let local = is_localhost(host) && !self.inventory().contains(host);
        let settings = Settings::read(self, host, scope, own, reached, local)?;
        if let Some(known) = lock(&self.machines).get(host).and_then(|all| all.iter().find(|r| r.settings == settings))
        {
            return Ok((known.machine.clone(), known.login.clone()));
        }
        let target = settings.target(self, host)?;
        let login = target.login();
        let hold = match (local, !self.options.check && self.options.locks) {
            (true, _) => Hold::Share,
            (false, true) => Hold::Lock(self.options.who.clone()),
            (false, false) => Hold::Look,
        };
        let mut machines = lock(&self.machines);
        let all = machines.values().flatten().map(|r| &r.machine);
        // The same by other words is the same connection.
        let machine = match all.clone().find(|m| m.name == host && *m.target() == target) {
            Some(known) => known.clone(),
            None => {
                let machine = Arc::new(Machine::new(host, target, hold, self.ssh.clone()));
                all.filter(|other| other.may_be(&machine)).for_each(|other| Machine::relate(other, &machine));
                machine
            }
        };
        let reached = Reached { settings, machine: machine.clone(), login: login.clone() };
        machines.entry(host.to_owned()).or_default().push(reached);
        Ok((machine, login))
    }

    /// The value of a variable that says how a host is reached. One that is looked up by doing something (`lookup('pipe', …)`) is
    /// looked up once for what it is made of, however many tasks there are.
    pub(super) fn setting(&self, host: &str, name: &str, vars: &Context) -> Result<Option<Json>, TaskError> {
        let read = || vars.variable(name).map_err(TaskError::from).map(|value| value.filter(|v| !v.is_null()));
        if self.engine.templates(name, vars).is_empty() {
            return read();
        }
        let made_of = self.reads(name, vars);
        if !made_of.acts {
            return read();
        }
        let mut key = format!("{host}\0{name}");
        for part in made_of.names.iter().map(String::as_str) {
            let value = match self.reads(part, vars).acts {
                true => Json::from(self.engine.templates(part, vars)),
                false => vars.variable(part).ok().flatten().unwrap_or_default(),
            };
            key.push_str(&format!("\0{part}={value}"));
        }
        if let Some(known) = lock(&self.found).get(&key) {
            return Ok(known.clone());
        }
        let found = read()?;
        lock(&self.found).insert(key, found.clone());
        Ok(found)
    }

    fn reads(&self, name: &str, vars: &Context) -> References {
        let first = References { names: [name.to_owned()].into(), ..References::default() };
        self.engine.all_references(&first, vars)
    }

    /// All connections of the run.
    pub(super) fn all_machines(&self) -> Vec<Arc<Machine>> {
        lock(&self.machines).values().flat_map(|reached| distinct(reached)).collect()
    }

    /// The connections of a host.
    pub(super) fn machines_of(&self, host: &str) -> Vec<Arc<Machine>> {
        lock(&self.machines).get(host).map(|reached| distinct(reached)).unwrap_or_default()
    }

    /// Forgets what was read of a host, so that a retry reads it anew.
    pub(crate) fn forget_everywhere(&self, host: &str) {
        self.machines_of(host).iter().for_each(|m| m.forget_all());
    }

    /// Forgets what was read of the Kubernetes API on all machines: a change of unknown effect ran somewhere.
    pub(crate) fn forget_api(&self) {
        for reached in lock(&self.machines).values().flatten() {
            reached.machine.forget(&[crate::fact::Resource::Api]);
        }
    }
}

impl HostRun {
    /// Whether variables of the play or of the task lead to what is another host of the inventory: the others wait, as for a task that is
    /// delegated to it.
    pub(super) fn elsewhere(&self, seen: &Features, vars: &Context) -> bool {
        let layers = self.host.layers();
        let set = |name: &&str| {
            [Level::IncludeVars, Level::SetFacts].iter().any(|level| layers.get_at(*level, name).is_some())
        };
        if !seen.leads_elsewhere && !connection::ADDRESSES.iter().any(set) {
            return false;
        }
        let address = connection::ADDRESSES.iter().find_map(|name| vars.variable(name).ok().flatten());
        let address = address.as_ref().and_then(keyword::as_text).unwrap_or_default();
        let there = self.run.host(&address).or_else(|| self.run.host_at(&address));
        there.is_some_and(|host| host.name != self.host.name)
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
