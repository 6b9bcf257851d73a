//! `ansible.builtin.systemd_service`: units of systemd.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/systemd_service_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Answer, Probe, Resource, State, UnitState, parse_units, unit_script},
    module::{
        Change, Context, Described, Diff, Failure, Flag, Module, ParameterError, Plan, PlanError, Return, Returns,
        Step, Text,
    },
    sh::quote,
};

/// Parameters of `systemd_service`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemdService {
    /// The unit; without a suffix it is a service.
    #[serde(default, alias = "service", alias = "unit")]
    #[schemars(extend("x-aliases" = ["service", "unit"]))]
    pub(super) name: Option<Text>,
    /// `started` and `stopped` do nothing when that is so already; `restarted` and `reloaded` always act, and start a
    /// unit that is not running.
    #[serde(default)]
    pub(super) state: Option<Wanted>,
    /// Whether it is to start at boot.
    #[serde(default)]
    pub(super) enabled: Option<Flag>,
    /// Overwrite links that are in the way of enabling.
    #[serde(default)]
    pub(super) force: Option<Flag>,
    /// Whether it is to be masked, so that nothing can start it.
    #[serde(default)]
    pub(super) masked: Option<Flag>,
    /// Let systemd read changed unit files first. It is asked only when there are such, and counts as no change.
    #[serde(default, alias = "daemon-reload")]
    #[schemars(extend("x-aliases" = ["daemon-reload"]))]
    pub(super) daemon_reload: Flag,
    /// Let systemd start itself anew first. It counts as no change.
    #[serde(default, alias = "daemon-reexec")]
    #[schemars(extend("x-aliases" = ["daemon-reexec"]))]
    pub(super) daemon_reexec: Flag,
    /// Which manager is meant: `system`, the user's own, or the defaults of all users.
    #[serde(default)]
    pub(super) scope: Scope,
    /// Do not wait until the unit is up.
    #[serde(default)]
    pub(super) no_block: Flag,
}

/// What a unit is to do.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// Run.
    Started,
    /// Not run.
    Stopped,
    /// Run, begun anew.
    Restarted,
    /// Run, with its configuration read anew.
    Reloaded,
}

/// Which manager a unit belongs to.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The system's.
    #[default]
    System,
    /// The user's own.
    User,
    /// The defaults of all users.
    Global,
}

/// Suffixes that systemd knows.
const SUFFIXES: &[&str] =
    &["service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope"];

/// A unit's full name: a service, unless it says otherwise.
pub(super) fn full_name(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((_, suffix)) if SUFFIXES.contains(&suffix) => name.to_owned(),
        _ => format!("{name}.service"),
    }
}

impl Described for SystemdService {
    const NAME: &'static str = "ansible.builtin.systemd_service";
    const ALIASES: &'static [&'static str] = &["ansible.builtin.systemd", "systemd"];
    const SUMMARY: &'static str = "Starts, stops, enables and masks units of systemd";
    const EXAMPLES: &'static str = "\
- name: Let the kubelet run, now and after each boot
  ansible.builtin.systemd_service:
    name: kubelet
    enabled: true
    state: started
    daemon_reload: true
";
    const RETURNS: Returns = &[&[
        Return::text("name", "always", "The unit, where one is named"),
        Return::text("state", "with `state`", "`started`, `stopped`, `restarted` or `reloaded`"),
        Return::flag("enabled", "with `enabled`", "Whether it starts with the host"),
        Return::map("status", "when a unit is named", "What `systemctl show` says of it, as far as it was asked"),
        Return::text(
            "status.{property}",
            "when a unit is named",
            "A property of the unit: `ActiveState`, `SubState`, `LoadState`, `UnitFileState` …",
        ),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        let about_a_unit = self.state.is_some() || self.enabled.is_some() || self.masked.is_some();
        match &self.name {
            None if about_a_unit => {
                Err(ParameterError::new("name", "it is missing: `state`, `enabled` and `masked` are about a unit"))
            }
            None if !self.daemon_reload.0 && !self.daemon_reexec.0 => Err(ParameterError::task(
                "there is nothing to do: `name`, `daemon_reload` or `daemon_reexec` is needed",
            )),
            Some(name) if name.0.contains(['/', '\n', '*', '?', '[']) || name.0.contains(' ') || name.0.is_empty() => {
                Err(ParameterError::new("name", format!("`{}` is no unit's name", name.0)))
            }
            _ => Ok(()),
        }
    }
}

