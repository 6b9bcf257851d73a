//! The methods of Python's texts, lists and mappings that templates call.

use minijinja::formatting::FormatStyle;
use minijinja::value::{Kwargs, Tuple, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use crate::python::{character, text};

use super::bound;
use super::error::failed;
use super::filter::{centered, formatted_text, split_text};
use super::value::{check, describe, items, pairs, string};

/// Calls a method the value itself does not know.
pub(crate) fn call(_: &mut State, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    check(value)?;
    args.iter().filter(|a| !a.is_kwargs()).try_for_each(check)?;
    if method == "__slice" {
        return sliced(value, args);
    }
    let found = match value.kind() {
        ValueKind::String => text_method(value.as_str().unwrap_or_default(), method, args)?,
        ValueKind::Map => map_method(value, method, args)?,
        ValueKind::Seq | ValueKind::Iterable => list_method(value, method, args)?,
        ValueKind::Number => number_method(value, method),
        _ => None,
    };
    let found = found.map(|found| bound::checked("the text", found)).transpose()?;
    found.ok_or_else(|| {
        let mutating = ["append", "extend", "update", "insert", "remove", "pop", "clear", "setdefault", "sort"];
        if mutating.contains(&method) {
            return failed(format!("`{method}` cannot change {}: it was not made in this template", describe(value)));
        }
        Error::new(ErrorKind::UnknownMethod, format!("{} has no method `{method}`", super::value::type_name(value)))
    })
}

/// `value[start:stop:step]`.
fn sliced(value: &Value, args: &[Value]) -> Result<Value, Error> {
    let bound = |index: usize| match args.get(index).filter(|v| !v.is_none()) {
        None => Ok(None),
        Some(given) => given.as_i64().map(Some).ok_or_else(|| {
            failed(format!("the bounds and the step of a slice are whole numbers, not {}", describe(given)))
        }),
    };
    let (start, stop, step) = (bound(0)?, bound(1)?, bound(2)?.unwrap_or(1));
    if step == 0 {
        return Err(failed("the step of a slice must not be 0"));
    }
    if !matches!(value.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Iterable) {
        return Err(failed(format!("{} cannot be sliced", describe(value))));
    }
    let all = items(value)?;
    let length = i64::try_from(all.len()).unwrap_or(i64::MAX);
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let place = |given: Option<i64>, otherwise: i64| match given {
        None => otherwise,
        Some(at) => (if at < 0 { at.saturating_add(length) } else { at }).clamp(low, high),
    };
    let (mut at, end) =
        if step > 0 { (place(start, low), place(stop, high)) } else { (place(start, high), place(stop, low)) };
    let mut kept = Vec::new();
    while if step > 0 { at < end } else { at > end } {
        kept.extend(usize::try_from(at).ok().and_then(|at| all.get(at)).cloned());
        at = at.saturating_add(step);
    }
    Ok(match value.kind() {
        ValueKind::String => Value::from(kept.iter().map(string).collect::<Result<String, Error>>()?),
        _ if value.is_tuple() => Value::from(Tuple::new(kept)),
        _ => Value::from(kept),
    })
}

fn text_arg(args: &[Value], index: usize) -> Result<Option<String>, Error> {
    args.get(index).filter(|v| !v.is_none() && !v.is_kwargs()).map(string).transpose()
}

fn need(args: &[Value], index: usize, method: &str) -> Result<String, Error> {
    text_arg(args, index)?.ok_or_else(|| failed(format!("{method}: an argument is missing")))
}

fn int_arg(args: &[Value], index: usize) -> Option<i64> {
    args.get(index).and_then(Value::as_i64)
}

/// Affixes to look for: one text or a tuple of them.
fn affixes(args: &[Value], method: &str) -> Result<Vec<String>, Error> {
    match args.first() {
        Some(many) if matches!(many.kind(), ValueKind::Seq) => items(many)?.iter().map(string).collect(),
        _ => Ok(vec![need(args, 0, method)?]),
    }
}

/// The part of a text between two positions of Python's.
fn bounded(text: &str, args: &[Value]) -> (usize, String) {
    let len = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let clamp = |at: i64| usize::try_from(if at < 0 { (len + at).max(0) } else { at.min(len) }).unwrap_or(0);
    let (start, end) = (clamp(int_arg(args, 1).unwrap_or(0)), clamp(int_arg(args, 2).unwrap_or(len)));
    (start, text.chars().skip(start).take(end.saturating_sub(start)).collect())
}

fn find(text: &str, args: &[Value], method: &str, last: bool) -> Result<Option<usize>, Error> {
    let wanted = need(args, 0, method)?;
    let (start, part) = bounded(text, args);
    let at = if last { part.rfind(&wanted) } else { part.find(&wanted) };
    Ok(at.and_then(|at| part.get(..at)).map(|before| start + before.chars().count()))
}

fn padded(text: &str, args: &[Value], left: bool) -> Result<Value, Error> {
    let width = int_arg(args, 0).and_then(|w| usize::try_from(w).ok()).unwrap_or(0);
    let fill = text_arg(args, 1)?.unwrap_or_else(|| " ".to_owned());
    let space = bound::repeat("padding", &fill, width.saturating_sub(text.chars().count()))?;
    Ok(Value::from(if left { format!("{space}{text}") } else { format!("{text}{space}") }))
}

/// `splitlines`, with the ends of the lines where they are asked for.
fn splitlines<'t>(text: &'t str, args: &[Value]) -> Result<Vec<&'t str>, Error> {
    let kwargs = args.last().filter(|a| a.is_kwargs()).cloned().map(Kwargs::try_from).transpose()?;
    let named = kwargs.and_then(|k| k.peek::<Value>("keepends").ok());
    let keep = args.first().filter(|a| !a.is_kwargs()).cloned().or(named).is_some_and(|v| v.is_true());
    Ok(text::splitlines(text, keep))
}

