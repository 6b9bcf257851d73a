//! `ansible.builtin.service`: services, whatever manages them.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/service_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::systemd_service::{Scope, SystemdService, Wanted, full_name};
use crate::{
    fact::{Missing, Probe, Resource, State},
    module::{
        Change, Context, Described, Failure, Flag, Module, ParameterError, Plan, PlanError, Return, Returns, Step,
        Text, Whole,
    },
    python::shlex,
    sh::{quote, words},
};

/// Parameters of `service`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The service's name.
    name: Text,
    /// `started` and `stopped` do nothing when that is so already; `restarted` and `reloaded` always act.
    #[serde(default)]
    state: Option<Wanted>,
    /// Whether it is to start at boot.
    #[serde(default)]
    enabled: Option<Flag>,
    /// Without systemd: how many seconds to wait between stop and start of a restart.
    #[serde(default)]
    sleep: Option<Whole>,
    /// Without systemd: a text that the list of processes holds while the service runs.
    #[serde(default)]
    pattern: Option<Text>,
    /// With OpenRC: the runlevel to enable it in.
    #[serde(default)]
    runlevel: Option<Text>,
    /// Without systemd: further arguments for the init script.
    #[serde(default, alias = "args")]
    #[schemars(extend("x-aliases" = ["args"]))]
    arguments: Option<Text>,
    /// With systemd: let it read changed unit files first.
    #[serde(default, alias = "daemon-reload")]
    #[schemars(extend("x-aliases" = ["daemon-reload"]))]
    daemon_reload: Option<Flag>,
    /// With systemd: let it start itself anew first.
    #[serde(default, alias = "daemon-reexec")]
    #[schemars(extend("x-aliases" = ["daemon-reexec"]))]
    daemon_reexec: Option<Flag>,
    /// With systemd: whether the unit is to be masked.
    #[serde(default)]
    masked: Option<Flag>,
    /// With systemd: overwrite links that are in the way of enabling.
    #[serde(default)]
    force: Option<Flag>,
    /// With systemd: which manager is meant.
    #[serde(default)]
    scope: Option<Scope>,
    /// With systemd: do not wait until the unit is up.
    #[serde(default)]
    no_block: Option<Flag>,
    /// Which manager: `auto` finds it out.
    #[serde(default, rename = "use")]
    manager: Option<Text>,
}

