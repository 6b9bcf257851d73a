//! What happens in a run, as the reports are told.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use serde_json::Value as Json;

use super::{
    fields::Fields,
    shown::{self, Shown},
};
use crate::{module::Diff, yaml::Span};

/// How a task ended on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As described already.
    Ok,
    /// Changed, or in check mode: would be.
    Changed,
    /// Did not succeed.
    Failed,
    /// A condition did not hold.
    Skipped,
    /// The host could not be reached.
    Unreachable,
    /// Failed, and `ignore_errors` said to go on.
    Ignored,
    /// Failed, and a `rescue` took over.
    Rescued,
}

/// How far a result is what a run returns. Anything but [`Certainty::Known`] comes from check mode alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// It is what was returned, or what surely would be.
    #[default]
    Known,
    /// What a run would return is not known, though it is known what it would do.
    Open,
    /// Check mode did not run this, a run would, and the playbook says that it never changes anything.
    OnlyReads,
    /// Check mode did not run this, and a run would.
    WouldRun,
    /// What it comes to depends on a task that was not carried out: its title.
    DependsOn(String),
}

impl Certainty {
    /// Whether check mode leaves open what a run would come to: the task or one it depends on was not carried out.
    pub fn undecided(&self) -> bool {
        matches!(self, Certainty::WouldRun | Certainty::DependsOn(_))
    }
}

/// What the run itself knows of a result. The result's own fields are data: a host may have chosen their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Whether something was changed, or in check mode would be.
    pub changed: bool,
    /// How far it is what a run returns.
    pub certainty: Certainty,
    /// Whether it is shown without `-v`, as that of `debug` is.
    pub shown: bool,
    /// Whether the host could not be reached, which the task puts up with.
    pub unreachable: bool,
    /// Where the failure is, if not at the task as a whole: `file:line:column`.
    pub place: Option<String>,
    /// What to do about the failure.
    pub help: Option<String>,
    /// Where an include led: the files or roles, each with the item of the loop that it is for.
    pub included: Vec<(String, Option<Json>)>,
}

/// A task or handler as reports name it.
#[derive(Clone, Debug)]
pub struct TaskLine<T = String> {
    /// `role : name`, rendered for the first host.
    pub name: T,
    /// The play's name.
    pub play: T,
    /// Sorts tasks in the order of the play; plays count in the first number.
    pub position: Vec<u32>,
    /// Whether it is a handler.
    pub handler: bool,
    /// The module or action as written.
    pub action: T,
    /// Where it stands.
    pub span: Option<Span>,
}

