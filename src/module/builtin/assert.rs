//! `ansible.builtin.assert`: fails unless conditions hold.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/assert_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::fail::plain;
use crate::{
    fact::{Probe, State},
    module::{Context, Described, Failure, Flag, Module, ParameterError, Plan, PlanError, Return, Returns},
    playbook::{About, Expressions},
};

/// Parameters of `assert`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assert {
    /// The conditions, as `when` has them; all must hold.
    that: Json,
    /// What to say when one does not hold.
    #[serde(alias = "msg")]
    #[schemars(extend("x-aliases" = ["msg"]))]
    fail_msg: Option<Json>,
    /// What to say when all hold.
    success_msg: Option<Json>,
    /// Say nothing when all hold.
    #[serde(default)]
    quiet: Flag,
}

impl Described for Assert {
    const NAME: &'static str = "ansible.builtin.assert";
    const ABOUT: About = About {
        background: false,
        expressions: Some(Expressions { parameter: "that", rendered: false }),
        needs: Some(&[]),
        ..About::TELLS
    };
    const SUMMARY: &'static str = "Fails unless conditions hold";
    const EXAMPLES: &'static str = "\
- name: the port is sensible
  ansible.builtin.assert:
    that:
      - port is defined
      - port | int > 1023
    fail_msg: set `port` to a number above 1023
";
    const RETURNS: Returns = &[&[
        Return::any("msg", "always", "`success_msg` or `fail_msg`, or what Ansible says in their place"),
        Return::any("assertion", "when one does not hold", "The condition that does not hold"),
        Return::flag("evaluated_to", "when one does not hold", "`false`"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        let text = |value: &Option<Json>| match value {
            None | Some(Json::String(_)) => true,
            Some(Json::Array(items)) => items.iter().all(Json::is_string),
            _ => false,
        };
        match (text(&self.fail_msg), text(&self.success_msg)) {
            (false, _) => Err(ParameterError::new("fail_msg", "a text or a list of texts is needed")),
            (_, false) => Err(ParameterError::new("success_msg", "a text or a list of texts is needed")),
            _ => Ok(()),
        }
    }
}

impl Module for Assert {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        Vec::new()
    }

    fn plan(&self, context: &Context<'_>, _: &State) -> Result<Plan, PlanError> {
        let conditions = match &self.that {
            Json::Array(conditions) => conditions.as_slice(),
            one => std::slice::from_ref(one),
        };
        for condition in conditions {
            let holds = context.controller.condition(condition);
            if holds.map_err(|failure| Failure { undecidable: true, ..failure })? {
                continue;
            }
            let said = self.fail_msg.clone().unwrap_or_else(|| json!("Assertion failed"));
            let mut failure = Failure::new(plain(&said)).with("assertion", condition.clone());
            if !matches!(condition, Json::Bool(_)) {
                failure = failure.help(format!("this does not hold: {}", plain(condition)));
            }
            failure.result.insert("evaluated_to".into(), json!(false));
            failure.result.insert("msg".into(), said);
            return Err(failure.into());
        }
        let mut result = Map::new();
        result.insert("msg".into(), self.success_msg.clone().unwrap_or_else(|| json!("All assertions passed")));
        Ok(Plan { shown: !self.quiet.0, ..Plan::ok(result) })
    }
}
