//! The task debugger: a person looks at what a task came to, changes its arguments or variables, and has it done once more.
//!
//! Words and prompt are Ansible's. What is typed is an expression of templates, with `task`, `task_vars`, `host` and `result` in it.
//!
//! Source: <https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_debugger.html>

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use super::{
    Run,
    batch::Batch,
    conversation::{self, Order},
    host::written,
    keyword,
    machine::MachineError,
    outcome::Outcome,
    stop::Stop,
    task,
    task_error::TaskError,
};
use crate::{
    playbook::{Action, Strategy, Task},
    report::Status,
    template::{Context, Trust, Var},
    yaml::Node,
};

/// When the debugger is started for a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Debugging {
    failed: bool,
    unreachable: bool,
    skipped: bool,
    always: bool,
}

impl Debugging {
    /// What the task's keyword says, else the play's strategy or the configuration; none where it never starts.
    ///
    /// # Errors
    /// A keyword that cannot be rendered, or that says something else.
    pub fn of(run: &Run, batch: &Batch, task: &Task, vars: &Context) -> Result<Option<Debugging>, TaskError> {
        let never = Debugging { failed: false, unreachable: false, skipped: false, always: false };
        let everywhere = run.options.debugger || batch.strategy == Strategy::Debug;
        let keyword = keyword::text(run, &task.scope, vars, |k| k.debugger.as_ref())?;
        let mut debugging = match keyword.as_deref() {
            Some("never") => return Ok(None),
            Some("always") => Debugging { always: true, ..never },
            Some("on_failed") => Debugging { failed: true, ..never },
            Some("on_unreachable") => Debugging { unreachable: true, ..never },
            Some("on_skipped") => Debugging { skipped: true, ..never },
            Some(other) => {
                return Err(TaskError::new(format!("`debugger` does not know `{other}`"))
                    .help("it takes always, never, on_failed, on_unreachable or on_skipped"));
            }
            None if everywhere => never,
            None => return Ok(None),
        };
        if everywhere {
            (debugging.failed, debugging.unreachable) = (true, true);
        }
        if run.options.debugger_passes_ignored {
            let ignored = keyword::flag(run, &task.scope, vars, |k| k.ignore_errors.as_ref())?.unwrap_or(false);
            debugging.failed &= !ignored;
        }
        Ok(Some(debugging))
    }

    /// Whether a person is to look at what came of the task.
    pub fn is_due(self, outcome: &Result<Outcome, Stop>) -> bool {
        match outcome {
            Ok(outcome) if outcome.unreachable => self.unreachable || self.always,
            Ok(outcome) => match outcome.status {
                Status::Failed => self.failed || self.always,
                Status::Skipped => self.skipped || self.always,
                _ => self.always,
            },
            Err(Stop::Lost(MachineError::Unreachable(_))) => self.unreachable || self.always,
            Err(_) => false,
        }
    }
}

/// How the person wants the run to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The task is done again.
    Redo,
    /// The result stands.
    Continue,
    /// The run ends.
    Quit,
}

/// A task under the debugger, with what was changed about it.
pub struct Session {
    run: Arc<Run>,
    host: String,
    original: Arc<Task>,
    name: String,
    vars: Context,
    arguments: IndexMap<String, Node>,
    variables: IndexMap<String, Var>,
    no_log: bool,
}

impl Session {
    /// A session about a task that nothing was changed of yet; `name` is shown for the task.
    pub fn new(run: &Arc<Run>, host: &str, task: &Arc<Task>, name: String, vars: &Context) -> Session {
        Session {
            run: run.clone(),
            host: host.to_owned(),
            original: task.clone(),
            name,
            vars: vars.clone(),
            arguments: IndexMap::new(),
            variables: IndexMap::new(),
            no_log: false,
        }
    }

    /// The task as it is to be done now.
    pub fn task(&self) -> Arc<Task> {
        if self.arguments.is_empty() {
            return self.original.clone();
        }
        let Action::Module { name, written, name_span, args, free_form, template } = &self.original.action else {
            return self.original.clone();
        };
        let mut args = args.clone();
        let mut free_form = free_form.clone();
        for (key, value) in &self.arguments {
            if key == "_raw_params" {
                free_form = Some(value.clone());
                continue;
            }
            args.retain(|(known, _)| known.as_str() != Some(key));
            args.push((Node::text(key, self.original.span.clone()), value.clone()));
        }
        let (name, written) = (name.clone(), written.clone());
        let (name_span, template) = (name_span.clone(), template.clone());
        Arc::new(self.original.with_action(Action::Module { name, written, name_span, args, free_form, template }))
    }

    /// The variables as they are now.
    pub fn vars(&self) -> Context {
        if self.variables.is_empty() { self.vars.clone() } else { self.vars.with(self.variables.clone()) }
    }

    /// Shows what the task came to and lets the person at the terminal decide. Blocks.
    pub fn talk(&mut self, outcome: &Result<Outcome, Stop>) -> Verdict {
        let result = told(outcome);
        self.no_log = outcome.as_ref().is_ok_and(|outcome| outcome.no_log);
        let run = self.run.clone();
        let prompt = format!("[{}] TASK: {} (debug)>", self.host, self.name);
        run.prompter.debug(&prompt, &self.summary(outcome, &result), |line| self.answer(line, &result))
    }

