//! What one task comes to on one host: its items one after the other, each judged by the task's own conditions. What follows from it for the
//! host's course is decided by who asked.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use super::{
    ahead::Lookahead,
    barrier::Position,
    cursor::Cursor,
    keyword,
    ledger::Item,
    machine::MachineError,
    outcome::Outcome,
    play_host::{PlayHost, only_tells},
    repeat::Items,
    stop::Stop,
    task,
    task_error::TaskError,
    unconfirmed::Unconfirmed,
};
use crate::{
    inventory::Inventory,
    module::Effect,
    playbook::{Keywords, LoopControl, Task},
    report::{Certainty, Event, Status, TaskLine},
    template::{Context, Var},
    yaml::Node,
};

/// One task on one host, and all that it takes to do it.
pub struct Evaluation<'h> {
    /// The host.
    pub of: &'h PlayHost,
    /// Where it is: what comes next is asked ahead.
    pub cursor: &'h Cursor,
    /// What it has decided so far; whatever the task sends goes through it.
    pub unconfirmed: &'h mut Unconfirmed,
    /// The task.
    pub task: &'h Arc<Task>,
    /// Where it stands.
    pub position: &'h Position,
    /// The variables there.
    pub vars: &'h Context,
    /// It is done by itself, for what was sent ahead did not go through.
    pub alone: bool,
    /// It is tried again: what was read for it is stale, wherever it was read.
    pub again: bool,
    /// The item of the task's loop that is at work.
    pub index: Option<usize>,
    /// What the task's keywords say, once they are read.
    pub settings: Settings,
    /// The inventory with the hosts and groups that its items add, once one does.
    pub regrouped: Option<Inventory>,
}

/// What keywords say of all items of a task.
#[derive(Default)]
pub struct Settings {
    /// Results are kept out of every output.
    pub no_log: bool,
    /// The variable that receives the result.
    pub register: Option<String>,
    /// Whether its changes may be sent together with later ones.
    pub deferrable: bool,
    /// Whether the play goes on where the host cannot be reached for it.
    pub ignore_unreachable: bool,
}

