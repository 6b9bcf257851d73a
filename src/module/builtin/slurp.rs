//! `ansible.builtin.slurp`: the bytes of a file of the host.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/slurp_module.html>

use base64::{Engine as _, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::{
    fact::{Answer, FileKind, Missing, Probe, State},
    module::{Context, Described, Failure, Module, Plan, PlanError, Return, Returns, Text, path},
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
    const RETURNS: Returns = &[&[
        Return::text("content", "always", "What is in the file, as base64"),
        Return::text("encoding", "always", "`base64`"),
        Return::text("source", "always", "The file's path"),
    ]];
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
        let kind = match state.stat(&path, true) {
            // Who may not look into its directory may not read it either.
            Err(Missing::Failed(why)) if why.ends_with("Permission denied") => {
                return Err(Failure::new(unreadable(&path)).into());
            }
            stat => stat?.map(|s| s.kind),
        };
        if let Answer::Nowhere(why) = state.get(&Probe::Stat { path: path.clone(), follow: true })? {
            return Err(Failure::new(format!("unable to slurp file {path}: {why}")).into());
        }
        let message = match kind {
            None => format!("file not found: {path}"),
            Some(FileKind::Directory) => format!("source is a directory and must be a file: {path}"),
            Some(_) => match state.content(&path) {
                Err(Missing::Failed(why)) if why.ends_with("Permission denied") => unreadable(&path),
                Err(Missing::Failed(why)) => format!("unable to slurp file {path}: {why}"),
                bytes => match bytes? {
                    Some(bytes) => {
                        return Ok(Plan::ok(Map::from_iter([
                            ("content".to_owned(), json!(STANDARD.encode(bytes))),
                            ("encoding".to_owned(), json!("base64")),
                            ("source".to_owned(), json!(path)),
                        ])));
                    }
                    None => unreadable(&path),
                },
            },
        };
        Err(Failure::new(message).into())
    }
}

fn unreadable(path: &str) -> String {
    format!("file is not readable: {path}")
}
