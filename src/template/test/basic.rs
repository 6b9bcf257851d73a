//! Being there, types and comparisons.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::{Entry, lenient, of_type, on};
use crate::template::args::Args;
use crate::template::error::failed;
use crate::template::filter::{self, is_missing};
use crate::template::plugin;
use crate::template::value::{boolean_text, describe, items, pairs, string, truth};

pub(super) const TESTS: &[Entry] = &[
    lenient("defined", |_, v, _| Ok(!is_missing(v))),
    lenient("undefined", |_, v, _| Ok(is_missing(v))),
    on("!=", |_, v, a| Ok(*v != a.value("other")?)),
    on("<", |_, v, a| Ok(*v < a.value("other")?)),
    on("<=", |_, v, a| Ok(*v <= a.value("other")?)),
    on("==", |_, v, a| Ok(*v == a.value("other")?)),
    on(">", |_, v, a| Ok(*v > a.value("other")?)),
    on(">=", |_, v, a| Ok(*v >= a.value("other")?)),
    of_type("boolean", |_, v, _| Ok(v.kind() == ValueKind::Bool)),
    on("callable", |_, v, _| Ok(v.kind() == ValueKind::Plain)),
    on("divisibleby", |_, v, a| {
        let by = a.int("num", 1)?;
        if by == 0 { Err(a.wrong("cannot divide by 0")) } else { Ok(remainder(v, by)? == 0.0) }
    }),
    on("eq", |_, v, a| Ok(*v == a.value("other")?)),
    on("equalto", |_, v, a| Ok(*v == a.value("other")?)),
    on("escaped", |_, v, _| Ok(v.is_safe())),
    on("even", |_, v, _| Ok(remainder(v, 2)? == 0.0)),
    of_type("false", |_, v, _| Ok(v.kind() == ValueKind::Bool && !v.is_true())),
    on("falsy", |s, v, a| truthy(s, v, a).map(|t| !t)),
    on("filter", |_, v, _| Ok(v.as_str().is_some_and(|name| filter::exists(name) || plugin::is_filter(name)))),
    of_type("float", |_, v, _| Ok(v.is_number() && !v.is_integer())),
    on("ge", |_, v, a| Ok(*v >= a.value("other")?)),
    on("greaterthan", |_, v, a| Ok(*v > a.value("other")?)),
    on("gt", |_, v, a| Ok(*v > a.value("other")?)),
    on("in", is_in),
    of_type("int", |_, v, _| Ok(v.is_integer())),
    of_type("integer", |_, v, _| Ok(v.is_integer())),
    on("isnan", |_, v, _| Ok(f64::try_from(v.clone()).is_ok_and(f64::is_nan))),
    on("iterable", |_, v, _| Ok(v.try_iter().is_ok() && !v.is_none())),
    on("le", |_, v, a| Ok(*v <= a.value("other")?)),
    on("lessthan", |_, v, a| Ok(*v < a.value("other")?)),
    on("lower", |_, v, _| string(v).map(|s| s.to_lowercase() == s && s.to_uppercase() != s)),
    on("lt", |_, v, a| Ok(*v < a.value("other")?)),
    of_type("mapping", |_, v, _| Ok(v.kind() == ValueKind::Map)),
    on("nan", |_, v, _| Ok(f64::try_from(v.clone()).is_ok_and(f64::is_nan))),
    on("ne", |_, v, a| Ok(*v != a.value("other")?)),
    of_type("none", |_, v, _| Ok(v.is_none())),
    of_type("number", |_, v, _| Ok(v.is_number() || v.kind() == ValueKind::Bool)),
    on("odd", |_, v, _| Ok(remainder(v, 2)? == 1.0)),
    on("sameas", |_, v, a| a.value("other").map(|o| v.kind() == o.kind() && *v == o)),
    of_type("sequence", |_, v, _| {
        Ok(matches!(v.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::String))
    }),
    of_type("string", |_, v, _| Ok(v.kind() == ValueKind::String)),
    on("test", |_, v, _| Ok(v.as_str().is_some_and(|name| super::exists(name) || plugin::is_test(name)))),
    of_type("true", |_, v, _| Ok(v.kind() == ValueKind::Bool && v.is_true())),
    on("truthy", truthy),
    on("upper", |_, v, _| string(v).map(|s| s.to_uppercase() == s && s.to_lowercase() != s)),
];

/// What is left when a number is divided, as Python's `%` gives it.
fn remainder(value: &Value, by: i64) -> Result<f64, Error> {
    if let (true, Ok(whole)) = (value.is_integer() || value.kind() == ValueKind::Bool, i128::try_from(value.clone())) {
        // Small enough to be exact.
        return Ok(whole.rem_euclid(i128::from(by)) as f64);
    }
    match (value.kind(), f64::try_from(value.clone())) {
        (ValueKind::Number, Ok(number)) => Ok(number.rem_euclid(by as f64)),
        _ => Err(failed(format!("{} is not a number", describe(value)))),
    }
}

/// Python's truth; with `convert_bool` texts that read as truth values count as them.
fn truthy(_: &mut State, value: &Value, args: &mut Args) -> Result<bool, Error> {
    let convert = args.flag("convert_bool", false)?;
    match value.as_str().and_then(boolean_text).filter(|_| convert) {
        Some(word) => Ok(word),
        None => truth(value),
    }
}

fn is_in(_: &mut State, value: &Value, args: &mut Args) -> Result<bool, Error> {
    let container = args.value("seq")?;
    match container.kind() {
        ValueKind::String => Ok(string(&container)?.contains(&string(value)?)),
        ValueKind::Map => Ok(pairs(&container)?.iter().any(|(k, _)| k == value)),
        _ => Ok(items(&container)?.contains(value)),
    }
}
