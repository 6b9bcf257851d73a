//! `ansible.builtin.package_facts`: all installed packages as facts.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/package_facts_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, Resource, State},
    module::{Context, Described, Failure, List, Module, Plan, PlanError, Return, Returns, Text},
    playbook::{About, Sets},
    sh::words,
};

/// Parameters of `package_facts`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageFacts {
    /// Which package managers to ask, one after the other; `auto` stands for all: apt, rpm, apk and pacman.
    #[serde(default)]
    manager: List<Text>,
    /// Whether the first of them that is there answers, or all that are.
    #[serde(default)]
    strategy: Strategy,
}

/// How many package managers answer.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Strategy {
    /// The first that is there.
    #[default]
    First,
    /// All that are there.
    All,
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

/// Those of them that can be asked here.
const ASKED: &[&str] = &["apt", "rpm", "apk", "pacman"];

/// The name under which a package manager answers.
fn own_name(name: &str) -> Option<&'static str> {
    MANAGERS.iter().find(|(own, others)| *own == name || others.contains(&name)).map(|(own, _)| *own)
}

impl PackageFacts {
    /// The package managers to ask, each once, in their order, and whether it was named.
    fn asked(&self) -> Result<Vec<(&'static str, bool)>, Failure> {
        let named: Vec<String> = self.manager.0.iter().map(|m| m.0.to_lowercase()).collect();
        let (auto, named): (Vec<&str>, Vec<&str>) = named.iter().map(String::as_str).partition(|name| *name == "auto");
        let unknown: Vec<&str> = named.iter().copied().filter(|name| own_name(name).is_none()).collect();
        if !unknown.is_empty() {
            return Err(Failure::new(format!("Unsupported package managers requested: {}", unknown.join(", "))));
        }
        let others = if named.is_empty() || !auto.is_empty() { ASKED } else { &[] };
        let named = named.into_iter().filter_map(own_name).map(|name| (name, true));
        let mut asked: Vec<(&'static str, bool)> = Vec::new();
        for (name, named) in named.chain(others.iter().map(|name| (*name, false))) {
            if !asked.iter().any(|(known, _)| *known == name) {
                asked.push((name, named));
            }
        }
        Ok(asked)
    }

    fn question(&self) -> Result<Probe, Failure> {
        let first = if self.strategy == Strategy::First { "first" } else { "all" };
        // What was not named is there only if it has a package: `rpm` may be installed on any system.
        let marked = self.asked()?.into_iter().map(|(name, named)| format!("{}{name}", if named { "" } else { "?" }));
        Ok(Probe::Script {
            script: format!("set -- {first} {}\n{}", words(marked), crate::sh::file!("package_facts.sh")),
            reads: vec![Resource::Path("/var/lib/dpkg".to_owned()), Resource::Path("/var/lib/rpm".to_owned())],
        })
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
        self.question().into_iter().collect()
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let answer = state.script(&self.question()?)?;
        let text = answer.text();
        let of = |mark: &'static str| text.lines().filter_map(move |line| line.strip_prefix(mark));
        if answer.status != 0 || of("there\t").next().is_none() {
            let list: Vec<&str> = self.asked()?.into_iter().map(|(name, _)| name).collect();
            let list = list.join(", ");
            let message = format!("Could not detect a supported package manager from the following list: {list}");
            return Err(Failure::new(message).into());
        }
        let warnings = of("missing\t").map(|name| {
            format!("Requested package manager {name} was not usable by this module: the host has no such command")
        });
        let warnings = warnings.collect();
        let facts = Map::from_iter([("packages".to_owned(), Json::Object(packages(&text)))]);
        Ok(Plan { warnings, ..Plan::facts(facts) })
    }
}
