//! The arguments of a task against what its module takes, before a host is touched.

use serde_json::Value as Json;

use super::{
    Parameter, Spec,
    value::{Kind, Taken, is_among, written},
};
use crate::{
    playbook::{Args, Diagnostic},
    yaml::{Node, Span, Value},
};

/// Names under which any module may be given a text.
const TEXTS: [&str; 2] = ["_raw_params", "free_form"];

/// So many names are told where none is like the one that is not there.
const TOLD: usize = 30;

/// Finds what a module will not take. Values that hold templates are not known yet; more arguments may come where these are not `complete`.
pub fn check(spec: &Spec, args: &Args, free_form: Option<&Node>, name_span: &Span, complete: bool) -> Vec<Diagnostic> {
    let Some(parameters) = &spec.parameters else { return Vec::new() };
    let mut check = Check { spec, found: Vec::new() };
    let given: Vec<(&Node, &Node)> = args.iter().map(|(key, value)| (key, value)).collect();
    let whole = complete && free_form.is_none() && !given.iter().any(|(key, _)| is_text(key));
    check.arguments(parameters, &given, &[], whole.then_some(name_span));
    check.found
}

fn is_text(key: &Node) -> bool {
    key.as_str().is_some_and(|name| TEXTS.contains(&name))
}

struct Check<'a> {
    spec: &'a Spec,
    found: Vec<Diagnostic>,
}

