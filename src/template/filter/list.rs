//! Lists: choosing, changing, ordering.

use std::cmp::Ordering;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use super::base::{attribute, is_missing};
use super::{Entry, on};
use crate::template::args::Args;
use crate::template::bound;
use crate::template::error::{Kind, TemplateError, carry, failed};
use crate::template::explain::suggestion;
use crate::template::plugin;
use crate::template::value::{check, describe, items, pairs, string, truth};

pub(super) const FILTERS: &[Entry] = &[
    on("batch", batch),
    on("count", length),
    on("dictsort", dictsort),
    on("first", first),
    on("flatten", flatten),
    on("groupby", groupby),
    on("join", join),
    on("last", last),
    on("length", length),
    on("map", map),
    on("max", |s, v, a| extreme(s, v, a, Ordering::Greater)),
    on("min", |s, v, a| extreme(s, v, a, Ordering::Less)),
    on("reject", |s, v, a| choose(s, v, a, false, false)),
    on("rejectattr", |s, v, a| choose(s, v, a, true, false)),
    on("reverse", reverse),
    on("select", |s, v, a| choose(s, v, a, false, true)),
    on("selectattr", |s, v, a| choose(s, v, a, true, true)),
    on("slice", slice),
    on("sort", sort),
    on("subelements", subelements),
    on("sum", sum),
];

/// The items, those that are errors included: a filter may yet drop them.
fn lax_items(value: &Value) -> Result<Vec<Value>, Error> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let all: Vec<Value> = value.try_iter()?.take(bound::MAX_ITEMS + 1).collect();
            bound::items("the list", Some(all.len()))?;
            Ok(all)
        }
        _ => items(value),
    }
}

fn length(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    match value.len() {
        Some(len) => Ok(Value::from(len)),
        None if value.kind() == ValueKind::Iterable => Ok(Value::from(items(value)?.len())),
        None => Err(failed(format!("length: {} has no length", describe(value)))),
    }
}

fn first(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    Ok(lax_items(value)?.into_iter().next().unwrap_or_else(|| nothing("first")))
}

fn last(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    Ok(lax_items(value)?.into_iter().next_back().unwrap_or_else(|| nothing("last")))
}

/// What `first` of an empty list is: missing, so that `default` can help.
fn nothing(which: &str) -> Value {
    let kind = Kind::NoAttribute { parent: "an empty list".to_owned(), name: format!("{which} item") };
    Value::from(carry(TemplateError::new(kind, None)))
}

fn reverse(_: &mut State, value: &Value, _: &mut Args) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        return Ok(Value::from(text.chars().rev().collect::<String>()));
    }
    Ok(items(value)?.into_iter().rev().collect())
}

fn join(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let between = args.text_or("d", "")?;
    let path = args.some("attribute");
    let mut out = String::new();
    for (index, item) in items(value)?.iter().enumerate() {
        let item = path.as_ref().map_or_else(|| item.clone(), |path| attribute(item, path));
        if index > 0 {
            out.push_str(&between);
        }
        check(&item)?;
        out.push_str(&string(&item)?);
        bound::bytes("join", Some(out.len()))?;
    }
    Ok(Value::from(out))
}

fn flatten(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let levels = args.opt_int("levels")?.and_then(|l| usize::try_from(l).ok());
    let skip_nulls = args.flag("skip_nulls", true)?;
    let mut out = Vec::new();
    spread(value, levels.unwrap_or(100), skip_nulls, &mut out)?;
    Ok(Value::from(out))
}

fn spread(value: &Value, levels: usize, skip_nulls: bool, out: &mut Vec<Value>) -> Result<(), Error> {
    for item in items(value)? {
        let list = matches!(item.kind(), ValueKind::Seq | ValueKind::Iterable);
        if list && levels > 0 {
            spread(&item, levels - 1, skip_nulls, out)?;
        } else if !(skip_nulls && (item.is_none() || matches!(item.as_str(), Some("None" | "null")))) {
            out.push(item);
            bound::items("flatten", Some(out.len()))?;
        }
    }
    Ok(())
}

