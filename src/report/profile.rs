//! `--profile`: where the time went.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use indexmap::IndexMap;
use indicatif::HumanBytes;

use super::{Event, Reporter, recap::count, shown, terminal};

/// So many lines per list.
const MOST: usize = 15;

#[derive(Default)]
struct Seen {
    /// Task → longest on one host, sum over hosts, number of hosts.
    tasks: IndexMap<String, (Duration, Duration, u64)>,
    /// Host and what is sent → bytes.
    bytes: HashMap<(String, String), u64>,
    /// Host → time spent waiting for it, bytes sent and received in frames, time spent waiting for other hosts.
    hosts: HashMap<String, (Duration, u64, u64, Duration)>,
}

/// Passes events on and tells at the end what took long.
pub struct Profile {
    inner: Arc<dyn Reporter>,
    to_stderr: bool,
    seen: Mutex<Seen>,
}

impl Profile {
    /// Returns a reporter around another; `to_stderr` keeps standard output for that one.
    pub fn new(inner: Arc<dyn Reporter>, to_stderr: bool) -> Profile {
        Profile { inner, to_stderr, seen: Mutex::default() }
    }
}

impl Reporter for Profile {
    fn event(&self, event: Event) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = None;
        match &event {
            Event::TaskResult { task, duration, .. } => {
                let entry = seen.tasks.entry(shown::line(&task.name).into_owned()).or_default();
                *entry = (entry.0.max(*duration), entry.1 + *duration, entry.2 + 1);
            }
            Event::Transfer { host, what, done, .. } => {
                let key = [host, what].map(|text| shown::line(text).into_owned());
                seen.bytes.insert(key.into(), *done);
            }
            Event::RoundTrip { host, duration, up, down, .. } => {
                let entry = seen.hosts.entry(host.clone()).or_default();
                (entry.0, entry.1, entry.2) = (entry.0 + *duration, entry.1 + up, entry.2 + down);
            }
            Event::Waited { host, duration } => seen.hosts.entry(host.clone()).or_default().3 += *duration,
            Event::Recap { round_trips, .. } => {
                text = Some(told(&seen, round_trips.iter().map(|(h, n)| (h.as_str(), *n)).collect()));
            }
            _ => {}
        }
        drop(seen);
        self.inner.event(event);
        if let Some(text) = text {
            // A reader that is gone has no use for the rest.
            match self.to_stderr {
                true => terminal::err(text.trim_end_matches('\n')),
                false => drop(terminal::out(&text)),
            }
        }
    }
}

fn told(seen: &Seen, mut round_trips: Vec<(&str, u64)>) -> String {
    let mut out = "\nSLOWEST TASKS (longest on one host, sum over hosts)\n".to_owned();
    let mut tasks: Vec<_> = seen.tasks.iter().collect();
    tasks.sort_by_key(|(_, (longest, ..))| std::cmp::Reverse(*longest));
    for (name, (longest, sum, hosts)) in tasks.into_iter().take(MOST) {
        let (longest, sum) = (longest.as_secs_f64(), sum.as_secs_f64());
        let _ = writeln!(out, "{longest:>9.3} s {sum:>9.3} s  {name} ({})", count(*hosts, "host"));
    }
    round_trips.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    out.push_str("\nROUND TRIPS\n");
    round_trips.iter().take(MOST).for_each(|(host, number)| {
        let (spent, up, down, waited) = seen.hosts.get(*host).copied().unwrap_or_default();
        let _ = write!(
            out,
            "{number:>9}  {}: {:.3} s, {} sent, {} received",
            shown::line(host),
            spent.as_secs_f64(),
            HumanBytes(up),
            HumanBytes(down)
        );
        let _ = match waited.is_zero() {
            true => writeln!(out),
            false => writeln!(out, ", {:.3} s waiting for other hosts", waited.as_secs_f64()),
        };
    });
    if round_trips.len() > 1 {
        let sum = |part: fn(&(Duration, u64, u64, Duration)) -> u64| HumanBytes(seen.hosts.values().map(part).sum());
        let all: u64 = round_trips.iter().map(|(_, number)| number).sum();
        let _ = writeln!(out, "{all:>9}  in all: {} sent, {} received", sum(|h| h.1), sum(|h| h.2));
    }
    if !seen.bytes.is_empty() {
        out.push_str("\nSENT\n");
        let mut bytes: Vec<_> = seen.bytes.iter().collect();
        bytes.sort_by_key(|(key, n)| (std::cmp::Reverse(**n), (*key).clone()));
        for ((host, what), number) in bytes.iter().take(MOST) {
            let _ = writeln!(out, "{:>12}  {host}: {what}", HumanBytes(**number).to_string());
        }
        let _ = writeln!(out, "{:>12}  in all", HumanBytes(seen.bytes.values().sum()).to_string());
    }
    out
}