#[allow(clippy::too_many_lines, reason = "one arm for each method of a text")]
fn text_method(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let strip = |args: &[Value]| -> Result<Box<dyn Fn(char) -> bool>, Error> {
        Ok(match text_arg(args, 0)? {
            Some(chars) => Box::new(move |c| chars.contains(c)),
            None => Box::new(character::is_space),
        })
    };
    Ok(Some(match method {
        "upper" => Value::from(text.to_uppercase()),
        "lower" => Value::from(text.to_lowercase()),
        "casefold" => Value::from(text::casefold(text)),
        "title" => Value::from(text::title(text)),
        "capitalize" => Value::from(text::capitalize(text)),
        "swapcase" => Value::from(text::swapcase(text)),
        "strip" => Value::from(text.trim_matches(&*strip(args)?)),
        "lstrip" => Value::from(text.trim_start_matches(&*strip(args)?)),
        "rstrip" => Value::from(text.trim_end_matches(&*strip(args)?)),
        "split" => split_method(text, args)?,
        "rsplit" => rsplit(text, args)?,
        "splitlines" => splitlines(text, args)?.into_iter().map(Value::from).collect(),
        "partition" | "rpartition" => {
            let sep = need(args, 0, method)?;
            let parts = if method == "partition" { text.split_once(&sep) } else { text.rsplit_once(&sep) };
            let (a, b, c) = match (parts, method) {
                (Some((a, c)), _) => (a, sep.as_str(), c),
                (None, "partition") => (text, "", ""),
                (None, _) => ("", "", text),
            };
            Value::from((a, b, c))
        }
        "replace" => {
            let (old, new) = (need(args, 0, method)?, need(args, 1, method)?);
            let count = int_arg(args, 2).and_then(|c| usize::try_from(c).ok());
            Value::from(bound::replace(method, text, &old, &new, count)?)
        }
        "startswith" => Value::from(affixes(args, method)?.iter().any(|a| text.starts_with(a.as_str()))),
        "endswith" => Value::from(affixes(args, method)?.iter().any(|a| text.ends_with(a.as_str()))),
        "removeprefix" => Value::from(text.strip_prefix(need(args, 0, method)?.as_str()).unwrap_or(text)),
        "removesuffix" => Value::from(text.strip_suffix(need(args, 0, method)?.as_str()).unwrap_or(text)),
        "find" | "rfind" => match find(text, args, method, method == "rfind")? {
            Some(at) => Value::from(at),
            None => Value::from(-1),
        },
        "index" | "rindex" => match find(text, args, method, method == "rindex")? {
            Some(at) => Value::from(at),
            None => return Err(failed(format!("{method}: {} is not in the text", describe(&args[0])))),
        },
        "count" => {
            let (wanted, (_, part)) = (need(args, 0, method)?, bounded(text, args));
            Value::from(if wanted.is_empty() { part.chars().count() + 1 } else { part.matches(&wanted).count() })
        }
        "join" => {
            let list = items(args.first().unwrap_or(&Value::UNDEFINED))?;
            let texts = list.iter().map(|item| match item.as_str() {
                Some(part) => Ok(part.to_owned()),
                None => Err(failed(format!("join: {} is not a text", describe(item)))),
            });
            let texts = texts.collect::<Result<Vec<_>, _>>()?;
            let size = texts.iter().map(|t| t.len().saturating_add(text.len())).fold(0, usize::saturating_add);
            bound::bytes("join", Some(size))?;
            Value::from(texts.join(text))
        }
        "format" => formatted_text(FormatStyle::StrFormat, text, args)?,
        "zfill" => {
            let (sign, digits) = match text.strip_prefix(['-', '+']) {
                Some(rest) => (&text[..1], rest),
                None => ("", text),
            };
            let width = int_arg(args, 0).and_then(|w| usize::try_from(w).ok()).unwrap_or(0);
            let zeros = bound::repeat("zfill", "0", width.saturating_sub(text.chars().count()))?;
            Value::from(format!("{sign}{zeros}{digits}"))
        }
        "ljust" => padded(text, args, false)?,
        "rjust" => padded(text, args, true)?,
        "center" => Value::from(centered(text, int_arg(args, 0).and_then(|w| usize::try_from(w).ok()).unwrap_or(0))?),
        "expandtabs" => {
            let size = int_arg(args, 0).map_or(8, |size| usize::try_from(size).unwrap_or(0));
            let made = text::expandtabs(text, size, bound::MAX_BYTES);
            Value::from(made.ok_or_else(|| bound::too_large("expandtabs"))?)
        }
        "encode" | "decode" => Value::from(text),
        _ => return Ok(is_method(text, method).map(Value::from)),
    }))
}

