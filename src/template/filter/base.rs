//! Defaults, types and the steps of paths.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::{Entry, lenient, on};
use crate::python::{number, shlex};
use crate::template::args::Args;
use crate::template::bound;
use crate::template::error::{Kind, TemplateError, carry, failed};
use crate::template::value::{
    check, describe, is_omit_value, items, pairs, string, text, to_json, truth, type_name, write_repr,
};

pub(super) const FILTERS: &[Entry] = &[
    lenient("__get", get),
    lenient("default", default),
    lenient("d", default),
    lenient("mandatory", mandatory),
    on("attr", attr),
    on("bool", bool),
    on("comment", comment),
    on("e", escape),
    on("escape", escape),
    lenient("extract", extract),
    on("float", float),
    on("forceescape", escape),
    on("int", int),
    on("items", mapping_items),
    on("list", list),
    on("pprint", pprint),
    on("quote", quote),
    on("safe", same),
    on("string", to_string),
    on("ternary", ternary),
    on("type_debug", type_debug),
];

/// Whether a value is undefined, or an error that says so of a part of it.
pub(crate) fn is_missing(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Undefined => true,
        ValueKind::Invalid => check(value).err().is_some_and(|error| {
            std::error::Error::source(&error)
                .and_then(|s| s.downcast_ref::<TemplateError>())
                .is_some_and(TemplateError::is_undefined)
        }),
        _ => false,
    }
}

/// One step of a path; undefined if there is nothing.
fn step(value: &Value, key: &Value) -> Value {
    if is_missing(value) {
        return value.clone();
    }
    match key.as_str() {
        Some(name) if value.kind() != ValueKind::String => value.get_attr(name),
        _ => value.get_item(key),
    }
    .unwrap_or_default()
}

/// The part of a value under a dotted path. A missing part is an error value that names it.
pub(crate) fn attribute(value: &Value, path: &Value) -> Value {
    let Some(dotted) = path.as_str() else { return named_step(value, path) };
    let mut found = value.clone();
    for part in dotted.split('.') {
        let key = part.parse::<i64>().map_or_else(|_| Value::from(part), Value::from);
        found = named_step(&found, &key);
        if is_missing(&found) {
            break;
        }
    }
    found
}

fn named_step(value: &Value, key: &Value) -> Value {
    let mut found = step(value, key);
    if found.is_undefined() && key.as_i64().is_some() {
        found = step(value, &Value::from(key.to_string()));
    }
    if found.is_undefined() && !value.is_undefined() {
        let kind = Kind::NoAttribute { parent: describe(value), name: key.to_string() };
        return Value::from(carry(TemplateError::new(kind, None)));
    }
    found
}

fn get(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let key = args.value("key")?;
    Ok(if is_missing(&key) { key } else { step(value, &key) })
}

fn default(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let other = args.next("default_value").unwrap_or_else(|| Value::from(""));
    let boolean = match args.next("boolean") {
        Some(flag) => truth(&flag)?,
        None => false,
    };
    let replace = is_missing(value) || (boolean && !truth(value)?);
    Ok(if replace { other } else { value.clone() })
}

fn mandatory(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let message = args.opt_text("msg")?;
    if !is_missing(value) {
        return Ok(value.clone());
    }
    match message {
        Some(message) => Err(failed(message)),
        None => match check(value) {
            Err(error) if value.is_undefined() => Err(error),
            _ => Err(failed("a mandatory value is not defined")),
        },
    }
}

/// Ansible's filter has a table of its own, shorter than `boolean()`: no `y`, no `t`, no blanks around, and all else is false.
fn bool(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(match value.kind() {
        ValueKind::Bool => value.is_true(),
        ValueKind::None => false,
        ValueKind::Number => f64::try_from(value.clone()).is_ok_and(|n| n == 1.0),
        ValueKind::String => matches!(string(value)?.to_lowercase().as_str(), "yes" | "on" | "1" | "true"),
        _ => {
            check(value)?;
            false
        }
    }))
}

fn int(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let default = args.next("default").unwrap_or_else(|| Value::from(0));
    let base = u32::try_from(args.int("base", 10)?).unwrap_or(10);
    if !(2..=36).contains(&base) {
        return Err(args.wrong("`base` must be between 2 and 36"));
    }
    let number = match value.kind() {
        ValueKind::Bool => Some(i128::from(value.is_true())),
        ValueKind::Number if value.is_integer() => return Ok(value.clone()),
        ValueKind::Number => f64::try_from(value.clone()).ok().and_then(whole),
        ValueKind::String => value.as_str().and_then(|s| parse_int(s, base)),
        _ => None,
    };
    Ok(number.map_or(default, small))
}

/// A float without its fraction.
fn whole(float: f64) -> Option<i128> {
    #[allow(clippy::cast_possible_truncation)] // the range is checked before
    (float.is_finite() && float.abs() < 1e38).then_some(float as i128)
}

/// The smallest integer type that holds a number.
pub(super) fn small(number: i128) -> Value {
    i64::try_from(number).map_or_else(|_| Value::from(number), Value::from)
}

/// Reads a number as Jinja's `int` does: a float loses its fraction.
pub(super) fn parse_int(text: &str, base: u32) -> Option<i128> {
    number::int(text, base).or_else(|| number::float(text).and_then(whole))
}

fn float(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let default = args.next("default").unwrap_or_else(|| Value::from(0.0));
    let number = match value.kind() {
        ValueKind::Bool => Some(if value.is_true() { 1.0 } else { 0.0 }),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        ValueKind::String => value.as_str().and_then(number::float),
        _ => None,
    };
    Ok(number.map_or(default, Value::from))
}

fn to_string(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    string(value).map(Value::from)
}

