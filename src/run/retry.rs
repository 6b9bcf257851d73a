//! Tasks that are tried again: `until`, `retries`, `delay`; and how long one is waited for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};

use super::{
    barrier::Position,
    host::{HostRun, Stop},
    keyword,
    outcome::Outcome,
    step::Plain,
    task_error::TaskError,
};
use crate::{
    playbook::Task,
    report::{Event, Status},
    template::Context,
    yaml::Node,
};

impl HostRun {
    /// Refuses a `poll` that only turns out to be 0 now: a task that is left running is not supported.
    pub(super) fn waited_for(&self, task: &Task, vars: &Context) -> Result<(), TaskError> {
        let (Some(async_), Some(poll)) = (&task.async_, &task.poll) else { return Ok(()) };
        let zero = |node: &Node| {
            let value = self.run.engine.render_tree(node, vars).map_err(TaskError::from)?;
            Ok::<bool, TaskError>(keyword::whole(&value) == Some(0))
        };
        if !zero(async_)? && zero(poll)? {
            let error = TaskError::new("`poll` is 0, which leaves a task running behind the play: bringup does not");
            return Err(error
                .at(&poll.span)
                .help("give `poll` another number: the task is waited for, `async` seconds at most"));
        }
        Ok(())
    }

    /// How often a task is tried again, and how long it rests between.
    fn tries(&self, task: &Task, vars: &Context) -> Result<(i64, Duration), TaskError> {
        let value = |node: &Option<Node>, default: i64| match node {
            None => Ok(json!(default)),
            Some(node) => self.run.engine.render_tree(node, vars).map_err(TaskError::from),
        };
        let wrong = |value: &Json, node: &Option<Node>| {
            let error = TaskError::new(format!("{value} is no number"));
            node.as_ref().map_or_else(|| error.clone(), |node| error.clone().at(&node.span))
        };
        let (retries, delay) = (value(&task.retries, 3)?, value(&task.delay, 5)?);
        let count = keyword::whole(&retries).ok_or_else(|| wrong(&retries, &task.retries))?;
        Ok((count.max(1), keyword::seconds(&delay).ok_or_else(|| wrong(&delay, &task.delay))?))
    }

    /// One item, again and again until it is as `until` says.
    pub(super) async fn item(
        &mut self,
        task: &Arc<Task>,
        position: &Position,
        vars: &Context,
        plain: &Plain,
    ) -> Result<Outcome, Stop> {
        let (retries, delay) = match self.tries(task, vars) {
            Ok(tries) => tries,
            Err(error) => return Ok(Outcome::failed(&error)),
        };
        let wants_retry = !task.until.is_empty() || task.retries.is_some();
        let (began, mut attempt) = (Instant::now(), 1);
        loop {
            let mut outcome = self.attempt(task, position, vars, plain).await?;
            // What was waited for between the tries is the task's time too.
            outcome.began = began;
            if outcome.status == Status::Skipped || !wants_retry {
                return Ok(outcome);
            }
            let done = match task.until.is_empty() {
                true => Ok(outcome.status != Status::Failed),
                false => self.holds(&task.until, vars, plain, &outcome),
            };
            match done {
                Ok(true) => {
                    outcome.result.insert("attempts".into(), json!(attempt));
                    return Ok(outcome);
                }
                Ok(false) => {}
                Err(error) => return Ok(Outcome::failed(&error.at(&task.span))),
            }
            if attempt > retries || self.run.interrupted() || self.run.options.check {
                outcome.result.insert("attempts".into(), json!(attempt - 1));
                outcome.set_failed(true);
                outcome
                    .result
                    .entry("msg")
                    .or_insert_with(|| json!(format!("`until` did not hold after {} tries", attempt - 1)));
                return Ok(outcome);
            }
            let note = format!("{}: try {attempt} of {retries}", task.title());
            self.run.tell(Event::HostNote { host: self.host.name.clone(), note });
            attempt += 1;
            self.flush().await?;
            tokio::time::sleep(delay).await;
            self.run.machines.forget(&self.host.name);
        }
    }
}
