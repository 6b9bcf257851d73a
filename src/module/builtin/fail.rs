//! `ansible.builtin.fail`: fails with a message.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/fail_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{
    fact::{Probe, State},
    module::{Context, Described, Failure, Module, Plan, PlanError, Return, Returns},
    playbook::About,
};

/// Parameters of `fail`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fail {
    /// Why; `Failed as requested from task` by default.
    msg: Option<Json>,
}

impl Described for Fail {
    const NAME: &'static str = "ansible.builtin.fail";
    const ABOUT: About = About { background: false, ..About::TELLS };
    const SUMMARY: &'static str = "Fails with a message";
    const EXAMPLES: &'static str = "\
- name: this needs more memory
  ansible.builtin.fail:
    msg: at least 2 GiB of memory are needed
  when: ansible_facts.memtotal_mb < 2048
";
    const RETURNS: Returns = &[&[Return::any("msg", "always", "The message")]];
}

impl Module for Fail {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        Vec::new()
    }

    fn plan(&self, _: &Context<'_>, _: &State) -> Result<Plan, PlanError> {
        let Some(message) = &self.msg else { return Err(Failure::new("Failed as requested from task").into()) };
        let mut failure = Failure::new(plain(message));
        failure.result.insert("msg".into(), message.clone());
        Err(failure.into())
    }
}

/// A message in one text: the entries of a list in lines of their own.
pub(super) fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}
