//! Lines for people, task by task in Ansible's order; on a terminal below them what is going on.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use console::style;
use serde_json::{Map, Serializer, Value as Json, ser::PrettyFormatter};

use super::{
    Certainty, Event, ForPeople, LeftOut, Marks, Status, TaskLine, diff, failure,
    fields::Fields,
    group::{Group, Groups, HostEnd, ItemEnd},
    live::Live,
    recap,
    shown::{self, Shown},
    terminal,
};
use crate::yaml::Span;

/// More hosts than these with the same terse end share a line on a terminal.
const FOLD: usize = 5;

/// Prints results for people.
pub struct Human {
    verbosity: u8,
    left_out: LeftOut,
    live: Option<Live>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    groups: Groups,
    warned: HashSet<Shown>,
    last: String,
    /// Where the task of that title stands.
    last_place: Option<(String, usize)>,
    undecided: recap::Undecided,
    /// The play whose name is not printed yet, because nothing of it was.
    play: Option<String>,
    /// Ends that were not worth a line.
    hidden: u64,
}

impl Human {
    /// Returns a reporter; `verbosity` of one shows results, `live` shows what is going on.
    pub fn new(verbosity: u8, left_out: LeftOut, live: bool) -> Human {
        Human { verbosity, left_out, live: live.then(Live::start), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ForPeople for Human {
    fn told(&self, event: Event<Shown, Fields>) {
        let mut state = self.state();
        let mut out = String::new();
        for group in state.groups.take(&event) {
            self.group(&mut out, &mut state, &group);
        }
        let mut aside = None;
        match &event {
            Event::PlayStart { play, .. } => {
                state.last.clear();
                state.last_place = None;
                let title = format!("\n{}\n", style(format!("PLAY [{play}]")).bold());
                match self.left_out.unchanged {
                    true => state.play = Some(title),
                    false => out.push_str(&title),
                }
            }
            Event::Warning { message } if state.warned.insert(message.clone()) => {
                aside = Some(message.to_string());
            }
            Event::Meta { message, .. } if self.verbosity > 1 => out.push_str(&format!("META: {message}\n")),
            Event::Recap { hosts, duration, round_trips, check, stats } => {
                if state.hidden > 0 {
                    let note =
                        format!("{} without a change not shown: -v shows all", recap::count(state.hidden, "result"));
                    out.push_str(&format!("\n{}\n", style(note).dim()));
                }
                out.push_str(&recap::recap(hosts, *duration, round_trips, *check, state.undecided));
                if !stats.is_empty() && !self.left_out.stats {
                    out.push_str(&format!("\n{}\n{}", style("STATS").bold(), recap::stats(stats)));
                }
            }
            _ => {}
        }
        if let Some(live) = &self.live {
            live.event(&event);
        }
        if !out.is_empty() || aside.is_some() {
            super::aside(|| {
                // A reader that is gone has no use for the rest.
                let _ = terminal::out(&out);
                if let Some(aside) = aside {
                    terminal::warn(&aside);
                }
            });
        }
        if matches!(event, Event::Recap { .. }) {
            super::end();
        }
    }
}

/// Whether a status and nothing else is all there is to say.
fn terse(end: &HostEnd) -> bool {
    matches!(end.status, Status::Ok | Status::Skipped | Status::Changed)
        && end.diff.is_empty()
        && end.items.iter().all(|i| matches!(i.status, Status::Ok | Status::Skipped) && !i.marks.shown)
        && !end.marks.shown
        && end.delegate.is_none()
        && !end.marks.certainty.undecided()
}

/// Whether there is more to say than that all is as it should be.
fn worth(end: &HostEnd) -> bool {
    !matches!(end.status, Status::Ok | Status::Skipped)
        || !end.diff.is_empty()
        || end.marks.certainty.undecided()
        || (end.status == Status::Ok && end.marks.shown)
        || end.items.iter().any(|item| item.status != Status::Skipped && item.marks.shown)
}

fn word(status: Status) -> console::StyledObject<&'static str> {
    match status {
        Status::Ok => style("ok").green(),
        Status::Changed => style("changed").yellow(),
        Status::Skipped => style("skipping").cyan(),
        Status::Failed | Status::Unreachable | Status::Ignored | Status::Rescued => style("fatal").red(),
    }
}

impl Human {
    fn group(&self, out: &mut String, state: &mut State, group: &Group) {
        let configured = |end: &HostEnd| match end.status {
            Status::Ok => self.left_out.ok,
            Status::Skipped => self.left_out.skipped,
            _ => false,
        };
        let told = |end: &&HostEnd| !configured(end) && (!self.left_out.unchanged || worth(end));
        for end in group.ends.iter().filter(|end| !configured(end)) {
            state.undecided.note(&end.marks.certainty);
        }
        let ends: Vec<&HostEnd> = group.ends.iter().filter(told).collect();
        if self.left_out.unchanged {
            state.hidden += (group.ends.len() - ends.len()) as u64;
        }
        if ends.is_empty() {
            return;
        }
        out.push_str(&state.play.take().unwrap_or_default());
        let title = match group.task.handler {
            true => format!("RUNNING HANDLER [{}]", group.task.name),
            false => format!("TASK [{}]", group.task.name),
        };
        // An include or a host that lags behind comes back to a task already named.
        let place = group.task.span.as_ref().map(|span| (span.source.name.clone(), span.start));
        let twin = state.last == title && state.last_place != place;
        if state.last != title || twin {
            // Nothing else tells a task from the one above it that bears the same name.
            let line = |span: &Span| Shown::line(&format!(" {}:{}", span.source.name, span.line_column().0));
            let place = group.task.span.as_ref().filter(|_| twin).map(line);
            let place = place.map(|place| style(place).dim().to_string()).unwrap_or_default();
            out.push_str(&format!("\n{}{place}\n", style(&title).bold()));
            state.last = title;
        }
        state.last_place = place;
        let mut folded: Vec<Status> = Vec::new();
        let fold = |status: Status| {
            let many = ends.iter().filter(|e| e.status == status && terse(e)).count();
            (self.live.is_some() && self.verbosity == 0 && many > FOLD).then_some(many)
        };
        let mut told: Vec<(Shown, String)> = Vec::new();
        for end in &ends {
            match fold(end.status).filter(|_| terse(end)) {
                Some(_) if folded.contains(&end.status) => {}
                Some(many) => {
                    folded.push(end.status);
                    out.push_str(&format!("{}: [{many} hosts]\n", word(end.status)));
                }
                None => self.host(out, &group.task, end, &mut told),
            }
        }
    }

    fn host(&self, out: &mut String, task: &TaskLine<Shown>, end: &HostEnd, told: &mut Vec<(Shown, String)>) {
        let name = match &end.delegate {
            Some(delegate) => Shown::line(&format!("{} -> {delegate}", end.host)),
            None => end.host.clone(),
        };
        let shown: Vec<&ItemEnd> = end.items.iter().filter(|item| self.shows(item)).collect();
        for item in &shown {
            let label = format!(" => (item={})", item.label.label());
            self.line(out, task, &name, item.status, &label, (&item.result, &item.marks), told);
            self.diff(out, &end.host, &diff::unified(&item.diff), told);
        }
        let whole = match end.status {
            // Its items have said it.
            Status::Changed | Status::Failed => shown.is_empty(),
            Status::Ok => shown.len() < end.items.len() || end.items.is_empty(),
            _ => true,
        };
        if whole {
            let note = match &end.marks.certainty {
                Certainty::DependsOn(other) => format!(" (depends on `{other}`)"),
                Certainty::WouldRun => " (would run)".to_owned(),
                _ if self.verbosity > 0 => format!(" ({:.2} s)", end.duration.as_secs_f64()),
                _ if end.items.len() > 1 => format!(" ({} items)", end.items.len()),
                _ => String::new(),
            };
            self.line(out, task, &name, end.status, &note, (&end.result, &end.marks), told);
            self.diff(out, &end.host, &diff::unified(&end.diff), told);
        }
        match end.status {
            Status::Ignored => out.push_str(&format!("{}\n", style("...ignoring").cyan())),
            Status::Rescued => out.push_str(&format!("{}\n", style("...rescued").cyan())),
            _ => {}
        }
    }

    fn shows(&self, item: &ItemEnd) -> bool {
        self.verbosity > 0 || !matches!(item.status, Status::Ok | Status::Skipped) || item.marks.shown
    }

    #[allow(clippy::too_many_arguments)]
    fn line(
        &self,
        out: &mut String,
        task: &TaskLine<Shown>,
        host: &Shown,
        status: Status,
        note: &str,
        (result, marks): (&Fields, &Marks),
        told: &mut Vec<(Shown, String)>,
    ) {
        let word = word(status);
        match status {
            Status::Ok | Status::Changed | Status::Skipped => {
                out.push_str(&format!("{word}: [{host}]{note}"));
                if marks.shown && status != Status::Skipped {
                    out.push_str(&format!(" => {}\n", json(result)));
                } else {
                    out.push('\n');
                    if self.verbosity > 0 {
                        out.push_str(&result.yaml(2));
                    }
                }
            }
            Status::Unreachable => {
                let message = result.message("msg").unwrap_or_default();
                out.push_str(&format!("{word}: [{host}]: UNREACHABLE! {message}\n"));
            }
            Status::Ignored if marks.unreachable => {
                let message = result.message("msg").unwrap_or_default();
                out.push_str(&format!("{word}: [{host}]: UNREACHABLE! {message}\n"));
            }
            Status::Failed | Status::Ignored | Status::Rescued => {
                out.push_str(&format!("{word}: [{host}]: FAILED!{note}\n"));
                let mut text = failure::excerpt(task, result, marks);
                text.push_str(&match self.verbosity {
                    0 => failure::details(result),
                    _ => result.yaml(2),
                });
                match told.iter().find(|(_, known)| *known == text) {
                    Some((first, _)) => out.push_str(&format!("  for the same reason as on {first}\n")),
                    None => {
                        out.push_str(&text);
                        told.push((host.clone(), text));
                    }
                }
            }
        }
    }

    /// A difference; one that another host has too is told once.
    fn diff(&self, out: &mut String, host: &Shown, text: &str, told: &mut Vec<(Shown, String)>) {
        if text.is_empty() {
            return;
        }
        match told.iter().find(|(_, known)| known == text) {
            Some((first, _)) if text.lines().count() > 4 => {
                out.push_str(&format!("  the same difference as on {first}\n"));
            }
            _ => {
                out.push_str(text);
                told.push((host.clone(), text.to_owned()));
            }
        }
    }
}

/// A result as Ansible's `debug` prints it.
fn json(result: &Fields) -> String {
    let shown: Map<String, Json> = result
        .raw()
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !name.starts_with("_ansible") && !matches!(name.as_str(), "changed" | "failed"))
        .filter(|(name, _)| !matches!(name.as_str(), "ansible_loop_var"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"    "));
    // A map of texts and numbers cannot fail to be written into memory.
    let _ = serde::Serialize::serialize(&Json::Object(shown), &mut serializer);
    shown::json(&String::from_utf8_lossy(&text))
}
