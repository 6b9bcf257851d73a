//! `ansible.builtin.ping`: the host answers.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/ping_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::{
    fact::{Probe, State},
    module::{Context, Described, Failure, Module, Plan, PlanError, Return, Returns, Text},
    playbook::About,
};

/// Parameters of `ping`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// What to answer; `crash` fails the task.
    data: Option<Text>,
}

impl Described for Ping {
    const NAME: &'static str = "ansible.builtin.ping";
    const ABOUT: About = About::TELLS;
    const SUMMARY: &'static str = "Connects to the host and answers pong";
    const EXAMPLES: &'static str = "- name: the host answers\n  ansible.builtin.ping:\n";
    const RETURNS: Returns = &[&[
        Return::text("ping", "always", "`pong`, or what `data` says"),
        Return::text("module_stdout", "with `data: crash`", "What the module printed"),
        Return::text("module_stderr", "with `data: crash`", "What the module complained of"),
        Return::whole("rc", "with `data: crash`", "Its exit status"),
    ]];
}

impl Ping {
    fn question() -> Probe {
        Probe::Script { script: ":".to_owned(), reads: Vec::new() }
    }
}

impl Module for Ping {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![Ping::question()]
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        state.script(&Ping::question())?;
        let answer = self.data.as_ref().map_or("pong", |d| d.0.as_str());
        if answer == "crash" {
            // A module that crashes leaves what its program printed.
            let failure = Failure::new("boom").with("module_stdout", "").with("module_stderr", "Exception: boom");
            return Err(failure.with("rc", 1).into());
        }
        Ok(Plan::ok(Map::from_iter([("ping".to_owned(), json!(answer))])))
    }
}
