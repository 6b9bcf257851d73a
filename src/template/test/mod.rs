//! Tests (`is …`), one file per subject.

mod basic;
mod collection;
mod net;
mod path;
mod result;
mod text;
pub(super) mod version;

use std::sync::LazyLock;

use minijinja::value::{Rest, Value, ValueOrKwargs};
use minijinja::{Environment, Error, State};

use super::args::Args;
use super::value::check;

type Check = fn(&mut State, &Value, &mut Args) -> Result<bool, Error>;

/// A test, its name and whether it can make something of a missing value.
struct Entry {
    name: &'static str,
    check: Check,
    takes_missing: bool,
}

const fn on(name: &'static str, check: Check) -> Entry {
    Entry { name, check, takes_missing: false }
}

const fn lenient(name: &'static str, check: Check) -> Entry {
    Entry { name, check, takes_missing: true }
}

const HOMES: &[(&str, &[Entry])] = &[
    ("ansible.builtin", basic::TESTS),
    ("ansible.builtin", collection::TESTS),
    ("ansible.builtin", path::TESTS),
    ("ansible.builtin", result::TESTS),
    ("ansible.builtin", text::TESTS),
    ("ansible.utils", net::TESTS),
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
    names().iter().any(|n| n == name)
}

pub(crate) fn register(env: &mut Environment<'static>) {
    for (home, entries) in HOMES {
        for entry in *entries {
            let (name, test, takes_missing) = (entry.name, entry.check, entry.takes_missing);
            let call =
                move |state: &mut State<'_, '_>, value: &Value, rest: Rest<ValueOrKwargs>| -> Result<bool, Error> {
                    let mut args = Args::new(name, rest)?;
                    if !takes_missing {
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
