//! What readers of a tree ask its nodes.

use serde_json::Value as Json;

use super::{Node, Span, Unexpected, Value, scalar};

impl Value {
    /// The kind of the value with its article, as messages name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "a truth value",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::String { .. } => "a text",
            Value::Vault(_) => "an encrypted text",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

impl Node {
    /// Makes a node of a value and its place.
    pub fn new(value: Value, span: Span) -> Self {
        Self { value, span }
    }

    /// Makes a text that may be templated.
    pub fn text(text: impl Into<String>, span: Span) -> Self {
        Self::new(Value::String { text: text.into(), unsafe_text: false }, span)
    }

    /// Makes a tree of a JSON value, all of it at one place.
    pub fn from_json(json: &Json, span: &Span) -> Self {
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(n) => match (n.as_i64(), n.as_f64()) {
                (Some(i), _) => Value::Int(i),
                (None, Some(f)) if !n.is_u64() => Value::Float(f),
                _ => scalar::string(&n.to_string()),
            },
            Json::String(s) => scalar::string(s),
            Json::Array(items) => Value::Seq(items.iter().map(|i| Self::from_json(i, span)).collect()),
            Json::Object(map) => Value::Map(
                map.iter().map(|(k, v)| (Self::text(k.as_str(), span.clone()), Self::from_json(v, span))).collect(),
            ),
        };
        Self::new(value, span.clone())
    }

    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The items of a list.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping, in the order of the file.
    pub fn as_map(&self) -> Option<&[(Node, Node)]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Key and value of the entry under `key` of a mapping.
    pub fn get_entry(&self, key: &str) -> Option<(&Node, &Node)> {
        self.as_map()?.iter().find(|(k, _)| k.as_str() == Some(key)).map(|(k, v)| (k, v))
    }

    /// What stands here, as a message says it: short scalars are quoted.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::String { text, .. } if text.chars().count() <= 40 && !text.contains('\n') => {
                format!("the text `{text}`")
            }
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                format!("{} (`{}`)", self.value.kind(), self.written())
            }
            Value::Map(entries) if entries.is_empty() => "an empty mapping".into(),
            Value::Seq(items) if items.is_empty() => "an empty list".into(),
            other => other.kind().into(),
        }
    }

    /// The scalar as the file has it (`yes`, `0644`), or as JSON when the place does not hold it.
    fn written(&self) -> String {
        let text = self.span.text().trim();
        let fits = !text.is_empty() && text.len() <= 40 && scalar::resolve(text) == self.value;
        if fits { text.to_owned() } else { self.to_json().to_string() }
    }

    /// The error for a node that is not what the reader needs.
    pub fn unexpected(&self, expected: impl Into<String>) -> Unexpected {
        let expected = expected.into();
        let help = self.misread_help(&expected);
        Unexpected { expected, found: self.describe(), span: self.span.clone(), help }
    }

    /// Sees the common slips behind a value of the wrong kind.
    fn misread_help(&self, expected: &str) -> Option<String> {
        match &self.value {
            Value::String { text, .. } if expected.contains("mapping") => {
                let (key, value) = text.split_once(':')?;
                let bare = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
                let line = value.lines().next().unwrap_or_default();
                let joined = !value.is_empty() && !value.starts_with([' ', '\n', '/']);
                (bare && joined).then(|| format!("put a space behind the colon: `{key}: {line}`"))
            }
            Value::Bool(_) | Value::Int(_) | Value::Float(_) if expected.contains("text") => {
                Some(format!("put quotes around it: \"{}\"", self.written()))
            }
            Value::Map(entries) if expected.contains("list") && !entries.is_empty() => {
                Some("put `- ` before each item".into())
            }
            _ => None,
        }
    }

    /// The text, or the error that names what stands here instead.
    ///
    /// # Errors
    /// When the node is not a text.
    pub fn expect_str(&self) -> Result<&str, Unexpected> {
        self.as_str().ok_or_else(|| self.unexpected("a text"))
    }

    /// The items of a list, or the error that names what stands here instead.
    ///
    /// # Errors
    /// When the node is not a list.
    pub fn expect_seq(&self) -> Result<&[Node], Unexpected> {
        self.as_seq().ok_or_else(|| self.unexpected("a list"))
    }

    /// The entries of a mapping, or the error that names what stands here instead.
    ///
    /// # Errors
    /// When the node is not a mapping.
    pub fn expect_map(&self) -> Result<&[(Node, Node)], Unexpected> {
        self.as_map().ok_or_else(|| self.unexpected("a mapping"))
    }

    /// The entries of a mapping whose keys are all texts: name, key and value.
    ///
    /// # Errors
    /// When the node is not a mapping or one of its keys is not a text.
    pub fn expect_entries(&self) -> Result<Vec<(&str, &Node, &Node)>, Unexpected> {
        self.expect_map()?
            .iter()
            .map(|(key, value)| match key.as_str() {
                Some(name) => Ok((name, key, value)),
                None => Err(key.unexpected("a text as the key")),
            })
            .collect()
    }
}