    /// A line that says what happened.
    fn summary(&self, outcome: &Result<Outcome, Stop>, result: &Json) -> String {
        let status = match outcome {
            Ok(outcome) if !outcome.unreachable => match outcome.status {
                Status::Failed => "failed",
                Status::Skipped => "skipped",
                Status::Changed => "changed",
                _ => "ok",
            },
            _ => "unreachable",
        };
        let message = result["msg"].as_str().map_or_else(String::new, |message| format!(": {message}"));
        let place = self.original.span.place();
        format!("{}: {} ({place}): {status}{message}", self.host, self.name)
    }

    /// Carries out a line. What it says, and how the run goes on if it goes on.
    fn answer(&mut self, line: &str, result: &Json) -> (String, Option<Verdict>) {
        let told = match conversation::read(line) {
            Order::Nothing => Ok(String::new()),
            Order::Help => Ok(conversation::HELP.to_owned()),
            Order::Redo => return (String::new(), Some(Verdict::Redo)),
            Order::Continue => return (String::new(), Some(Verdict::Continue)),
            Order::Quit => return ("User interrupted execution".to_owned(), Some(Verdict::Quit)),
            Order::Update => {
                self.arguments.clear();
                Ok(String::new())
            }
            Order::Show(expression) => self.show(expression, result),
            Order::Argument(key, value) => self.assigned(key, value, result).and_then(|(key, node)| {
                if !matches!(self.original.action, Action::Module { .. }) {
                    return Err("this task has no arguments that can be changed".to_owned());
                }
                self.arguments.insert(key, node);
                Ok(String::new())
            }),
            Order::Variable(key, value) => self.assigned(key, value, result).map(|(key, node)| {
                self.variables.insert(key, Var::node(&node));
                String::new()
            }),
        };
        (told.unwrap_or_else(|why| format!("*** {why}")), None)
    }

    /// The name and the value of an assignment. What the person typed may be a template, as in a playbook; what a host said never is.
    fn assigned(&self, key: &str, typed: &str, result: &Json) -> Result<(String, Node), String> {
        let scope = self.scope(result);
        let key = self.run.engine.expression(key, None, &scope).map_err(|e| e.to_string())?;
        let key = key.as_str().ok_or("the name in brackets is a text in quotes")?.to_owned();
        let mut trust = Trust::default();
        let value = self.run.engine.expression_noting(typed, None, &scope, &mut trust).map_err(|e| e.to_string())?;
        let own = |text: &str| trust.holds(text) || typed.contains(text);
        Ok((key, task::node(&value, &self.original.span, &own)))
    }

    /// The value of an expression, as Python's `pprint` shows it.
    fn show(&self, expression: &str, result: &Json) -> Result<String, String> {
        match expression.trim() {
            "task" => return Ok(format!("TASK: {}", self.name)),
            "task_vars" => {
                let vars = self.vars();
                let known =
                    vars.names().into_iter().filter_map(|name| Some((name.clone(), vars.variable(&name).ok()??)));
                return Ok(conversation::pretty(&Json::Object(known.collect())));
            }
            _ => {}
        }
        let value = self.run.engine.expression(expression, None, &self.scope(result)).map_err(|e| e.to_string())?;
        Ok(conversation::pretty(&value))
    }

    /// The variables of the task with the debugger's own names in front.
    fn scope(&self, result: &Json) -> Context {
        let vars = self.vars();
        let task = self.task();
        let mut fields = written(&task);
        fields["args"] = match self.no_log {
            true => json!("hidden by no_log"),
            false => Json::Object(self.shown_arguments(&task, &vars)),
        };
        let mut whole = result.as_object().cloned().unwrap_or_default();
        whole.insert("_result".to_owned(), result.clone());
        let own = [
            ("task", Var::data(&fields)),
            ("host", Var::data(&json!(self.host))),
            ("result", Var::data(&Json::Object(whole))),
            ("task_vars", Var::context(&vars)),
        ];
        vars.with(own.into_iter().map(|(name, var)| (name.to_owned(), var)).collect())
    }

    /// The arguments: rendered where that is possible, as they are written where it is not.
    fn shown_arguments(&self, task: &Task, vars: &Context) -> Map<String, Json> {
        let Action::Module { args, free_form, .. } = &task.action else { return Map::new() };
        let shown = |node: &Node| self.run.engine.render_tree(node, vars).unwrap_or_else(|_| node.to_json());
        let mut all: Map<String, Json> = args.iter().map(|(key, node)| (key.key_text(), shown(node))).collect();
        if let Some(text) = free_form {
            all.insert("_raw_params".to_owned(), shown(text));
        }
        all
    }
}

/// The fields of what a task came to.
fn told(outcome: &Result<Outcome, Stop>) -> Json {
    match outcome {
        Ok(outcome) => outcome.visible(),
        Err(Stop::Lost(MachineError::Unreachable(message))) => {
            json!({"unreachable": true, "changed": false, "msg": message})
        }
        Err(_) => json!({}),
    }
}
