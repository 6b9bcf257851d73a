//! What changes the course of a host: `meta`, includes, variables from files.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use serde_json::{Map, Value as Json, json};

use super::{
    barrier::Position, evaluation::as_a_whole, host::HostRun, outcome::Outcome, program::Program, retry::judge,
    stop::Stop, task, task_error::TaskError, variables::at_place, vars_from,
};
use crate::{
    fact::Resource,
    inventory::{Level, Variable, Vars},
    module::local::absolute,
    playbook::{Action, Include, IncludeKind, IncludeRole, Item, MetaAction, PlaybookError, SearchKind, Task},
    report::{Event, Status},
    template::{Context, Var},
    yaml::Node,
};

/// So many files are looked through for what an include would set.
const INCLUDED: usize = 200;

impl HostRun {
    /// Does a `meta` task.
    pub(super) async fn meta(
        &mut self,
        action: MetaAction,
        task: &Arc<Task>,
        position: &Position,
        vars: &Context,
    ) -> Result<(), Stop> {
        if let Some(on) = self.of.unsure(task, vars) {
            // Whether the play ends here is not known: what comes behind is looked at all the same.
            let outcome = self.of.depends(None, &on, &[]);
            return self.conclude(task, position, vars, outcome).await;
        }
        match task::conditions(&self.of.run, task, vars) {
            Ok(None) => {}
            Ok(Some(_)) => {
                self.tell_meta(task, position, vars, passed_by(action, &self.of.host.name, task));
                self.cursor.advance();
                return Ok(());
            }
            Err(error) => return self.conclude(task, position, vars, Outcome::failed(&error.at(&task.span))).await,
        }
        self.tell_meta(task, position, vars, (done(action, &self.of.host.name, task), false));
        match action {
            MetaAction::Noop => self.cursor.advance(),
            MetaAction::RefreshInventory => return self.read_inventory_again(task, position, vars).await,
            MetaAction::FlushHandlers => self.flush_handlers(position.clone()),
            MetaAction::ClearFacts => {
                self.of.host.clear_facts();
                self.cursor.advance();
            }
            MetaAction::ClearHostErrors => {
                self.unconfirmed.flush().await?;
                self.of.run.hosts.clear_errors();
                self.of.run.forgive();
                self.of.batch.clear_errors();
                self.cursor.clear_errors();
                self.cursor.advance();
            }
            MetaAction::EndHost => {
                self.unconfirmed.flush().await?;
                self.cursor.end();
                self.of.batch.host_left(&self.of.host.name);
            }
            MetaAction::EndRole => self.cursor.end_role(),
            MetaAction::EndPlay | MetaAction::EndBatch => {
                self.unconfirmed.together(position).await?;
                self.of.batch.end(action == MetaAction::EndPlay, position);
                return Err(Stop::Ended);
            }
            MetaAction::ResetConnection => {
                self.unconfirmed.flush().await?;
                if let Ok((machine, _)) = self.of.run.reach(&self.of.host.name, &task.scope, vars, vars) {
                    machine.reset().await;
                }
                self.cursor.advance();
            }
        }
        Ok(())
    }

    /// `meta: refresh_inventory`: the first host to come does it for all.
    async fn read_inventory_again(
        &mut self,
        task: &Arc<Task>,
        position: &Position,
        vars: &Context,
    ) -> Result<(), Stop> {
        self.unconfirmed.together(position).await?;
        match self.of.batch.once_for_all(position, || self.of.run.refresh_inventory()) {
            Ok(()) => {
                self.cursor.advance();
                Ok(())
            }
            Err(error) => self.conclude(task, position, vars, Outcome::failed(&error.at(&task.span))).await,
        }
    }

    /// Tells what a `meta` task does, or why it does nothing.
    fn tell_meta(&mut self, task: &Arc<Task>, position: &Position, vars: &Context, told: (String, bool)) {
        let (message, skipped) = told;
        let event = Event::Meta {
            task: self.line(task, position, Some(vars)),
            host: self.of.host.name.clone(),
            message,
            skipped,
        };
        self.unconfirmed.decide(self.snapshot(), position, vec![event]);
    }

