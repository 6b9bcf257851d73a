//! `ansible.builtin.service_facts`: all services of the host as facts.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/service_facts_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, Resource, State},
    module::{Context, Described, Failure, Module, Plan, PlanError, Return, Returns},
    playbook::{About, Sets},
};

/// `service_facts` has no parameters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceFacts {}

impl Described for ServiceFacts {
    const NAME: &'static str = "ansible.builtin.service_facts";
    const ABOUT: About = About { sets: Sets::Facts(&["services"]), ..About::TELLS };
    const SUMMARY: &'static str = "Returns the services and their states as facts";
    const EXAMPLES: &'static str = "\
- name: Learn which services there are
  ansible.builtin.service_facts:

- name: Refuse a host with a firewall of its own
  ansible.builtin.assert:
    that: ansible_facts.services['firewalld.service'] is not defined
";
    const RETURNS: Returns = &[&[
        Return::map("ansible_facts.services", "always", "The services by name"),
        Return::map("ansible_facts.services.{service}", "always", "A service"),
        Return::text("ansible_facts.services.{service}.name", "always", "Its name"),
        Return::text(
            "ansible_facts.services.{service}.state",
            "always",
            "`running`, `stopped`, `inactive`, `failed` or another of its init system's words",
        ),
        Return::text(
            "ansible_facts.services.{service}.status",
            "always",
            "`enabled`, `disabled`, `static` or another of its init system's words",
        ),
        Return::text(
            "ansible_facts.services.{service}.source",
            "always",
            "`systemd`, `sysv` or which init system says so",
        ),
    ]];
}

impl ServiceFacts {
    fn question() -> Probe {
        Probe::Script { script: crate::sh::file!("service_facts.sh").to_owned(), reads: vec![Resource::Anything] }
    }
}

/// Reads both lists of systemctl: what is loaded, and what is only a file.
fn services(text: &str) -> Map<String, Json> {
    let mut services = Map::new();
    let mut add = |name: &str, state: &str, status: &str, source: &str| {
        services.insert(name.to_owned(), json!({ "name": name, "state": state, "status": status, "source": source }));
    };
    if let Some(scripts) = text.strip_prefix("\u{2}\n") {
        for (name, state) in scripts.lines().filter_map(|l| l.split_once(' ')) {
            add(name, state, "unknown", "sysv");
        }
        return services;
    }
    let (loaded, files) = text.split_once("\u{1}\n").unwrap_or((text, ""));
    let words = |line: &str| -> Vec<String> {
        line.trim_start_matches(['●', '*', ' ']).split_whitespace().map(str::to_owned).collect()
    };
    let file = |name: &str| {
        files.lines().map(words).find(|w| w.first().is_some_and(|n| n == name)).and_then(|w| w.get(1).cloned())
    };
    for line in loaded.lines().map(words) {
        let [name, load, _, sub, ..] = line.as_slice() else { continue };
        let state = match (load.as_str(), sub.as_str()) {
            ("not-found" | "masked", _) | (_, "dead" | "exited") => "stopped",
            (_, "failed") => "failed",
            (_, "running") => "running",
            _ => "inactive",
        };
        let status =
            file(name).unwrap_or_else(|| if load == "not-found" { "not-found".into() } else { "unknown".into() });
        add(name, state, &status, "systemd");
    }
    let mut rest = Vec::new();
    for line in files.lines().map(words) {
        if let [name, status, ..] = line.as_slice() {
            rest.push((name.clone(), status.clone()));
        }
    }
    for (name, status) in rest {
        services
            .entry(name.clone())
            .or_insert_with(|| json!({ "name": name, "state": "inactive", "status": status, "source": "systemd" }));
    }
    services
}

impl Module for ServiceFacts {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![ServiceFacts::question()]
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let answer = state.script(&ServiceFacts::question())?;
        if answer.status != 0 {
            let told = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            return Err(Failure::new(format!("cannot list the services: {told}")).into());
        }
        Ok(Plan::facts(Map::from_iter([("services".to_owned(), Json::Object(services(&answer.text())))])))
    }
}
