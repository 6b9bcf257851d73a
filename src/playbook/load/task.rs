//! One task or handler.

use std::sync::Arc;

use super::action::Found;
use super::items::Around;
use super::reader::Reader;
use super::values::is_template;
use crate::playbook::keyword::Level;
use crate::playbook::{
    About, Action, Diagnostic, Expressions, Include, IncludeKind, Item, Keywords, MetaAction, Scope, ScopeKind, Task,
};
use crate::yaml::{Node, Value};

/// What a dynamic include takes; the rest must stand under `apply`.
/// Source: `TaskInclude.VALID_INCLUDE_KEYWORDS` of ansible-core.
const INCLUDE_KEYWORDS: &[&str] = &[
    "action",
    "args",
    "collections",
    "debugger",
    "ignore_errors",
    "loop",
    "loop_control",
    "name",
    "no_log",
    "register",
    "run_once",
    "tags",
    "timeout",
    "vars",
    "when",
    "listen",
];

impl Reader<'_> {
    /// Reads a task; an import comes out as what it imports.
    pub(super) fn task(
        &mut self,
        node: &Node,
        entries: &[(Node, Node)],
        parent: &Arc<Scope>,
        around: Around<'_>,
    ) -> Vec<Item> {
        let level = if around.is_handler { Level::Handler } else { Level::Task };
        let ready = self.is_ready_to_fail(node, parent);
        let conditional = !self.is_due && self.is_conditional(node, parent);
        let outer = std::mem::replace(&mut self.ready, ready);
        let enclosed = conditional && self.is_conditional(&Node::new(Value::Null, node.span.clone()), parent);
        let before = (self.conditional, self.enclosed);
        (self.conditional, self.enclosed) = (conditional, enclosed);
        let items = self.ready_task(node, entries, parent, around, level);
        self.ready = outer;
        (self.conditional, self.enclosed) = before;
        items
    }

    fn ready_task(
        &mut self,
        node: &Node,
        entries: &[(Node, Node)],
        parent: &Arc<Scope>,
        around: Around<'_>,
        level: Level,
    ) -> Vec<Item> {
        let is_handler = around.is_handler;
        let keywords = self.keywords(level, entries);
        let Some(found) = self.action(node, entries, level, parent) else { return Vec::new() };
        match found.name.as_str() {
            "import_tasks" => return self.import_tasks(node, &found, keywords, parent, around),
            "import_role" | "include_role" if is_handler => {
                let message = format!("`{}` cannot be a handler", found.written);
                self.report(
                    Diagnostic::error(&found.name_span, message)
                        .help("notify handlers of the role itself, or use `include_tasks` with one of its files"),
                );
                return Vec::new();
            }
            "import_role" => return self.import_role(node, &found, keywords, parent),
            _ => {}
        }
        let task = self.finish_task(node, entries, found, keywords, parent, around);
        task.map(|t| Item::Task(Arc::new(t))).into_iter().collect()
    }

    fn finish_task(
        &mut self,
        node: &Node,
        entries: &[(Node, Node)],
        found: Found,
        mut keywords: Keywords,
        parent: &Arc<Scope>,
        around: Around<'_>,
    ) -> Option<Task> {
        if keywords.delegate_to.is_none() {
            keywords.delegate_to.clone_from(&found.delegate_to);
        }
        let scope = self.scope(ScopeKind::Task, keywords, parent);
        let loop_ = self.task_loop(node, entries);
        let action = self.task_action(entries, found, &scope)?;
        let own = node.get("notify").map(|n| self.notify(n));
        let mut field = |name: &str| {
            let value = node.get(name).filter(|n| !n.is_null()).cloned();
            value.inspect(|v| self.templates(v))
        };
        let (name, retries, delay, async_, poll) =
            (field("name"), field("retries"), field("delay"), field("async"), field("poll"));
        let mut conditions = |name: &str| node.get(name).map(|n| self.conditions(name, n));
        let (until, changed_when, failed_when) =
            (conditions("until").unwrap_or_default(), conditions("changed_when"), conditions("failed_when"));
        let task = Task {
            name,
            scope,
            action,
            loop_,
            register: self.register(node),
            until,
            retries,
            delay,
            changed_when,
            failed_when,
            notify: own.unwrap_or_else(|| around.notify.unwrap_or_default().to_vec()),
            listen: node.get("listen").map(super::loops::list).unwrap_or_default(),
            async_,
            poll,
            is_handler: around.is_handler,
            span: node.span.clone(),
        };
        if around.is_handler && task.name.is_none() && task.listen.is_empty() {
            let problem =
                Diagnostic::warning(task.action.name_span(), "nothing can notify this handler: it has no name");
            self.report(problem.help("add `name:`, or `listen:` with a topic"));
        }
        self.look_into(&task);
        Some(task)
    }

    /// Whether the playbook reckons with a failure of a task: then what is wrong with it counts where it runs, as with Ansible.
    fn is_ready_to_fail(&self, node: &Node, parent: &Scope) -> bool {
        let given = |value: &Node| !value.is_null() && super::values::truth(value) != Some(false);
        self.rescues > 0
            || node.get("ignore_errors").is_some_and(given)
            || node.get("failed_when").is_some_and(|value| !value.is_null())
            || parent.inherited(|k| k.ignore_errors.as_ref()).is_some_and(given)
            || node
                .get("debugger")
                .or(parent.inherited(|k| k.debugger.as_ref()))
                .is_some_and(|value| value.as_str() != Some("never"))
    }

    fn register(&mut self, node: &Node) -> Option<Node> {
        let name = node.get("register").filter(|n| !n.is_null())?;
        if is_template(name) {
            let problem = Diagnostic::error(&name.span, "`register` takes the name of a variable, not a template");
            self.report(problem.help("write the name without `{{ }}`"));
            return None;
        }
        self.variable_name("register", &name.key_text(), &name.span).then(|| name.clone())
    }

    fn task_action(&mut self, entries: &[(Node, Node)], found: Found, scope: &Arc<Scope>) -> Option<Action> {
        match found.name.as_str() {
            "meta" => self.meta(&found, scope),
            "include_tasks" => {
                self.include_keywords(entries, &found);
                self.include_tasks_action(found).map(|i| Action::Include(Box::new(i)))
            }
            "include_role" => {
                self.include_keywords(entries, &found);
                self.include_role_action(found).map(|i| Action::Include(Box::new(i)))
            }
            super::action::TEMPLATED => {
                let entries = entries.iter().map(|(key, value)| match key.as_str() {
                    Some(name) if matches!(name, "action" | "local_action") || name == found.written => {
                        (Node::text("action", key.span.clone()), found.value.clone())
                    }
                    _ => (key.clone(), value.clone()),
                });
                let task = Node::new(Value::Map(entries.collect()), found.value.span.clone());
                let module = Node::text(&*found.written, found.name_span.clone());
                let Found { written, name_span, .. } = found;
                let (args, apply, notify) = (Vec::new(), Keywords::default(), Vec::new());
                let kind = IncludeKind::Action { module, task };
                Some(Action::Include(Box::new(Include { kind, written, name_span, args, apply, notify })))
            }
            "include_vars" => {
                let arguments = self.arguments(&found, true)?;
                let mut args = arguments.args;
                if let Some(file) = arguments.free_form {
                    args.push((Node::text("file", file.span.clone()), file));
                }
                let Found { written, name_span, .. } = found;
                let (kind, apply, notify) = (IncludeKind::Vars, Keywords::default(), Vec::new());
                Some(Action::Include(Box::new(Include { kind, written, name_span, args, apply, notify })))
            }
            _ => self.module(found, scope),
        }
    }

    fn meta(&mut self, found: &Found, scope: &Scope) -> Option<Action> {
        let text = found.value.as_str().unwrap_or_default().trim();
        let span = if found.value.is_null() { &found.name_span } else { &found.value.span };
        let Some(action) = MetaAction::from_name(text) else {
            let names: Vec<&str> = MetaAction::ALL.iter().map(|(n, _)| *n).collect();
            let near = crate::suggest::near(text, names.iter().copied());
            let help = near.map_or_else(
                || format!("it takes {}", crate::playbook::keyword::join(&names)),
                |n| format!("did you mean `{n}`?"),
            );
            let what = if is_template(&found.value) {
                "cannot be a template".to_owned()
            } else {
                format!("has no action {}", quoted(text))
            };
            self.report(Diagnostic::error(span, format!("`meta` {what}")).help(help));
            return None;
        };
        if action == MetaAction::EndRole && scope.role().is_none() {
            let problem = Diagnostic::error(span, "Cannot execute 'end_role' from outside of a role");
            self.report(problem.help("write `meta: end_host`, or move it into the tasks of a role"));
            return None;
        }
        Some(Action::Meta { action, name_span: found.name_span.clone() })
    }

    /// Refuses on an include what would hold for nothing.
    fn include_keywords(&mut self, entries: &[(Node, Node)], found: &Found) {
        for (key, _) in entries {
            let Some(name) = key.as_str() else { continue };
            let known = crate::playbook::keywords::find(name, Level::Task).is_some();
            if known && !INCLUDE_KEYWORDS.contains(&name) {
                let message = format!("`{name}` has no meaning on `{}`", found.written);
                let imported = found.written.replace("include_", "import_");
                let help = match name {
                    "notify" | "until" | "retries" | "delay" | "changed_when" | "failed_when" | "async" | "poll" => {
                        "write it at the tasks inside".to_owned()
                    }
                    _ => format!("put it under `apply:` for the tasks inside, or use `{imported}`"),
                };
                self.report(Diagnostic::error(&key.span, message).label("not for an include").help(help));
            }
        }
    }

    fn module(&mut self, found: Found, scope: &Arc<Scope>) -> Option<Action> {
        let about = self.loader.modules.about(&found.name);
        let takes_text = about.free_form;
        let arguments = self.arguments(&found, takes_text)?;
        for (_, value) in &arguments.args {
            self.templates(value);
        }
        for text in arguments.free_form.iter().chain(&arguments.template) {
            self.templates(text);
        }
        self.conditions_in_args(&about, &arguments.args);
        self.named_files(&about, &arguments.args, scope);
        self.internal(&found.written, &arguments.args);
        let complete = arguments.template.is_none() && scope.module_defaults().is_empty();
        let problems = self.loader.modules.check_args(
            &found.name,
            &arguments.args,
            arguments.free_form.as_ref(),
            &found.name_span,
            complete,
        );
        self.report_running(problems);
        Some(Action::Module {
            name: found.name,
            written: found.written,
            name_span: found.name_span,
            args: arguments.args,
            free_form: arguments.free_form,
            template: arguments.template,
        })
    }

    /// Refuses parameters whose names Ansible keeps for itself.
    fn internal(&mut self, module: &str, args: &[(Node, Node)]) {
        let internal = |key: &&Node| key.as_str().is_some_and(|name| name.starts_with("_ansible_"));
        if let Some(key) = args.iter().map(|(key, _)| key).find(internal) {
            let message = format!(
                "Invalid parameter specified beginning with keyword '_ansible_' for action '{module}': '{}'. \
                 The prefix '_ansible_' is reserved for internal use only.",
                key.key_text()
            );
            self.report(Diagnostic::error(&key.span, message).help("choose another name"));
        }
    }

    /// Checks what a module takes as expressions without braces.
    fn conditions_in_args(&mut self, about: &About, args: &[(Node, Node)]) {
        let Some(Expressions { parameter: name, rendered }) = about.expressions else { return };
        for (key, value) in args {
            let rendered = rendered && is_template(value);
            if key.as_str() == Some(name) && !rendered && !matches!(value.value, Value::Map(_)) {
                let _checked = self.conditions(name, value);
            }
        }
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "there".to_owned() } else { format!("`{text}`") }
}
