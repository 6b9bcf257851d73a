//! Mappings.

use indexmap::IndexMap;
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::base::{attribute, is_missing};
use super::{Entry, on};
use crate::python::regex::Place;
use crate::template::args::Args;
use crate::template::error::failed;
use crate::template::value::{check, describe, items, pairs};

pub(super) const FILTERS: &[Entry] = &[
    on("combine", combine),
    on("dict2items", dict2items),
    on("items2dict", items2dict),
    on("rekey_on_member", rekey_on_member),
];

pub(super) const GENERAL: &[Entry] = &[
    on("counter", counter),
    on("dict", dict),
    on("dict_kv", dict_kv),
    on("groupby_as_dict", groupby_as_dict),
    on("keep_keys", keep_keys),
    on("remove_keys", remove_keys),
    on("replace_keys", replace_keys),
];

type Entries = IndexMap<Value, Value>;

fn entries(value: &Value) -> Result<Entries, Error> {
    Ok(pairs(value)?.into_iter().collect())
}

/// How `combine` brings two lists under one key together.
#[derive(Clone, Copy)]
enum ListMerge {
    Replace,
    Keep,
    Append,
    Prepend,
    AppendRp,
    PrependRp,
}

fn combine(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let recursive = args.named("recursive").is_some_and(|v| v.is_true());
    let merge = list_merge(args.named("list_merge").as_ref().and_then(Value::as_str).unwrap_or("replace"), args)?;
    if !args.rest_named().is_empty() {
        return Err(failed("'recursive' and 'list_merge' are the only valid keyword arguments"));
    }
    let mut parts = Vec::new();
    for part in std::iter::once(value.clone()).chain(args.rest()) {
        collect(&part, &mut parts)?;
    }
    let mut result = Entries::new();
    for part in parts {
        check(&part)?;
        if part.kind() != ValueKind::Map {
            let what = describe(&part);
            return Err(failed(format!("failed to combine variables, expected dicts but got {what}")));
        }
        result = merged(result, entries(&part)?, recursive, merge)?;
    }
    Ok(Value::from(result))
}

/// Merges one mapping over another, as `combine` does.
pub(super) fn merge(low: &Value, high: &Value, recursive: bool, lists: &str, args: &Args) -> Result<Value, Error> {
    Ok(Value::from(merged(entries(low)?, entries(high)?, recursive, list_merge(lists, args)?)?))
}

fn list_merge(name: &str, args: &Args) -> Result<ListMerge, Error> {
    Ok(match name {
        "replace" => ListMerge::Replace,
        "keep" => ListMerge::Keep,
        "append" => ListMerge::Append,
        "prepend" => ListMerge::Prepend,
        "append_rp" => ListMerge::AppendRp,
        "prepend_rp" => ListMerge::PrependRp,
        other => {
            let known = "replace, keep, append, prepend, append_rp, prepend_rp";
            return Err(args.wrong(format!("`list_merge` cannot be `{other}`: {known}")));
        }
    })
}

/// Mappings, or lists of mappings: what says nothing is left out.
fn collect(value: &Value, out: &mut Vec<Value>) -> Result<(), Error> {
    let given = match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => items(value)?,
        _ => vec![value.clone()],
    };
    out.extend(given.into_iter().filter(|v| !v.is_none()));
    Ok(())
}

fn merged(mut low: Entries, high: Entries, recursive: bool, merge: ListMerge) -> Result<Entries, Error> {
    for (key, new) in high {
        let Some(old) = low.get(&key) else {
            low.insert(key, new);
            continue;
        };
        let is_list = |v: &Value| matches!(v.kind(), ValueKind::Seq | ValueKind::Iterable);
        let value = if recursive && old.kind() == ValueKind::Map && new.kind() == ValueKind::Map {
            Value::from(merged(entries(old)?, entries(&new)?, true, merge)?)
        } else if is_list(old) && is_list(&new) {
            lists(items(old)?, items(&new)?, merge)
        } else {
            new
        };
        low.insert(key, value);
    }
    Ok(low)
}

fn lists(old: Vec<Value>, new: Vec<Value>, merge: ListMerge) -> Value {
    let without =
        |list: Vec<Value>, other: &[Value]| -> Vec<Value> { list.into_iter().filter(|v| !other.contains(v)).collect() };
    Value::from(match merge {
        ListMerge::Replace => new,
        ListMerge::Keep => old,
        ListMerge::Append => [old, new].concat(),
        ListMerge::Prepend => [new, old].concat(),
        ListMerge::AppendRp => [without(old, &new), new].concat(),
        ListMerge::PrependRp => {
            let rest = without(old, &new);
            [new, rest].concat()
        }
    })
}

fn dict2items(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let key_name = args.text_or("key_name", "key")?;
    let value_name = args.text_or("value_name", "value")?;
    if value.kind() != ValueKind::Map {
        return Err(failed(format!("dict2items requires a dictionary, got {} instead", describe(value))));
    }
    let row = |(k, v)| Value::from_pairs([(key_name.as_str(), k), (value_name.as_str(), v)]);
    Ok(pairs(value)?.into_iter().map(row).collect())
}