/// What is to be done to a unit, step by step.
struct Steps {
    verbs: Vec<&'static str>,
    script: String,
    after: UnitState,
    /// Whether it counts: reading unit files anew does not.
    changed: bool,
}

impl SystemdService {
    /// The same as `service` with these parameters.
    pub(super) fn of(name: Text, state: Option<Wanted>, enabled: Option<Flag>) -> SystemdService {
        SystemdService { name: Some(name), state, enabled, ..SystemdService::default() }
    }

    fn unit(&self) -> Option<String> {
        self.name.as_ref().map(|n| full_name(&n.0))
    }

    /// `systemctl` with the scope's flag.
    fn systemctl(&self) -> &'static str {
        match self.scope {
            Scope::System => "systemctl",
            Scope::User => "systemctl --user",
            Scope::Global => "systemctl --global",
        }
    }

    fn question(&self, unit: &str) -> Probe {
        match self.scope {
            Scope::System => Probe::Unit { name: unit.to_owned() },
            Scope::User => Probe::Script {
                script: format!(
                    "{USER_BUS}{}",
                    unit_script(&[unit]).replace("systemctl show", "systemctl --user show")
                ),
                reads: vec![Resource::Anything],
            },
            Scope::Global => Probe::Script {
                script: format!("systemctl --global is-enabled -- {} 2>/dev/null\n", quote(unit)),
                reads: vec![Resource::Anything],
            },
        }
    }

    fn state_of(&self, state: &State, unit: &str) -> Result<UnitState, PlanError> {
        let question = self.question(unit);
        match self.scope {
            Scope::System => Ok(state.unit(unit)?.clone()),
            Scope::User => {
                let answer = state.script(&question)?;
                let units = parse_units(1, &answer.stdout).filter(|_| answer.status == 0);
                units.and_then(|mut u| u.pop()).ok_or_else(|| {
                    let told = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
                    Failure::new(format!("the user's systemd does not answer: {told}"))
                        .help("it runs while the user is logged in, or always after `loginctl enable-linger USER`")
                        .into()
                })
            }
            Scope::Global => {
                let file = state.script(&question)?.text().trim().to_owned();
                Ok(UnitState {
                    load: if file.is_empty() { "not-found" } else { "loaded" }.into(),
                    active: "inactive".into(),
                    file,
                    ..UnitState::default()
                })
            }
        }
    }

    /// The question whether a unit that is enabled by others that come with it (`Also=`) is so; nothing where its state tells.
    fn indirect_question(&self, unit: &str, before: &UnitState) -> Option<Probe> {
        let asked = self.enabled.is_some() && before.file == "indirect";
        let bus = self.bus();
        asked.then(|| Probe::Script {
            script: format!("{bus}{} is-enabled -l -- {} 2>/dev/null; :\n", self.systemctl(), quote(unit)),
            reads: vec![Resource::Anything],
        })
    }

    /// Whether a unit starts at boot. One that others stand for does where there are links for them.
    fn is_enabled(&self, state: &State, unit: &str, before: &UnitState) -> Result<bool, PlanError> {
        match self.indirect_question(unit, before) {
            Some(question) => Ok(state.script(&question)?.text().lines().count() > 1),
            None => Ok(enabled(&before.file)),
        }
    }

    /// Whether units have changed on disk, where no unit is named.
    fn stale_question(&self) -> Probe {
        let bus = if self.scope == Scope::User { USER_BUS } else { "" };
        Probe::Script {
            script: format!("{bus}{} show -p NeedDaemonReload -- '*' | grep -c =yes\n", self.systemctl()),
            reads: vec![Resource::Anything],
        }
    }

    fn steps(&self, state: &State, unit: &str, before: &UnitState) -> Result<Steps, PlanError> {
        let on = self.is_enabled(state, unit, before)?;
        let mut steps = Steps { verbs: Vec::new(), script: String::new(), after: before.clone(), changed: false };
        let ctl = self.systemctl();
        let name = quote(unit);
        let missing = before.load == "not-found";
        if self.daemon_reexec.0 {
            steps.add("re-execute systemd for", &format!("{ctl} daemon-reexec"), false);
        }
        if self.daemon_reload.0 && (before.stale || missing) && self.scope != Scope::Global {
            // Enabling makes systemd read all unit files, which takes it a while: once is enough.
            if !self.enables(on) {
                steps.add("read the unit files for", &format!("{ctl} daemon-reload"), false);
            }
            steps.after.stale = false;
        }
        if missing && !self.daemon_reload.0 && (self.state.is_some() || self.enabled.is_some()) {
            return Err(not_found(unit));
        }
        let masked = before.load == "masked" || before.file.starts_with("masked");
        match self.masked.map(|m| m.0) {
            Some(true) if !masked => {
                steps.add("mask", &format!("{ctl} mask -- {name}"), true);
                (steps.after.load, steps.after.file) = ("masked".into(), "masked".into());
            }
            Some(false) if masked => {
                steps.add("unmask", &format!("{ctl} unmask -- {name}"), true);
                // What is enabled behind a mask cannot be seen through it.
                (steps.after.load, steps.after.file) = ("loaded".into(), "disabled".into());
            }
            _ => {}
        }
        let on = if steps.after.file == before.file { on } else { enabled(&steps.after.file) };
        self.enabling(&mut steps, &name, on);
        self.running(&mut steps, before, &name);
        Ok(steps)
    }

    /// Whether the unit is to be enabled and is not, seen before it is unmasked.
    fn enables(&self, on: bool) -> bool {
        self.enabled.is_some_and(|e| e.0) && self.masked.is_none() && !on
    }

    fn enabling(&self, steps: &mut Steps, name: &str, on: bool) {
        let ctl = self.systemctl();
        let fixed = matches!(steps.after.file.as_str(), "static" | "generated" | "transient");
        let force = if self.force.is_some_and(|f| f.0) { " --force" } else { "" };
        match self.enabled.map(|e| e.0) {
            Some(true) if !on => {
                steps.add("enable", &format!("{ctl} enable{force} -- {name}"), true);
                steps.after.file = "enabled".into();
            }
            Some(false) if on && !fixed => {
                steps.add("disable", &format!("{ctl} disable{force} -- {name}"), true);
                steps.after.file = "disabled".into();
            }
            _ => {}
        }
    }

    fn running(&self, steps: &mut Steps, before: &UnitState, name: &str) {
        let running = matches!(before.active.as_str(), "active" | "activating" | "reloading");
        let verb = match self.state {
            Some(Wanted::Started | Wanted::Restarted | Wanted::Reloaded) if !running => "start",
            Some(Wanted::Restarted) => "restart",
            Some(Wanted::Reloaded) => "reload",
            Some(Wanted::Stopped) if running || before.active == "deactivating" => "stop",
            _ => return,
        };
        let block = if self.no_block.0 { " --no-block" } else { "" };
        let ctl = self.systemctl();
        let journal = if self.scope == Scope::User { "journalctl --user --user-unit" } else { "journalctl -u" };
        // Without this, systemctl only says where to look.
        steps.add(
            verb,
            &format!(
                "{ctl} {verb}{block} -- {name} || {{ rc=$?; {{ {ctl} status --no-pager -l -n 0 -- {name}; {journal} {name} -n 25 --no-pager -o short; }} >&2 2>&1; exit $rc; }}"
            ),
            true,
        );
        let up = verb != "stop";
        steps.after.active = if up { "active" } else { "inactive" }.into();
        steps.after.sub = match (up, steps.after.property("Type")) {
            (false, _) => "dead",
            (true, Some("oneshot")) => "exited",
            (true, _) => "running",
        }
        .into();
    }

    fn result(&self, unit: Option<&str>, after: &UnitState) -> Map<String, Json> {
        let mut result = Map::new();
        result.insert("name".into(), json!(self.name.as_ref().map(|n| n.0.as_str())));
        if let Some(enabled) = self.enabled {
            result.insert("enabled".into(), json!(enabled.0));
        }
        if let Some(state) = self.state {
            let word = if state == Wanted::Stopped { "stopped" } else { "started" };
            result.insert("state".into(), json!(word));
        }
        if unit.is_some() {
            let status: Map<String, Json> = after.properties.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
            result.insert("status".into(), Json::Object(status));
        }
        result
    }

    fn manager_only(&self, state: &State) -> Result<Plan, PlanError> {
        let ctl = self.systemctl();
        let mut plan = Plan { changed: Some(false), ..Plan::default() };
        let mut add = |what: &str, verb: &str| {
            plan.changes.push(Change::open(what, Step::Script(format!("{}{ctl} {verb}\n", self.bus()))));
        };
        if self.daemon_reexec.0 {
            add("let systemd start itself anew", "daemon-reexec");
        }
        if self.daemon_reload.0 && state.script(&self.stale_question())?.text().trim() != "0" {
            add("let systemd read the unit files", "daemon-reload");
        }
        plan.result = self.result(None, &UnitState::default());
        Ok(plan)
    }

    fn bus(&self) -> &'static str {
        if self.scope == Scope::User { USER_BUS } else { "" }
    }
}

