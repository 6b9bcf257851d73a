//! `ansible.builtin.script`: a script of the workstation, run on the host.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/script_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, State},
    module::{
        Change, Context, Described, Failure, Flag, Folder, Module, ParameterError, Plan, PlanError, Return, Returns,
        Step, StepOutput, Text, local,
        process::{self, Guard},
        returns,
    },
    playbook::About,
    python::shlex,
    sh::quote,
};

/// Parameters of `script`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The script's file, looked for in `files/` of the role and beside the playbook, and its arguments.
    #[serde(alias = "_raw_params", alias = "free_form")]
    #[schemars(extend("x-aliases" = ["_raw_params", "free_form"]))]
    cmd: Option<Text>,
    /// What to run the script with; by default the first line of it decides.
    executable: Option<Text>,
    /// The directory to run it in.
    chdir: Option<Text>,
    /// A file, or a pattern, whose presence means that the script need not run.
    creates: Option<Text>,
    /// A file, or a pattern, whose absence means that the script need not run.
    removes: Option<Text>,
    /// Whether a script encrypted by `vault` is decrypted on the way.
    #[serde(default = "Flag::yes")]
    decrypt: Flag,
}

impl Described for Script {
    const NAME: &'static str = "ansible.builtin.script";
    const ABOUT: About = About { background: false, command_line: true, ..About::PLAIN };
    const SUMMARY: &'static str = "Runs a script of the workstation on the host";
    const EXAMPLES: &'static str = "\
- name: set the machine up once
  ansible.builtin.script: setup.sh --all
  args:
    creates: /etc/example.done
";
    const RETURNS: Returns =
        &[returns::COMMAND, &[Return::text("msg", "always", "Why it did not run, where that is so")]];
    const FREE_FORM: Option<&'static str> = Some("cmd");

    fn check(&self) -> Result<(), ParameterError> {
        match shlex::split(self.line()) {
            Err(why) => Err(ParameterError::new("cmd", why.to_string())),
            Ok(words) if words.is_empty() => {
                Err(ParameterError::task("no script given: one of the following is required: _raw_params, cmd"))
            }
            Ok(_) => Ok(()),
        }
    }
}

impl Script {
    fn line(&self) -> &str {
        self.cmd.as_ref().map_or("", |cmd| cmd.0.as_str())
    }

    fn guard(&self) -> Guard<'_> {
        Guard {
            creates: self.creates.as_ref().map(|t| t.0.as_str()),
            removes: self.removes.as_ref().map(|t| t.0.as_str()),
            chdir: self.chdir.as_ref().map(|t| t.0.as_str()),
        }
    }
}

impl Module for Script {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        self.guard().probe(context, state).unwrap_or_else(super::copy::unread)
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let guard = self.guard();
        let cmd = json!(self.line());
        if guard.satisfied(context, state, &cmd)?.is_some() {
            let (path, why) = match (guard.creates, guard.removes) {
                (Some(path), _) => (path, "exists, matching creates option"),
                (None, path) => (path.unwrap_or_default(), "does not exist, matching removes option"),
            };
            let message = Map::from_iter([("msg".to_owned(), json!(format!("{path} {why}")))]);
            return Ok(Plan { skipped: true, ..Plan::ok(message) });
        }
        let words = shlex::split(self.line()).map_err(|unclosed| Failure::new(unclosed.to_string()))?;
        let name = words.first().map_or("", String::as_str);
        let file = local::load(context, &context.controller.find(Folder::Files, name)?, self.decrypt.0)?;
        let run = match &self.executable {
            Some(executable) => format!("exec {} \"$upload\"", quote(&executable.0)),
            None => "chmod 0700 -- \"$upload\" && exec \"$upload\"".to_owned(),
        };
        // The arguments are read by the host's shell, as Ansible has it; only their end is known here.
        let arguments = words.iter().skip(1).map(|w| process::expandable(w)).collect::<Vec<_>>().join(" ");
        let then = process::in_directory(context, state, guard.chdir, &format!("({run} {arguments})"))?;
        Ok(Plan {
            changes: vec![Change::open(format!("run {name}"), Step::Upload { content: file.content, then })],
            result: process::skipped(&cmd),
            check_mode: guard.check_mode(),
            ..Plan::default()
        })
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        match outputs.first() {
            Some(output) => process::finished(&json!(self.line()), output, false),
            None => Ok(plan.result.clone()),
        }
    }
}
