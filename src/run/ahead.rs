//! Looking ahead: the questions of coming tasks whose parameters are already known, asked together with this one's.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use super::{
    Run,
    cursor::{Brought, Cursor},
    facts,
    features::{Features, Regroups},
    machine::{Actor, Machine},
    play_host::PlayHost,
    task::{self, Prepared, Readiness, context},
};
use crate::{
    fact::{Missing, Probe},
    module::PlanError,
    playbook::{Action, Task},
    template::{Context, References},
};

/// So many tasks are looked at ahead at most: enough for a whole play that has nothing to do, few enough that a play
/// that changes everything is not planned over and over.
const WINDOW: usize = 160;

/// So many are looked at behind a change of unknown effect: another such change, that makes all answers stale again,
/// is likely to follow soon.
const WINDOW_AFTER_CHANGE: usize = 24;

/// Questions by machine and user.
pub type Questions = Vec<(Arc<Machine>, Actor, Vec<Probe>)>;

/// What a host is about to do, seen from the task that it is at.
pub struct Lookahead<'h> {
    /// The host.
    pub of: &'h PlayHost,
    /// Where it is.
    pub cursor: &'h Cursor,
    /// The task there.
    pub current: &'h Arc<Task>,
}

impl Lookahead<'_> {
    /// The questions of the current task's other items and of the tasks behind it.
    pub fn questions(&self) -> Questions {
        self.within(WINDOW)
    }

    /// The questions behind a change of unknown effect for the machine and the user that it is for, API questions left out.
    pub fn behind_change(&self, prepared: &Prepared) -> Vec<Probe> {
        let found = self.within(WINDOW_AFTER_CHANGE);
        let mine = found.into_iter().find(|(m, a, _)| Arc::ptr_eq(m, &prepared.machine) && *a == prepared.actor);
        // Whatever was known before the change is about to be stale: ask for all of it.
        mine.map(|(.., probes)| probes.into_iter().filter(|p| !matches!(p, Probe::Api(_))).collect())
            .unwrap_or_default()
    }

    fn within(&self, window: usize) -> Questions {
        let PlayHost { run, .. } = self.of;
        let mut found = Questions::new();
        if self.current.loop_.is_some() {
            // A module may ask again once it knows the first answers: each such round is one for all items.
            let brought = self.cursor.vars();
            self.add(self.current, &brought, &self.of.vars(self.current, &brought), &mut found);
        }
        let mut ahead = self.cursor.ahead();
        let mut unknown = Unknown::default();
        unknown.add(&run.features_of(self.current));
        let mut connections = Vec::new();
        let mut asked = 0;
        while asked < window {
            let Some(task) = ahead.following(&self.of.batch.gather) else { break };
            asked += 1;
            let features = run.features_of(&task);
            let brought = ahead.vars();
            let vars = self.of.vars(&task, &brought);
            let reached = unknown.reaches(run, &features, &vars)
                || unknown.settings
                || (unknown.some()
                    && unknown.names_any(self.connection_reads(&mut connections, &task, ahead.depth(), &vars)));
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
            self.add(&task, &brought, &vars, &mut found);
            unknown.add(&features);
        }
        found
    }

    /// What the connection of a task is made of. Tasks of one role and one include have the same, but for what stands with the task,
    /// which is among its own references.
    fn connection_reads<'c>(
        &self,
        known: &'c mut Vec<(Option<usize>, usize, References)>,
        task: &Task,
        depth: usize,
        vars: &Context,
    ) -> &'c References {
        let role = task.scope.role().map(|role| Arc::as_ptr(role) as usize);
        let at = known.iter().position(|(r, d, _)| (*r, *d) == (role, depth)).unwrap_or_else(|| {
            known.push((role, depth, self.of.run.connection_references(vars)));
            known.len() - 1
        });
        &known[at].2
    }

    /// Adds the questions of all items of a task.
    fn add(&self, task: &Arc<Task>, brought: &Brought, vars: &Context, found: &mut Questions) {
        // Whatever is wrong with a coming task is told when its turn comes.
        let Ok(items) = task::items(&self.of.run, task, vars) else { return };
        let all: Vec<Context> = match &items {
            None => vec![vars.clone()],
            Some(items) => (0..items.len()).map(|i| vars.with(task::item_vars(task, items, i))).collect(),
        };
        for vars in all {
            let Ok(Readiness::Ready(prepared)) = task::prepare(self.of, brought, task, &vars) else {
                continue;
            };
            let context = context(&prepared, &self.of.host.name);
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
pub(super) struct Unknown {
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
    pub(super) fn add(&mut self, features: &Features) {
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
    pub(super) fn reaches(&self, run: &Run, features: &Features, vars: &Context) -> bool {
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
