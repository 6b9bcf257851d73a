//! Filters, one file per subject. A name's home collection is part of its full name.

mod base;
mod compare;
mod data;
mod dict;
mod facts;
mod hash;
mod hashids;
mod list;
mod math;
mod net;
mod path;
mod query;
mod regex;
mod set;
mod table;
mod text;
mod time;
mod tree;
mod vault;
mod yaml;

use std::collections::HashSet;
use std::sync::LazyLock;

use minijinja::value::{Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, State};

use super::args::{Args, Filter};
use super::bound;
use super::value::check;

pub(crate) use base::is_missing;
pub(crate) use hash::{crypted, random_salt};
pub(crate) use net::{address as net_address, is as net_is, within as net_within};
pub(crate) use regex::{compile, trouble};
pub(crate) use text::{centered, formatted_text, percent, split_text};
pub(crate) use time::{Moment, Span, formatted, minus};
pub(crate) use yaml::parse as parse_yaml;

/// A filter, its name and whether it can make something of a missing value.
struct Entry {
    name: &'static str,
    filter: Filter,
    takes_missing: bool,
}

const fn on(name: &'static str, filter: Filter) -> Entry {
    Entry { name, filter, takes_missing: false }
}

const fn lenient(name: &'static str, filter: Filter) -> Entry {
    Entry { name, filter, takes_missing: true }
}

/// Where the filters of a file live in Ansible.
const HOMES: &[(&[&str], &[Entry])] = &[
    (&["ansible.builtin"], base::FILTERS),
    (&["ansible.builtin"], data::FILTERS),
    (&["ansible.builtin"], dict::FILTERS),
    (&["community.general"], base::GENERAL),
    (&["ansible.utils"], compare::UTILS),
    (&["community.general"], dict::GENERAL),
    (&["ansible.utils"], facts::UTILS),
    (&["ansible.builtin"], hash::FILTERS),
    (&["community.general"], hash::GENERAL),
    (&["community.general"], hashids::GENERAL),
    (&["ansible.builtin"], vault::FILTERS),
    (&["ansible.builtin"], list::FILTERS),
    (&["ansible.builtin"], math::FILTERS),
    (&["community.general"], math::GENERAL),
    (&["ansible.utils", "ansible.netcommon"], net::FILTERS),
    (&["ansible.builtin"], path::FILTERS),
    (&["community.general"], query::GENERAL),
    (&["ansible.builtin"], regex::FILTERS),
    (&["ansible.builtin"], set::FILTERS),
    (&["community.general"], set::GENERAL),
    (&["community.general"], table::GENERAL),
    (&["ansible.builtin"], text::FILTERS),
    (&["community.general"], text::GENERAL),
    (&["ansible.builtin"], time::FILTERS),
    (&["community.general"], time::GENERAL),
    (&["ansible.utils"], tree::UTILS),
    (&["ansible.builtin"], yaml::FILTERS),
];

/// All names of filters, short and full, without the engine's own helpers.
pub(crate) fn names() -> &'static [String] {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let mut names = Vec::new();
        for (homes, entries) in HOMES {
            for entry in entries.iter().filter(|e| !e.name.starts_with("__")) {
                names.push(entry.name.to_owned());
                names.extend(homes.iter().map(|home| format!("{home}.{}", entry.name)));
            }
        }
        names
    });
    &NAMES
}

/// Whether there is a filter of this name.
pub(crate) fn exists(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<&str>> = LazyLock::new(|| names().iter().map(String::as_str).collect());
    name.starts_with("__") || NAMES.contains(name)
}

pub(crate) fn register(env: &mut Environment<'static>) {
    for (homes, entries) in HOMES {
        for entry in *entries {
            let (name, filter, takes_missing) = (entry.name, entry.filter, entry.takes_missing);
            let what: &'static str = name;
            let call = move |state: &mut State<'_, '_>, value: &Value, rest: Rest<ValueOrKwargs>| {
                apply(what, filter, takes_missing, state, value, rest)
            };
            env.add_filter(name, call);
            for home in *homes {
                env.add_filter(format!("{home}.{name}"), call);
            }
        }
    }
}

/// What is missing passes through a filter unchanged, so that a later `default` can replace it.
fn apply(
    what: &'static str,
    filter: Filter,
    takes_missing: bool,
    state: &mut State,
    value: &Value,
    rest: Rest<ValueOrKwargs>,
) -> Result<Value, Error> {
    let mut args = Args::new(what, rest)?;
    if !takes_missing {
        if matches!(value.kind(), ValueKind::Undefined | ValueKind::Invalid) {
            return Ok(value.clone());
        }
        if let Some(missing) = args.missing() {
            check(missing)?;
        }
    }
    let result = filter(state, value, &mut args)?;
    args.finish()?;
    bound::checked(what, result)
}