fn map(state: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let mut out = Vec::new();
    // With the name of a filter, all else is for that filter.
    if let Some(path) = if args.positional() { None } else { args.named("attribute") } {
        let default = args.named("default");
        for item in lax_items(value)? {
            let found = attribute(&item, &path);
            out.push(match &default {
                Some(default) if is_missing(&found) => default.clone(),
                _ => found,
            });
        }
        return Ok(Value::from(out));
    }
    let name = args.text("filter")?;
    let plugin = plugin::may_be_filter(&name);
    let forwarded = args.forward();
    for item in lax_items(value)? {
        let mut call = vec![item];
        call.extend(plugin.then(|| Value::from(name.as_str())));
        call.extend(forwarded.iter().cloned());
        out.push(
            state.apply_filter(if plugin { "__plugin" } else { &name }, &call).map_err(|e| unknown(e, &name, false))?,
        );
    }
    Ok(Value::from(out))
}

/// Names the filter or test that `map` or `select` was told to use and that does not exist.
fn unknown(error: Error, name: &str, test: bool) -> Error {
    let (kind, names) = match error.kind() {
        ErrorKind::UnknownTest if test => (Kind::UnknownTest(name.to_owned()), crate::template::test::names()),
        ErrorKind::UnknownFilter if !test => (Kind::UnknownFilter(name.to_owned()), super::names()),
        _ => return error,
    };
    let ours = TemplateError::new(kind, None);
    carry(match suggestion(name, names) {
        Some(help) => ours.with_help(help),
        None => ours,
    })
}

fn choose(state: &mut State, value: &Value, args: &mut Args, by_attribute: bool, keep: bool) -> Result<Value, Error> {
    let path = if by_attribute { Some(args.value("attribute")?) } else { None };
    let test = args.opt_text("test")?;
    let forwarded = args.forward();
    let mut out = Vec::new();
    for item in lax_items(value)? {
        let subject = path.as_ref().map_or_else(|| item.clone(), |path| attribute(&item, path));
        let passed = match &test {
            None => truth(&subject)?,
            Some(name) => {
                let plugin = plugin::may_be_test(name);
                let mut call = vec![subject];
                call.extend(plugin.then(|| Value::from(name.as_str())));
                call.extend(forwarded.iter().cloned());
                state
                    .perform_test(if plugin { "__plugin" } else { name.as_str() }, &call)
                    .map_err(|e| unknown(e, name, true))?
            }
        };
        if passed == keep {
            out.push(item);
        }
    }
    Ok(Value::from(out))
}

/// Compares as Python does, texts without regard to case if told so.
pub(super) fn compare(a: &Value, b: &Value, case_sensitive: bool) -> Result<Ordering, Error> {
    check(a)?;
    check(b)?;
    if let (Some(x), Some(y)) = (a.as_str(), b.as_str()) {
        return Ok(if case_sensitive { x.cmp(y) } else { x.to_lowercase().cmp(&y.to_lowercase()) });
    }
    let number = |v: &Value| matches!(v.kind(), ValueKind::Number | ValueKind::Bool);
    let list = |v: &Value| matches!(v.kind(), ValueKind::Seq | ValueKind::Iterable);
    if number(a) && number(b) {
        let float = |v: &Value| f64::try_from(v.clone()).unwrap_or_else(|_| f64::from(u8::from(v.is_true())));
        let whole =
            |v: &Value| i128::try_from(v.clone()).ok().filter(|_| v.kind() == ValueKind::Bool || v.is_integer());
        return Ok(match (whole(a), whole(b)) {
            (Some(x), Some(y)) => x.cmp(&y),
            _ => float(a).total_cmp(&float(b)),
        });
    }
    if list(a) && list(b) {
        let (x, y) = (items(a)?, items(b)?);
        for (left, right) in x.iter().zip(&y) {
            match compare(left, right, case_sensitive)? {
                Ordering::Equal => {}
                other => return Ok(other),
            }
        }
        return Ok(x.len().cmp(&y.len()));
    }
    Err(failed(format!("{} and {} cannot be put in order", describe(a), describe(b))))
}

