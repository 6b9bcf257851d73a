//! `bringup exec`: one result per host, as Ansible's ad-hoc command prints it.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use console::style;
use serde_json::Value as Json;

use super::{
    Event, ForPeople, Status, diff,
    fields::Fields,
    shown::{self, Shown},
    terminal,
};

/// Prints one result per host.
pub struct AdHoc {
    verbosity: u8,
    /// What commands print is for a person, not for a program.
    person: bool,
    warned: Mutex<HashSet<Shown>>,
}

impl AdHoc {
    /// Returns a reporter; `verbosity` of one shows all fields.
    pub fn new(verbosity: u8) -> AdHoc {
        AdHoc { verbosity, person: terminal::read_by_a_person(), warned: Mutex::default() }
    }
}

impl ForPeople for AdHoc {
    fn told(&self, event: Event<Shown, Fields>) {
        match event {
            Event::TaskResult { host, status, diff: differences, result, .. } => {
                let (head, printed) = one(&host, status, &result, self.verbosity);
                // A reader that is gone has no use for the rest.
                let _ = terminal::out(&head);
                let _ = match self.person {
                    true => terminal::out(&indented(&printed)),
                    // Whoever pipes it wants the bytes.
                    false => terminal::data(printed.as_bytes()),
                };
                let _ = terminal::out(&diff::unified(&differences));
            }
            Event::Warning { message } => {
                let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
                if warned.insert(message.clone()) {
                    terminal::warn(&message);
                }
            }
            _ => {}
        }
    }
}

/// What commands printed, in a form that none of it can be taken for a line of ours.
fn indented(printed: &str) -> String {
    shown::block(printed).lines().map(|line| format!("  {line}\n")).collect()
}

/// The text about a result, and behind it what a command printed, as it is.
fn one(host: &Shown, status: Status, result: &Fields, verbosity: u8) -> (String, String) {
    let word = match status {
        Status::Ok => style("SUCCESS").green(),
        Status::Changed => style("CHANGED").yellow(),
        Status::Skipped => style("SKIPPED").cyan(),
        Status::Unreachable => style("UNREACHABLE!").red(),
        Status::Failed | Status::Ignored | Status::Rescued => style("FAILED").red(),
    };
    let message = result.message("msg").unwrap_or_default();
    if status == Status::Unreachable {
        return (format!("{host} | {word} => {message}\n"), String::new());
    }
    let stream = |name: &str| result.raw().get(name).and_then(Json::as_str);
    if let (Some(rc), Some(stdout), 0) = (result.line("rc"), stream("stdout"), verbosity) {
        let stderr = stream("stderr").unwrap_or_default();
        let mut text = format!("{host} | {word} | rc={rc} >>\n");
        let mut printed = String::new();
        for part in [stdout, stderr].into_iter().filter(|p| !p.is_empty()) {
            printed.push_str(part.trim_end_matches('\n'));
            printed.push('\n');
        }
        // A failure that printed nothing must not be silent.
        if status == Status::Failed && stdout.is_empty() && stderr.is_empty() {
            text.push_str(&format!("{message}\n"));
        }
        return (text, printed);
    }
    let mut text = format!("{host} | {word} =>\n{}", result.yaml(2));
    if let Some(help) = result.message("help") {
        text.push_str(&format!("  help: {help}\n"));
    }
    (text, String::new())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_command_shows_what_it_printed() {
        let told = |status: Status, result: Json| {
            let (head, printed) = one(&Shown::line("h1"), status, &Fields::of(result), 0);
            format!("{head}{}", indented(&printed))
        };
        let result = json!({"rc": 0, "stdout": "hi\n\nh2 | CHANGED\x1b\n", "stderr": "", "changed": true});
        assert_eq!(told(Status::Changed, result), "h1 | CHANGED | rc=0 >>\n  hi\n  \n  h2 | CHANGED\\x1b\n");
        let result = json!({"rc": 1, "stdout": "", "stderr": "", "msg": "it failed"});
        assert_eq!(told(Status::Failed, result), "h1 | FAILED | rc=1 >>\nit failed\n");
        let result = json!({"ping": "pong", "changed": false, "failed": false});
        assert_eq!(told(Status::Ok, result), "h1 | SUCCESS =>\n  ping: pong\n  changed: false\n");
    }
}
