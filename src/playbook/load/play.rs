//! One play.

use std::path::Path;
use std::sync::Arc;

use super::items::Around;
use super::reader::{PlayState, Reader, head};
use super::values::is_template;
use crate::playbook::keyword::{Level, join};
use crate::playbook::{Diagnostic, Order, Play, Prompt, Scope, ScopeKind, Strategy, VarMap};
use crate::python::number;
use crate::suggest::near;
use crate::yaml::{Node, Value};

const PROMPT_KEYS: &[&str] =
    &["name", "prompt", "default", "private", "confirm", "encrypt", "salt_size", "salt", "unsafe"];

/// What is wrong with a play for nobody.
const EMPTY: &str = "Hosts list cannot be empty. Please check your playbook";

/// What is wrong with a question for nothing.
const NO_NAME: &str = "Invalid vars_prompt data structure, missing 'name' key";

impl Reader<'_> {
    /// Reads a play. `import_vars` are the variables of the imports around, innermost first: they outrank the play's.
    pub(super) fn play(
        &mut self,
        entry: &Node,
        directory: &Path,
        outer: Option<&Arc<Scope>>,
        import_vars: &[VarMap],
    ) -> Option<Play> {
        let entries = entry.as_map()?;
        self.play = PlayState { directory: directory.to_owned(), ..PlayState::default() };
        self.unknown_keys(Level::Play, entries);
        let mut keywords = self.keywords(Level::Play, entries);
        for vars in import_vars {
            keywords.vars.get_or_insert_default().extend(vars.clone());
        }
        self.play_user(entry);
        let hosts = self.hosts(entry);
        let scope = Arc::new(Scope {
            kind: ScopeKind::Play,
            keywords,
            role: None,
            parent: outer.cloned(),
            directory: directory.into(),
            include_dir: None,
        });
        let vars_files = self.vars_files(entry);
        let vars_prompt = self.vars_prompt(entry);
        let get = |name: &str| entry.get(name).filter(|n| !n.is_null()).cloned();
        // Roles first: their handlers and variables are known to the tasks.
        let (roles, role_handlers) = self.play_roles(entry.get("roles"), &scope);
        let pre_tasks = self.section(entry, "pre_tasks", &scope);
        let tasks = self.section(entry, "tasks", &scope);
        let post_tasks = self.section(entry, "post_tasks", &scope);
        let own_handlers = self.handlers(entry.get("handlers"), &scope);
        let state = std::mem::take(&mut self.play);
        let handlers: Vec<_> = role_handlers.into_iter().chain(own_handlers).chain(state.imported_handlers).collect();
        self.notified(&state.notified, &handlers, &state.later_handlers, state.open_handlers);
        Some(Play {
            name: get("name"),
            span: entry.span.clone(),
            hosts: hosts?,
            gather_facts: get("gather_facts"),
            gather_subset: get("gather_subset"),
            gather_timeout: get("gather_timeout"),
            fact_path: get("fact_path"),
            strategy: self.strategy(entry.get("strategy")),
            serial: self.serial(entry.get("serial")),
            max_fail_percentage: get("max_fail_percentage"),
            order: self.order(entry.get("order")),
            force_handlers: get("force_handlers"),
            vars_files,
            vars_prompt,
            scope,
            pre_tasks,
            roles,
            tasks,
            post_tasks,
            handlers,
            exports: state.exports,
            directory: directory.to_owned(),
        })
    }

    fn play_user(&mut self, entry: &Node) {
        if let (Some((key, _)), Some(_)) = (entry.get_entry("user"), entry.get("remote_user")) {
            let problem = Diagnostic::error(&key.span, "both 'user' and 'remote_user' are set for this play.");
            self.report(problem.help("keep `remote_user`: `user` is its old name"));
        }
    }

    fn hosts(&mut self, entry: &Node) -> Option<Node> {
        let Some((key, hosts)) = entry.get_entry("hosts") else {
            let place = entry.as_map().and_then(|e| e.first()).map_or(&entry.span, |(k, _)| &k.span);
            self.report(
                Diagnostic::error(&head(place), "the play has no `hosts`")
                    .label("this play")
                    .help("add `hosts: PATTERN`, for example `hosts: all`"),
            );
            return None;
        };
        let problem = match &hosts.value {
            Value::Null => Some(Diagnostic::error(&key.span, EMPTY)),
            Value::Seq(items) if items.is_empty() => Some(Diagnostic::error(&hosts.span, EMPTY)),
            Value::String { text, .. } if text.trim().is_empty() => Some(Diagnostic::error(&hosts.span, EMPTY)),
            Value::Seq(items) => items.iter().find(|i| i.as_str().is_none()).map(|item| {
                Diagnostic::error(&item.span, format!("an entry of `hosts` must be a text, not {}", item.describe()))
            }),
            Value::String { .. } | Value::Vault(_) => None,
            other => {
                let message = format!("`hosts` takes a pattern or a list of patterns, not {}", other.kind());
                Some(Diagnostic::error(&head(&hosts.span), message))
            }
        };
        if let Some(problem) = problem {
            self.report(problem.help("name hosts or groups: `hosts: all`, `hosts: web:!old`"));
            return None;
        }
        self.templates(hosts);
        Some(hosts.clone())
    }

    fn strategy(&mut self, node: Option<&Node>) -> Option<Node> {
        let node = node.filter(|n| !n.is_null())?;
        self.templates(node);
        let Some(text) = node.as_str().filter(|text| !is_template(node) && Strategy::from_name(text).is_none()) else {
            return Some(node.clone());
        };
        let names = Strategy::NAMES.map(|(name, _)| name);
        let help = match near(text, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None if text.starts_with("mitogen") => "write `linear`: there is nothing for Mitogen to speed up".into(),
            None => format!("write {}; strategy plugins of Python do not run here", join(&names)),
        };
        let problem = Diagnostic::error(&node.span, format!("the strategy `{text}` is not supported"));
        self.report(problem.help(help));
        None
    }

    fn order(&mut self, node: Option<&Node>) -> Option<Node> {
        let node = node.filter(|n| !n.is_null())?;
        self.templates(node);
        let Some(text) = node.as_str().filter(|text| !is_template(node) && Order::from_name(text).is_none()) else {
            return Some(node.clone());
        };
        let names = Order::NAMES.map(|(name, _)| name);
        let help =
            near(text, names).map_or_else(|| format!("write {}", join(&names)), |n| format!("did you mean `{n}`?"));
        self.report(Diagnostic::error(&node.span, format!("there is no order `{text}`")).help(help));
        None
    }

    fn serial(&mut self, node: Option<&Node>) -> Vec<Node> {
        let Some(node) = node else { return Vec::new() };
        let steps = match &node.value {
            Value::Seq(items) => items.clone(),
            Value::Null => Vec::new(),
            _ => vec![node.clone()],
        };
        for step in &steps {
            if !is_template(step) && !is_batch(step) {
                self.report(
                    Diagnostic::error(
                        &step.span,
                        format!("`serial` takes a number of hosts or a percentage, not {}", step.describe()),
                    )
                    .label("no batch size")
                    .help("for example `serial: 2`, `serial: 30%` or a list of them: `serial: [1, 5, 50%]`"),
                );
            }
        }
        steps
    }

    fn vars_files(&mut self, entry: &Node) -> Vec<Node> {
        let Some(node) = entry.get("vars_files") else { return Vec::new() };
        let files = match &node.value {
            Value::Seq(items) => items.clone(),
            Value::Null => Vec::new(),
            _ => vec![node.clone()],
        };
        for file in &files {
            let names = file.as_seq().unwrap_or_else(|| std::slice::from_ref(file));
            for name in names {
                if name.as_str().is_none() {
                    let message = format!("`vars_files` takes paths, not {}", name.describe());
                    self.report(Diagnostic::error(&head(&name.span), message));
                }
                self.templates(name);
            }
            self.vars_file_exists(file, names);
        }
        files
    }

    /// Names without templates must lead to a file; of a list one is enough.
    fn vars_file_exists(&mut self, file: &Node, names: &[Node]) {
        let directory = self.play.directory.clone();
        let paths: Vec<_> = names.iter().filter_map(Node::as_str).collect();
        if names.iter().any(is_template) || paths.is_empty() {
            return;
        }
        let candidates = |p: &str| [directory.join("vars").join(p), directory.join(p)];
        let found = paths.iter().flat_map(|p| candidates(p)).find(|c| c.exists() && !c.is_dir());
        match found {
            Some(found) => {
                let Some(node) = self.file(&found) else { return };
                if !node.is_null() && node.as_map().is_none() {
                    let problem = Diagnostic::error(&head(&node.span), "a file of variables must be a mapping");
                    self.report(problem.label(node.describe()).help("write `name: value`"));
                }
                let vars = self.vars(&node);
                self.play.file_vars.extend(vars);
            }
            None => self.report(
                Diagnostic::error(&file.span, format!("the file of variables `{}` is not there", paths.join("`, `")))
                    .label(format!("looked in `{}`", directory.display()))
                    .help("the path is relative to the playbook")
                    .missing(),
            ),
        }
    }

    fn vars_prompt(&mut self, entry: &Node) -> Vec<Prompt> {
        let Some(node) = entry.get("vars_prompt").filter(|node| !node.is_null()) else { return Vec::new() };
        let Some(prompts) = node.as_seq() else {
            let problem =
                Diagnostic::error(&head(&node.span), format!("`vars_prompt` is a list, not {}", node.value.kind()));
            self.report(problem.help("write `- name: VARIABLE` with `prompt: TEXT` below it"));
            return Vec::new();
        };
        prompts.iter().filter_map(|p| self.prompt(p)).collect()
    }

    fn prompt(&mut self, node: &Node) -> Option<Prompt> {
        if node.as_map().is_some_and(|entries| entries.iter().all(|(key, _)| key.as_str() != Some("name"))) {
            self.report(Diagnostic::error(&head(&node.span), NO_NAME).help("add `name: VARIABLE`"));
            return None;
        }
        if !self.allowed_keys("an entry of `vars_prompt`", node, PROMPT_KEYS) {
            return None;
        }
        let Some(name) = node.get("name").filter(|n| n.as_str().is_some()) else {
            let problem = Diagnostic::error(&head(&node.span), NO_NAME);
            self.report(problem.help("add `name: VARIABLE`"));
            return None;
        };
        self.variable_name("vars_prompt", &name.key_text(), &name.span);
        let text = |key: &str| node.get(key).filter(|n| !n.is_null()).map(Node::key_text);
        let flag = |reader: &mut Self, key: &str, default: bool| {
            node.get(key).map_or(default, |n| reader.flag(key, n).unwrap_or(default))
        };
        Some(Prompt {
            name: name.key_text(),
            prompt: node.get("prompt").cloned(),
            default: node.get("default").cloned(),
            private: flag(self, "private", true),
            confirm: flag(self, "confirm", false),
            encrypt: text("encrypt"),
            salt_size: text("salt_size").and_then(|s| s.parse().ok()),
            salt: text("salt"),
            unsafe_text: flag(self, "unsafe", false),
            span: node.span.clone(),
        })
    }

    fn section(&mut self, entry: &Node, name: &str, scope: &Arc<Scope>) -> Vec<crate::playbook::Item> {
        match entry.get(name) {
            Some(node) => {
                let list = match &node.value {
                    Value::Seq(items) => items.as_slice(),
                    // `keywords` has reported what is no list.
                    _ => &[],
                };
                self.items(list, scope, Around::default())
            }
            None => Vec::new(),
        }
    }
}

/// Whether a value is a batch size.
fn is_batch(node: &Node) -> bool {
    match &node.value {
        Value::Int(n) => *n >= 0,
        Value::String { text, .. } => match text.trim().strip_suffix('%') {
            Some(percent) => number::float(percent).is_some_and(|p| p > 0.0 && p <= 100.0),
            None => text.trim().parse::<u32>().is_ok(),
        },
        _ => false,
    }
}
