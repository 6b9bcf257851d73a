//! `ansible.builtin.package_facts`: all installed packages as facts.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/package_facts_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, Resource, State},
    module::{Context, Described, Failure, List, Module, ParameterError, Plan, PlanError, Text},
    playbook::{About, Sets},
};

/// Parameters of `package_facts`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageFacts {
    /// Which package managers to ask; the first that is there answers.
    #[serde(default)]
    manager: List<Text>,
    /// `first` or `all`; a host has one package manager here.
    #[serde(default)]
    strategy: Option<Text>,
}

impl Described for PackageFacts {
    const NAME: &'static str = "ansible.builtin.package_facts";
    const ABOUT: About = About { sets: Sets::Facts(&["packages"]), ..About::TELLS };
    const SUMMARY: &'static str = "Returns the installed packages as facts";
    const EXAMPLES: &'static str = "\
- name: Learn which packages there are
  ansible.builtin.package_facts:

- name: Refuse a host that has docker already
  ansible.builtin.assert:
    that: \"'docker.io' not in ansible_facts.packages\"
";

    fn check(&self) -> Result<(), ParameterError> {
        match self.manager.0.iter().find(|m| {
            !matches!(m.0.as_str(), "auto" | "apt" | "rpm" | "dnf" | "dnf5" | "yum" | "zypper" | "apk" | "pacman")
        }) {
            Some(other) => {
                Err(ParameterError::new("manager", format!("the package manager `{}` is not supported", other.0)))
            }
            None if self.strategy.as_ref().is_some_and(|s| !matches!(s.0.as_str(), "first" | "all")) => {
                Err(ParameterError::new("strategy", "it is `first` or `all`"))
            }
            None => Ok(()),
        }
    }
}

impl PackageFacts {
    fn question() -> Probe {
        Probe::Script {
            script: crate::sh::file!("package_facts.sh").to_owned(),
            reads: vec![Resource::Path("/var/lib/dpkg".to_owned()), Resource::Path("/var/lib/rpm".to_owned())],
        }
    }
}

fn packages(text: &str) -> Map<String, Json> {
    let mut packages: Map<String, Json> = Map::new();
    for line in text.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let [source, name, version, arch, category] = fields[..] else { continue };
        let package = json!({ "name": name, "version": version, "arch": arch, "category": category, "source": source });
        match packages.get_mut(name) {
            Some(Json::Array(others)) => others.push(package),
            _ => drop(packages.insert(name.to_owned(), json!([package]))),
        }
    }
    packages
}

impl Module for PackageFacts {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![PackageFacts::question()]
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let answer = state.script(&PackageFacts::question())?;
        if answer.status != 0 {
            return Err(Failure::new("Could not detect a supported package manager").into());
        }
        Ok(Plan::facts(Map::from_iter([("packages".to_owned(), Json::Object(packages(&answer.text())))])))
    }
}
