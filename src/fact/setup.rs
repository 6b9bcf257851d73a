//! The facts that `setup` gathers: one script, one parser.

use serde_json::{Map, Value as Json, json};

/// Prints `key=value` lines; sections of free text stand between `[name]` lines.
pub(super) fn script() -> String {
    include_str!("setup.sh").to_owned()
}

/// Parses what [`script`] printed into `ansible_…` facts.
pub(super) fn parse(stdout: &[u8]) -> Option<Json> {
    let text = String::from_utf8_lossy(stdout);
    let mut facts = Map::new();
    for line in text.lines() {
        let (key, value) = line.split_once('=')?;
        facts.insert(format!("ansible_{key}"), json!(value));
    }
    Some(Json::Object(facts))
}