fn list(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    items(value).map(Value::from)
}

fn same(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    Ok(value.clone())
}

fn escape(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    let mut out = String::new();
    for c in string(value)?.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            _ => out.push(c),
        }
    }
    Ok(Value::from(out))
}

fn attr(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    Ok(step(value, &args.value("name")?))
}

fn mapping_items(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    Ok(pairs(value)?.into_iter().map(|(k, v)| Value::from(vec![k, v])).collect())
}

fn pprint(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    let mut out = String::new();
    write_repr(&mut out, value)?;
    Ok(Value::from(out))
}

fn quote(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(shlex::quote(&text(value)?)))
}

fn ternary(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let (yes, no) = (args.value("true_val")?, args.value("false_val")?);
    let none = args.next("none_val").unwrap_or_default();
    if value.is_none() && !none.is_undefined() {
        return Ok(none);
    }
    Ok(if truth(value)? { yes } else { no })
}

fn type_debug(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    Ok(Value::from(if is_omit_value(value) { "Omit" } else { type_name(value) }))
}

pub(super) const GENERAL: &[Entry] = &[on("reveal_ansible_type", reveal_type)];

/// The type of a value and of what it holds: `list[int|str]`, `dict[str, int]`; `alias` renames types.
fn reveal_type(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let alias = args.some("alias");
    if let Some(alias) = alias.as_ref().filter(|alias| alias.kind() != ValueKind::Map) {
        return Err(args.wrong(format!("`alias` must be a mapping, not {}", describe(alias))));
    }
    let name = |value: &Value| -> String {
        let name = type_name(value);
        let named = alias.as_ref().and_then(|alias| alias.get_attr(name).ok()).filter(|other| !other.is_undefined());
        named.map_or_else(|| name.to_owned(), |other| other.to_string())
    };
    let all = |values: &mut dyn Iterator<Item = Value>| -> String {
        let names: std::collections::BTreeSet<String> = values.map(|value| name(&value)).collect();
        names.into_iter().collect::<Vec<_>>().join("|")
    };
    let own = name(value);
    Ok(Value::from(match value.kind() {
        ValueKind::Seq | ValueKind::Iterable if own == "list" && value.len() != Some(0) => {
            format!("{own}[{}]", all(&mut items(value)?.into_iter()))
        }
        ValueKind::Map if own == "dict" && value.len() != Some(0) => {
            let entries = pairs(value)?;
            let keys = all(&mut entries.iter().map(|(key, _)| key.clone()));
            format!("{own}[{keys}, {}]", all(&mut entries.iter().map(|(_, item)| item.clone())))
        }
        _ => own,
    }))
}

fn extract(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let (container, more) = (args.value("container")?, args.some("morekeys"));
    // Of what is missing all parts are missing.
    if is_missing(&container) {
        return Ok(container);
    }
    let mut found = named_step(&container, value);
    match more {
        Some(keys) if matches!(keys.kind(), ValueKind::Seq | ValueKind::Iterable) => {
            for key in items(&keys)? {
                found = named_step(&found, &key);
            }
        }
        Some(key) => found = named_step(&found, &key),
        None => {}
    }
    Ok(found)
}

/// Makes a comment block of a text, in one of Ansible's styles.
fn comment(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let style = args.text_or("style", "plain")?;
    let (begin, decoration, end) = match style.as_str() {
        "plain" => ("", "# ", ""),
        "decoration" => ("", "- ", ""),
        "erlang" => ("", "% ", ""),
        "c" => ("", "// ", ""),
        "cblock" => ("/*", " * ", " */"),
        "xml" => ("<!--", " - ", "-->"),
        other => return Err(args.wrong(format!("`{other}` is not a style: plain, erlang, c, cblock, xml, decoration"))),
    };
    let named = |args: &mut Args, name: &str| -> Result<Option<String>, Error> {
        args.named(name).map(|v| string(&v)).transpose()
    };
    let begin = named(args, "beginning")?.unwrap_or_else(|| begin.to_owned());
    let end = named(args, "end")?.unwrap_or_else(|| end.to_owned());
    let decoration = named(args, "decoration")?.unwrap_or_else(|| decoration.to_owned());
    let prefix = named(args, "prefix")?.unwrap_or_else(|| decoration.trim_end().to_owned());
    let postfix = named(args, "postfix")?.unwrap_or_else(|| decoration.trim_end().to_owned());
    let newline = named(args, "newline")?.unwrap_or_else(|| "\n".to_owned());
    let count = |args: &mut Args, name: &str| args.named(name).and_then(|v| v.as_usize()).unwrap_or(1);
    let (before, after) = (count(args, "prefix_count"), count(args, "postfix_count"));
    let mut out = String::new();
    if !begin.is_empty() {
        out.push_str(&begin);
        out.push_str(&newline);
    }
    if prefix == newline {
        out.push_str(&bound::repeat("comment", &newline, before)?);
    } else if !prefix.is_empty() {
        out.push_str(&bound::repeat("comment", &format!("{prefix}{newline}"), before)?);
    }
    let body = bound::replace("comment", &text(value)?, &newline, &format!("{newline}{decoration}"), None)?;
    out.push_str(
        &format!("{decoration}{body}")
            .replace(&format!("{decoration}{newline}"), &format!("{}{newline}", decoration.trim_end())),
    );
    out.push_str(&bound::repeat("comment", &format!("{newline}{postfix}"), after)?);
    if !end.is_empty() {
        out.push_str(&newline);
        out.push_str(&end);
    }
    Ok(Value::from(out))
}

/// A value as JSON for the filters that work on data.
pub(super) fn json(value: &Value) -> Result<serde_json::Value, Error> {
    to_json(value)
}
