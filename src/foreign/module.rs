//! A module that is not native, with its parameters: what is asked of the host is one call.

use std::sync::Arc;

use schemars::Schema;
use serde_json::{Map, Value as Json, json};

use super::{
    catalog::{Built, Source},
    result,
    workstation::Fault,
};
use crate::{
    connection::Payload,
    fact::{Probe, State},
    module::{
        Change, CheckMode, Content, Context, Failure, Make, Module, ParameterError, Plan, PlanError, Program, Step,
        StepOutput, Told,
    },
    sh::quote,
};

/// Makes one module of its parameters.
pub(super) struct Made {
    /// Its name in the registry.
    pub name: &'static str,
    /// Its file.
    pub source: Arc<Source>,
    /// Parameters that name files of the workstation, for an action plugin of Ansible's.
    pub files: &'static [&'static str],
}

impl Make for Made {
    fn schema(&self) -> Schema {
        schemars::json_schema!({ "type": "object" })
    }

    fn parse(&self, parameters: Map<String, Json>) -> Result<Box<dyn Module>, ParameterError> {
        if let Some(name) = self.files.iter().find(|name| parameters.contains_key(**name)) {
            let message =
                "Ansible reads that file of the workstation by an action plugin of Python, which does not run here";
            return Err(ParameterError::new(name, message).help("bring the file to the host before, and name it there"));
        }
        Ok(Box::new(Foreign { name: self.name, source: self.source.clone(), parameters }))
    }
}

#[derive(Debug)]
struct Foreign {
    name: &'static str,
    source: Arc<Source>,
    parameters: Map<String, Json>,
}

impl Module for Foreign {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        Vec::new()
    }

    fn plan(&self, context: &Context<'_>, _: &State) -> Result<Plan, PlanError> {
        if self.source.python {
            // What is sent for it may still be on its way.
            return Ok(self.call(context));
        }
        let built = self.source.built().map_err(|fault| PlanError::Failed(failure(&fault)))?;
        Ok(match built {
            Built::Python(_) => self.call(context),
            Built::Script { content, words, inside } => self.script(context, &content, words, inside)?,
        })
    }

    fn finish(&self, _: &Context<'_>, _: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        result::read(self.name, outputs.first()).finish()
    }

    fn changed(&self, _: &Plan, outputs: &[StepOutput]) -> bool {
        result::read(self.name, outputs.first()).changed()
    }

    fn told(&self, outputs: &[StepOutput]) -> Told {
        result::read(self.name, outputs.first()).told()
    }
}

impl Foreign {
    fn call(&self, context: &Context<'_>) -> Plan {
        let step = Step::Call { program: self.source.clone(), arguments: self.arguments(context) };
        Plan {
            changes: vec![Change::open(format!("run {}", self.name), step)],
            check_mode: CheckMode::Run,
            output_in_result: true,
            ..Plan::default()
        }
    }

    /// What the module is told besides its parameters: those of `ActionBase._update_module_args`.
    fn arguments(&self, context: &Context<'_>) -> Map<String, Json> {
        let mut arguments = self.parameters.clone();
        let internal = [
            ("_ansible_check_mode", json!(context.check)),
            ("_ansible_diff", json!(context.diff)),
            ("_ansible_no_log", json!(context.no_log)),
            ("_ansible_verbosity", json!(context.controller.verbosity())),
            ("_ansible_module_name", json!(self.source.name)),
        ];
        arguments.extend(internal.into_iter().map(|(name, value)| (name.to_owned(), value)));
        arguments
    }

    /// A program that finds its arguments in a file, or in its own text. It cannot say that it keeps to check mode.
    fn script(&self, context: &Context<'_>, content: &[u8], words: bool, inside: bool) -> Result<Plan, PlanError> {
        let arguments = self.arguments(context);
        let text = match words {
            true => arguments.iter().map(|(name, value)| format!("{name}={} ", quote(&word(value)))).collect(),
            false => Json::Object(arguments).to_string(),
        };
        let content = match inside {
            true => {
                String::from_utf8_lossy(content).replace("<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>", &text).into_bytes()
            }
            false => content.to_vec(),
        };
        // Nobody but who acts can read the folder that the program is sent into.
        let run = match inside {
            true => "\"$upload\"".to_owned(),
            false => format!(
                "trap 'rm -f -- \"$upload.args\"' EXIT; printf %s {} >\"$upload.args\"; \"$upload\" \"$upload.args\"",
                quote(&text)
            ),
        };
        let then = format!("umask 077; chmod 700 \"$upload\" || exit 1\n{run}");
        let step = Step::Upload { content: Content::Bytes(content.into()), then };
        Ok(Plan {
            changes: vec![Change::open(format!("run {}", self.name), step)],
            check_mode: CheckMode::Skip,
            output_in_result: true,
            ..Plan::default()
        })
    }
}

/// A value as a word of an old module's arguments.
fn word(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Null => "None".to_owned(),
        other => other.to_string(),
    }
}

fn failure(fault: &Fault) -> Failure {
    let failure = Failure::new(fault.to_string());
    match fault.help() {
        Some(help) => failure.help(help),
        None => failure,
    }
}

impl Program for Source {
    fn is_ready(&self) -> bool {
        self.is_built()
    }

    fn payload(&self) -> Result<Arc<Payload>, String> {
        match self.built() {
            Ok(Built::Python(payload)) => Ok(payload),
            Ok(Built::Script { .. }) => Err(format!("`{}` is no Python", self.name)),
            Err(fault) => Err(fault.to_string()),
        }
    }
}
