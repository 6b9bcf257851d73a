//! Between JSON, the engine's values and text, in Python's ways where playbooks show them.

use std::fmt::Write as _;
use std::sync::LazyLock;

use minijinja::value::{Object, ObjectRepr, Value, ValueKind};
use minijinja::{Error, ErrorKind};
use serde_json::Value as Json;

pub(crate) use crate::python::number::repr as float_repr;
pub(crate) use crate::python::truth::boolean_text;

use super::bound::{self, MAX_BYTES, MAX_ITEMS};
use super::error::{Kind, TemplateError, carry};
use super::filter::{Moment, Span};
use super::trust::{Trust, trusted};

/// How `omit` looks in JSON: no text of a file or of a host can be this, for it is another in every run.
static OMIT: LazyLock<String> = LazyLock::new(|| format!("\u{0}omit {:032x}\u{0}", rand::random::<u128>()));

/// Whether a rendered value is `omit`: the parameter is to be left out.
pub fn is_omit(value: &Json) -> bool {
    value.as_str() == Some(OMIT.as_str())
}

/// `omit` as an engine value.
#[derive(Debug)]
pub(crate) struct Omit;

impl Object for Omit {
    fn repr(self: &std::sync::Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &std::sync::Arc<Self>, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

pub(crate) fn is_omit_value(value: &Value) -> bool {
    value.downcast_object_ref::<Omit>().is_some()
}

/// Turns JSON into an engine value, templates left as they are: all of it is data.
pub(crate) fn from_json(json: &Json) -> Value {
    from_json_as(json, &|_| false)
}

/// The same, with the texts trusted that `trusts` says.
pub(crate) fn from_json_as(json: &Json, trusts: &dyn Fn(&str) -> bool) -> Value {
    let text = |s: &str| if trusts(s) { trusted(s) } else { Value::from(s) };
    match json {
        Json::Null => Value::from(()),
        Json::Bool(b) => Value::from(*b),
        Json::Number(n) => number(n),
        Json::String(s) if *s == *OMIT => Value::from_object(Omit),
        Json::String(s) => text(s),
        Json::Array(items) => Value::from(items.iter().map(|i| from_json_as(i, trusts)).collect::<Vec<_>>()),
        Json::Object(map) => Value::from_pairs(map.iter().map(|(k, v)| (text(k), from_json_as(v, trusts)))),
    }
}

fn number(n: &serde_json::Number) -> Value {
    match (n.as_i64(), n.as_u64(), n.as_f64()) {
        (Some(i), _, _) => Value::from(i),
        (None, Some(u), _) => Value::from(u),
        (None, None, f) => Value::from(f.unwrap_or(f64::NAN)),
    }
}

/// How deeply values may be nested to be written out.
const MAX_NESTING: usize = 200;

fn too_deep() -> Error {
    super::error::failed(format!("the value is nested more than {MAX_NESTING} levels deep"))
}

/// Turns an engine value into JSON. `omit` inside lists and mappings is dropped.
pub(crate) fn to_json(value: &Value) -> Result<Json, Error> {
    json_at(value, 0, &mut Writing { trust: None, left: MAX_BYTES })
}

/// The same; notes whose words the texts are.
pub(crate) fn to_json_noting(value: &Value, trust: Option<&mut Trust>) -> Result<Json, Error> {
    json_at(value, 0, &mut Writing { trust, left: MAX_BYTES })
}

/// A value being turned into JSON.
struct Writing<'a> {
    trust: Option<&'a mut Trust>,
    /// How many bytes it may yet take.
    left: usize,
}

impl Writing<'_> {
    fn note(&mut self, text: &str, trusted: bool) {
        if let Some(trust) = &mut self.trust {
            trust.note(text, trusted);
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), Error> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| bound::too_large("the value"))?;
        Ok(())
    }
}

