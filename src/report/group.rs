//! Results by task, in the order of the play, though each host goes at its own pace.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde_json::json;

use super::{Event, Marks, Status, TaskLine, fields::Fields, shown::Shown};
use crate::module::Diff;

/// One item of a loop.
#[derive(Clone, Debug)]
pub struct ItemEnd {
    /// How it ended.
    pub status: Status,
    /// Its label.
    pub label: Fields,
    /// Differences.
    pub diff: Vec<Diff>,
    /// The returned fields.
    pub result: Fields,
    /// What the run knows of them.
    pub marks: Marks,
}

/// One host's end of a task.
#[derive(Clone, Debug)]
pub struct HostEnd {
    /// The host.
    pub host: Shown,
    /// Who acted for it.
    pub delegate: Option<Shown>,
    /// How it ended.
    pub status: Status,
    /// How long it took.
    pub duration: Duration,
    /// Differences.
    pub diff: Vec<Diff>,
    /// The returned fields.
    pub result: Fields,
    /// What the run knows of them.
    pub marks: Marks,
    /// The loop's items.
    pub items: Vec<ItemEnd>,
}

/// A task with its ends on hosts.
#[derive(Clone, Debug)]
pub struct Group {
    /// The task.
    pub task: TaskLine<Shown>,
    /// The hosts, in the order of the play.
    pub ends: Vec<HostEnd>,
}

/// Holds results back until every host of the batch has come past the task.
#[derive(Debug, Default)]
pub struct Groups {
    /// The hosts at work: their rank in the play, and the last task they told of.
    active: HashMap<Shown, (usize, Vec<u32>)>,
    rank: HashMap<Shown, usize>,
    items: HashMap<(Vec<u32>, Shown), Vec<ItemEnd>>,
    waiting: BTreeMap<Vec<u32>, Group>,
    /// Whether a `meta` task that is passed by counts as one that is skipped.
    meta: bool,
}

impl Groups {
    /// Groups in which `meta` tasks stand too where their condition did not hold.
    pub fn with_meta() -> Groups {
        Groups { meta: true, ..Groups::default() }
    }

    /// Takes an event; returns the tasks that are complete now.
    pub fn take(&mut self, event: &Event<Shown, Fields>) -> Vec<Group> {
        match event {
            Event::BatchStart { hosts } => {
                let left = self.rest();
                self.rank = hosts.iter().enumerate().map(|(i, h)| (h.clone(), i)).collect();
                self.active = hosts.iter().enumerate().map(|(i, h)| (h.clone(), (i, Vec::new()))).collect();
                left
            }
            Event::PlayStart { .. } | Event::Recap { .. } => {
                self.active.clear();
                self.rest()
            }
            Event::HostDone { host } => {
                self.active.remove(host);
                self.complete()
            }
            Event::ItemResult { task, host, status, item, diff, result, marks } => {
                let (label, diff, result) = (item.clone(), diff.clone(), result.clone());
                let end = ItemEnd { status: *status, label, diff, result, marks: marks.clone() };
                self.items.entry((task.position.clone(), host.clone())).or_default().push(end);
                Vec::new()
            }
            Event::TaskResult { task, host, delegate, status, duration, diff, result, marks } => {
                let end = HostEnd {
                    host: host.clone(),
                    delegate: delegate.clone(),
                    status: *status,
                    duration: *duration,
                    diff: diff.clone(),
                    result: result.clone(),
                    marks: marks.clone(),
                    items: self.items.remove(&(task.position.clone(), host.clone())).unwrap_or_default(),
                };
                self.end(task, end)
            }
            Event::Meta { task, host, message, skipped: true } if self.meta => {
                let result = json!({"msg": task.action.to_string(), "skip_reason": message.to_string()});
                let end = HostEnd {
                    host: host.clone(),
                    delegate: None,
                    status: Status::Skipped,
                    duration: Duration::ZERO,
                    diff: Vec::new(),
                    result: Fields::of(result),
                    marks: Marks::default(),
                    items: Vec::new(),
                };
                self.end(task, end)
            }
            _ => Vec::new(),
        }
    }

    /// Takes a host's end of a task; returns the tasks that are complete now.
    fn end(&mut self, task: &TaskLine<Shown>, end: HostEnd) -> Vec<Group> {
        if let Some((_, at)) = self.active.get_mut(&end.host) {
            at.clone_from(&task.position);
        }
        let group = self.waiting.entry(task.position.clone());
        group.or_insert_with(|| Group { task: task.clone(), ends: Vec::new() }).ends.push(end);
        self.complete()
    }

    /// The tasks that no host at work can still tell of.
    fn complete(&mut self) -> Vec<Group> {
        let Some(slowest) = self.active.values().map(|(_, at)| at).min().cloned() else { return self.rest() };
        let mut complete = Vec::new();
        while let Some(entry) = self.waiting.first_entry() {
            if *entry.key() > slowest {
                break;
            }
            complete.push(entry.remove());
        }
        self.sorted(complete)
    }

    fn rest(&mut self) -> Vec<Group> {
        let all = std::mem::take(&mut self.waiting).into_values().collect();
        self.sorted(all)
    }

    fn sorted(&self, mut groups: Vec<Group>) -> Vec<Group> {
        for group in &mut groups {
            group.ends.sort_by_key(|end| self.rank.get(&end.host).copied().unwrap_or(usize::MAX));
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(task: u32, host: &str) -> Event<Shown, Fields> {
        let line = TaskLine {
            name: format!("task {task}"),
            play: "p".to_owned(),
            position: vec![0, 0, task],
            handler: false,
            action: "ping".to_owned(),
            span: None,
        };
        let event = Event::TaskResult {
            task: line,
            host: host.to_owned(),
            delegate: None,
            status: Status::Ok,
            duration: Duration::ZERO,
            diff: Vec::new(),
            result: serde_json::Value::Null,
            marks: Marks::default(),
        };
        event.shown()
    }

    fn told(groups: Vec<Group>) -> Vec<String> {
        let hosts = |g: &Group| g.ends.iter().map(|e| e.host.to_string()).collect::<Vec<_>>().join(",");
        groups.iter().map(|g| format!("{}: {}", g.task.name, hosts(g))).collect()
    }

    #[test]
    fn a_task_is_told_when_every_host_has_passed_it() {
        let mut groups = Groups::default();
        let hosts = ["a", "b"].map(str::to_owned).to_vec();
        assert!(groups.take(&Event::BatchStart { hosts }.shown()).is_empty());
        assert!(groups.take(&end(1, "b")).is_empty(), "a has not come so far");
        assert!(groups.take(&end(2, "b")).is_empty());
        assert_eq!(told(groups.take(&end(1, "a"))), ["task 1: a,b"]);
        // a leaves task 2 out.
        assert_eq!(told(groups.take(&end(3, "a"))), ["task 2: b"]);
        assert_eq!(told(groups.take(&Event::HostDone { host: "b".to_owned() }.shown())), ["task 3: a"]);
    }
}
