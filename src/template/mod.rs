//! Jinja as Ansible playbooks use it: engine, filters, tests, lookups.
//!
//! An [`Engine`] renders texts, trees and conditions against a [`Context`], the variables of one host at one moment.
//! Variables are [`Var`]s, unrendered; the context renders each when it is read, and only the parts that are read.
//! Undefined names are errors with a place and a suggestion, except where `default` or `is defined` asks for them.

mod args;
mod bound;
mod certain;
mod context;
mod emit;
mod engine;
mod error;
mod explain;
mod file;
mod filter;
mod function;
mod lazy;
mod method;
mod plugin;
mod raw;
mod references;
mod rewrite;
mod test;
mod trust;
mod unclosed;
mod value;
mod verdict;
mod walk;

pub use certain::Needed;
pub use context::{Context, HostVars, Vars};
pub use engine::Engine;
pub use error::{Kind, TemplateError};
pub use file::{FileOptions, Loader, no_loader};
pub use function::local::{FileKind, Local, NoLocal, System};
pub use function::lookup::{full_names as lookup_names, name as lookup_name};
pub use plugin::{
    Failure, PluginAbout, PluginCall, PluginKind, Plugins, Unknown, has_plugin, of_playbook, of_role, provide,
};
pub use raw::Var;
pub use references::References;
pub use trust::Trust;
pub use value::{is_omit, repr};
pub use verdict::Verdict;

/// What engine values are made of, for whoever takes them to plugins and back.
pub(crate) mod bridge {
    pub(crate) use super::context::is_variables;
    pub(crate) use super::filter::{Moment, Span};
    pub(crate) use super::value::{Omit, check, describe, pairs};
}

/// Engine values, for objects a `Vars` hands out (`hostvars`, `groups`).
pub use minijinja::Value;

/// A condition or `var:` without the braces some people put around it.
fn bare(expr: &str) -> &str {
    let trimmed = expr.trim();
    match trimmed.strip_prefix("{{").and_then(|e| e.strip_suffix("}}")) {
        Some(inner) if !inner.contains("{{") && !inner.contains("}}") => inner,
        _ => expr,
    }
}

/// A value as YAML in PyYAML's layout, each collection in lines of its own and keys sorted.
pub fn to_yaml(value: &serde_json::Value) -> String {
    emit::Emitter::new(emit::Flow::Never, 2, 80, true, true).document(value)
}

/// A value as Python's `str` writes it.
pub fn to_text(json: &serde_json::Value) -> String {
    // What is nested too deeply to be written so is shown as it was read.
    value::string(&value::from_json(json)).unwrap_or_else(|_| json.to_string())
}

/// The full names of all filters.
pub fn filter_names() -> Vec<String> {
    filter::names().iter().filter(|name| name.contains('.')).cloned().collect()
}

/// The full names of all tests.
pub fn test_names() -> Vec<String> {
    test::names().iter().filter(|name| name.contains('.')).cloned().collect()
}
