//! `ansible.builtin.group_by`: a group for the rest of the run, by a value.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/group_by_module.html>

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    fact::{Probe, State},
    inventory::name,
    module::{Context, Described, Effect, List, Module, ParameterError, Plan, PlanError, Return, Returns, Text},
    playbook::{About, Sets},
};

/// Parameters of `group_by`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupBy {
    /// The group's name; spaces become dashes.
    key: Text,
    /// The groups that one is put into.
    #[serde(default = "all")]
    parents: List<Text>,
}

fn all() -> List<Text> {
    List(vec![Text("all".to_owned())])
}

impl Described for GroupBy {
    const NAME: &'static str = "ansible.builtin.group_by";
    const ABOUT: About = About { background: false, sets: Sets::Groups, ..About::TELLS };
    const SUMMARY: &'static str = "Puts hosts into groups by a value";
    const EXAMPLES: &'static str = "\
- name: hosts by processor
  ansible.builtin.group_by:
    key: arch_{{ ansible_facts.architecture }}
";
    const RETURNS: Returns = &[&[
        Return::text("add_group", "always", "The group that the host is in now"),
        Return::list("parent_groups", "always", "The groups that it is put into"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        let wrong = |parameter: &str, fault: name::Fault| ParameterError::new(parameter, fault.to_string());
        name::group(&self.key.0).map_err(|fault| wrong("key", fault))?;
        self.parents.0.iter().try_for_each(|parent| name::group(&parent.0).map_err(|fault| wrong("parents", fault)))
    }
}

impl Module for GroupBy {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        Vec::new()
    }

    fn plan(&self, _: &Context<'_>, _: &State) -> Result<Plan, PlanError> {
        let dashed = |t: &Text| t.0.replace(' ', "-");
        let parents: Vec<String> = self.parents.0.iter().map(dashed).collect();
        Ok(Plan { effects: vec![Effect::Group { name: dashed(&self.key), parents }.into()], ..Plan::default() })
    }
}
