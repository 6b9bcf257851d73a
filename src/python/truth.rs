//! What is true: Python's `bool()` of a value, and Ansible's `boolean()` of what people write.
//!
//! Plain YAML words (`yaml/scalar.rs`) are another thing: YAML 1.1 says which of them are truth values before anything has a
//! type, `y` and `t` not among them.

use serde_json::Value as Json;

/// Python's `bool()`: nothing, zero and what is empty is false, every other text is true.
pub fn truthy(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(truth) => *truth,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(map) => !map.is_empty(),
    }
}

/// Ansible's `boolean(value, strict=True)`; none where it says that the value is neither.
///
/// Without `strict` what is neither is false; whoever means that writes `== Some(true)`.
pub fn boolean(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(truth) => Some(*truth),
        Json::String(text) => boolean_text(text),
        Json::Number(number) => match number.as_f64() {
            Some(1.0) => Some(true),
            Some(0.0) => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// The same of a text: `yes`, `on`, `1`, `true`, `y`, `t` and their opposites, in any case.
pub fn boolean_text(text: &str) -> Option<bool> {
    match super::text::strip(&text.to_lowercase()) {
        "y" | "yes" | "on" | "1" | "true" | "t" => Some(true),
        "n" | "no" | "off" | "0" | "false" | "f" => Some(false),
        _ => None,
    }
}
