//! The hosts that go through a play together, and what they share.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    barrier::{Barrier, Position},
    handlers::Handlers,
    outcome::Outcome,
    program::Program,
    task_error::TaskError,
    throttle::Throttles,
    vars_files::VarsFiles,
};
use crate::{
    inventory::Vars,
    playbook::{Play, Role, Strategy, Task},
    report::TaskLine,
};

/// What a `run_once` task came to, for the hosts that did not do it.
pub type Shared = Arc<Outcome>;

/// The hosts that go through a play together.
pub struct Batch {
    /// The play.
    pub play: Arc<Play>,
    /// Its name, rendered.
    pub name: String,
    /// Whether its hosts wait for each other.
    pub strategy: Strategy,
    /// Its tasks in order.
    pub program: Arc<Program>,
    /// The position of its first task.
    pub base: Position,
    /// Its handlers.
    pub handlers: Arc<Handlers>,
    /// The task that gathers facts.
    pub gather: Arc<Task>,
    /// What the user answered to `vars_prompt`, and `vars_files` where all hosts read the same.
    pub prompted: Arc<Vars>,
    /// All hosts of the play.
    pub all_hosts: Vec<String>,
    /// The hosts of this batch, in order.
    pub hosts: Vec<String>,
    /// How far each has come.
    pub barrier: Barrier,
    /// A failure on one host may end the play: no host may run ahead of the others.
    pub strict: bool,
    /// Whether handlers run on failed hosts.
    pub force_handlers: bool,
    /// How many hosts may do a task at once.
    pub throttles: Throttles,
    /// The share of its hosts that may fail.
    pub max_fail_percentage: Option<f64>,
    /// Roles that were included while it ran and are seen by the rest of it (`public`).
    pub public: Mutex<Vec<Arc<Role>>>,
    /// Roles that tasks have included.
    pub included: Mutex<Vec<Arc<Role>>>,
    /// The files of `vars_files` that its hosts read.
    pub vars_files: VarsFiles,
    /// How far its hosts' failures have brought it.
    pub course: Course,
}

/// What becomes of a batch while its hosts run.
#[derive(Default)]
pub struct Course {
    failed: Mutex<Vec<String>>,
    /// Those that `meta: end_host` took out.
    left: Mutex<Vec<String>>,
    /// What `run_once` tasks came to, and on which host.
    once: Mutex<HashMap<Position, (String, Shared)>>,
    /// What the first host to come did for all of them, by the task.
    done: Mutex<HashMap<Position, Result<(), TaskError>>>,
    /// Hosts that pass a `run_once` task by, as its role has run on them.
    passed: Mutex<HashMap<Position, Vec<String>>>,
    /// The task behind which no other is to be started, once there is one.
    over: Mutex<Option<Position>>,
    play_over: AtomicBool,
    /// Whether a failure ended it for all.
    fatal: AtomicBool,
    /// Tasks that failed on one host for all, within a block that takes such failures.
    shared_failures: Mutex<HashMap<Position, String>>,
}

impl Batch {
    /// The hosts that still take part, in order.
    pub fn active_hosts(&self) -> Vec<String> {
        let gone = [self.failed(), self.left()].concat();
        self.hosts.iter().filter(|h| !gone.contains(h)).cloned().collect()
    }

    /// Whether this is the host that does the `run_once` task at `position`.
    pub fn does_once(&self, host: &str, position: &Position) -> bool {
        let passed = self.course.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let doer =
            self.course.once.lock().unwrap_or_else(PoisonError::into_inner).get(position).map(|(doer, _)| doer.clone());
        if let Some(doer) = doer {
            // It may have failed since: that is the others' failure too.
            return doer == host;
        }
        // One that has failed into a `rescue` has gone past it too.
        let passes = |other: &String| {
            let gone = other != host && self.barrier.is_past(other, position);
            gone || passed.get(position).is_some_and(|hosts| hosts.contains(other))
        };
        let failed = self.course.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.course.left.lock().unwrap_or_else(PoisonError::into_inner);
        self.hosts
            .iter()
            .find(|h| !failed.contains(h) && !left.contains(h) && !passes(h))
            .is_some_and(|first| first == host)
    }

    /// Does something for all hosts of the batch where the first of them comes to a task; the others get the same answer.
    ///
    /// # Errors
    /// What went wrong with it.
    pub fn once_for_all(
        &self,
        position: &Position,
        act: impl FnOnce() -> Result<(), TaskError>,
    ) -> Result<(), TaskError> {
        let mut done = self.course.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.entry(position.clone()).or_insert_with(act).clone()
    }

    /// Notes that a host passes a `run_once` task by: another one does it, or nobody.
    pub fn pass_by(&self, host: &str, position: &Position) {
        let mut passed = self.course.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.entry(position.clone()).or_default().push(host.to_owned());
        drop(passed);
        self.barrier.wake();
    }

    /// Waits until all hosts in front of this one have come past `position`, or take no further part.
    pub async fn in_turn(&self, host: &str, position: &[u32]) {
        let before: Vec<&String> = self.hosts.iter().take_while(|other| *other != host).collect();
        self.barrier.all_past(&before, position).await;
    }

    /// Notes that a host takes no further part, though nothing is wrong with it.
    pub fn host_left(&self, host: &str) {
        self.course.left.lock().unwrap_or_else(PoisonError::into_inner).push(host.to_owned());
        self.barrier.wake();
    }