    /// Brings in what a dynamic include names, once or for each item; with `once` what a file says is for the other hosts too.
    pub(super) async fn include(
        &mut self,
        include: &Include,
        task: &Arc<Task>,
        position: &Position,
        (vars, once): (&Context, bool),
    ) -> Result<(), Stop> {
        if let Some(on) = self.of.unsure(task, vars) {
            let outcome = self.left_undecided(task, vars, &on);
            return self.conclude(task, position, vars, outcome).await;
        }
        let items = match task::items(&self.of.run, task, vars) {
            Ok(items) => items,
            Err(error) => return self.conclude(task, position, vars, Outcome::failed(&error.at(&task.span))).await,
        };
        let count = items.as_ref().map_or(1, |items| items.len());
        let (mut frames, mut led, mut skipped_by, mut result) = (Vec::new(), Vec::new(), None, Vec::<Included>::new());
        for index in 0..count {
            let item = items.as_ref().map(|items| task::item_vars(task, items, index));
            let with = item.map_or_else(|| vars.clone(), |item| vars.with(item));
            match task::conditions(&self.of.run, task, &with) {
                Ok(None) => {}
                Ok(Some(condition)) => {
                    // Of an item of `include_vars` the result tells that it was passed over.
                    if matches!(include.kind, IncludeKind::Vars) && items.is_some() {
                        let instead = Outcome::condition(&condition).result;
                        result.push(Included { index, instead, passed: true, ..Included::default() });
                    }
                    skipped_by = Some(condition);
                    continue;
                }
                Err(error) => return self.conclude(task, position, vars, Outcome::failed(&error.at(&task.span))).await,
            }
            match self.bring_in(include, task, &with) {
                Ok(Brought::Items(brought)) => {
                    let of = items.as_ref().and_then(|items| items.get(index)).cloned();
                    led.extend(led_to(include, &brought).map(|file| (file, of)));
                    let item = items.as_ref().map_or_else(Vars::new, |items| task::item_layer(task, items, index));
                    frames.push((brought, vec![(Level::IncludeParams, Arc::new(item))], index));
                }
                Ok(Brought::Variables(more)) => result.push(Included { index, ..more }),
                Err(error) => {
                    let outcome = self.not_read(include, task, &with, error);
                    match (outcome.status == Status::Failed, &items) {
                        (false, Some(_)) => {
                            result.push(Included { index, instead: outcome.result, ..Included::default() })
                        }
                        _ => return self.conclude(task, position, vars, outcome).await,
                    }
                }
            }
        }
        let brought = result.iter().map(|one| one.vars.clone()).collect();
        let sealed = result.iter().any(|one| one.sealed);
        let none = frames.is_empty() && result.iter().all(|one| one.passed);
        let skipped_by = skipped_by.filter(|_| none);
        let mut outcome = self.came_to(include, task, vars, (result, items.as_ref(), skipped_by));
        outcome.included = led;
        outcome.brought = brought;
        if once && matches!(include.kind, IncludeKind::Vars) {
            self.of.batch.publish_once(&self.of.host.name, position, &outcome);
        }
        outcome.no_log |= sealed;
        // The include itself is told like any task; then the cursor goes back onto it, for what it brings ends behind it.
        self.conclude(task, position, vars, outcome).await?;
        self.go_into(frames, position, vars);
        Ok(())
    }

    /// Check mode: an include that nobody can decide on.
    fn left_undecided(&self, task: &Arc<Task>, vars: &Context, on: &str) -> Outcome {
        self.leave_open(task, vars, &task.title(), &mut BTreeSet::new());
        let machines = self.of.run.machines.of(&self.of.host.name);
        self.of.depends(machines.first().map(AsRef::as_ref), on, &[Resource::Anything])
    }

    /// What an include came to that could not be done; that of variables is judged by the task's conditions.
    fn not_read(&self, include: &Include, task: &Arc<Task>, vars: &Context, error: TaskError) -> Outcome {
        let mut outcome = not_included(include, error.at(&task.span));
        if matches!(include.kind, IncludeKind::Vars) {
            judge(&self.of.run, task, vars, &mut outcome);
        }
        outcome
    }

