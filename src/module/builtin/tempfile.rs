//! `ansible.builtin.tempfile`: a new file or directory of a name nobody has.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/tempfile_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, State},
    module::{
        Change, Context, Described, Failure, Module, ParameterError, Plan, PlanError, Step, StepOutput, Text, path,
    },
    sh::quote,
};

/// Parameters of `tempfile`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tempfile {
    /// Whether a file or a directory is made.
    #[serde(default)]
    state: TempState,
    /// Where; by default where the host keeps temporary files.
    path: Option<Text>,
    /// What the name begins with.
    #[serde(default = "prefix")]
    prefix: Text,
    /// What the name ends in.
    #[serde(default)]
    suffix: Text,
}

/// What is made.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum TempState {
    /// A directory.
    Directory,
    /// A file.
    #[default]
    File,
}

fn prefix() -> Text {
    Text("ansible.".to_owned())
}

impl Described for Tempfile {
    const NAME: &'static str = "ansible.builtin.tempfile";
    const SUMMARY: &'static str = "Makes a temporary file or directory";
    const EXAMPLES: &'static str = "\
- name: a place to build in
  ansible.builtin.tempfile:
    state: directory
    suffix: .build
  register: build
";

    fn check(&self) -> Result<(), ParameterError> {
        for (name, text) in [("prefix", &self.prefix), ("suffix", &self.suffix)] {
            if text.0.contains(['/', '\n']) {
                return Err(ParameterError::new(name, format!("`{}` is no part of a file's name", text.0)));
            }
        }
        Ok(())
    }
}

impl Module for Tempfile {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        match self.path.as_ref().map(|p| path::absolute(context, state, &p.0)) {
            Some(Err(missing)) => super::copy::unread(missing),
            _ => Vec::new(),
        }
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let folder = match &self.path {
            Some(path) => quote(&path::absolute(context, state, &path.0)?).into_owned(),
            None => "\"${TMPDIR:-/tmp}\"".to_owned(),
        };
        // The name is the runner's, so nobody can have put anything under it: with one of `mktemp` that gets its suffix afterwards,
        // who sees the first could make the second.
        let make = match self.state {
            TempState::File => "( set -C; : >\"$n\" )",
            TempState::Directory => "mkdir -m 700 -- \"$n\"",
        };
        let script = format!(
            "umask 077; d={folder}\n[ -d \"$d\" ] || {{ echo \"the directory $d does not exist\" >&2; exit 1; }}\n\
             k=$__k; n=$d/{}${{k%????????????}}{}\n{make} && printf '%s\\n' \"$n\"\n",
            quote(&self.prefix.0),
            quote(&self.suffix.0),
        );
        Ok(Plan {
            changes: vec![Change::open("make a temporary file", Step::Script(script))],
            result: Map::from_iter([("path".to_owned(), Json::Null)]),
            ..Plan::default()
        })
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let Some(output) = outputs.first() else { return Ok(plan.result.clone()) };
        let text = String::from_utf8_lossy(&output.stdout);
        let path = text.strip_suffix('\n').unwrap_or(&text);
        if output.status != 0 || output.error.is_some() || path.is_empty() {
            let told =
                output.error.clone().unwrap_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_owned());
            return Err(Failure::new(format!("cannot make a temporary file: {told}")));
        }
        let kind = if self.state == TempState::File { "file" } else { "directory" };
        Ok(Map::from_iter([("path".to_owned(), json!(path)), ("state".to_owned(), json!(kind))]))
    }
}
