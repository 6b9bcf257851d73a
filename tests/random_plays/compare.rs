//! Where two runs of one play differ.

use serde_json::Value as Json;

use super::runs::{Line, Ran};
use crate::support::world::Files;

/// The first difference in the order of hosts, in words.
pub fn runs(one: &Ran, other: &Ran, whole: bool) -> Result<(), String> {
    for host in ["h1", "h2"] {
        let of = |ran: &Ran| ran.lines.iter().filter(|l| l.host == host).cloned().collect::<Vec<Line>>();
        let (ours, theirs) = (of(one), of(other));
        for (a, b) in ours.iter().zip(&theirs) {
            if a.task != b.task {
                return Err(format!("{host}: after the same tasks one runs {}, the other {}", a.task, b.task));
            }
            if a.status != b.status {
                return Err(format!(
                    "{host}: {}: {} or {}\n  {}\n  {}",
                    a.task, a.status, b.status, a.result, b.result
                ));
            }
            let failed = matches!(a.status.as_str(), "failed" | "ignored");
            if let Some((place, x, y)) = difference(&a.result, &b.result, whole, failed) {
                return Err(format!("{host}: {} ({}): {place} is {x} or {y}", a.task, a.status));
            }
        }
        if ours.len() != theirs.len() {
            let next = [ours.as_slice(), &theirs].map(|l| l.get(ours.len().min(theirs.len())).map(|l| l.task.clone()));
            return Err(format!("{host}: {} results or {}: one goes on with {next:?}", ours.len(), theirs.len()));
        }
    }
    files(&one.files, &other.files)
}

/// The first path that differs.
pub fn files(one: &Files, other: &Files) -> Result<(), String> {
    let missing = "nothing".to_owned();
    for path in one.keys().chain(other.keys()) {
        let (a, b) = (one.get(path).unwrap_or(&missing), other.get(path).unwrap_or(&missing));
        if a != b {
            return Err(format!("{path}: {a}\n  or {b}"));
        }
    }
    Ok(())
}

/// What is the same of failed tasks, whoever tells of them.
const SAME_OF_FAILED: &[&str] =
    &["failed", "changed", "skipped", "cmd", "stdout", "results", "item", "ansible_loop_var", "attempts"];

/// The first place at which two results differ. Without `whole`, only what both have is compared, and no message.
fn difference(a: &Json, b: &Json, whole: bool, failed: bool) -> Option<(String, Json, Json)> {
    match (a, b) {
        (Json::Object(x), Json::Object(y)) => {
            for (name, value) in x {
                // What went wrong may be told in other words.
                let temporary = y.get(name).and_then(Json::as_str).is_some_and(|text| text.contains("/.ansible/tmp/"));
                if !whole && temporary {
                    continue;
                }
                let failed = failed || x.get("failed") == Some(&Json::Bool(true));
                if !whole && failed && !SAME_OF_FAILED.contains(&name.as_str()) {
                    continue;
                }
                match y.get(name) {
                    Some(other) => {
                        if let Some((place, p, q)) = difference(value, other, whole, failed) {
                            return Some((format!(".{name}{place}"), p, q));
                        }
                    }
                    None if whole => return Some((format!(".{name}"), value.clone(), Json::Null)),
                    None => {}
                }
            }
            let more = y.iter().find(|(name, _)| whole && !x.contains_key(*name));
            more.map(|(name, value)| (format!(".{name}"), Json::Null, value.clone()))
        }
        (Json::Array(x), Json::Array(y)) if x.len() == y.len() => {
            x.iter().zip(y).enumerate().find_map(|(i, (p, q))| {
                difference(p, q, whole, failed).map(|(place, p, q)| (format!("[{i}]{place}"), p, q))
            })
        }
        (a, b) if a == b => None,
        (a, b) => Some((String::new(), a.clone(), b.clone())),
    }
}

/// Whether a plan foretold what a run then did.
pub fn foretold(plan: &Ran, run: &Ran) -> Result<(), String> {
    for host in ["h1", "h2"] {
        let of = |ran: &Ran| ran.lines.iter().filter(|l| l.host == host).cloned().collect::<Vec<Line>>();
        let (told, done) = (of(plan), of(run));
        for (said, did) in told.iter().zip(&done) {
            if said.task != did.task {
                // What a task depends on may notify, fail and skip others.
                if told.iter().any(open) {
                    break;
                }
                return Err(format!("{host}: the plan goes on with {}, the run with {}", said.task, did.task));
            }
            if open(said) {
                let same = matches!(did.status.as_str(), "failed" | "ignored");
                if same { break } else { continue }
            }
            if said.status != did.status {
                return Err(format!(
                    "{host}: {}: foretold {}, was {}\n  {}\n  {}",
                    said.task, said.status, did.status, said.result, did.result
                ));
            }
        }
    }
    Ok(())
}

/// Whether a plan said of a task, or of one of its items, that it does not know.
fn open(line: &Line) -> bool {
    let unknown = |result: &Json| {
        result.get("depends_on").is_some() || result["msg"].as_str().is_some_and(|m| m.contains("check mode"))
    };
    // A command that only reads says nothing more where its result is hidden.
    let hidden = line.status == "skipped" && line.result.get("censored").is_some();
    hidden || unknown(&line.result) || line.result["results"].as_array().is_some_and(|items| items.iter().any(unknown))
}