fn json_at(value: &Value, depth: usize, out: &mut Writing<'_>) -> Result<Json, Error> {
    if depth > MAX_NESTING {
        return Err(too_deep());
    }
    out.take(32)?;
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(undefined(value)),
        ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number => number_to_json(value)?,
        ValueKind::String | ValueKind::Bytes => {
            out.take(value.as_str().map_or(0, str::len))?;
            let text = value.to_string();
            out.note(&text, value.is_safe());
            Json::String(text)
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let mut items = Vec::new();
            for item in value.try_iter()?.checked() {
                let item = item?;
                if !is_omit_value(&item) {
                    items.push(json_at(&item, depth + 1, out)?);
                }
            }
            Json::Array(items)
        }
        ValueKind::Map => {
            let mut map = serde_json::Map::new();
            for (key, item) in pairs(value)? {
                if !is_omit_value(&item) {
                    let name = key_text(&key);
                    out.take(name.len())?;
                    out.note(&name, key.is_safe());
                    map.insert(name, json_at(&item, depth + 1, out)?);
                }
            }
            Json::Object(map)
        }
        ValueKind::Invalid => return Err(invalid(value)),
        _ if is_omit_value(value) => Json::String(OMIT.clone()),
        _ => {
            let text = value.to_string();
            out.note(&text, false);
            Json::String(text)
        }
    })
}

fn number_to_json(value: &Value) -> Result<Json, Error> {
    if value.is_integer() {
        if let Ok(i) = i64::try_from(value.clone()) {
            return Ok(Json::from(i));
        }
        if let Ok(u) = u64::try_from(value.clone()) {
            return Ok(Json::from(u));
        }
        // JSON numbers here end at 64 bits; a text loses nothing.
        return Ok(Json::from(value.to_string()));
    }
    let float = f64::try_from(value.clone())?;
    serde_json::Number::from_f64(float)
        .map(Json::Number)
        .ok_or_else(|| carry(TemplateError::new(Kind::Failed(format!("{float} is not a number JSON can hold")), None)))
}

/// The key of a JSON object, as Python's `json.dumps` writes it.
pub(crate) fn key_text(key: &Value) -> String {
    match key.kind() {
        ValueKind::Bool => if key.is_true() { "true" } else { "false" }.to_owned(),
        ValueKind::None => "null".to_owned(),
        _ => key.to_string(),
    }
}

/// The error of an undefined value, which remembers where the value came from.
pub(crate) fn undefined(value: &Value) -> Error {
    match value.get_attr("") {
        Err(error) => error,
        Ok(_) => Error::from(ErrorKind::UndefinedError),
    }
}

fn invalid(value: &Value) -> Error {
    let carried = Value::from(vec![value.clone()]);
    match carried.try_iter().map(|i| i.checked().next()) {
        Ok(Some(Err(error))) => error,
        _ => Error::new(ErrorKind::InvalidOperation, "invalid value"),
    }
}

/// Fails if a value is undefined or itself an error.
pub(crate) fn check(value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined => Err(undefined(value)),
        ValueKind::Invalid => Err(invalid(value)),
        _ => Ok(()),
    }
}

/// The entries of a mapping.
pub(crate) fn pairs(value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    let entries = value.as_object().filter(|o| o.repr() == ObjectRepr::Map).and_then(|o| o.try_iter_pairs());
    let entries = entries.ok_or_else(|| super::error::failed(format!("{} is not a mapping", describe(value))))?;
    entries
        .map(|(key, item)| match item.kind() {
            ValueKind::Invalid => Err(invalid(&item)),
            _ => Ok((key, item)),
        })
        .collect()
}

/// The items of a list, the characters of a text or the keys of a mapping.
pub(crate) fn items(value: &Value) -> Result<Vec<Value>, Error> {
    check(value)?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::String => {
            bound::items("the list", Some(value.len().unwrap_or(0)))?;
            let all: Vec<Value> = value.try_iter()?.checked().take(MAX_ITEMS + 1).collect::<Result<_, _>>()?;
            bound::items("the list", Some(all.len()))?;
            Ok(all)
        }
        _ => {
            let message = format!("{} is not a list: '{}' object is not iterable", describe(value), type_name(value));
            Err(super::error::failed(message))
        }
    }
}

