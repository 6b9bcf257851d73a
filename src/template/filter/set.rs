//! Lists as sets, and ways to bring several lists together.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::base::{attribute, is_missing};
use super::{Entry, on};
use crate::template::args::Args;
use crate::template::bound;
use crate::template::error::failed;
use crate::template::value::{boolean_text, check, describe, items};

pub(super) const FILTERS: &[Entry] = &[
    on("combinations", combinations),
    on("difference", difference),
    on("intersect", intersect),
    on("permutations", permutations),
    on("product", product),
    on("symmetric_difference", symmetric_difference),
    on("union", union),
    on("unique", unique),
    on("zip", zip),
    on("zip_longest", zip_longest),
];

pub(super) const GENERAL: &[Entry] = &[
    on("lists_difference", |_, v, a| several(v, a, Several::Difference)),
    on("lists_intersect", |_, v, a| several(v, a, Several::Intersection)),
    on("lists_mergeby", lists_mergeby),
    on("lists_symmetric_difference", |_, v, a| several(v, a, Several::Symmetric)),
    on("lists_union", |_, v, a| several(v, a, Several::Union)),
];

/// How `community.general` brings several lists together.
#[derive(Clone, Copy)]
enum Several {
    Union,
    Intersection,
    Difference,
    Symmetric,
}

/// Lists given one by one, or as one list of lists with `flatten`.
fn several(value: &Value, args: &mut Args, how: Several) -> Result<Value, Error> {
    let flatten = args.flag_named("flatten", false);
    let mut lists: Vec<Value> = std::iter::once(value.clone()).chain(args.rest()).collect();
    if flatten {
        lists = lists.iter().map(items).collect::<Result<Vec<_>, _>>()?.concat();
    }
    let mut lists = lists.iter().map(items).collect::<Result<Vec<_>, _>>()?.into_iter();
    let mut all = deduplicated(lists.next().unwrap_or_default());
    for list in lists {
        all = match how {
            Several::Union => deduplicated(all.into_iter().chain(list)),
            Several::Intersection => all.into_iter().filter(|v| list.contains(v)).collect(),
            Several::Difference => all.into_iter().filter(|v| !list.contains(v)).collect(),
            Several::Symmetric => {
                let new: Vec<Value> = deduplicated(list.iter().filter(|v| !all.contains(v)).cloned());
                all.into_iter().filter(|v| !list.contains(v)).chain(new).collect()
            }
        };
    }
    Ok(Value::from(all))
}

/// Mappings of several lists, merged where they agree on one key; sorted by it.
fn lists_mergeby(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let recursive = args.flag_named("recursive", false);
    let merge = args.named("list_merge").map_or_else(|| "replace".to_owned(), |v| v.to_string());
    let mut given = args.rest();
    let Some(index) = args.named("index").or_else(|| given.pop()) else {
        return Err(args.wrong("needs the name of a key"));
    };
    let mut rows: std::collections::BTreeMap<String, Value> = std::collections::BTreeMap::new();
    let mut lists = Vec::new();
    for list in std::iter::once(value.clone()).chain(given) {
        let inner = items(&list)?;
        let nested = inner.iter().all(|v| v.kind() == ValueKind::Seq);
        lists.extend(if nested { inner.iter().map(items).collect::<Result<_, _>>()? } else { vec![inner] });
    }
    if let [one] = lists.as_slice() {
        return Ok(Value::from(one.clone()));
    }
    for list in lists {
        for item in list {
            let key = attribute(&item, &index);
            if is_missing(&key) {
                continue;
            }
            check(&key)?;
            let row = match rows.remove(&key.to_string()) {
                Some(old) => super::dict::merge(&old, &item, recursive, &merge, args)?,
                None => item,
            };
            rows.insert(key.to_string(), row);
        }
    }
    Ok(rows.into_values().collect())
}

fn deduplicated(values: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut seen = indexmap::IndexSet::new();
    seen.extend(values);
    seen.into_iter().collect()
}

