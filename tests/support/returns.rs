//! Whether what modules return is what their pages say.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
    sync::{Mutex, MutexGuard, OnceLock},
};

use bringup::module::{Entry, Registry, Return, returns::COMMON};
use serde_json::{Map, Value as Json};

use super::{case::Case, trial::shells};

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
        let own = entry.returned().filter(|field| field.is(path)).min_by_key(|field| field.name.contains('{'));
        match own.or_else(|| COMMON.iter().find(|field| field.is(path))) {
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

/// Notes that a run of a case has ended well. The last of all tells which fields of the page none has shown.
pub fn ended(module: &str) {
    let entry = Registry::get().find(module).unwrap();
    let mut all = shown();
    let shown = all.entry(entry.name).or_default();
    shown.runs += 1;
    if shown.runs < expected(module) {
        return;
    }
    let never = |field: &&Return| field.untried.is_none() && !shown.fields.contains(field.name);
    let never: Vec<&str> = entry.returned().filter(never).map(|field| field.name).collect();
    let lies: Vec<&str> =
        entry.returned().filter(|f| f.untried.is_some() && shown.fields.contains(f.name)).map(|f| f.name).collect();
    drop(all);
    let name = entry.name;
    assert!(never.is_empty(), "no case of {name} returns {}: write one, or say `untried` and why", never.join(", "));
    assert!(lies.is_empty(), "cases of {name} return {}, which are said to be untried", lies.join(", "));
}

/// How many runs the cases of a module make where all of them can run.
fn expected(module: &str) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/module").join(module);
    let files = fs::read_dir(folder).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let runs = |text: String| serde_yaml::from_str::<Vec<Case>>(&text).unwrap().iter().map(|c| shells(c).len()).sum();
    files.map(runs).fold(0, |sum, runs: usize| sum + runs)
}