    /// Goes into what an include has brought, which ends behind it.
    fn go_into(&mut self, frames: Vec<Frames>, position: &Position, vars: &Context) {
        if !frames.is_empty() {
            self.cursor.step_back();
            let wanted = self.of.run.wanted(vars);
            let programs =
                frames.into_iter().map(|(items, vars, index)| (Program::items(&items, &wanted), index as u32, vars));
            self.cursor.enter(position, programs.collect());
        }
    }

    /// What an include came to: a condition that passed all of it over, or what was read.
    fn came_to(
        &self,
        include: &Include,
        task: &Arc<Task>,
        vars: &Context,
        (result, items, passed): (Vec<Included>, Option<&super::repeat::Items>, Option<Json>),
    ) -> Outcome {
        if let Some(condition) = passed {
            let mut outcome = Outcome::condition(&condition);
            if !result.is_empty() {
                outcome.result.extend(told(result, items));
                outcome.result.insert("msg".to_owned(), json!("All items skipped"));
            }
            return outcome;
        }
        if !matches!(include.kind, IncludeKind::Vars) {
            return Outcome::new(Status::Ok, unchanged());
        }
        if items.is_some_and(|items| items.is_empty()) {
            return as_a_whole(Vec::new(), true);
        }
        let read = result.iter().flat_map(|one| one.facts.iter());
        let seen = vars.with(read.map(|(name, value)| (name.clone(), Var::data(value))).collect());
        let mut outcome = Outcome::new(Status::Ok, told(result, items));
        if items.is_none() {
            judge(&self.of.run, task, &seen, &mut outcome);
        }
        outcome
    }

    /// Check mode: what an include would set is not known while nobody knows whether it is done: `on`, its title, is what that depends on.
    fn leave_open(&self, task: &Arc<Task>, vars: &Context, on: &str, seen: &mut BTreeSet<String>) {
        let Action::Include(include) = &task.action else {
            return self.of.host.set_unsure(self.of.run.features_of(task).sets.iter(), Some(on));
        };
        let contexts: Vec<Context> = match task::items(&self.of.run, task, vars) {
            Ok(Some(items)) => (0..items.len()).map(|i| vars.with(task::item_vars(task, &items, i))).collect(),
            _ => vec![vars.clone()],
        };
        for vars in contexts {
            let mut left = self.left_open(include, task, &vars, on, seen);
            while let Some(item) = left.pop() {
                match item {
                    Item::Task(task) => self.leave_open(&task, &vars, on, seen),
                    Item::Block(block) => {
                        let parts = [&block.block, &block.rescue, &block.always];
                        left.extend(parts.into_iter().flatten().cloned());
                    }
                }
            }
        }
    }

    /// The tasks that such an include would bring; the variables that it would bring are left open here.
    fn left_open(
        &self,
        include: &Include,
        task: &Arc<Task>,
        vars: &Context,
        on: &str,
        seen: &mut BTreeSet<String>,
    ) -> Vec<Item> {
        // What it names may depend on what is not known either; then there is nothing to look at.
        let text = |node: &Node| {
            let value = self.of.run.engine.render_tree(node, vars).ok();
            value.as_ref().and_then(super::keyword::as_text).unwrap_or_default()
        };
        match &include.kind {
            IncludeKind::Action { .. } => Vec::new(),
            IncludeKind::Vars => {
                let read = self.read_vars(include, task, vars).unwrap_or_default();
                self.of.host.set_unsure(read.0.keys(), Some(on));
                Vec::new()
            }
            IncludeKind::Tasks { file } => {
                let name = text(file);
                // Files may include themselves, and each other.
                let new = seen.len() < INCLUDED && seen.insert(format!("{} {name}", task.scope.directory.display()));
                if new { self.of.run.loader.include_tasks(&name, task).unwrap_or_default() } else { Vec::new() }
            }
            IncludeKind::Role(role) => {
                let named = |node: &Node| Node {
                    value: crate::yaml::Value::String { text: text(node), unsafe_text: true },
                    span: node.span.clone(),
                };
                let role = IncludeRole {
                    name: named(&role.name),
                    tasks_from: role.tasks_from.as_ref().map(named),
                    vars_from: role.vars_from.as_ref().map(named),
                    defaults_from: role.defaults_from.as_ref().map(named),
                    handlers_from: role.handlers_from.as_ref().map(named),
                    ..role.clone()
                };
                let key = format!("role {} {:?}", role.name.key_text(), role.tasks_from.as_ref().map(Node::key_text));
                if seen.len() >= INCLUDED || !seen.insert(key) {
                    return Vec::new();
                }
                let Ok(included) = self.of.run.loader.include_role(&role, task, None) else { return Vec::new() };
                if role.public {
                    let names = included.role.defaults.keys().chain(included.role.vars.keys());
                    self.of.host.set_unsure(names, Some(on));
                }
                included.items
            }
        }
    }

