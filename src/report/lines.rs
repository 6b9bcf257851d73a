//! Lines for people.

use std::{
    io::Write,
    sync::{Mutex, PoisonError},
};

use serde_json::Value as Json;

use super::{Event, Reporter, Status};

/// Prints one line per result.
pub struct Lines {
    verbosity: u8,
    last: Mutex<String>,
}

impl Lines {
    /// Returns a reporter; `verbosity` of one shows results.
    pub fn new(verbosity: u8) -> Lines {
        Lines { verbosity, last: Mutex::default() }
    }
}

impl Reporter for Lines {
    fn event(&self, event: Event) {
        let mut out = std::io::stdout().lock();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // A reader that is gone has no use for the rest.
        let _ = match event {
            Event::PlayStart { play, .. } => writeln!(out, "\nPLAY [{play}]"),
            Event::TaskResult { task, host, status, result, .. } => {
                if *last != task.name {
                    let _ = writeln!(out, "\nTASK [{}]", task.name);
                    last.clone_from(&task.name);
                }
                let word = match status {
                    Status::Ok => "ok",
                    Status::Changed => "changed",
                    Status::Failed => "fatal",
                    Status::Skipped => "skipping",
                    Status::Unreachable => "unreachable",
                    Status::Ignored => "ignored",
                    Status::Rescued => "rescued",
                };
                let shown = self.verbosity > 0
                    || matches!(status, Status::Failed | Status::Unreachable | Status::Rescued | Status::Ignored);
                let told = if shown {
                    format!(" => {result:#}")
                } else {
                    result
                        .get("msg")
                        .and_then(Json::as_str)
                        .filter(|_| task.action.ends_with("debug"))
                        .map(|m| format!(" => {m}"))
                        .unwrap_or_default()
                };
                writeln!(out, "{word}: [{host}]{told}")
            }
            Event::Warning { message } => writeln!(out, "warning: {message}"),
            Event::Recap { hosts, duration, round_trips, .. } => {
                let _ = writeln!(out, "\nPLAY RECAP");
                for (host, c) in hosts {
                    let _ = writeln!(
                        out,
                        "{host:<26} : ok={:<4} changed={:<4} unreachable={:<4} failed={:<4} skipped={:<4} rescued={:<4} ignored={}",
                        c.ok, c.changed, c.unreachable, c.failed, c.skipped, c.rescued, c.ignored
                    );
                }
                writeln!(out, "{:.2} s, {} round trips", duration.as_secs_f64(), round_trips.values().sum::<u64>())
            }
            _ => Ok(()),
        };
    }
}
