//! `bringup exec`: one result per host, as Ansible's ad-hoc command prints it.

use std::{
    collections::HashSet,
    io::Write,
    sync::{Mutex, PoisonError},
};

use console::style;
use serde_json::Value as Json;

use super::{Event, Reporter, Status, diff, failure, yamlish};

/// Prints one result per host.
pub struct AdHoc {
    verbosity: u8,
    warned: Mutex<HashSet<String>>,
}

impl AdHoc {
    /// Returns a reporter; `verbosity` of one shows all fields.
    pub fn new(verbosity: u8) -> AdHoc {
        AdHoc { verbosity, warned: Mutex::default() }
    }
}

impl Reporter for AdHoc {
    fn event(&self, event: Event) {
        match event {
            Event::TaskResult { host, status, diff: differences, result, .. } => {
                let text = format!("{}{}", one(&host, status, &result, self.verbosity), diff::unified(&differences));
                let mut out = std::io::stdout().lock();
                // A reader that is gone has no use for the rest.
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
            Event::Warning { message } => {
                let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
                if warned.insert(message.clone()) {
                    eprintln!("{} {message}", style("warning:").yellow());
                }
            }
            _ => {}
        }
    }
}

fn one(host: &str, status: Status, result: &Json, verbosity: u8) -> String {
    let word = match status {
        Status::Ok => style("SUCCESS").green(),
        Status::Changed => style("CHANGED").yellow(),
        Status::Skipped => style("SKIPPED").cyan(),
        Status::Unreachable => style("UNREACHABLE!").red(),
        Status::Failed | Status::Ignored | Status::Rescued => style("FAILED").red(),
    };
    let message = result.get("msg").map(failure::text).unwrap_or_default();
    if status == Status::Unreachable {
        return format!("{host} | {word} => {message}\n");
    }
    if let (Some(rc), Some(stdout), 0) = (result.get("rc"), result.get("stdout").and_then(Json::as_str), verbosity) {
        let stderr = result.get("stderr").and_then(Json::as_str).unwrap_or_default();
        let mut text = format!("{host} | {word} | rc={rc} >>\n");
        for part in [stdout, stderr].into_iter().filter(|p| !p.is_empty()) {
            text.push_str(part.trim_end_matches('\n'));
            text.push('\n');
        }
        // A failure that printed nothing must not be silent.
        if status == Status::Failed && stdout.is_empty() && stderr.is_empty() {
            text.push_str(&format!("{message}\n"));
        }
        return text;
    }
    let mut text = format!("{host} | {word} =>\n{}", yamlish::fields(result, 2));
    if let Some(help) = result.get("help").and_then(Json::as_str) {
        text.push_str(&format!("  help: {help}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_command_shows_what_it_printed() {
        let result = json!({"rc": 0, "stdout": "hi\n", "stderr": "", "changed": true});
        assert_eq!(one("h1", Status::Changed, &result, 0), "h1 | CHANGED | rc=0 >>\nhi\n");
        let result = json!({"rc": 1, "stdout": "", "stderr": "", "msg": "it failed"});
        assert_eq!(one("h1", Status::Failed, &result, 0), "h1 | FAILED | rc=1 >>\nit failed\n");
        let result = json!({"ping": "pong", "changed": false, "failed": false});
        assert_eq!(one("h1", Status::Ok, &result, 0), "h1 | SUCCESS =>\n  ping: pong\n  changed: false\n");
    }
}
