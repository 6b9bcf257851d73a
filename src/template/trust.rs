//! Whose words a text is: only what a file of the user's says may be read as an expression.
//!
//! A text that stands in a playbook, an inventory or an extra variable is *trusted*. It stays so while it is handed on as
//! it is: through variables, lists, loops, `hostvars`, an inline `if`. Whatever a template makes of texts is data, and so
//! is all that comes from a host. Where a rendered value is read as an expression a second time (`assert: that`,
//! `debug: var`, a condition in braces) only trusted texts are.
//!
//! The engine's mark of texts that need no escaping carries it: nothing is escaped here, so it has no other use, and every
//! filter, operator and block makes texts without it. `tests/template/trust.rs` tries them all.

use std::collections::HashMap;

use minijinja::Value;
use minijinja::value::ValueKind;
use serde_json::Value as Json;

use super::error::{Kind, TemplateError};
use super::value::{from_json_as, pairs};
use crate::yaml::Span;

/// A text as an engine value that may be evaluated.
pub(crate) fn trusted(text: &str) -> Value {
    Value::from_safe_string(text.to_owned())
}

/// Whether all texts in a value are trusted: what it prints is then the user's own words.
pub(crate) fn is_trusted(value: &Value) -> bool {
    whole(value, 0)
}

fn whole(value: &Value, depth: usize) -> bool {
    match value.kind() {
        ValueKind::None | ValueKind::Bool | ValueKind::Number => true,
        ValueKind::String => value.is_safe(),
        ValueKind::Seq | ValueKind::Iterable if depth < 20 => {
            value.try_iter().is_ok_and(|mut items| items.all(|item| whole(&item, depth + 1)))
        }
        ValueKind::Map if depth < 20 => {
            pairs(value).is_ok_and(|all| all.iter().all(|(k, v)| whole(k, depth + 1) && whole(v, depth + 1)))
        }
        _ => false,
    }
}

/// Whether a text is a name or a path and nothing else: it calls nothing and ends no quotes, whoever chose it.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/'))
}

/// Names of hosts and groups, which may have come from a host: trusted as far as they are nothing but names.
pub(crate) fn names(json: &Json) -> Value {
    from_json_as(json, &is_name)
}

/// The texts of rendered values, by whose words they are: what JSON cannot say of itself.
///
/// A text that stands in them twice, once as data, is data.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    texts: HashMap<String, Word>,
    /// Where the value that is being noted stands.
    span: Option<Span>,
}

#[derive(Clone, Debug)]
struct Word {
    trusted: bool,
    span: Option<Span>,
}

impl Trust {
    /// Notes where the texts that follow come from.
    pub(crate) fn at(&mut self, span: &Span) {
        self.span = Some(span.clone());
    }

    /// Notes a text.
    pub(crate) fn note(&mut self, text: &str, trusted: bool) {
        match self.texts.get_mut(text) {
            Some(word) => word.trusted &= trusted,
            None => {
                self.texts.insert(text.to_owned(), Word { trusted, span: self.span.clone() });
            }
        }
    }

    /// Whether a text is the user's own.
    pub fn holds(&self, text: &str) -> bool {
        self.texts.get(text).is_some_and(|word| word.trusted)
    }

    /// The place of the value that a text came out of.
    pub fn place(&self, text: &str) -> Option<&Span> {
        self.texts.get(text).and_then(|word| word.span.as_ref())
    }

    /// The error of a text that is data where an expression is needed.
    pub(crate) fn refuse(text: &str, span: Option<&Span>) -> TemplateError {
        let shown: String = text.chars().take(40).collect();
        let dots = if shown.len() < text.len() { "…" } else { "" };
        TemplateError::new(Kind::Untrusted(format!("{shown}{dots}")), span.cloned()).with_help(
            "a text from a host, or made by a template, is not evaluated: write the expression itself without braces, such as `result.rc == 0`; \
             `debug: msg` shows any value",
        )
    }
}
