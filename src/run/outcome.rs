//! What a task came to: its status and its effects apart from the fields that playbooks see.
//!
//! A result's fields may be chosen by a host, a web server or a variable. Nothing here or behind reads them back to learn how a task
//! ended or what the run is to do.

use std::{sync::Arc, time::Instant};

use serde_json::{Map, Value as Json, json};

use super::task_error::TaskError;
use crate::{
    inventory::Vars,
    module::{Diff, Effect, Plan, Told},
    report::{Certainty, Event, Marks, Status},
};

/// What a task came to on a host, before it is told.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// Whether something was changed, or in check mode would be.
    pub changed: bool,
    /// How far the result is what a run returns.
    pub certainty: Certainty,
    /// What the run takes over from it.
    pub effects: Vec<Due>,
    /// The fields for those who register it.
    pub result: Map<String, Json>,
    /// Whether it is shown without `-v`.
    pub shown: bool,
    /// Whether it is kept out of every output.
    pub no_log: bool,
    /// Whether its host cannot be reached.
    pub unreachable: bool,
    /// Whether it failed for a variable that has no value, before anything was done.
    pub undefined: bool,
    /// Whether it failed before its module was asked: the task's conditions have nothing to judge then, and trying again is of no use.
    pub unasked: bool,
    /// Where the failure is.
    pub place: Option<String>,
    /// What to do about the failure.
    pub help: Option<String>,
    /// Differences.
    pub diff: Vec<Diff>,
    /// Whom the items of a loop notify; without a loop that is read of the task.
    pub notified: Option<Vec<String>>,
    /// When it began.
    pub began: Instant,
    /// Where an include led: the files or roles, each with the item of the loop that it is for.
    pub included: Vec<(String, Option<Json>)>,
    /// Variables of files that an include has brought in.
    pub brought: Vec<Arc<Vars>>,
    /// Events of the items.
    pub events: Vec<Event>,
}

/// An effect, and whom it is about.
#[derive(Clone, Debug)]
pub struct Due {
    /// What is to be taken over.
    pub effect: Arc<Effect>,
    /// The host that facts are about, where `delegate_facts` says that it is another one.
    pub about: Option<String>,
}