    /// Those that `meta: end_host` took out so far.
    pub fn left(&self) -> Vec<String> {
        self.course.left.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `meta: clear_host_errors`: those that have failed take part in the plays that follow.
    pub fn clear_errors(&self) {
        let mut failed = self.course.failed.lock().unwrap_or_else(PoisonError::into_inner);
        self.course.left.lock().unwrap_or_else(PoisonError::into_inner).append(&mut failed);
    }

    /// Those that have failed so far.
    pub fn failed(&self) -> Vec<String> {
        self.course.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the failures so far keep the plays behind it from being run.
    pub fn has_failed(&self) -> bool {
        let failed = self.failed().len();
        self.course.fatal.load(Ordering::SeqCst) || failed == self.hosts.len() || self.too_many(failed)
    }

    /// Whether the play's further batches are not to be run.
    pub fn play_is_over(&self) -> bool {
        self.course.play_over.load(Ordering::SeqCst)
    }

    /// Whether there is no other host to wait for.
    pub fn alone(&self) -> bool {
        self.hosts.len() < 2 || self.strategy == Strategy::Free
    }

    /// Notes that a host failed in the task at `position`, and ends the play behind it where that is asked for: for a failure
    /// that is `fatal` for all, or for one too many.
    pub fn host_failed(&self, host: &str, position: &Position, fatal: bool) {
        let mut failed = self.course.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if !failed.iter().any(|h| h == host) {
            failed.push(host.to_owned());
        }
        let count = failed.len();
        drop(failed);
        self.course.fatal.fetch_or(fatal, Ordering::SeqCst);
        if fatal || self.too_many(count) {
            self.end(true, position);
        }
        self.barrier.wake();
    }

    /// Notes that a task has failed on a host for all of them: each goes where its block says.
    pub fn fail_all(&self, host: &str, position: &Position) {
        let mut shared = self.course.shared_failures.lock().unwrap_or_else(PoisonError::into_inner);
        shared.entry(position.clone()).or_insert_with(|| host.to_owned());
    }

    /// Whether a task has failed for all on another host.
    pub fn failed_elsewhere(&self, position: &Position, host: &str) -> bool {
        let shared = self.course.shared_failures.lock().unwrap_or_else(PoisonError::into_inner);
        shared.get(position).is_some_and(|failed| failed != host)
    }

    /// Whether so many failed hosts end the play.
    fn too_many(&self, failed: usize) -> bool {
        let share = 100.0 * failed as f64 / self.hosts.len().max(1) as f64;
        failed > 0 && self.max_fail_percentage.is_some_and(|most| share > most)
    }

    /// Ends this batch behind the task at `position`, and the play's further batches too. As with Ansible that task itself is done by all
    /// hosts.
    pub fn end(&self, play: bool, position: &Position) {
        let mut over = self.course.over.lock().unwrap_or_else(PoisonError::into_inner);
        if over.as_ref().is_none_or(|at| position < at) {
            *over = Some(position.clone());
        }
        drop(over);
        self.course.play_over.fetch_or(play, Ordering::SeqCst);
        self.barrier.wake();
    }

    /// Whether the task at `position` is not to be started any more.
    pub fn ended(&self, position: &[u32]) -> bool {
        // Handlers that are forced run when all is over.
        let forced = position.first() == Some(&u32::MAX);
        let over = self.course.over.lock().unwrap_or_else(PoisonError::into_inner);
        !forced && over.as_ref().is_some_and(|at| at.as_slice() < position)
    }

    /// Records the result of a `run_once` task for the other hosts.
    pub fn publish_once(&self, host: &str, position: &Position, outcome: &Outcome) {
        let result = Arc::new(Outcome { events: Vec::new(), ..outcome.clone() });
        self.course
            .once
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(position.clone(), (host.to_owned(), result));
        self.barrier.wake();
    }

    /// The result of a `run_once` task, once it is there.
    pub fn once(&self, position: &Position) -> Option<Shared> {
        self.course.once.lock().unwrap_or_else(PoisonError::into_inner).get(position).map(|(_, shared)| shared.clone())
    }

    /// Lets the rest of the play see the variables of a role and of those it depends on, which stand behind its own.
    pub fn publish(&self, role: &Arc<Role>) {
        let mut public = self.public.lock().unwrap_or_else(PoisonError::into_inner);
        for role in role.all_dependencies().into_iter().chain([role]) {
            if !public.iter().any(|known| known.key == role.key) {
                public.push(role.clone());
            }
        }
    }

    /// The roles of which the whole play sees defaults and vars, in order.
    pub fn exports(&self) -> Vec<Arc<Role>> {
        let public = self.public.lock().unwrap_or_else(PoisonError::into_inner);
        self.play.exports.iter().chain(public.iter()).cloned().collect()
    }

    /// The roles that tasks have included so far.
    pub fn included(&self) -> Vec<Arc<Role>> {
        self.included.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that a task has included a role.
    pub fn note_included(&self, role: &Arc<Role>) {
        let mut included = self.included.lock().unwrap_or_else(PoisonError::into_inner);
        if !included.iter().any(|known| known.key == role.key) {
            included.push(role.clone());
        }
    }

    /// A line for something that is no task of the play.
    pub fn line(&self, name: &str, position: &[u32]) -> TaskLine {
        TaskLine {
            name: name.to_owned(),
            play: self.name.clone(),
            position: if position.is_empty() { self.base.clone() } else { position.to_vec() },
            handler: false,
            action: name.to_owned(),
            span: None,
        }
    }
}