/// Whether a unit with this state of its file starts at boot, or when something else asks for it: not for this run of the machine alone.
fn enabled(file: &str) -> bool {
    matches!(file, "enabled" | "static" | "generated" | "transient")
}

/// A user's systemd is found by its run-time directory, which a plain ssh command lacks.
const USER_BUS: &str = "XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}; export XDG_RUNTIME_DIR\n";

fn not_found(unit: &str) -> PlanError {
    Failure::new(format!("Could not find the requested service {unit}: host"))
        .help("its unit file is in none of systemd's directories; is the package installed, or the name misspelt?")
        .into()
}

impl Steps {
    fn add(&mut self, verb: &'static str, command: &str, changed: bool) {
        self.verbs.push(verb);
        self.changed |= changed;
        // One after another: the first failure ends the script with its status.
        self.script.push_str(&format!("{command} || exit\n"));
    }
}

fn lines(unit: &UnitState) -> String {
    format!("load: {}\nactive: {}\nenabled: {}\n", unit.load, unit.active, unit.file)
}

impl Module for SystemdService {
    fn probe(&self, _: &Context<'_>, state: &State) -> Vec<Probe> {
        match self.unit() {
            Some(unit) => {
                let known = self.state_of(state, &unit).ok();
                let indirect = known.and_then(|before| self.indirect_question(&unit, &before));
                [self.question(&unit)].into_iter().chain(indirect).collect()
            }
            None if self.daemon_reload.0 => vec![self.stale_question()],
            None => Vec::new(),
        }
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let Some(unit) = self.unit() else { return self.manager_only(state) };
        let before = self.state_of(state, &unit)?;
        let Steps { verbs, script, mut after, changed } = self.steps(state, &unit, &before)?;
        after.sync();
        let mut plan = Plan { result: self.result(Some(&unit), &after), changed: Some(changed), ..Plan::default() };
        if verbs.is_empty() {
            return Ok(plan);
        }
        let what = format!("{} {unit}", verbs.join(", "));
        plan.changes.push(Change::open(what, Step::Script(format!("{}{script}", self.bus()))));
        if changed {
            let header = format!("unit {unit}");
            plan.diff.push(Diff {
                before: lines(&before),
                after: lines(&after),
                before_header: header.clone(),
                after_header: header,
            });
        }
        // A oneshot unit is over when it has run: only where nothing is carried out is it told to be active.
        let settled = after.property("Type") != Some("oneshot") || after.property("RemainAfterExit") == Some("yes");
        if self.scope == Scope::System && (context.check || settled) {
            plan.predictions.push((self.question(&unit), Answer::Unit(after)));
        }
        Ok(plan)
    }
}