impl Outcome {
    /// Returns an outcome with a status and a result.
    pub fn new(status: Status, result: Map<String, Json>) -> Outcome {
        Outcome {
            status,
            changed: status == Status::Changed,
            certainty: Certainty::Known,
            effects: Vec::new(),
            brought: Vec::new(),
            result,
            shown: false,
            no_log: false,
            unreachable: false,
            undefined: false,
            unasked: false,
            place: None,
            help: None,
            diff: Vec::new(),
            notified: None,
            began: Instant::now(),
            included: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Returns what a module's plan came to, `result` being the module's own fields.
    pub fn of_plan(plan: &Plan, changed: bool, mut result: Map<String, Json>, diff: bool) -> Outcome {
        plan.effects.iter().for_each(|effect| effect.show(&mut result));
        result.insert("changed".into(), json!(changed));
        result.insert("failed".into(), json!(false));
        let mut outcome = Outcome::new(if changed { Status::Changed } else { Status::Ok }, result);
        outcome.effects = plan.effects.iter().map(|e| Due { effect: e.clone(), about: None }).collect();
        outcome.shown = plan.shown;
        if plan.skipped {
            outcome.skip();
        }
        if diff {
            outcome.diff.clone_from(&plan.diff);
            if !plan.diff.is_empty() && !outcome.result.contains_key("diff") {
                outcome.result.insert("diff".into(), plan.diff.iter().map(Diff::field).collect());
            }
        }
        if !plan.warnings.is_empty() {
            outcome.result.insert("warnings".into(), json!(plan.warnings));
        }
        outcome
    }

    /// Adds what only the outputs told.
    pub fn learn(&mut self, told: Told, diff: bool) {
        for effect in told.effects {
            effect.show(&mut self.result);
            self.effects.push(Due { effect, about: None });
        }
        if told.skipped {
            self.skip();
        }
        if diff {
            self.diff.extend(told.diff);
        }
    }

    /// Returns a failure.
    pub fn failed(error: &TaskError) -> Outcome {
        let mut result = error.result.clone();
        result.insert("failed".into(), json!(true));
        result.insert("changed".into(), json!(error.changed));
        result.insert("msg".into(), json!(error.message));
        let place = error.span.as_ref().map(|span| span.place().to_string());
        if let Some(help) = &error.help {
            result.insert("help".into(), json!(help));
        }
        if let Some(place) = &place {
            result.insert("place".into(), json!(place));
        }
        Outcome {
            changed: error.changed,
            undefined: error.undefined,
            place,
            help: error.help.clone(),
            ..Outcome::new(Status::Failed, result)
        }
    }

    /// Returns what a task came to that does nothing, for a reason.
    pub fn skipped(reason: &str) -> Outcome {
        let mut result = Map::new();
        result.insert("changed".into(), json!(false));
        let mut outcome = Outcome::new(Status::Skipped, result);
        outcome.skip();
        outcome.result.insert("skip_reason".into(), json!(reason));
        outcome
    }

    /// Returns what a task came to whose condition, as written, did not hold.
    pub fn condition(condition: &Json) -> Outcome {
        let mut outcome = Outcome::skipped("Conditional result was False");
        outcome.result.insert("false_condition".into(), condition.clone());
        outcome
    }

    /// Returns what a task came to whose host cannot be reached, which it puts up with.
    pub fn unreachable(message: &str) -> Outcome {
        let mut result = Map::new();
        result.insert("changed".into(), json!(false));
        result.insert("failed".into(), json!(false));
        result.insert("unreachable".into(), json!(true));
        result.insert("msg".into(), json!(message));
        Outcome { unreachable: true, ..Outcome::new(Status::Ignored, result) }
    }

    /// Makes it one of a task that did nothing.
    pub fn skip(&mut self) {
        self.status = Status::Skipped;
        self.result.insert("skipped".into(), json!(true));
    }

    /// Makes the result as uncertain as something it is made of.
    pub fn doubt(&mut self, certainty: Certainty) {
        self.certainty = std::mem::take(&mut self.certainty).max(certainty);
        match &self.certainty {
            Certainty::DependsOn(on) => drop(self.result.insert("depends_on".into(), json!(on))),
            Certainty::WouldRun => drop(self.result.insert("would_run".into(), json!(true))),
            Certainty::Known | Certainty::Open | Certainty::OnlyReads => {}
        }
    }

    /// Says whether something was changed, after `changed_when`.
    pub fn set_changed(&mut self, changed: bool) {
        self.changed = changed;
        self.result.insert("changed".into(), json!(changed));
        if self.status != Status::Failed {
            self.status = if changed { Status::Changed } else { Status::Ok };
        }
    }

    /// Says whether it failed, after `failed_when` and `until`.
    pub fn set_failed(&mut self, failed: bool) {
        self.result.insert("failed".into(), json!(failed));
        self.status = match (failed, self.changed) {
            (true, _) => Status::Failed,
            (false, true) => Status::Changed,
            (false, false) => Status::Ok,
        };
    }

    /// Makes it a failure whose own fields stay, for a condition of the task that cannot be decided.
    pub fn undecided(&mut self, field: &str, error: &TaskError) {
        self.set_failed(true);
        self.result.insert(field.to_owned(), json!(error.message));
        if self.result.get("msg").and_then(Json::as_str).is_none_or(str::is_empty) {
            self.result.insert("msg".into(), json!(error.message));
        }
        self.place = error.span.as_ref().map(|span| span.place().to_string());
        self.help.clone_from(&error.help);
    }

    /// Keeps it out of every output.
    pub fn censor(&mut self, no_log: bool) {
        if no_log {
            self.no_log = true;
            self.diff.clear();
        }
    }

    /// What reports are told of it apart from its fields.
    pub fn marks(&self) -> Marks {
        Marks {
            changed: self.changed,
            certainty: self.certainty.clone(),
            shown: self.shown,
            unreachable: self.unreachable,
            place: self.place.clone().filter(|_| !self.no_log),
            help: self.help.clone().filter(|_| !self.no_log),
            included: self.included.clone(),
        }
    }

    /// The fields as reports may show them.
    pub fn visible(&self) -> Json {
        if !self.no_log {
            return Json::Object(self.result.clone());
        }
        let mut shown = Map::new();
        for field in ["changed", "failed", "skipped", "rc"] {
            if let Some(value) = self.result.get(field) {
                shown.insert(field.to_owned(), value.clone());
            }
        }
        // How sure a plan is hides nothing of the result.
        match &self.certainty {
            Certainty::DependsOn(on) => drop(shown.insert("depends_on".into(), json!(on))),
            Certainty::WouldRun => drop(shown.insert("would_run".into(), json!(true))),
            Certainty::Known | Certainty::Open | Certainty::OnlyReads => {}
        }
        shown.insert(
            "censored".into(),
            json!("the output has been hidden due to the fact that 'no_log: true' was specified for this result"),
        );
        Json::Object(shown)
    }
}
