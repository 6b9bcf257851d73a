//! The types of arguments, and what is taken for one.
//!
//! Source: <https://docs.ansible.com/ansible/latest/dev_guide/developing_program_flow_modules.html#argument-spec>

use serde_json::{Value as Json, json};

use crate::python::{number, truth::boolean_text};

/// A value as the type that is asked for; nothing where it cannot be one.
pub fn converted(value: &Json, kind: &str) -> Option<Json> {
    match kind {
        "str" | "path" | "bytes" | "bits" => match value {
            Json::String(_) => Some(value.clone()),
            Json::Array(_) | Json::Object(_) => Some(json!(value.to_string())),
            Json::Null => None,
            Json::Bool(flag) => Some(json!(if *flag { "True" } else { "False" })),
            Json::Number(number) => Some(json!(number.to_string())),
        },
        "int" => match value {
            Json::Number(number) if number.is_i64() || number.is_u64() => Some(value.clone()),
            Json::Number(number) => number.as_f64().filter(|f| f.fract() == 0.0).map(|f| json!(f as i64)),
            Json::Bool(flag) => Some(json!(i64::from(*flag))),
            Json::String(text) => number::int(text, 10).and_then(|n| i64::try_from(n).ok()).map(|n| json!(n)),
            _ => None,
        },
        "float" => match value {
            Json::Number(_) => Some(value.clone()),
            Json::String(text) => number::float(text).map(|f| json!(f)),
            _ => None,
        },
        "bool" => match value {
            Json::Bool(_) => Some(value.clone()),
            Json::Number(number) => match number.as_f64() {
                Some(0.0) => Some(json!(false)),
                Some(1.0) => Some(json!(true)),
                _ => None,
            },
            Json::String(text) => boolean_text(text).map(|flag| json!(flag)),
            _ => None,
        },
        "list" => match value {
            Json::Array(_) => Some(value.clone()),
            Json::String(text) => Some(json!(text.split(',').collect::<Vec<_>>())),
            Json::Number(number) => Some(json!([number.to_string()])),
            _ => None,
        },
        "dict" => match value {
            Json::Object(_) => Some(value.clone()),
            Json::String(text) if text.trim_start().starts_with('{') => {
                serde_json::from_str::<Json>(text).ok().filter(Json::is_object)
            }
            Json::String(text) if text.contains('=') => pairs(text),
            _ => None,
        },
        "json" | "jsonarg" => match value {
            Json::String(_) => Some(value.clone()),
            other => Some(json!(other.to_string())),
        },
        _ => Some(value.clone()),
    }
}

fn pairs(text: &str) -> Option<Json> {
    let words = text.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty());
    let pair = |word: &str| word.split_once('=').map(|(name, value)| (name.to_owned(), json!(value)));
    words.map(pair).collect::<Option<serde_json::Map<_, _>>>().map(Json::Object)
}

/// Python's name of a value's type.
pub fn name(value: &Json) -> &'static str {
    match value {
        Json::Null => "NoneType",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.is_f64() => "float",
        Json::Number(_) => "int",
        Json::String(_) => "str",
        Json::Array(_) => "list",
        Json::Object(_) => "dict",
    }
}

/// Why a value cannot be of a type, in Ansible's words.
pub fn refused(argument: &str, value: &Json, kind: &str, secret: bool) -> String {
    if value.is_null() && matches!(kind, "str" | "path") {
        return format!(
            "argument '{argument}' is of type <class 'NoneType'> and we were unable to convert to {kind}: \
             'None' is not a string and conversion is not allowed"
        );
    }
    let shown = match value {
        _ if secret => "the value".to_owned(),
        Json::Null if kind == "int" => "\"None\"".to_owned(),
        Json::String(text) => format!("\"'{text}'\""),
        other => format!("<class '{}'>", name(other)),
    };
    let article = if kind == "int" { "an" } else { "a" };
    format!(
        "argument '{argument}' is of type <class '{}'> and we were unable to convert to {kind}: {shown} cannot be converted to {article} {kind}",
        name(value)
    )
}
