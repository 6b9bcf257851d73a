//! `ansible.builtin.set_fact`: gives variables values.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/set_fact_module.html>

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, State},
    module::{Context, Described, Effect, Flag, Module, ParameterError, Plan, PlanError, Return, Returns},
    playbook::{About, Sets},
};

/// Parameters of `set_fact`: any names.
#[derive(Debug)]
pub struct SetFact {
    cacheable: bool,
    facts: Map<String, Json>,
}

impl<'de> Deserialize<'de> for SetFact {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut facts = Map::deserialize(from)?;
        let cacheable = match facts.remove("cacheable") {
            Some(value) => Flag::deserialize(value).map_err(|e| D::Error::custom(format!("cacheable: {e}")))?.0,
            None => false,
        };
        Ok(SetFact { cacheable, facts })
    }
}

impl JsonSchema for SetFact {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SetFact".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let flag = generator.subschema_for::<Flag>();
        let mut schema = json_schema!({
            "type": "object",
            "description": "Parameters of `set_fact`: any names.",
            "properties": { "cacheable": flag },
            "additionalProperties": true
        });
        if let Some(Json::Object(property)) = schema.pointer_mut("/properties/cacheable") {
            let text = "Whether the values are facts too, which outlive the play where facts are kept. Any other \
                        name is a variable to set.";
            property.insert("description".into(), json!(text));
        }
        schema
    }
}

impl Described for SetFact {
    const NAME: &'static str = "ansible.builtin.set_fact";
    const ABOUT: About = About { background: false, sets: Sets::Parameters, ..About::TELLS };
    const SUMMARY: &'static str = "Gives variables values for the rest of the run";
    const EXAMPLES: &'static str = "\
- name: where the release goes
  ansible.builtin.set_fact:
    release_directory: \"/opt/example/{{ version }}\"
";
    const RETURNS: Returns = &[&[Return::map("ansible_facts", "always", "The variables")]];
    const OPEN: bool = true;

    fn check(&self) -> Result<(), ParameterError> {
        if self.facts.is_empty() {
            return Err(ParameterError::task("no variable is given: at least one `name: value` is needed"));
        }
        for name in self.facts.keys() {
            let valid = |(i, c): (usize, char)| c == '_' || c.is_alphabetic() || (i > 0 && c.is_alphanumeric());
            if name.is_empty() || !name.chars().enumerate().all(valid) {
                let message = format!("`{name}` is no variable name: letters, digits and _ are allowed");
                return Err(ParameterError::new(name, message));
            }
        }
        Ok(())
    }
}

impl Module for SetFact {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        Vec::new()
    }

    fn plan(&self, context: &Context<'_>, _: &State) -> Result<Plan, PlanError> {
        let own = |value: &Json| if context.controller.native() { value.clone() } else { truth(value) };
        let values = self.facts.iter().map(|(name, value)| (name.clone(), own(value))).collect();
        let set = Effect::Variables { values, cacheable: self.cacheable };
        Ok(Plan { effects: vec![set.into()], ..Plan::default() })
    }
}

/// As Ansible up to 2.18 has it where `jinja2_native` is off, `yes`, `no`, `true` and `false` are no texts here: `set_fact: ready=yes` is meant so.
fn truth(value: &Json) -> Json {
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("yes" | "true") => Json::Bool(true),
        Some("no" | "false") => Json::Bool(false),
        _ => value.clone(),
    }
}