/// Sorts by keys that were worked out before; a comparison that cannot be made ends it.
fn sort_by_keys(mut keyed: Vec<(Vec<Value>, Value)>, case: bool, reverse: bool) -> Result<Vec<Value>, Error> {
    let mut problem = None;
    keyed.sort_by(|(a, _), (b, _)| {
        for (x, y) in a.iter().zip(b) {
            match compare(x, y, case) {
                Ok(Ordering::Equal) => {}
                Ok(order) => return if reverse { order.reverse() } else { order },
                Err(error) => {
                    problem.get_or_insert(error);
                    return Ordering::Equal;
                }
            }
        }
        Ordering::Equal
    });
    match problem {
        Some(error) => Err(error),
        None => Ok(keyed.into_iter().map(|(_, item)| item).collect()),
    }
}

fn keyed(values: Vec<Value>, path: Option<&Value>) -> Vec<(Vec<Value>, Value)> {
    let paths: Vec<Value> = match path {
        Some(path) => match path.as_str() {
            Some(text) => text.split(',').map(|p| Value::from(p.trim())).collect(),
            None => vec![path.clone()],
        },
        None => Vec::new(),
    };
    let key = |item: &Value| match paths.as_slice() {
        [] => vec![item.clone()],
        paths => paths.iter().map(|p| attribute(item, p)).collect(),
    };
    values.into_iter().map(|item| (key(&item), item)).collect()
}

fn sort(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let reverse = args.flag("reverse", false)?;
    let case = args.flag("case_sensitive", false)?;
    let path = args.some("attribute");
    sort_by_keys(keyed(items(value)?, path.as_ref()), case, reverse).map(Value::from)
}

fn dictsort(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let case = args.flag("case_sensitive", false)?;
    let by = args.text_or("by", "key")?;
    let reverse = args.flag("reverse", false)?;
    let entries = pairs(value)?.into_iter().map(|(k, v)| {
        let key = if by == "value" { v.clone() } else { k.clone() };
        (vec![key], Value::from(vec![k, v]))
    });
    sort_by_keys(entries.collect(), case, reverse).map(Value::from)
}

fn extreme(_: &mut State, value: &Value, args: &mut Args, wanted: Ordering) -> Result<Value, Error> {
    let case = args.flag("case_sensitive", false)?;
    let path = args.some("attribute");
    let mut best: Option<(Vec<Value>, Value)> = None;
    for (key, item) in keyed(items(value)?, path.as_ref()) {
        let better = match (&best, key.first()) {
            (Some((old, _)), Some(new)) => match old.first() {
                Some(old) => compare(new, old, case)? == wanted,
                None => true,
            },
            _ => true,
        };
        if better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or_else(|| nothing("smallest or greatest"), |(_, item)| item))
}

fn sum(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let path = args.some("attribute");
    let start = args.some("start").unwrap_or_else(|| Value::from(0));
    let mut values = vec![start];
    for item in items(value)? {
        values.push(path.as_ref().map_or_else(|| item.clone(), |path| attribute(&item, path)));
    }
    values.iter().try_for_each(check)?;
    if values.iter().skip(1).all(|v| matches!(v.kind(), ValueKind::Seq | ValueKind::Iterable)) && values.len() > 1 {
        let mut out = Vec::new();
        for list in values.iter().filter(|v| !v.is_number()) {
            out.extend(items(list)?);
            bound::items("sum", Some(out.len()))?;
        }
        return Ok(Value::from(out));
    }
    let whole = |v: &Value| i128::try_from(v.clone()).ok().filter(|_| v.is_integer());
    let whole = values.iter().try_fold(0i128, |sum, v| sum.checked_add(whole(v)?));
    if let Some(total) = whole {
        return Ok(super::base::small(total));
    }
    let mut total = 0.0;
    for value in &values {
        total +=
            f64::try_from(value.clone()).map_err(|_| args.wrong(format!("{} is not a number", describe(value))))?;
    }
    Ok(Value::from(total))
}

