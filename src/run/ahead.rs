//! Looking ahead: the questions of coming tasks whose parameters are already known, asked together with this one's.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use super::{
    Run, facts,
    features::{Features, Regroups},
    host::{Frame, HostRun},
    item::context,
    machine::{Actor, Machine},
    program::Op,
    task::{self, Prepared, Readiness},
};
use crate::{
    fact::{Missing, Probe},
    module::PlanError,
    playbook::{Action, MetaAction, Task},
    template::{Context, References},
};

/// So many tasks are looked at ahead at most: enough for a whole play that has nothing to do, few enough that a play
/// that changes everything is not planned over and over.
const WINDOW: usize = 160;

/// So many are looked at behind a change of unknown effect: another such change, that makes all answers stale again,
/// is likely to follow soon.
const WINDOW_AFTER_CHANGE: usize = 24;

impl HostRun {
    /// The questions of the current task's other items and of the tasks behind it, by machine and user.
    pub(super) fn ahead(&self, current: &Arc<Task>) -> Vec<(Arc<Machine>, Actor, Vec<Probe>)> {
        self.ahead_by(current, WINDOW)
    }

    fn ahead_by(&self, current: &Arc<Task>, window: usize) -> Vec<(Arc<Machine>, Actor, Vec<Probe>)> {
        let mut found: Vec<(Arc<Machine>, Actor, Vec<Probe>)> = Vec::new();
        if !self.run.options.lookahead || self.careful.is_some() {
            return found;
        }
        if current.loop_.is_some() {
            // A module may ask again once it knows the first answers: each such round is one for all items.
            self.questions(current, &self.frames, &self.vars(current), &mut found);
        }
        let mut frames = self.frames.clone();
        let mut unknown = Unknown::default();
        unknown.add(&self.run.features_of(current));
        let mut connections = Vec::new();
        let mut asked = 0;
        while asked < window {
            let Some(task) = self.following(&mut frames) else { break };
            asked += 1;
            let features = self.run.features_of(&task);
            let vars = self.vars_in(&task, &frames);
            let reached = unknown.reaches(&self.run, &features, &vars)
                || unknown.settings
                || (unknown.some()
                    && unknown.names_any(self.connection_reads(&mut connections, &task, &frames, &vars)));
            if reached {
                unknown.add(&features);
                if features.sets_unknown || unknown.own_groups {
                    break;
                }
                continue;
            }
            if !matches!(task.action, Action::Module { .. }) {
                break;
            }
            self.questions(&task, &frames, &vars, &mut found);
            unknown.add(&features);
        }
        found
    }

    /// The questions ahead for one machine and user, API questions left out.
    pub(super) fn ahead_on(&self, current: &Arc<Task>, prepared: &Prepared) -> Vec<Probe> {
        let found = self.ahead_by(current, WINDOW_AFTER_CHANGE);
        let mine = found.into_iter().find(|(m, a, _)| Arc::ptr_eq(m, &prepared.machine) && *a == prepared.actor);
        // Whatever was known before the change is about to be stale: ask for all of it.
        mine.map(|(.., probes)| probes.into_iter().filter(|p| !matches!(p, Probe::Api(_))).collect())
            .unwrap_or_default()
    }