fn items2dict(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let key_name = Value::from(args.text_or("key_name", "key")?);
    let value_name = Value::from(args.text_or("value_name", "value")?);
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(failed(format!("items2dict requires a list, got {} instead", describe(value))));
    }
    let mut out = Entries::new();
    for item in items(value)? {
        if item.kind() != ValueKind::Map {
            check(&item)?;
            return Err(failed(format!("items2dict requires a list of dictionaries, got {} in it", describe(&item))));
        }
        let lacks = |name: &Value| item.get_item(name).is_ok_and(|entry| entry.is_undefined());
        if lacks(&key_name) || lacks(&value_name) {
            let keys = format!("'{key_name}' and '{value_name}'");
            return Err(failed(format!(
                "items2dict requires each dictionary in the list to contain the keys {keys}, got {} in it",
                describe(&item)
            )));
        }
        let (key, entry) = (attribute(&item, &key_name), attribute(&item, &value_name));
        check(&key)?;
        check(&entry)?;
        out.insert(key, entry);
    }
    Ok(Value::from(out))
}

fn rekey_on_member(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let key = args.value("key")?;
    let overwrite = match args.text_or("duplicates", "error")?.as_str() {
        "overwrite" => true,
        "error" => false,
        other => {
            let known = "error or overwrite";
            return Err(failed(format!(
                "duplicates parameter to rekey_on_member has unknown value: {other}, which is not {known}"
            )));
        }
    };
    let rows = match value.kind() {
        ValueKind::Map => pairs(value)?.into_iter().map(|(_, v)| v).collect(),
        ValueKind::Seq | ValueKind::Iterable => items(value)?,
        _ => {
            let what = describe(value);
            return Err(failed(format!("rekey_on_member: Type is not a valid list, set, or dict: {what}")));
        }
    };
    let mut out = Entries::new();
    for item in rows {
        check(&item)?;
        if item.kind() != ValueKind::Map {
            return Err(args.wrong(format!("List item is not a valid dict: {}", describe(&item))));
        }
        let name = item.get_item(&key)?;
        if name.is_undefined() {
            return Err(args.wrong(format!("Key {key} was not found in {}", describe(&item))));
        }
        if out.insert(name.clone(), item).is_some() && !overwrite {
            return Err(args.wrong(format!("Key {name} is not unique, cannot correctly turn into dict")));
        }
    }
    Ok(Value::from(out))
}

fn dict(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    let mut out = Entries::new();
    for pair in items(value)? {
        let pair = items(&pair)?;
        let [key, entry] = pair.as_slice() else {
            return Err(failed("dict: every item must be a pair"));
        };
        out.insert(key.clone(), entry.clone());
    }
    Ok(Value::from(out))
}

fn dict_kv(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    Ok(Value::from_pairs([(args.text("key")?, value.clone())]))
}

fn counter(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    let mut counts: IndexMap<Value, u64> = IndexMap::new();
    for item in items(value)? {
        *counts.entry(item).or_default() += 1;
    }
    Ok(Value::from_pairs(counts))
}

/// Whether a key is one that is meant, by what `matching_parameter` says.
fn fits(key: &str, target: &str, matching: &str) -> Result<bool, Error> {
    Ok(match matching {
        "equal" => key == target,
        "starts_with" => key.starts_with(target),
        "ends_with" => key.ends_with(target),
        _ => super::compile(target, false, false, Place::Anywhere)?
            .is_match(key)
            .map_err(|fault| super::trouble(&fault))?,
    })
}

/// The mappings of a list with the entries whose key passes.
fn filtered(value: &Value, args: &mut Args, keep: bool) -> Result<Value, Error> {
    let target = args.value("target")?;
    let matching = args.text_or("matching_parameter", "equal")?;
    let targets = match target.kind() {
        ValueKind::String => vec![target],
        _ => items(&target)?,
    };
    let hit = |key: &str| -> Result<bool, Error> {
        for target in &targets {
            if fits(key, &target.to_string(), &matching)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let mut out = Vec::new();
    for item in items(value)?.iter().filter(|i| !is_missing(i)) {
        let mut row = Entries::new();
        for (key, entry) in pairs(item)? {
            if hit(&key.to_string())? == keep {
                row.insert(key, entry);
            }
        }
        out.push(Value::from(row));
    }
    Ok(Value::from(out))
}

fn keep_keys(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    filtered(value, args, true)
}

fn remove_keys(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    filtered(value, args, false)
}

/// The mappings of a list with other names for keys: the last `before` that fits a key gives it its `after`.
fn replace_keys(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let target = args.value("target")?;
    let matching = args.text_or("matching_parameter", "equal")?;
    let targets = if target.kind() == ValueKind::Map { vec![target] } else { items(&target)? };
    let mut names = Vec::new();
    for target in &targets {
        let (before, after) = (attribute(target, &Value::from("before")), attribute(target, &Value::from("after")));
        check(&before)?;
        check(&after)?;
        names.push((before.to_string(), after));
    }
    let mut out = Vec::new();
    for item in items(value)?.iter().filter(|i| !is_missing(i)) {
        let mut row = Entries::new();
        for (key, entry) in pairs(item)? {
            let mut name = key.clone();
            for (before, after) in &names {
                if fits(&key.to_string(), before, &matching)? {
                    name = after.clone();
                }
            }
            row.insert(name, entry);
        }
        out.push(Value::from(row));
    }
    Ok(Value::from(out))
}

fn groupby_as_dict(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let key = args.value("attribute")?;
    let mut out = Entries::new();
    for item in items(value)? {
        let name = attribute(&item, &key);
        check(&name)?;
        if out.insert(name.clone(), item).is_some() {
            return Err(args.wrong(format!("several elements have `{name}` as `{key}`")));
        }
    }
    Ok(Value::from(out))
}