/// The methods that only say yes or no.
fn is_method(text: &str, method: &str) -> Option<bool> {
    Some(match method {
        "isdecimal" => text::all(text, character::is_decimal),
        "isdigit" => text::all(text, character::is_digit),
        "isnumeric" => text::all(text, character::is_numeric),
        "isalpha" => text::all(text, character::is_alpha),
        "isalnum" => text::all(text, character::is_alnum),
        "isspace" => text::all(text, character::is_space),
        "isprintable" => text.chars().all(character::is_printable),
        "isascii" => text.is_ascii(),
        "isupper" => text::is_upper(text),
        "islower" => text::is_lower(text),
        "istitle" => text::is_title(text),
        "isidentifier" => text::is_identifier(text),
        _ => return None,
    })
}

/// Positional and named arguments of `split` and `rsplit`.
fn split_args(args: &[Value]) -> Result<(Option<String>, Option<usize>), Error> {
    let kwargs = args.last().filter(|a| a.is_kwargs()).cloned().map(Kwargs::try_from).transpose()?;
    let named = |name: &str| kwargs.as_ref().and_then(|k| k.peek::<Value>(name).ok());
    let sep = match text_arg(args, 0)? {
        Some(sep) => Some(sep),
        None => named("sep").filter(|v| !v.is_none()).map(|v| string(&v)).transpose()?,
    };
    let max = int_arg(args, 1).or_else(|| named("maxsplit").and_then(|v| v.as_i64()));
    Ok((sep, max.and_then(|m| usize::try_from(m).ok())))
}

fn split_method(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (sep, max) = split_args(args)?;
    split_text(text, sep.as_deref(), max)
}

fn rsplit(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (sep, max) = split_args(args)?;
    let Some(max) = max else { return split_text(text, sep.as_deref(), None) };
    let mut parts: Vec<&str> = match &sep {
        Some(sep) if !sep.is_empty() => text.rsplitn(max.saturating_add(1), sep.as_str()).collect(),
        Some(_) => return Err(failed("rsplit: the separator is empty")),
        None => {
            let parts = text::rsplit(text, Some(max));
            return Ok(parts.into_iter().map(Value::from).collect());
        }
    };
    parts.reverse();
    Ok(parts.into_iter().map(Value::from).collect())
}

fn map_method(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "items" => pairs(value)?.into_iter().map(Value::from).collect(),
        "keys" => value.try_iter()?.collect(),
        "values" => pairs(value)?.into_iter().map(|(_, v)| v).collect(),
        "get" => {
            let key = args.first().ok_or_else(|| failed("get: an argument is missing"))?;
            let found = value.get_item(key)?;
            if found.is_undefined() {
                args.get(1).cloned().unwrap_or_else(|| Value::from(()))
            } else {
                check(&found)?;
                found
            }
        }
        "copy" => Value::from_pairs(pairs(value)?),
        _ => return Ok(None),
    }))
}

fn list_method(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let first = args.first();
    Ok(Some(match method {
        "index" => {
            let wanted = first.ok_or_else(|| failed("index: an argument is missing"))?;
            match items(value)?.iter().position(|v| v == wanted) {
                Some(at) => Value::from(at),
                None => return Err(failed(format!("index: {} is not in the list", describe(wanted)))),
            }
        }
        "count" => {
            let wanted = first.ok_or_else(|| failed("count: an argument is missing"))?;
            Value::from(items(value)?.iter().filter(|v| *v == wanted).count())
        }
        "copy" if value.is_tuple() => Value::from(Tuple::new(items(value)?)),
        "copy" => Value::from(items(value)?),
        _ => return Ok(None),
    }))
}

fn number_method(value: &Value, method: &str) -> Option<Value> {
    let bits = u128::try_from(value.clone()).ok()?;
    match method {
        "bit_length" => Some(Value::from(128 - bits.leading_zeros())),
        "bit_count" => Some(Value::from(bits.count_ones())),
        _ => None,
    }
}
