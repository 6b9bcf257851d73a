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
    playbook::About,
    python::shlex,
    sh::{quote, words},
};

/// Parameters of `service`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The service's name.
    name: Option<Text>,
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
    /// The `module_defaults` of the managers' modules.
    #[serde(default, rename = "_defaults")]
    #[schemars(skip)]
    defaults: Map<String, Json>,
}

/// The modules that do the work.
const SYSTEMD: &str = "ansible.builtin.systemd_service";
const SYSVINIT: &str = "ansible.builtin.sysvinit";

impl Described for Service {
    const NAME: &'static str = "ansible.builtin.service";
    const ABOUT: About = About { stands_for: &[SYSTEMD, SYSVINIT], ..About::PLAIN };
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
        match self.manager.as_ref().map(|m| m.0.as_str()) {
            None | Some("auto" | "systemd" | "service" | "openrc" | "sysvinit") => {}
            Some(other) => {
                return Err(ParameterError::new("use", format!("the service manager `{other}` is not supported")));
            }
        }
        // What is left open may be said for the module of the host's manager.
        if self.defaults.is_empty() { self.complete() } else { Ok(()) }
    }
}

impl Service {
    fn complete(&self) -> Result<(), ParameterError> {
        let Some(name) = &self.name else { return Err(ParameterError::task("missing required arguments: name")) };
        let of_systemd = self.masked.is_some() || self.daemon_reload.is_some() || self.daemon_reexec.is_some();
        if self.state.is_none() && self.enabled.is_none() && !of_systemd {
            return Err(ParameterError::task("there is nothing to do: `state` or `enabled` is needed"));
        }
        if name.0.is_empty() || name.0.contains(['/', '\n', ' ', '*', '?', '[']) {
            return Err(ParameterError::new("name", format!("`{}` is no service's name", name.0)));
        }
        Ok(())
    }

    /// The parameters with those that are given for the module of a manager behind them.
    fn by(&self, module: &str) -> Result<Service, Failure> {
        let mut defaults = self.defaults.get(module).and_then(Json::as_object).cloned().unwrap_or_default();
        for other in ["service", "unit"] {
            if let Some(name) = defaults.remove(other) {
                defaults.entry("name").or_insert(name);
            }
        }
        let wrong = |why: String| Failure::new(format!("module_defaults of `{module}`: {why}"));
        let theirs: Service = serde_json::from_value(Json::Object(defaults)).map_err(|why| wrong(why.to_string()))?;
        let own = self.clone();
        let both = Service {
            name: own.name.or(theirs.name),
            state: own.state.or(theirs.state),
            enabled: own.enabled.or(theirs.enabled),
            sleep: own.sleep.or(theirs.sleep),
            pattern: own.pattern.or(theirs.pattern),
            runlevel: own.runlevel.or(theirs.runlevel),
            arguments: own.arguments.or(theirs.arguments),
            daemon_reload: own.daemon_reload.or(theirs.daemon_reload),
            daemon_reexec: own.daemon_reexec.or(theirs.daemon_reexec),
            masked: own.masked.or(theirs.masked),
            force: own.force.or(theirs.force),
            scope: own.scope.or(theirs.scope),
            no_block: own.no_block.or(theirs.no_block),
            manager: own.manager,
            defaults: Map::new(),
        };
        both.complete().map_err(|error| Failure::new(error.message))?;
        Ok(both)
    }

    fn name(&self) -> &str {
        self.name.as_ref().map_or("", |name| name.0.as_str())
    }

    /// Whether systemd is not to do it, though it may be there.
    fn by_script(&self) -> bool {
        self.manager.as_ref().is_some_and(|manager| matches!(manager.0.as_str(), "sysvinit" | "openrc"))
    }

    fn systemd(&self) -> SystemdService {
        let on = |flag: Option<Flag>| flag.unwrap_or_default();
        SystemdService {
            force: self.force,
            masked: self.masked,
            daemon_reload: on(self.daemon_reload),
            daemon_reexec: on(self.daemon_reexec),
            scope: self.scope.unwrap_or_default(),
            no_block: on(self.no_block),
            ..SystemdService::of(Text(self.name().to_owned()), self.state, self.enabled)
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
        let name = quote(self.name());
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
            reads: vec![Resource::Unit(full_name(self.name())), Resource::Path(format!("/etc/init.d/{}", self.name()))],
        }
    }

    /// The manager's commands for a service that systemd does not manage.
    fn without_systemd(&self, state: &State) -> Result<Plan, PlanError> {
        self.without_its_parameters()?;
        let told = state.script(&self.question())?.text();
        let has = |word: &str| told.lines().any(|l| l == word);
        let name = quote(self.name());
        if !has("there") {
            return Err(Failure::new(format!("Could not find the requested service {}: host", self.name())).into());
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
            plan.changes.push(Change::open(format!("{} {}", verbs.join(", "), self.name()), Step::Script(script)));
        }
        Ok(plan)
    }

    fn result(&self) -> Map<String, Json> {
        let mut result = Map::from_iter([("name".to_owned(), json!(self.name()))]);
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
        let mut probes = Vec::new();
        let Ok(with) = self.by(SYSTEMD) else { return probes };
        if !self.by_script() {
            probes.extend(with.systemd().probe(context, state));
        }
        if self.by_script() || state.unit(&full_name(with.name())).is_err_and(|m| no_systemd(&m)) {
            probes.extend(self.by(SYSVINIT).map(|with| with.question()));
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        if self.by_script() {
            return self.by(SYSVINIT)?.without_systemd(state);
        }
        let with = self.by(SYSTEMD)?;
        match state.unit(&full_name(with.name())) {
            Err(missing) if no_systemd(&missing) => self.by(SYSVINIT)?.without_systemd(state),
            _ => with.systemd().plan(context, state),
        }
    }
}
