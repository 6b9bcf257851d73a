//! Facts of several sources, and what has changed in them: what `ansible.utils` has for it.
//!
//! Sources: <https://docs.ansible.com/ansible/latest/collections/ansible/utils/consolidate_filter.html>,
//! <https://docs.ansible.com/ansible/latest/collections/ansible/utils/fact_diff_filter.html>

use indexmap::IndexMap;
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::python::difflib::unified_diff;
use crate::python::regex::{Flags, Place, Regex};
use crate::python::text::splitlines;
use crate::template::args::Args;
use crate::template::value::{check, describe, items, pairs, string, to_json};

pub(super) const UTILS: &[Entry] = &[on("consolidate", consolidate), on("fact_diff", fact_diff)];

/// One list of facts.
struct Source {
    name: Value,
    /// The facts that have the key, by its value.
    by_key: IndexMap<Value, Value>,
}

/// Reads a source; puts what it lacks into the words of each check.
fn source(
    given: &Value,
    at: usize,
    args: &Args,
    missing: &mut Vec<String>,
    twice: &mut Vec<String>,
) -> Result<Source, Error> {
    let part = |name: &str| -> Result<Value, Error> {
        let part = given.get_attr(name)?;
        match part.is_undefined() {
            true => Err(args.wrong(format!("data source {at} has no `{name}`"))),
            false => Ok(part),
        }
    };
    let (name, key) = (part("name")?, part("match_key")?);
    let mut by_key = IndexMap::new();
    let mut again = false;
    for (index, entry) in items(&part("data")?)?.into_iter().enumerate() {
        let value = entry.get_item(&key)?;
        if value.is_undefined() {
            missing.push(format!("missing match key '{key}' in data source {at} in list entry {}", index + 1));
            continue;
        }
        again |= by_key.insert(value, entry).is_some();
    }
    if again {
        twice.push(format!("duplicate values in data source {at}"));
    }
    Ok(Source { name, by_key })
}

fn failure(args: &Args, checks: &[(&str, &[String], bool)]) -> Result<(), Error> {
    let said = |(name, found, asked): &(&str, &[String], bool)| {
        (*asked && !found.is_empty()).then(|| format!("'{name}' reported {}", found.join(", ")))
    };
    let all: Vec<String> = checks.iter().filter_map(said).collect();
    if all.is_empty() { Ok(()) } else { Err(args.wrong(all.join("; "))) }
}

/// Brings the facts of several sources together that agree on a key.
fn consolidate(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let no_key = args.flag("fail_missing_match_key", true)?;
    let no_value = args.flag("fail_missing_match_value", true)?;
    let duplicate = args.flag("fail_duplicate", true)?;
    let (mut missing, mut twice) = (Vec::new(), Vec::new());
    let given = items(value)?;
    let sources = given.iter().enumerate().map(|(at, given)| source(given, at + 1, args, &mut missing, &mut twice));
    let sources: Vec<Source> = sources.collect::<Result<_, _>>()?;
    failure(args, &[("fail_missing_match_key", &missing, no_key), ("fail_duplicate", &twice, duplicate)])?;
    let mut keys: Vec<&Value> = sources.iter().flat_map(|source| source.by_key.keys()).collect();
    keys.sort();
    keys.dedup();
    let lacking = |(at, source): (usize, &Source)| {
        let lacks = keys.iter().filter(|key| !source.by_key.contains_key(**key)).map(ToString::to_string);
        let lacks: Vec<String> = lacks.collect();
        let at = at + 1;
        (!lacks.is_empty()).then(|| format!("missing match value {} in data source {at}", lacks.join(", ")))
    };
    let missing: Vec<String> = sources.iter().enumerate().filter_map(lacking).collect();
    failure(args, &[("fail_missing_match_value", &missing, no_value)])?;
    let empty = || Value::from(IndexMap::<Value, Value>::new());
    let row = |key: &Value| -> IndexMap<Value, Value> {
        let of = |source: &Source| source.by_key.get(key).cloned().unwrap_or_else(empty);
        sources.iter().map(|source| (source.name.clone(), of(source))).collect()
    };
    Ok(keys.into_iter().map(|key| (key.clone(), Value::from(row(key)))).collect::<IndexMap<Value, Value>>().into())
}