impl Evaluation<'_> {
    /// Goes through the items and puts their results together.
    ///
    /// # Errors
    /// Why the host leaves the task without a result.
    pub async fn outcome(mut self) -> Result<Outcome, Stop> {
        let done = self.unconfirmed.begin(self.position);
        if let Some(on) = self.of.unsure(self.task, self.vars) {
            let machines = match only_tells(self.task) {
                true => Vec::new(),
                false => self.of.run.machines.of(&self.of.host.name),
            };
            let written = self.of.may_write(self.task, self.vars);
            return Ok(self.of.depends(machines.first().map(AsRef::as_ref), &on, &written));
        }
        self.settings = match self.read_settings() {
            Ok(settings) => settings,
            Err(error) => return Ok(Outcome::failed(&error)),
        };
        let items = match task::items(&self.of.run, self.task, self.vars) {
            Ok(items) => items,
            // A loop over something undefined is skipped when the condition does not need an item to be false.
            Err(error) => {
                return Ok(match task::conditions(&self.of.run, self.task, self.vars) {
                    Ok(Some(condition)) => Outcome::condition(&condition),
                    _ => Outcome::failed(&error.at(&self.task.span)),
                });
            }
        };
        match items {
            None => {
                let mut outcome = self.reachable(self.vars).await?;
                outcome.censor(self.settings.no_log);
                Ok(outcome)
            }
            Some(items) => self.each(&items, done).await,
        }
    }

    fn read_settings(&self) -> Result<Settings, TaskError> {
        let flag =
            |pick: fn(&Keywords) -> Option<&Node>| keyword::flag(&self.of.run, &self.task.scope, self.vars, pick);
        let no_log = flag(|k| k.no_log.as_ref())?.unwrap_or(self.of.run.options.no_log);
        let ignore_unreachable = flag(|k| k.ignore_unreachable.as_ref())?.unwrap_or(false);
        let Task { until, failed_when, changed_when, .. } = self.task.as_ref();
        let judged = !until.is_empty() || failed_when.is_some() || changed_when.is_some();
        Ok(Settings {
            no_log,
            register: registered(self.task).map(str::to_owned),
            deferrable: !judged && !ignore_unreachable && !self.alone && self.of.run.options.lookahead,
            ignore_unreachable,
        })
    }

    /// One item; `ignore_unreachable` makes a result of a host that cannot be reached.
    async fn reachable(&mut self, vars: &Context) -> Result<Outcome, Stop> {
        if !self.settings.ignore_unreachable {
            return self.item(vars).await;
        }
        // What waits to be sent belongs to tasks that may not put up with it.
        self.unconfirmed.flush().await?;
        match self.item(vars).await {
            Err(Stop::Lost(MachineError::Unreachable(message))) => Ok(Outcome::unreachable(&message)),
            other => other,
        }
    }

    /// Goes through the items of a loop. `done` is what the first of them came to when the task was done before.
    async fn each(&mut self, items: &Items, done: Vec<Item>) -> Result<Outcome, Stop> {
        let began = Instant::now();
        let mut ended = Vec::with_capacity(items.len());
        let mut events = Vec::with_capacity(items.len());
        // Handlers that the items that changed something notify.
        let mut notified = Vec::new();
        let control = self.task.loop_.as_ref().map(|l| &l.control);
        // What earlier items set and registered, as the later ones see it.
        let mut earlier = IndexMap::new();
        for (index, item) in items.iter().enumerate() {
            let with = self.beside(&earlier, items, index);
            let mut one = match done.get(index).cloned() {
                Some(known) => self.unconfirmed.again(known),
                None => {
                    if let (true, Some(seconds)) = (index > 0, control.and_then(|c| c.pause.as_ref())) {
                        self.rest(seconds, &with).await?;
                    }
                    self.index = Some(index);
                    let one = self.reachable(&with).await?;
                    self.unconfirmed.note(&one);
                    one
                }
            };
            if one.unasked {
                // As with Ansible the whole task fails then, and has no results: what it is about is no item's own affair.
                one.changed = ended.iter().any(|one: &Outcome| one.changed);
                one.censor(self.settings.no_log);
                return Ok(Outcome { began, events, ..one });
            }
            name_item(&mut one, control, &items.name, item, index);
            // As with Ansible those of all items that were done, where any of them changed something.
            if one.status != Status::Skipped && !self.task.notify.is_empty() {
                match self.of.notifications(self.task, &with) {
                    Ok(names) => notified.extend(names),
                    Err(error) => one = Outcome::failed(&error),
                }
            }
            let extended = task::item_vars(self.task, items, index).contains_key("ansible_loop");
            if let (true, Ok(Some(told))) = (extended, with.variable("ansible_loop")) {
                one.result.insert("ansible_loop".to_owned(), told);
            }
            self.seen_by_items(&one, &mut earlier);
            let with = self.beside(&earlier, items, index);
            one.censor(self.settings.no_log);
            events.push(self.item_event(&mut one, control, item, &with));
            ended.push(one);
            if self.breaks(control, &with) {
                break;
            }
        }
        let mut all = as_a_whole(ended, items.is_empty());
        all.censor(self.settings.no_log);
        Ok(Outcome { began, events, notified: Some(notified), ..all })
    }

    /// The variables of an item.
    fn beside(&self, earlier: &IndexMap<String, Var>, items: &Items, index: usize) -> Context {
        let own = task::item_vars(self.task, items, index);
        self.vars.with(earlier.iter().map(|(name, value)| (name.clone(), value.clone())).chain(own).collect())
    }

    /// `loop_control.pause`.
    async fn rest(&mut self, seconds: &Node, vars: &Context) -> Result<(), Stop> {
        let seconds = self.of.run.engine.render_tree(seconds, vars).ok().as_ref().and_then(Json::as_f64);
        self.unconfirmed.flush().await?;
        tokio::time::sleep(Duration::from_secs_f64(seconds.unwrap_or(0.0).clamp(0.0, 86_400.0))).await;
        Ok(())
    }

    /// `loop_control.break_when`.
    fn breaks(&self, control: Option<&LoopControl>, vars: &Context) -> bool {
        let holds = |condition: &Node| self.of.run.holds(condition, vars).unwrap_or(false);
        control.is_some_and(|c| !c.break_when.is_empty() && c.break_when.iter().all(holds))
    }

    /// What is told of an item; its differences go with it.
    fn item_event(&self, one: &mut Outcome, control: Option<&LoopControl>, item: &Json, vars: &Context) -> Event {
        let label = match control.and_then(|c| c.label.as_ref()) {
            Some(label) => self.of.run.engine.render_tree(label, vars).unwrap_or_else(|_| item.clone()),
            None => item.clone(),
        };
        Event::ItemResult {
            task: self.line(Some(self.vars)),
            host: self.of.host.name.clone(),
            status: one.status,
            item: if self.settings.no_log { json!("censored") } else { label },
            diff: std::mem::take(&mut one.diff),
            result: one.visible(),
            marks: one.marks(),
        }
    }

    /// Adds what an item set and registered to what the next ones see.
    fn seen_by_items(&self, outcome: &Outcome, earlier: &mut IndexMap<String, Var>) {
        for due in outcome.effects.iter().filter(|due| due.about.is_none()) {
            if let Effect::Variables { values, .. } = due.effect.as_ref() {
                earlier.extend(values.iter().map(|(name, value)| (name.clone(), Var::data(value))));
            }
        }
        if let Some(name) = registered(self.task) {
            earlier.insert(name.to_owned(), Var::data(&Json::Object(outcome.result.clone())));
        }
    }

    /// The task as reports name it.
    pub fn line(&self, vars: Option<&Context>) -> TaskLine {
        self.of.line(self.task, self.position, vars, self.cursor.in_handler())
    }

    /// What is asked ahead; nothing where the task is done by itself.
    pub fn lookahead(&self) -> Option<Lookahead<'_>> {
        let looks = self.of.run.options.lookahead && !self.alone;
        looks.then_some(Lookahead { of: self.of, cursor: self.cursor, current: self.task })
    }
}

