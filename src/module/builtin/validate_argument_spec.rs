//! `ansible.builtin.validate_argument_spec`: checks arguments against a specification, a role's or one's own.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/validate_argument_spec_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, State},
    module::{Context, Described, Failure, Module, Plan, PlanError, Return, Returns},
    playbook::About,
};

mod rules;
mod types;

/// Its name, by which roles that specify their arguments have them checked.
pub const NAME: &str = "ansible.builtin.validate_argument_spec";

/// Parameters of `validate_argument_spec`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateArgumentSpec {
    /// What each argument must be: `type`, `required`, `choices` and the others.
    argument_spec: Map<String, Json>,
    /// The arguments; those that are not here are taken from the variables.
    #[serde(default)]
    provided_arguments: Map<String, Json>,
    /// What is checked, for the result.
    #[serde(default)]
    validate_args_context: Map<String, Json>,
}

impl Described for ValidateArgumentSpec {
    const NAME: &'static str = NAME;
    const ABOUT: About = About { background: false, ..About::TELLS };
    const SUMMARY: &'static str = "Checks arguments against a specification";
    const EXAMPLES: &'static str = "\
- name: the port is a number
  ansible.builtin.validate_argument_spec:
    argument_spec:
      port: {type: int, required: true}
    provided_arguments:
      port: 8080
";
    const RETURNS: Returns = &[&[
        Return::text("msg", "always", "That all is well, or what is not"),
        Return::map("validate_args_context", "always", "What was checked"),
        Return::list("argument_errors", "when something is wrong", "Each thing that is wrong"),
        Return::map("argument_spec_data", "when something is wrong", "The specification"),
    ]];
}

impl Module for ValidateArgumentSpec {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        Vec::new()
    }

    fn plan(&self, context: &Context<'_>, _: &State) -> Result<Plan, PlanError> {
        let mut arguments = Map::new();
        for name in self.argument_spec.keys() {
            if let Some(value) = context.controller.variable(name)? {
                arguments.insert(name.clone(), value);
            }
        }
        arguments.extend(self.provided_arguments.clone());
        let mut errors = Vec::new();
        rules::check(&self.argument_spec, &mut arguments, "", &mut errors);
        let checked = json!(self.validate_args_context);
        if errors.is_empty() {
            return Ok(Plan::ok(Map::from_iter([
                ("validate_args_context".to_owned(), checked),
                ("msg".to_owned(), json!("The arg spec validation passed")),
            ])));
        }
        let failure = Failure::new(format!("Validation of arguments failed:\n{}", errors.join("\n")));
        Err(failure
            .with("validate_args_context", checked)
            .with("argument_spec_data", json!(self.argument_spec))
            .with("argument_errors", json!(errors))
            .into())
    }
}
