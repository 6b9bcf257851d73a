//! `--timeline`: when each task ran on each host, in the trace format that Chrome and Perfetto read.

use std::{
    fs::File,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use indexmap::IndexSet;
use serde_json::{Value as Json, json};

use super::{Event, Reporter};

/// Passes events on and writes the times of results into a file.
pub struct Timeline {
    inner: Arc<dyn Reporter>,
    began: Instant,
    seen: Mutex<Seen>,
}

struct Seen {
    file: File,
    hosts: IndexSet<String>,
    events: Vec<Json>,
}

impl Timeline {
    /// Returns a reporter around another.
    pub fn new(inner: Arc<dyn Reporter>, file: File) -> Timeline {
        let seen = Seen { file, hosts: IndexSet::new(), events: Vec::new() };
        Timeline { inner, began: Instant::now(), seen: Mutex::new(seen) }
    }
}

impl Reporter for Timeline {
    fn event(&self, event: Event) {
        let mut guard = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = &mut *guard;
        match &event {
            Event::TaskResult { task, host, status, duration, .. } => {
                let (row, new) = seen.hosts.insert_full(host.clone());
                if new {
                    seen.events
                        .push(json!({"name": "thread_name", "ph": "M", "pid": 1, "tid": row, "args": {"name": host}}));
                }
                let began = self.began.elapsed().saturating_sub(*duration);
                seen.events.push(json!({
                    "name": task.name, "cat": task.action, "ph": "X", "pid": 1, "tid": row,
                    "ts": began.as_micros() as u64, "dur": duration.as_micros() as u64, "args": {"status": status},
                }));
            }
            Event::Recap { .. } => {
                let text = json!({ "traceEvents": std::mem::take(&mut seen.events) }).to_string();
                if let Err(error) = seen.file.write_all(text.as_bytes()) {
                    eprintln!("warning: cannot write the timeline: {error}");
                }
            }
            _ => {}
        }
        drop(guard);
        self.inner.event(event);
    }
}
