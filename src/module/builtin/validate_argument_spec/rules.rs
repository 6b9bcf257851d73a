//! What a specification asks of arguments.

use serde_json::{Map, Value as Json, json};

use super::types::{converted, refused};
use crate::python::truth::truthy;

/// How deep specifications may be nested: each is a call deeper.
const DEEPEST: usize = 40;

/// Checks arguments, and puts each value in as the type that it was asked to be.
pub fn check(spec: &Map<String, Json>, arguments: &mut Map<String, Json>, within: &str, errors: &mut Vec<String>) {
    level(spec, &Json::Null, arguments, within, errors, 0);
}

fn level(
    spec: &Map<String, Json>,
    together: &Json,
    arguments: &mut Map<String, Json>,
    within: &str,
    errors: &mut Vec<String>,
    depth: usize,
) {
    if depth > DEEPEST {
        errors.push("the specification is nested too deeply".to_owned());
        return;
    }
    aliases(spec, arguments);
    unknown(spec, arguments, within, errors);
    for (name, rule) in spec {
        let default = rule.get("default").filter(|default| !default.is_null());
        if let (None, Some(default)) = (arguments.get(name), default) {
            arguments.insert(name.clone(), default.clone());
        }
    }
    between(together, arguments, within, errors, Rules::Exclusive);
    // What is given as nothing is given.
    let missing: Vec<&str> = spec
        .iter()
        .filter(|(name, rule)| rule.get("required").is_some_and(truthy) && !arguments.contains_key(*name))
        .map(|(name, _)| name.as_str())
        .collect();
    if !missing.is_empty() {
        let mut missing = missing;
        missing.sort_unstable();
        errors.push(format!("missing required arguments: {}{}", missing.join(", "), found_in(within)));
    }
    for (name, rule) in spec {
        // Nothing does only where nothing is enough.
        let needed = rule.get("required").is_some_and(truthy);
        let Some(value) = arguments.get(name).filter(|value| needed || !value.is_null()) else { continue };
        let inner = if within.is_empty() { name.clone() } else { format!("{within}.{name}") };
        if let Some(value) = one(name, rule, value.clone(), &inner, errors, depth) {
            arguments.insert(name.clone(), value);
        }
    }
    between(together, arguments, within, errors, Rules::Needed);
}

fn found_in(within: &str) -> String {
    if within.is_empty() { String::new() } else { format!(" found in {}", within.replace('.', " -> ")) }
}

/// Gives arguments that came by another name their own.
fn aliases(spec: &Map<String, Json>, arguments: &mut Map<String, Json>) {
    for (name, rule) in spec {
        for alias in texts(rule.get("aliases")) {
            if let Some(value) = arguments.remove(&alias) {
                arguments.insert(name.clone(), value);
            }
        }
    }
}

fn unknown(spec: &Map<String, Json>, arguments: &Map<String, Json>, within: &str, errors: &mut Vec<String>) {
    let mut unknown: Vec<String> = arguments.keys().filter(|name| !spec.contains_key(*name)).cloned().collect();
    if unknown.is_empty() {
        return;
    }
    unknown.sort();
    let unknown: Vec<String> =
        unknown.iter().map(|name| if within.is_empty() { name.clone() } else { format!("{within}.{name}") }).collect();
    let mut known: Vec<&str> = spec.keys().map(String::as_str).collect();
    known.sort_unstable();
    errors.push(format!("{}. Supported parameters include: {}.", unknown.join(", "), known.join(", ")));
}

/// Checks one argument; its value as the type that is asked for.
fn one(name: &str, rule: &Json, value: Json, inner: &str, errors: &mut Vec<String>, depth: usize) -> Option<Json> {
    let kind = rule.get("type").and_then(Json::as_str).unwrap_or("str");
    let secret = rule.get("no_log").is_some_and(truthy);
    let Some(mut value) = converted(&value, kind) else {
        errors.push(refused(name, &value, kind, secret));
        return None;
    };
    if let (Some(elements), Json::Array(items)) = (rule.get("elements").and_then(Json::as_str), &mut value) {
        for item in items.iter_mut() {
            match converted(item, elements) {
                Some(fit) => *item = fit,
                None => {
                    let wrong = refused(name, item, elements, secret);
                    errors.push(wrong.replace("argument '", "Elements value for option '"));
                    return None;
                }
            }
        }
    }
    choices(name, rule, &value, inner, secret, errors);
    if let Some(Json::Object(options)) = rule.get("options") {
        let mut below = |part: &mut Json| {
            if let Json::Object(part) = part {
                level(options, rule, part, inner, errors, depth + 1);
            }
        };
        match &mut value {
            Json::Array(items) => items.iter_mut().for_each(below),
            part => below(part),
        }
    }
    Some(value)
}

