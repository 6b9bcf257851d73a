//! Keeps what was decrypted out of all that is reported. Names of hosts, plays and modules stay: they hide nothing.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use super::{Certainty, Event, Marks, Reporter, TaskLine};
use crate::{module::Diff, vault};

/// What stands in the place of an old line that may be secret.
const HIDDEN: &str = "(hidden)";

/// A reporter that passes events on with stars in the place of secrets.
pub struct Masked(Arc<dyn Reporter>);

impl Masked {
    /// Stands before another reporter.
    pub fn new(inner: Arc<dyn Reporter>) -> Masked {
        Masked(inner)
    }
}

impl Reporter for Masked {
    fn event(&self, event: Event) {
        self.0.event(masked(event));
    }
}

fn text(text: &mut String) {
    if let Cow::Owned(masked) = vault::mask(text) {
        *text = masked;
    }
}

fn task(task: &mut TaskLine) {
    text(&mut task.name);
}

fn marks(marks: &mut Marks) {
    if let Certainty::DependsOn(task) = &mut marks.certainty {
        text(task);
    }
    marks.help.iter_mut().for_each(text);
    for (file, item) in &mut marks.included {
        text(file);
        item.iter_mut().for_each(vault::mask_json);
    }
}

/// The event without secrets. Every kind is named, so that none can be forgotten.
fn masked(mut event: Event) -> Event {
    match &mut event {
        Event::TaskRunning { task: line, .. } | Event::Retry { task: line, .. } => task(line),
        Event::ItemResult { task: line, item, diff, result, marks: known, .. } => {
            task(line);
            // A label is a value by itself: all its keys are somebody's.
            let mut label = serde_json::Value::Array(vec![item.take()]);
            vault::mask_json(&mut label);
            *item = label.get_mut(0).map(serde_json::Value::take).unwrap_or_default();
            diff.iter_mut().for_each(difference);
            vault::mask_json(result);
            marks(known);
        }
        Event::TaskResult { task: line, diff, result, marks: known, .. } => {
            task(line);
            diff.iter_mut().for_each(difference);
            vault::mask_json(result);
            marks(known);
        }
        Event::Transfer { what, .. } => text(what),
        Event::HostNote { note, .. } => text(note),
        Event::Meta { task: line, message, .. } => {
            task(line);
            text(message);
        }
        Event::Warning { message } => text(message),
        Event::Stats { values, .. } => vault::mask_json(values),
        Event::Recap { stats, .. } => stats.iter_mut().for_each(|(_, values)| vault::mask_json(values)),
        Event::RunStart { .. }
        | Event::PlayStart { .. }
        | Event::RoundTrip { .. }
        | Event::Waited { .. }
        | Event::HostDone { .. }
        | Event::BatchStart { .. } => {}
    }
    event
}

/// A difference without secrets. Where the new text has some, lines that the old one alone has may be older ones of the same
/// secret; of a file that is encrypted on this machine nothing is shown.
fn difference(diff: &mut Diff) {
    [&mut diff.before_header, &mut diff.after_header].into_iter().for_each(text);
    let encrypted = [&diff.before_header, &diff.after_header].into_iter().any(|name| vault::is_hidden_source(name));
    if encrypted {
        // Both would look the same, and they may differ.
        for (side, shown) in [(&mut diff.before, HIDDEN), (&mut diff.after, "(encrypted)")] {
            if !side.is_empty() {
                *side = format!("{shown}\n");
            }
        }
        return;
    }
    let Cow::Owned(after) = vault::mask(&diff.after) else {
        return text(&mut diff.before);
    };
    let kept: BTreeSet<&str> = diff.after.lines().collect();
    let before: Vec<Cow<'_, str>> = diff
        .before
        .lines()
        .map(|line| if kept.contains(line) { vault::mask(line) } else { Cow::Borrowed(HIDDEN) })
        .collect();
    let end = if diff.before.ends_with('\n') { "\n" } else { "" };
    let before = format!("{}{end}", before.join("\n"));
    (diff.before, diff.after) = (before, after);
}
