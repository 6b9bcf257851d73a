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
    host::{HostRun, Stop},
    keyword, lock,
    machine::{MachineError, Work},
    outcome::{Due, Outcome},
    pending::Item,
    repeat::Items,
    task,
    task_error::TaskError,
    throttle,
};
use crate::{
    inventory::Level,
    module::{Effect, about},
    playbook::{Action, Keywords, MetaAction, Task},
    report::{Certainty, Event, Status},
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
    /// Whether the play goes on where the host cannot be reached for it.
    pub ignore_unreachable: bool,
}

/// What keeps the hosts of a batch together at a task.
struct Together {
    /// One host does it for all.
    once: bool,
    /// A failure ends the play for all.
    fatal: bool,
    /// So many hosts do it at once.
    throttle: Option<usize>,
}

impl HostRun {
    /// Does one task, wherever its machine is, and moves the cursor.
    pub async fn step(&mut self, task: Arc<Task>, position: Position) -> Result<(), Stop> {
        if self.run.interrupted() || self.batch.ended(&position) {
            return Err(Stop::Ended);
        }
        let seen = self.run.features_of(&task);
        let vars = self.vars(&task);
        let delegated = seen.delegated || self.elsewhere(&seen, &vars);
        let Together { once, fatal, throttle } = match self.together_by_keywords(&task, &vars) {
            Ok(together) => together,
            Err(error) => return self.conclude(&task, &position, &vars, Outcome::failed(&error.at(&task.span))).await,
        };
        self.fatal = fatal;
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
            || fatal
            || (throttle.is_some() && !self.batch.alone())
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
                self.flush().await?;
                self.include(include, &task, &position, &vars).await
            }
            Action::Module { .. } if self.run.options.step && !self.consent(&task, &position, &vars).await? => {
                self.advance();
                return Ok(());
            }
            Action::Module { .. } => {
                let held = match throttle {
                    Some(most) => self.batch.throttles.hold(&position, most).await,
                    None => None,
                };
                let outcome = self.items(&task, &position, &vars).await?;
                if once {
                    self.batch.publish_once(&position, &outcome);
                }
                let concluded = self.conclude(&task, &position, &vars, outcome).await;
                if held.is_some() {
                    // It counts as done where it is carried out, not where it is decided.
                    self.flush().await?;
                }
                concluded
            }
        };
        if self.careful.as_ref() == Some(&position) {
            self.careful = None;
        }
        result?;
        // A host that has failed goes no further but to handlers that are forced.
        if (delegated || once || ends || fatal) && !self.failed {
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

    /// What the keywords of a task say about the other hosts.
    fn together_by_keywords(&self, task: &Task, vars: &Context) -> Result<Together, TaskError> {
        let flag = |pick: fn(&Keywords) -> Option<&Node>| keyword::flag(&self.run, &task.scope, vars, pick);
        Ok(Together {
            once: flag(|k| k.run_once.as_ref())?.unwrap_or(false),
            fatal: flag(|k| k.any_errors_fatal.as_ref())?.unwrap_or(false),
            throttle: throttle::most(&self.run, task, vars)?,
        })
    }

    /// Whether the user wants this task done. What was decided before is carried out first.
    async fn consent(&mut self, task: &Task, position: &Position, vars: &Context) -> Result<bool, Stop> {
        self.flush().await?;
        let name = self.line(task, position, Some(vars)).name;
        let (run, position) = (self.run.clone(), position.clone());
        let asked = tokio::task::spawn_blocking(move || run.prompter.consent(&name, position)).await;
        // Without an answer nothing is done.
        Ok(asked.unwrap_or(false))
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
        let Some(shared) = shared.await else {
            // The host that was to do it is gone: it falls to this one, from the start.
            return if batch.ended(&behind) { Err(Stop::Ended) } else { Ok(()) };
        };
        self.learn(task, &shared);
        let vars = self.vars(task);
        let ignored = keyword::flag(&self.run, &task.scope, &vars, |k| k.ignore_errors.as_ref()).ok().flatten();
        if shared.status == Status::Failed && !ignored.unwrap_or(false) {
            self.fail(task, &Json::Object(shared.result.clone()));
        } else {
            self.advance();
        }
        self.together(&behind).await
    }

    /// Takes over the registered variable, and what the task found out or set.
    fn learn(&self, task: &Arc<Task>, outcome: &Outcome) {
        for Due { effect, about } in &outcome.effects {
            let other = about.as_ref().map(|name| self.run.hosts.get(name));
            // Of a host that nobody names nothing can be asked.
            let Some(host) = other.unwrap_or_else(|| Some(self.host.clone())) else { continue };
            match effect.as_ref() {
                Effect::Facts(facts) => host.learn_facts(facts),
                Effect::Variables { values, cacheable } => {
                    values.iter().for_each(|(name, value)| host.set(Level::SetFacts, name, value.clone()));
                    if *cacheable {
                        host.learn_facts(values);
                    }
                }
                Effect::Host { .. } | Effect::Group { .. } => {}
            }
        }
        if let Some(name) = task.register.as_ref().and_then(Node::as_str) {
            self.host.set(Level::SetFacts, name, Json::Object(outcome.result.clone()));
        }
        if self.run.options.check && matches!(task.action, Action::Module { .. }) {
            let title = task.title();
            let sets = self.run.features_of(task).sets;
            self.host.set_unsure(sets.iter(), (outcome.certainty != Certainty::Known).then_some(title.as_str()));
        }
    }

    /// Check mode: the task not carried out that a variable of this one depends on.
    pub(super) fn unsure(&self, task: &Arc<Task>, vars: &Context) -> Option<String> {
        if !self.run.options.check {
            return None;
        }
        let features = self.run.features_of(task);
        let mut names = self.run.engine.all_references(&features.judged, vars).names;
        // Its own result, which those conditions read, is the one that it is about to have.
        names.retain(|name| !features.sets.contains(name));
        names.extend(self.run.engine.all_references(&features.references, vars).names);
        if !only_tells(task) {
            names.extend(self.run.connection_references(vars).names);
        }
        self.host.unsure(&names)
    }

    /// Goes through the items of a task and puts their results together.
    async fn items(&mut self, task: &Arc<Task>, position: &Position, vars: &Context) -> Result<Outcome, Stop> {
        let done = self.outstanding.begin(position);
        if let Some(on) = self.unsure(task, vars) {
            let machines = if only_tells(task) { Vec::new() } else { self.run.machines.of(&self.host.name) };
            return Ok(self.depends(machines.first().map(AsRef::as_ref), &on));
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
                let mut outcome = self.reachable(task, position, vars, &plain).await?;
                outcome.censor(plain.no_log);
                Ok(outcome)
            }
            Some(items) => self.each(task, position, vars, &plain, &items, done).await,
        }
    }

    /// One item; `ignore_unreachable` makes a result of a host that cannot be reached.
    async fn reachable(
        &mut self,
        task: &Arc<Task>,
        position: &Position,
        vars: &Context,
        plain: &Plain,
    ) -> Result<Outcome, Stop> {
        if !plain.ignore_unreachable {
            return self.item(task, position, vars, plain).await;
        }
        // What waits to be sent belongs to tasks that may not put up with it.
        self.flush().await?;
        match self.item(task, position, vars, plain).await {
            Err(Stop::Lost(MachineError::Unreachable(message))) => Ok(Outcome::unreachable(&message)),
            other => other,
        }
    }

    fn plain(&self, task: &Task, vars: &Context) -> Result<Plain, TaskError> {
        let no_log = keyword::flag(&self.run, &task.scope, vars, |k| k.no_log.as_ref())?.unwrap_or(false);
        self.waited_for(task, vars)?;
        let ignore_unreachable =
            keyword::flag(&self.run, &task.scope, vars, |k| k.ignore_unreachable.as_ref())?.unwrap_or(false);
        let simple =
            !ignore_unreachable && task.until.is_empty() && task.failed_when.is_none() && task.changed_when.is_none();
        Ok(Plain {
            no_log,
            register: task.register.as_ref().and_then(Node::as_str).map(str::to_owned),
            deferrable: simple && self.careful.is_none() && self.run.options.lookahead,
            ignore_unreachable,
        })
    }

    /// Adds what an item set and registered to what the next ones see.
    fn seen_by_items(&self, task: &Task, outcome: &Outcome, earlier: &mut IndexMap<String, Var>) {
        for due in outcome.effects.iter().filter(|due| due.about.is_none()) {
            if let Effect::Variables { values, .. } = due.effect.as_ref() {
                earlier.extend(values.iter().map(|(name, value)| (name.clone(), Var::data(value))));
            }
        }
        if let Some(name) = task.register.as_ref().and_then(Node::as_str) {
            earlier.insert(name.to_owned(), Var::data(&Json::Object(outcome.result.clone())));
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
        let mut ended = Vec::with_capacity(items.len());
        let mut events = Vec::with_capacity(items.len());
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
                    let one = self.reachable(task, position, &with, plain).await?;
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
            self.seen_by_items(task, &one, &mut earlier);
            let with = beside(&earlier);
            let label = match control.and_then(|c| c.label.as_ref()) {
                Some(label) => self.run.engine.render_tree(label, &with).unwrap_or_else(|_| item.clone()),
                None => item.clone(),
            };
            one.censor(plain.no_log);
            events.push(Event::ItemResult {
                task: self.line(task, position, Some(vars)),
                host: self.host.name.clone(),
                status: one.status,
                item: if plain.no_log { json!("censored") } else { label },
                diff: std::mem::take(&mut one.diff),
                result: one.visible(),
                marks: one.marks(),
            });
            ended.push(one);
            let done = control.is_some_and(|c| {
                !c.break_when.is_empty()
                    && c.break_when.iter().all(|n| self.run.engine.condition(n, &with).unwrap_or(false))
            });
            if done {
                break;
            }
        }
        let mut all = as_a_whole(ended, items.is_empty());
        all.censor(plain.no_log);
        Ok(Outcome { began, events, ..all })
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
                Ok(changed) => outcome.set_changed(changed),
                Err(error) => return Ok(Outcome::failed(&error.at(&task.span))),
            }
        }
        if let Some(conditions) = &task.failed_when {
            match self.holds(conditions, vars, plain, &outcome) {
                Ok(failed) => {
                    outcome.set_failed(failed);
                    outcome.result.insert("failed_when_result".into(), json!(failed));
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
        let changed = outcome.changed;
        if let Err(error) = self.run.hosts.regroup(&self.host.name, &outcome.effects) {
            outcome = Outcome::failed(&error.at(&task.span));
        }
        self.learn(task, &outcome);
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
        let delegate = self.delegate_name(task, vars);
        let mut events = std::mem::take(&mut outcome.events);
        events.push(Event::TaskResult {
            task: line,
            host: self.host.name.clone(),
            delegate,
            status: outcome.status,
            duration: outcome.began.elapsed(),
            diff: std::mem::take(&mut outcome.diff),
            result: outcome.visible(),
            marks: outcome.marks(),
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
        let machines = self.run.machines.of(&self.host.name);
        let mut left: Vec<String> = self
            .notified
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
                let note = vec![Work::new(lock::settle(&left))];
                self.put_off(&machine, &actor, note, Guard::default()).await?;
                self.decide(snapshot, &Vec::new(), Vec::new());
                if left.is_empty() {
                    machine.set_owes(&actor, false);
                }
            }
        }
        Ok(())
    }
}

/// Whether a task leaves the host as it is, whatever its parameters are.
fn only_tells(task: &Task) -> bool {
    matches!(&task.action, Action::Module { name, .. } if about(name).only_tells)
}

/// What the items of a loop came to as a whole.
fn as_a_whole(ended: Vec<Outcome>, none: bool) -> Outcome {
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
    let mut all = Outcome { changed, ..Outcome::new(status, Map::new()) };
    let (mut results, mut facts) = (Vec::with_capacity(ended.len()), Map::new());
    for one in ended {
        for Due { effect, .. } in &one.effects {
            if matches!(effect.as_ref(), Effect::Facts(_) | Effect::Variables { .. }) {
                effect.show(&mut facts);
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
    all.result.insert("msg".into(), json!(message));
    if failed {
        all.result.insert("failed".into(), json!(true));
    }
    if status == Status::Skipped {
        all.skip();
    }
    all.result.extend(facts);
    all
}

/// The outcome of a task whose condition did not hold.
pub fn skipped(condition: &str) -> Outcome {
    let mut outcome = Outcome::skipped("Conditional result was False");
    outcome.result.insert("false_condition".into(), json!(condition));
    outcome
}
