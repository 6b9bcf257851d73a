//! `ansible.builtin.set_stats`: numbers and texts for the end of the run.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/set_stats_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, State},
    module::{Context, Described, Flag, Module, Plan, PlanError, Return, Returns},
    playbook::About,
};

/// Parameters of `set_stats`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetStats {
    /// The values by name.
    data: Map<String, Json>,
    /// Whether they are the host's own.
    #[serde(default)]
    per_host: Flag,
    /// Whether they are added to those that were given before.
    #[serde(default = "yes")]
    aggregate: Flag,
}

fn yes() -> Flag {
    Flag(true)
}

impl Described for SetStats {
    const NAME: &'static str = "ansible.builtin.set_stats";
    const ABOUT: About = About::TELLS;
    const SUMMARY: &'static str = "Gives the run values of its own";
    const EXAMPLES: &'static str = "\
- name: how many packages were built
  ansible.builtin.set_stats:
    data:
      built: 3
";
    const RETURNS: Returns = &[&[Return::map("ansible_stats", "always", "The values, and how they are counted")]];
}

impl Module for SetStats {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        Vec::new()
    }

    fn plan(&self, _: &Context<'_>, _: &State) -> Result<Plan, PlanError> {
        let stats = json!({ "data": self.data, "per_host": self.per_host.0, "aggregate": self.aggregate.0 });
        Ok(Plan::ok(Map::from_iter([("ansible_stats".to_owned(), stats)])))
    }
}
