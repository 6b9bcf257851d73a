//! `async` with `poll: 0`: a task that goes on behind the play.
//!
//! A command is left running on its host, with files of a job of which `async_status` tells. What any other module does is done at once,
//! and its result is kept for whoever asks for the job.
//!
//! Source: <https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_async.html>

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rand::RngExt as _;
use serde_json::{Map, Value as Json, json};

use super::{change::script, evaluation::Evaluation, keyword, outcome::Outcome, task::Prepared, task_error::TaskError};
use crate::{
    module::{CheckMode, Plan, Step, builtin::async_status, is_attended},
    report::Status,
    template::{Context, is_omit},
    yaml::Node,
};

/// Results of jobs that were done at once, by host and job.
#[derive(Debug, Default)]
pub struct Jobs(Mutex<HashMap<(String, String), Outcome>>);

impl Jobs {
    fn put(&self, host: &str, job: &str, outcome: Outcome) {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.insert((host.to_owned(), job.to_owned()), outcome);
    }

    fn get(&self, host: &str, job: &str) -> Option<Outcome> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(host.to_owned(), job.to_owned())).cloned()
    }

    fn remove(&self, host: &str, job: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(host.to_owned(), job.to_owned())).is_some()
    }
}

/// How a task says that it goes on in the background.
pub struct Background {
    /// What the job is called.
    pub job: String,
    /// How long it may go on.
    pub limit: Duration,
    /// Whether the play goes on without it.
    pub left: bool,
}

/// Refuses `async` where a module cannot be left behind.
///
/// # Errors
/// Where the module is such a one.
fn may_be_left(module: &str) -> Result<(), TaskError> {
    let short = module.rsplit('.').next().unwrap_or(module);
    match is_attended(module) {
        true => Err(TaskError::new(format!("This action ({short}) does not support async."))
            .help("remove `async`; where it is a bound that is wanted: `timeout`")),
        false => Ok(()),
    }
}

impl Evaluation<'_> {
    /// What `async` and `poll` say; nothing where the task is done as any other.
    pub(super) fn background(&self, vars: &Context, module: &str) -> Result<Option<Background>, TaskError> {
        let number = |node: &Option<Node>, name: &str, default: i64| match node {
            None => Ok(default),
            Some(node) => {
                let value =
                    self.of.run.engine.render_tree(node, vars).map_err(|e| TaskError::from(e).at(&node.span))?;
                let number = if is_omit(&value) || value.is_null() { Some(default) } else { keyword::whole(&value) };
                number.ok_or_else(|| TaskError::new(format!("{name}: {value} is no whole number")).at(&node.span))
            }
        };
        let seconds = number(&self.task.async_, "async", 0)?;
        if seconds <= 0 {
            return Ok(None);
        }
        may_be_left(module)?;
        let job = format!("j{}.{}", rand::rng().random_range(0..1_000_000_000_000u64), std::process::id());
        let left = number(&self.task.poll, "poll", 15)? == 0;
        Ok(Some(Background { job, limit: Duration::from_secs(seconds.unsigned_abs()), left }))
    }

    /// What is known of a job that this run has done itself.
    pub(super) fn job_done(&self, prepared: &Prepared, parameters: &Map<String, Json>) -> Option<Outcome> {
        let text = |name: &str| parameters.get(name).and_then(keyword::as_text);
        let (host, job) = (prepared.machine.name.as_str(), text("jid")?);
        if text("mode").as_deref() == Some("cleanup") {
            return self.of.run.jobs.remove(host, &job).then(|| {
                let fields = json!({ "erased": file(&job), "ansible_job_id": job, "changed": false, "failed": false });
                Outcome::new(Status::Ok, fields.as_object().cloned().unwrap_or_default())
            });
        }
        self.of.run.jobs.get(host, &job)
    }

    /// A plan whose command is left running on the host, where it is nothing but a command.
    pub(super) fn left_running(&self, prepared: &Prepared, plan: &Plan, background: &Background) -> Option<Plan> {
        let [change] = plan.changes.as_slice() else { return None };
        let cmd = plan.result.get("cmd")?;
        let command = script(change).filter(|_| !change.closed && matches!(change.step, Step::Script(_)))?;
        let command = format!("{}{command}", prepared.environment);
        let script = async_status::launch(&background.job, &command, cmd, background.limit.as_secs());
        let mut change = change.clone();
        change.step = Step::Script(script);
        Some(Plan { changes: vec![change], check_mode: CheckMode::Skip, ..plan.clone() })
    }

    /// What is told of a task that is left behind.
    pub(super) fn started(
        &self,
        prepared: &Prepared,
        background: &Background,
        done: Option<Outcome>,
        file_there: Option<&str>,
    ) -> Outcome {
        let job = &background.job;
        let mut effects = Vec::new();
        let there = file_there.filter(|path| !path.is_empty()).map_or_else(|| file(job), str::to_owned);
        if let Some(mut done) = done {
            effects = std::mem::take(&mut done.effects);
            note_finished(&mut done, job);
            self.of.run.jobs.put(&prepared.machine.name, job, done);
        }
        let fields = json!({
            "ansible_job_id": job, "started": 1, "finished": 0, "results_file": there, "changed": true, "failed": false,
        });
        Outcome { effects, ..Outcome::new(Status::Changed, fields.as_object().cloned().unwrap_or_default()) }
    }
}

/// Adds to a result what `async_status` tells of a job that is over.
pub fn note_finished(outcome: &mut Outcome, job: &str) {
    let fields = json!({ "ansible_job_id": job, "started": 1, "finished": 1, "results_file": file(job) });
    outcome.result.extend(fields.as_object().cloned().unwrap_or_default());
}

fn file(job: &str) -> String {
    format!("{}/{job}", async_status::FOLDER)
}
