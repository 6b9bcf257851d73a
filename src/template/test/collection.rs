//! Lists and what they hold.

use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::template::args::Args;
use crate::template::value::{items, string, truth};

pub(super) const TESTS: &[Entry] = &[
    on("all", |_, v, _| items(v)?.iter().try_fold(true, |all, item| Ok(all && truth(item)?))),
    on("any", |_, v, _| items(v)?.iter().try_fold(false, |any, item| Ok(any || truth(item)?))),
    on("contains", contains),
    on("issubset", |_, v, a| subset(v, &a.value("b")?)),
    on("issuperset", |_, v, a| subset(&a.value("b")?, v)),
    on("subset", |_, v, a| subset(v, &a.value("b")?)),
    on("superset", |_, v, a| subset(&a.value("b")?, v)),
];

fn contains(_: &mut State, value: &Value, args: &mut Args) -> Result<bool, Error> {
    let wanted = args.value("value")?;
    match value.as_str() {
        Some(text) => Ok(text.contains(&string(&wanted)?)),
        None => Ok(items(value)?.contains(&wanted)),
    }
}

fn subset(small: &Value, large: &Value) -> Result<bool, Error> {
    let large = items(large)?;
    Ok(items(small)?.iter().all(|item| large.contains(item)))
}
