//! Python's semantics, compared with what a real Python answered (`tests/python/make.py`).

mod regex;

use serde_json::Value as Json;

/// The cases of a file.
fn cases(name: &str) -> Vec<Json> {
    let path = format!("{}/tests/python/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let cases: Vec<Json> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(cases.len() > 20, "{name} has cases");
    cases
}

/// The text of a field.
fn text<'a>(case: &'a Json, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("{field} in {case}"))
}

/// Fails with all differences at once.
fn same(name: &str, wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} differences in {name}:\n{}", wrong.len(), wrong.join("\n"));
}