impl Described for Service {
    const NAME: &'static str = "ansible.builtin.service";
    const SUMMARY: &'static str = "Starts, stops and enables services";
    const EXAMPLES: &'static str = "\
- name: Let ssh run
  ansible.builtin.service:
    name: ssh
    state: started
    enabled: true
";
    const RETURNS: Returns = &[&[
        Return::text("name", "always", "The service"),
        Return::text("state", "with `state`", "`started` or `stopped`"),
        Return::flag("enabled", "with `enabled`", "Whether it starts with the host"),
        Return::map("status", "where the host has systemd", "What `systemctl show` says of it, as far as it was asked"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        let of_systemd = self.masked.is_some() || self.daemon_reload.is_some() || self.daemon_reexec.is_some();
        if self.state.is_none() && self.enabled.is_none() && !of_systemd {
            return Err(ParameterError::task("there is nothing to do: `state` or `enabled` is needed"));
        }
        match self.manager.as_ref().map(|m| m.0.as_str()) {
            None | Some("auto" | "systemd" | "service" | "openrc" | "sysvinit") => {}
            Some(other) => {
                return Err(ParameterError::new("use", format!("the service manager `{other}` is not supported")));
            }
        }
        if self.name.0.is_empty() || self.name.0.contains(['/', '\n', ' ', '*', '?', '[']) {
            return Err(ParameterError::new("name", format!("`{}` is no service's name", self.name.0)));
        }
        Ok(())
    }
}

impl Service {
    fn systemd(&self) -> SystemdService {
        let on = |flag: Option<Flag>| flag.unwrap_or_default();
        SystemdService {
            force: self.force,
            masked: self.masked,
            daemon_reload: on(self.daemon_reload),
            daemon_reexec: on(self.daemon_reexec),
            scope: self.scope.unwrap_or_default(),
            no_block: on(self.no_block),
            ..SystemdService::of(self.name.clone(), self.state, self.enabled)
        }
    }

    /// Refuses what only systemd does, where there is none.
    fn without_its_parameters(&self) -> Result<(), Failure> {
        let given = [
            ("daemon_reload", self.daemon_reload.is_some()),
            ("daemon_reexec", self.daemon_reexec.is_some()),
            ("masked", self.masked.is_some()),
            ("force", self.force.is_some()),
            ("scope", self.scope.is_some()),
            ("no_block", self.no_block.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((name, _)) => Err(Failure::new(format!("{name}: the host has no systemd, which alone knows it"))),
            None => Ok(()),
        }
    }

    /// Asks an init script or OpenRC: whether it is there, runs, and starts at boot.
    fn question(&self) -> Probe {
        let name = quote(&self.name.0);
        let runs = match &self.pattern {
            Some(pattern) => format!("ps w 2>/dev/null | grep -F -- {} | grep -qv grep", quote(&pattern.0)),
            None => format!(
                "if command -v rc-service >/dev/null; then rc-service {name} status; else /etc/init.d/{name} status; fi >/dev/null 2>&1"
            ),
        };
        let script = format!(
            "[ -x /etc/init.d/{name} ] && echo there || exit 0\n\
             if {runs}; then echo running; fi\n\
             if command -v rc-update >/dev/null; then for f in /etc/runlevels/*/{name}; do [ -e \"$f\" ] && {{ echo enabled; break; }}; done\n\
             else for f in /etc/rc[2345].d/S[0-9][0-9]{name}; do [ -e \"$f\" ] && {{ echo enabled; break; }}; done; fi; :\n"
        );
        Probe::Script {
            script,
            reads: vec![
                Resource::Unit(full_name(&self.name.0)),
                Resource::Path(format!("/etc/init.d/{}", self.name.0)),
            ],
        }
    }

    /// The manager's commands for a service that systemd does not manage.
    fn without_systemd(&self, state: &State) -> Result<Plan, PlanError> {
        self.without_its_parameters()?;
        let told = state.script(&self.question())?.text();
        let has = |word: &str| told.lines().any(|l| l == word);
        let name = quote(&self.name.0);
        if !has("there") {
            return Err(Failure::new(format!("Could not find the requested service {}: host", self.name.0)).into());
        }
        let arguments = match &self.arguments {
            Some(arguments) => format!(
                " {}",
                words(shlex::split(&arguments.0).map_err(|unclosed| Failure::new(unclosed.to_string()))?)
            ),
            None => String::new(),
        };
        let act = |verb: &str| {
            format!(
                "if command -v rc-service >/dev/null; then rc-service {name} {verb}{arguments}; else /etc/init.d/{name} {verb}{arguments}; fi </dev/null || exit\n"
            )
        };
        let (mut script, mut verbs) = (String::new(), Vec::new());
        match self.enabled.map(|e| e.0) {
            Some(true) if !has("enabled") => {
                let level = quote(self.runlevel.as_ref().map_or("default", |l| &l.0)).into_owned();
                script.push_str(&format!("if command -v rc-update >/dev/null; then rc-update add {name} {level}; elif command -v update-rc.d >/dev/null; then update-rc.d {name} defaults && update-rc.d {name} enable; else chkconfig {name} on; fi || exit\n"));
                verbs.push("enable");
            }
            Some(false) if has("enabled") => {
                script.push_str(&format!("if command -v rc-update >/dev/null; then rc-update -a del {name}; elif command -v update-rc.d >/dev/null; then update-rc.d {name} disable; else chkconfig {name} off; fi || exit\n"));
                verbs.push("disable");
            }
            _ => {}
        }
        let verb = match (self.state, has("running")) {
            (Some(Wanted::Started | Wanted::Restarted | Wanted::Reloaded), false) => Some("start"),
            (Some(Wanted::Restarted), true) => Some("restart"),
            (Some(Wanted::Reloaded), true) => Some("reload"),
            (Some(Wanted::Stopped), true) => Some("stop"),
            _ => None,
        };
        match (verb, self.sleep) {
            (Some("restart"), Some(sleep)) => {
                script.push_str(&format!("{}sleep {}\n{}", act("stop"), sleep.0.max(0), act("start")))
            }
            (Some(verb), _) => script.push_str(&act(verb)),
            (None, _) => {}
        }
        verbs.extend(verb);
        let mut plan = Plan::ok(self.result());
        if !verbs.is_empty() {
            plan.changes.push(Change::open(format!("{} {}", verbs.join(", "), self.name.0), Step::Script(script)));
        }
        Ok(plan)
    }

    fn result(&self) -> Map<String, Json> {
        let mut result = Map::from_iter([("name".to_owned(), json!(self.name.0))]);
        if let Some(enabled) = self.enabled {
            result.insert("enabled".into(), json!(enabled.0));
        }
        if let Some(state) = self.state {
            result.insert("state".into(), json!(if state == Wanted::Stopped { "stopped" } else { "started" }));
        }
        result
    }
}

/// Whether a host's refusal says that it has no systemd.
fn no_systemd(missing: &Missing) -> bool {
    matches!(missing, Missing::Failed(why) if why.contains("has no systemd") || why.contains("not been booted with systemd"))
}

impl Module for Service {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let mut probes = self.systemd().probe(context, state);
        if state.unit(&full_name(&self.name.0)).is_err_and(|m| no_systemd(&m)) {
            probes.push(self.question());
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        match state.unit(&full_name(&self.name.0)) {
            Err(missing) if no_systemd(&missing) => self.without_systemd(state),
            _ => self.systemd().plan(context, state),
        }
    }
}
