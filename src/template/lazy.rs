//! Lists and mappings with templates inside, rendered part by part as they are read.

use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use super::context::Inner;
use super::error::{Kind, TemplateError, carry};
use super::raw::Raw;

pub(crate) struct LazySeq {
    pub items: Arc<Vec<Raw>>,
    pub context: Arc<Inner>,
}

pub(crate) struct LazyMap {
    pub entries: Arc<IndexMap<Value, Raw>>,
    pub context: Arc<Inner>,
}

/// A part that must have a value: an undefined one becomes the error that explains it.
fn part(context: &Arc<Inner>, raw: &Raw, name: &str) -> Value {
    context.resolve(raw, name).unwrap_or_else(|| {
        let unknown = || TemplateError::new(Kind::Undefined { name: name.to_owned() }, None);
        Value::from(carry(context.cause(name).unwrap_or_else(unknown)))
    })
}

impl std::fmt::Debug for LazySeq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.items.iter().enumerate().map(|(i, r)| part(&self.context, r, &i.to_string())))
            .finish()
    }
}

impl Object for LazySeq {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = key.as_usize()?;
        self.context.resolve(self.items.get(index)?, &index.to_string())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let this = self.clone();
        Enumerator::Iter(Box::new((0..self.items.len()).map(move |index| {
            this.items.get(index).map_or(Value::UNDEFINED, |raw| part(&this.context, raw, &index.to_string()))
        })))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.items.len())
    }
}

impl std::fmt::Debug for LazyMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.entries.iter().map(|(k, r)| (k, part(&self.context, r, &k.to_string())))).finish()
    }
}

impl Object for LazyMap {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.context.resolve(self.entries.get(key)?, &key.to_string())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let this = self.clone();
        Enumerator::KeyValueIter(Box::new((0..self.entries.len()).filter_map(move |index| {
            let (key, raw) = this.entries.get_index(index)?;
            Some((key.clone(), part(&this.context, raw, &key.to_string())))
        })))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.entries.len())
    }
}
