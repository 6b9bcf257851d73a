//! `async` with `poll: 0`: a task that goes on behind the play.
//!
//! What is done by scripts of the host is left running there, with files of a job of which `async_status` tells; a run that started it itself
//! knows besides what its module makes of them. What is more than scripts (a request to the API, waiting, talks on a terminal, large files) is
//! done at once, and its result is kept for whoever asks for the job.
//!
//! Source: <https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_async.html>

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rand::RngExt as _;
use serde_json::json;

use super::{
    change::script,
    evaluation::Evaluation,
    keyword,
    outcome::Outcome,
    task::{self, Prepared, context},
    task_error::TaskError,
};
use crate::{
    module::{Change, CheckMode, Module, Plan, Step, StepOutput, builtin::async_status},
    report::Status,
    template::{Context, is_omit},
    yaml::Node,
};

/// What this run knows of jobs, by host and job.
#[derive(Debug, Default)]
pub struct Jobs(Mutex<HashMap<(String, String), Known>>);

/// What is known of one.
#[derive(Clone, Debug)]
enum Known {
    /// It was done at once.
    Done(Box<Outcome>),
    /// It was left running.
    Left(Arc<Left>),
}

/// What makes a result of what a job has printed.
#[derive(Debug)]
pub struct Left {
    module: Box<dyn Module>,
    plan: Plan,
    diff: bool,
}

/// A job that a task asks about.
pub enum Job {
    /// What became of it.
    Done(Box<Outcome>),
    /// It was left running, under this name.
    Left(String, Arc<Left>),
}

impl Jobs {
    fn put(&self, host: &str, job: &str, known: Known) {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.insert((host.to_owned(), job.to_owned()), known);
    }

    fn get(&self, host: &str, job: &str) -> Option<Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(host.to_owned(), job.to_owned())).cloned()
    }

    fn remove(&self, host: &str, job: &str) -> Option<Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(host.to_owned(), job.to_owned()))
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

