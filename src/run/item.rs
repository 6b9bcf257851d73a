//! One item of a task: what is read, what is planned, what is carried out now and what is put off.

use std::{collections::HashSet, sync::Arc, time::Instant};

use serde_json::json;

use super::{
    barrier::Position,
    guard::Guard,
    host::{HostRun, Stop},
    lock,
    machine::{Actor, Machine, Work},
    outcome::Outcome,
    step::{Plain, skipped},
    task::{self, Prepared, Readiness},
    task_error::TaskError,
};
use crate::{
    fact::{Missing, Probe, Resource, State},
    module::{Change, CheckMode, Content, Context as ModuleContext, Parts, Plan, PlanError, Step, place},
    playbook::Task,
    report::{Certainty, Event, Status},
    template::Context,
    yaml::{Node, Value},
};

/// Contents up to this size travel inside the script.
const INLINE: u64 = 64 * 1024;

/// A module that is still asking after so many rounds will never stop.
const ROUNDS: usize = 12;

impl HostRun {
    /// Prepares, reads, plans and carries out.
    pub(super) async fn act(
        &mut self,
        task: &Arc<Task>,
        position: &Position,
        vars: &Context,
        plain: &Plain,
    ) -> Result<Outcome, Stop> {
        let began = Instant::now();
        let prepared = match task::prepare(self, &self.frames, task, vars) {
            Ok(Readiness::Skip(condition)) => return Ok(skipped(&condition)),
            Ok(Readiness::Ready(prepared)) => prepared,
            Err(error) => return Ok(Outcome::failed(&error.at(&task.span))),
        };
        if !self.run.options.lookahead && !prepared.check {
            prepared.machine.forget_all();
        }
        loop {
            let plan = match self.plan(task, position, &prepared).await? {
                Ok(plan) => plan,
                Err(outcome) => return Ok(*outcome),
            };
            plan.warnings
                .iter()
                .for_each(|w| self.run.tell(Event::Warning { message: format!("{}: {w}", self.host.name) }));
            let mut outcome = if plan.changes.is_empty() {
                self.finish(task, &prepared, &plan, &[])
            } else if prepared.check {
                self.pretend(task, &prepared, &plan)
            } else {
                let guard = guard(&prepared, &self.host.name);
                if let Some(what) = self.outstanding.moved.hopeless(&guard) {
                    return Ok(Outcome::failed(&restless(what).at(&task.span)));
                }
                // What is on this machine itself can be read by lookups and modules past all shells.
                let awaited = plan.output_in_result && plain.register.is_some();
                let deferrable = plain.deferrable && closed(&plan) && !awaited && !prepared.machine.is_local();
                match deferrable {
                    true => self.foresee(task, vars, &prepared, &plan, guard).await?,
                    false => match self.carry_out(task, position, vars, &prepared, &plan, &guard).await? {
                        Some(outcome) => outcome,
                        // Something has moved since: what is there now is read and planned on.
                        None => continue,
                    },
                }
            };
            outcome.began = began;
            for due in &mut outcome.effects {
                due.about.clone_from(&prepared.about);
            }
            return Ok(outcome);
        }
    }

    /// Reads until the module can plan.
    async fn plan(
        &mut self,
        task: &Arc<Task>,
        position: &Position,
        prepared: &Prepared,
    ) -> Result<Result<Plan, Box<Outcome>>, Stop> {
        // What is read for this task is new enough for it, however long the host takes: a checksum of a large file may need
        // longer than answers stay fresh, and the first would be asked for again with the last, for ever.
        let now = Instant::now();
        for _ in 0..ROUNDS {
            let wanted = {
                let context = context(prepared, &self.host.name);
                prepared.machine.with_state(&prepared.actor, |state| {
                    let probes = prepared.module.probe(&context, state);
                    let wanted = probes.into_iter().filter(|p| state.wants(p, now));
                    let wanted: Vec<Probe> = wanted.map(|p| state.asked_as(p)).collect();
                    if !wanted.is_empty() {
                        return Err(wanted);
                    }
                    match prepared.module.plan(&context, state) {
                        Err(PlanError::Missing(Missing::Unread(probe))) => Err(vec![*probe]),
                        other => Ok(other),
                    }
                })
            };
            match wanted {
                Err(probes) => self.read(task, position, &prepared.machine, &prepared.actor, probes).await?,
                Ok(Ok(plan)) => return Ok(Ok(plan)),
                Ok(Err(PlanError::Failed(failure))) => {
                    return Ok(Err(Box::new(Outcome::failed(&TaskError::from(failure).at(&task.span)))));
                }
                Ok(Err(PlanError::Missing(Missing::Depends(on)))) => {
                    return Ok(Err(Box::new(self.depends(Some(&prepared.machine), &on))));
                }
                Ok(Err(PlanError::Missing(missing))) => {
                    let error = TaskError::new(format!("cannot read the host: {missing:?}"));
                    return Ok(Err(Box::new(Outcome::failed(&error))));
                }
            }
        }
        let error = TaskError::new(format!("{} keeps asking for more: this is a fault of bringup", prepared.name));
        Ok(Err(Box::new(Outcome::failed(&error))))
    }

