//! What a run has come to so far: results counted by host, and faults of our own.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use indexmap::IndexMap;

use super::{lock, stats::Stats};
use crate::report::{Counts, Event};

/// Results as they are told.
#[derive(Debug, Default)]
pub struct Tally {
    counts: Mutex<IndexMap<String, Counts>>,
    /// Check mode: results that a run may turn into changes.
    undecided: AtomicUsize,
    /// What had failed where `meta: clear_host_errors` forgave it.
    forgiven: Mutex<IndexMap<String, Counts>>,
    faults: Mutex<Vec<String>>,
    /// What modules warned of, by the task's place and the words, with the hosts in the order in which they came.
    warned: Mutex<IndexMap<(String, String), Vec<String>>>,
    stats: Mutex<Stats>,
}

impl Tally {
    /// Notes that a task warned of something on a host. Returns what is to be told now: nothing where another host had the same.
    pub fn warn(&self, host: &str, place: &str, words: &str) -> Option<String> {
        let mut warned = lock(&self.warned);
        let hosts = warned.entry((place.to_owned(), words.to_owned())).or_default();
        let first = hosts.is_empty();
        if !hosts.iter().any(|known| known == host) {
            hosts.push(host.to_owned());
        }
        first.then(|| format!("{host}: {words} ({place})"))
    }

    /// Which other hosts had the warnings that were told of one.
    pub fn warned_alike(&self) -> Vec<String> {
        let told = |((place, words), hosts): (&(String, String), &Vec<String>)| {
            let (first, others) = hosts.split_first()?;
            let named = match others {
                [] => return None,
                [.., _] if others.len() <= 5 => others.join(", "),
                _ => format!("{} and {} more", others[..4].join(", "), others.len() - 4),
            };
            Some(format!("{named}: as on {first}: {words} ({place})"))
        };
        lock(&self.warned).iter().filter_map(told).collect()
    }

    /// Counts an event, if it is a task's result or tells of values for the end of the run.
    pub fn count(&self, event: &Event) {
        if let Event::Stats { host, values: serde_json::Value::Object(values), aggregate } = event {
            lock(&self.stats).take(host.as_deref(), values, *aggregate);
        }
        let Event::TaskResult { host, status, marks, .. } = event else { return };
        lock(&self.counts).entry(host.clone()).or_default().add(*status, marks.changed);
        if marks.certainty.undecided() {
            self.undecided.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// The values that tasks have given the run.
    pub fn stats(&self) -> Vec<(Option<String>, serde_json::Value)> {
        lock(&self.stats).all()
    }

    /// Notes a fault of our own.
    pub fn fault(&self, message: String) {
        lock(&self.faults).push(message);
    }

    /// `meta: clear_host_errors`: what has failed so far no longer makes the run a failure.
    pub fn forgive(&self) {
        let so_far = lock(&self.counts).clone();
        *lock(&self.forgiven) = so_far;
    }

    /// Whether any host has failed, and whether any could not be reached, since that was forgiven.
    pub fn unforgiven(&self) -> (bool, bool) {
        let (counts, forgiven) = (lock(&self.counts), lock(&self.forgiven));
        let since = |pick: fn(&Counts) -> u32| {
            counts.iter().any(|(host, counts)| pick(counts) > forgiven.get(host).map_or(0, pick))
        };
        (since(|counts| counts.failed), since(|counts| counts.unreachable))
    }

    /// Counts per host, in the order of `hosts`, those behind that are none of them.
    pub fn by_host(&self, hosts: &[String]) -> Vec<(String, Counts)> {
        let mut all: Vec<(String, Counts)> = lock(&self.counts).iter().map(|(h, c)| (h.clone(), *c)).collect();
        all.sort_by_key(|(host, _)| hosts.iter().position(|h| h == host).unwrap_or(usize::MAX));
        all
    }

    /// How many results a run may turn into changes.
    pub fn undecided(&self) -> usize {
        self.undecided.load(Ordering::SeqCst)
    }

    /// Faults of our own.
    pub fn faults(&self) -> Vec<String> {
        lock(&self.faults).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Marks, Status, TaskLine};

    fn result(host: &str, status: Status) -> Event {
        let task = TaskLine {
            name: "t".into(),
            play: "p".into(),
            position: Vec::new(),
            handler: false,
            action: "ping".into(),
            span: None,
        };
        Event::TaskResult {
            task,
            host: host.into(),
            delegate: None,
            status,
            duration: std::time::Duration::ZERO,
            diff: Vec::new(),
            result: serde_json::Value::Null,
            marks: Marks::default(),
        }
    }

    #[test]
    fn what_was_forgiven_does_not_count() {
        let tally = Tally::default();
        tally.count(&result("a", Status::Failed));
        assert_eq!(tally.unforgiven(), (true, false));
        tally.forgive();
        assert_eq!(tally.unforgiven(), (false, false));
        tally.count(&result("a", Status::Unreachable));
        assert_eq!(tally.unforgiven(), (false, true));
    }

    #[test]
    fn hosts_are_listed_in_the_order_of_the_inventory() {
        let tally = Tally::default();
        for (host, status) in [("b", Status::Ok), ("stranger", Status::Failed), ("a", Status::Ok), ("b", Status::Ok)] {
            tally.count(&result(host, status));
        }
        tally.count(&Event::HostDone { host: "c".into() });
        let listed = tally.by_host(&["a".into(), "b".into(), "c".into()]);
        let found: Vec<_> = listed.iter().map(|(host, counts)| (host.as_str(), counts.ok, counts.failed)).collect();
        assert_eq!(found, [("a", 1, 0), ("b", 2, 0), ("stranger", 0, 1)]);
    }

    #[test]
    fn a_warning_is_told_of_the_first_host_and_once_more_of_all_others() {
        let tally = Tally::default();
        assert_eq!(tally.warn("h1", "a.yml:1:1", "odd").as_deref(), Some("h1: odd (a.yml:1:1)"));
        assert_eq!(tally.warn("h1", "a.yml:1:1", "odd"), None);
        assert!(tally.warn("h1", "a.yml:2:1", "odd").is_some());
        assert!(tally.warned_alike().is_empty());
        for number in 2..=9 {
            assert_eq!(tally.warn(&format!("h{number}"), "a.yml:1:1", "odd"), None);
        }
        assert_eq!(tally.warned_alike(), ["h2, h3, h4, h5 and 4 more: as on h1: odd (a.yml:1:1)"]);
    }
}
