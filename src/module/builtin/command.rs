//! `ansible.builtin.command`: a command without a shell.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/command_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, State},
    module::{
        Change, Context, Described, Failure, Flag, List, Module, ParameterError, Plan, PlanError, Return, Returns,
        Step, StepOutput, Text,
        process::{self, Guard},
        returns,
    },
    playbook::About,
    python::shlex,
    sh::{print, quote},
};

/// Parameters of `command`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The command line. It is split into words as a shell would, but no shell sees it: no pipes, no wildcards.
    #[serde(alias = "_raw_params")]
    #[schemars(extend("x-aliases" = ["_raw_params"]))]
    cmd: Option<Text>,
    /// The words of the command, in the place of `cmd`.
    argv: Option<List<Text>>,
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
    /// Whether `$NAME` and `~` in the words are expanded.
    #[serde(default = "Flag::yes")]
    expand_argument_vars: Flag,
    /// Has no effect: Ansible took it out with 2.14, and playbooks are full of it.
    #[allow(dead_code)] // it is read for old playbooks alone
    warn: Option<Flag>,
    /// A shell. No shell sees the command, so this is told and not used; `shell` has it.
    executable: Option<Text>,
}

impl Described for Command {
    const NAME: &'static str = "ansible.builtin.command";
    const ABOUT: About = About { command_line: true, ..About::PLAIN };
    const SUMMARY: &'static str = "Runs a command without a shell";
    const EXAMPLES: &'static str = "\
- name: the database is initialised once
  ansible.builtin.command: /usr/bin/initialise --all
  args:
    creates: /var/lib/example/ready

- name: words with spaces need no quoting
  ansible.builtin.command:
    argv: [/usr/bin/make-user, Jane Doe]
    chdir: /opt/example
";
    const RETURNS: Returns =
        &[returns::COMMAND, &[Return::text("msg", "always", "Why it did not run, where that is so")]];
    const FREE_FORM: Option<&'static str> = Some("cmd");

    fn check(&self) -> Result<(), ParameterError> {
        match (&self.cmd, &self.argv) {
            (None, None) => return Err(ParameterError::task("no command given").rc(256)),
            (Some(_), Some(_)) => {
                return Err(ParameterError::task("only command or argv can be given, not both").rc(256));
            }
            _ => {}
        }
        let words = self.words().map_err(|why| ParameterError::new("cmd", why))?;
        match words.first() {
            None => Err(ParameterError::task("no command given").rc(256)),
            Some(word) if word.is_empty() => Err(ParameterError::task("the command's name is empty")),
            Some(_) => Ok(()),
        }
    }
}

impl Command {
    fn words(&self) -> Result<Vec<String>, String> {
        match (&self.cmd, &self.argv) {
            (Some(cmd), _) => shlex::split(&cmd.0).map_err(|unclosed| unclosed.to_string()),
            (None, Some(argv)) => Ok(argv.0.iter().map(|w| w.0.clone()).collect()),
            (None, None) => Ok(Vec::new()),
        }
    }

    fn guard(&self) -> Guard<'_> {
        Guard {
            creates: self.creates.as_ref().map(|t| t.0.as_str()),
            removes: self.removes.as_ref().map(|t| t.0.as_str()),
            chdir: self.chdir.as_ref().map(|t| t.0.as_str()),
        }
    }

    /// The command as the result shows it.
    fn shown(&self) -> Json {
        json!(self.words().unwrap_or_default())
    }
}

impl Module for Command {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        self.guard().probe(context, state).unwrap_or_else(super::copy::unread)
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let guard = self.guard();
        if let Some(result) = guard.satisfied(context, state, &self.shown())? {
            return Ok(Plan::ok(result));
        }
        let words = self.words().map_err(Failure::new)?;
        let expand = |word: &String| match self.expand_argument_vars.0 {
            true => process::expandable(word),
            false => quote(word).into_owned(),
        };
        let line = words.iter().map(expand).collect::<Vec<_>>().join(" ");
        let name = words.first().cloned().unwrap_or_default();
        // Behind `exec` a word is neither builtin nor reserved; the subshell keeps the shell itself.
        let found = process::found(&expand(&name), &name);
        let command = fed(&format!("({found}exec {line})"), self.stdin.as_ref(), self.stdin_add_newline.0);
        let script = process::in_directory(context, state, guard.chdir, &command)?;
        let warnings = self.executable.iter().map(|executable| {
            format!(
                "the parameter `executable` is no longer supported by `command`, `{}` is not used: `shell` has it",
                executable.0
            )
        });
        Ok(Plan {
            warnings: warnings.collect(),
            changes: vec![Change::open(format!("run {name}"), Step::Script(script))],
            result: process::skipped(&self.shown()),
            check_mode: guard.check_mode(),
            ..Plan::default()
        })
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        match outputs.first() {
            Some(output) => {
                let name = self.words().ok().and_then(|words| words.into_iter().next()).unwrap_or_default();
                match process::not_started(&name, output) {
                    Some((rc, message)) => Err(process::no_program(&self.shown(), rc, message)),
                    None => process::finished(&self.shown(), output, self.strip_empty_ends.0),
                }
            }
            None => Ok(plan.result.clone()),
        }
    }
}

/// Gives a command its standard input.
pub(super) fn fed(command: &str, stdin: Option<&Text>, newline: bool) -> String {
    match stdin {
        None => command.to_owned(),
        Some(stdin) => {
            let end = if newline && !stdin.0.ends_with('\n') { "\n" } else { "" };
            format!("{} | {command}", print(format!("{}{end}", stdin.0).as_bytes()))
        }
    }
}