    /// Check mode: what this task finds depends on one that was not carried out.
    pub(super) fn depends(&self, machine: Option<&Machine>, on: &str) -> Outcome {
        // Whatever it would do is unknown too.
        if let Some(machine) = machine {
            machine.taint(&[Resource::Anything], on);
        }
        let mut outcome = Outcome::skipped(&format!("depends on {on}"));
        outcome.doubt(Certainty::DependsOn(on.to_owned()));
        outcome
    }

    /// Asks the questions of this task and of those ahead in one frame.
    async fn read(
        &mut self,
        task: &Arc<Task>,
        position: &Position,
        machine: &Arc<Machine>,
        actor: &Actor,
        probes: Vec<Probe>,
    ) -> Result<(), Stop> {
        self.run.tell(Event::TaskRunning { task: self.line(task, position, None), host: self.host.name.clone() });
        let mut ahead = self.ahead(task);
        // What waits to be sent is not there yet for those who ask past it. Nobody is logged in for a question that may wait: the
        // tasks before it may be what makes the host, the user or the key.
        let waiting = self.waiting_on();
        ahead.retain(|(m, a, _)| {
            let past = waiting.as_ref().is_some_and(|w| m.is_kin(w));
            (Arc::ptr_eq(m, machine) && a == actor) || (!past && (Arc::ptr_eq(m, machine) || m.is_ready()))
        });
        let mine = ahead.iter().position(|(m, a, _)| Arc::ptr_eq(m, machine) && a == actor);
        let needed = probes.clone();
        let mut all = probes;
        if let Some(index) = mine {
            all.extend(ahead.swap_remove(index).2);
        }
        let (api, mut shell): (Vec<_>, Vec<_>) = all.into_iter().partition(|p| matches!(p, Probe::Api(_)));
        machine.with_state(actor, |state| add_links(state, &mut shell));
        let others = ahead.into_iter().map(|(other, as_whom, probes)| async move {
            let (api, shell): (Vec<_>, Vec<_>) = probes.into_iter().partition(|p| matches!(p, Probe::Api(_)));
            if !shell.is_empty() {
                // A machine that cannot be read ahead is told of when its task comes.
                let _ = other.send(&as_whom, &[], &shell).await;
            }
            super::api::ask(&other, &as_whom, api, &[]).await;
        });
        let others = tokio::spawn(futures::future::join_all(others.collect::<Vec<_>>()));
        let sent = match shell.is_empty() {
            true => Ok(Vec::new()),
            false => self.send(machine, actor, Vec::new(), &shell).await,
        };
        if sent.is_ok() {
            super::api::ask(machine, actor, api, &needed).await;
        }
        // A fault in there is ours, not the host's; the task asks again and meets it itself.
        let _ = others.await;
        sent.map(|_| ())
    }

    pub(super) fn finish(
        &self,
        task: &Task,
        prepared: &Prepared,
        plan: &Plan,
        outputs: &[crate::module::StepOutput],
    ) -> Outcome {
        let context = context(prepared, &self.host.name);
        match prepared.module.finish(&context, plan, outputs) {
            Ok(result) => Outcome::of_plan(plan, prepared.module.changed(plan, outputs), result, prepared.diff),
            Err(failure) => Outcome::failed(&TaskError::from(failure).at(&task.span)),
        }
    }

    /// Check mode: tells what would be done and lets later tasks see it.
    fn pretend(&self, task: &Task, prepared: &Prepared, plan: &Plan) -> Outcome {
        let title = task.title();
        // A pause changes nothing, though nobody can foretell how it ends.
        for change in plan.changes.iter().filter(|_| plan.changed != Some(false)) {
            // What such a change leaves behind is predicted below where it can be; nobody knows the rest.
            let open: &[Resource] = if change.closed { &[] } else { &change.writes };
            prepared.machine.taint(open, &title);
            prepared.machine.forget(&change.writes);
        }
        prepared.machine.with_state(&prepared.actor, |state| {
            plan.predictions.iter().for_each(|(probe, answer)| state.predict(probe.clone(), answer.clone()));
        });
        let skip = plan.check_mode == CheckMode::Skip;
        let mut outcome = Outcome::of_plan(plan, !skip && plan.would_change(), plan.result.clone(), prepared.diff);
        if skip || (plan.result.contains_key("cmd") && plan.changes.iter().any(|c| !c.closed)) {
            outcome.doubt(Certainty::Open);
        }
        if skip {
            outcome.skip();
            outcome.result.entry("msg").or_insert(json!("not carried out in check mode"));
            if plan.would_change() && !never_changes(task) {
                outcome.doubt(Certainty::WouldRun);
            }
        }
        outcome
    }

