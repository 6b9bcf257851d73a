//! `ansible.builtin.setup`: facts about the host.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/setup_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    fact::{Probe, Resource, State, setup},
    module::{
        Context, Described, Failure, Flag, List, Module, ParameterError, Plan, PlanError, Return, Returns, Text, Whole,
    },
    playbook::{About, Sets},
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
    /// How many seconds a server may take to tell the size of each file system of its that is mounted; without it servers are
    /// not asked. All else is there at once.
    #[serde(default)]
    gather_timeout: Option<Whole>,
    /// Where the host's own `*.fact` files are: `/etc/ansible/facts.d` unless said otherwise.
    #[serde(default)]
    fact_path: Option<Text>,
    /// Accepted for the sake of `gather_facts`: one module gathers all that there is.
    #[serde(default)]
    #[allow(dead_code)]
    parallel: Option<Flag>,
}

impl Described for Setup {
    const NAME: &'static str = "ansible.builtin.setup";
    const ABOUT: About = About { sets: Sets::AllFacts, ..About::TELLS };
    const ALIASES: &'static [&'static str] = &["gather_facts"];
    const SUMMARY: &'static str = "Gathers facts about the host";
    const EXAMPLES: &'static str = "\
- name: Ask for memory and processors anew
  ansible.builtin.setup:
    gather_subset: [\"!all\", hardware]
    filter: [\"ansible_mem*\", \"ansible_processor*\"]
";
    const RETURNS: Returns = &[&[Return::map("ansible_facts", "always", "The facts; `bringup facts HOST` shows them")]];

    fn check(&self) -> Result<(), ParameterError> {
        if self.gather_timeout.as_ref().is_some_and(|seconds| seconds.0 < 1) {
            return Err(ParameterError::new("gather_timeout", "it is a number of seconds, 1 at least"));
        }
        self.subset().map(drop).map_err(|why| ParameterError::new("gather_subset", why))
    }
}

impl Setup {
    fn subset(&self) -> Result<setup::Subset, String> {
        setup::Subset::parse(&self.gather_subset.0.iter().map(|t| t.0.as_str()).collect::<Vec<_>>())
    }

    /// The facts gathered at the play's start are good for the whole play; who asks by a task wants them anew.
    /// The environment of the task is that of the facts about it.
    fn question(&self, context: &Context<'_>) -> Probe {
        let own = self.fact_path.as_ref().map_or(setup::OWN_FACTS, |path| path.0.as_str());
        let patience = self.gather_timeout.as_ref().and_then(|seconds| u64::try_from(seconds.0).ok());
        let script = format!("{}{}", context.environment, setup::script_with(own, patience));
        Probe::Script { script, reads: vec![Resource::Anything] }
    }
}

impl Module for Setup {
    fn probe(&self, context: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![self.question(context)]
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let subset = self.subset().map_err(Failure::new)?;
        let answer = state.script(&self.question(context))?;
        let Some(Json::Object(facts)) = setup::parse(&answer.stdout) else {
            let told = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            return Err(Failure::new(format!("the host's facts were not understood: {told}")).into());
        };
        let patterns: Vec<_> = self.filter.0.iter().map(|t| t.0.as_str()).collect();
        let facts = setup::filter(&facts, &subset, &patterns);
        Ok(Plan::facts(facts))
    }
}
