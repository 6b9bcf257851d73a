//! `ansible.builtin.getent`: entries of the host's databases.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/getent_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, Resource, State},
    module::{Context, Described, Failure, Flag, Module, ParameterError, Plan, PlanError, Return, Returns, Text},
    playbook::{About, Sets},
    sh::quote,
};

/// Parameters of `getent`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Getent {
    /// The database, such as `passwd`, `group` or `hosts`.
    database: Text,
    /// The entry; all by default.
    key: Option<Text>,
    /// Ask this service alone.
    service: Option<Text>,
    /// What stands between two fields; by default a colon where the database has one, else white space.
    split: Option<Text>,
    /// Whether a missing entry fails the task.
    #[serde(default = "Flag::yes")]
    fail_key: Flag,
}

impl Described for Getent {
    const NAME: &'static str = "ansible.builtin.getent";
    const ABOUT: About = About { sets: Sets::Facts(&["getent_{database}"]), ..About::TELLS };
    const SUMMARY: &'static str = "Reads entries of the host's databases";
    const EXAMPLES: &'static str = "\
- name: root's entry
  ansible.builtin.getent:
    database: passwd
    key: root

- name: root's shell
  ansible.builtin.debug:
    var: ansible_facts.getent_passwd.root.5
";
    const RETURNS: Returns = &[&[
        Return::map(
            "ansible_facts.getent_{database}",
            "always",
            "The entries by key, each a list of its fields; of a key that is not there nothing",
        ),
        Return::text("msg", "when a key is not there", "What is not there"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if self.database.0.is_empty() || !self.database.0.bytes().all(plain) {
            return Err(ParameterError::new("database", format!("`{}` is no database", self.database.0)));
        }
        Ok(())
    }
}

impl Getent {
    fn question(&self) -> Probe {
        let service = self.service.as_ref().map_or(String::new(), |s| format!("-s {} ", quote(&s.0)));
        let (database, key) = (quote(&self.database.0), self.key.as_ref().map(|k| quote(&k.0)).unwrap_or_default());
        let script = format!(
            "command -v getent >/dev/null || {{ echo 'the host has no getent' >&2; exit 90; }}\ngetent {service}{database} {key}\n"
        );
        let reads = match self.database.0.as_str() {
            "passwd" | "shadow" => vec![Resource::Users],
            "group" | "gshadow" => vec![Resource::Groups],
            name => vec![Resource::Path(format!("/etc/{name}"))],
        };
        Probe::Script { script, reads }
    }

    /// Refuses names that are no text: only what people write about a user may be anything.
    fn told(&self, bytes: &[u8]) -> Result<(), Failure> {
        for line in bytes.split(|b| *b == b'\n').filter(|line| std::str::from_utf8(line).is_err()) {
            let fields = line.split(|b| *b == b':').enumerate();
            let remark = |at: usize| self.database.0 == "passwd" && at == 4;
            if fields.into_iter().any(|(at, field)| !remark(at) && std::str::from_utf8(field).is_err()) {
                let line = String::from_utf8_lossy(line).escape_debug().to_string();
                return Err(Failure::new(format!("an entry of `{}` is no UTF-8 text: {line}", self.database.0)));
            }
        }
        Ok(())
    }

    fn entries(&self, text: &str) -> Map<String, Json> {
        let colon = matches!(self.database.0.as_str(), "passwd" | "shadow" | "group" | "gshadow");
        let split = self.split.as_ref().map(|s| s.0.as_str()).or(colon.then_some(":"));
        let mut seen: Map<String, Json> = Map::new();
        for line in text.lines() {
            let fields: Vec<&str> = match split {
                Some(split) => line.split(split).collect(),
                None => line.split_whitespace().collect(),
            };
            let Some((name, rest)) = fields.split_first() else { continue };
            match seen.get_mut(*name) {
                // Several entries of one name become a list of lists.
                Some(Json::Array(known)) if known.first().is_some_and(Json::is_array) => known.push(json!(rest)),
                Some(known) => *known = json!([known.clone(), rest]),
                None => {
                    seen.insert((*name).to_owned(), json!(rest));
                }
            }
        }
        seen
    }
}

impl Module for Getent {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![self.question()]
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let answer = state.script(&self.question())?;
        self.told(&answer.stdout)?;
        let missing = "One or more supplied key could not be found in the database.";
        let mut found = self.entries(&answer.text());
        let mut message = "";
        match answer.status {
            0 => {}
            1 => return Err(Failure::new("Missing arguments, or database unknown.").into()),
            2 if self.fail_key.0 => return Err(Failure::new(missing).into()),
            2 => {
                message = missing;
                if let Some(key) = &self.key {
                    found.insert(key.0.clone(), Json::Null);
                }
            }
            3 => return Err(Failure::new("Enumeration not supported on this database.").into()),
            _ => return Err(Failure::said(answer).into()),
        }
        let mut plan = Plan::facts(Map::from_iter([(format!("getent_{}", self.database.0), Json::Object(found))]));
        if !message.is_empty() {
            plan.result.insert("msg".into(), json!(message));
        }
        Ok(plan)
    }
}
