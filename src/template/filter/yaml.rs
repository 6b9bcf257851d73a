//! YAML in and out.

use minijinja::{Error, State, Value};
use serde_json::Value as Json;

use super::base::json;
use super::{Entry, on};
use crate::template::args::Args;
use crate::template::emit::{Emitter, Flow};
use crate::template::error::failed;
use crate::template::value::{from_json, string};
use crate::yaml;

pub(super) const FILTERS: &[Entry] = &[
    on("from_yaml", from_yaml),
    on("from_yaml_all", from_yaml_all),
    on("to_nice_yaml", to_nice_yaml),
    on("to_yaml", to_yaml),
];

/// Reads one YAML document, by YAML 1.1 as PyYAML does.
pub(crate) fn parse(text: &str) -> Result<Json, Error> {
    let node = yaml::load_str("<text>", text).map_err(|error| failed(format!("not YAML: {error}")))?;
    Ok(data(&node))
}

/// The value of a text that is data: nothing in it is decrypted.
fn data(node: &yaml::Node) -> Json {
    match node.vault_text() {
        Some(text) => Json::from(text),
        None => node.to_json_with(&|text| serde_json::json!({ "__ansible_vault": text })),
    }
}

fn from_yaml(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    if value.as_str().is_none() {
        return Ok(value.clone());
    }
    Ok(from_json(&parse(&string(value)?)?))
}

fn from_yaml_all(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    let documents =
        yaml::load_all_str("<text>", &string(value)?).map_err(|error| failed(format!("not YAML: {error}")))?;
    Ok(documents.iter().map(|node| from_json(&data(node))).collect())
}

fn emitted(value: &Value, args: &mut Args, flow: Flow, indent: usize) -> Result<Value, Error> {
    let indent = args.named("indent").and_then(|v| v.as_usize()).unwrap_or(indent);
    let width = args.named("width").and_then(|v| v.as_usize()).unwrap_or(80);
    let sort = args.named("sort_keys").is_none_or(|v| v.is_true());
    let flow = match args.named("default_flow_style") {
        Some(v) if v.is_none() => Flow::Leaves,
        Some(v) if v.is_true() => Flow::Always,
        Some(_) => Flow::Never,
        None => flow,
    };
    let unicode = args.named("allow_unicode").map_or(indent != 0, |v| v.is_true());
    for ignored in ["vault_behavior", "dump_vault_tags", "explicit_start", "line_break"] {
        args.named(ignored);
    }
    let indent = if (2..10).contains(&indent) { indent } else { 2 };
    let emitter = Emitter::new(flow, indent, if width > indent * 2 { width } else { 80 }, sort, unicode);
    Ok(Value::from(emitter.document(&json(value)?)))
}

fn to_yaml(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    emitted(value, args, Flow::Leaves, 2)
}

fn to_nice_yaml(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let indent = args.rest().first().and_then(Value::as_usize).unwrap_or(4);
    emitted(value, args, Flow::Never, indent)
}
