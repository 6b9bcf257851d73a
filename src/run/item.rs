//! One item of a task: what is read, what is planned, what is carried out now and what is put off.

use std::{
    collections::HashSet,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    background::Job,
    calls::{self, Following},
    change::{Execution, TIME_OVER, script},
    evaluation::Evaluation,
    guard::{Guard, Moved},
    machine::{Actor, Machine, Work},
    outcome::Outcome,
    stop::Stop,
    task::{self, Prepared, Readiness, context},
    task_error::TaskError,
};
use crate::{
    connection::{Call, said::advice},
    fact::{Missing, Probe, Resource, State},
    module::{Change, CheckMode, Described, Parts, Plan, PlanError, Step, StepOutput, builtin::async_status},
    playbook::Task,
    report::{Certainty, Event, Status},
    template::Context,
    yaml::origin,
};

/// A module that is still asking after so many rounds will never stop.
const ROUNDS: usize = 12;

impl Evaluation<'_> {
    /// Prepares, reads, plans and carries out.
    pub(super) async fn act(&mut self, vars: &Context) -> Result<Outcome, Stop> {
        let began = Instant::now();
        let with = task::delegated_vars(self.of, self.task, vars);
        let vars = with.as_ref().unwrap_or(vars);
        let prepared = match task::prepare(self.of, &self.cursor.vars(), self.task, vars) {
            Ok(Readiness::Skip(condition)) => return Ok(Outcome::condition(&condition)),
            Ok(Readiness::Ready(prepared)) => prepared,
            Err(error) => return Ok(self.unasked(error)),
        };
        let background = match self.background(vars, &prepared) {
            Ok(background) => background,
            Err(error) => return Ok(self.unasked(error)),
        };
        let asks_for_job = prepared.name == async_status::AsyncStatus::NAME;
        let job = asks_for_job.then(|| self.job(vars, &prepared)).flatten();
        if let Some(Job::Done(outcome)) = job {
            return Ok(*outcome);
        }
        if self.again || (!self.of.run.options.lookahead || asks_for_job) && !prepared.check {
            prepared.machine.forget_all();
        }
        loop {
            let plan = match self.plan(vars, &prepared).await? {
                Ok(plan) => plan,
                Err(outcome) => return Ok(self.told_of_job(&prepared, background.as_ref(), *outcome)),
            };
            self.warn(&plan.warnings);
            if let Some(Job::Left(job, left)) = &job
                && let Some(outcome) = self.ended(&prepared, job, left)
            {
                return Ok(outcome);
            }
            if let Some(background) = background.as_ref().filter(|background| background.left)
                && let Some(launch) = self.launch(&prepared, &plan, background)
            {
                let guard = guard(&prepared, &self.of.host.name);
                let Some(outputs) = self.outputs(vars, &prepared, &launch, &guard).await? else { continue };
                return Ok(self.left(*prepared, plan, background, &launch, &outputs));
            }
            // Something has moved since: what is there now is read and planned on.
            let Some(mut outcome) = self.follow(vars, &prepared, &plan).await? else { continue };
            outcome.began = began;
            for due in &mut outcome.effects {
                due.about.clone_from(&prepared.about);
            }
            return Ok(self.told_of_job(&prepared, background.as_ref(), outcome));
        }
    }

    /// A task that cannot be made ready. What the module itself says, of its parameters too, is judged by the task's conditions.
    fn unasked(&self, error: TaskError) -> Outcome {
        Outcome { unasked: !error.of_module, ..Outcome::failed(&error.at(&self.task.span)) }
    }

    /// Tells what a module warns of, of the first host alone. What `no_log` hides is in no warning either.
    fn warn(&self, warnings: &[String]) {
        let of = self.of;
        let place = self.task.span.place().to_string();
        for words in warnings.iter().filter(|_| !self.settings.no_log) {
            if let Some(message) = of.run.tally.warn(&of.host.name, &place, words) {
                of.run.tell(Event::Warning { message });
            }
        }
    }

    /// Does as planned: at once, later with other changes, or in check mode not at all. Nothing where what it was planned on has moved.
    async fn follow(&mut self, vars: &Context, prepared: &Prepared, plan: &Plan) -> Result<Option<Outcome>, Stop> {
        if plan.changes.is_empty() {
            return Ok(Some(self.finish(prepared, plan, &[])));
        }
        if prepared.check && plan.check_mode != CheckMode::Run {
            return Ok(Some(self.pretend(prepared, plan)));
        }
        let guard = guard(prepared, &self.of.host.name);
        if let Some(what) = self.unconfirmed.moved().too_often(&guard) {
            return Ok(Some(Outcome::failed(&never_settles(what).at(&self.task.span))));
        }
        let left = match &plan.leaves {
            Some(user) if prepared.machine.has_shell_of(user).await => {
                self.unconfirmed.flush().await?;
                prepared.machine.leave(user).await;
                true
            }
            _ => false,
        };
        // What is on this machine itself can be read by lookups and modules past all shells.
        let awaited = plan.output_in_result && self.settings.register.is_some();
        match self.settings.deferrable && closed(plan) && !awaited && !left && !prepared.machine.is_local() {
            true => self.defer(vars, prepared, plan, guard).await.map(Some),
            false => self.carry_out(vars, prepared, plan, &guard).await,
        }
    }

    /// Check mode: tells what would be done. Where the whole run is one, later tasks see it; a task that alone is checked leaves the host to
    /// them as it is.
    fn pretend(&self, prepared: &Prepared, plan: &Plan) -> Outcome {
        if self.of.run.options.check {
            foresee(self.task, prepared, plan);
        }
        pretend(self.task, prepared, plan)
    }

    /// Reads until the module can plan.
    async fn plan(&mut self, vars: &Context, prepared: &Prepared) -> Result<Result<Plan, Box<Outcome>>, Stop> {
        // What is read for this task is new enough for it, however long the host takes: a checksum of a large file may need
        // longer than answers stay fresh, and the first would be asked for again with the last, for ever.
        let now = Instant::now();
        for _ in 0..ROUNDS {
            let wanted = {
                let context = context(prepared, &self.of.host.name);
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
                Err(probes) => self.read(&prepared.machine, &prepared.actor, probes).await?,
                Ok(Ok(plan)) => return Ok(Ok(plan)),
                Ok(Err(PlanError::Failed(failure))) => {
                    return Ok(Err(Box::new(self.unasked(TaskError::from(failure)))));
                }
                Ok(Err(PlanError::Missing(Missing::Depends(on)))) => {
                    return Ok(Err(Box::new(self.of.depends(
                        Some(&prepared.machine),
                        &on,
                        &self.of.may_write(self.task, vars),
                    ))));
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

    /// Asks the questions of this task and of those ahead in one frame.
    async fn read(&mut self, machine: &Arc<Machine>, actor: &Actor, probes: Vec<Probe>) -> Result<(), Stop> {
        self.of.run.tell(Event::TaskRunning { task: self.line(None), host: self.of.host.name.clone() });
        let mut ahead = self.lookahead().map(|ahead| ahead.questions()).unwrap_or_default();
        // What waits to be sent is not there yet for those who ask past it. Nobody is logged in for a question that may wait: the
        // tasks before it may be what makes the host, the user or the key.
        let waiting = self.unconfirmed.waiting_on();
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
            false => self.unconfirmed.send(machine, actor, Vec::new(), &shell).await,
        };
        if sent.is_ok() {
            super::api::ask(machine, actor, api, &needed).await;
        }
        // A fault in there is ours, not the host's; the task asks again and meets it itself.
        let _ = others.await;
        sent.map(|_| ())
    }

    fn finish(&self, prepared: &Prepared, plan: &Plan, outputs: &[StepOutput]) -> Outcome {
        let context = context(prepared, &self.of.host.name);
        match prepared.module.finish(&context, plan, outputs) {
            Ok(result) => {
                let mut outcome = Outcome::of_plan(plan, prepared.module.changed(plan, outputs), result, prepared.diff);
                let told = prepared.module.told(outputs);
                self.warn(&told.warnings);
                outcome.learn(told, prepared.diff);
                outcome
            }
            Err(mut failure) => {
                failure.help = failure.help.or_else(|| advice(&failure.message).map(str::to_owned));
                Outcome::failed(&TaskError::from(failure).at(&self.task.span))
            }
        }
    }

    /// Check mode of what keeps to it by itself: it says what it would do, and nobody else can.
    fn foretold(&self, prepared: &Prepared, plan: &Plan, outputs: &[StepOutput]) -> Outcome {
        let mut outcome = self.finish(prepared, plan, outputs);
        let would = outcome.changed || outcome.status == Status::Skipped;
        if would && self.of.run.options.check {
            foresee(self.task, prepared, plan);
        }
        if outcome.status == Status::Skipped {
            outcome.doubt(if self.task.never_changes() { Certainty::OnlyReads } else { Certainty::WouldRun });
        } else if outcome.changed {
            outcome.doubt(Certainty::Open);
        }
        outcome
    }

    /// Decides on a change whose effect is known exactly, without sending it yet.
    async fn defer(&mut self, vars: &Context, prepared: &Prepared, plan: &Plan, guard: Guard) -> Result<Outcome, Stop> {
        let outputs = vec![StepOutput::default(); plan.changes.len()];
        let outcome = self.finish(prepared, plan, &outputs);
        if outcome.status == Status::Failed {
            return Ok(outcome);
        }
        let owe = self.owing(vars, prepared, plan);
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
        self.unconfirmed.put_off(&prepared.machine, &prepared.actor, scripts.collect(), guard).await?;
        plan.changes.iter().for_each(|change| prepared.machine.forget(&change.writes));
        prepared.machine.with_state(&prepared.actor, |state| {
            plan.predictions.iter().for_each(|(probe, answer)| state.predict(probe.clone(), answer.clone()));
        });
        Ok(outcome)
    }

    /// Carries out all changes of a plan now, and judges what came of it. Nothing is done, and nothing returned, where
    /// the host is no longer as the guard says.
    async fn carry_out(
        &mut self,
        vars: &Context,
        prepared: &Prepared,
        plan: &Plan,
        guard: &Guard,
    ) -> Result<Option<Outcome>, Stop> {
        let Some(outputs) = self.outputs(vars, prepared, plan, guard).await? else { return Ok(None) };
        if prepared.check {
            return Ok(Some(self.foretold(prepared, plan, &outputs)));
        }
        note_written(prepared, plan);
        if let Some(limit) = self.limit(vars).filter(|_| self.task.async_.is_none())
            && outputs.iter().any(|output| output.error.as_deref() == Some(TIME_OVER))
        {
            return Ok(Some(Outcome::failed(&self.out_of_time(limit))));
        }
        Ok(Some(self.finish(prepared, plan, &outputs)))
    }

    /// Carries out all changes of a plan now: what came of each.
    async fn outputs(
        &mut self,
        vars: &Context,
        prepared: &Prepared,
        plan: &Plan,
        guard: &Guard,
    ) -> Result<Option<Vec<StepOutput>>, Stop> {
        self.of.run.tell(Event::TaskRunning { task: self.line(Some(vars)), host: self.of.host.name.clone() });
        let open = plan.changes.iter().any(|c| !c.closed);
        // What runs with unknown effect may be seen by other hosts, and may see them: all keep Ansible's order there.
        if open && !self.of.batch.alone() {
            self.unconfirmed.together(self.position).await?;
            if self.of.run.options.forks == 1 {
                // One host after the other, in their order.
                self.of.batch.in_turn(&self.of.host.name, self.position).await;
            }
        }
        // What must hold for the first step, and is noted with it.
        let before = format!("{}{}", guard.script(), self.owing(vars, prepared, plan));
        let writes: Vec<Resource> = plan.changes.iter().flat_map(|c| c.writes.iter().cloned()).collect();
        prepared.machine.forget(&writes);
        let ahead = if open { self.lookahead() } else { None };
        let mut probes = ahead.map(|ahead| ahead.behind_change(prepared)).unwrap_or_default();
        prepared.machine.with_state(&prepared.actor, |state| add_links(state, &mut probes));
        let limit = self.limit(vars);
        let following = match plan.changes.first() {
            Some(Change { step: Step::Call { .. }, .. }) => self.following(prepared).await,
            _ => Vec::new(),
        };
        let mut execution = Execution { of: self.of, unconfirmed: self.unconfirmed, prepared, following };
        let outputs = execution.carry_out(&plan.changes, &before, limit, &probes).await?;
        if writes.iter().any(|w| matches!(w, Resource::Anything | Resource::Api)) {
            self.of.run.machines.forget_api();
        }
        let seen = outputs.first().and_then(|o| Moved::seen(o.status, &o.stdout));
        if let (false, Some(what)) = (before.is_empty(), seen) {
            self.unconfirmed.moved().note(&what);
            prepared.machine.forget_all();
            return Ok(None);
        }
        Ok(Some(outputs))
    }

    /// The calls that travel with this one. Those that did with one before are not looked for again.
    async fn following(&self, prepared: &Prepared) -> Vec<Call> {
        let Some(ahead) = self.lookahead() else { return Vec::new() };
        if prepared.machine.awaits(&prepared.actor, &prepared.interpreter).await {
            return Vec::new();
        }
        Following { ahead, index: self.index, vars: self.vars }.calls(prepared)
    }

    /// The failure of a task whose `timeout` is over, in Ansible's words.
    fn out_of_time(&self, limit: Duration) -> TaskError {
        let (written, seconds) = (self.task.action.written(), limit.as_secs());
        let name = written.rsplit('.').next().unwrap_or(written);
        let message =
            format!("The {name} action failed to execute in the expected time frame ({seconds}) and was terminated");
        let mut error = TaskError::new(message).at(&self.task.span).help("give it more time with `timeout`");
        error.result.insert("timedout".into(), json!({ "period": seconds }));
        error
    }

    /// How long a step may take.
    fn limit(&self, vars: &Context) -> Option<Duration> {
        calls::limit(self.of, self.task, vars)
    }

    /// The lines that record on the host which handlers a change will owe.
    fn owing(&self, vars: &Context, prepared: &Prepared, plan: &Plan) -> String {
        if !plan.would_change() {
            return String::new();
        }
        let owing = calls::owing(self.of, prepared, self.task, vars);
        if !owing.is_empty() {
            prepared.machine.set_owes(&prepared.actor, true);
        }
        owing
    }
}

/// Lets later tasks see what a task of check mode would do. What never changes anything, as its playbook says, leaves nothing to see.
fn foresee(task: &Task, prepared: &Prepared, plan: &Plan) {
    let title = &task.title();
    let never = task.never_changes();
    // A pause changes nothing, though nobody can foretell how it ends.
    for change in plan.changes.iter().filter(|_| plan.changed != Some(false) && !never) {
        // What such a change leaves behind is predicted below where it can be; nobody knows the rest.
        let open: &[Resource] = if change.closed { &[] } else { &change.writes };
        prepared.machine.taint(open, title);
        prepared.machine.forget(&change.writes);
    }
    prepared.machine.with_state(&prepared.actor, |state| {
        plan.predictions.iter().for_each(|(probe, answer)| state.predict(probe.clone(), answer.clone()));
    });
}

/// Check mode: tells what would be done.
fn pretend(task: &Task, prepared: &Prepared, plan: &Plan) -> Outcome {
    let skip = plan.check_mode == CheckMode::Skip;
    let mut outcome = Outcome::of_plan(plan, !skip && plan.would_change(), plan.result.clone(), prepared.diff);
    if skip || (plan.result.contains_key("cmd") && plan.changes.iter().any(|c| !c.closed)) {
        outcome.doubt(Certainty::Open);
    }
    if skip {
        outcome.skip();
        outcome.result.entry("msg").or_insert(json!("not carried out in check mode"));
        if plan.would_change() {
            outcome.doubt(if task.never_changes() { Certainty::OnlyReads } else { Certainty::WouldRun });
        }
    }
    outcome
}

/// Asks about links too where paths are asked about: what is written under one name makes answers stale under another.
fn add_links(state: &State, probes: &mut Vec<Probe>) {
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
fn never_settles(what: &str) -> TaskError {
    TaskError::new(format!("something else on the host keeps changing what this task is about: {what}"))
        .help("stop what writes there, or let it be done with before this task")
}

/// Whether every change is predicted exactly and fits into a script.
fn closed(plan: &Plan) -> bool {
    plan.changes.iter().all(|c| c.closed && script(c).is_some())
}

/// Notes what a task wrote on this machine: its content may have come from a host. What commands write is not known.
fn note_written(prepared: &Prepared, plan: &Plan) {
    for change in &plan.changes {
        if let Step::WriteLocal { path, .. } | Step::Download { to: path, .. } = &change.step {
            origin::note_written(path);
        }
        // Modes and links that are changed hold nothing that a host has said.
        if !prepared.machine.is_local() || !prepared.about_module.writes_content {
            continue;
        }
        for resource in &change.writes {
            if let Resource::Path(path) = resource {
                origin::note_written(Path::new(path));
            }
        }
    }
}