/// The variable that receives a task's result.
pub fn registered(task: &Task) -> Option<&str> {
    task.register.as_ref().and_then(Node::as_str)
}

/// Notes in an item's result which item it was.
fn name_item(one: &mut Outcome, control: Option<&LoopControl>, name: &str, item: &Json, index: usize) {
    one.result.insert(name.to_owned(), item.clone());
    one.result.insert("ansible_loop_var".to_owned(), json!(name));
    if let Some(name) = control.and_then(|c| c.index_var.as_ref()).and_then(Node::as_str) {
        one.result.insert(name.to_owned(), json!(index));
        one.result.insert("ansible_index_var".to_owned(), json!(name));
    }
}

/// What the items of a loop came to as a whole.
pub(super) fn as_a_whole(ended: Vec<Outcome>, none: bool) -> Outcome {
    let any = |holds: fn(&Outcome) -> bool| ended.iter().any(holds);
    let (failed, changed) = (any(|one| one.status == Status::Failed), any(|one| one.changed));
    let status = match (failed, changed, any(|one| one.status != Status::Skipped)) {
        (true, ..) => Status::Failed,
        (_, true, _) => Status::Changed,
        (_, _, true) => Status::Ok,
        _ => Status::Skipped,
    };
    let message = match status {
        Status::Failed => "One or more items failed",
        Status::Skipped if none => "No items in the list",
        Status::Skipped => "All items skipped",
        _ => "All items completed",
    };
    let undefined = ended.iter().filter(|one| one.status == Status::Failed).all(|one| one.undefined) && failed;
    let mut all = Outcome { changed, undefined, ..Outcome::new(status, Map::new()) };
    let mut results = Vec::with_capacity(ended.len());
    for mut one in ended {
        // As with Ansible they are the whole task's.
        for field in ["warnings", "deprecations"] {
            let Some(Json::Array(said)) = one.result.remove(field) else { continue };
            if let Json::Array(all) = all.result.entry(field).or_insert_with(|| json!([])) {
                all.extend(said);
            }
        }
        // Of several tasks that items depend on the first is named.
        if !matches!(all.certainty, Certainty::DependsOn(_)) {
            all.doubt(one.certainty);
        }
        all.effects.extend(one.effects);
        results.push(Json::Object(one.result));
    }
    all.result.insert("results".into(), Json::Array(results));
    all.result.insert("changed".into(), json!(changed));
    if !none {
        all.result.insert("msg".into(), json!(message));
    }
    if failed {
        all.result.insert("failed".into(), json!(true));
    }
    if status == Status::Skipped {
        all.skip();
        if none {
            all.result.insert("skipped_reason".into(), json!(message));
        }
    }
    all
}