    /// What the connection of a task is made of. Tasks of one role and one include have the same, but for what stands with the task,
    /// which is among its own references.
    fn connection_reads<'c>(
        &self,
        known: &'c mut Vec<(Option<usize>, usize, References)>,
        task: &Task,
        frames: &[Frame],
        vars: &Context,
    ) -> &'c References {
        let (role, depth) = (task.scope.role().map(|role| Arc::as_ptr(role) as usize), frames.len());
        let at = known.iter().position(|(r, d, _)| (*r, *d) == (role, depth)).unwrap_or_else(|| {
            known.push((role, depth, self.run.connection_references(vars)));
            known.len() - 1
        });
        &known[at].2
    }

    fn vars_in(&self, task: &Task, frames: &[Frame]) -> Context {
        let more: Vec<_> = frames.iter().flat_map(|f| f.vars.iter().cloned()).collect();
        super::variables::TaskVars::context(&self.run, &self.batch, &self.host, &task.scope, &more)
    }

    /// The next task in the natural course, without failures; none where the course is not known.
    fn following(&self, frames: &mut Vec<Frame>) -> Option<Arc<Task>> {
        let mut first = true;
        loop {
            let frame = frames.last_mut()?;
            if first {
                frame.pc += 1;
                first = false;
            }
            let Some((op, _)) = frame.program.ops.get(frame.pc) else {
                let last = frame.last;
                frames.pop();
                first = last;
                continue;
            };
            match op {
                Op::BodyEnd(block) => frame.pc = frame.program.blocks[*block].always,
                Op::RescueEnd => frame.pc += 1,
                Op::BlockEnd(block) if frame.failed.contains(block) => return None,
                Op::BlockEnd(_) => frame.pc += 1,
                Op::Flush if self.notified.is_empty() => frame.pc += 1,
                Op::Flush => return None,
                Op::Gather => return Some(self.batch.gather.clone()),
                Op::Task(_) if frame.handlers && !self.notified.contains(&frame.pc) => frame.pc += 1,
                Op::Task(task) => match &task.action {
                    Action::Meta { action: MetaAction::Noop, .. } => frame.pc += 1,
                    Action::Meta { .. } | Action::Include(_) => return None,
                    Action::Module { .. } => return Some(task.clone()),
                },
            }
        }
    }

    fn questions(
        &self,
        task: &Arc<Task>,
        frames: &[Frame],
        vars: &Context,
        found: &mut Vec<(Arc<Machine>, Actor, Vec<Probe>)>,
    ) {
        // Whatever is wrong with a coming task is told when its turn comes.
        let Ok(items) = task::items(&self.run, task, vars) else { return };
        let all: Vec<Context> = match &items {
            None => vec![vars.clone()],
            Some(items) => (0..items.len()).map(|i| vars.with(task::item_vars(task, items, i))).collect(),
        };
        for vars in all {
            let Ok(Readiness::Ready(prepared)) = task::prepare(self, frames, task, &vars) else {
                continue;
            };
            let context = context(&prepared, &self.host.name);
            let wanted: Vec<Probe> = prepared.machine.with_state(&prepared.actor, |state| {
                let now = Instant::now();
                let probes = prepared.module.probe(&context, state).into_iter();
                let wanted = probes.filter(|p| state.wants(p, now));
                let mut wanted: Vec<Probe> = wanted.map(|p| state.asked_as(p)).collect();
                // Everything is known, and still it may need something better known: a directory's times, for one.
                if wanted.is_empty()
                    && let Err(PlanError::Missing(Missing::Unread(probe))) = prepared.module.plan(&context, state)
                {
                    wanted.push(*probe);
                }
                wanted
            });
            let index = found.iter().position(|(m, a, _)| Arc::ptr_eq(m, &prepared.machine) && *a == prepared.actor);
            let index = index.unwrap_or_else(|| {
                found.push((prepared.machine.clone(), prepared.actor.clone(), Vec::new()));
                found.len() - 1
            });
            for probe in wanted {
                if !found[index].2.contains(&probe) {
                    found[index].2.push(probe);
                }
            }
        }
    }
}

/// What a task not yet done may set.
#[derive(Default)]
struct Unknown {
    names: BTreeSet<String>,
    facts: bool,
    /// Hosts may appear.
    hosts: bool,
    /// This host's groups may change, and with them any of its variables.
    own_groups: bool,
    /// Among the names is one that says how a host is reached, or who acts.
    settings: bool,
}

impl Unknown {
    fn add(&mut self, features: &Features) {
        self.settings |= features.sets.iter().any(|name| facts::is_setting(name));
        self.names.extend(features.sets.iter().cloned());
        self.facts |= features.sets_unknown;
        self.hosts |= features.regroups.is_some();
        self.own_groups |= features.regroups == Some(Regroups::Own);
    }

    fn some(&self) -> bool {
        !self.names.is_empty() || self.facts
    }

    /// Whether a task reads any of them or another host's, through other variables too.
    fn reaches(&self, run: &Run, features: &Features, vars: &Context) -> bool {
        let all = run.engine.all_references(&features.references, vars);
        // What is looked up by doing something is done once, when its task's turn has come.
        // A name that is a template itself may be any.
        all.hostvars
            || self.own_groups
            || (self.hosts && features.delegated)
            || self.names.iter().any(|name| name.contains("{{"))
            || all.acts
            || (self.some() && self.names_any(&all))
    }

    fn names_any(&self, read: &References) -> bool {
        read.any || read.names.iter().any(|n| self.names.contains(n) || (self.facts && is_fact(n)))
    }
}

/// Connection settings are `ansible_…` too, and are no facts.
fn is_fact(name: &str) -> bool {
    name == "ansible_facts" || (name.starts_with("ansible_") && facts::may_be_variable(name))
}
