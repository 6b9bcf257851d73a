//! What a task has registered.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::{Check, Entry, Missing};
use crate::template::error::failed;
use crate::template::value::{check, describe, items, undefined};

pub(super) const TESTS: &[Entry] = &[
    of("change", |_, v, _| changed(v)),
    of("changed", |_, v, _| changed(v)),
    of("failed", |_, v, _| field(v, "failed", false)),
    of("failure", |_, v, _| field(v, "failed", false)),
    of("finished", |_, v, _| field(v, "finished", true)),
    of("reachable", |_, v, _| field(v, "unreachable", false).map(|u| !u)),
    of("skip", |_, v, _| field(v, "skipped", false)),
    of("skipped", |_, v, _| field(v, "skipped", false)),
    of("started", |_, v, _| field(v, "started", true)),
    of("succeeded", |_, v, _| field(v, "failed", false).map(|f| !f)),
    of("success", |_, v, _| field(v, "failed", false).map(|f| !f)),
    of("successful", |_, v, _| field(v, "failed", false).map(|f| !f)),
    of("timedout", |_, v, _| timed_out(v)),
    of("unreachable", |_, v, _| field(v, "unreachable", false)),
];

/// Ansible asks it of a missing value too, and refuses it as one of the wrong kind: no `default` makes that good.
const fn of(name: &'static str, check: Check) -> Entry {
    Entry { name, check, missing: Missing::Taken }
}

/// A registered result.
fn registered(result: &Value, name: &str) -> Result<(), Error> {
    let expects = format!("the '{name}' test expects a dictionary");
    match result.kind() {
        ValueKind::Map => Ok(()),
        ValueKind::Undefined => Err(failed(expects).with_source(undefined(result))),
        _ => {
            check(result)?;
            Err(failed(format!("{} is not the registered result of a task: {expects}", describe(result))))
        }
    }
}

/// Whether a task was ended when its time was over: the field holds how long that was.
fn timed_out(result: &Value) -> Result<bool, Error> {
    registered(result, "timedout")?;
    let told = result.get_attr("timedout")?;
    Ok(told.is_true() && told.get_attr("period").is_ok_and(|period| period.is_true()))
}

fn field(result: &Value, name: &str, default: bool) -> Result<bool, Error> {
    registered(result, name)?;
    let found = result.get_attr(name)?;
    Ok(if found.is_undefined() { default } else { found.is_true() })
}

/// Whether a task, or one of the items of its loop, changed something.
fn changed(result: &Value) -> Result<bool, Error> {
    let own = field(result, "changed", false)?;
    let results = result.get_attr("results")?;
    if own || !matches!(results.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Ok(own);
    }
    Ok(items(&results)?.iter().any(|item| item.get_attr("changed").is_ok_and(|c| c.is_true())))
}
