//! Whether what modules return is what their pages say.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, OnceLock},
};

use bringup::module::{Entry, Registry, Return, returns::COMMON};
use serde_json::{Map, Value as Json};

use super::case::Case;

/// What the cases of a module have shown so far.
#[derive(Default)]
struct Shown {
    /// How many runs of its cases have ended well.
    runs: usize,
    /// The documented fields that had a value.
    fields: HashSet<&'static str>,
}

fn shown() -> MutexGuard<'static, HashMap<&'static str, Shown>> {
    static SHOWN: OnceLock<Mutex<HashMap<&'static str, Shown>>> = OnceLock::new();
    SHOWN.get_or_init(Mutex::default).lock().unwrap()
}

/// Holds the fields of a result against the module's page.
pub fn compare(module: &str, case: &Case, result: &Map<String, Json>) {
    let entry = Registry::get().find(module).unwrap();
    let mut seen = Vec::new();
    let mut wrong = Vec::new();
    fields(entry, &mut Vec::new(), result, &mut seen, &mut wrong);
    assert!(wrong.is_empty(), "{}, case `{}`: {}", entry.name, case.name, wrong.join("; "));
    shown().entry(entry.name).or_default().fields.extend(seen);
}

/// Goes through a mapping, and through those in it as far as the page tells of their fields.
fn fields(
    entry: &Entry,
    path: &mut Vec<String>,
    values: &Map<String, Json>,
    seen: &mut Vec<&'static str>,
    wrong: &mut Vec<String>,
) {
    for (name, value) in values {
        path.push(name.clone());
        // Names in full go before those that stand for any.
        let all = entry.returned().chain(COMMON).filter(|field| field.is(path));
        match all.min_by_key(|field| field.name.contains('{')) {
            Some(field) if field.kind.holds(value) => {
                if !value.is_null() {
                    seen.push(field.name);
                }
            }
            Some(field) => wrong.push(format!("`{}` is no {}: {value}", field.name, field.kind.word())),
            None => wrong.push(format!("its RETURNS do not tell of `{}`", path.join("."))),
        }
        match value {
            Json::Object(inner) if within(entry, path) => fields(entry, path, inner, seen, wrong),
            Json::Array(items) => {
                if let Some(last) = path.last_mut() {
                    last.push_str("[]");
                }
                if within(entry, path) {
                    items.iter().filter_map(Json::as_object).for_each(|item| fields(entry, path, item, seen, wrong));
                }
            }
            _ => {}
        }
        path.pop();
    }
}

fn within(entry: &Entry, path: &[String]) -> bool {
    entry.returned().any(|field| field.is_within(path))
}

/// Notes that a run of a case has ended well.
pub fn ended(module: &str) {
    shown().entry(Registry::get().find(module).unwrap().name).or_default().runs += 1;
}

/// Whether the cases of a module have shown every field that its page tells of, once they have run. The reason where
/// that cannot be told, because some of their `expected` runs did not end well: skipped, not chosen, failed.
pub fn all_shown(entry: &Entry, expected: usize) -> Option<String> {
    let mut all = shown();
    let Shown { runs, fields } = all.remove(entry.name).unwrap_or_default();
    drop(all);
    let names = |wanted: &dyn Fn(&Return) -> bool| {
        let names: Vec<&str> = entry.returned().filter(|field| wanted(field)).map(|field| field.name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(lies) = names(&|field| field.untried.is_some() && fields.contains(field.name)) {
        panic!("cases of {} return {lies}: take away `untried` there", entry.name);
    }
    let never = names(&|field| field.untried.is_none() && !fields.contains(field.name))?;
    if runs < expected {
        return Some(format!("only {runs} of {expected} runs of its cases ended well, and none returned {never}"));
    }
    panic!("no case of {} returns {never}: write one, or say `untried` and why", entry.name);
}
