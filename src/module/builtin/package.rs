//! `ansible.builtin.package`: packages, whatever manages them.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/package_module.html>

use std::sync::OnceLock;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::apt::Wanted;
use crate::{
    fact::{Answer, Missing, Probe, Resource, State},
    module::{
        Change, Context, Described, Failure, List, Module, ParameterError, Plan, PlanError, Registry, Return, Returns,
        Step, StepOutput, Text, default_finish,
    },
    playbook::About,
    sh::words,
};

/// Parameters of `package`. Others are those of the module of the host's manager: of `apt`, `dnf` or `dnf5`.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Package {
    /// The packages; several may be separated by commas.
    #[serde(alias = "pkg")]
    #[schemars(extend("x-aliases" = ["pkg"]))]
    name: List<Text>,
    /// `present`, `absent` or `latest`.
    #[serde(default)]
    state: Option<Text>,
    /// Which package manager; `auto` takes the host's own.
    #[serde(default, rename = "use")]
    manager: Option<Text>,
    /// The `module_defaults` of the managers' modules.
    #[serde(default, rename = "_defaults")]
    #[schemars(skip)]
    defaults: Map<String, Json>,
    #[serde(flatten)]
    #[schemars(skip)]
    others: Map<String, Json>,
    /// The module of the host's manager, once it is known which that is.
    #[serde(skip)]
    #[schemars(skip)]
    chosen: OnceLock<Box<dyn Module>>,
}

/// The modules that take all parameters, by the names of their managers.
const MODULES: &[(&[&str], &str)] = &[
    (&["apt", "apt-get"], "ansible.builtin.apt"),
    (&["dnf", "dnf4"], "ansible.builtin.dnf"),
    (&["dnf5"], "ansible.builtin.dnf5"),
];

/// How a package manager is talked to. `$@` are the packages.
struct Manager {
    name: &'static str,
    /// Prints those of `$@` that are installed.
    installed: &'static str,
    /// Prints those of `$@` that have a newer version.
    outdated: &'static str,
    install: &'static str,
    upgrade: &'static str,
    remove: &'static str,
}

const RPM: &str = "for p; do rpm -q --quiet -- \"$p\" && echo \"$p\"; done; :";

const MANAGERS: &[Manager] = &[
    Manager {
        name: "yum",
        installed: RPM,
        outdated: "for p; do yum -q check-update \"$p\" >/dev/null 2>&1; [ $? -ne 100 ] || echo \"$p\"; done; :",
        install: "yum -y install",
        upgrade: "yum -y update",
        remove: "yum -y remove",
    },
    Manager {
        name: "apk",
        installed: "for p; do apk info -e \"$p\" >/dev/null && echo \"$p\"; done; :",
        outdated: "for p; do [ -z \"$(apk version -q -l '<' \"$p\")\" ] || echo \"$p\"; done; :",
        install: "apk add --wait 60",
        upgrade: "apk add --wait 60 --upgrade",
        remove: "apk del --wait 60",
    },
    Manager {
        name: "pacman",
        installed: "for p; do pacman -Q -- \"$p\" >/dev/null 2>&1 && echo \"$p\"; done; :",
        outdated: "for p; do pacman -Qu -- \"$p\" >/dev/null 2>&1 && echo \"$p\"; done; :",
        install: "pacman -S --noconfirm --needed --",
        upgrade: "pacman -S --noconfirm --",
        remove: "pacman -R --noconfirm --",
    },
    Manager {
        name: "zypper",
        installed: RPM,
        outdated: "for p; do zypper -q list-updates --all 2>/dev/null | grep -q \"| $p *|\" && echo \"$p\"; done; :",
        install: "zypper --non-interactive install --",
        upgrade: "zypper --non-interactive update --",
        remove: "zypper --non-interactive remove --",
    },
];

impl Described for Package {
    const NAME: &'static str = "ansible.builtin.package";
    const ABOUT: About =
        About { stands_for: &["ansible.builtin.apt", "ansible.builtin.dnf", "ansible.builtin.dnf5"], ..About::PLAIN };
    const SUMMARY: &'static str = "Installs and removes packages with the host's own package manager";
    const EXAMPLES: &'static str = "\
- name: Install what the network needs
  ansible.builtin.package:
    name: [conntrack, socat]
    state: present
";
    const RETURNS: Returns = &[&[
        Return::flag(
            "cache_updated",
            "where the host has apt, with `update_cache`",
            "Whether the lists of packages were read anew",
        ),
        Return::whole(
            "cache_update_time",
            "where the host has apt, with `update_cache`",
            "When they were read last, in seconds since 1970",
        )
        .untried("cases of `apt` show it"),
        Return::text("stdout", "when packages changed", "What the package manager printed"),
        Return::text(
            "stderr",
            "where the host has apt, when packages changed; else when it failed",
            "What it printed as errors",
        ),
    ]];

    const OPEN: bool = true;

    fn check(&self) -> Result<(), ParameterError> {
        self.wanted()?;
        let takes = |name: &String| MODULES.iter().any(|(_, module)| parameters(module).contains(name));
        if let Some(name) = self.others.keys().find(|name| !takes(name)) {
            return Err(ParameterError::naming(name, format!("Unsupported parameters for (package) module: {name}"))
                .help("it has `name`, `state` and `use`, and those of `apt`, `dnf` and `dnf5`"));
        }
        if let Some(name) =
            self.name.0.iter().find(|n| n.0.is_empty() || n.0.starts_with('-') || n.0.contains(['\n', ' ']))
        {
            return Err(ParameterError::new("name", format!("`{}` is no package's name", name.0)));
        }
        Ok(())
    }
}