fn unique(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let case = args.some("case_sensitive");
    let path = args.some("attribute");
    let plain = case.is_none() && path.is_none();
    let case = case.is_some_and(|case| case.as_str().and_then(boolean_text).unwrap_or_else(|| case.is_true()));
    let mut seen = indexmap::IndexSet::new();
    let mut out = Vec::new();
    for item in items(value)? {
        let key = path.as_ref().map_or_else(|| item.clone(), |path| attribute(&item, path));
        check(&key)?;
        if !plain && matches!(key.kind(), ValueKind::Map | ValueKind::Seq) {
            // Jinja's own cannot, and Ansible's knows of no parameters.
            return Err(failed(format!(
                "Jinja2's unique filter failed and we cannot fall back to Ansible's version as it does not support the parameters \
                 supplied: {} is compared as a whole",
                describe(&key)
            )));
        }
        let key = match key.as_str() {
            Some(text) if !case => Value::from(text.to_lowercase()),
            _ => key,
        };
        if seen.insert(key) {
            out.push(item);
        }
    }
    Ok(Value::from(out))
}

fn union(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let other = args.list("b")?;
    Ok(Value::from(deduplicated(items(value)?.into_iter().chain(other))))
}

fn intersect(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let other: indexmap::IndexSet<Value> = args.list("b")?.into_iter().collect();
    Ok(Value::from(deduplicated(items(value)?.into_iter().filter(|v| other.contains(v)))))
}

fn difference(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let other: indexmap::IndexSet<Value> = args.list("b")?.into_iter().collect();
    Ok(Value::from(deduplicated(items(value)?.into_iter().filter(|v| !other.contains(v)))))
}

fn symmetric_difference(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let left: indexmap::IndexSet<Value> = items(value)?.into_iter().collect();
    let right: indexmap::IndexSet<Value> = args.list("b")?.into_iter().collect();
    let (a, b) = (left.iter().filter(|v| !right.contains(*v)), right.iter().filter(|v| !left.contains(*v)));
    Ok(Value::from(a.chain(b).cloned().collect::<Vec<_>>()))
}

fn others(value: &Value, args: &mut Args) -> Result<Vec<Vec<Value>>, Error> {
    let mut lists = vec![items(value)?];
    for list in args.rest() {
        lists.push(items(&list)?);
    }
    Ok(lists)
}

fn row(values: Vec<Value>) -> Value {
    Value::from(values)
}

fn zip(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let lists = others(value, args)?;
    let len = lists.iter().map(Vec::len).min().unwrap_or(0);
    Ok((0..len).map(|i| row(lists.iter().filter_map(|l| l.get(i).cloned()).collect())).collect())
}

fn zip_longest(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let fill = args.named("fillvalue").unwrap_or_else(|| Value::from(()));
    let lists = others(value, args)?;
    let len = lists.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |list: &Vec<Value>, i: usize| list.get(i).cloned().unwrap_or_else(|| fill.clone());
    Ok((0..len).map(|i| row(lists.iter().map(|l| cell(l, i)).collect())).collect())
}

fn product(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let repeat = args.named("repeat").and_then(|v| v.as_usize()).unwrap_or(1);
    let once = others(value, args)?;
    bound::items("product", once.len().checked_mul(repeat))?;
    let lists: Vec<&Vec<Value>> = std::iter::repeat_n(&once, repeat).flatten().collect();
    let size = lists.iter().try_fold(1usize, |n, l| n.checked_mul(l.len()));
    bound::items("product", size.and_then(|n| n.checked_mul(lists.len())))?;
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for list in lists {
        rows = rows
            .iter()
            .flat_map(|row| list.iter().map(move |item| row.iter().cloned().chain([item.clone()]).collect()))
            .collect();
    }
    Ok(rows.into_iter().map(row).collect())
}

/// Rows of `len` positions; `ordered` keeps only ascending ones.
fn arrangements(values: &[Value], len: usize, ordered: bool) -> Result<Vec<Vec<usize>>, Error> {
    let mut rows: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..len {
        let mut next = Vec::new();
        for row in &rows {
            for at in 0..values.len() {
                let fits = if ordered { row.last().is_none_or(|last| *last < at) } else { !row.contains(&at) };
                if fits {
                    next.push(row.iter().copied().chain([at]).collect());
                }
            }
            bound::items("arrangements", next.len().checked_mul(row.len() + 1))?;
        }
        rows = next;
    }
    Ok(rows)
}

fn arranged(value: &Value, len: usize, ordered: bool) -> Result<Value, Error> {
    let values = items(value)?;
    let rows = arrangements(&values, len, ordered)?;
    Ok(rows.iter().map(|r| row(r.iter().filter_map(|at| values.get(*at).cloned()).collect())).collect())
}

fn permutations(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let len = args.count("r", value.len().filter(|_| value.kind() != ValueKind::Map).unwrap_or(0))?;
    arranged(value, len, false)
}

fn combinations(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let len = args.count("r", 2)?;
    arranged(value, len, true)
}
