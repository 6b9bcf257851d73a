//! What follows from a task's outcome: what is registered and learnt, who is notified, what is told, and where the host goes on.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{
    barrier::Position,
    evaluation::registered,
    guard::Guard,
    host::HostRun,
    keyword, lock,
    machine::Work,
    outcome::{Due, Outcome},
    stop::Stop,
    task_error::TaskError,
};
use crate::{
    inventory::Level,
    module::Effect,
    playbook::{Action, Task},
    report::{Certainty, Event, Status, TaskLine},
    template::Context,
};

impl HostRun {
    /// Registers, notifies, reports, and moves on.
    pub(super) async fn conclude(
        &mut self,
        task: &Arc<Task>,
        position: &Position,
        vars: &Context,
        mut outcome: Outcome,
    ) -> Result<(), Stop> {
        if outcome.status == Status::Failed && self.unconfirmed.any() {
            // It may have failed because of something that has not happened.
            self.unconfirmed.flush().await?;
        }
        if outcome.status == Status::Failed && outcome.undefined && self.is_owed_alone() {
            outcome = self.drop_owed(task, position, vars, &outcome);
        }
        let snapshot = self.snapshot();
        match self.of.run.hosts.regroup(&self.of.host.name, &outcome.effects) {
            // Only here it is known whether the inventory is another one now.
            Ok(true) if task.changed_when.is_none() && outcome.status != Status::Skipped => outcome.set_changed(true),
            Ok(_) => {}
            Err(error) => outcome = Outcome::failed(&error.at(&task.span)),
        }
        let changed = outcome.changed;
        self.learn(task, &outcome);
        let ignored = outcome.status == Status::Failed && self.ignores_errors(task, vars);
        let mut again = None;
        if changed && outcome.status != Status::Failed {
            match self.notify(task, vars, outcome.notified.take()) {
                // A handler that notifies itself is due again at the next flush.
                Ok(notified) => again = self.cursor.handler().filter(|own| notified.contains(own)),
                Err(error) => outcome = Outcome::failed(&error),
            }
        }
        // One that could not be reached is tried again by the next use of the role.
        if outcome.status != Status::Skipped
            && !outcome.unreachable
            && let Some(role) = task.scope.role()
        {
            self.roles_run.entry(role.key.clone()).or_insert_with(|| role.clone());
        }
        let line = self.line(task, position, Some(vars));
        let handler = line.handler;
        if outcome.status == Status::Failed && !ignored {
            let result = Json::Object(outcome.result.clone());
            if self.fail(task, &result) {
                outcome.status = Status::Rescued;
            }
        } else {
            if ignored {
                outcome.status = Status::Ignored;
            }
            self.cursor.advance();
        }
        self.cursor.notify(again);
        let delegate = keyword::text(&self.of.run, &task.scope, vars, |k| k.delegate_to.as_ref()).ok().flatten();
        let mut events = std::mem::take(&mut outcome.events);
        events.extend(outcome.effects.iter().filter(|_| !outcome.no_log).filter_map(|due| self.stats(due)));
        events.push(result_event(line, self.of.host.name.clone(), delegate, outcome));
        self.unconfirmed.decide(snapshot, position, events);
        if handler {
            self.settle_owed().await?;
        }
        Ok(())
    }

    /// What is told of values for the end of the run: with the task's result, so that it is forgotten with it.
    fn stats(&self, due: &Due) -> Option<Event> {
        let Effect::Stats { values, per_host, aggregate } = due.effect.as_ref() else { return None };
        let host = per_host.then(|| self.of.host.name.clone());
        Some(Event::Stats { host, values: Json::Object(values.clone()), aggregate: *aggregate })
    }

    /// Whether the play goes on behind a failure of the task.
    pub(super) fn ignores_errors(&self, task: &Task, vars: &Context) -> bool {
        let ignores = keyword::flag(&self.of.run, &task.scope, vars, |k| k.ignore_errors.as_ref());
        ignores.ok().flatten().unwrap_or(false)
    }

    /// Notifies the handlers of a task that changed something. Returns their numbers.
    fn notify(&mut self, task: &Task, vars: &Context, named: Option<Vec<String>>) -> Result<Vec<usize>, TaskError> {
        let mut notified = Vec::new();
        let names = named.map_or_else(|| self.of.notifications(task, vars), Ok)?;
        for name in names {
            let found = self.handlers.find(&name);
            if found.is_empty() {
                let message = format!(
                    "The requested handler '{name}' was not found in either the main handlers list nor in the listening handlers list"
                );
                if self.of.run.options.unheard {
                    self.of.run.tell(Event::Warning { message });
                    continue;
                }
                let error = TaskError::new(message).at(&task.span);
                return Err(error.help("a handler is found by its name or by what it listens to"));
            }
            notified.extend(found);
            self.cursor.say(&name);
        }
        self.owed.retain(|owed| !notified.contains(owed));
        self.cursor.notify(notified.iter().copied());
        Ok(notified)
    }

