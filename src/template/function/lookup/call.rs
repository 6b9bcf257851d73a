//! One call of a lookup, and what several make of their terms.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, Value};

use crate::template::args::Args;
use crate::template::context::Inner;
use crate::template::error::failed;
use crate::template::function::local::Local;
use crate::template::value::{describe, items, string};

/// One call of a lookup.
pub struct Call<'a> {
    pub name: &'static str,
    pub terms: Vec<Value>,
    pub args: &'a mut Args,
    pub local: std::sync::Arc<dyn Local>,
    pub context: Option<std::sync::Arc<Inner>>,
}

impl Call<'_> {
    /// The terms as texts.
    pub fn texts(&self) -> Result<Vec<String>, Error> {
        self.terms.iter().map(string).collect()
    }

    /// An option given by name.
    pub fn option(&mut self, name: &str) -> Option<Value> {
        self.args.named(name)
    }

    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        self.option(name).map_or(default, |v| {
            v.as_str().and_then(crate::template::value::boolean_text).unwrap_or_else(|| v.is_true())
        })
    }

    pub fn wrong(&self, message: impl std::fmt::Display) -> Error {
        failed(format!("lookup `{}`: {message}", self.name))
    }
}

/// What a lookup gives for its terms.
pub type Lookup = fn(&mut Call<'_>) -> Result<Vec<Value>, Error>;

/// A tuple of values.
pub fn tuple(values: Vec<Value>) -> Value {
    Value::from(Tuple::new(values))
}

/// Terms with one level of lists spread out.
pub fn spread(terms: &[Value]) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for term in terms {
        match term.kind() {
            ValueKind::Seq | ValueKind::Iterable => out.extend(items(term)?),
            _ => out.push(term.clone()),
        }
    }
    Ok(out)
}

/// A term that must be a list.
pub fn list_of(term: &Value) -> Result<Vec<Value>, Error> {
    match term.kind() {
        ValueKind::Seq | ValueKind::Iterable => items(term),
        ValueKind::Map => Err(failed(format!("{} is not a list", describe(term)))),
        _ => Ok(vec![term.clone()]),
    }
}
