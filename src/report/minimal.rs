//! `ansible`: one result per host, in the very form that Ansible's command prints, for programs read it.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use console::style;
use serde_json::{Map, Value as Json};

use super::{Event, ForPeople, Status, diff, fields::Fields, shown, shown::Shown, terminal};

/// Modules whose result is what a program printed.
const PRINTING: [&str; 3] = ["command", "shell", "raw"];

/// Fields that are shown from `-vvv` on.
const VERBOSE: [&str; 2] = ["invocation", "diff"];

/// Fields that the first word says already, or that are nobody's business.
const NEVER: [&str; 4] = ["failed", "skipped", "exception", "place"];

/// Prints one result per host.
pub struct Minimal {
    verbosity: u8,
    one_line: bool,
    /// The folder that results are written to.
    tree: Option<PathBuf>,
    person: bool,
    warned: Mutex<HashSet<Shown>>,
}

impl Minimal {
    /// Returns a reporter; `one_line` makes a line of each result, `tree` is a folder that takes them too.
    pub fn new(verbosity: u8, one_line: bool, tree: Option<PathBuf>) -> Minimal {
        Minimal { verbosity, one_line, tree, person: terminal::read_by_a_person(), warned: Mutex::default() }
    }

    fn result(&self, host: &Shown, status: Status, action: &Shown, result: &Fields) -> (String, String) {
        let result = self.told(&action.to_string(), result.raw());
        let caption = match status {
            Status::Ok => style("SUCCESS").green(),
            Status::Changed => style("CHANGED").yellow(),
            Status::Skipped => return (format!("{host} | {}\n", style("SKIPPED").cyan()), String::new()),
            Status::Unreachable => style("UNREACHABLE!").red(),
            Status::Failed | Status::Ignored | Status::Rescued => style("FAILED").red(),
        };
        let failed = matches!(status, Status::Failed | Status::Ignored | Status::Rescued);
        let text = |name: &str| result.get(name).and_then(Json::as_str).unwrap_or_default();
        let printing = PRINTING.contains(&action.to_string().rsplit('.').next().unwrap_or_default());
        // Of what is left running there is nothing printed yet.
        let job = !failed && result.contains_key("ansible_job_id");
        if printing && !job && status != Status::Unreachable {
            let rc = result.get("rc").map_or_else(|| "-1".to_owned(), Json::to_string);
            if self.one_line {
                let flat = |name: &str| text(name).replace('\n', "\\n").replace('\r', "\\r");
                let err =
                    if text("stderr").is_empty() { String::new() } else { format!(" (stderr) {}", flat("stderr")) };
                return (format!("{host} | {caption} | rc={rc} | "), format!("(stdout) {}{err}\n", flat("stdout")));
            }
            let printed = format!("{}{}{}\n", text("stdout"), text("stderr"), text("msg"));
            return (format!("{host} | {caption} | rc={rc} >>\n"), printed);
        }
        if self.one_line && status == Status::Unreachable {
            return (format!("{host} | UNREACHABLE!: {}\n", Shown::message(text("msg"))), String::new());
        }
        let mark = if failed { "!" } else { "" };
        let json = shown::json(&json(&Json::Object(result.clone()), if self.one_line { None } else { Some(4) }));
        (format!("{host} | {caption}{mark} => {json}\n"), String::new())
    }

    /// What is shown of a result.
    fn told(&self, action: &str, result: &Json) -> Map<String, Json> {
        let Json::Object(result) = result else { return Map::new() };
        let debug = action.rsplit('.').next() == Some("debug");
        let alone = debug && result.contains_key("msg");
        let wanted = |name: &str| {
            let verbose = VERBOSE.contains(&name) && self.verbosity < 3;
            let silent = debug && (name == "changed" || (alone && name != "msg"));
            !name.starts_with("_ansible_") && !NEVER.contains(&name) && !verbose && !silent
        };
        let kept = result.iter().filter(|(name, _)| wanted(name));
        let mut kept: Map<String, Json> = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        kept.sort_keys();
        kept.values_mut().for_each(Json::sort_all_objects);
        kept
    }

