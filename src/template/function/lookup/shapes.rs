//! Lookups that shape what they are given.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};
use rand::seq::IndexedRandom as _;

use super::call::{Call, Lookup, list_of, spread, tuple};
use crate::python::regex::Place;
use crate::template::bound;
use crate::template::filter::{self, attribute, is_missing};
use crate::template::value::{check, describe, items, pairs, string};

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
    let len = lists.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |list: &Vec<Value>, index: usize| list.get(index).cloned().unwrap_or_else(|| Value::from(()));
    Ok((0..len).map(|index| Value::from(lists.iter().map(|l| cell(l, index)).collect::<Vec<_>>())).collect())
}

fn nested(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let lists: Vec<Vec<Value>> = call.terms.iter().map(list_of).collect::<Result<_, _>>()?;
    if lists.is_empty() {
        return Err(call.wrong("needs at least one list"));
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
    let [outer, path, ..] = terms.as_slice() else { return Err(call.wrong("needs a list and the name of a part")) };
    let skip = terms.get(2).map(|options| options.get_attr("skip_missing")).transpose()?.is_some_and(|v| v.is_true());
    let skip = skip || call.flag("skip_missing", false);
    let outer = match outer.kind() {
        ValueKind::Map => pairs(outer)?.into_iter().map(|(_, v)| v).collect(),
        _ => items(outer)?,
    };
    let mut out = Vec::new();
    for item in outer.into_iter().filter(|i| !i.get_attr("skipped").is_ok_and(|s| s.is_true())) {
        let inner = attribute(&item, path);
        if is_missing(&inner) && skip {
            continue;
        }
        check(&inner)?;
        if !matches!(inner.kind(), ValueKind::Seq | ValueKind::Iterable) {
            return Err(call.wrong(format!("`{path}` must lead to a list, not {}", describe(&inner))));
        }
        let rest = without(&item, path)?;
        out.extend(items(&inner)?.into_iter().map(|sub| tuple(vec![rest.clone(), sub])));
    }
    Ok(out)
}

/// The item without the part that its rows repeat.
fn without(item: &Value, path: &Value) -> Result<Value, Error> {
    let name = path.as_str().filter(|p| !p.contains('.'));
    match (name, item.kind()) {
        (Some(name), ValueKind::Map) => {
            Ok(Value::from_pairs(pairs(item)?.into_iter().filter(|(key, _)| key.as_str() != Some(name))))
        }
        _ => Ok(item.clone()),
    }
}

fn random_choice(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    Ok(call.terms.choose(&mut rand::rng()).cloned().into_iter().collect())
}

/// `start-end/step:format`, or the same by name with `count`.
fn sequence(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    let named = |call: &mut Call<'_>, name: &str| call.option(name).map(|v| v.to_string());
    let mut options: Vec<(String, String)> = Vec::new();
    for name in ["start", "end", "count", "stride", "format"] {
        options.extend(named(call, name).map(|value| (name.to_owned(), value)));
    }
    let mut terms = call.texts()?;
    if terms.is_empty() {
        terms.push(String::new());
    }
    for term in terms {
        let mut own = options.clone();
        if term.contains('=') {
            own.extend(
                term.split_whitespace().filter_map(|p| p.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())),
            );
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
        parsed.map(Some).ok_or_else(|| call.wrong(format!("`{name}` must be a whole number, not `{text}`")))
    };
    let start = int("start")?.unwrap_or(1);
    let stride = int("stride")?.unwrap_or(if int("end")?.is_some_and(|end| end < start) { -1 } else { 1 });
    let end = match (int("end")?, int("count")?) {
        (Some(end), None) => end,
        (None, Some(0)) => return Ok(()),
        (None, Some(count)) => start.saturating_add(count.saturating_sub(1).saturating_mul(stride)),
        _ => return Err(call.wrong("needs either `end` or `count`")),
    };
    if stride == 0 {
        return Err(call.wrong("`stride` must not be 0"));
    }
    if (stride > 0 && end < start) || (stride < 0 && end > start) {
        return Err(call.wrong(format!("cannot count from {start} to {end} in steps of {stride}")));
    }
    let count = (end.abs_diff(start) / stride.unsigned_abs()).saturating_add(1);
    bound::items("lookup `sequence`", usize::try_from(count).ok())?;
    let format = find("format").unwrap_or("%d");
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
    let names = spread(&call.terms)?;
    let Some(context) = call.context.clone() else { return Err(call.wrong("there are no variables here")) };
    let mut out = Vec::new();
    for name in names {
        let name = string(&name)?;
        match (context.lookup(&name), &default) {
            (Some(value), _) => {
                check(&value)?;
                out.push(value);
            }
            (None, Some(default)) => out.push(default.clone()),
            (None, None) => {
                let kind = crate::template::error::Kind::Undefined { name: name.clone() };
                let error = crate::template::error::TemplateError::new(kind, None);
                return Err(crate::template::error::carry(context.cause(&name).unwrap_or(error)));
            }
        }
    }
    Ok(out)
}

fn varnames(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let Some(context) = call.context.clone() else { return Err(call.wrong("there are no variables here")) };
    let mut names = context.vars.names();
    names.sort();
    let mut out = Vec::new();
    for pattern in call.texts()? {
        let regex = filter::compile(&pattern, false, false, Place::Anywhere)?;
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
        Ok(hosts.into_iter().filter(|h| super::super::local::matches(name, &h.to_string())).collect())
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
