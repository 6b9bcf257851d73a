//! Python's semantics, compared with what a real Python answered (`tests/python/make.py`).

mod encoding;
mod fnmatch;
mod number;
mod regex;
mod shlex;
mod text;
mod truth;

use serde_json::Value as Json;

/// The cases of a file.
fn cases(name: &str) -> Vec<Json> {
    let path = format!("{}/tests/python/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let mut file: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let Json::Array(cases) = file["cases"].take() else { panic!("{name} holds cases") };
    assert!(cases.len() > 20, "{name} has cases");
    cases
}

/// The text of a field.
fn text<'a>(case: &'a Json, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("{field} in {case}"))
}

/// Compares the fields that `answer` gives with what Python said.
fn compare(name: &str, cases: Vec<Json>, answer: impl Fn(&Json) -> Vec<(String, Json)>) {
    let mut wrong = Vec::new();
    for case in cases {
        let fields = answer(&case).into_iter().filter(|(field, ours)| case.get(field) != Some(ours));
        let differences: Vec<String> =
            fields.map(|(field, ours)| format!("{field}: {ours}, Python {:?}, of {case}", case.get(&field))).collect();
        match case.get("differs") {
            Some(_) if differences.is_empty() => wrong.push(format!("{case}: does not differ any more")),
            Some(_) => {}
            None => wrong.extend(differences),
        }
    }
    same(name, wrong);
}

/// Fails with all differences at once.
fn same(name: &str, wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} differences in {name}:\n{}", wrong.len(), wrong.join("\n"));
}