    fn bring_in(&mut self, include: &Include, task: &Arc<Task>, vars: &Context) -> Result<Brought, TaskError> {
        let render = |node: &Node| -> Result<Node, TaskError> {
            let value = self.of.run.engine.render_tree(node, vars).map_err(TaskError::from)?;
            let text = super::keyword::as_text(&value).unwrap_or_default();
            Ok(Node { value: crate::yaml::Value::String { text, unsafe_text: true }, span: node.span.clone() })
        };
        match &include.kind {
            IncludeKind::Tasks { file } => {
                let name = render(file)?;
                let items = self
                    .of
                    .run
                    .loader
                    .include_tasks(name.as_str().unwrap_or_default(), task)
                    .map_err(|e| loading(&e))?;
                Ok(Brought::Items(items))
            }
            IncludeKind::Role(role) => {
                let optional = |node: &Option<Node>| node.as_ref().map(&render).transpose();
                let rendered = IncludeRole {
                    name: render(&role.name)?,
                    tasks_from: optional(&role.tasks_from)?,
                    vars_from: optional(&role.vars_from)?,
                    defaults_from: optional(&role.defaults_from)?,
                    handlers_from: optional(&role.handlers_from)?,
                    ..role.clone()
                };
                let item = task.loop_.as_ref().map(|over| over.control.item_name());
                let item = item.and_then(|name| vars.variable(name).ok().flatten()).map(|item| item.to_string());
                let included =
                    self.of.run.loader.include_role(&rendered, task, item.as_deref()).map_err(|e| loading(&e))?;
                if !included.handlers.is_empty() {
                    let batch = &self.of.batch;
                    let named = |task: &Task| self.of.run.handler_name(&batch.play, &batch.prompted, task);
                    self.handlers = Arc::new(self.handlers.with(&included.handlers, &named));
                }
                if role.public {
                    self.of.batch.publish(&included.role);
                }
                self.of.batch.note_included(&included.role);
                Ok(Brought::Items(included.items))
            }
            IncludeKind::Vars => self.include_vars(include, task, vars).map(Brought::Variables),
            IncludeKind::Action { module, task: node } => {
                self.of.named_action(module, node, task, vars).map(Brought::Items)
            }
        }
    }

    fn include_vars(&self, include: &Include, task: &Task, vars: &Context) -> Result<Included, TaskError> {
        let (all, shown) = self.read_vars(include, task, vars)?;
        let all = Arc::new(all);
        self.of.host.push(Level::IncludeVars, all.clone());
        Ok(Included { vars: all, ..shown })
    }

