//! `ansible.builtin.pause`: waits for a while or for a key.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/pause_module.html>

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, State},
    module::{
        Change, CheckMode, Context, Described, Failure, Flag, Module, ParameterError, Plan, PlanError, Return, Returns,
        Step, StepOutput, Text, Whole,
    },
    playbook::About,
};

/// Parameters of `pause`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Minutes to wait.
    minutes: Option<Whole>,
    /// Seconds to wait.
    seconds: Option<Whole>,
    /// What to ask; without a time the answer is waited for.
    prompt: Option<Text>,
    /// Whether what is typed is shown. Only a shown answer is supported.
    #[serde(default = "Flag::yes")]
    echo: Flag,
}

impl Described for Pause {
    const NAME: &'static str = "ansible.builtin.pause";
    const ABOUT: About = About { background: false, by_first: true, ..About::PLAIN };
    const SUMMARY: &'static str = "Waits for a while or for a key";
    const EXAMPLES: &'static str = "\
- name: let the caches warm
  ansible.builtin.pause:
    seconds: 30

- name: look before going on
  ansible.builtin.pause:
    prompt: is the first host well? press Enter to go on
";
    const RETURNS: Returns = &[&[
        Return::text("user_input", "always", "What was typed, where something was asked for"),
        Return::whole("delta", "always", "How many seconds it took"),
        Return::text("start", "always", "When it began"),
        Return::text("stop", "always", "When it was over"),
        Return::text("stdout", "always", "The same in words"),
        Return::text("stderr", "always", "Nothing"),
        Return::whole("rc", "always", "`0`"),
        Return::flag("echo", "always", "Whether what is typed is shown"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        if self.minutes.is_some() && self.seconds.is_some() {
            return Err(ParameterError::task("minutes and seconds are mutually exclusive"));
        }
        if !self.echo.0 {
            return Err(ParameterError::new("echo", "hidden answers are not supported").help("ask by `vars_prompt`"));
        }
        Ok(())
    }
}

impl Module for Pause {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        Vec::new()
    }

    fn plan(&self, _: &Context<'_>, _: &State) -> Result<Plan, PlanError> {
        let seconds = self.seconds.map(|s| s.0).or(self.minutes.map(|m| m.0.saturating_mul(60)));
        let time = seconds.map(|s| Duration::from_secs(s.clamp(0, 1_000_000).unsigned_abs()));
        let prompt = match (&self.prompt, time) {
            (Some(prompt), _) => prompt.0.clone(),
            (None, Some(time)) => format!("pausing for {} seconds", time.as_secs()),
            (None, None) => "press Enter to continue".to_owned(),
        };
        Ok(Plan {
            changes: vec![Change::open("pause", Step::Wait { time, prompt })],
            changed: Some(false),
            check_mode: CheckMode::Skip,
            result: Map::from_iter([("user_input".to_owned(), json!(""))]),
            ..Plan::default()
        })
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let Some(output) = outputs.first() else { return Ok(plan.result.clone()) };
        if let Some(error) = &output.error {
            return Err(Failure::new(error.clone()));
        }
        let seconds = output.duration.as_secs();
        let stop = jiff::Zoned::now();
        let start = stop.clone() - output.duration;
        let stamp = |time: &jiff::Zoned| json!(time.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string());
        Ok(Map::from_iter([
            ("start".to_owned(), stamp(&start)),
            ("stop".to_owned(), stamp(&stop)),
            ("user_input".to_owned(), json!(String::from_utf8_lossy(&output.stdout))),
            ("delta".to_owned(), json!(seconds)),
            ("stdout".to_owned(), json!(format!("Paused for {seconds} seconds"))),
            ("rc".to_owned(), json!(0)),
            ("stderr".to_owned(), json!("")),
            ("echo".to_owned(), json!(true)),
        ]))
    }
}