impl Check<'_> {
    /// Checks arguments, or those in one of them, whose names are `around`; `all` is the place to say what is missing.
    fn arguments(&mut self, parameters: &[Parameter], given: &[(&Node, &Node)], around: &[String], all: Option<&Span>) {
        let inner = |name: &str| path(around, name);
        for (key, value) in given {
            let name = key.key_text();
            let Some(parameter) = parameters.iter().find(|parameter| parameter.is_called(&name)) else {
                if !is_text(key) && !is_template(key) {
                    self.unknown(key, &inner(&name), parameters);
                }
                continue;
            };
            self.value(parameter, (key, value), &inner(&name), around);
        }
        let Some(place) = all else { return };
        // A key that is a template may be any of them.
        if given.iter().any(|(key, _)| is_template(key)) {
            return;
        }
        let is_given = |parameter: &Parameter| given.iter().any(|(key, _)| parameter.is_called(&key.key_text()));
        let missing: Vec<&str> = parameters
            .iter()
            .filter(|parameter| parameter.required && parameter.default.is_none() && !is_given(parameter))
            .filter(|parameter| !TEXTS.contains(&parameter.name.as_str()))
            .map(|parameter| parameter.name.as_str())
            .collect();
        if !missing.is_empty() {
            let around = around.iter().map(|name| name.split('[').next().unwrap_or(name)).collect::<Vec<_>>();
            let within = if around.is_empty() { String::new() } else { format!(" found in {}", around.join(" -> ")) };
            let message = format!("missing required arguments: {}{within}", missing.join(", "));
            self.say(place, message, None, around.is_empty());
        }
    }

    fn unknown(&mut self, key: &Node, name: &str, parameters: &[Parameter]) {
        let known: Vec<&str> = parameters.iter().flat_map(names).collect();
        let near = crate::suggest::near(&key.key_text(), known.iter().copied());
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "it has none".to_owned(),
            None if known.len() > TOLD => format!("`bringup doc {}` shows what it has", self.spec.name),
            None => format!("it has {}", known.join(", ")),
        };
        let message = format!("Unsupported parameters for ({}) module: {name}", self.spec.short());
        self.say(&key.span, message, Some(help), !name.contains(['.', '[']));
    }

    fn value(&mut self, parameter: &Parameter, (key, value): (&Node, &Node), name: &str, around: &[String]) {
        let place = if value.span.end > value.span.start { &value.span } else { &key.span };
        // Nothing is what is not given; what is encrypted nobody shall see.
        if value.is_null() || value.vault_text().is_some() || is_template(value) {
            return;
        }
        match parameter.kind.takes(&value.to_json()) {
            Taken::Yes => {}
            Taken::Barely(why) => {
                self.found.push(Diagnostic::warning(place, format!("{name}: {why}")));
                return;
            }
            Taken::No(why) => return self.say(place, format!("{name}: {why}"), None, around.is_empty()),
        }
        let items = match (&parameter.kind, &value.value) {
            (Kind::List, Value::Seq(items)) => Some(items.iter().collect()),
            (Kind::List, Value::String { .. } | Value::Map(_)) => None,
            (Kind::List, _) => Some(vec![value]),
            _ => None,
        };
        match items {
            Some(items) => self.items(parameter, &items, name, around),
            None => self.single(parameter, value, place, (name, around)),
        }
    }

    /// A value that is no list of the playbook.
    fn single(&mut self, parameter: &Parameter, value: &Node, place: &Span, (name, around): (&str, &[String])) {
        match &value.value {
            Value::Map(_) => self.inside(parameter, value, (name, around)),
            Value::String { text, .. } if parameter.kind == Kind::List => {
                let items: Vec<Json> = text.split(',').map(|item| Json::from(item.trim())).collect();
                for item in &items {
                    self.element(parameter, item, place, name);
                }
            }
            _ => self.choice(parameter, &value.to_json(), place, name),
        }
    }

    fn items(&mut self, parameter: &Parameter, items: &[&Node], name: &str, around: &[String]) {
        for (at, item) in items.iter().enumerate() {
            if item.is_null() || item.vault_text().is_some() || is_template(item) {
                continue;
            }
            let name = format!("{name}[{at}]");
            match (&item.value, &parameter.inner) {
                (Value::Map(_), Some(_)) => self.inside(parameter, item, (&name, around)),
                _ => self.element(parameter, &item.to_json(), &item.span, &name),
            }
        }
    }

    /// One item of a list.
    fn element(&mut self, parameter: &Parameter, item: &Json, place: &Span, name: &str) {
        match parameter.elements.unwrap_or(Kind::Any).takes(item) {
            Taken::No(why) => self.say(place, format!("{name}: {why}"), None, !name.contains('.')),
            Taken::Barely(why) => self.found.push(Diagnostic::warning(place, format!("{name}: {why}"))),
            Taken::Yes => self.choice(parameter, item, place, name),
        }
    }

    fn choice(&mut self, parameter: &Parameter, value: &Json, place: &Span, name: &str) {
        let kind = if parameter.kind == Kind::List { parameter.elements } else { Some(parameter.kind) };
        let scalar = matches!(value, Json::String(_) | Json::Number(_) | Json::Bool(_));
        if parameter.choices.is_empty() || kind == Some(Kind::Truth) || !scalar {
            return;
        }
        if is_among(value, &parameter.choices) {
            return;
        }
        let choices: Vec<String> = parameter.choices.iter().map(written).collect();
        let given = written(value);
        let near = crate::suggest::near(&given, choices.iter().map(String::as_str));
        let message = format!("value of {name} must be one of: {}, got: {given}", choices.join(", "));
        self.say(place, message, near.map(|near| format!("did you mean `{near}`?")), !name.contains('.'));
    }

    /// A mapping whose parameters are known.
    fn inside(&mut self, parameter: &Parameter, value: &Node, (name, around): (&str, &[String])) {
        let (Some(inner), Value::Map(entries)) = (&parameter.inner, &value.value) else { return };
        if parameter.loose || !matches!(parameter.kind, Kind::Mapping | Kind::List) {
            return;
        }
        let given: Vec<(&Node, &Node)> = entries.iter().map(|(key, value)| (key, value)).collect();
        let own = name.rsplit('.').next().unwrap_or(name).to_owned();
        let around: Vec<String> = around.iter().cloned().chain([own]).collect();
        let place = entries.first().map_or(&value.span, |(key, _)| &key.span);
        self.arguments(inner, &given, &around, Some(place));
    }

    /// What a module surely refuses is an error. What documentation says of parameters in parameters (not `outer` ones) is often less than
    /// what the code takes, and so is all that people's own modules say.
    fn say(&mut self, place: &Span, message: String, help: Option<String>, outer: bool) {
        let found = match !self.spec.certain && (self.spec.is_own() || !outer) {
            true => Diagnostic::warning(place, format!("{message} (says its documentation)")),
            false => Diagnostic::error(place, message),
        };
        self.found.push(found.maybe_help(help));
    }
}

fn names(parameter: &Parameter) -> impl Iterator<Item = &str> {
    std::iter::once(parameter.name.as_str()).chain(parameter.aliases.iter().map(String::as_str))
}

fn path(around: &[String], name: &str) -> String {
    around.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".")
}

/// Whether a text holds a template: what it comes to is known later.
fn is_template(value: &Node) -> bool {
    value.as_str().is_some_and(|text| ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)))
}
