//! Templates against what Ansible 2.19 makes of them: each table in this folder is variables and cases.

use std::path::Path;
use std::sync::Arc;

use bringup::template::{Context, Engine, NoLocal, Var};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value as Json;

mod errors;
mod files;
mod lookups;
mod robust;
mod variables;

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

/// A context of plain variables whose texts are templates.
pub(crate) fn context(engine: &Engine, vars: &Json) -> Context {
    let vars: IndexMap<String, Var> =
        vars.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), Var::json(value))).collect();
    Context::new(engine, Arc::new(vars), Arc::new(NoLocal))
}

fn run(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/template").join(name);
    let table: Table = serde_json::from_value(bringup::yaml::load(&path).expect(name).to_json()).expect(name);
    let engine = Engine::new();
    let vars = Json::Object(table.vars.into_iter().collect());
    let mut wrong = Vec::new();
    for case in &table.cases {
        // Each case starts fresh: nothing may depend on what was rendered before.
        let context = context(&engine, &vars);
        let (shown, result) = match (&case.t, &case.condition) {
            (Some(text), None) => (text, engine.render(text, &context)),
            (None, Some(expr)) => (expr, engine.condition_at(expr, None, &context).map(Json::Bool)),
            _ => panic!("{name}: a case has either `t` or `if`"),
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
                wrong.push(format!("{shown}\n  wanted {wanted}\n  found  {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{name}: {} of {} cases\n{}", wrong.len(), table.cases.len(), wrong.join("\n"));
}

#[test]
fn basics() {
    run("basics.yml");
}

#[test]
fn conditions() {
    run("conditions.yml");
}

#[test]
fn lists() {
    run("lists.yml");
}

#[test]
fn net() {
    run("net.yml");
}

#[test]
fn statements() {
    run("statements.yml");
}

#[test]
fn text() {
    run("text.yml");
}

#[test]
fn yaml() {
    run("yaml.yml");
}

#[test]
fn collections() {
    run("collections.yml");
}
