//! `ansible.builtin.raw`: a command line, as it is.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/raw_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, State},
    module::{
        Change, CheckMode, Context, Described, Failure, Module, ParameterError, Plan, PlanError, Return, Returns, Step,
        StepOutput, Text, process,
    },
    playbook::About,
    sh::quote,
};

/// Parameters of `raw`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    /// The command line.
    #[serde(alias = "_raw_params", alias = "cmd")]
    #[schemars(extend("x-aliases" = ["_raw_params", "cmd"]))]
    free_form: Text,
    /// The shell; `/bin/sh` by default.
    executable: Option<Text>,
}

impl Described for Raw {
    const NAME: &'static str = "ansible.builtin.raw";
    const ABOUT: About = About { background: false, command_line: true, ..About::PLAIN };
    const SUMMARY: &'static str = "Runs a command line as it is";
    const EXAMPLES: &'static str = "- name: what system is it\n  ansible.builtin.raw: uname -a\n";
    const RETURNS: Returns = &[&[
        Return::whole("rc", "always", "The exit status"),
        Return::text("stdout", "always", "What it printed"),
        Return::text("stderr", "always", "What it printed as errors"),
        Return::list("stdout_lines", "always", "The same by lines"),
        Return::list("stderr_lines", "always", "The same by lines"),
        Return::text("cmd", "in check mode", "The command line"),
        Return::text("msg", "in check mode", "That it would have run"),
    ]];
    const FREE_FORM: Option<&'static str> = Some("free_form");

    fn check(&self) -> Result<(), ParameterError> {
        if self.free_form.0.trim().is_empty() {
            return Err(ParameterError::task("no command given"));
        }
        Ok(())
    }
}

impl Module for Raw {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        Vec::new()
    }

    fn plan(&self, _: &Context<'_>, _: &State) -> Result<Plan, PlanError> {
        let shell = self.executable.as_ref().map_or("/bin/sh", |e| e.0.as_str());
        let script = format!("(exec {} -c {})\n", quote(shell), quote(&self.free_form.0));
        let mut result = process::skipped(&json!(self.free_form.0));
        // Unlike `command`, it tells no times.
        result.retain(|_, value| !value.is_null());
        Ok(Plan {
            changes: vec![Change::open("run the command line", Step::Script(script))],
            result,
            check_mode: CheckMode::Skip,
            ..Plan::default()
        })
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let Some(output) = outputs.first() else { return Ok(plan.result.clone()) };
        let mut result = process::finished(&json!(self.free_form.0), output, false);
        // `raw` returns these alone.
        let kept = ["rc", "stdout", "stderr", "stdout_lines", "stderr_lines"];
        let keep = |map: &mut Map<String, Json>| map.retain(|k, _| kept.contains(&k.as_str()));
        match &mut result {
            Ok(map) => keep(map),
            Err(failure) => keep(&mut failure.result),
        }
        result
    }
}