    fn keep(&self, host: &Shown, action: &str, result: &Fields) {
        let Some(folder) = &self.tree else { return };
        let host = host.to_string();
        // A name that leads out of the folder is no file's.
        if host.contains(['/', '\0']) || matches!(host.as_str(), "." | "..") {
            return terminal::warn(&format!(
                "the result of {} is not written: its name is no file's",
                Shown::line(&host)
            ));
        }
        let text = json(&Json::Object(self.told(action, result.raw())), None);
        if let Err(error) = std::fs::write(folder.join(&host), text) {
            terminal::warn(&format!("cannot write the result of {host} into {}: {error}", folder.display()));
        }
    }
}

impl ForPeople for Minimal {
    fn told(&self, event: Event<Shown, Fields>) {
        match event {
            Event::TaskResult { host, task, status, diff: differences, result, .. } => {
                let _ = terminal::out(&diff::unified(&differences));
                let (head, printed) = self.result(&host, status, &task.action, &result);
                // A reader that is gone has no use for the rest.
                let _ = terminal::out(&head);
                let _ = match self.person {
                    true => terminal::out(&shown::block(&printed)),
                    // Whoever pipes it wants the bytes.
                    false => terminal::data(printed.as_bytes()),
                };
                self.keep(&host, &task.action.to_string(), &result);
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

/// JSON with its keys sorted, as Python writes it: indented, or on one line with a blank behind each colon.
fn json(value: &Json, indent: Option<usize>) -> String {
    let indent = indent.map_or(Vec::new(), |width| vec![b' '; width]);
    let format = serde_json::ser::PrettyFormatter::with_indent(&indent);
    let mut out = Vec::new();
    let written = serde::Serialize::serialize(value, &mut serde_json::Serializer::with_formatter(&mut out, format));
    let text = String::from_utf8_lossy(&out).into_owned();
    match written {
        Ok(()) if indent.is_empty() => text.replace('\n', ""),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(one_line: bool, status: Status, action: &str, result: Json) -> String {
        let minimal = Minimal { verbosity: 0, one_line, tree: None, person: false, warned: Mutex::default() };
        let (head, printed) = minimal.result(&Shown::line("h1"), status, &Shown::line(action), &Fields::of(result));
        format!("{head}{printed}")
    }

    #[test]
    fn results_have_the_form_of_ansible() {
        let ping = json!({"ping": "pong", "changed": false, "failed": false, "a": {}});
        assert_eq!(
            shown(false, Status::Ok, "ping", ping.clone()),
            "h1 | SUCCESS => {\n    \"a\": {},\n    \"changed\": false,\n    \"ping\": \"pong\"\n}\n"
        );
        assert_eq!(
            shown(true, Status::Ok, "ping", ping),
            "h1 | SUCCESS => {\"a\": {},\"changed\": false,\"ping\": \"pong\"}\n"
        );
        let failed = json!({"rc": 3, "stdout": "a\nb", "stderr": "", "msg": "non-zero return code", "changed": true});
        assert_eq!(
            shown(false, Status::Failed, "ansible.builtin.shell", failed.clone()),
            "h1 | FAILED | rc=3 >>\na\nbnon-zero return code\n"
        );
        assert_eq!(shown(true, Status::Changed, "shell", failed), "h1 | CHANGED | rc=3 | (stdout) a\\nb\n");
        let debug = json!({"msg": "hi", "changed": false});
        assert_eq!(shown(false, Status::Ok, "debug", debug), "h1 | SUCCESS => {\n    \"msg\": \"hi\"\n}\n");
        let gone = json!({"msg": "away", "changed": false, "unreachable": true});
        assert!(shown(false, Status::Unreachable, "ping", gone).starts_with("h1 | UNREACHABLE! => {\n"));
    }
}
