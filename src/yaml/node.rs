//! The spanned tree every file is read into.

use std::sync::Arc;

/// A text that was read: what diagnostics quote.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as the user gave it or as it was found, for messages.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A range of bytes in a [`Source`].
#[derive(Clone)]
pub struct Span {
    /// The text the range is in.
    pub source: Arc<Source>,
    /// Byte offset of the first byte.
    pub start: usize,
    /// Byte offset behind the last byte.
    pub end: usize,
}

/// One YAML value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands.
    pub span: Span,
}

/// The value of a node, by the rules of YAML 1.1 as Ansible reads it (`yes` is true, `0644` is octal).
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text. Values under `!unsafe` are never templated.
    String {
        /// The text itself.
        text: String,
        /// Whether it was tagged `!unsafe`.
        unsafe_text: bool,
    },
    /// An encrypted text (`!vault`), as it stands in the file.
    Vault(String),
    /// A sequence.
    Seq(Vec<Node>),
    /// A mapping in the order of the file.
    Map(Vec<(Node, Node)>),
}

impl PartialEq for Node {
    /// Compares values, not places.
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Span {
    /// Line and column of the first byte, both counted from one.
    pub fn line_column(&self) -> (usize, usize) {
        let before = self.source.text.as_bytes().get(..self.start).unwrap_or_default();
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |p| p + 1);
        let column = String::from_utf8_lossy(before.get(start..).unwrap_or_default()).chars().count() + 1;
        (line, column)
    }

    /// `FILE:LINE:COLUMN`, as compilers write it.
    pub fn place(&self) -> String {
        let (line, column) = self.line_column();
        format!("{}:{line}:{column}", self.source.name)
    }
}

impl std::fmt::Debug for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.place())
    }
}

impl Node {
    /// The value as JSON, places dropped. Keys that are not texts are written as texts; an encrypted text becomes null.
    pub fn to_json(&self) -> serde_json::Value {
        self.to_json_with(&|_| serde_json::Value::Null)
    }

    /// The same, with what becomes of encrypted texts.
    pub fn to_json_with(&self, vault: &dyn Fn(&str) -> serde_json::Value) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Vault(text) => vault(text),
            Value::Bool(b) => Json::Bool(*b),
            Value::Int(i) => Json::from(*i),
            Value::Float(f) => Json::from(*f),
            Value::String { text, .. } => Json::String(text.clone()),
            Value::Seq(items) => Json::Array(items.iter().map(|i| i.to_json_with(vault)).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|(k, v)| (k.key_text(), v.to_json_with(vault))).collect())
            }
        }
    }

    /// The node as the key of a JSON object.
    pub fn key_text(&self) -> String {
        match &self.value {
            Value::String { text, .. } => text.clone(),
            _ => match self.to_json() {
                serde_json::Value::Null => String::new(),
                other => other.to_string(),
            },
        }
    }

    /// The node as keys are told from each other: `1` and `"1"` are two keys.
    pub(super) fn identity(&self) -> String {
        match &self.value {
            Value::String { text, .. } => format!("s{text}"),
            other => format!("{}{}", other.kind(), self.key_text()),
        }
    }

    /// The encrypted text of a node that has one.
    pub fn vault_text(&self) -> Option<&str> {
        match &self.value {
            Value::Vault(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string node.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The value under `key` of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(k, _)| k.as_str() == Some(key)).map(|(_, v)| v),
            _ => None,
        }
    }
}