impl Package {
    fn wanted(&self) -> Result<Wanted, ParameterError> {
        match self.state.as_ref().map_or("present", |state| state.0.as_str()) {
            "present" | "installed" => Ok(Wanted::Present),
            "absent" | "removed" => Ok(Wanted::Absent),
            "latest" => Ok(Wanted::Latest),
            other => Err(ParameterError::new("state", format!("`{other}` is none of present, absent, latest"))),
        }
    }

    /// The host's package manager.
    fn manager(&self, state: &State) -> Result<String, Missing> {
        match self.manager.as_ref().map(|m| m.0.as_str()) {
            Some(named) if named != "auto" => Ok(named.rsplit('.').next().unwrap_or(named).to_owned()),
            _ => match state.get(&Probe::Facts)? {
                Answer::Facts(facts) => Ok(facts["ansible_pkg_mgr"].as_str().unwrap_or("unknown").to_owned()),
                _ => Err(Missing::Failed("the host's facts were not understood".to_owned())),
            },
        }
    }

    /// The module of the host's manager, if it has one.
    fn chosen(&self, manager: &str) -> Result<Option<&dyn Module>, Failure> {
        let Some((_, module)) = MODULES.iter().find(|(names, _)| names.contains(&manager)) else {
            return match self.others.keys().next() {
                Some(name) => Err(Failure::new(format!("`{name}`: packages of {manager} take no such parameter"))),
                None => Ok(None),
            };
        };
        if let Some(chosen) = self.chosen.get() {
            return Ok(Some(chosen.as_ref()));
        }
        let entry =
            Registry::get().find(module).ok_or_else(|| Failure::new(format!("there is no module `{module}`")))?;
        let names: Vec<&str> = self.name.0.iter().map(|name| name.0.as_str()).collect();
        let mut given = self.defaults.get(*module).and_then(Json::as_object).cloned().unwrap_or_default();
        given.insert("name".to_owned(), json!(names));
        given.extend(self.state.as_ref().map(|state| ("state".to_owned(), json!(state.0))));
        given.extend(self.others.clone());
        let made = entry.parse(given);
        let made = made.map_err(|error| Failure::new(error.message))?;
        Ok(Some(self.chosen.get_or_init(|| made).as_ref()))
    }

    fn question(&self, script: &str) -> Probe {
        let names = words(self.name.0.iter().map(|n| n.0.as_str()));
        let reads = self.name.0.iter().map(|n| Resource::Package(n.0.clone())).collect();
        Probe::Script { script: format!("export LC_ALL=C; set -- {names}\n{script}\n"), reads }
    }

    fn known(name: &str) -> Result<&'static Manager, Failure> {
        MANAGERS.iter().find(|m| m.name == name).ok_or_else(|| {
            Failure::new(format!("the host's package manager is `{name}`, which is not supported"))
                .help("apt, dnf, yum, apk, pacman and zypper are; `ansible.builtin.command` runs any other")
        })
    }

    fn simple(&self, state: &State, manager: &Manager) -> Result<Plan, PlanError> {
        let wanted = self.wanted().unwrap_or_default();
        let listed = |script: &str| -> Result<Vec<String>, PlanError> {
            Ok(state.script(&self.question(script))?.text().lines().map(str::to_owned).collect())
        };
        let installed = listed(manager.installed)?;
        let split = |there: bool| -> Vec<String> {
            self.name.0.iter().map(|n| n.0.clone()).filter(|n| installed.contains(n) == there).collect()
        };
        let mut plan = Plan::default();
        let mut act = |verb: &str, command: &str, names: Vec<String>| {
            if !names.is_empty() {
                let script = format!("export LC_ALL=C; {command} {} </dev/null\n", words(&names));
                plan.changes.push(Change::open(format!("{verb} {}", names.join(" ")), Step::Script(script)));
            }
        };
        match wanted {
            Wanted::Absent => act("remove", manager.remove, split(true)),
            Wanted::Latest => {
                act("install", manager.install, split(false));
                let there = split(true);
                if !there.is_empty() {
                    let outdated = listed(manager.outdated)?;
                    act("upgrade", manager.upgrade, there.into_iter().filter(|n| outdated.contains(n)).collect());
                }
            }
            _ => act("install", manager.install, split(false)),
        }
        Ok(plan)
    }
}

/// The parameters of a module.
fn parameters(module: &str) -> &'static [String] {
    Registry::get().find(module).map(crate::module::Entry::parameters).unwrap_or_default()
}

impl Module for Package {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let Ok(name) = self.manager(state) else { return vec![Probe::Facts] };
        match self.chosen(&name) {
            Ok(Some(module)) => module.probe(context, state),
            Ok(None) => Package::known(&name).map(|m| self.question(m.installed)).into_iter().collect(),
            Err(_) => Vec::new(),
        }
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let name = self.manager(state)?;
        match self.chosen(&name)? {
            Some(module) => module.plan(context, state),
            None => self.simple(state, Package::known(&name)?),
        }
    }

    fn finish(&self, context: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        if let Some(module) = self.chosen.get() {
            return module.finish(context, plan, outputs);
        }
        let mut result = default_finish(plan, outputs)?;
        if let Some(output) = outputs.last() {
            result.insert("stdout".into(), json!(String::from_utf8_lossy(&output.stdout).trim_end()));
        }
        Ok(result)
    }

    fn changed(&self, plan: &Plan, outputs: &[StepOutput]) -> bool {
        self.chosen.get().map_or_else(|| plan.would_change(), |module| module.changed(plan, outputs))
    }
}
