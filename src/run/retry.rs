//! Tasks that are tried again: `until`, `retries`, `delay`; and how results are judged.

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::{
    Run,
    evaluation::{Evaluation, registered},
    keyword,
    outcome::Outcome,
    stop::Stop,
    task_error::TaskError,
};
use crate::{
    module::Effect,
    playbook::Task,
    report::{Event, Status},
    template::{Context, Var, is_omit},
    yaml::Node,
};

impl Evaluation<'_> {
    /// How often a task is tried again, and how long it rests between.
    fn tries(&self, vars: &Context) -> Result<(i64, Duration), TaskError> {
        let value = |node: &Option<Node>, default: i64| match node {
            None => Ok::<Json, TaskError>(json!(default)),
            Some(node) => match self.of.run.engine.render_tree(node, vars).map_err(TaskError::from)? {
                value if is_omit(&value) => Ok(json!(default)),
                value => Ok(value),
            },
        };
        let wrong = |value: &Json, node: &Option<Node>| {
            let error = TaskError::new(format!("{value} is no number"));
            node.as_ref().map_or_else(|| error.clone(), |node| error.clone().at(&node.span))
        };
        let (retries, delay) = (value(&self.task.retries, 3)?, value(&self.task.delay, 5)?);
        let count = keyword::whole(&retries).ok_or_else(|| wrong(&retries, &self.task.retries))?;
        Ok((count.max(1), keyword::seconds(&delay).ok_or_else(|| wrong(&delay, &self.task.delay))?))
    }

    /// One item, again and again until it is as `until` says.
    pub(super) async fn item(&mut self, vars: &Context) -> Result<Outcome, Stop> {
        let (retries, delay) = match self.tries(vars) {
            Ok(tries) => tries,
            Err(error) => return Ok(Outcome::failed(&error)),
        };
        let wants_retry = !self.task.until.is_empty() || self.task.retries.is_some();
        let (began, mut attempt) = (Instant::now(), 1);
        loop {
            self.again = attempt > 1;
            let mut outcome = self.attempt(vars, wants_retry.then_some(attempt)).await?;
            // What was waited for between the tries is the task's time too.
            outcome.began = began;
            if outcome.status == Status::Skipped || outcome.unasked || !wants_retry {
                return Ok(outcome);
            }
            let done = match self.task.until.is_empty() {
                true => Ok(outcome.status != Status::Failed),
                false => self.holds(&self.task.until, vars, &outcome),
            };
            match done {
                Ok(true) => return Ok(outcome),
                Ok(false) => {}
                Err(error) => return Ok(Outcome::failed(&error.at(&self.task.span))),
            }
            if attempt > retries || self.of.run.interrupted() || self.of.run.options.check {
                outcome.result.insert("attempts".into(), json!(attempt - 1));
                // What `failed_when` said counts; the result tells of the tries all the same.
                match outcome.result.contains_key("failed_when_result") {
                    true => drop(outcome.result.insert("failed".into(), json!(true))),
                    false => outcome.set_failed(true),
                }
                outcome
                    .result
                    .entry("msg")
                    .or_insert_with(|| json!(format!("`until` did not hold after {} tries", attempt - 1)));
                return Ok(outcome);
            }
            let (task, host) = (self.line(Some(vars)), self.of.host.name.clone());
            self.of.run.tell(Event::Retry { task, host, left: (retries + 1).saturating_sub(attempt) as u64 });
            let note = format!("{}: try {attempt} of {retries}", self.task.title());
            self.of.run.tell(Event::HostNote { host: self.of.host.name.clone(), note });
            attempt += 1;
            self.unconfirmed.flush().await?;
            tokio::time::sleep(delay).await;
        }
    }

    /// Whether all conditions hold, the result so far visible under its registered name.
    fn holds(&self, conditions: &[Node], vars: &Context, outcome: &Outcome) -> Result<bool, TaskError> {
        holds(&self.of.run, conditions, vars, (self.settings.register.as_deref(), outcome))
    }

    /// One try of one item, its result judged by `changed_when` and `failed_when`.
    async fn attempt(&mut self, vars: &Context, number: Option<i64>) -> Result<Outcome, Stop> {
        let mut outcome = self.act(vars).await?;
        if outcome.status == Status::Skipped || outcome.unasked {
            return Ok(outcome);
        }
        if let Some(number) = number {
            outcome.result.insert("attempts".into(), json!(number));
        }
        if self.of.run.hosts.would_regroup(&self.of.host.name, &outcome.effects, &mut self.regrouped) {
            outcome.set_changed(true);
        }
        judge(&self.of.run, self.task, vars, &mut outcome);
        Ok(outcome)
    }
}

/// Judges a result by `changed_when` and `failed_when`.
pub(super) fn judge(run: &Run, task: &Task, vars: &Context, outcome: &mut Outcome) {
    let register = registered(task);
    if let Some(conditions) = &task.changed_when {
        match holds(run, conditions, vars, (register, outcome)) {
            Ok(changed) => outcome.set_changed(changed),
            Err(error) => return outcome.undecided("changed_when_result", &error.at(&task.span)),
        }
    }
    if let Some(conditions) = &task.failed_when {
        match holds(run, conditions, vars, (register, outcome)) {
            Ok(failed) => {
                outcome.set_failed(failed);
                outcome.result.insert("failed_when_result".into(), json!(failed));
            }
            Err(error) => outcome.undecided("failed_when_result", &error.at(&task.span)),
        }
    }
}

/// Whether all conditions hold, a result visible under its registered name.
fn holds(
    run: &Run,
    conditions: &[Node],
    vars: &Context,
    (register, outcome): (Option<&str>, &Outcome),
) -> Result<bool, TaskError> {
    let mut with: IndexMap<String, Var> = IndexMap::new();
    // What the task has just set or found is seen, too.
    for due in &outcome.effects {
        if let Effect::Facts(values) | Effect::Variables { values, .. } = due.effect.as_ref() {
            with.extend(values.iter().map(|(name, value)| (name.clone(), Var::data(value))));
        }
    }
    if let Some(name) = register {
        with.insert(name.to_owned(), Var::data(&Json::Object(outcome.result.clone())));
    }
    let vars = vars.with(with);
    for condition in conditions {
        if !run.holds(condition, &vars).map_err(|e| TaskError::from(e).at(&condition.span))? {
            return Ok(false);
        }
    }
    Ok(true)
}
