//! Lookups: data from this machine and shapes of lists.

use std::sync::LazyLock;

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value};

use super::{context_of, local_of};
use crate::template::args::Args;
use crate::template::error::{Kind, TemplateError, carry, failed};
use crate::template::explain::suggestion;
use crate::template::value::{check, string};

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

/// Whether there is a lookup of this name; if not, what to say.
pub(crate) fn known(name: &str) -> Result<(), (Kind, Option<String>)> {
    static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| all().map(|(name, _)| *name).collect());
    let short = bare(name);
    if NAMES.contains(&short) {
        return Ok(());
    }
    Err((Kind::UnknownLookup(name.to_owned()), suggestion(short, &NAMES)))
}

/// The full names of all lookups.
pub fn full_names() -> Vec<String> {
    // Those that Ansible itself no longer has live in a collection.
    let home = |name: &str| if name == "flattened" { "community.general" } else { "ansible.builtin" };
    all().map(|(name, _)| format!("{}.{name}", home(name))).collect()
}

/// The short name of a lookup that is here.
pub fn name(written: &str) -> Option<&'static str> {
    all().map(|(name, _)| *name).find(|name| *name == bare(written))
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
    if let Err((kind, help)) = known(&given) {
        let error = TemplateError::new(kind, None);
        return Err(carry(match help {
            Some(help) => error.with_help(help),
            None => error,
        }));
    }
    let as_list = args.flag_named("wantlist", as_list);
    let errors = args.named("errors").map_or_else(|| "strict".to_owned(), |v| v.to_string());
    let Some((name, lookup)) = all().find(|(name, _)| *name == bare(&given)) else {
        return Err(failed(format!("there is no lookup `{given}`")));
    };
    let terms = args.rest();
    let mut one = Call { name, terms, args: &mut args, local: local_of(state), context: context_of(state) };
    // Options that the lookup does not have are left alone, as Ansible leaves them.
    let result = match lookup(&mut one) {
        Ok(found) => found,
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
