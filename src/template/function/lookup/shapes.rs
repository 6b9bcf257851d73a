//! Lookups that shape what they are given.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};
use rand::seq::IndexedRandom as _;

use super::call::{Call, Lookup, list_of, spread, tuple};
use crate::python::fnmatch::fnmatch;
use crate::python::regex::Place;
use crate::template::bound;
use crate::template::error::failed;
use crate::template::filter::{self, is_missing};
use crate::template::value::{check, describe, items, pairs, string, type_name};

/// Their names.
pub(super) const LOOKUPS: &[(&str, Lookup)] = &[
    ("dict", dict),
    ("flattened", flattened),
    ("indexed_items", indexed_items),
    ("inventory_hostnames", inventory_hostnames),
    ("items", items_lookup),
    ("list", list),
    ("nested", nested),
    ("random_choice", random_choice),
    ("sequence", sequence),
    ("subelements", subelements),
    ("together", together),
    ("varnames", varnames),
    ("vars", vars),
];

fn items_lookup(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    spread(&call.terms)
}

fn list(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    Ok(std::mem::take(&mut call.terms))
}

fn flattened(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    fn flat(value: &Value, depth: usize, out: &mut Vec<Value>) -> Result<(), Error> {
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable if depth < 100 => {
                items(value)?.iter().try_for_each(|v| flat(v, depth + 1, out))
            }
            _ => {
                out.push(value.clone());
                Ok(())
            }
        }
    }
    let mut out = Vec::new();
    call.terms.iter().try_for_each(|term| flat(term, 0, &mut out))?;
    Ok(out)
}

fn indexed_items(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    if call.terms.iter().any(|term| term.kind() == ValueKind::Map) && call.terms.len() == 1 {
        return Err(failed("with_indexed_items expects a list"));
    }
    let all = spread(&call.terms)?;
    Ok(all.into_iter().enumerate().map(|(index, item)| tuple(vec![Value::from(index), item])).collect())
}

fn dict(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for term in spread(&call.terms)? {
        if term.kind() != ValueKind::Map {
            return Err(call.wrong(format!("needs a mapping, not {}", describe(&term))));
        }
        for (key, value) in pairs(&term)? {
            check(&value)?;
            out.push(Value::from_pairs([("key", key), ("value", value)]));
        }
    }
    Ok(out)
}

fn together(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let lists: Vec<Vec<Value>> = call.terms.iter().map(list_of).collect::<Result<_, _>>()?;
    if lists.is_empty() {
        return Err(failed("with_together requires at least one element in each list"));
    }
    let len = lists.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |list: &Vec<Value>, index: usize| list.get(index).cloned().unwrap_or_else(|| Value::from(()));
    Ok((0..len).map(|index| Value::from(lists.iter().map(|l| cell(l, index)).collect::<Vec<_>>())).collect())
}

fn nested(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let lists: Vec<Vec<Value>> = call.terms.iter().map(list_of).collect::<Result<_, _>>()?;
    if lists.is_empty() {
        return Err(failed("with_nested requires at least one element in the nested list"));
    }
    let size = lists.iter().try_fold(1usize, |n, l| n.checked_mul(l.len()));
    bound::items("lookup `nested`", size.and_then(|n| n.checked_mul(lists.len())))?;
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for list in lists {
        rows = rows
            .iter()
            .flat_map(|row| list.iter().map(move |item| row.iter().cloned().chain([item.clone()]).collect()))
            .collect();
    }
    Ok(rows.into_iter().map(Value::from).collect())
}

fn subelements(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let mut terms = std::mem::take(&mut call.terms);
    if terms.len() == 1
        && let Some(first) = terms.first().filter(|t| t.kind() == ValueKind::Seq)
    {
        terms = items(first)?;
    }
    let wrong = |what: &str| Err(call_of(format!("expects a list of two or three items, {what}")));
    let (outer, path, options) = match terms.as_slice() {
        [outer, path] => (outer, path, None),
        [outer, path, options] => (outer, path, Some(options)),
        _ => return wrong("with the elements, the name of a part and options"),
    };
    // One value that is no list stands for a list of it.
    let one = !is_list(outer) && outer.kind() != ValueKind::Map;
    let outer = &if one { Value::from(vec![outer.clone()]) } else { outer.clone() };
    let Some(path) = path.as_str() else {
        return wrong("first a dict or a list, second a string pointing to the subkey");
    };
    if options.is_some_and(|options| options.kind() != ValueKind::Map) {
        return wrong("the optional third item must be a dict with flags skip_missing");
    }
    let skip = options.map(|options| options.get_attr("skip_missing")).transpose()?.is_some_and(|v| v.is_true());
    let skip = skip || call.flag("skip_missing", false);
    let skipped = |item: &Value| item.get_attr("skipped").is_ok_and(|skipped| skipped.is_true());
    let outer = match outer.kind() {
        ValueKind::Map if skipped(outer) => Vec::new(),
        ValueKind::Map => pairs(outer)?.into_iter().map(|(_, v)| v).collect(),
        _ => items(outer)?,
    };
    let path: Vec<&str> = path.split('.').collect();
    let mut out = Vec::new();
    for item in outer {
        check(&item)?;
        if item.kind() != ValueKind::Map {
            return Err(call_of(format!("expects a dictionary, got {}", describe(&item))));
        }
        if skipped(&item) {
            continue;
        }
        let Some((inner, rest)) = taken_out(&item, &path, skip)? else { continue };
        out.extend(inner.into_iter().map(|sub| tuple(vec![rest.clone(), sub])));
    }
    Ok(out)
}

