//! `ansible.builtin.wait_for_connection`: waits until the host can be reached.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/wait_for_connection_module.html>

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, State},
    module::{
        Change, CheckMode, Context, Described, Failure, Module, Plan, PlanError, Return, Returns, Step, StepOutput,
        Whole,
    },
    playbook::About,
};

/// Parameters of `wait_for_connection`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitForConnection {
    /// Seconds to try at most.
    #[serde(default = "ten_minutes")]
    timeout: Whole,
    /// Seconds to wait before the first try.
    #[serde(default)]
    delay: Whole,
    /// Seconds between two tries.
    #[serde(default = "one")]
    sleep: Whole,
    /// Seconds to wait for a connection. The connection's own limit holds; this is accepted for Ansible's sake.
    #[serde(default = "five")]
    #[allow(dead_code)] // read by nothing, see above
    connect_timeout: Whole,
}

fn ten_minutes() -> Whole {
    Whole(600)
}

fn one() -> Whole {
    Whole(1)
}

fn five() -> Whole {
    Whole(5)
}

fn seconds(whole: Whole) -> Duration {
    Duration::from_secs(whole.0.clamp(0, 1_000_000).unsigned_abs())
}

impl Described for WaitForConnection {
    const NAME: &'static str = "ansible.builtin.wait_for_connection";
    const ABOUT: About = About { background: false, ..About::PLAIN };
    const SUMMARY: &'static str = "Waits until the host can be reached";
    const EXAMPLES: &'static str = "\
- name: it comes up
  ansible.builtin.wait_for_connection:
    delay: 10
    timeout: 300
";
    const RETURNS: Returns = &[&[Return::whole("elapsed", "always", "How many seconds it waited")]];
}

impl Module for WaitForConnection {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        Vec::new()
    }

    fn plan(&self, _: &Context<'_>, _: &State) -> Result<Plan, PlanError> {
        let step =
            Step::Reconnect { timeout: seconds(self.timeout), sleep: seconds(self.sleep), delay: seconds(self.delay) };
        Ok(Plan {
            changes: vec![Change::open("connect", step)],
            changed: Some(false),
            check_mode: CheckMode::Skip,
            result: Map::from_iter([("elapsed".to_owned(), json!(0))]),
            ..Plan::default()
        })
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let Some(output) = outputs.first() else { return Ok(plan.result.clone()) };
        let elapsed = output.duration.as_secs();
        if output.status != 0 || output.error.is_some() {
            let why = output.error.clone().unwrap_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_owned());
            let message = format!("timed out waiting for ping module test: {why}");
            return Err(Failure::new(message).with("elapsed", elapsed));
        }
        Ok(Map::from_iter([("elapsed".to_owned(), json!(elapsed))]))
    }
}