impl Evaluation<'_> {
    /// What `async` and `poll` say; nothing where the task is done as any other.
    pub(super) fn background(&self, vars: &Context, prepared: &Prepared) -> Result<Option<Background>, TaskError> {
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
        if seconds <= 0 || (prepared.check && prepared.about_module.background) {
            return Ok(None);
        }
        if !prepared.about_module.background {
            let message = format!("This action ({}) does not support async.", self.task.action.written());
            let help = "what it does is the workstation's work, or needs files of it: take `async` away";
            return Err(TaskError::new(message).help(help));
        }
        let job = format!("j{}.{}", rand::rng().random_range(0..1_000_000_000_000u64), std::process::id());
        let left = number(&self.task.poll, "poll", 15)? == 0;
        Ok(Some(Background { job, limit: Duration::from_secs(seconds.unsigned_abs()), left }))
    }

    /// What this run knows of the job that a task asks about.
    pub(super) fn job(&self, vars: &Context, prepared: &Prepared) -> Option<Job> {
        let (parameters, _) = task::parameters(&self.of.run, self.task, vars).ok()?;
        let text = |name: &str| parameters.get(name).and_then(keyword::as_text);
        let (host, job) = (prepared.machine.name.as_str(), text("jid")?);
        if text("mode").as_deref() == Some("cleanup") {
            // Only what was left running has files on the host.
            let Known::Done(_) = self.of.run.jobs.remove(host, &job)? else { return None };
            let fields = json!({ "erased": file(&job), "ansible_job_id": job, "changed": false, "failed": false });
            let outcome = Outcome::new(Status::Ok, fields.as_object().cloned().unwrap_or_default());
            return Some(Job::Done(Box::new(outcome)));
        }
        Some(match self.of.run.jobs.get(host, &job)? {
            Known::Done(outcome) => Job::Done(outcome),
            Known::Left(left) => Job::Left(job, left),
        })
    }

    /// The result of a job that this run has left running, once it is over.
    pub(super) fn ended(&self, prepared: &Prepared, job: &str, left: &Left) -> Option<Outcome> {
        let (file, outputs) = prepared.machine.with_state(&prepared.actor, |state| async_status::ended(state, job))?;
        let mut outcome = match left.module.finish(&context(prepared, &self.of.host.name), &left.plan, &outputs) {
            Ok(result) => Outcome::of_plan(&left.plan, left.module.changed(&left.plan, &outputs), result, left.diff),
            Err(failure) => Outcome::failed(&TaskError::from(failure).at(&self.task.span)),
        };
        note_finished(&mut outcome, job);
        outcome.result.insert("results_file".into(), json!(file));
        Some(outcome)
    }

    /// A plan that leaves another running on the host, where that is nothing but scripts.
    pub(super) fn launch(&self, prepared: &Prepared, plan: &Plan, background: &Background) -> Option<Plan> {
        let scripts: Option<Vec<String>> = plan.changes.iter().map(script).collect();
        let scripts = scripts.filter(|scripts| !scripts.is_empty())?;
        let scripts: Vec<String> =
            scripts.into_iter().map(|script| format!("{}{script}", prepared.environment)).collect();
        let what: Vec<&str> = plan.changes.iter().map(|change| change.what.as_str()).collect();
        let script = async_status::launch(&background.job, &scripts, plan, background.limit.as_secs());
        let change = Change::open(what.join(", "), Step::Script(script));
        Some(Plan { changes: vec![change], check_mode: CheckMode::Skip, ..Plan::default() })
    }

    /// What is told of a task that is left running.
    pub(super) fn left(
        &self,
        prepared: Prepared,
        plan: Plan,
        background: &Background,
        launch: &Plan,
        outputs: &[StepOutput],
    ) -> Outcome {
        if let Err(failure) = crate::module::default_finish(launch, outputs) {
            return Outcome::failed(&TaskError::from(failure).at(&self.task.span));
        }
        let job = &background.job;
        let told = outputs.first().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let there = told.filter(|path| !path.is_empty()).unwrap_or_else(|| file(job));
        let known = Left { module: prepared.module, plan, diff: prepared.diff };
        self.of.run.jobs.put(&prepared.machine.name, job, Known::Left(Arc::new(known)));
        started(job, &there)
    }

    /// What is told of a task that was done: who leaves it behind hears of it, and of its failure, from its job.
    pub(super) fn told_of_job(
        &self,
        prepared: &Prepared,
        background: Option<&Background>,
        mut outcome: Outcome,
    ) -> Outcome {
        match background {
            Some(background) if background.left => self.done_at_once(prepared, background, outcome),
            Some(background) => {
                note_finished(&mut outcome, &background.job);
                outcome
            }
            None => outcome,
        }
    }

    /// What is told of a task that is done already, as of one that is left running.
    fn done_at_once(&self, prepared: &Prepared, background: &Background, mut done: Outcome) -> Outcome {
        let job = &background.job;
        let effects = std::mem::take(&mut done.effects);
        note_finished(&mut done, job);
        self.of.run.jobs.put(&prepared.machine.name, job, Known::Done(Box::new(done)));
        Outcome { effects, ..started(job, &file(job)) }
    }
}

fn started(job: &str, there: &str) -> Outcome {
    let fields = json!({
        "ansible_job_id": job, "started": 1, "finished": 0, "results_file": there, "changed": true, "failed": false,
    });
    Outcome::new(Status::Changed, fields.as_object().cloned().unwrap_or_default())
}

/// Adds to a result what `async_status` tells of a job that is over.
fn note_finished(outcome: &mut Outcome, job: &str) {
    let fields = json!({ "ansible_job_id": job, "started": 1, "finished": 1, "results_file": file(job) });
    outcome.result.extend(fields.as_object().cloned().unwrap_or_default());
    // `async_status` has them whatever the module told.
    for (field, value) in
        [("stdout", json!("")), ("stderr", json!("")), ("stdout_lines", json!([])), ("stderr_lines", json!([]))]
    {
        outcome.result.entry(field).or_insert(value);
    }
}

fn file(job: &str) -> String {
    format!("{}/{job}", async_status::FOLDER)
}