/// An error about `subelements`.
fn call_of(what: String) -> Error {
    failed(format!("subelements lookup {what}"))
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

/// The list that a path leads to, and the item without it, for its rows repeat it; none if it is missing and may be.
fn taken_out(item: &Value, path: &[&str], skip: bool) -> Result<Option<(Vec<Value>, Value)>, Error> {
    let Some((name, further)) = path.split_first() else { return Ok(None) };
    let inner = item.get_attr(name)?;
    if is_missing(&inner) {
        return match skip {
            true => Ok(None),
            false => Err(failed(format!("could not find '{name}' key in iterated item {}", describe(item)))),
        };
    }
    check(&inner)?;
    let entries = || Ok::<_, Error>(pairs(item)?.into_iter());
    if further.is_empty() {
        if !is_list(&inner) {
            return Err(failed(format!("the key {name} should point to a list, got {}", describe(&inner))));
        }
        let rest = Value::from_pairs(entries()?.filter(|(key, _)| key.as_str() != Some(name)));
        return Ok(Some((items(&inner)?, rest)));
    }
    if inner.kind() != ValueKind::Map {
        return match skip {
            true => Ok(None),
            false => Err(failed(format!("the key {name} should point to a dictionary, got {}", describe(&inner)))),
        };
    }
    let Some((found, below)) = taken_out(&inner, further, skip)? else { return Ok(None) };
    let replaced = |(key, value): (Value, Value)| {
        let value = if key.as_str() == Some(name) { below.clone() } else { value };
        (key, value)
    };
    Ok(Some((found, Value::from_pairs(entries()?.map(replaced)))))
}

fn random_choice(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    Ok(call.terms.choose(&mut rand::rng()).cloned().into_iter().collect())
}

/// What `sequence` can be told.
const SEQUENCE_OPTIONS: &[&str] = &["start", "end", "count", "stride", "format"];

/// `start-end/step:format`, or the same by name with `count`.
fn sequence(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    let named = |call: &mut Call<'_>, name: &str| call.option(name).map(|v| v.to_string());
    let mut options: Vec<(String, String)> = Vec::new();
    for name in SEQUENCE_OPTIONS {
        options.extend(named(call, name).map(|value| ((*name).to_owned(), value)));
    }
    let mut terms = call.texts()?;
    if terms.is_empty() {
        terms.push(String::new());
    }
    for term in terms {
        let mut own = options.clone();
        if term.contains('=') {
            let words = term.split_whitespace().filter_map(|p| p.split_once('='));
            own.extend(words.map(|(k, v)| (k.to_owned(), v.to_owned())));
            let unknown = own.iter().find(|(name, _)| !SEQUENCE_OPTIONS.contains(&name.as_str()));
            if let Some((name, _)) = unknown {
                return Err(failed(format!("unrecognized arguments to with_sequence: ['{name}']")));
            }
        } else if !term.trim().is_empty() {
            short_form(&term, &mut own);
        }
        counted(call, &own, &mut out)?;
    }
    Ok(out)
}

fn short_form(term: &str, options: &mut Vec<(String, String)>) {
    let (numbers, format) = term.split_once(':').map_or((term, None), |(n, f)| (n, Some(f)));
    let (numbers, stride) = numbers.split_once('/').map_or((numbers, None), |(n, s)| (n, Some(s)));
    let (start, end) = numbers.split_once('-').map_or((None, numbers), |(s, e)| (Some(s), e));
    for (name, value) in [("start", start), ("end", Some(end)), ("stride", stride), ("format", format)] {
        options.extend(value.map(|v| (name.to_owned(), v.to_owned())));
    }
}

fn counted(call: &Call<'_>, options: &[(String, String)], out: &mut Vec<Value>) -> Result<(), Error> {
    let find = |name: &str| options.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let int = |name: &str| -> Result<Option<i64>, Error> {
        let Some(text) = find(name) else { return Ok(None) };
        let parsed = match text.trim().strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).ok(),
            None => text.trim().parse().ok(),
        };
        parsed
            .map(Some)
            .ok_or_else(|| failed(format!("Invalid type for option `{name}`: `{text}` is not a whole number")))
    };
    let start = int("start")?.unwrap_or(1);
    let stride = int("stride")?.unwrap_or(1);
    let end = match (int("end")?, int("count")?) {
        (Some(end), None) => end,
        (None, Some(0)) => return Ok(()),
        (None, Some(count)) => start.saturating_add(count.saturating_sub(1).saturating_mul(stride)),
        (None, None) => return Err(failed("must specify count or end in with_sequence")),
        (Some(_), Some(_)) => return Err(failed("can't specify both count and end in with_sequence")),
    };
    if stride == 0 {
        return Err(call.wrong("`stride` must not be 0"));
    }
    if stride > 0 && end < start {
        return Err(failed("to count backwards make stride negative"));
    }
    if stride < 0 && end > start {
        return Err(failed("to count forward don't make stride negative"));
    }
    let count = (end.abs_diff(start) / stride.unsigned_abs()).saturating_add(1);
    bound::items("lookup `sequence`", usize::try_from(count).ok())?;
    let format = find("format").unwrap_or("%d");
    if format.matches('%').count() != 1 {
        return Err(failed(format!("bad formatting string: {format}")));
    }
    let mut size = 0usize;
    for index in 0..i64::try_from(count).unwrap_or(0) {
        let number = Value::from(start.wrapping_add(index.wrapping_mul(stride)));
        let text = string(&filter::percent(format, &number)?)?;
        size = bound::bytes("lookup `sequence`", size.checked_add(text.len()))?;
        out.push(Value::from(text));
    }
    Ok(())
}

