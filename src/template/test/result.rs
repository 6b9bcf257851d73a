//! What a task has registered.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::{Entry, on};
use crate::template::error::failed;
use crate::template::value::{describe, items};

pub(super) const TESTS: &[Entry] = &[
    on("change", |_, v, _| changed(v)),
    on("changed", |_, v, _| changed(v)),
    on("failed", |_, v, _| field(v, "failed", false)),
    on("failure", |_, v, _| field(v, "failed", false)),
    on("finished", |_, v, _| field(v, "finished", true)),
    on("reachable", |_, v, _| field(v, "unreachable", false).map(|u| !u)),
    on("skip", |_, v, _| field(v, "skipped", false)),
    on("skipped", |_, v, _| field(v, "skipped", false)),
    on("started", |_, v, _| field(v, "started", true)),
    on("succeeded", |_, v, _| field(v, "failed", false).map(|f| !f)),
    on("success", |_, v, _| field(v, "failed", false).map(|f| !f)),
    on("successful", |_, v, _| field(v, "failed", false).map(|f| !f)),
    on("timedout", |_, v, _| Ok(v.get_attr("timedout").is_ok_and(|t| t.is_true()))),
    on("unreachable", |_, v, _| field(v, "unreachable", false)),
];

fn field(result: &Value, name: &str, default: bool) -> Result<bool, Error> {
    if result.kind() != ValueKind::Map {
        return Err(failed(format!("{} is not the registered result of a task", describe(result))));
    }
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
