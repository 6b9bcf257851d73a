//! Templates against what Ansible 2.19 makes of them: each table in this folder is variables and cases.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use bringup::template::{Context, Engine, NoLocal, Var, Verdict};
use indexmap::IndexMap;
use libtest_mimic::Trial;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::support::skip::{always, slug};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    vars: IndexMap<String, Json>,
    cases: Vec<Case>,
}

/// A text or a condition, and its value or what the error says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    t: Option<String>,
    #[serde(rename = "if")]
    condition: Option<String>,
    #[serde(default, deserialize_with = "present")]
    expect: Option<Json>,
    error: Option<String>,
    /// Why we differ from Ansible, where we do.
    #[allow(dead_code)]
    ours: Option<String>,
}

/// Tells `expect: null` from no `expect`.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// The tables of this folder, by name.
fn tables() -> Vec<(String, Table)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/template");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "yml"));
    files.sort();
    let read = |file: &PathBuf| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let table = serde_json::from_value(bringup::yaml::load(file).expect(&name).to_json()).expect(&name);
        (name, table)
    };
    files.iter().map(read).collect()
}

/// Cases have no names of their own: they are numbered, with what is rendered behind it.
pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, table) in tables() {
        let vars: IndexMap<String, Var> = table.vars.iter().map(|(n, value)| (n.clone(), Var::json(value))).collect();
        let vars = Arc::new(vars);
        for (number, case) in table.cases.into_iter().enumerate() {
            let shown: String = slug(case.t.as_ref().or(case.condition.as_ref()).unwrap()).chars().take(50).collect();
            let vars = vars.clone();
            trials.push(always(format!("template::{name}::{:03}_{shown}", number + 1), move || holds(&case, vars)));
        }
    }
    trials
}

fn holds(case: &Case, vars: Arc<IndexMap<String, Var>>) {
    // Each case starts fresh: nothing may depend on what was rendered before.
    let engine = Engine::new();
    let context = Context::new(&engine, vars, Arc::new(NoLocal));
    let (shown, result) = match (&case.t, &case.condition) {
        (Some(text), None) => (text, engine.render(text, &context)),
        (None, Some(expr)) => {
            (expr, engine.condition_at(expr, None, &context).and_then(Verdict::strictly).map(Json::Bool))
        }
        _ => panic!("a case has either `t` or `if`"),
    };
    match (&case.expect, &case.error, result) {
        (Some(expected), None, Ok(value)) if *expected == value => {}
        (None, Some(part), Err(error)) if !part.is_empty() && error.to_string().contains(part.as_str()) => {}
        (expected, error, result) => {
            let wanted = expected.as_ref().map_or_else(|| format!("error {error:?}"), ToString::to_string);
            let found = result.map_or_else(
                |e| format!("error: {e} {:?}", miette::Diagnostic::help(&e).map(|h| h.to_string())),
                |v| v.to_string(),
            );
            panic!("{shown}\n  wanted {wanted}\n  found  {found}");
        }
    }
}
