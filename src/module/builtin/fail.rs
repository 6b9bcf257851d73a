//! `ansible.builtin.fail`: fails with a message.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/fail_module.html>

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    fact::{Probe, State},
    module::{Context, Described, Failure, Module, Plan, PlanError, Text},
    playbook::About,
};

/// Parameters of `fail`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fail {
    /// Why; `Failed as requested from task` by default.
    msg: Option<Text>,
}

impl Described for Fail {
    const NAME: &'static str = "ansible.builtin.fail";
    const ABOUT: About = About::TELLS;
    const SUMMARY: &'static str = "Fails with a message";
    const EXAMPLES: &'static str = "\
- name: this needs more memory
  ansible.builtin.fail:
    msg: at least 2 GiB of memory are needed
  when: ansible_facts.memtotal_mb < 2048
";
}

impl Module for Fail {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        Vec::new()
    }

    fn plan(&self, _: &Context<'_>, _: &State) -> Result<Plan, PlanError> {
        let message = self.msg.as_ref().map_or("Failed as requested from task", |m| m.0.as_str());
        Err(Failure::new(message).into())
    }
}
