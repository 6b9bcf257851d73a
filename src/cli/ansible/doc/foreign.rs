//! What `ansible-doc` tells of modules and plugins that are not native.

use std::fmt::Write as _;

use miette::Report;
use serde_json::{Value as Json, json};

use crate::{
    cli::doc::{markup::plain, wrapped},
    foreign::{
        Fault,
        spec::{self, Spec},
    },
    report::terminal,
};

/// The column at which a snippet's comments stand.
const COLUMN: usize = 27;

/// All of a kind that this machine's Ansible has: name, and what it is for or its file. None where there is no such Ansible.
pub fn listed(kind: &str, collections: &[String], files: bool) -> Vec<(String, String)> {
    let about = |(name, file, summary): spec::Listed| match files {
        true => (name, file.display().to_string()),
        false => (name, plain(&summary)),
    };
    match spec::listed(kind, collections) {
        Ok(listed) => listed.into_iter().map(about).collect(),
        Err(fault) => {
            if let Fault::Broken(_) = fault {
                terminal::warn(&fault.to_string());
            }
            Vec::new()
        }
    }
}

/// Says what could not be shown.
pub fn warn(error: &Report) {
    let help = error.help().map(|help| format!("; {help}")).unwrap_or_default();
    terminal::warn(&format!("{error}{help}"));
}

/// All that it says of itself, for programs.
pub fn told(spec: &Spec) -> Json {
    let mut doc = spec.doc.clone();
    if let Some(doc) = doc.as_object_mut() {
        doc.insert("plugin_name".to_owned(), json!(spec.name));
        doc.insert("collection".to_owned(), json!(spec.name.rsplit_once('.').map(|(collection, _)| collection)));
        doc.insert("filename".to_owned(), json!(spec.path));
    }
    json!({ "doc": doc, "examples": spec.examples, "metadata": null, "return": spec.returns })
}

/// A task to be filled in.
pub fn snippet(spec: &Spec) -> String {
    let mut out = format!("- name: {}\n  {}:\n", plain(&spec.summary()), spec.name);
    let mut parameters: Vec<_> = spec.parameters.iter().flatten().collect();
    parameters.sort_by(|a, b| b.required.cmp(&a.required).then_with(|| a.name.cmp(&b.name)));
    for parameter in parameters {
        let required = if parameter.required { "(required) " } else { "" };
        let words = format!("{required}{}", plain(&parameter.description.join(" ")));
        let name = format!("      {}:", parameter.name);
        for (at, line) in wrapped(&words, 100 - COLUMN).iter().enumerate() {
            let front = if at == 0 { name.as_str() } else { "" };
            let _ = writeln!(out, "{front:<COLUMN$} # {line}");
        }
        if words.is_empty() {
            let _ = writeln!(out, "{name}");
        }
    }
    out
}
