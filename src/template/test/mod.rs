//! Tests (`is …`), one file per subject.

mod basic;
mod collection;
mod net;
mod path;
mod result;
mod text;
pub(super) mod version;

use std::collections::HashSet;
use std::sync::LazyLock;

use minijinja::value::{Rest, Value, ValueOrKwargs};
use minijinja::{Environment, Error, State};

use super::args::Args;
use super::filter::is_missing;
use super::value::check;

type Check = fn(&mut State, &Value, &mut Args) -> Result<bool, Error>;

/// A test, its name and what it makes of a missing value.
struct Entry {
    name: &'static str,
    check: Check,
    missing: Missing,
}

/// What a test makes of a missing value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// It cannot be asked of one.
    Refused,
    /// It does not hold: one is of no type.
    Fails,
    /// It looks at it itself.
    Taken,
}

const fn on(name: &'static str, check: Check) -> Entry {
    Entry { name, check, missing: Missing::Refused }
}

const fn of_type(name: &'static str, check: Check) -> Entry {
    Entry { name, check, missing: Missing::Fails }
}

const fn lenient(name: &'static str, check: Check) -> Entry {
    Entry { name, check, missing: Missing::Taken }
}

const HOMES: &[(&str, &[Entry])] = &[
    ("ansible.builtin", basic::TESTS),
    ("ansible.builtin", collection::TESTS),
    ("ansible.builtin", path::TESTS),
    ("ansible.builtin", result::TESTS),
    ("ansible.builtin", text::TESTS),
    ("ansible.utils", net::TESTS),
    ("community.general", net::GENERAL),
    ("ansible.builtin", version::TESTS),
];

/// All names of tests, short and full.
pub(crate) fn names() -> &'static [String] {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let all = HOMES.iter().flat_map(|(home, entries)| entries.iter().map(move |e| (home, e.name)));
        all.flat_map(|(home, name)| [name.to_owned(), format!("{home}.{name}")]).collect()
    });
    &NAMES
}

/// Whether there is a test of this name.
pub(crate) fn exists(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<&str>> = LazyLock::new(|| names().iter().map(String::as_str).collect());
    name == "__plugin" || NAMES.contains(name)
}

pub(crate) fn register(env: &mut Environment<'static>) {
    for (home, entries) in HOMES {
        for entry in *entries {
            let (name, test, missing) = (entry.name, entry.check, entry.missing);
            let call =
                move |state: &mut State<'_, '_>, value: &Value, rest: Rest<ValueOrKwargs>| -> Result<bool, Error> {
                    let mut args = Args::new(name, rest)?;
                    if missing == Missing::Fails && is_missing(value) {
                        return Ok(false);
                    }
                    if missing != Missing::Taken {
                        check(value)?;
                        if let Some(missing) = args.missing() {
                            check(missing)?;
                        }
                    }
                    let result = test(state, value, &mut args)?;
                    args.finish()?;
                    Ok(result)
                };
            env.add_test(name, call);
            env.add_test(format!("{home}.{name}"), call);
        }
    }
}
