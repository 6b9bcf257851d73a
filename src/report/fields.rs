//! What a task returned, in forms that are fit to be shown.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::{
    shown::{Shown, block},
    yamlish,
};

/// What a task returned. It comes out only in forms that are fit to be shown.
#[derive(Clone, Debug, Default)]
pub struct Fields(Json);

impl Fields {
    /// The fields of a result.
    pub fn of(result: Json) -> Fields {
        Fields(result)
    }

    /// The value itself, for decisions and for data that no terminal gets.
    pub fn raw(&self) -> &Json {
        &self.0
    }

    /// Whether there is such a field.
    pub fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some()
    }

    /// Whether such a field is true.
    pub fn is(&self, name: &str) -> bool {
        self.0.get(name).and_then(Json::as_bool).unwrap_or(false)
    }

    /// A field as one line.
    pub fn line(&self, name: &str) -> Option<Shown> {
        self.0.get(name).map(|value| Shown::line(&plain(value)))
    }

    /// A field as a message: further lines are indented.
    pub fn message(&self, name: &str) -> Option<Shown> {
        self.0.get(name).map(|value| Shown::message(&plain(value)))
    }

    /// A field's lines, for those who place them themselves.
    pub fn lines(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| block(&plain(value)).into_owned())
    }

    /// The value itself as one line: a loop's label.
    pub fn label(&self) -> Shown {
        Shown::line(&plain(&self.0))
    }

    /// All fields, each line indented.
    pub fn yaml(&self, indent: usize) -> String {
        yamlish::fields(&self.0, indent)
    }
}

/// A value as a text.
fn plain(value: &Json) -> Cow<'_, str> {
    value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed)
}
