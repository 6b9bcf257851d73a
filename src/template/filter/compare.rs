//! Looking for entries, comparing lists: what `ansible.utils` has for it.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/utils/index_of_filter.html>

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::template::args::Args;
use crate::template::test;
use crate::template::value::{describe, items, string};

pub(super) const UTILS: &[Entry] = &[on("index_of", index_of), on("param_list_compare", param_list_compare)];

/// Where the entries stand that a test holds for, or their part of a name.
fn index_of(state: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let name = args.text("test")?;
    let (wanted, key) = (args.some("value"), args.some("key"));
    let (as_list, must) = (args.flag("wantlist", false)?, args.flag("fail_on_missing", false)?);
    let (inverted, bare) = match (name.strip_prefix('!'), name.strip_prefix("not ")) {
        (Some("="), _) => (true, "=="),
        (Some(rest), _) | (None, Some(rest)) => (true, rest.trim()),
        _ => (false, name.as_str()),
    };
    let bare = match bare {
        "==" | "=" => "eq",
        "!=" => "ne",
        ">" => "gt",
        ">=" => "ge",
        "<" => "lt",
        "<=" => "le",
        other => other,
    };
    if !test::exists(bare) {
        return Err(args.wrong(format!("there is no test `{name}`")));
    }
    let wanted = match wanted {
        Some(one) if bare == "in" && one.kind() != ValueKind::Seq => Some(Value::from(vec![one])),
        other => other,
    };
    let mut found = Vec::new();
    for (at, entry) in items(value)?.into_iter().enumerate() {
        let part = match &key {
            None => entry,
            Some(key) if entry.kind() == ValueKind::Map => {
                let part = entry.get_item(key)?;
                if part.is_undefined() {
                    if must {
                        return Err(args.wrong(format!("`{key}` was not found in {} at [{at}]", describe(&entry))));
                    }
                    continue;
                }
                part
            }
            Some(_) => {
                return Err(args.wrong(format!("with `key` all entries are mappings, not {}", describe(&entry))));
            }
        };
        let given: Vec<Value> = [part].into_iter().chain(wanted.clone()).collect();
        if state.perform_test(bare, &given)? != inverted {
            found.push(Value::from(at));
        }
    }
    Ok(match found.as_slice() {
        [one] if !as_list => one.clone(),
        _ => Value::from(found),
    })
}

/// Which of the names that are asked for there are: `all` means all of them, `!NAME` all but that.
fn param_list_compare(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let texts = |list: Vec<Value>| list.iter().map(string).collect::<Result<Vec<String>, Error>>();
    let base = texts(items(value)?)?;
    let target = texts(args.list("target")?)?;
    let mut kept: Vec<String> = if target.iter().any(|name| name == "all") { base.clone() } else { Vec::new() };
    let (mut wanted, mut unsupported) = (Vec::new(), Vec::new());
    for name in &target {
        match name.strip_prefix('!') {
            Some(gone) => kept.retain(|known| known != gone),
            None if name == "all" => {}
            None if base.contains(name) => wanted.push(name.clone()),
            None => unsupported.push(name.clone()),
        }
    }
    for name in wanted {
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    kept.sort();
    Ok(Value::from_pairs([("actionable", kept), ("unsupported", unsupported)]))
}