/// The name of Python's type.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "undefined",
        ValueKind::None => "NoneType",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        ValueKind::Bytes => "bytes",
        ValueKind::Seq if value.is_tuple() => "tuple",
        ValueKind::Seq | ValueKind::Iterable => "list",
        ValueKind::Map => "dict",
        _ if value.downcast_object_ref::<Moment>().is_some() => "datetime",
        _ if value.downcast_object_ref::<Span>().is_some() => "timedelta",
        _ => "object",
    }
}

/// A value for a message: its kind and a short quotation.
pub(crate) fn describe(value: &Value) -> String {
    let mut shown = String::new();
    if write_repr(&mut shown, value).is_err() {
        return type_name(value).to_owned();
    }
    if shown.chars().count() > 40 {
        shown = shown.chars().take(37).chain("...".chars()).collect();
    }
    format!("{} ({shown})", type_name(value))
}

/// A value as the text a template shows: nothing for None, Python's notation for the rest.
pub(crate) fn text(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    write_text(&mut out, value)?;
    Ok(out)
}

/// A value as Python's `str()` gives it: as [`text`], but None is `None`.
pub(crate) fn string(value: &Value) -> Result<String, Error> {
    if value.is_none() { Ok("None".to_owned()) } else { text(value) }
}

pub(crate) fn write_text(out: &mut String, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None => {}
        ValueKind::String | ValueKind::Bytes => match value.as_str() {
            Some(s) => out.push_str(s),
            None => out.push_str(&value.to_string()),
        },
        _ => write_repr(out, value)?,
    }
    Ok(())
}

/// Python's `repr()`.
pub(crate) fn write_repr(out: &mut String, value: &Value) -> Result<(), Error> {
    repr_at(out, value, 0)
}

/// Python's `repr()` of a JSON value.
pub fn repr(json: &Json) -> String {
    let mut out = String::new();
    match write_repr(&mut out, &from_json(json)) {
        Ok(()) => out,
        // It is nested without end.
        Err(error) => error.to_string(),
    }
}

fn repr_at(out: &mut String, value: &Value, depth: usize) -> Result<(), Error> {
    if depth > MAX_NESTING {
        return Err(too_deep());
    }
    bound::bytes("the text", Some(out.len()))?;
    match value.kind() {
        ValueKind::Undefined => return Err(undefined(value)),
        ValueKind::Invalid => return Err(invalid(value)),
        ValueKind::Number if !value.is_integer() => out.push_str(&float_repr(f64::try_from(value.clone())?)),
        ValueKind::Seq | ValueKind::Iterable => {
            // Ansible shows tuples as the lists they become.
            out.push('[');
            let mut count = 0;
            for item in value.try_iter()?.checked() {
                let item = item?;
                if is_omit_value(&item) {
                    continue;
                }
                if count > 0 {
                    out.push_str(", ");
                }
                repr_at(out, &item, depth + 1)?;
                count += 1;
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            let mut first = true;
            for (key, item) in pairs(value)? {
                if is_omit_value(&item) {
                    continue;
                }
                if !std::mem::take(&mut first) {
                    out.push_str(", ");
                }
                repr_at(out, &key, depth + 1)?;
                out.push_str(": ");
                repr_at(out, &item, depth + 1)?;
            }
            out.push('}');
        }
        ValueKind::Plain => out.push_str(&value.to_string()),
        _ => match value.as_str() {
            Some(text) => out.push_str(&crate::python::text::repr(text)),
            None => {
                let _ = write!(out, "{value:?}");
            }
        },
    }
    Ok(())
}

/// Python's `bool()`, failing on what has no value.
pub(crate) fn truth(value: &Value) -> Result<bool, Error> {
    check(value)?;
    Ok(value.is_true())
}
