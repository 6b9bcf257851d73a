//! What values a parameter takes, by the rules of Ansible's argument specs: `yes` for true, `"5"` for 5, one item for a list.

use serde_json::Value as Json;

use crate::{
    module::described,
    python::{number, truth::boolean},
};

/// What a parameter's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text: `str`, `path` and their like.
    Text,
    /// A whole number.
    Whole,
    /// A number.
    Number,
    /// A truth value.
    Truth,
    /// A list.
    List,
    /// A mapping.
    Mapping,
    /// A text in JSON, or what becomes one.
    Json,
    /// A size: `10M`.
    Size,
    /// Anything.
    Any,
}

impl Kind {
    /// What Ansible's word for a type means. A word that nobody knows may mean anything.
    pub fn of(word: Option<&Json>) -> Kind {
        match word.and_then(Json::as_str).map(str::trim) {
            Some("str" | "string" | "path" | "sid" | "tmppath" | "pathspec" | "pathlist") => Kind::Text,
            Some("int" | "integer") => Kind::Whole,
            Some("float") => Kind::Number,
            Some("bool" | "boolean") => Kind::Truth,
            Some("list") => Kind::List,
            Some("dict" | "dictionary") => Kind::Mapping,
            Some("json" | "jsonarg") => Kind::Json,
            Some("bytes" | "bits") => Kind::Size,
            _ => Kind::Any,
        }
    }

    /// The word for it on pages.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Whole => "whole number",
            Kind::Number => "number",
            Kind::Truth => "yes or no",
            Kind::List => "list",
            Kind::Mapping => "mapping",
            Kind::Json => "JSON",
            Kind::Size => "size",
            Kind::Any => "any value",
        }
    }

    /// Ansible's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Text => "str",
            Kind::Whole => "int",
            Kind::Number => "float",
            Kind::Truth => "bool",
            Kind::List => "list",
            Kind::Mapping => "dict",
            Kind::Json => "json",
            Kind::Size => "bytes",
            Kind::Any => "raw",
        }
    }

    /// Whether it takes a value.
    pub(super) fn takes(self, value: &Json) -> Taken {
        let fits = match self {
            Kind::Any => true,
            Kind::Text => return text(value),
            Kind::Truth => boolean(value).is_some(),
            Kind::Whole => whole(value),
            Kind::Number => real(value),
            Kind::List => !matches!(value, Json::Object(_)),
            Kind::Mapping => match value {
                Json::Object(_) => true,
                Json::String(text) => text.starts_with('{') || text.contains('='),
                _ => false,
            },
            Kind::Json => matches!(value, Json::String(_) | Json::Array(_) | Json::Object(_)),
            Kind::Size => match value {
                Json::Number(_) => true,
                Json::String(text) => text.trim_start().starts_with(|c: char| c.is_ascii_digit() || c == '.'),
                _ => false,
            },
        };
        if fits { Taken::Yes } else { Taken::No(self.refusal(value)) }
    }

    fn refusal(self, value: &Json) -> String {
        match self {
            Kind::Truth => format!("{value} is neither true nor false"),
            Kind::Whole => format!("{value} is no whole number"),
            Kind::Number => format!("{value} is no number"),
            Kind::Size => format!("{value} is no size: write it as `10M`"),
            Kind::List => format!("a list is needed, this is {}", described(value)),
            Kind::Mapping => format!("a mapping is needed, this is {}", described(value)),
            Kind::Text | Kind::Json | Kind::Any => format!("a text is needed, this is {}", described(value)),
        }
    }
}

/// How a value is taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// As it is, or as what it plainly means.
    Yes,
    /// As something that hardly anybody means.
    Barely(String),
    /// Not at all.
    No(String),
}

fn text(value: &Json) -> Taken {
    match value {
        Json::Array(_) | Json::Object(_) => {
            let word = described(value);
            Taken::Barely(format!("a text is needed, this is {word}: the module is given it as Python would print it"))
        }
        _ => Taken::Yes,
    }
}

fn whole(value: &Json) -> bool {
    match value {
        Json::Bool(_) => true,
        Json::Number(number) => {
            number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|float| float.fract() == 0.0)
        }
        Json::String(text) => {
            number::int(text, 10).is_some() || number::float(text).is_some_and(|float| float.fract() == 0.0)
        }
        _ => false,
    }
}

fn real(value: &Json) -> bool {
    match value {
        Json::Bool(_) | Json::Number(_) => true,
        Json::String(text) => number::float(text).is_some(),
        _ => false,
    }
}

/// A value as modules compare it with their choices.
pub(super) fn written(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Bool(truth) => if *truth { "True" } else { "False" }.to_owned(),
        other => other.to_string(),
    }
}

/// Whether a value is one of those to choose from. What YAML makes of `yes` and `1.0` on either side does not count.
pub(super) fn is_among(value: &Json, choices: &[Json]) -> bool {
    let text = written(value);
    let number = number::float(&text);
    choices.iter().any(|choice| match choice {
        Json::Bool(truth) => boolean(value) == Some(*truth),
        Json::Null => text.is_empty(),
        _ if written(choice) == text => true,
        _ if value.is_boolean() => boolean(choice) == boolean(value),
        Json::Number(choice) => number.is_some() && choice.as_f64() == number,
        Json::String(choice) if choice.eq_ignore_ascii_case(&text) => boolean(value).is_some(),
        Json::String(choice) => value.is_number() && number.is_some() && number::float(choice) == number,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_as_argument_specs_take_them() {
        let cases = [
            (Kind::Text, json!(5), true),
            (Kind::Text, json!(true), true),
            (Kind::Truth, json!("yes"), true),
            (Kind::Truth, json!(1), true),
            (Kind::Truth, json!("maybe"), false),
            (Kind::Truth, json!([true]), false),
            (Kind::Whole, json!("80"), true),
            (Kind::Whole, json!("80.0"), true),
            (Kind::Whole, json!(8.5), false),
            (Kind::Whole, json!("eighty"), false),
            (Kind::Number, json!("1e3"), true),
            (Kind::Number, json!("x"), false),
            (Kind::List, json!("a,b"), true),
            (Kind::List, json!(1), true),
            (Kind::List, json!({ "a": 1 }), false),
            (Kind::Mapping, json!("a=1 b=2"), true),
            (Kind::Mapping, json!("{\"a\": 1}"), true),
            (Kind::Mapping, json!("a"), false),
            (Kind::Mapping, json!(["a"]), false),
            (Kind::Json, json!({ "a": 1 }), true),
            (Kind::Json, json!(5), false),
            (Kind::Size, json!("10M"), true),
            (Kind::Size, json!("M"), false),
            (Kind::Any, json!(null), true),
        ];
        for (kind, value, taken) in cases {
            assert_eq!(kind.takes(&value) == Taken::Yes, taken, "{kind:?} {value}");
        }
        assert!(matches!(Kind::Text.takes(&json!(["a"])), Taken::Barely(_)));
    }

    #[test]
    fn choices_are_met_whatever_yaml_made_of_them() {
        let choices = [json!(true), json!("no"), json!(7), json!("1.0"), json!("up")];
        for value in [json!("yes"), json!(true), json!(false), json!("no"), json!("7"), json!(1.0), json!("up")] {
            assert!(is_among(&value, &choices), "{value}");
        }
        for value in [json!("Up"), json!(8), json!("down")] {
            assert!(!is_among(&value, &choices), "{value}");
        }
        assert!(!is_among(&json!(true), &[json!("up")]));
    }

    use serde_json::json;
}
