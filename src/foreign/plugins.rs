//! Filters, tests and lookups of Python for the template engine.

use std::path::Path;

use minijinja::Value;
use minijinja::value::ValueKind;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::value::{Kept, received, sent, wrong};
use super::workstation::{self, Fault};
use crate::template::{Failure, Local, PluginAbout, PluginCall, PluginKind, Plugins, Unknown};

/// The plugins that the Ansible of this machine has.
#[derive(Debug)]
pub struct PythonPlugins;

#[derive(Deserialize)]
struct About {
    reads: bool,
}

/// What a call came to.
#[derive(Deserialize)]
struct Came {
    #[serde(default)]
    value: Option<Json>,
    wrong: Option<String>,
    undefined: Option<usize>,
    #[serde(default)]
    missing: bool,
}

/// What a plugin asks back.
#[derive(Deserialize)]
struct Question {
    of: usize,
    key: Option<String>,
}

impl Plugins for PythonPlugins {
    fn find(&self, kind: PluginKind, name: &str) -> Result<Option<PluginAbout>, Unknown> {
        let about: Result<Option<About>, Fault> =
            workstation::ask("plugin", json!({ "kind": kind.word(), "name": name }));
        match about {
            Ok(about) => Ok(about.map(|about| PluginAbout { reads_variables: about.reads })),
            Err(fault) => Err(Unknown { reason: fault.to_string(), help: fault.help().map(str::to_owned) }),
        }
    }

    fn call(&self, call: &PluginCall<'_>) -> Result<Value, Failure> {
        let mut kept = Kept::default();
        let (operation, arguments) = arguments(call, &mut kept).map_err(Failure::Wrong)?;
        // What is asked back may need values that stay here, too.
        let kept = std::cell::RefCell::new(kept);
        let mut talk = |question: &Json| answer(question, call, &mut kept.borrow_mut());
        let came = workstation::ask_talking::<Came>(operation, arguments, &mut talk);
        workstation::take_warnings().iter().for_each(|warning| call.local.warn(warning));
        let came = came.map_err(|fault| Failure::Wrong(fault.to_string()))?;
        let kept = kept.into_inner();
        match came.wrong {
            None => received(&came.value.unwrap_or_default(), &kept).map_err(Failure::Wrong),
            Some(words) if came.missing => {
                let of = came.undefined.and_then(|number| kept.get(number)).cloned();
                let first = || call.args.iter().find(|arg| arg.is_undefined()).cloned();
                Err(Failure::Missing(of.or_else(first), words))
            }
            Some(words) => Err(Failure::Wrong(words)),
        }
    }

    fn of_playbook(&self, folder: &Path) {
        workstation::of_playbook(folder);
    }

    fn of_role(&self, folder: &Path) {
        workstation::of_role(folder);
    }
}

fn arguments(call: &PluginCall<'_>, kept: &mut Kept) -> Result<(&'static str, Json), String> {
    let args = call.args.iter().map(|arg| sent(arg, kept)).collect::<Result<Vec<_>, String>>()?;
    let mut named = Map::new();
    for (name, value) in &call.named {
        named.insert(name.clone(), sent(value, kept)?);
    }
    let folder = call.local.current_dir();
    Ok(match call.kind {
        PluginKind::Lookup => ("lookup", json!({ "name": call.name, "terms": args, "named": named, "folder": folder })),
        kind => {
            ("call", json!({ "kind": kind.word(), "name": call.name, "args": args, "named": named, "folder": folder }))
        }
    })
}

/// Answers what a plugin asks: a variable, or one of a value that stayed here; or which there are.
fn answer(question: &Json, call: &PluginCall<'_>, kept: &mut Kept) -> Result<Json, String> {
    let Question { of, key } = Question::deserialize(question).map_err(|error| error.to_string())?;
    let object = kept.get(of).cloned();
    let Some(name) = key else {
        let names: std::collections::BTreeSet<String> = match &object {
            Some(object) => {
                object.try_iter().map_err(|error| error.to_string())?.map(|name| name.to_string()).collect()
            }
            None => (call.variables)().into_iter().collect(),
        };
        return Ok(json!(names));
    };
    let found = match &object {
        Some(object) => object.get_attr(&name).ok(),
        None => (call.variable)(&name).or_else(|| special(&name, call.local)),
    };
    match found.filter(|value| !value.is_undefined()) {
        None => Ok(json!({ "has": false })),
        Some(value) if value.kind() == ValueKind::Invalid => Err(wrong(&value)),
        Some(value) => Ok(json!({ "has": true, "value": sent(&value, kept)? })),
    }
}

/// Variables that only Ansible's own plugins read.
fn special(name: &str, local: &dyn Local) -> Option<Value> {
    (name == "ansible_search_path").then(|| Value::from(local.search_path()))
}
