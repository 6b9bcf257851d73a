//! Calls of the host's interpreter that travel together: the other items of a loop, and the tasks behind whose parameters are known and
//! which read nothing that those before them return.
//!
//! What is sent ahead is done without being asked for once more, so only that is sent which Ansible would do next whatever comes of what
//! stands before it, as long as nothing fails; the host itself stops where something does.

use std::{sync::Arc, time::Duration};

use super::{
    ahead::{Lookahead, Unknown},
    cursor::Brought,
    debugger::Debugging,
    evaluation::registered,
    keyword, lock,
    play_host::PlayHost,
    task::{self, Prepared, Readiness, context},
    throttle,
};
use crate::{
    connection::Call,
    module::{Change, Plan, Step},
    playbook::{Action, Keywords, Task},
    template::Context,
    yaml::Node,
};

/// So many calls travel together at most. Those that are under way when somebody interrupts the run are done and not told of.
const MOST: usize = 32;

/// What is to be sent behind the call of an item.
pub struct Following<'h> {
    /// What the host is about to do.
    pub ahead: Lookahead<'h>,
    /// The item of the task's loop that it is at.
    pub index: Option<usize>,
    /// The variables of the task.
    pub vars: &'h Context,
}

impl Following<'_> {
    /// The calls that follow, in their order. None where the first cannot be told.
    pub fn calls(&self, now: &Prepared) -> Vec<Call> {
        let of = self.ahead.of;
        if now.check || of.run.options.check || of.run.options.step || of.batch.strict {
            return Vec::new();
        }
        if of.run.options.forks == 1 && !of.batch.alone() {
            return Vec::new();
        }
        let mut found = Found { of, now, calls: Vec::new(), group: 0 };
        let current = self.ahead.current;
        if !keeps_to_itself(of, current, self.vars) || !self.items(&mut found) {
            return found.calls;
        }
        let mut unknown = Unknown::default();
        unknown.add(&of.run.features_of(current));
        let role = current.scope.role().map(Arc::as_ptr);
        let mut following = self.ahead.cursor.ahead();
        while let Some(task) = following.following(&of.batch.gather) {
            let brought = following.vars();
            let vars = of.vars(&task, &brought);
            let features = of.run.features_of(&task);
            // Another role may be one that has run already.
            let known = task.scope.role().map(Arc::as_ptr) == role
                && !unknown.reaches(&of.run, &features, &vars)
                && keeps_to_itself(of, &task, &vars);
            found.group += 1;
            if !known || !found.task(&task, &brought, &vars, 0) {
                break;
            }
            unknown.add(&features);
        }
        found.calls
    }

    /// Adds the items that follow the one at work. False where that is not known, or may not be.
    fn items(&self, found: &mut Found) -> bool {
        let Some(index) = self.index else { return true };
        let of = self.ahead.of;
        let mut unknown = Unknown::default();
        let features = of.run.features_of(self.ahead.current);
        unknown.add(&features);
        if unknown.reaches(&of.run, &features, self.vars) {
            return false;
        }
        found.task(self.ahead.current, &self.ahead.cursor.vars(), self.vars, index + 1)
    }
}

/// What was found so far.
struct Found<'f> {
    of: &'f PlayHost,
    now: &'f Prepared,
    calls: Vec<Call>,
    group: u32,
}

