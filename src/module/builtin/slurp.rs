//! `ansible.builtin.slurp`: the bytes of a file of the host.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/slurp_module.html>

use base64::{Engine as _, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::{
    fact::{FileKind, Missing, Probe, State},
    module::{Context, Described, Failure, Module, Plan, PlanError, Text, path},
    playbook::About,
};

/// Parameters of `slurp`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slurp {
    /// The file to read.
    #[serde(alias = "path")]
    #[schemars(extend("x-aliases" = ["path"]))]
    src: Text,
}

impl Described for Slurp {
    const NAME: &'static str = "ansible.builtin.slurp";
    const ABOUT: About = About::TELLS;
    const SUMMARY: &'static str = "Reads a file of the host";
    const EXAMPLES: &'static str = "\
- name: read the machine's id
  ansible.builtin.slurp:
    src: /etc/machine-id
  register: id

- name: show it
  ansible.builtin.debug:
    msg: \"{{ id.content | b64decode }}\"
";
}

impl Module for Slurp {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        match path::absolute(context, state, &self.src.0) {
            Ok(path) => vec![Probe::Stat { path: path.clone(), follow: true }, Probe::Content { path }],
            Err(missing) => super::copy::unread(missing),
        }
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let path = path::absolute(context, state, &self.src.0)?;
        let message = match state.stat(&path, true)?.map(|s| s.kind) {
            None => format!("File not found: {path}"),
            Some(FileKind::Directory) => format!("Source is a directory and must be a file: {path}"),
            Some(_) => match state.content(&path) {
                Err(Missing::Failed(why)) => why,
                bytes => match bytes? {
                    Some(bytes) => {
                        return Ok(Plan::ok(Map::from_iter([
                            ("content".to_owned(), json!(STANDARD.encode(bytes))),
                            ("encoding".to_owned(), json!("base64")),
                            ("source".to_owned(), json!(path)),
                        ])));
                    }
                    None => format!("File is not readable: {path}"),
                },
            },
        };
        Err(Failure::new(message).into())
    }
}
