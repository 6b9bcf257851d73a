//! How much a template may make: one bound for texts, lists and what is nested in them.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::error::{Kind, TemplateError, carry};

/// How large anything may become that a template makes.
pub(crate) const MAX_BYTES: usize = 64 << 20;

/// How many items that is: an item of a list takes some memory of its own.
pub(crate) const MAX_ITEMS: usize = MAX_BYTES / 64;

/// The error of what would be too large.
pub(crate) fn too_large(what: &str) -> Error {
    carry(TemplateError::new(Kind::TooLarge(what.to_owned(), MAX_BYTES >> 20), None))
}

/// Whether a text of so many bytes may be made; none is a number beyond all.
pub(crate) fn bytes(what: &str, size: Option<usize>) -> Result<usize, Error> {
    size.filter(|size| *size <= MAX_BYTES).ok_or_else(|| too_large(what))
}

/// Whether a list of so many items may be made.
pub(crate) fn items(what: &str, count: Option<usize>) -> Result<usize, Error> {
    count.filter(|count| *count <= MAX_ITEMS).ok_or_else(|| too_large(what))
}

/// A text so many times.
pub(crate) fn repeat(what: &str, text: &str, times: usize) -> Result<String, Error> {
    bytes(what, text.len().checked_mul(times))?;
    Ok(text.repeat(times))
}

/// A text with parts replaced, the first `count` of them if it is given.
pub(crate) fn replace(what: &str, text: &str, old: &str, new: &str, count: Option<usize>) -> Result<String, Error> {
    let found = if old.is_empty() { text.chars().count() + 1 } else { text.matches(old).count() };
    let found = count.map_or(found, |count| found.min(count));
    bytes(what, found.checked_mul(new.len()).and_then(|more| more.checked_add(text.len())))?;
    Ok(match count {
        Some(count) => text.replacen(old, new, count),
        None => text.replace(old, new),
    })
}

/// Refuses a value that has become too large.
pub(crate) fn checked(what: &str, value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => bytes(what, Some(value.as_str().map_or(0, str::len)))?,
        ValueKind::Seq | ValueKind::Iterable => items(what, Some(value.len().unwrap_or(0)))?,
        _ => 0,
    };
    Ok(value)
}
