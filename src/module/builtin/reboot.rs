//! `ansible.builtin.reboot`: reboots the host and waits until it is back.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/reboot_module.html>

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, State},
    module::{
        Change, Context, Described, Failure, List, Module, Plan, PlanError, Return, Returns, Step, StepOutput, Text,
        Whole,
    },
    playbook::About,
    sh::quote,
};

/// Parameters of `reboot`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reboot {
    /// Seconds to wait before the reboot.
    #[serde(default)]
    pre_reboot_delay: Seconds,
    /// Seconds to wait behind the reboot before the host is used.
    #[serde(default)]
    post_reboot_delay: Seconds,
    /// Seconds to wait for the host to come back.
    #[serde(default = "ten_minutes")]
    reboot_timeout: Whole,
    /// Seconds to wait for a connection. The connection's own limit holds; this is accepted for Ansible's sake.
    #[allow(dead_code)] // read by nothing, see above
    connect_timeout: Option<Whole>,
    /// A command that must succeed before the host counts as back.
    #[serde(default = "whoami")]
    test_command: Text,
    /// What users of the host are told.
    #[serde(default = "message")]
    msg: Text,
    /// Where the command that reboots is looked for.
    #[serde(default = "folders")]
    search_paths: List<Text>,
    /// What reads the id of the present boot. The kernel's own is read; this is accepted for Ansible's sake.
    #[allow(dead_code)] // read by nothing, see above
    boot_time_command: Option<Text>,
    /// What to run in the place of `shutdown`.
    reboot_command: Option<Text>,
}

fn ten_minutes() -> Whole {
    Whole(600)
}

fn whoami() -> Text {
    Text("whoami".to_owned())
}

fn message() -> Text {
    Text("Reboot initiated by Ansible".to_owned())
}

fn folders() -> List<Text> {
    List(["/sbin", "/bin", "/usr/sbin", "/usr/bin", "/usr/local/sbin"].map(|f| Text(f.to_owned())).to_vec())
}

fn seconds(whole: Whole) -> Duration {
    Duration::from_secs(whole.0.clamp(0, 1_000_000).unsigned_abs())
}

/// How long to wait: what is behind the point is dropped, and less than nothing is nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Seconds(Whole);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Json::deserialize(from)?;
        let whole = match value.as_f64() {
            Some(number) => json!(number.trunc()),
            None => value,
        };
        Whole::deserialize(whole).map(Seconds).map_err(D::Error::custom)
    }
}

impl JsonSchema for Seconds {
    fn schema_name() -> Cow<'static, str> {
        Whole::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Whole::json_schema(generator)
    }
}

impl Described for Reboot {
    const NAME: &'static str = "ansible.builtin.reboot";
    const ABOUT: About = About { background: false, ..About::PLAIN };
    const SUMMARY: &'static str = "Reboots the host and waits until it is back";
    const EXAMPLES: &'static str = "\
- name: the new kernel runs
  ansible.builtin.reboot:
    reboot_timeout: 300
    msg: a new kernel is installed
";
    const RETURNS: Returns = &[&[
        Return::flag("rebooted", "always", "Whether the host has been rebooted"),
        Return::whole("elapsed", "always", "How many seconds that took"),
    ]];
}

impl Module for Reboot {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        Vec::new()
    }

    fn plan(&self, _: &Context<'_>, _: &State) -> Result<Plan, PlanError> {
        let folders: Vec<&str> = self.search_paths.0.iter().map(|f| f.0.as_str()).collect();
        let command = match &self.reboot_command {
            Some(command) => command.0.clone(),
            None => format!(
                "PATH={}:$PATH; if command -v shutdown >/dev/null; then shutdown -r now {}; \
                 elif command -v systemctl >/dev/null; then systemctl reboot; else reboot; fi",
                quote(&folders.join(":")),
                quote(&self.msg.0)
            ),
        };
        let step = Step::Reboot {
            command,
            timeout: seconds(self.reboot_timeout),
            test: self.test_command.0.clone(),
            pause: (seconds(self.pre_reboot_delay.0), seconds(self.post_reboot_delay.0)),
        };
        Ok(Plan {
            changes: vec![Change::open("reboot", step)],
            result: Map::from_iter([("rebooted".to_owned(), json!(true)), ("elapsed".to_owned(), json!(0))]),
            ..Plan::default()
        })
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let Some(output) = outputs.first() else { return Ok(plan.result.clone()) };
        let elapsed = output.duration.as_secs();
        if output.status != 0 || output.error.is_some() {
            let why = output.error.clone().unwrap_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_owned());
            return Err(Failure::new(format!("Timed out waiting for the reboot: {why}"))
                .with("elapsed", elapsed)
                .with("rebooted", true));
        }
        Ok(Map::from_iter([("rebooted".to_owned(), json!(true)), ("elapsed".to_owned(), json!(elapsed))]))
    }
}
