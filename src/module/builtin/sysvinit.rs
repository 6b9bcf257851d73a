//! `ansible.builtin.sysvinit`: services by their scripts in `/etc/init.d`.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/sysvinit_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::systemd_service::Wanted;
use crate::{
    fact::{Probe, Resource, State},
    module::{
        Change, Context, Described, Failure, Flag, List, Module, ParameterError, Plan, PlanError, Return, Returns,
        Step, StepOutput, Text, Whole,
    },
    python::shlex,
    sh::{self, quote, words},
};

/// Parameters of `sysvinit`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sysvinit {
    /// The service.
    #[serde(alias = "service")]
    #[schemars(extend("x-aliases" = ["service"]))]
    name: Text,
    /// `started` and `stopped` do nothing when that is so already; `restarted` and `reloaded` always act.
    #[serde(default)]
    state: Option<Wanted>,
    /// Whether it is to start at boot.
    #[serde(default)]
    enabled: Option<Flag>,
    /// How many seconds to wait behind each step of a restart.
    #[serde(default = "one")]
    sleep: Whole,
    /// A text that the list of processes holds while the service runs; where its script does not tell.
    #[serde(default)]
    pattern: Option<Text>,
    /// Further arguments for the script.
    #[serde(default, alias = "args")]
    #[schemars(extend("x-aliases" = ["args"]))]
    arguments: Option<Text>,
    /// The runlevels that `enabled` is about.
    #[serde(default)]
    runlevels: List<Text>,
    /// Let the script run on by itself: it may not do so by its own.
    #[serde(default)]
    daemonize: Flag,
}

fn one() -> Whole {
    Whole(1)
}

impl Described for Sysvinit {
    const NAME: &'static str = "ansible.builtin.sysvinit";
    const SUMMARY: &'static str = "Starts, stops and enables services by their init scripts";
    const EXAMPLES: &'static str = "\
- name: Let the web server run
  ansible.builtin.sysvinit:
    name: apache2
    state: started
    enabled: true
    runlevels: ['3', '5']
";
    const RETURNS: Returns = &[&[
        Return::text("name", "always", "The service"),
        Return::map("status", "always", "What was done: by `enabled` and by the state"),
        Return::map("status.{step}", "always", "A step"),
        Return::flag("status.{step}.changed", "always", "Whether it was taken"),
        Return::whole("status.{step}.rc", "when it was taken", "Its exit status"),
        Return::text("status.{step}.stdout", "when it was taken", "What it printed"),
        Return::text("status.{step}.stderr", "when it was taken", "What it printed as errors"),
        Return::list("status.{step}.runlevels", "with `runlevels`", "The runlevels"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        if self.state.is_none() && self.enabled.is_none() {
            return Err(ParameterError::task("one of the following is required: state, enabled"));
        }
        if self.name.0.is_empty()
            || self.name.0.starts_with('-')
            || self.name.0.contains(['/', '\n', ' ', '*', '?', '['])
        {
            return Err(ParameterError::new("name", format!("`{}` is no service's name", self.name.0.escape_debug())));
        }
        let level = |level: &Text| level.0.len() == 1 && level.0.bytes().all(|b| b.is_ascii_digit() || b == b'S');
        match self.runlevels.0.iter().find(|l| !level(l)) {
            Some(other) => Err(ParameterError::new("runlevels", format!("`{}` is none", other.0.escape_debug()))),
            None => Ok(()),
        }
    }
}

/// What the host says of the service.
struct Found<'a> {
    there: bool,
    levels: Vec<&'a str>,
    runs: bool,
}

impl Found<'_> {
    fn read<'a>(text: &'a str, name: &str) -> Found<'a> {
        let lines = |word: &'static str| text.lines().filter_map(move |line| line.strip_prefix(word));
        let seen = text.lines().any(|line| line == "seen");
        let status = lines("status ").next().and_then(|status| status.parse::<i32>().ok());
        let said: Vec<&str> = lines("said ").collect();
        Found {
            there: text.lines().any(|line| line == "there"),
            levels: lines("level ").collect(),
            runs: status.map_or(seen, |status| runs(name, status, &said.join("\n")).unwrap_or(seen)),
        }
    }
}

/// Whether a service runs, by what its script says and how it ends; `None` where neither tells. Scripts differ in both.
fn runs(name: &str, status: i32, said: &str) -> Option<bool> {
    if !said.contains('\n') {
        let said = said.to_lowercase().replace(&name.to_lowercase(), "");
        let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
        if has(&["stop", "is dead ", "dead but ", "could not access pid file", "inactive"]) {
            return Some(false);
        }
        if has(&["run", "start", "active"]) && !said.contains("not ") {
            return Some(true);
        }
    }
    match status {
        0 => Some(true),
        1..=4 | 69 => Some(false),
        _ => None,
    }
}

impl Sysvinit {
    fn question(&self) -> Probe {
        let script = format!(
            "name={} pattern={}\n{}",
            quote(&self.name.0),
            quote(self.pattern.as_ref().map_or("", |pattern| &pattern.0)),
            sh::file!("sysvinit/look.sh")
        );
        Probe::Script { script, reads: vec![Resource::Anything] }
    }

    fn levels(&self) -> Vec<&str> {
        self.runlevels.0.iter().map(|level| level.0.as_str()).collect()
    }

    /// Whether `enabled` is so already.
    fn is_enabled(&self, found: &Found<'_>, enabled: bool) -> bool {
        match self.runlevels.0.is_empty() {
            true => found.levels.is_empty() != enabled,
            false => self.levels().iter().all(|level| found.levels.contains(level) == enabled),
        }
    }

