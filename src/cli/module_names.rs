//! The registry of modules, as the playbook loader asks it.

use serde_json::{Map, Value as Json};

use std::path::Path;

use crate::{
    foreign::{self, Fault},
    module::{Entry, ParameterError, Registry, groups},
    playbook::{About, Args, Diagnostic, ModuleNames, Refusal},
    yaml::{Node, Span},
};

/// All modules of this program.
pub struct Modules;

impl ModuleNames for Modules {
    fn canonical(&self, written: &str) -> Option<&str> {
        Registry::get().find(written).map(|e| e.name)
    }

    fn elsewhere(&self, written: &str, collections: &[String]) -> Result<Option<&'static str>, Refusal> {
        foreign::find(written, collections).map(|entry| entry.map(|entry| entry.name)).map_err(|fault| refusal(&fault))
    }

    fn of_file(&self, written: &str, file: &Path) -> Result<&'static str, Refusal> {
        foreign::of_file(written, file).map(|entry| entry.name).map_err(|fault| refusal(&fault))
    }

    fn near(&self, written: &str) -> Option<String> {
        Registry::get().near(written).map(str::to_owned)
    }

    fn has_collection(&self, name: &str) -> bool {
        let of = |entry: &Entry| entry.name.strip_prefix(name).is_some_and(|module| module.starts_with('.'));
        name == "ansible.legacy" || Registry::get().entries().iter().any(of)
    }

    fn group(&self, full_name: &str) -> Option<&'static [&'static str]> {
        groups::of_modules(full_name)
    }

    fn group_of_groups(&self, name: &str) -> Option<&'static [&'static str]> {
        groups::of_groups(name)
    }

    fn check_args(
        &self,
        canonical: &str,
        args: &Args,
        free_form: Option<&Node>,
        name_span: &Span,
        complete: bool,
    ) -> Vec<Diagnostic> {
        let Some(entry) = Registry::get().find(canonical) else { return Vec::new() };
        if let Some(file) = entry.file {
            // Where its documentation cannot be had, it tells itself what is wrong.
            let spec = foreign::spec::of("module", entry.name, Some(file));
            let mut found = spec
                .map_or_else(|_| Vec::new(), |spec| foreign::spec::check(&spec, args, free_form, name_span, complete));
            // What it takes with Ansible alone does not depend on values.
            if let Err(error) = entry.parse(args.iter().map(|(key, value)| (key.key_text(), value.to_json())).collect())
            {
                found.push(misplaced(args, name_span, &error));
            }
            return found;
        }
        // `set_fact` and `add_host` take any name.
        if entry.open {
            return Vec::new();
        }
        let known = entry.parameters();
        let mut found = Vec::new();
        for (key, _) in args {
            let name = key.key_text();
            if !known.contains(&name) {
                found.push(diagnostic(&key.span, &entry.unknown_parameters(&[&name])));
            }
        }
        let whole = complete
            && args.iter().all(|(_, value)| !holds_template(&value.to_json()))
            && free_form.is_none_or(|n| !holds_template(&n.to_json()));
        if whole && found.is_empty() {
            let mut parameters: Map<String, Json> = args.iter().map(|(k, v)| (k.key_text(), v.to_json())).collect();
            if let (Some(text), Some(name)) = (free_form, entry.free_form) {
                parameters.insert(name.to_owned(), text.to_json());
            }
            if let Err(error) = entry.parse(parameters) {
                found.push(misplaced(args, name_span, &error));
            }
        }
        found
    }

    fn about(&self, canonical: &str) -> About {
        Registry::get().find(canonical).map_or(About::PLAIN, |entry| entry.about)
    }
}

fn refusal(fault: &Fault) -> Refusal {
    let unsought = matches!(fault, Fault::Never | Fault::Absent(_));
    Refusal { message: fault.to_string(), help: fault.help().map(str::to_owned), unsought }
}

fn holds_template(value: &Json) -> bool {
    match value {
        Json::String(text) => text.contains("{{") || text.contains("{%"),
        Json::Array(items) => items.iter().any(holds_template),
        Json::Object(map) => map.values().any(holds_template),
        _ => false,
    }
}

/// The diagnostic of an error, at the argument that it is about.
fn misplaced(args: &Args, name_span: &Span, error: &ParameterError) -> Diagnostic {
    let top = error.parameter.as_deref().map(|p| p.split(['.', '[']).next().unwrap_or(p).to_owned());
    let place = top.and_then(|top| {
        args.iter()
            .find(|(k, _)| k.key_text() == top)
            .map(|(k, v)| if v.span.end > v.span.start { &v.span } else { &k.span })
    });
    diagnostic(place.unwrap_or(name_span), error)
}

fn diagnostic(span: &Span, error: &ParameterError) -> Diagnostic {
    let message = match &error.parameter {
        Some(parameter) if !error.message.contains(parameter.as_str()) => format!("{parameter}: {}", error.message),
        _ => error.message.clone(),
    };
    Diagnostic::error(span, message).maybe_help(error.help.clone())
}
