//! Lookups: data from this machine and shapes of lists.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value};

use super::{context_of, local_of};
use crate::template::args::Args;
use crate::template::explain::suggestion;
use crate::template::plugin::{self, PluginKind};
use crate::template::value::{check, items, string};

mod call;
mod config;
mod outside;
mod shapes;
mod tables;
mod url;

use call::{Call, Lookup};

/// The lookups of each file.
const TABLES: &[&[(&str, Lookup)]] =
    &[config::LOOKUPS, outside::LOOKUPS, shapes::LOOKUPS, tables::LOOKUPS, url::LOOKUPS];

fn all() -> impl Iterator<Item = &'static (&'static str, Lookup)> {
    TABLES.iter().copied().flatten()
}

fn bare(name: &str) -> &str {
    name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("community.general.")).unwrap_or(name)
}

/// Whether there is a lookup of this name here.
pub(crate) fn is_here(name: &str) -> bool {
    all().any(|(known, _)| *known == bare(name))
}

/// What was probably meant.
pub(crate) fn near(name: &str) -> Option<String> {
    static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| all().map(|(name, _)| *name).collect());
    suggestion(bare(name), &NAMES)
}

/// The full names of all lookups.
pub fn full_names() -> Vec<String> {
    // Those that Ansible itself no longer has live in a collection.
    let home = |name: &str| if name == "flattened" { "community.general" } else { "ansible.builtin" };
    all().map(|(name, _)| format!("{}.{name}", home(name))).collect()
}

/// The name of a lookup: the short one of those that are here, of somebody else's the one that is written.
pub fn name(written: &str) -> Option<&'static str> {
    /// Names of plugins, kept as those that are here.
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let here = all().map(|(name, _)| *name).find(|name| *name == bare(written));
    here.or_else(|| {
        plugin::find(PluginKind::Lookup, written).ok()??;
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        Some(names.get(written).copied().unwrap_or_else(|| {
            let kept: &'static str = written.to_owned().leak();
            names.insert(kept);
            kept
        }))
    })
}

pub(super) fn register(env: &mut Environment<'static>) {
    env.add_function("lookup", |state: &mut State<'_, '_>, rest: Rest<ValueOrKwargs>| call(state, rest, false));
    env.add_function("query", |state: &mut State<'_, '_>, rest: Rest<ValueOrKwargs>| call(state, rest, true));
    env.add_function("q", |state: &mut State<'_, '_>, rest: Rest<ValueOrKwargs>| call(state, rest, true));
}

fn call(state: &mut State, rest: Rest<ValueOrKwargs>, as_list: bool) -> Result<Value, Error> {
    let mut args = Args::new("lookup", rest)?;
    if let Some(missing) = args.missing() {
        check(missing)?;
    }
    // By its place alone: an option of the lookup may be called `name` too.
    let given = args.text("plugin_name")?;
    if !is_here(&given)
        && let Some(error) = plugin::unknown(PluginKind::Lookup, &given)
    {
        return Err(error);
    }
    let as_list = args.flag_named("wantlist", as_list);
    let errors = args.named("errors").map_or_else(|| "strict".to_owned(), |v| v.to_string());
    let result = match all().find(|(name, _)| *name == bare(&given)) {
        Some((name, lookup)) => {
            let terms = args.rest();
            // Options that the lookup does not have are left alone, as Ansible leaves them.
            lookup(&mut Call { name, terms, args: &mut args, local: local_of(state), context: context_of(state) })
        }
        None => plugin::call(state, PluginKind::Lookup, &given, &mut args).and_then(|found| items(&found)),
    };
    let result = match result {
        Ok(found) => found,
        Err(error) if errors == "warn" && !is_here(&given) => {
            local_of(state).warn(&format!("{error}"));
            return Ok(if as_list { Value::from(Vec::<Value>::new()) } else { Value::from(()) });
        }
        Err(_) if errors != "strict" => {
            return Ok(if as_list { Value::from(Vec::<Value>::new()) } else { Value::from(()) });
        }
        Err(error) => return Err(error),
    };
    if as_list {
        return Ok(Value::from(result));
    }
    single(result)
}

/// `lookup` gives one value as it is and joins several texts.
fn single(mut found: Vec<Value>) -> Result<Value, Error> {
    if found.len() == 1 {
        return Ok(found.remove(0));
    }
    if found.is_empty() {
        return Ok(Value::from(found));
    }
    if found.iter().all(|v| v.kind() == ValueKind::String) {
        let texts: Vec<String> = found.iter().map(string).collect::<Result<_, _>>()?;
        return Ok(Value::from(texts.join(",")));
    }
    Ok(Value::from(found))
}