    fn enabling(&self, enabled: bool) -> String {
        let name = quote(&self.name.0);
        let levels = self.levels();
        let (debian, others) = match (enabled, levels.is_empty()) {
            (true, true) => (format!("{name} defaults"), format!("{name} on")),
            (false, true) => (format!("{name} disable"), format!("{name} off")),
            (true, false) => {
                (format!("{name} enable {}", words(&levels)), format!("--level {} {name} on", levels.concat()))
            }
            (false, false) => {
                (format!("{name} disable {}", words(&levels)), format!("--level {} {name} off", levels.concat()))
            }
        };
        format!(
            "PATH=$PATH:/usr/sbin:/sbin\nif command -v update-rc.d >/dev/null; then update-rc.d {debian}; elif command -v chkconfig >/dev/null; \
             then chkconfig {others}; else echo 'the host has neither update-rc.d nor chkconfig' >&2; exit 90; fi\n"
        )
    }

    /// The script for a state; `None` where there is nothing to do.
    fn running(&self, runs: bool) -> Result<Option<String>, Failure> {
        let arguments = match &self.arguments {
            Some(text) => words(shlex::split(&text.0).map_err(|unclosed| Failure::new(unclosed.to_string()))?),
            None => String::new(),
        };
        let name = quote(&self.name.0);
        let find = format!(
            "for d in /etc/init.d /etc/rc.d/init.d; do [ ! -e \"$d\"/{name} ] || {{ s=$d/{name}; break; }}; done\n"
        );
        let act = |verb: &str| match self.daemonize.0 {
            true => format!("( \"$s\" {verb} {arguments} </dev/null >/dev/null 2>&1 & )\n"),
            false => format!("\"$s\" {verb} {arguments} </dev/null || exit\n"),
        };
        let pause = if self.sleep.0 > 0 { format!("sleep {}\n", self.sleep.0) } else { String::new() };
        let script = match self.state {
            Some(Wanted::Restarted) => format!("{}{pause}{}{pause}", act("stop"), act("start")),
            Some(Wanted::Reloaded) => act("reload"),
            Some(Wanted::Started) if !runs => act("start"),
            Some(Wanted::Stopped) if runs => act("stop"),
            _ => return Ok(None),
        };
        Ok(Some(find + &script))
    }

    fn state_word(&self) -> Option<&'static str> {
        Some(match self.state? {
            Wanted::Started => "started",
            Wanted::Stopped => "stopped",
            Wanted::Restarted => "restarted",
            Wanted::Reloaded => "reloaded",
        })
    }
}

fn step(changed: bool) -> Json {
    json!({ "changed": changed, "rc": null, "stdout": null, "stderr": null })
}

impl Module for Sysvinit {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![self.question()]
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let text = state.script(&self.question())?.text();
        let found = Found::read(&text, &self.name.0);
        if !found.there {
            return Err(Failure::new(format!("Could not find the requested service {}: host", self.name.0)).into());
        }
        let mut plan = Plan::default();
        let mut status = Map::new();
        let enabling = self.enabled.map(|enabled| enabled.0).filter(|enabled| !self.is_enabled(&found, *enabled));
        status.insert("enabled".into(), step(enabling.is_some()));
        if !self.runlevels.0.is_empty() {
            status["enabled"]["runlevels"] = json!(self.levels());
        }
        if let Some(enabled) = enabling {
            let verb = if enabled { "enable" } else { "disable" };
            plan.changes.push(Change::open(format!("{verb} {}", self.name.0), Step::Script(self.enabling(enabled))));
        }
        if let Some(word) = self.state_word() {
            let script = self.running(found.runs)?;
            status.insert(word.to_owned(), step(script.is_some()));
            let verb = match self.state {
                Some(Wanted::Restarted) => "restart",
                Some(Wanted::Reloaded) => "reload",
                Some(Wanted::Stopped) => "stop",
                _ => "start",
            };
            plan.changes
                .extend(script.map(|script| Change::open(format!("{verb} {}", self.name.0), Step::Script(script))));
        }
        plan.result.insert("name".into(), json!(self.name.0));
        plan.result.insert("status".into(), Json::Object(status));
        plan.output_in_result = true;
        Ok(plan)
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let mut result = plan.result.clone();
        for (change, output) in plan.changes.iter().zip(outputs) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
            let verb = change.what.split(' ').next().unwrap_or_default();
            if output.status != 0 || output.error.is_some() {
                let failure = Failure::new(format!("Failed to {verb} service: {}", self.name.0));
                let failure = failure.with("rc", output.status).with("stdout", stdout).with("stderr", stderr);
                return Err(failure.changed(outputs.len() > 1));
            }
            let key = if verb.ends_with("able") { "enabled" } else { self.state_word().unwrap_or_default() };
            let step = result.get_mut("status").and_then(|status| status.get_mut(key)).and_then(Json::as_object_mut);
            if let Some(step) = step {
                let told = [("rc", json!(output.status)), ("stdout", json!(stdout)), ("stderr", json!(stderr))];
                step.extend(told.map(|(name, value)| (name.to_owned(), value)));
            }
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_say_in_many_ways_that_a_service_runs() {
        for (status, said, expected) in [
            (0, "lab is running", Some(true)),
            (0, "lab is not running", Some(true)),
            (3, "lab is not running", Some(false)),
            (0, "lab is stopped.", Some(false)),
            (1, "dead but pid file exists", Some(false)),
            (0, "", Some(true)),
            (5, "who knows", None),
            (0, "Active: inactive\nsince long", Some(true)),
        ] {
            assert_eq!(runs("lab", status, said), expected, "{said}");
        }
    }
}
