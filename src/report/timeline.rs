//! `--timeline`: when each task ran on each host, as one HTML file that needs nothing else.

use std::{
    collections::HashMap,
    fs::File,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use indexmap::IndexSet;
use serde_json::{Value as Json, json};

use super::{Event, Reporter, shown, terminal};

/// The page, with a place for the data. It draws hosts as lanes: tasks above, round trips and uploads below.
const PAGE: &str = include_str!("timeline.html");

/// Passes events on and writes the times of everything into a file at the end.
pub struct Timeline {
    inner: Arc<dyn Reporter>,
    began: Instant,
    seen: Mutex<Seen>,
}

struct Seen {
    file: File,
    title: String,
    check: bool,
    hosts: IndexSet<String>,
    names: IndexSet<String>,
    plays: Vec<Json>,
    tasks: Vec<Json>,
    trips: Vec<Json>,
    waits: Vec<Json>,
    uploads: Vec<Json>,
    /// Uploads under way: when they began.
    sending: HashMap<(String, String), f64>,
}

impl Timeline {
    /// Returns a reporter around another.
    pub fn new(inner: Arc<dyn Reporter>, file: File) -> Timeline {
        let seen = Seen {
            file,
            title: String::new(),
            check: false,
            hosts: IndexSet::new(),
            names: IndexSet::new(),
            plays: Vec::new(),
            tasks: Vec::new(),
            trips: Vec::new(),
            waits: Vec::new(),
            uploads: Vec::new(),
            sending: HashMap::new(),
        };
        Timeline { inner, began: Instant::now(), seen: Mutex::new(seen) }
    }
}

impl Reporter for Timeline {
    fn event(&self, event: Event) {
        let now = self.began.elapsed();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.note(&event, now);
        drop(seen);
        self.inner.event(event);
    }
}

impl Seen {
    fn note(&mut self, event: &Event, now: Duration) {
        let end = milliseconds(now);
        match event {
            Event::RunStart { check, playbooks, .. } => {
                (self.check, self.title) = (*check, text(&playbooks.join(", ")))
            }
            Event::PlayStart { play, hosts, .. } => {
                // Lanes stand in the order of the inventory, whichever host is first.
                self.hosts.extend(hosts.iter().map(|host| text(host)));
                self.plays.push(json!([end, text(play)]));
            }
            Event::TaskResult { task, host, status, duration, .. } => {
                let (host, name) = (self.lane(host), self.names.insert_full(text(&task.name)).0);
                self.tasks.push(json!([host, name, milliseconds(now.saturating_sub(*duration)), end, status]));
            }
            Event::RoundTrip { host, duration, work, questions, up, down } => {
                let host = self.lane(host);
                let began = milliseconds(now.saturating_sub(*duration));
                self.trips.push(json!([host, began, end, work, questions, up, down]));
            }
            Event::Waited { host, duration } => {
                let host = self.lane(host);
                self.waits.push(json!([host, milliseconds(now.saturating_sub(*duration)), end]));
            }
            Event::Transfer { host, what, done, total } => {
                let key = (host.clone(), what.clone());
                let began = *self.sending.entry(key.clone()).or_insert(end);
                if done == total {
                    self.sending.remove(&key);
                    let host = self.lane(host);
                    self.uploads.push(json!([host, began, end, text(what), total]));
                }
            }
            Event::Recap { .. } => {
                let page = self.page(end);
                if let Err(error) = self.file.write_all(page.as_bytes()) {
                    terminal::warn(&format!("cannot write the timeline: {error}"));
                }
            }
            _ => {}
        }
    }

    fn lane(&mut self, host: &str) -> usize {
        let host = text(host);
        match self.hosts.get_index_of(&host) {
            Some(lane) => lane,
            None => self.hosts.insert_full(host).0,
        }
    }

    fn page(&self, end: f64) -> String {
        let data = json!({
            "title": self.title, "check": self.check, "end": end, "hosts": self.hosts, "names": self.names, "plays": self.plays,
            "tasks": self.tasks, "trips": self.trips, "waits": self.waits, "uploads": self.uploads,
        });
        // Nothing in a name may end the element that holds the data.
        PAGE.replacen("@DATA@", &data.to_string().replace('<', "\\u003c"), 1)
    }
}

/// A name as a page may have it: nothing that turns the direction of what stands beside it.
fn text(name: &str) -> String {
    shown::line(name).into_owned()
}

/// Milliseconds with one digit behind the point.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Silent;

    #[test]
    fn the_page_holds_lanes_round_trips_uploads_and_nothing_that_ends_its_data() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let timeline = Timeline::new(Arc::new(Silent), path.reopen().unwrap());
        let play = "</script><b>".to_owned();
        timeline.event(Event::PlayStart { play, hosts: vec!["a".into(), "b".into()], tasks: 1 });
        let (host, duration) = ("b".to_owned(), Duration::from_millis(3));
        timeline.event(Event::RoundTrip { host: host.clone(), duration, work: 1, questions: 2, up: 300, down: 40 });
        timeline.event(Event::Waited { host: host.clone(), duration });
        for done in [0, 5] {
            timeline.event(Event::Transfer { host: host.clone(), what: "f".into(), done, total: 5 });
        }
        timeline.event(Event::Recap {
            hosts: Vec::new(),
            duration,
            round_trips: std::collections::BTreeMap::new(),
            check: false,
            stats: Vec::new(),
        });
        let page = std::fs::read_to_string(path.path()).unwrap();
        let data = page.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
        let data: Json = serde_json::from_str(data).unwrap();
        assert_eq!(data["plays"][0][1], "</script><b>");
        assert_eq!(data["hosts"], json!(["a", "b"]));
        assert_eq!(data["trips"][0].as_array().unwrap()[3..], [json!(1), json!(2), json!(300), json!(40)]);
        assert_eq!((data["trips"][0][0].as_u64(), data["waits"][0][0].as_u64()), (Some(1), Some(1)));
        assert_eq!(data["uploads"][0].as_array().unwrap()[3..], [json!("f"), json!(5)]);
        assert_eq!(data["uploads"].as_array().unwrap().len(), 1);
    }
}