    /// The variables that `include_vars` brings, and those of the files as reports show them.
    fn read_vars(&self, include: &Include, task: &Task, vars: &Context) -> Result<(Vars, Included), TaskError> {
        let mut parameters = Map::new();
        for (key, node) in &include.args {
            let value = self.of.run.engine.render_tree(node, vars).map_err(|e| TaskError::from(e).at(&node.span))?;
            parameters.insert(key.key_text(), value);
        }
        let text = |name: &str| parameters.get(name).and_then(super::keyword::as_text);
        let (asked, mut read) = (vars_from::Asked::new(&parameters)?, Vec::new());
        match (text("file").or_else(|| text("_raw_params")), text("dir")) {
            // A text that is folded over lines ends with one.
            (Some(file), _) => read.push(self.find_vars(file.trim_end_matches('\n'), task)?),
            (None, Some(dir)) => read = asked.files(&self.find_vars(&dir, task)?)?,
            (None, None) if parameters.contains_key("file") => {
                return Err(TaskError::new("Could not find file: `file` names none"));
            }
            (None, None) => return Err(TaskError::new("include_vars needs `file` or `dir`")),
        }
        let mut all = Vars::new();
        for file in &read {
            // Among the files of a folder the last one counts; joined is what they come to, with what was there before.
            all.extend(vars_from::file(file)?);
        }
        if asked.merges() {
            let batch = &self.of.batch;
            let known = at_place(&self.of.host.layers(), &batch.exports(), &batch.prompted, &task.scope);
            let before = all.keys().filter_map(|name| Some((name.clone(), known.get(name)?.value.clone())));
            let mut before: Vars = before.collect();
            asked.put(&mut before, all);
            all = before;
        }
        // A value that cannot be decrypted is an error where it is read.
        let opened = |text: &str| crate::vault::open(text).map_or(Json::Null, Json::String);
        let value = |value: &Variable| value.node().map_or_else(|| value.to_json(), |node| node.to_json_with(&opened));
        let shown: Map<String, Json> = all.iter().map(|(name, found)| (name.clone(), value(found))).collect();
        let all = match text("name") {
            None => all,
            Some(name) => {
                let entries = all.into_iter().filter_map(|(name, value)| Some((name, value.node()?.clone())));
                Vars::from_iter([(name, mapping(entries, &task.span))])
            }
        };
        let sealed = read.iter().any(|file| crate::vault::is_hidden_source(&file.display().to_string()));
        Ok((all, Included { facts: shown, files: read, sealed, ..Included::default() }))
    }

    fn find_vars(&self, name: &str, task: &Task) -> Result<PathBuf, TaskError> {
        self.of.run.loader.search(SearchKind::Vars, name, &task.scope).map_err(|missing| {
            let tried: Vec<_> = missing.tried.iter().map(|p| p.display().to_string()).collect();
            TaskError::new(format!("Could not find file `{name}`"))
                .help(format!("looked for it at\n    {}", tried.join("\n    ")))
        })
    }
}

/// What a `meta` task does for a host, in Ansible's words.
fn done(action: MetaAction, host: &str, task: &Task) -> String {
    match action {
        MetaAction::Noop => "noop".to_owned(),
        MetaAction::FlushHandlers => format!("triggered running handlers for {host}"),
        MetaAction::RefreshInventory => "inventory successfully refreshed".to_owned(),
        MetaAction::ClearFacts => "facts cleared".to_owned(),
        MetaAction::ClearHostErrors => "cleared host errors".to_owned(),
        MetaAction::EndPlay => "ending play".to_owned(),
        MetaAction::EndBatch => "ending batch".to_owned(),
        MetaAction::EndHost => format!("ending play for {host}"),
        MetaAction::EndRole => format!("ending role {} for {host}", role_name(task)),
        MetaAction::ResetConnection => "reset connection".to_owned(),
    }
}

/// Why a `meta` task does nothing for a host, in Ansible's words; true, for it was passed by.
fn passed_by(action: MetaAction, host: &str, task: &Task) -> (String, bool) {
    let goes_on = match action {
        MetaAction::FlushHandlers => format!(", not running handlers for {host}"),
        MetaAction::ClearFacts => format!(", not clearing facts and fact cache for {host}"),
        MetaAction::ClearHostErrors => format!(", not clearing host error state for {host}"),
        MetaAction::EndPlay => ", continuing play".to_owned(),
        MetaAction::EndBatch => ", continuing current batch".to_owned(),
        MetaAction::EndHost => format!(", continuing execution for {host}"),
        MetaAction::EndRole => format!(", continuing role {} for {host}", role_name(task)),
        MetaAction::Noop | MetaAction::RefreshInventory | MetaAction::ResetConnection => String::new(),
    };
    (format!("{} conditional evaluated to False{goes_on}", action.name()), true)
}

fn role_name(task: &Task) -> &str {
    task.scope.role().map_or("", |role| role.name.as_str())
}

