//! Paths into values that hold others: `a.b[0]['c d']`.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/utils/get_path_filter.html>

use indexmap::IndexMap;
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::template::args::Args;
use crate::template::value::{check, items, pairs};

pub(super) const UTILS: &[Entry] = &[on("get_path", get_path), on("to_paths", to_paths)];

/// One step of a path.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(i64),
}

/// The steps of a path; `None` where it is none.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (inside, behind) = match inner.chars().next()? {
                quote @ ('\'' | '"') => {
                    let end = inner[1..].find(quote)? + 1;
                    (Step::Key(inner[1..end].to_owned()), inner[end + 1..].strip_prefix(']')?)
                }
                _ => {
                    let (number, behind) = inner.split_once(']')?;
                    (Step::Index(number.trim().parse().ok()?), behind)
                }
            };
            steps.push(inside);
            rest = behind.strip_prefix('.').unwrap_or(behind);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            if name.is_empty() {
                return None;
            }
            steps.push(name.parse().map_or_else(|_| Step::Key(name.to_owned()), Step::Index));
            rest = behind.strip_prefix('.').unwrap_or(behind);
        }
    }
    Some(steps)
}

fn get_path(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let path = args.text("path")?;
    let as_list = args.named("wantlist").is_some_and(|v| v.is_true());
    let Some(steps) = steps(&path) else {
        return Err(args.wrong(format!("`{path}` is no path, such as `a.b[0]['c d']`")));
    };
    let mut found = value.clone();
    for step in steps {
        found = match step {
            Step::Key(key) => found.get_item(&Value::from(key))?,
            Step::Index(at) if found.kind() == ValueKind::Map => {
                let by_number = found.get_item(&Value::from(at))?;
                if by_number.is_undefined() { found.get_item(&Value::from(at.to_string()))? } else { by_number }
            }
            Step::Index(at) => {
                let all = items(&found)?;
                let length = i64::try_from(all.len()).unwrap_or(i64::MAX);
                let at = if at < 0 { at + length } else { at };
                usize::try_from(at).ok().and_then(|at| all.get(at).cloned()).unwrap_or(Value::UNDEFINED)
            }
        };
        check(&found)?;
        if found.is_undefined() {
            return Err(args.wrong(format!("there is nothing at `{path}`")));
        }
    }
    let is_list = matches!(found.kind(), ValueKind::Seq | ValueKind::Iterable);
    Ok(if as_list && !is_list { Value::from(vec![found]) } else { found })
}

fn to_paths(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let prepend = args.text_or("prepend", "")?;
    let mut found = IndexMap::new();
    walk(value, &prepend, &mut found)?;
    Ok(Value::from(found))
}

/// Collects what holds nothing else, by its path.
fn walk(value: &Value, path: &str, found: &mut IndexMap<Value, Value>) -> Result<(), Error> {
    let inner: Vec<(String, Value)> = match value.kind() {
        ValueKind::Map => {
            let plain = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_');
            let step = |(key, entry): (Value, Value)| {
                let name = key.to_string();
                let is_number = matches!(key.kind(), ValueKind::Number);
                let step = match (is_number, plain(&name)) {
                    (true, _) => format!("{path}[{name}]"),
                    (_, true) if path.is_empty() => name,
                    (_, true) => format!("{path}.{name}"),
                    (_, false) => format!("{path}['{name}']"),
                };
                (step, entry)
            };
            pairs(value)?.into_iter().map(step).collect()
        }
        ValueKind::Seq | ValueKind::Iterable => {
            items(value)?.into_iter().enumerate().map(|(at, entry)| (format!("{path}[{at}]"), entry)).collect()
        }
        _ => Vec::new(),
    };
    if inner.is_empty() {
        found.insert(Value::from(path), value.clone());
    }
    inner.iter().try_for_each(|(path, entry)| walk(entry, path, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let key = |name: &str| Step::Key(name.to_owned());
        let cases = [
            ("a.b", Some(vec![key("a"), key("b")])),
            ("a[0].b", Some(vec![key("a"), Step::Index(0), key("b")])),
            ("a['c d'][-1]", Some(vec![key("a"), key("c d"), Step::Index(-1)])),
            ("a.0", Some(vec![key("a"), Step::Index(0)])),
            ("a..b", None),
            ("a[b", None),
            ("a['b", None),
        ];
        for (path, expected) in cases {
            assert_eq!(steps(path), expected, "{path}");
        }
    }
}
