//! `ansible-playbook` whose output is read by a program: the lines of Ansible's own `default` callback.
//!
//! Source: <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/default_callback.html>

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use console::style;
use serde_json::{Map, Value as Json};

use super::{
    Counts, Event, ForPeople, LeftOut, Marks, Status, TaskLine, diff,
    fields::Fields,
    group::{Group, Groups, HostEnd, ItemEnd},
    recap,
    shown::{self, Shown},
    terminal,
};
use crate::python::text::repr;

/// Columns of Ansible's banners where there is no terminal.
const COLUMNS: usize = 79;

/// Fields that are no part of what is printed: ours, and what the first word says already.
const NEVER: [&str; 6] = ["failed", "skipped", "exception", "place", "help", "warnings"];

/// Modules whose results are printed on several lines.
const VERBOSE: [&str; 2] = ["debug", "assert"];

/// Prints what Ansible's `default` callback prints.
pub struct CallbackDefault {
    verbosity: u8,
    left_out: LeftOut,
    failures_aside: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    groups: Groups,
    warned: HashSet<Shown>,
    /// The task whose banner was printed last.
    last: Option<Vec<u32>>,
}

/// What is printed, and what goes to standard error.
#[derive(Default)]
struct Lines {
    out: String,
    err: String,
}

impl CallbackDefault {
    /// Returns a reporter; `failures_aside` sends what failed to standard error.
    pub fn new(verbosity: u8, left_out: LeftOut, failures_aside: bool) -> CallbackDefault {
        let state = Mutex::new(State { groups: Groups::with_meta(), ..State::default() });
        CallbackDefault { verbosity, left_out, failures_aside, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn group(&self, lines: &mut Lines, state: &mut State, group: &Group) {
        for included in included(&group.ends) {
            self.banner(lines, state, &group.task);
            lines.out.push_str(&format!("{}\n", style(included).cyan()));
        }
        for end in group.ends.iter().filter(|end| end.marks.included.is_empty()) {
            if !self.is_left_out(end) {
                self.banner(lines, state, &group.task);
                self.host(lines, &group.task, end);
            }
        }
    }

    fn is_left_out(&self, end: &HostEnd) -> bool {
        match end.status {
            Status::Ok => self.hides_ok() && end.items.iter().all(|item| item.status != Status::Changed),
            Status::Skipped => self.hides_skipped(),
            _ => false,
        }
    }

    fn hides_ok(&self) -> bool {
        self.left_out.ok || self.left_out.unchanged
    }

    fn hides_skipped(&self) -> bool {
        self.left_out.skipped || self.left_out.unchanged
    }

    fn banner(&self, lines: &mut Lines, state: &mut State, task: &TaskLine<Shown>) {
        if state.last.as_ref() == Some(&task.position) {
            return;
        }
        state.last = Some(task.position.clone());
        let word = if task.handler { "RUNNING HANDLER" } else { "TASK" };
        lines.out.push_str(&banner(&format!("{word} [{}]", task.name)));
        if self.verbosity > 1
            && let Some(span) = &task.span
        {
            let place = span.place().to_string();
            let place = place.rsplit_once(':').map_or(place.as_str(), |(line, _)| line);
            let whole = std::path::absolute(Path::new(place)).unwrap_or_else(|_| place.into());
            lines.out.push_str(&format!("task path: {}\n", Shown::line(&whole.display().to_string())));
        }
    }

    fn host(&self, lines: &mut Lines, task: &TaskLine<Shown>, end: &HostEnd) {
        let host = match end.delegate.as_ref().filter(|delegate| **delegate != end.host) {
            Some(delegate) => Shown::line(&format!("{} -> {delegate}", end.host)),
            None => end.host.clone(),
        };
        end.items.iter().for_each(|item| self.item(lines, task, &host, item));
        let differences = end.items.iter().map(|item| &item.diff).chain([&end.diff]);
        differences
            .filter(|_| end.marks.changed)
            .map(|one| diff::as_ansible(one))
            .for_each(|text| lines.out.push_str(&text));
        let looped = !end.items.is_empty();
        match end.status {
            Status::Ok | Status::Changed if looped => {}
            Status::Ok | Status::Changed => {
                let more = self.more(task, &end.result, &end.marks);
                lines
                    .out
                    .push_str(&format!("{}{more}\n", coloured(end.status, &format!("{}: [{host}]", word(end.status)))));
            }
            Status::Skipped => {
                let more = self.more(task, &end.result, &Marks::default());
                lines.out.push_str(&format!("{}{more}\n", coloured(end.status, &format!("skipping: [{}]", end.host))));
            }
            // The items have told, but for `debug`, of whose result its message alone is left.
            Status::Failed | Status::Ignored | Status::Rescued if looped && !is(task, "debug") => {}
            _ => {
                let unreachable = end.status == Status::Unreachable || end.marks.unreachable;
                let what = if unreachable { "UNREACHABLE" } else { "FAILED" };
                let text = self.json(task, &end.result, end.marks.shown || verbose_failure(task, looped), looped);
                self.failure(lines, &format!("fatal: [{host}]: {what}! => {text}"));
            }
        }
        if end.status == Status::Ignored {
            lines.out.push_str(&format!("{}\n", style("...ignoring").cyan()));
        }
    }

    fn item(&self, lines: &mut Lines, task: &TaskLine<Shown>, host: &Shown, item: &ItemEnd) {
        let label = label(item.label.raw());
        match item.status {
            Status::Ok if self.hides_ok() => {}
            Status::Skipped if self.hides_skipped() => {}
            Status::Ok | Status::Changed | Status::Skipped => {
                let skipped = item.status == Status::Skipped;
                let marks = if skipped { &Marks::default() } else { &item.marks };
                let more = self.more(task, &item.result, marks);
                let blank = if skipped { " " } else { "" };
                let head = format!("{}: [{host}] => (item={label}){blank}", word(item.status));
                lines.out.push_str(&format!("{}{more}\n", coloured(item.status, &head)));
            }
            _ => {
                let text = self.json(task, &item.result, item.marks.shown || verbose_failure(task, false), false);
                self.failure(lines, &format!("failed: [{host}] (item={label}) => {text}"));
            }
        }
    }

    fn failure(&self, lines: &mut Lines, text: &str) {
        let to = if self.failures_aside { &mut lines.err } else { &mut lines.out };
        to.push_str(&format!("{}\n", coloured(Status::Failed, text)));
    }

    /// What stands behind a line where results are shown.
    fn more(&self, task: &TaskLine<Shown>, result: &Fields, marks: &Marks) -> String {
        match self.verbosity > 0 || marks.shown {
            true => format!(" => {}", self.json(task, result, marks.shown, false)),
            false => String::new(),
        }
    }

    /// A result as Python writes it, its keys in order.
    fn json(&self, task: &TaskLine<Shown>, result: &Fields, shown: bool, looped: bool) -> String {
        let debug = is(task, "debug");
        let known = result.raw().as_object();
        let alone = debug && known.is_some_and(|known| known.contains_key("msg"));
        let wanted = |name: &str| {
            let verbose = matches!(name, "invocation" | "diff") && self.verbosity < 3;
            let hidden = debug && matches!(name, "changed" | "invocation" | "skip_reason");
            let printed = !name.starts_with("_ansible") && !NEVER.contains(&name) && !verbose && !hidden;
            printed && (!alone || name == "msg") && !(looped && name == "results")
        };
        let kept = known.into_iter().flatten().filter(|(name, _)| wanted(name));
        let mut kept: Map<String, Json> = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        kept.sort_keys();
        kept.values_mut().for_each(Json::sort_all_objects);
        let several = self.verbosity > 2 || shown;
        shown::json(&python_json(&Json::Object(kept), several))
    }
}

/// Whether a failure is told in several lines.
fn verbose_failure(task: &TaskLine<Shown>, looped: bool) -> bool {
    !looped && VERBOSE.iter().any(|name| is(task, name))
}

impl ForPeople for CallbackDefault {
    fn told(&self, event: Event<Shown, Fields>) {
        let mut state = self.state();
        let mut lines = Lines::default();
        for group in state.groups.take(&event) {
            self.group(&mut lines, &mut state, &group);
        }
        match event {
            Event::RunStart { playbooks, plays, .. } if self.verbosity > 1 => {
                for (path, plays) in playbooks.iter().zip(plays) {
                    let name = path.rsplit('/').next().unwrap_or(path);
                    lines.out.push_str(&banner(&format!("PLAYBOOK: {name}")));
                    lines.out.push_str(&format!("{plays} plays in {path}\n"));
                }
            }
            Event::PlayStart { play, hosts, .. } => {
                state.last = None;
                lines.out.push_str(&banner(&format!("PLAY [{play}]")));
                if hosts.is_empty() {
                    lines.out.push_str("skipping: no hosts matched\n");
                }
            }
            Event::Meta { message, .. } if self.verbosity > 1 => lines.out.push_str(&format!("META: {message}\n")),
            Event::Retry { task, host, left } => {
                let text = format!("FAILED - RETRYING: [{host}]: {} ({left} retries left).", task.name);
                lines.out.push_str(&format!("{text}\n"));
            }
            Event::Recap { hosts, stats, .. } => {
                lines.out.push_str(&recap(&hosts));
                if !stats.is_empty() && !self.left_out.stats {
                    lines.out.push_str(&format!("{}{}\n", banner("CUSTOM STATS:"), recap::stats(&stats)));
                }
            }
            Event::Warning { message } if state.warned.insert(message.clone()) => terminal::warn(&message),
            _ => {}
        }
        // A reader that is gone has no use for the rest.
        if !lines.err.is_empty() {
            terminal::err(lines.err.trim_end_matches('\n'));
        }
        let _ = terminal::out(&lines.out);
    }
}

/// Where includes have led, each file with its hosts.
fn included(ends: &[HostEnd]) -> Vec<String> {
    let mut order: Vec<(&String, &Option<Json>)> = Vec::new();
    let mut hosts: HashMap<(&String, String), Vec<String>> = HashMap::new();
    for end in ends {
        for (file, item) in &end.marks.included {
            let key = (file, item.as_ref().map(label).unwrap_or_default());
            if !hosts.contains_key(&key) {
                order.push((file, item));
            }
            hosts.entry(key).or_default().push(end.host.to_string());
        }
    }
    let line = |(file, item): (&String, &Option<Json>)| {
        let item = item.as_ref().map(label).unwrap_or_default();
        let hosts = hosts.get(&(file, item.clone())).map(|hosts| hosts.join(", ")).unwrap_or_default();
        let item = if item.is_empty() { item } else { format!(" => (item={item})") };
        format!("included: {} for {hosts}{item}", Shown::line(file))
    };
    order.into_iter().map(line).collect()
}

fn is(task: &TaskLine<Shown>, module: &str) -> bool {
    task.action.rsplit('.').next() == Some(module)
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Changed => "changed",
        Status::Skipped => "skipping",
        _ => "fatal",
    }
}

fn coloured(status: Status, text: &str) -> String {
    match status {
        Status::Ok => style(text).green().to_string(),
        Status::Changed => style(text).yellow().to_string(),
        Status::Skipped => style(text).cyan().to_string(),
        _ => style(text).red().to_string(),
    }
}

fn banner(text: &str) -> String {
    let stars = COLUMNS.saturating_sub(console::measure_text_width(text)).max(3);
    format!("\n{text} {}\n", "*".repeat(stars))
}

/// A loop's item as Python prints it.
fn label(item: &Json) -> String {
    match item {
        Json::String(text) => shown::line(text).into_owned(),
        other => shown::line(&python(other)).into_owned(),
    }
}

fn python(value: &Json) -> String {
    match value {
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => repr(text),
        Json::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(key, one)| format!("{}: {}", repr(key), python(one))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// JSON as Python writes it: on one line with a blank behind colons and commas, or indented.
fn python_json(value: &Json, several: bool) -> String {
    if several {
        let mut out = Vec::new();
        let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        // What was read into memory can be written there.
        let _ = serde::Serialize::serialize(value, &mut serde_json::Serializer::with_formatter(&mut out, format));
        return String::from_utf8_lossy(&out).into_owned();
    }
    match value {
        Json::Array(items) => {
            format!("[{}]", items.iter().map(|item| python_json(item, false)).collect::<Vec<_>>().join(", "))
        }
        Json::Object(map) => {
            let entry =
                |(key, one): (&String, &Json)| format!("{}: {}", Json::String(key.clone()), python_json(one, false));
            format!("{{{}}}", map.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

fn recap(hosts: &[(Shown, Counts)]) -> String {
    let mut hosts: Vec<&(Shown, Counts)> = hosts.iter().collect();
    hosts.sort_by(|(one, _), (other, _)| one.cmp(other));
    let line = |(host, c): &(Shown, Counts)| {
        let name = format!("{host:<26}");
        let name = match (c.failed + c.unreachable > 0, c.changed > 0) {
            (true, _) => style(name).red(),
            (_, true) => style(name).yellow(),
            _ => style(name).green(),
        };
        format!(
            "{name} : ok={:<4} changed={:<4} unreachable={:<4} failed={:<4} skipped={:<4} rescued={:<4} ignored={:<4}\n",
            c.ok, c.changed, c.unreachable, c.failed, c.skipped, c.rescued, c.ignored
        )
    };
    format!("{}{}\n", banner("PLAY RECAP"), hosts.into_iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn banners_and_labels_are_those_of_python() {
        assert_eq!(banner("PLAY [testhost]"), format!("\nPLAY [testhost] {}\n", "*".repeat(64)));
        assert_eq!(label(&json!({"a": [1, null, true], "b": "it's"})), "{'a': [1, None, True], 'b': \"it's\"}");
        assert_eq!(label(&json!("as it is")), "as it is");
        assert_eq!(python_json(&json!({"a": [1, "x"], "b": {}}), false), r#"{"a": [1, "x"], "b": {}}"#);
    }

    #[test]
    fn the_recap_is_padded_and_in_order() {
        let host = |name: &str, changed| (Shown::line(name), Counts { ok: 3, changed, ..Counts::default() });
        let text = recap(&[host("b", 0), host("a", 2)]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("PLAY RECAP *****"), "{text}");
        assert!(lines[2].starts_with("a                          : ok=3    changed=2 "), "{text}");
        assert!(lines[3].ends_with(" ignored=0   ") && text.ends_with("\n\n"), "{text:?}");
    }
}