impl Found<'_> {
    /// Adds the calls of a task, from an item on. False where nothing behind it may be added.
    fn task(&mut self, task: &Arc<Task>, brought: &Brought, vars: &Context, from: usize) -> bool {
        let control = task.loop_.as_ref().map(|over| &over.control);
        if control.is_some_and(|control| control.pause.is_some() || !control.break_when.is_empty()) {
            return false;
        }
        // Whatever is wrong with a coming task is told when its turn comes.
        let Ok(items) = task::items(&self.of.run, task, vars) else { return false };
        let all: Vec<Context> = match &items {
            None => vec![vars.clone()],
            Some(items) => (from..items.len()).map(|i| vars.with(task::item_vars(task, items, i))).collect(),
        };
        for vars in all {
            let prepared = match task::prepare(self.of, brought, task, &vars) {
                Ok(Readiness::Ready(prepared)) => prepared,
                Ok(Readiness::Skip(_)) => continue,
                Err(_) => return false,
            };
            if self.calls.len() >= MOST || !self.add(task, &prepared, &vars) {
                return false;
            }
        }
        true
    }

    fn add(&mut self, task: &Arc<Task>, prepared: &Prepared, vars: &Context) -> bool {
        let now = self.now;
        let there = Arc::ptr_eq(&prepared.machine, &now.machine)
            && prepared.actor == now.actor
            && prepared.interpreter == now.interpreter
            && prepared.about_module.interpreted
            && !prepared.check;
        if !there {
            return false;
        }
        let context = context(prepared, &self.of.host.name);
        let plan = prepared.machine.with_state(&prepared.actor, |state| prepared.module.plan(&context, state));
        let Ok(Plan { changes, .. }) = plan else { return false };
        let [Change { step: Step::Call { program, arguments }, .. }] = changes.as_slice() else { return false };
        // One that is still to be made would keep the first waiting.
        if !program.is_ready() {
            return false;
        }
        let Ok(payload) = program.payload() else { return false };
        let before = if task.notify.is_empty() { String::new() } else { owing(self.of, prepared, task, vars) };
        self.calls.push(Call {
            payload,
            arguments: arguments.clone(),
            environment: prepared.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            before,
            limit: limit(self.of, task, vars),
            group: self.group,
        });
        true
    }
}

/// Whether a task is done by its host alone, judged by nothing but its module, and looked at by nobody in between.
fn keeps_to_itself(of: &PlayHost, task: &Arc<Task>, vars: &Context) -> bool {
    let run = &of.run;
    let flag = |pick: fn(&Keywords) -> Option<&Node>| keyword::flag(run, &task.scope, vars, pick);
    let off = |pick: fn(&Keywords) -> Option<&Node>| matches!(flag(pick), Ok(None | Some(false)));
    let features = run.features_of(task);
    let Task { until, failed_when, changed_when, async_, .. } = task.as_ref();
    matches!(task.action, Action::Module { .. })
        && until.is_empty()
        && failed_when.is_none()
        && changed_when.is_none()
        && async_.is_none()
        && off(|k| k.run_once.as_ref())
        && off(|k| k.ignore_unreachable.as_ref())
        && matches!(flag(|k| k.any_errors_fatal.as_ref()), Ok(fatal) if !fatal.unwrap_or(run.options.any_errors_fatal))
        && matches!(throttle::most(run, task, vars), Ok(None))
        && matches!(Debugging::of(run, &of.batch, task, vars), Ok(None))
        && !features.delegated
        && !of.elsewhere(&features, vars)
        && run.reads_others(&features, vars) == (false, false)
        && !run.acts(&features, vars)
        && !registered(task).is_some_and(|name| features.references.names.contains(name))
}

/// `timeout`, `async` and `--task-timeout` bound a step.
pub fn limit(of: &PlayHost, task: &Task, vars: &Context) -> Option<Duration> {
    let seconds = |node: &Node| {
        let value = of.run.engine.render_tree(node, vars).ok()?;
        keyword::whole(&value).filter(|s| *s > 0).map(|s| Duration::from_secs(s as u64))
    };
    let own = task.scope.inherited(|k| k.timeout.as_ref()).and_then(seconds);
    own.or_else(|| task.async_.as_ref().and_then(seconds)).or(of.run.options.task_timeout)
}

/// The lines that record on the host which handlers a change will owe.
pub fn owing(of: &PlayHost, prepared: &Prepared, task: &Arc<Task>, vars: &Context) -> String {
    let machine = &prepared.machine;
    if task.notify.is_empty() || prepared.check || machine.name != of.host.name || !machine.keeps_owed() {
        return String::new();
    }
    let names = of.notifications(task, vars).unwrap_or_default();
    names.iter().map(|name| lock::owe(&machine.name, name)).collect()
}
