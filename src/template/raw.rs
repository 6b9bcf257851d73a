//! Variables before they are rendered.

use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::Value;
use serde_json::Value as Json;

use crate::yaml::{self, Node, Span};

use super::trust::{Trust, is_trusted, names, trusted};
use super::value::{from_json, from_json_as};

/// A text that is a template, and where it stands.
#[derive(Debug)]
pub(crate) struct Piece {
    pub text: String,
    pub span: Option<Span>,
}

/// An encrypted text, and where it stands.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub text: String,
    pub span: Span,
}

/// The value of a variable before its templates are rendered.
///
/// Cloning is cheap: build one per variable and hand out clones.
#[derive(Clone, Debug)]
pub struct Var(pub(crate) Raw);

#[derive(Clone, Debug)]
pub(crate) enum Raw {
    /// Nothing to render inside.
    Plain(Value),
    Template(Arc<Piece>),
    Seq(Arc<Vec<Raw>>),
    Map(Arc<IndexMap<Value, Raw>>),
    /// `!vault` text: decrypted when it is read, so that a value that nobody reads needs no password.
    Encrypted(Arc<Sealed>),
}

/// Whether a text has anything to render.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

impl Var {
    /// A value from a file: its texts are templates, errors point into the file.
    pub fn node(node: &Node) -> Var {
        Var(Raw::node(node))
    }

    /// A value whose texts are templates, without a place (`--extra-vars`, a default of ours).
    pub fn json(value: &Json) -> Var {
        Var(Raw::json(value, None))
    }

    /// A value whose texts are templates, all of them at one place.
    pub fn json_at(value: &Json, span: &Span) -> Var {
        Var(Raw::json(value, Some(span)))
    }

    /// Data that is never rendered: facts, registered results, values already rendered.
    pub fn data(value: &Json) -> Var {
        Var(Raw::Plain(from_json(value)))
    }

    /// Data, but for the texts that were the user's own words when they were rendered.
    pub fn rendered(value: &Json, trust: &Trust) -> Var {
        Var(Raw::Plain(from_json_as(value, &|text| trust.holds(text))))
    }

    /// All variables of a context, rendered when they are read.
    pub fn context(vars: &super::Context) -> Var {
        Var(Raw::Plain(vars.as_value()))
    }

    /// Names of hosts, groups, roles: data, but for what can be nothing but a name.
    pub fn names(value: &Json) -> Var {
        Var(Raw::Plain(names(value)))
    }

    /// Whether all texts in it are the user's own words, or templates of the user's.
    pub(crate) fn is_own(&self) -> bool {
        self.0.is_own()
    }

    /// Whether it is a template of its own.
    pub(crate) fn is_template(&self) -> bool {
        matches!(self.0, Raw::Template(_))
    }

    /// An engine value as it is: an object of the caller's.
    pub fn object(value: Value) -> Var {
        Var(Raw::Plain(value))
    }
}

impl From<&Node> for Var {
    fn from(node: &Node) -> Var {
        Var::node(node)
    }
}

impl Raw {
    pub(crate) fn node(node: &Node) -> Raw {
        match &node.value {
            yaml::Value::String { text, unsafe_text } if !unsafe_text && is_template(text) => {
                Raw::Template(Arc::new(Piece { text: text.clone(), span: Some(node.span.clone()) }))
            }
            yaml::Value::String { text, unsafe_text: false } => Raw::Plain(trusted(text)),
            yaml::Value::Vault(text) => {
                Raw::Encrypted(Arc::new(Sealed { text: text.clone(), span: node.span.clone() }))
            }
            yaml::Value::Seq(items) => Raw::seq(items.iter().map(Raw::node).collect()),
            yaml::Value::Map(entries) => Raw::map(entries.iter().map(|(k, v)| (Raw::key(k), Raw::node(v))).collect()),
            _ => Raw::Plain(from_json(&node.to_json())),
        }
    }

    fn key(key: &Node) -> Value {
        match &key.value {
            yaml::Value::String { text, unsafe_text: false } => trusted(text),
            _ => from_json(&key.to_json()),
        }
    }

    fn json(json: &Json, span: Option<&Span>) -> Raw {
        match json {
            Json::String(text) if is_template(text) => {
                Raw::Template(Arc::new(Piece { text: text.clone(), span: span.cloned() }))
            }
            Json::String(text) => Raw::Plain(trusted(text)),
            Json::Array(items) => Raw::seq(items.iter().map(|i| Raw::json(i, span)).collect()),
            Json::Object(map) => {
                Raw::map(map.iter().map(|(k, v)| (Value::from(k.as_str()), Raw::json(v, span))).collect())
            }
            other => Raw::Plain(from_json(other)),
        }
    }

    fn seq(items: Vec<Raw>) -> Raw {
        let plain: Option<Vec<Value>> = items.iter().map(Raw::plain).collect();
        plain.map_or_else(|| Raw::Seq(Arc::new(items)), |values| Raw::Plain(Value::from(values)))
    }

    fn map(entries: IndexMap<Value, Raw>) -> Raw {
        let plain: Option<Vec<(Value, Value)>> = entries.iter().map(|(k, v)| Some((k.clone(), v.plain()?))).collect();
        plain.map_or_else(|| Raw::Map(Arc::new(entries)), |pairs| Raw::Plain(Value::from_pairs(pairs)))
    }

    fn is_own(&self) -> bool {
        match self {
            Raw::Plain(value) => is_trusted(value),
            Raw::Seq(items) => items.iter().all(Raw::is_own),
            Raw::Map(entries) => entries.values().all(Raw::is_own),
            Raw::Template(_) | Raw::Encrypted(_) => true,
        }
    }

    fn plain(&self) -> Option<Value> {
        match self {
            Raw::Plain(value) => Some(value.clone()),
            _ => None,
        }
    }

    /// Calls `f` with every template inside.
    pub(crate) fn templates(&self, f: &mut dyn FnMut(&Arc<Piece>)) {
        match self {
            Raw::Template(piece) => f(piece),
            Raw::Seq(items) => items.iter().for_each(|i| i.templates(f)),
            Raw::Map(entries) => entries.values().for_each(|i| i.templates(f)),
            Raw::Plain(_) | Raw::Encrypted(_) => {}
        }
    }
}