/// One group of `groupby`: a pair that also answers to `grouper` and `list`.
#[derive(Debug)]
struct Group(Value, Value);

impl Object for Group {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match (key.as_str(), key.as_usize()) {
            (Some("grouper"), _) | (None, Some(0)) => Some(self.0.clone()),
            (Some("list"), _) | (None, Some(1)) => Some(self.1.clone()),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(2)
    }
}

fn groupby(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let path = args.value("attribute")?;
    let default = args.next("default");
    let case = args.flag("case_sensitive", false)?;
    let mut keyed = Vec::new();
    for item in items(value)? {
        let mut key = attribute(&item, &path);
        if let (true, Some(default)) = (is_missing(&key), &default) {
            key = default.clone();
        }
        check(&key)?;
        keyed.push((vec![key.clone()], Value::from((key, item))));
    }
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for pair in sort_by_keys(keyed, case, false)? {
        let (key, item) = (pair.get_item_by_index(0)?, pair.get_item_by_index(1)?);
        match groups.last_mut() {
            Some((last, list)) if compare(last, &key, case)? == Ordering::Equal => list.push(item),
            _ => groups.push((key, vec![item])),
        }
    }
    Ok(groups.into_iter().map(|(k, l)| Value::from_object(Group(k, Value::from(l)))).collect())
}

fn batch(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let size = args.count("linecount", 1)?.max(1);
    let fill = args.some("fill_with");
    let mut rows: Vec<Vec<Value>> = items(value)?.chunks(size).map(<[Value]>::to_vec).collect();
    if let (Some(fill), Some(row)) = (fill, rows.last_mut()) {
        bound::items("batch", Some(size))?;
        row.resize(size, fill);
    }
    Ok(rows.into_iter().map(Value::from).collect())
}

fn slice(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let count = args.count("slices", 1)?.max(1);
    let fill = args.some("fill_with");
    let all = items(value)?;
    bound::items("slice", Some(count))?;
    let (size, longer) = (all.len() / count, all.len() % count);
    let mut at = 0;
    let mut columns = Vec::new();
    for number in 0..count {
        let end = at + size + usize::from(number < longer);
        let mut column = all.get(at..end).unwrap_or_default().to_vec();
        // As Jinja does: where all are of one length, each gets one more.
        if let (Some(fill), true) = (&fill, number >= longer) {
            column.push(fill.clone());
        }
        at = end;
        columns.push(Value::from(column));
    }
    Ok(Value::from(columns))
}

fn subelements(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let path = args.value("subelements")?;
    let skip_missing = args.flag("skip_missing", false)?;
    let outer = match value.kind() {
        ValueKind::Map => pairs(value)?.into_iter().map(|(_, v)| v).collect(),
        ValueKind::Seq | ValueKind::Iterable => items(value)?,
        _ => return Err(failed("obj must be a list of dicts or a nested dict")),
    };
    if !matches!(path.kind(), ValueKind::Seq | ValueKind::String) {
        return Err(args.wrong(format!("subelements must be a list or a string, not {}", describe(&path))));
    }
    let path = match path.kind() {
        ValueKind::Seq => Value::from(items(&path)?.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")),
        _ => path,
    };
    let mut out = Vec::new();
    for item in outer {
        let inner = attribute(&item, &path);
        if is_missing(&inner) && skip_missing {
            continue;
        }
        check(&inner)?;
        if !matches!(inner.kind(), ValueKind::Seq | ValueKind::Iterable) {
            return Err(args.wrong(format!("the key '{path}' should point to a list, got {}", describe(&inner))));
        }
        for sub in items(&inner)? {
            out.push(Value::from(vec![item.clone(), sub]));
        }
    }
    Ok(Value::from(out))
}
