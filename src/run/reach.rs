//! Which connection a task uses: the one that was made from the very values that its variables and keywords have now.

use std::sync::{Arc, atomic::Ordering};

use serde_json::Value as Json;

use super::{
    Run,
    connection::Settings,
    machine::{Hold, Machine},
    task_error::TaskError,
};
use crate::{
    inventory::is_localhost,
    playbook::Scope,
    report::Event,
    template::{Context, References},
};

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
        if let Some(known) = self.machines.known(host, &settings) {
            return Ok(known);
        }
        if let Some(warning) = self.options.unchecked_keys.as_ref().filter(|_| settings.is_network())
            && !self.told_of_keys.swap(true, Ordering::Relaxed)
        {
            self.tell(Event::Warning { message: warning.clone() });
        }
        let target = settings.target(self, host)?;
        let login = target.login();
        let hold = match (local, !self.options.check && self.options.locks) {
            (true, _) => Hold::Share,
            (false, true) => Hold::Lock(self.options.who.clone()),
            (false, false) => Hold::Look,
        };
        let machine = Machine::new(host, target, hold, self.machines.context.clone());
        let machine = self.machines.add(settings, machine, login.clone());
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
        self.machines.find(key, read)
    }

    fn reads(&self, name: &str, vars: &Context) -> References {
        let first = References { names: [name.to_owned()].into(), ..References::default() };
        self.engine.all_references(&first, vars)
    }
}
