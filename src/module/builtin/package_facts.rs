//! `ansible.builtin.package_facts`: all installed packages as facts.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/package_facts_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, Resource, State},
    module::{Context, Described, Failure, List, Module, ParameterError, Plan, PlanError, Return, Returns, Text},
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
    const RETURNS: Returns = &[&[
        Return::map("ansible_facts.packages", "always", "The packages by name, each a list of its versions"),
        Return::list("ansible_facts.packages.{package}", "always", "The installed versions of a package"),
        Return::text("ansible_facts.packages.{package}[].name", "always", "Its name"),
        Return::text("ansible_facts.packages.{package}[].version", "always", "Its version"),
        Return::text("ansible_facts.packages.{package}[].arch", "always", "Its architecture"),
        Return::text("ansible_facts.packages.{package}[].category", "with apt", "Its section"),
        Return::text("ansible_facts.packages.{package}[].source", "always", "Which package manager says so"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        match self.strategy.as_ref().is_some_and(|s| !matches!(s.0.as_str(), "first" | "all")) {
            true => Err(ParameterError::new("strategy", "it is `first` or `all`")),
            false => Ok(()),
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

/// Package managers by the names that Ansible has for them; a host's own answers to any of its names.
const MANAGERS: &[(&str, &[&str])] = &[
    ("apk", &[]),
    ("apt", &[]),
    ("pacman", &[]),
    ("pkg", &["pkg5", "pkgng"]),
    ("pkg_info", &["openbsd_pkg"]),
    ("portage", &[]),
    ("rpm", &["dnf", "dnf5", "yum", "zypper"]),
];

impl PackageFacts {
    /// Whether the package manager that answered was asked.
    fn asked(&self, source: Option<&str>) -> Result<(), Failure> {
        let names: Vec<String> = self.manager.0.iter().map(|m| m.0.to_lowercase()).collect();
        let known = |name: &str| MANAGERS.iter().find(|(own, others)| *own == name || others.contains(&name));
        if let Some(other) = names.iter().find(|name| *name != "auto" && known(name).is_none()) {
            return Err(Failure::new(format!("Unsupported package managers requested: {other}")));
        }
        let any = names.is_empty() || names.iter().any(|name| name == "auto");
        let by = |source: &str| names.iter().any(|name| known(name).is_some_and(|(own, _)| *own == source));
        match source {
            Some(source) if any || by(source) => Ok(()),
            // A host without a single package has one all the same.
            None if any => Ok(()),
            _ => {
                let list = if any { "auto".to_owned() } else { names.join(", ") };
                Err(Failure::new(format!(
                    "Could not detect a supported package manager from the following list: {list}"
                )))
            }
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
        let text = answer.text();
        self.asked(text.split('\t').next().filter(|source| !source.is_empty()))?;
        Ok(Plan::facts(Map::from_iter([("packages".to_owned(), Json::Object(packages(&text)))])))
    }
}
