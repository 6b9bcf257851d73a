//! `ansible.builtin.shell`: a command line for a shell.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/shell_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::command::fed;
use crate::{
    fact::{Probe, State},
    module::{
        Change, Context, Described, Failure, Flag, Module, ParameterError, Plan, PlanError, Return, Returns, Step,
        StepOutput, Text,
        process::{self, Guard},
        returns,
    },
    playbook::About,
    sh::quote,
};

/// Parameters of `shell`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shell {
    /// The command line, as the shell reads it.
    #[serde(alias = "_raw_params")]
    #[schemars(extend("x-aliases" = ["_raw_params"]))]
    cmd: Text,
    /// Has no effect: Ansible took it out with 2.14, and playbooks are full of it.
    #[allow(dead_code)] // it is read for old playbooks alone
    warn: Option<Flag>,
    /// The shell; `/bin/sh` by default.
    executable: Option<Text>,
    /// The directory to run it in.
    chdir: Option<Text>,
    /// A file, or a pattern, whose presence means that the command need not run.
    creates: Option<Text>,
    /// A file, or a pattern, whose absence means that the command need not run.
    removes: Option<Text>,
    /// What the command gets on its standard input.
    stdin: Option<Text>,
    /// Whether `stdin` gets a newline at its end.
    #[serde(default = "Flag::yes")]
    stdin_add_newline: Flag,
    /// Whether newlines at the end of what it prints are dropped.
    #[serde(default = "Flag::yes")]
    strip_empty_ends: Flag,
}

impl Described for Shell {
    const NAME: &'static str = "ansible.builtin.shell";
    const ABOUT: About = About { command_line: true, ..About::PLAIN };
    const SUMMARY: &'static str = "Runs a command line in a shell";
    const EXAMPLES: &'static str = "\
- name: count the users
  ansible.builtin.shell: getent passwd | wc -l
  register: users
  changed_when: false

- name: bash has pipefail
  ansible.builtin.shell: set -o pipefail; make-list | sort > list.txt
  args:
    executable: /bin/bash
    chdir: /opt/example
    creates: list.txt
";
    const RETURNS: Returns =
        &[returns::COMMAND, &[Return::text("msg", "always", "Why it did not run, where that is so")]];
    const FREE_FORM: Option<&'static str> = Some("cmd");

    fn check(&self) -> Result<(), ParameterError> {
        if self.cmd.0.trim().is_empty() {
            return Err(ParameterError::task("no command given"));
        }
        Ok(())
    }
}

impl Shell {
    fn guard(&self) -> Guard<'_> {
        Guard {
            creates: self.creates.as_ref().map(|t| t.0.as_str()),
            removes: self.removes.as_ref().map(|t| t.0.as_str()),
            chdir: self.chdir.as_ref().map(|t| t.0.as_str()),
        }
    }
}

impl Module for Shell {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        self.guard().probe(context, state).unwrap_or_else(super::copy::unread)
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let guard = self.guard();
        let cmd = json!(self.cmd.0);
        if let Some(result) = guard.satisfied(context, state, &cmd)? {
            return Ok(Plan::ok(result));
        }
        let shell = self.executable.as_ref().map_or("/bin/sh", |e| e.0.as_str());
        let command = format!("(exec {} -c {})", quote(shell), quote(&self.cmd.0));
        let command = fed(&command, self.stdin.as_ref(), self.stdin_add_newline.0);
        let script = process::in_directory(context, state, guard.chdir, &command)?;
        Ok(Plan {
            changes: vec![Change::open("run the command line", Step::Script(script))],
            result: process::skipped(&cmd),
            check_mode: guard.check_mode(),
            ..Plan::default()
        })
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        match outputs.first() {
            Some(output) => process::finished(&json!(self.cmd.0), output, self.strip_empty_ends.0),
            None => Ok(plan.result.clone()),
        }
    }
}
