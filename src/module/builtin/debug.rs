//! `ansible.builtin.debug`: shows a text or a variable.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/debug_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, State},
    module::{Context, Described, Module, ParameterError, Plan, PlanError, Return, Returns, Text, Whole},
    playbook::{About, Expressions},
};

/// Parameters of `debug`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Debug {
    /// What to show; `Hello world!` by default.
    msg: Option<Json>,
    /// A variable or expression whose value is shown, in the place of `msg`.
    var: Option<Text>,
    /// How many `-v` are needed for it to be shown.
    #[serde(default)]
    verbosity: Whole,
}

impl Described for Debug {
    const NAME: &'static str = "ansible.builtin.debug";
    const ABOUT: About = About {
        background: false,
        expressions: Some(Expressions { parameter: "var", rendered: true }),
        needs: Some(&["msg"]),
        ..About::TELLS
    };
    const SUMMARY: &'static str = "Shows a text or a variable";
    const EXAMPLES: &'static str = "\
- name: where are we
  ansible.builtin.debug:
    msg: this is {{ inventory_hostname }}

- name: what came of it
  ansible.builtin.debug:
    var: result.stdout_lines
    verbosity: 1
";
    const RETURNS: Returns = &[&[
        Return::any("msg", "without `var`", "The message"),
        Return::any("{var}", "with `var`", "The value, under the expression as its name"),
        Return::text("skipped_reason", "where there are not enough `-v`", "Why nothing is shown"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        match (&self.msg, &self.var) {
            (Some(_), Some(_)) => Err(ParameterError::task("'msg' and 'var' are incompatible options")),
            _ => Ok(()),
        }
    }
}

impl Module for Debug {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        Vec::new()
    }

    fn plan(&self, context: &Context<'_>, _: &State) -> Result<Plan, PlanError> {
        let verbosity = context.controller.verbosity();
        let mut result = Map::new();
        if verbosity < self.verbosity.0 {
            result.insert("skipped_reason".into(), json!("Verbosity threshold not met."));
            return Ok(Plan { skipped: true, ..Plan::ok(result) });
        }
        match &self.var {
            Some(var) => {
                let value = context.controller.value(&var.0)?;
                result.insert(var.0.clone(), value.unwrap_or_else(|| json!("VARIABLE IS NOT DEFINED!")));
            }
            None => {
                result.insert("msg".into(), self.msg.clone().unwrap_or_else(|| json!("Hello world!")));
            }
        }
        Ok(Plan { shown: true, ..Plan::ok(result) })
    }
}
