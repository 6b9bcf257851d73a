//! `ansible.builtin.set_stats`: numbers and texts for the end of the run.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/set_stats_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    fact::{Probe, State},
    module::{Context, Described, Effect, Failure, Module, Plan, PlanError, Return, Returns},
    playbook::{About, is_variable_name},
    python::truth::boolean,
};

/// Parameters of `set_stats`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetStats {
    /// The values by name.
    data: Json,
    /// Whether they are the host's own; what says neither counts as false.
    #[serde(default)]
    per_host: Json,
    /// Whether they are added to those that were given before; what says neither counts as false.
    #[serde(default = "yes")]
    aggregate: Json,
}

fn yes() -> Json {
    Json::Bool(true)
}

impl Described for SetStats {
    const NAME: &'static str = "ansible.builtin.set_stats";
    const ABOUT: About = About { background: false, ..About::TELLS };
    const SUMMARY: &'static str = "Gives the run values of its own";
    const EXAMPLES: &'static str = "\
- name: how many packages were built
  ansible.builtin.set_stats:
    data:
      built: 3
";
    const RETURNS: Returns = &[&[Return::map("ansible_stats", "always", "The values, and how they are counted")]];
}

fn holds(value: &Json) -> bool {
    boolean(value) == Some(true)
}

impl Module for SetStats {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        Vec::new()
    }

    fn plan(&self, _: &Context<'_>, _: &State) -> Result<Plan, PlanError> {
        let Json::Object(data) = &self.data else {
            return Err(Failure::new("The 'data' option needs to be a dictionary/hash").into());
        };
        if let Some(name) = data.keys().find(|name| !is_variable_name(name)) {
            let message = format!(
                "The variable name '{name}' is not valid. Variables must start with a letter or underscore character, \
                 and contain only letters, numbers and underscores."
            );
            return Err(Failure::new(message).into());
        }
        let (per_host, aggregate) = (holds(&self.per_host), holds(&self.aggregate));
        let stats = Effect::Stats { values: data.clone(), per_host, aggregate };
        Ok(Plan { effects: vec![stats.into()], ..Plan::default() })
    }
}
