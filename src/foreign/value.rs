//! Values of templates on their way to Python and back.
//!
//! What JSON has no word for is `{"\0": KIND, "v": …}`; `workstation/plugins.py` has the other half. What comes back is data.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::civil;
use minijinja::Value;
use minijinja::value::{Tuple, ValueKind};
use serde_json::{Map, Value as Json, json};

use crate::template::bridge::{Moment, Omit, Span, check, describe, is_variables, pairs};

/// The key by which a kind is told from a mapping.
const KIND: &str = "\0";

/// How a moment is written.
const TIME: &str = "%Y-%m-%dT%H:%M:%S%.6f";

/// How deep values may be nested.
const DEEPEST: usize = 200;

/// Values that stay here: Python knows their numbers alone. The first are the variables.
#[derive(Default)]
pub struct Kept(Vec<Value>);

impl Kept {
    /// A value by its number.
    pub fn get(&self, number: usize) -> Option<&Value> {
        self.0.get(number.checked_sub(1)?)
    }

    fn keep(&mut self, value: &Value) -> usize {
        self.0.push(value.clone());
        self.0.len()
    }
}

/// What is wrong with a value that is missing or an error.
pub fn wrong(value: &Value) -> String {
    check(value).err().map(|error| error.to_string()).unwrap_or_default()
}

fn special(kind: &str, value: impl Into<Json>) -> Json {
    json!({ KIND: kind, "v": value.into() })
}

/// A value for Python.
///
/// # Errors
/// What cannot be sent, in words.
pub fn sent(value: &Value, kept: &mut Kept) -> Result<Json, String> {
    sent_at(value, kept, 0)
}

fn sent_at(value: &Value, kept: &mut Kept, depth: usize) -> Result<Json, String> {
    if depth > DEEPEST {
        return Err(format!("the value is nested more than {DEEPEST} levels deep"));
    }
    Ok(match value.kind() {
        ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::String => Json::from(value.as_str().unwrap_or_default()),
        ValueKind::Number => number(value),
        ValueKind::Bytes => special("bytes", BASE64_STANDARD.encode(value.as_bytes().unwrap_or_default())),
        ValueKind::Undefined => special("undefined", json!([kept.keep(value), wrong(value)])),
        ValueKind::Invalid if depth == 0 => special("undefined", json!([kept.keep(value), wrong(value)])),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|error| error.to_string())?.checked();
            let items = items.map(|item| sent_at(&item.map_err(|error| error.to_string())?, kept, depth + 1));
            let items = Json::Array(items.collect::<Result<_, String>>()?);
            if value.is_tuple() { special("tuple", items) } else { items }
        }
        ValueKind::Map if is_variables(value) => special("vars", kept.keep(value)),
        ValueKind::Map => mapping(value, kept, depth)?,
        ValueKind::Invalid => return Err(wrong(value)),
        _ => plain(value)?,
    })
}

fn number(value: &Value) -> Json {
    if value.is_integer() {
        let whole = i64::try_from(value.clone()).map(Json::from);
        let whole = whole.or_else(|_| u64::try_from(value.clone()).map(Json::from));
        return whole.unwrap_or_else(|_| special("int", value.to_string()));
    }
    let float = f64::try_from(value.clone()).unwrap_or(f64::NAN);
    serde_json::Number::from_f64(float).map_or_else(|| special("float", float.to_string()), Json::Number)
}

fn mapping(value: &Value, kept: &mut Kept, depth: usize) -> Result<Json, String> {
    let entries = pairs(value).map_err(|error| error.to_string())?;
    let plain = |key: &Value| key.as_str().is_some_and(|key| !key.contains(KIND));
    if entries.iter().all(|(key, _)| plain(key)) {
        let mut map = Map::new();
        for (key, item) in entries {
            map.insert(key.as_str().unwrap_or_default().to_owned(), sent_at(&item, kept, depth + 1)?);
        }
        return Ok(Json::Object(map));
    }
    let mut list = Vec::new();
    for (key, item) in entries {
        list.push(json!([sent_at(&key, kept, depth + 1)?, sent_at(&item, kept, depth + 1)?]));
    }
    Ok(special("map", list))
}

/// What is neither a text nor a number nor a collection.
fn plain(value: &Value) -> Result<Json, String> {
    if value.downcast_object_ref::<Omit>().is_some() {
        return Ok(special("omit", Json::Null));
    }
    if let Some(moment) = value.downcast_object_ref::<Moment>() {
        return Ok(special("time", moment.0.strftime(TIME).to_string()));
    }
    if let Some(span) = value.downcast_object_ref::<Span>() {
        return Ok(special("span", json!([span.0, span.1])));
    }
    Err(format!("{} cannot be given to a plugin", describe(value)))
}

/// A value of Python's.
pub fn received(json: &Json, kept: &Kept) -> Result<Value, String> {
    Ok(match json {
        Json::Null => Value::from(()),
        Json::Bool(truth) => Value::from(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::from(whole),
            (None, Some(whole)) => Value::from(whole),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(all(items, kept)?),
        Json::Object(map) => match map.get(KIND).and_then(Json::as_str) {
            Some(kind) => of_kind(kind, map.get("v").unwrap_or(&Json::Null), kept)?,
            None => {
                let entry = |(key, item): (&String, &Json)| Ok((Value::from(key.as_str()), received(item, kept)?));
                Value::from_pairs(map.iter().map(entry).collect::<Result<Vec<_>, String>>()?)
            }
        },
    })
}

fn all(items: &[Json], kept: &Kept) -> Result<Vec<Value>, String> {
    items.iter().map(|item| received(item, kept)).collect()
}

fn of_kind(kind: &str, told: &Json, kept: &Kept) -> Result<Value, String> {
    let items = || told.as_array().map(Vec::as_slice).unwrap_or_default();
    let text = || told.as_str().unwrap_or_default();
    let kept_one = || usize::try_from(told.as_u64()?).ok().and_then(|number| kept.get(number)).cloned();
    Ok(match kind {
        "tuple" => Value::from(Tuple::new(all(items(), kept)?)),
        "map" => {
            let mut entries = Vec::new();
            for pair in items() {
                if let Some([key, item]) = pair.as_array().map(Vec::as_slice) {
                    entries.push((received(key, kept)?, received(item, kept)?));
                }
            }
            Value::from_pairs(entries)
        }
        "bytes" => Value::from_bytes(BASE64_STANDARD.decode(text()).map_err(|error| error.to_string())?),
        // What is larger than any number here stays a text.
        "int" => text().parse::<i128>().map_or_else(|_| Value::from(text()), Value::from),
        "float" => Value::from(text().parse::<f64>().unwrap_or(f64::NAN)),
        "undefined" => kept_one().unwrap_or(Value::UNDEFINED),
        "vars" => kept_one().unwrap_or_else(|| Value::from(())),
        "omit" => Value::from_object(Omit),
        "time" => Value::from_object(Moment(civil::DateTime::strptime(TIME, text()).map_err(|e| e.to_string())?)),
        "span" => match items() {
            [seconds, micros] => {
                Value::from_object(Span(seconds.as_i64().unwrap_or_default(), micros.as_i64().unwrap_or_default()))
            }
            _ => return Err("it is no span of time".to_owned()),
        },
        other => return Err(format!("a value of the kind {other:?} is not known")),
    })
}
