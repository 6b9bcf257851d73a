//! One task on one host: its items, its result, what it registers and notifies.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use super::{
    barrier::Position,
    guard::Guard,
    host::{HostRun, Outcome, Stop},
    keyword::{self, truth},
    lock,
    machine::Work,
    pending::Item,
    repeat::Items,
    task::{self, TaskError},
};
use crate::{
    inventory::Level,
    playbook::{Action, MetaAction, Task},
    report::{Event, Status},
    template::{Context, Var},
    yaml::Node,
};

/// What is known of a task before its items are looked at.
pub struct Plain {
    /// Results are kept out of every output.
    pub no_log: bool,
    /// The variable that receives the result.
    pub register: Option<String>,
    /// Whether its changes may be sent together with later ones.
    pub deferrable: bool,
}

impl HostRun {
    /// Does one task, wherever its machine is, and moves the cursor.
    pub async fn step(&mut self, task: Arc<Task>, position: Position) -> Result<(), Stop> {
        if self.run.interrupted() || self.batch.ended(&position) {
            return Err(Stop::Ended);
        }
        let seen = self.run.features(&task);
        let vars = self.vars(&task);
        let delegated = task.scope.inherited(|k| k.delegate_to.as_ref()).is_some();
        let once = match keyword::flag(&self.run, &task.scope, &vars, |k| k.run_once.as_ref()) {
            Ok(once) => once.unwrap_or(false),
            Err(error) => return self.conclude(&task, &position, &vars, Outcome::failed(&error)).await,
        };
        // As with Ansible it ends at this task for all, however far ahead some of them could be.
        let ends = matches!(&task.action, Action::Meta { action: MetaAction::EndPlay | MetaAction::EndBatch, .. });
        // A task done once waits for the host that does it: that one must not pass it by.
        if !once && self.ran_already(&task) {
            self.advance();
            return Ok(());
        }
        let together = delegated
            || once
            || ends
            || self.run.reads_others(&seen, &vars)
            || self.batch.strict
            || self.careful.as_ref() == Some(&position);
        if together {
            self.together(&position).await?;
        } else {
            // A task taken back would be rendered again.
            if self.run.acts(&seen, &vars) {
                self.flush().await?;
            }
            self.reach(&position);
        }
        self.at.clone_from(&position);
        if once && !self.batch.first_active(&self.host.name) {
            return self.take_over(&task, &position).await;
        }
        let result = match &task.action {
            Action::Meta { action, .. } => self.meta(*action, &task, &position, &vars).await,
            Action::Include(include) => {
                self.flush_if_needed(&task).await?;
                self.include(include, &task, &position, &vars).await
            }
            Action::Module { .. } if self.run.options.step && !self.consent(&task, &position, &vars).await? => {
                self.advance();
                return Ok(());
            }
            Action::Module { .. } => {
                let outcome = self.items(&task, &position, &vars).await?;
                if once {
                    self.batch.publish_once(&position, &outcome);
                }
                self.conclude(&task, &position, &vars, outcome).await
            }
        };
        if self.careful.as_ref() == Some(&position) {
            self.careful = None;
        }
        result?;
        if delegated || once || ends {
            // Nobody may look past a delegated task before everybody's is done.
            let behind: Position = position.iter().copied().chain([u32::MAX]).collect();
            self.together(&behind).await?;
        }
        Ok(())
    }

    /// Whether the task belongs to a role that another use of it has brought to this host already, as with Ansible.
    ///
    /// Source: <https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_reuse_roles.html#running-a-role-multiple-times-in-one-play>
    fn ran_already(&self, task: &Task) -> bool {
        let handler = self.frames.last().is_some_and(|frame| frame.handlers);
        let Some(role) = task.scope.role().filter(|role| !handler && !role.allow_duplicates) else { return false };
        self.roles_run.get(&role.key).is_some_and(|used| *used != Arc::as_ptr(role) as usize)
    }

    async fn flush_if_needed(&mut self, _: &Task) -> Result<(), Stop> {
        self.flush().await
    }