/// One thing that happened. Its texts and values are as they came (`String`, `Json`) or fit to be shown (`Shown`, `Fields`).
#[derive(Clone, Debug)]
pub enum Event<T = String, R = Json> {
    /// The run begins.
    RunStart {
        /// Whether nothing is carried out.
        check: bool,
        /// The playbooks.
        playbooks: Vec<T>,
        /// How many plays each of them has.
        plays: Vec<usize>,
        /// All hosts of all plays, as far as they are known.
        hosts: usize,
    },
    /// A play begins.
    PlayStart {
        /// Its name.
        play: T,
        /// Its hosts, in order.
        hosts: Vec<T>,
        /// How many tasks it has, dynamic includes not counted.
        tasks: usize,
    },
    /// A host begins a task that takes time: something is sent to the host.
    TaskRunning {
        /// The task.
        task: TaskLine<T>,
        /// The host.
        host: T,
    },
    /// One item of a loop ended.
    ItemResult {
        /// The task.
        task: TaskLine<T>,
        /// The host, with the delegate: `h1` or `h1 -> localhost`.
        host: T,
        /// How it ended.
        status: Status,
        /// The item's label.
        item: R,
        /// Differences, when asked for.
        diff: Vec<Diff>,
        /// The returned fields, censored under `no_log`.
        result: R,
        /// What the run knows of it.
        marks: Marks,
    },
    /// A task ended on a host.
    TaskResult {
        /// The task.
        task: TaskLine<T>,
        /// The host.
        host: T,
        /// The host that acted for it, under `delegate_to`.
        delegate: Option<T>,
        /// How it ended.
        status: Status,
        /// How long it took, as far as it was waited for.
        duration: Duration,
        /// Differences, when asked for.
        diff: Vec<Diff>,
        /// The returned fields, censored under `no_log`.
        result: R,
        /// What the run knows of it.
        marks: Marks,
    },
    /// A transfer goes on.
    Transfer {
        /// The host.
        host: T,
        /// What is sent.
        what: T,
        /// Bytes so far.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// Something was sent to a host and answered.
    RoundTrip {
        /// The host that it was done for.
        host: T,
        /// How long it took; the first one connects.
        duration: Duration,
        /// How many steps were carried out.
        work: usize,
        /// How many questions were asked.
        questions: usize,
        /// Bytes sent.
        up: u64,
        /// Bytes received.
        down: u64,
    },
    /// A host has waited until the others came as far.
    Waited {
        /// The host.
        host: T,
        /// How long.
        duration: Duration,
    },
    /// A host waits or is connected to: a short text for the progress display.
    HostNote {
        /// The host.
        host: T,
        /// The text.
        note: T,
    },
    /// A task is tried again.
    Retry {
        /// The task.
        task: TaskLine<T>,
        /// The host.
        host: T,
        /// How many tries are left.
        left: u64,
    },
    /// A `meta` task was done for a host, or was passed by.
    Meta {
        /// The task.
        task: TaskLine<T>,
        /// The host.
        host: T,
        /// What was done, or why nothing was.
        message: T,
        /// Whether its condition did not hold.
        skipped: bool,
    },
    /// A host has no more to do in this play, or in this batch of it.
    HostDone {
        /// The host.
        host: T,
    },
    /// A batch of a play begins: the hosts that go through it together.
    BatchStart {
        /// The hosts, in order.
        hosts: Vec<T>,
    },
    /// A task gave the run values (`set_stats`); all of them come with the recap.
    Stats {
        /// The host whose own they are.
        host: Option<T>,
        /// By name.
        values: R,
        /// Whether they are added to those that were given before.
        aggregate: bool,
    },
    /// A remark for the user.
    Warning {
        /// The text.
        message: T,
    },
    /// The run is over.
    Recap {
        /// Per host in order of the inventory.
        hosts: Vec<(T, Counts)>,
        /// The whole run's duration.
        duration: Duration,
        /// Round trips per host.
        round_trips: BTreeMap<T, u64>,
        /// Whether nothing was carried out.
        check: bool,
        /// The values that tasks gave the run (`set_stats`): by host, those of the run behind.
        stats: Vec<(Option<T>, R)>,
    },
}

/// Ansible's recap counts of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Tasks that succeeded, changed ones included.
    pub ok: u32,
    /// Tasks that changed something.
    pub changed: u32,
    /// Failed connections.
    pub unreachable: u32,
    /// Tasks that failed.
    pub failed: u32,
    /// Tasks whose condition did not hold.
    pub skipped: u32,
    /// Failures that a `rescue` took over.
    pub rescued: u32,
    /// Failures that were ignored.
    pub ignored: u32,
}

impl Counts {
    /// Counts one task's end.
    pub fn add(&mut self, status: Status, changed: bool) {
        match status {
            Status::Ok => self.ok += 1,
            Status::Changed => {
                self.ok += 1;
                self.changed += 1;
            }
            Status::Failed => self.failed += 1,
            Status::Skipped => self.skipped += 1,
            Status::Unreachable => self.unreachable += 1,
            Status::Ignored => {
                self.ok += 1;
                self.ignored += 1;
                self.changed += u32::from(changed);
            }
            Status::Rescued => self.rescued += 1,
        }
    }
}

/// Receives events in the order in which they happen. Implementations must not block.
pub trait Reporter: Send + Sync {
    /// Takes one event.
    fn event(&self, event: Event);
}

/// A reporter that a person reads. It gets no text but what is fit to be shown: whoever prints for people implements this,
/// [`Reporter`] is for those who pass events on or write data.
pub trait ForPeople: Send + Sync {
    /// Takes one event.
    fn told(&self, event: Event<Shown, Fields>);
}

impl<P: ForPeople> Reporter for P {
    fn event(&self, event: Event) {
        self.told(event.shown());
    }
}