fn vars(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let default = call.option("default");
    let names = std::mem::take(&mut call.terms);
    let Some(context) = call.context.clone() else { return Err(call.wrong("there are no variables here")) };
    let mut out = Vec::new();
    for name in names {
        let Some(name) = name.as_str().map(str::to_owned) else { return Err(no_name(&name)) };
        match (context.lookup(&name), &default) {
            (Some(value), _) => {
                check(&value)?;
                out.push(value);
            }
            (None, Some(default)) => out.push(default.clone()),
            (None, None) => {
                let kind = crate::template::error::Kind::NoVariable { name: name.clone() };
                let error = crate::template::error::TemplateError::new(kind, None);
                return Err(crate::template::error::carry(context.cause(&name).unwrap_or(error)));
            }
        }
    }
    Ok(out)
}

/// The error of what is no text and so names no variable.
fn no_name(value: &Value) -> Error {
    failed(format!("Invalid setting identifier, \"{value}\" is not a string, its a {}", type_name(value)))
}

fn varnames(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let Some(context) = call.context.clone() else { return Err(call.wrong("there are no variables here")) };
    let names = context.vars.names();
    let mut out = Vec::new();
    for pattern in std::mem::take(&mut call.terms) {
        let Some(pattern) = pattern.as_str() else { return Err(no_name(&pattern)) };
        let regex = filter::compile(pattern, false, false, Place::Anywhere)
            .map_err(|fault| failed(format!("Unable to use \"{pattern}\" as a search parameter: {fault}")))?;
        for name in &names {
            if regex.is_match(name).map_err(|fault| filter::trouble(&fault))? {
                out.push(Value::from(name));
            }
        }
    }
    Ok(out)
}

/// Hosts of a pattern; groups, hosts, `all`, `!` and `&` are understood.
fn inventory_hostnames(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let Some(context) = call.context.clone() else { return Err(call.wrong("there is no inventory here")) };
    let groups = context.lookup("groups").unwrap_or_default();
    let members = |name: &str| -> Result<Vec<Value>, Error> {
        if is_missing(&groups) {
            return Ok(Vec::new());
        }
        let found = groups.get_attr(name)?;
        if !found.is_undefined() {
            return items(&found);
        }
        let all = groups.get_attr("all")?;
        let hosts = if all.is_undefined() { Vec::new() } else { items(&all)? };
        Ok(hosts.into_iter().filter(|h| fnmatch(name, &h.to_string())).collect())
    };
    let mut out: Vec<Value> = Vec::new();
    let patterns: Vec<String> = call.texts()?;
    for part in patterns.iter().flat_map(|p| p.split([',', ':'])).map(str::trim).filter(|p| !p.is_empty()) {
        if let Some(name) = part.strip_prefix('!') {
            let gone = members(name)?;
            out.retain(|h| !gone.contains(h));
        } else if let Some(name) = part.strip_prefix('&') {
            let kept = members(name)?;
            out.retain(|h| kept.contains(h));
        } else {
            for host in members(part)? {
                if !out.contains(&host) {
                    out.push(host);
                }
            }
        }
    }
    Ok(out)
}