    /// Another host of the batch does this `run_once` task: its result is ours too.
    async fn take_over(&mut self, task: &Arc<Task>, position: &Position) -> Result<(), Stop> {
        let batch = self.batch.clone();
        // Once the play ends with this very task, nobody else is to do it.
        let behind: Position = position.iter().copied().chain([u32::MAX]).collect();
        let shared = batch.barrier.until(|| match batch.once(position) {
            Some(shared) => Some(Some(shared)),
            None if batch.ended(&behind) || batch.first_active(&self.host.name) => Some(None),
            None => None,
        });
        let Some((status, result)) = shared.await else {
            // The host that was to do it is gone: it falls to this one, from the start.
            return if batch.ended(&behind) { Err(Stop::Ended) } else { Ok(()) };
        };
        self.learn(task, &result);
        let vars = self.vars(task);
        let ignored = keyword::flag(&self.run, &task.scope, &vars, |k| k.ignore_errors.as_ref()).ok().flatten();
        if matches!(status, Status::Failed) && !ignored.unwrap_or(false) {
            self.fail(task, &Json::Object(result));
        } else {
            self.advance();
        }
        self.together(&behind).await
    }

    /// Takes over the registered variable and the facts of a result.
    fn learn(&self, task: &Arc<Task>, result: &Map<String, Json>) {
        if let Some(Json::Object(facts)) = result.get("ansible_facts") {
            let written = task.action.written();
            if written.ends_with("set_fact") {
                let cacheable = result.get("_ansible_facts_cacheable").is_some_and(truth);
                for (name, value) in facts {
                    self.host.set(Level::SetFacts, name, value.clone());
                    if cacheable {
                        self.host.set(Level::Facts, name, value.clone());
                    }
                }
            } else {
                self.host.learn_facts(facts);
            }
        }
        if let Some(name) = task.register.as_ref().and_then(Node::as_str) {
            self.host.set(Level::SetFacts, name, Json::Object(result.clone()));
        }
        if self.run.options.check && matches!(task.action, Action::Module { .. }) {
            let title = task.title();
            let sets = self.run.features(task).sets;
            self.host.set_unsure(sets.iter(), undecided(result).then_some(title.as_str()));
        }
    }

    /// Check mode: the task not carried out that a variable of this one depends on.
    pub(super) fn unsure(&self, task: &Arc<Task>, vars: &Context) -> Option<String> {
        if !self.run.options.check {
            return None;
        }
        let features = self.run.features(task);
        let mut names = self.run.engine.all_references(&features.judged, vars).names;
        // Its own result, which those conditions read, is the one that it is about to have.
        names.retain(|name| !features.sets.contains(name));
        names.extend(self.run.engine.all_references(&features.references, vars).names);
        self.host.unsure(&names)
    }

    /// Goes through the items of a task and puts their results together.
    async fn items(&mut self, task: &Arc<Task>, position: &Position, vars: &Context) -> Result<Outcome, Stop> {
        let done = self.outstanding.begin(position);
        if let Some(on) = self.unsure(task, vars) {
            let machine = (!only_tells(task)).then(|| self.run.known_machine(&self.host.name)).flatten();
            return Ok(self.depends(machine.as_deref(), &on));
        }
        let plain = match self.plain(task, vars) {
            Ok(plain) => plain,
            Err(error) => return Ok(Outcome::failed(&error)),
        };
        let items = match task::items(&self.run, task, vars) {
            Ok(items) => items,
            // A loop over something undefined is skipped when the condition does not need an item to be false.
            Err(error) => {
                return Ok(match task::conditions(&self.run, task, vars) {
                    Ok(Some(condition)) => skipped(&condition),
                    _ => Outcome::failed(&error.at(&task.span)),
                });
            }
        };
        match items {
            None => {
                let mut outcome = self.item(task, position, vars, &plain).await?;
                censor(&mut outcome, plain.no_log);
                Ok(outcome)
            }
            Some(items) => self.each(task, position, vars, &plain, &items, done).await,
        }
    }

    fn plain(&self, task: &Task, vars: &Context) -> Result<Plain, TaskError> {
        let no_log = keyword::flag(&self.run, &task.scope, vars, |k| k.no_log.as_ref())?.unwrap_or(false);
        self.waited_for(task, vars)?;
        let simple = task.until.is_empty() && task.failed_when.is_none() && task.changed_when.is_none();
        Ok(Plain {
            no_log,
            register: task.register.as_ref().and_then(Node::as_str).map(str::to_owned),
            deferrable: simple && self.careful.is_none() && self.run.options.lookahead,
        })
    }

    /// Adds what an item set and registered to what the next ones see.
    fn seen_by_items(&self, task: &Task, result: &Map<String, Json>, earlier: &mut IndexMap<String, Var>) {
        if let (true, Some(Json::Object(facts))) =
            (task.action.written().ends_with("set_fact"), result.get("ansible_facts"))
        {
            earlier.extend(facts.iter().map(|(name, value)| (name.clone(), Var::data(value))));
        }
        if let Some(name) = task.register.as_ref().and_then(Node::as_str) {
            earlier.insert(name.to_owned(), Var::data(&Json::Object(result.clone())));
        }
    }