    /// Whether the handler at hand is due for an earlier run alone.
    fn is_owed_alone(&self) -> bool {
        self.cursor.handler().is_some_and(|handler| self.owed.contains(&handler))
    }

    /// A handler that an earlier run was cut off before, and whose variables only that run had: it can never be made up for, so it is
    /// told and forgotten.
    fn drop_owed(&self, task: &Task, position: &Position, vars: &Context, failure: &Outcome) -> Outcome {
        let name = self.line(task, position, Some(vars)).name;
        let told = failure.result.get("msg").and_then(Json::as_str).unwrap_or_default();
        let place = failure.place.clone().unwrap_or_else(|| task.span.place().to_string());
        let host = &self.of.host.name;
        let message = format!(
            "{host}: the handler `{name}` ({place}) was owed by an earlier run that was cut off, and is dropped: {told}. \
             See to what it would have done"
        );
        self.of.run.tell(Event::Warning { message });
        Outcome::skipped("owed by an earlier run, whose variables are not there any more")
    }

    /// Tells the host which handlers are still owed, once some have run.
    pub(super) async fn settle_owed(&mut self) -> Result<(), Stop> {
        if self.of.run.options.check {
            return Ok(());
        }
        let machines = self.of.run.machines.of(&self.of.host.name);
        let mut left: Vec<String> = self
            .cursor
            .notified()
            .iter()
            .filter_map(|i| self.handlers.task(*i))
            .filter_map(|t| t.name.as_ref()?.as_str().map(str::to_owned))
            .collect();
        // Those of other plays too.
        for owed in machines.iter().flat_map(|machine| machine.still_owed()) {
            if !left.contains(&owed) {
                left.push(owed);
            }
        }
        for machine in machines {
            for actor in machine.owing() {
                let snapshot = self.snapshot();
                let note = vec![Work::new(lock::settle(&machine.name, &left))];
                self.unconfirmed.put_off(&machine, &actor, note, Guard::default()).await?;
                self.unconfirmed.decide(snapshot, &Vec::new(), Vec::new());
                if left.is_empty() {
                    machine.set_owes(&actor, false);
                }
            }
        }
        Ok(())
    }

    /// Takes over the registered variable, and what the task found out or set.
    pub(super) fn learn(&self, task: &Arc<Task>, outcome: &Outcome) {
        for Due { effect, about } in &outcome.effects {
            let other = about.as_ref().map(|name| self.of.run.hosts.get(name));
            // Of a host that nobody names nothing can be asked.
            let Some(host) = other.unwrap_or_else(|| Some(self.of.host.clone())) else { continue };
            match effect.as_ref() {
                Effect::Facts(facts) => host.learn_facts(facts),
                Effect::Variables { values, cacheable } => {
                    values.iter().for_each(|(name, value)| host.set(Level::SetFacts, name, value.clone()));
                    if *cacheable {
                        host.learn_facts(values);
                    }
                }
                Effect::Host { .. } | Effect::Group { .. } | Effect::Stats { .. } => {}
            }
        }
        if let Some(name) = registered(task) {
            self.of.host.set(Level::SetFacts, name, Json::Object(outcome.result.clone()));
        }
        if self.of.run.options.check && matches!(task.action, Action::Module { .. }) {
            let title = task.title();
            let sets = self.of.run.features_of(task).sets;
            let known = outcome.certainty == Certainty::Known;
            // One that is passed over leaves open what another has left open: it sets nothing but what it is registered as.
            let passed = known && outcome.status == Status::Skipped;
            let decided = sets.iter().filter(|name| !passed || registered(task) == Some(name.as_str()));
            self.of.host.set_unsure(decided, (!known).then_some(title.as_str()));
        }
    }
}

/// What is told of a task.
fn result_event(task: TaskLine, host: String, delegate: Option<String>, outcome: Outcome) -> Event {
    Event::TaskResult {
        task,
        host,
        delegate,
        status: outcome.status,
        duration: outcome.began.elapsed(),
        result: outcome.visible(),
        marks: outcome.marks(),
        diff: outcome.diff,
    }
}
