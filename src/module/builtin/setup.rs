//! `ansible.builtin.setup`: facts about the host.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/setup_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    fact::{Probe, Resource, State, setup},
    module::{Context, Described, Failure, List, Module, ParameterError, Plan, PlanError, Text, Whole},
};

/// Parameters of `setup`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Which groups of facts to return: `all`, `min`, `hardware`, `network`, `virtual`, … or one fact's name; `!` before
    /// a name leaves it out.
    #[serde(default)]
    gather_subset: List<Text>,
    /// Return only facts whose names fit one of these shell patterns.
    #[serde(default)]
    filter: List<Text>,
    /// Accepted for Ansible's sake: all facts come from one short script.
    #[serde(default)]
    #[allow(dead_code)]
    gather_timeout: Option<Whole>,
    /// Where the host's own `*.fact` files are; only the default is supported.
    #[serde(default)]
    fact_path: Option<Text>,
}

impl Described for Setup {
    const NAME: &'static str = "ansible.builtin.setup";
    const ALIASES: &'static [&'static str] = &["gather_facts"];
    const SUMMARY: &'static str = "Gathers facts about the host";
    const EXAMPLES: &'static str = "\
- name: Ask for memory and processors anew
  ansible.builtin.setup:
    gather_subset: [\"!all\", hardware]
    filter: [\"ansible_mem*\", \"ansible_processor*\"]
";

    fn check(&self) -> Result<(), ParameterError> {
        if self.fact_path.as_ref().is_some_and(|p| p.0 != "/etc/ansible/facts.d") {
            return Err(ParameterError::new("fact_path", "another folder than /etc/ansible/facts.d is not supported"));
        }
        self.subset().map(drop).map_err(|why| ParameterError::new("gather_subset", why))
    }
}

impl Setup {
    fn subset(&self) -> Result<setup::Subset, String> {
        setup::Subset::parse(&self.gather_subset.0.iter().map(|t| t.0.as_str()).collect::<Vec<_>>())
    }

    /// The facts gathered at the play's start are good for the whole play; who asks by a task wants them anew.
    fn question() -> Probe {
        Probe::Script { script: setup::script(), reads: vec![Resource::Anything] }
    }
}

impl Module for Setup {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![Setup::question()]
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let subset = self.subset().map_err(Failure::new)?;
        let answer = state.script(&Setup::question())?;
        let Some(Json::Object(facts)) = setup::parse(&answer.stdout) else {
            let told = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            return Err(Failure::new(format!("the host's facts were not understood: {told}")).into());
        };
        let patterns: Vec<_> = self.filter.0.iter().map(|t| t.0.as_str()).collect();
        let facts = setup::filter(&facts, &subset, &patterns);
        Ok(Plan::facts(facts))
    }
}