fn choices(name: &str, rule: &Json, value: &Json, inner: &str, secret: bool, errors: &mut Vec<String>) {
    let Some(Json::Array(allowed)) = rule.get("choices") else { return };
    let shown = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let is_allowed = |value: &Json| allowed.iter().any(|choice| choice == value || shown(choice) == shown(value));
    let all: Vec<String> = allowed.iter().map(shown).collect();
    let place = found_in(inner.rsplit_once('.').map_or("", |(above, _)| above));
    let hidden = |text: String| if secret { "a value that is not shown".to_owned() } else { text };
    match value {
        Json::Array(items) => {
            let wrong: Vec<String> = items.iter().filter(|item| !is_allowed(item)).map(shown).collect();
            if !wrong.is_empty() {
                let (all, wrong) = (all.join(", "), hidden(wrong.join(", ")));
                errors.push(format!("value of {name} must be one or more of: {all}. Got no match for: {wrong}{place}"));
            }
        }
        one if !is_allowed(one) => {
            let (all, one) = (all.join(", "), hidden(shown(one)));
            errors.push(format!("value of {name} must be one of: {all}, got: {one}{place}"));
        }
        _ => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rules {
    Exclusive,
    Needed,
}

/// The rules that hold between arguments: `mutually_exclusive`, `required_together` and their like.
fn between(rule: &Json, arguments: &Map<String, Json>, within: &str, errors: &mut Vec<String>, which: Rules) {
    let given = |name: &String| arguments.get(name).is_some_and(|value| !value.is_null());
    let groups = |key: &str| -> Vec<Vec<String>> {
        let list = rule.get(key).and_then(Json::as_array).cloned().unwrap_or_default();
        match list.first() {
            Some(Json::String(_)) => vec![texts(Some(&json!(list)))],
            _ => list.iter().map(|group| texts(Some(group))).collect(),
        }
    };
    let place = found_in(within);
    if which == Rules::Exclusive {
        for group in groups("mutually_exclusive") {
            if group.iter().filter(|name| given(name)).count() > 1 {
                errors.push(format!("parameters are mutually exclusive: {}{place}", group.join("|")));
            }
        }
        return;
    }
    for group in groups("required_together") {
        let count = group.iter().filter(|name| given(name)).count();
        if count > 0 && count < group.len() {
            errors.push(format!("parameters are required together: {}{place}", group.join(", ")));
        }
    }
    for group in groups("required_one_of") {
        if !group.iter().any(given) {
            errors.push(format!("one of the following is required: {}{place}", group.join(", ")));
        }
    }
    for condition in rule.get("required_if").and_then(Json::as_array).into_iter().flatten() {
        let Some([Json::String(key), wanted, needed, rest @ ..]) = condition.as_array().map(Vec::as_slice) else {
            continue;
        };
        if arguments.get(key) != Some(wanted) {
            continue;
        }
        let needed = texts(Some(needed));
        let missing: Vec<&str> = needed.iter().filter(|name| !given(name)).map(String::as_str).collect();
        let any = rest.first().is_some_and(truthy);
        let shown = wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned);
        let fails = if any { missing.len() == needed.len() } else { !missing.is_empty() };
        if fails {
            let (which, names) = if any { ("any", needed.join(", ")) } else { ("all", missing.join(", ")) };
            errors.push(format!("{key} is {shown} but {which} of the following are missing: {names}{place}"));
        }
    }
    for (key, needed) in rule.get("required_by").and_then(Json::as_object).into_iter().flatten() {
        let missing: Vec<String> = texts(Some(needed)).into_iter().filter(|name| !given(name)).collect();
        if given(key) && !missing.is_empty() {
            errors.push(format!("missing parameter(s) required by '{key}': {}{place}", missing.join(", ")));
        }
    }
}

fn texts(value: Option<&Json>) -> Vec<String> {
    match value {
        Some(Json::Array(items)) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        Some(Json::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    }
}