    /// Decides on a change whose effect is known exactly, without sending it yet.
    async fn foresee(
        &mut self,
        task: &Task,
        vars: &Context,
        prepared: &Prepared,
        plan: &Plan,
        guard: Guard,
    ) -> Result<Outcome, Stop> {
        let outputs = vec![crate::module::StepOutput::default(); plan.changes.len()];
        let outcome = self.finish(task, prepared, plan, &outputs);
        if outcome.status == Status::Failed {
            return Ok(outcome);
        }
        let owe = self.owing(task, vars, prepared, plan);
        let scripts = plan.changes.iter().enumerate().filter_map(|(index, change)| {
            let owe = if index == 0 { owe.as_str() } else { "" };
            let before = |script: &str| format!("{owe}{}{script}", prepared.environment);
            let parts = match &change.step {
                Step::Write(write) => {
                    let parts = write.parts();
                    Some(Parts { stage: before(&parts.stage), ..parts })
                }
                _ => None,
            };
            Some(Work { parts, ..Work::new(before(&script(change)?)) })
        });
        self.put_off(&prepared.machine, &prepared.actor, scripts.collect(), guard).await?;
        plan.changes.iter().for_each(|change| prepared.machine.forget(&change.writes));
        prepared.machine.with_state(&prepared.actor, |state| {
            plan.predictions.iter().for_each(|(probe, answer)| state.predict(probe.clone(), answer.clone()));
        });
        Ok(outcome)
    }

    /// The line that records on the host which handlers a change will owe.
    pub(super) fn owing(&self, task: &Task, vars: &Context, prepared: &Prepared, plan: &Plan) -> String {
        let machine = &prepared.machine;
        if task.notify.is_empty() || !plan.would_change() || machine.name != self.host.name || !machine.keeps_owed() {
            return String::new();
        }
        let names = self.notifications(task, vars).unwrap_or_default();
        prepared.machine.set_owes(&prepared.actor, true);
        names.iter().map(|n| lock::owe(n)).collect()
    }
}

/// Asks about links too where paths are asked about: what is written under one name makes answers stale under another.
pub(super) fn add_links(state: &State, probes: &mut Vec<Probe>) {
    let mut seen: HashSet<Probe> = probes.iter().cloned().collect();
    for link in probes.iter().flat_map(Probe::links).collect::<Vec<_>>() {
        if !state.knows(&link) && seen.insert(link.clone()) {
            probes.push(link);
        }
    }
}

/// What the task's changes were planned on.
fn guard(prepared: &Prepared, host: &str) -> Guard {
    let context = context(prepared, host);
    prepared.machine.with_state(&prepared.actor, |state| Guard::of(state, &prepared.module.probe(&context, state)))
}

/// The failure of a task whose files never stay as they were read.
fn restless(what: &str) -> TaskError {
    TaskError::new(format!("something else on the host keeps changing what this task is about: {what}"))
        .help("stop what writes there, or let it be done with before this task")
}

/// What a module sees while it plans.
pub fn context<'a>(prepared: &'a Prepared, host: &'a str) -> ModuleContext<'a> {
    ModuleContext {
        check: prepared.check,
        diff: prepared.diff,
        user: &prepared.user,
        host,
        controller: &prepared.controller,
    }
}

/// Whether every change is exactly foreseen and fits into a script.
fn closed(plan: &Plan) -> bool {
    plan.changes.iter().all(|c| c.closed && script(c).is_some())
}

/// The script of a change, where it is nothing but a script.
pub fn script(change: &Change) -> Option<String> {
    match &change.step {
        Step::Script(script) => Some(place::keyed(script.clone())),
        Step::Write(write) if write.content.size() <= INLINE && matches!(write.content, Content::Bytes(_)) => {
            Some(place::keyed(write.script()))
        }
        _ => None,
    }
}

/// Whether `changed_when` says that a task never counts as a change, whatever it does.
fn never_changes(task: &Task) -> bool {
    let never = |condition: &Node| match &condition.value {
        Value::Bool(holds) => !holds,
        _ => condition.as_str().is_some_and(|text| text.trim().eq_ignore_ascii_case("false")),
    };
    task.changed_when.as_ref().is_some_and(|conditions| conditions.iter().any(never))
}