    async fn each(
        &mut self,
        task: &Arc<Task>,
        position: &Position,
        vars: &Context,
        plain: &Plain,
        items: &Items,
        done: Vec<Item>,
    ) -> Result<Outcome, Stop> {
        let began = Instant::now();
        let mut all = Outcome::new(Status::Skipped, Map::new());
        let mut results = Vec::with_capacity(items.len());
        let (mut failed, mut changed, mut ran, mut would_run) = (false, false, false, false);
        let (mut facts, mut depends) = (Map::new(), None);
        let control = task.loop_.as_ref().map(|l| &l.control);
        // What earlier items set and registered, as the later ones see it.
        let mut earlier = IndexMap::new();
        for (index, item) in items.iter().enumerate() {
            let beside = |earlier: &IndexMap<String, Var>| {
                let own = task::item_vars(task, items, index);
                vars.with(earlier.iter().map(|(name, value)| (name.clone(), value.clone())).chain(own).collect())
            };
            let with = beside(&earlier);
            let known = done.get(index).cloned();
            if let (true, None, Some(seconds)) = (index > 0, &known, control.and_then(|c| c.pause.as_ref())) {
                let seconds =
                    self.run.engine.render_tree(seconds, &with).ok().as_ref().and_then(Json::as_f64).unwrap_or(0.0);
                self.flush().await?;
                tokio::time::sleep(Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0))).await;
            }
            let mut one = match known {
                Some(known) => self.outstanding.draft.again(known),
                None => {
                    let one = self.item(task, position, &with, plain).await?;
                    self.outstanding.draft.note(&one);
                    one
                }
            };
            let name = control.map_or("item", |c| c.item_name());
            one.result.insert(name.to_owned(), item.clone());
            one.result.insert("ansible_loop_var".to_owned(), json!(name));
            if let Some(name) = control.and_then(|c| c.index_var.as_ref()).and_then(Node::as_str) {
                one.result.insert(name.to_owned(), json!(index));
                one.result.insert("ansible_index_var".to_owned(), json!(name));
            }
            failed |= one.status == Status::Failed;
            changed |= truth(one.result.get("changed").unwrap_or(&Json::Null));
            ran |= one.status != Status::Skipped;
            would_run |= one.result.contains_key(WOULD_RUN);
            if depends.is_none() {
                depends = one.result.get("depends_on").cloned();
            }
            if let Some(Json::Object(more)) = one.result.get("ansible_facts") {
                facts.extend(more.clone());
            }
            self.seen_by_items(task, &one.result, &mut earlier);
            let with = beside(&earlier);
            let label = match control.and_then(|c| c.label.as_ref()) {
                Some(label) => self.run.engine.render_tree(label, &with).unwrap_or_else(|_| item.clone()),
                None => item.clone(),
            };
            results.push(Json::Object(one.result.clone()));
            censor(&mut one, plain.no_log);
            all.events.push(Event::ItemResult {
                task: self.line(task, position, Some(vars)),
                host: self.host.name.clone(),
                status: one.status,
                item: if plain.no_log { json!("censored") } else { label },
                diff: one.diff,
                result: shown(&one.result),
            });
            let done = control.is_some_and(|c| {
                !c.break_when.is_empty()
                    && c.break_when.iter().all(|n| self.run.engine.condition(n, &with).unwrap_or(false))
            });
            if done {
                break;
            }
        }
        all.began = began;
        all.status = match (failed, changed, ran) {
            (true, ..) => Status::Failed,
            (_, true, _) => Status::Changed,
            (_, _, true) => Status::Ok,
            _ => Status::Skipped,
        };
        all.result.insert("results".into(), Json::Array(results));
        all.result.insert("changed".into(), json!(changed));
        let message = match all.status {
            Status::Failed => "One or more items failed",
            Status::Skipped if items.is_empty() => "No items in the list",
            Status::Skipped => "All items skipped",
            _ => "All items completed",
        };
        all.result.insert("msg".into(), json!(message));
        if failed {
            all.result.insert("failed".into(), json!(true));
        }
        if all.status == Status::Skipped {
            all.result.insert("skipped".into(), json!(true));
        }
        if would_run {
            all.result.insert(WOULD_RUN.into(), json!(true));
        }
        if let Some(on) = depends {
            all.result.insert("depends_on".into(), on);
        }
        if !facts.is_empty() {
            all.result.insert("ansible_facts".into(), Json::Object(facts));
        }
        if plain.no_log {
            all.result.insert("_ansible_no_log".into(), json!(true));
        }
        Ok(all)
    }

    /// Whether all conditions hold, the result so far visible under its registered name.
    pub(super) fn holds(
        &self,
        conditions: &[Node],
        vars: &Context,
        plain: &Plain,
        outcome: &Outcome,
    ) -> Result<bool, TaskError> {
        let mut with: indexmap::IndexMap<String, Var> = indexmap::IndexMap::new();
        if let Some(name) = &plain.register {
            with.insert(name.clone(), Var::data(&Json::Object(outcome.result.clone())));
        }
        let vars = vars.with(with);
        for condition in conditions {
            if !self.run.engine.condition(condition, &vars).map_err(|e| TaskError::from(e).at(&condition.span))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One try of one item, its result judged by `changed_when` and `failed_when`.
    pub(super) async fn attempt(
        &mut self,
        task: &Arc<Task>,
        position: &Position,
        vars: &Context,
        plain: &Plain,
    ) -> Result<Outcome, Stop> {
        let mut outcome = self.act(task, position, vars, plain).await?;
        if outcome.status == Status::Skipped {
            return Ok(outcome);
        }
        if let Some(conditions) = &task.changed_when {
            match self.holds(conditions, vars, plain, &outcome) {
                Ok(changed) => {
                    outcome.result.insert("changed".into(), json!(changed));
                    if outcome.status != Status::Failed {
                        outcome.status = if changed { Status::Changed } else { Status::Ok };
                    }
                }
                Err(error) => return Ok(Outcome::failed(&error.at(&task.span))),
            }
        }
        if let Some(conditions) = &task.failed_when {
            match self.holds(conditions, vars, plain, &outcome) {
                Ok(failed) => {
                    outcome.result.insert("failed".into(), json!(failed));
                    outcome.result.insert("failed_when_result".into(), json!(failed));
                    let changed = truth(outcome.result.get("changed").unwrap_or(&Json::Null));
                    outcome.status = match (failed, changed) {
                        (true, _) => Status::Failed,
                        (false, true) => Status::Changed,
                        (false, false) => Status::Ok,
                    };
                }
                Err(error) => return Ok(Outcome::failed(&error.at(&task.span))),
            }
        }
        Ok(outcome)
    }

    /// Registers, notifies, reports, and moves on.
    pub(super) async fn conclude(
        &mut self,
        task: &Arc<Task>,
        position: &Position,
        vars: &Context,
        mut outcome: Outcome,
    ) -> Result<(), Stop> {
        if outcome.status == Status::Failed && self.has_pending() {
            // It may have failed because of something that has not happened.
            self.flush().await?;
        }
        let snapshot = self.snapshot();
        let changed = truth(outcome.result.get("changed").unwrap_or(&Json::Null));
        if let Err(error) = self.run.regroup(&self.host.name, &outcome.result) {
            outcome = Outcome::failed(&error.at(&task.span));
        }
        self.learn(task, &outcome.result);
        let ignore = outcome.status == Status::Failed
            && keyword::flag(&self.run, &task.scope, vars, |k| k.ignore_errors.as_ref())
                .ok()
                .flatten()
                .unwrap_or(false);
        let own = self.frames.last().filter(|frame| frame.handlers).map(|frame| frame.pc);
        let again = if changed && outcome.status != Status::Failed {
            match self.notify(task, vars) {
                // A handler that notifies itself is due again at the next flush.
                Ok(notified) => own.filter(|own| notified.contains(own)),
                Err(error) => {
                    outcome = Outcome::failed(&error);
                    None
                }
            }
        } else {
            None
        };
        let line = self.line(task, position, Some(vars));
        if outcome.status != Status::Skipped
            && let Some(role) = task.scope.role().filter(|role| !role.allow_duplicates)
        {
            self.roles_run.entry(role.key.clone()).or_insert(Arc::as_ptr(role) as usize);
        }
        let handler = line.handler;
        if outcome.status == Status::Failed && !ignore {
            let result = Json::Object(outcome.result.clone());
            if self.fail(task, &result) {
                outcome.status = Status::Rescued;
            }
        } else {
            if ignore {
                outcome.status = Status::Ignored;
            }
            self.advance();
        }
        self.notified.extend(again);
        let shown = shown(&outcome.result);
        let delegate = self.delegate_name(task, vars);
        let mut events = std::mem::take(&mut outcome.events);
        events.push(Event::TaskResult {
            task: line,
            host: self.host.name.clone(),
            delegate,
            status: outcome.status,
            duration: outcome.began.elapsed(),
            diff: std::mem::take(&mut outcome.diff),
            result: shown,
        });
        self.decide(snapshot, position, events);
        if handler {
            self.settle_owed().await?;
        }
        Ok(())
    }

    fn delegate_name(&self, task: &Task, vars: &Context) -> Option<String> {
        keyword::text(&self.run, &task.scope, vars, |k| k.delegate_to.as_ref()).ok().flatten()
    }

    fn notify(&mut self, task: &Task, vars: &Context) -> Result<Vec<usize>, TaskError> {
        let mut notified = Vec::new();
        for name in self.notifications(task, vars)? {
            let found = self.handlers.find(&name);
            if found.is_empty() {
                let error = TaskError::new(format!("there is no handler named `{name}`")).at(&task.span);
                return Err(error.help("a handler is found by its name or by what it listens to"));
            }
            notified.extend(found);
        }
        self.notified.extend(&notified);
        Ok(notified)
    }

    /// The names that a task notifies, rendered.
    pub(super) fn notifications(&self, task: &Task, vars: &Context) -> Result<Vec<String>, TaskError> {
        let mut names = Vec::new();
        for node in &task.notify {
            match self.run.engine.render_tree(node, vars).map_err(|e| TaskError::from(e).at(&node.span))? {
                Json::Array(many) => names.extend(many.iter().filter_map(keyword::as_text)),
                one => names.extend(keyword::as_text(&one)),
            }
        }
        Ok(names)
    }

    /// Tells the host which handlers are still owed, once some have run.
    pub(super) async fn settle_owed(&mut self) -> Result<(), Stop> {
        if self.run.options.check {
            return Ok(());
        }
        let Some(machine) = self.run.known_machine(&self.host.name) else { return Ok(()) };
        let mut left: Vec<String> = self
            .notified
            .iter()
            .filter_map(|i| self.handlers.task(*i))
            .filter_map(|t| t.name.as_ref()?.as_str().map(str::to_owned))
            .collect();
        // Those of other plays too.
        left.extend(machine.still_owed());
        for actor in machine.owing() {
            let snapshot = self.snapshot();
            let note = vec![Work::new(lock::settle(&left))];
            self.put_off(&machine, &actor, note, Guard::default()).await?;
            self.decide(snapshot, &Vec::new(), Vec::new());
            if left.is_empty() {
                machine.set_owes(&actor, false);
            }
        }
        Ok(())
    }
}

/// Whether a task leaves the host as it is, whatever its parameters are.
fn only_tells(task: &Task) -> bool {
    const TELL: &[&str] =
        &["add_host", "assert", "debug", "fail", "group_by", "ping", "set_fact", "setup", "slurp", "stat"];
    let Action::Module { name, .. } = &task.action else { return false };
    name.strip_prefix("ansible.builtin.").is_some_and(|short| TELL.contains(&short))
}

/// Check mode: whether a result, or one of its items', is not what a run would return.
fn undecided(result: &Map<String, Json>) -> bool {
    let open = |result: &Map<String, Json>| result.contains_key("depends_on") || result.contains_key(UNDECIDED);
    let items = result.get("results").and_then(Json::as_array);
    open(result) || items.is_some_and(|items| items.iter().filter_map(Json::as_object).any(open))
}

/// The field that marks the result of a command that check mode did not run.
pub const UNDECIDED: &str = "_ansible_undecided";

/// The field of a result that says: check mode did not run this, and a run would.
pub const WOULD_RUN: &str = "would_run";

/// The outcome of a task whose condition did not hold.
pub fn skipped(condition: &str) -> Outcome {
    let mut result = Map::new();
    result.insert("changed".into(), json!(false));
    result.insert("skipped".into(), json!(true));
    result.insert("skip_reason".into(), json!("Conditional result was False"));
    result.insert("false_condition".into(), json!(condition));
    Outcome::new(Status::Skipped, result)
}

fn censor(outcome: &mut Outcome, no_log: bool) {
    if no_log {
        outcome.result.insert("_ansible_no_log".into(), json!(true));
        outcome.diff.clear();
    }
}

/// The result as reports may show it.
fn shown(result: &Map<String, Json>) -> Json {
    if !result.get("_ansible_no_log").is_some_and(truth) {
        return Json::Object(result.clone());
    }
    let mut shown = Map::new();
    for field in ["changed", "failed", "skipped", "rc"] {
        if let Some(value) = result.get(field) {
            shown.insert(field.to_owned(), value.clone());
        }
    }
    shown.insert("censored".into(), json!("the output is hidden, as no_log asks"));
    Json::Object(shown)
}
