//! What the text of a setting means, by its kind.
//!
//! Source: `ensure_type` of ansible-core's configuration.

use std::path::{Component, Path, PathBuf};

use serde_json::{Value as Json, json};

/// What the values of a setting are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// Texts, separated by commas.
    List,
    /// A path.
    Path,
    /// Paths, separated by colons.
    PathSpec,
    /// Paths, separated by commas.
    PathList,
}

/// Where a text comes from, which decides what its paths are relative to.
pub(super) struct Place<'a> {
    /// The folder of the file; the working directory for an environment variable.
    pub(super) folder: &'a Path,
    /// Whether it is the file: quotes around texts are taken off there.
    pub(super) file: bool,
}

/// A value that was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text or a path.
    Text(String),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Texts or paths.
    List(Vec<String>),
}

impl Value {
    /// It as JSON.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Text(text) => json!(text),
            Value::Bool(truth) => json!(truth),
            Value::Int(number) => json!(number),
            Value::Float(number) => json!(number),
            Value::List(list) => json!(list),
        }
    }
}

/// Reads a text as a value of a kind; `None` where it is none.
pub(super) fn read(kind: Kind, text: &str, place: &Place<'_>) -> Option<Value> {
    let paths = |separator: char| {
        text.split(separator).map(|part| path(if separator == ',' { part.trim() } else { part }, place)).collect()
    };
    Some(match kind {
        Kind::Text if place.file => Value::Text(unquoted(text).to_owned()),
        Kind::Text => Value::Text(text.to_owned()),
        Kind::Bool => Value::Bool(truth(text).unwrap_or(false)),
        Kind::Int => Value::Int(whole(text)?),
        Kind::Float => Value::Float(crate::python::number::float(text)?),
        Kind::List => Value::List(text.split(',').map(|part| unquoted(part.trim()).to_owned()).collect()),
        Kind::Path => Value::Text(path(text, place)),
        Kind::PathSpec => Value::List(paths(':')),
        Kind::PathList => Value::List(paths(',')),
    })
}

/// A whole number, `10` as well as `10.0`.
fn whole(text: &str) -> Option<i64> {
    let number = crate::python::number::float(text)?;
    let fits = number.fract() == 0.0 && number.abs() < 9e15;
    fits.then_some(number as i64)
}

/// What a text says as a truth value, where it says one.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "y" | "yes" | "on" | "1" | "true" | "t" | "1.0" => Some(true),
        "n" | "no" | "off" | "0" | "false" | "f" | "0.0" => Some(false),
        _ => None,
    }
}

/// Without the quotes around it.
fn unquoted(text: &str) -> &str {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let inner = quote.and_then(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    inner.filter(|inner| !inner.ends_with('\\')).unwrap_or(text)
}

/// A path with `{{CWD}}`, variables and `~` replaced, whole and without `.` and `..`; links are not followed.
pub(super) fn path(text: &str, place: &Place<'_>) -> String {
    let mut text = text.to_owned();
    if text.contains("{{CWD}}") {
        let here = std::env::current_dir().unwrap_or_default();
        text = text.replace("{{CWD}}", &here.display().to_string());
    }
    let text = variables(&text);
    let expanded = match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            std::env::home_dir().unwrap_or_else(|| PathBuf::from("/")).join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(text),
    };
    normal(&place.folder.join(expanded)).display().to_string()
}

/// `$NAME` and `${NAME}` replaced; those that are not set stay as they are.
fn variables(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let braced = behind.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, length) = match braced {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let end = behind.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(behind.len());
                (&behind[..end], end)
            }
        };
        match std::env::var(name).ok().filter(|_| !name.is_empty() && !name.contains(['=', '\0'])) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[at..=at + length]),
        }
        rest = &behind[length..];
    }
    out.push_str(rest);
    out
}

fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in(folder: &str, kind: Kind, text: &str) -> Option<Value> {
        read(kind, text, &Place { folder: Path::new(folder), file: true })
    }

    #[test]
    fn texts_mean_what_their_kind_says() {
        let text = |t: &str| Value::Text(t.to_owned());
        assert_eq!(read_in("/p", Kind::Text, "'a b'"), Some(text("a b")));
        assert_eq!(read_in("/p", Kind::Bool, "Yes"), Some(Value::Bool(true)));
        assert_eq!(read_in("/p", Kind::Bool, "perhaps"), Some(Value::Bool(false)));
        assert_eq!(read_in("/p", Kind::Int, "10.0"), Some(Value::Int(10)));
        assert_eq!(read_in("/p", Kind::Int, "ten"), None);
        assert_eq!(read_in("/p", Kind::List, "a, 'b',c"), Some(Value::List(["a", "b", "c"].map(String::from).into())));
        assert_eq!(read_in("/p/q", Kind::Path, "../x/./y"), Some(text("/p/x/y")));
        assert_eq!(read_in("/p", Kind::PathSpec, "r:/s"), Some(Value::List(["/p/r", "/s"].map(String::from).into())));
        assert_eq!(read_in("/p", Kind::Path, "$NOT_SET_AT_ALL/${x"), Some(text("/p/$NOT_SET_AT_ALL/${x")));
    }
}