/// The expressions of lines that are not compared.
fn skipped(plugin: Option<&Value>, args: &Args) -> Result<Vec<Regex>, Error> {
    let Some(plugin) = plugin else { return Ok(Vec::new()) };
    let part = |value: &Value, name: &str| {
        (value.kind() == ValueKind::Map).then(|| value.get_attr(name).ok()).flatten().filter(|v| !v.is_undefined())
    };
    if let Some(name) = part(plugin, "name").filter(|name| name.as_str() != Some("ansible.utils.native")) {
        return Err(args.wrong(format!("`{name}` is not here: only ansible.utils.native is")));
    }
    let lines = part(plugin, "vars").and_then(|vars| part(&vars, "skip_lines"));
    let Some(lines) = lines.filter(|lines| !lines.is_none()) else { return Ok(Vec::new()) };
    let patterns = if lines.kind() == ValueKind::String { vec![lines] } else { items(&lines)? };
    let compile = |pattern: &Value| {
        let pattern = string(pattern)?;
        let wrong = |fault| args.wrong(format!("The regex '{pattern}', is not valid. The error was {fault}."));
        Regex::at(&pattern, Flags::default(), Place::Start).map_err(wrong)
    };
    patterns.iter().map(compile).collect()
}

/// What is compared of a value: its lines, without those that are skipped.
fn compared(value: &Value, skip: &[Regex], args: &Args) -> Result<String, Error> {
    check(value)?;
    let joined = |lines: Vec<String>| -> Result<String, Error> {
        let mut kept = Vec::new();
        for line in lines {
            let mut hit = false;
            for pattern in skip {
                hit |= pattern.is_match(&line).map_err(|fault| args.wrong(fault))?;
            }
            if !hit {
                kept.push(line);
            }
        }
        Ok(format!("{}\n", kept.join("\n")))
    };
    match value.kind() {
        ValueKind::None => Ok(String::new()),
        ValueKind::String if skip.is_empty() => string(value),
        ValueKind::String => joined(splitlines(&string(value)?, false).into_iter().map(str::to_owned).collect()),
        ValueKind::Map if !skip.is_empty() => {
            joined(pairs(value)?.iter().map(|(key, _)| string(key)).collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            let mut json = to_json(value)?;
            json.sort_all_objects();
            Ok(format!("{}\n", super::data::nice(&json, 4)))
        }
        ValueKind::Seq | ValueKind::Iterable => joined(items(value)?.iter().map(string).collect::<Result<_, _>>()?),
        _ => Err(args.wrong(format!("compares texts, lists and mappings, not {}", describe(value)))),
    }
}

/// The lines of a text, the last one marked if nothing ends it.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = splitlines(text, true).into_iter().map(str::to_owned).collect();
    if let Some(last) = lines.last_mut().filter(|last| !last.ends_with('\n')) {
        last.push_str("\n\\ No newline at end of file\n");
    }
    lines
}

/// The difference of two facts, as the lines of a diff; with `common` only what they do not have in common.
fn fact_diff(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let after = args.value("after")?;
    let plugin = args.some("plugin");
    let changed_alone = args.flag("common", false)?;
    let skip = skipped(plugin.as_ref(), args)?;
    let (before, after) = (lines(&compared(value, &skip, args)?), lines(&compared(&after, &skip, args)?));
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.iter().map(String::as_str).collect(), after.iter().map(String::as_str).collect());
    let context = before.len().max(after.len());
    let diff = unified_diff(&before, &after, ("before", "after"), context);
    let diff = diff.ok_or_else(|| args.wrong("what is compared is too large"))?;
    if diff.is_empty() {
        return Ok(Value::from(Vec::<Value>::new()));
    }
    let kept = diff.iter().filter(|line| !changed_alone || line.starts_with(['+', '-']));
    let text: String = kept.map(String::as_str).chain(["\n"]).collect();
    // As Ansible does: what would colour a terminal is not part of it.
    let escapes = regex::Regex::new(r"\x1B[@-_][0-?]*[ -/]*[@-~]").map_err(|error| args.wrong(error))?;
    let text = escapes.replace_all(&text, "");
    Ok(splitlines(&text, false).into_iter().map(Value::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_line_without_an_end_is_marked() {
        assert_eq!(lines("a\nb"), ["a\n", "b\n\\ No newline at end of file\n"]);
        assert_eq!(lines("a\n"), ["a\n"]);
        assert!(lines("").is_empty());
    }
}