impl TaskLine {
    fn shown(self) -> TaskLine<Shown> {
        let TaskLine { name, play, position, handler, action, span } = self;
        let (name, play, action) = (Shown::line(&name), Shown::line(&play), Shown::line(&action));
        TaskLine { name, play, position, handler, action, span }
    }
}

impl Marks {
    fn shown(self) -> Marks {
        let Marks { changed, certainty, shown, unreachable, place, help, included } = self;
        let certainty = match certainty {
            Certainty::DependsOn(task) => Certainty::DependsOn(shown::line(&task).into_owned()),
            other => other,
        };
        // A place is looked up, and shown by who finds it.
        let help = help.map(|help| shown::block(&help).into_owned());
        Marks { changed, certainty, shown, unreachable, place, help, included }
    }
}

impl Event {
    /// The event as people may see it. Every field is named, so that none can be forgotten.
    pub fn shown(self) -> Event<Shown, Fields> {
        let one = |text: String| Shown::line(&text);
        let many = |texts: Vec<String>| texts.iter().map(|text| Shown::line(text)).collect();
        match self {
            Event::RunStart { check, playbooks, plays, hosts } => {
                Event::RunStart { check, playbooks: many(playbooks), plays, hosts }
            }
            Event::PlayStart { play, hosts, tasks } => Event::PlayStart { play: one(play), hosts: many(hosts), tasks },
            Event::TaskRunning { task, host } => Event::TaskRunning { task: task.shown(), host: one(host) },
            Event::ItemResult { task, host, status, item, diff, result, marks } => Event::ItemResult {
                task: task.shown(),
                host: one(host),
                status,
                item: Fields::of(item),
                diff: diff.into_iter().map(difference).collect(),
                result: Fields::of(result),
                marks: marks.shown(),
            },
            Event::TaskResult { task, host, delegate, status, duration, diff, result, marks } => Event::TaskResult {
                task: task.shown(),
                host: one(host),
                delegate: delegate.map(one),
                status,
                duration,
                diff: diff.into_iter().map(difference).collect(),
                result: Fields::of(result),
                marks: marks.shown(),
            },
            Event::Transfer { host, what, done, total } => {
                Event::Transfer { host: one(host), what: one(what), done, total }
            }
            Event::RoundTrip { host, duration, work, questions, up, down } => {
                Event::RoundTrip { host: one(host), duration, work, questions, up, down }
            }
            Event::Waited { host, duration } => Event::Waited { host: one(host), duration },
            Event::HostNote { host, note } => Event::HostNote { host: one(host), note: one(note) },
            Event::Retry { task, host, left } => Event::Retry { task: task.shown(), host: one(host), left },
            Event::Meta { task, host, message, skipped } => {
                Event::Meta { task: task.shown(), host: one(host), message: one(message), skipped }
            }
            Event::HostDone { host } => Event::HostDone { host: one(host) },
            Event::BatchStart { hosts } => Event::BatchStart { hosts: many(hosts) },
            Event::Warning { message } => Event::Warning { message: Shown::message(&message) },
            Event::Stats { host, values, aggregate } => {
                Event::Stats { host: host.map(one), values: Fields::of(values), aggregate }
            }
            Event::Recap { hosts, duration, round_trips, check, stats } => Event::Recap {
                hosts: hosts.into_iter().map(|(host, counts)| (one(host), counts)).collect(),
                duration,
                round_trips: round_trips.into_iter().map(|(host, number)| (one(host), number)).collect(),
                check,
                stats: stats.into_iter().map(|(host, values)| (host.map(one), Fields::of(values))).collect(),
            },
        }
    }
}

/// A difference as it may be shown: its lines get a sign in front of them, so they stay lines.
fn difference(diff: Diff) -> Diff {
    let Diff { before_header, after_header, before, after } = diff;
    Diff {
        before_header: shown::line(&before_header).into_owned(),
        after_header: shown::line(&after_header).into_owned(),
        before: shown::block(&before).into_owned(),
        after: shown::block(&after).into_owned(),
    }
}

/// Reports nothing.
pub struct Silent;

impl Reporter for Silent {
    fn event(&self, _: Event) {}
}