/// What an include has brought in, as reports name it: the file, or the role.
fn led_to(include: &Include, brought: &[Item]) -> Option<String> {
    match &include.kind {
        IncludeKind::Role(_) => brought.first()?.scope().role.as_ref().map(|role| role.name.clone()),
        IncludeKind::Tasks { .. } => {
            let file = match brought.first()? {
                Item::Task(task) => &task.span.source.name,
                Item::Block(block) => &block.span.source.name,
            };
            Some(absolute(std::path::Path::new(file)))
        }
        IncludeKind::Vars | IncludeKind::Action { .. } => None,
    }
}

enum Brought {
    Items(Vec<Item>),
    Variables(Included),
}

/// What `include_vars` has brought in.
#[derive(Default)]
struct Included {
    facts: Map<String, Json>,
    files: Vec<PathBuf>,
    vars: Arc<Vars>,
    /// Of which item of a loop.
    index: usize,
    /// Whether one of the files is encrypted: then nothing is shown of any.
    sealed: bool,
    /// What is told instead: why nothing could be read, where that counts as no failure, or why nothing was to be read.
    instead: Map<String, Json>,
    /// Whether nothing was to be read.
    passed: bool,
}

impl Included {
    fn fields(self) -> Map<String, Json> {
        if !self.instead.is_empty() {
            return self.instead;
        }
        let files: Vec<String> = self.files.iter().map(|file| absolute(file)).collect();
        Map::from_iter([
            ("ansible_included_var_files".to_owned(), json!(files)),
            ("ansible_facts".to_owned(), Json::Object(self.facts)),
        ])
    }
}

/// What one item of an include brings: its tasks, the variables around them, and the item's place.
type Frames = (Vec<Item>, Vec<(Level, Arc<Vars>)>, usize);

/// What an include came to that could not be done.
fn not_included(include: &Include, error: TaskError) -> Outcome {
    let mut failed = Outcome::failed(&error);
    if matches!(include.kind, IncludeKind::Vars)
        && let Some(message) = failed.result.get("msg").cloned()
    {
        // Ansible has it here alone.
        failed.result.insert("message".to_owned(), message);
    }
    failed
}

fn unchanged() -> Map<String, Json> {
    Map::from_iter([("changed".to_owned(), json!(false))])
}

/// What a result tells of `include_vars`: of each item of a loop by itself.
fn told(included: Vec<Included>, over: Option<&super::repeat::Items>) -> Map<String, Json> {
    let Some(items) = over else {
        return unchanged().into_iter().chain(included.into_iter().next().unwrap_or_default().fields()).collect();
    };
    let results: Vec<Json> = included
        .into_iter()
        .map(|one| {
            let item = items.get(one.index).cloned().unwrap_or_default();
            let passed = one.passed;
            let mut fields = one.fields();
            fields.insert("changed".into(), json!(false));
            if !passed {
                fields.insert("failed".into(), json!(false));
            }
            fields.insert(items.name.clone(), item);
            fields.insert("ansible_loop_var".into(), json!(items.name));
            Json::Object(fields)
        })
        .collect();
    let whole = [("results".to_owned(), json!(results)), ("msg".to_owned(), json!("All items completed"))];
    unchanged().into_iter().chain(whole).collect()
}

fn mapping(entries: impl Iterator<Item = (String, Arc<Node>)>, span: &crate::yaml::Span) -> Variable {
    let entries = entries.map(|(name, node)| {
        let key = Node { value: crate::yaml::Value::String { text: name, unsafe_text: true }, span: span.clone() };
        (key, (*node).clone())
    });
    Variable::Node(Arc::new(Node { value: crate::yaml::Value::Map(entries.collect()), span: span.clone() }))
}

/// All that is wrong with what was included, the first with its help.
fn loading(error: &PlaybookError) -> TaskError {
    let mut task_error = TaskError::new(error.to_string());
    if let Some(first) = error.diagnostics.first() {
        task_error.message = error.diagnostics.iter().map(|d| d.message.clone()).collect::<Vec<_>>().join("; ");
        task_error.help = first.help.clone();
        task_error.span = first.span.clone();
    }
    task_error
}
