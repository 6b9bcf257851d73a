//! Which key of a task is its action.

use std::path::PathBuf;

use super::items::Around;
use super::reader::Reader;
use super::values::is_template;
use crate::playbook::keyword::Level;
use crate::playbook::keywords::{find, hint};
use crate::playbook::{Diagnostic, Item, Refusal, Scope, Task};
use crate::yaml::{Node, Span, Value};

/// Actions that are no modules.
pub(super) const BUILTIN: &[&str] =
    &["import_tasks", "include_tasks", "import_role", "include_role", "include_vars", "meta"];

/// Stands for the name of a module that is a template, or of one that is not there and may not be needed.
pub(super) const TEMPLATED: &str = "{{ }}";

/// The action of a task.
pub(super) struct Found {
    /// The short name of one of [`BUILTIN`], or the full name of a module.
    pub name: String,
    pub written: String,
    pub name_span: Span,
    /// What stands behind the name.
    pub value: Node,
    /// What stands under `args`.
    pub more: Option<Node>,
    /// `localhost`, when written as `local_action`.
    pub delegate_to: Option<Node>,
}

impl Reader<'_> {
    /// Finds the action of a task, and reports all keys that are neither action nor keyword.
    pub(super) fn action(
        &mut self,
        node: &Node,
        entries: &[(Node, Node)],
        level: Level,
        scope: &Scope,
    ) -> Option<Found> {
        let mut actions: Vec<Found> = Vec::new();
        let mut unknown: Vec<(&Node, &str)> = Vec::new();
        for (key, value) in entries {
            let Some(name) = key.as_str() else { continue };
            if matches!(name, "action" | "local_action") {
                actions.extend(self.old_action(name, key, value, (node, scope)));
            } else if find(name, level).is_none() && !name.starts_with("with_") {
                match self.candidate(name, node, scope) {
                    Some(full) => actions.push(found(full, name, &key.span, value)),
                    None => unknown.push((key, name)),
                }
            }
        }
        if actions.is_empty() {
            actions.extend(self.action_elsewhere(node, &unknown, (level, scope)));
        }
        let mut actions = actions.into_iter();
        let first = actions.next();
        if let Some(second) = actions.next() {
            let written = first.as_ref().map_or("", |f| f.written.as_str());
            let problem = Diagnostic::error(
                &second.name_span,
                format!("a task with two actions: `{written}` and `{}`", second.written),
            );
            self.report(problem.label("the second one").help("make two tasks of it: put `- ` before the second one"));
            return None;
        }
        let first = first.or_else(|| self.no_action(node, entries, (level, scope), &unknown));
        let mut action = first?;
        unknown.retain(|(_, name)| *name != action.written);
        self.stray_keys(&action, &unknown, level);
        action.more = node.get("args").filter(|n| !n.is_null()).cloned();
        Some(action)
    }

    /// The action that a key names, of those that are known without looking for them.
    fn candidate(&self, name: &str, node: &Node, scope: &Scope) -> Option<String> {
        match builtin(name) {
            Some(builtin) => Some(builtin.to_owned()),
            // `copy` and the like may also be the key of something mis-indented; a keyword always wins before.
            None => self.module_name(name, node.get("collections"), scope),
        }
    }

    /// The full name of a module; short names are also looked for in the `collections` around.
    fn module_name(&self, name: &str, own: Option<&Node>, scope: &Scope) -> Option<String> {
        let modules = &self.loader.modules;
        // As with Ansible a module beside the role or playbook has its short name for itself.
        if let Some(Ok(full)) = self.own_module(name, scope).map(|file| modules.of_file(name, &file)) {
            return Some(full.to_owned());
        }
        if let Some(full) = modules.canonical(name) {
            return Some(full.to_owned());
        }
        if name.contains('.') {
            return None;
        }
        let collections = collections(own, scope);
        collections.iter().find_map(|c| modules.canonical(&format!("{c}.{name}")).map(str::to_owned))
    }

    /// The full name of a module that is none of this program's.
    fn elsewhere(&self, name: &str, own: Option<&Node>, scope: &Scope) -> Result<Option<String>, Refusal> {
        let modules = &self.loader.modules;
        if let Some(file) = self.own_module(name, scope) {
            return modules.of_file(name, &file).map(|full| Some(full.to_owned()));
        }
        modules.elsewhere(name, &collections(own, scope)).map(|full| full.map(str::to_owned))
    }

    /// The action of a task in which nothing else is one. What is almost a keyword or a known module is a slip, and not looked for.
    fn action_elsewhere(
        &self,
        node: &Node,
        unknown: &[(&Node, &str)],
        (level, scope): (Level, &Scope),
    ) -> Option<Found> {
        let slip = |name: &str| !name.contains('.') && hint(name, level).is_some();
        let names = unknown.iter().filter(|(_, name)| gone(name).is_none() && !slip(name));
        names.filter_map(|(key, name)| Some((key, name, node.get(name)?))).find_map(|(key, name, value)| {
            let full = self.elsewhere(name, node.get("collections"), scope).ok().flatten()?;
            Some(found(full, name, &key.span, value))
        })
    }

    /// `action: copy src=a dest=b`, `action: {module: copy, …}` and `local_action`.
    fn old_action(&mut self, keyword: &str, key: &Node, value: &Node, (node, scope): (&Node, &Scope)) -> Option<Found> {
        let (name, span, rest) = match &value.value {
            Value::String { text, .. } => {
                let trimmed = text.trim_start();
                let end = name_end(trimmed);
                let (name, rest) = trimmed.split_at(end);
                (name.to_owned(), value.span.clone(), self.rest_of(value, rest))
            }
            Value::Map(fields) => {
                let Some(module) = value.get("module").and_then(Node::as_str) else {
                    let problem = Diagnostic::error(&key.span, format!("`{keyword}` names no module"));
                    self.report(problem.help("add `module: NAME` below it"));
                    return None;
                };
                let mut rest: Vec<(Node, Node)> = Vec::new();
                for (key, value) in fields.iter().filter(|(k, _)| k.as_str() != Some("module")) {
                    match (key.as_str(), value.as_map()) {
                        (Some("args"), Some(args)) => rest.extend(args.iter().cloned()),
                        _ => rest.push((key.clone(), value.clone())),
                    }
                }
                (module.to_owned(), value.span.clone(), Node::new(Value::Map(rest), value.span.clone()))
            }
            _ => {
                let problem = Diagnostic::error(&key.span, format!("`{keyword}` takes a module with its arguments"));
                self.report(problem.help(format!("write `{keyword}: MODULE name=value`")));
                return None;
            }
        };
        let module = Node::text(&*name, span.clone());
        if is_template(&module) {
            self.templates(&module);
            let mut found = found(TEMPLATED.to_owned(), &name, &span, &rest);
            if keyword == "local_action" {
                found.delegate_to = Some(Node::text("localhost", key.span.clone()));
            }
            return Some(found);
        }
        let full = match builtin(&name) {
            Some(builtin) => Some(builtin.to_owned()),
            None => self.module_name(&name, None, scope),
        };
        let full = full.or_else(|| self.elsewhere(&name, None, scope).ok().flatten());
        let full = full.or_else(|| self.unknown_module(&span, &name, node, scope))?;
        let mut found = found(full, &name, &span, &rest);
        if keyword == "local_action" {
            found.delegate_to = Some(Node::text("localhost", key.span.clone()));
        }
        Some(found)
    }

    fn rest_of(&self, value: &Node, rest: &str) -> Node {
        let rest = rest.trim();
        if rest.is_empty() {
            return Node::new(Value::Null, value.span.clone());
        }
        let written = value.span.text();
        let span = written.find(rest).map_or_else(|| value.span.clone(), |at| value.span.part(at, at + rest.len()));
        Node::text(rest, span)
    }

    /// Reports keys beside an action that mean nothing.
    fn stray_keys(&mut self, action: &Found, unknown: &[(&Node, &str)], level: Level) {
        for (key, name) in unknown {
            let hint = hint(name, level);
            // `copy:` with nothing behind it, and its parameters in the same column.
            if action.value.is_null() && hint.is_none() && !name.contains('.') {
                let message = format!("`{name}` is not a keyword of {}", level.noun());
                self.report(
                    Diagnostic::error(&key.span, message)
                        .label(format!("a parameter of `{}`?", action.written))
                        .help(format!("indent it further, so that it belongs to `{}`", action.written)),
                );
            } else {
                let problem = super::level::unknown(key, name, level);
                let help = format!(
                    "`{}` is the task's action; give its parameters below it, further indented",
                    action.written
                );
                let help = problem.help.clone().unwrap_or(help);
                self.report(problem.help(help));
            }
        }
    }

    /// Says why a task has no action; returns it after all where it is a module that is not there and may not be needed.
    fn no_action(
        &mut self,
        node: &Node,
        entries: &[(Node, Node)],
        (level, scope): (Level, &Scope),
        unknown: &[(&Node, &str)],
    ) -> Option<Found> {
        // What is almost a keyword is a slip, not the module.
        if let Some((key, name)) = unknown.iter().find(|(_, n)| gone(n).is_some()) {
            let (message, help) = gone(name).unwrap_or_default();
            self.report(Diagnostic::error(&key.span, message).help(help));
            return None;
        }
        let (slips, modules): (Vec<&(&Node, &str)>, Vec<_>) = unknown
            .iter()
            .partition(|(_, n)| hint(n, level).is_some() && self.loader.modules.near(n).is_none() && !n.contains('.'));
        for (key, name) in &slips {
            let problem = super::level::unknown(key, name, level);
            self.report(problem);
        }
        let mut modules = modules.into_iter();
        let mut missing = None;
        if let Some(&(key, name)) = modules.next() {
            let stands_for = self.unknown_module(&key.span, name, node, scope);
            missing = stands_for.zip(node.get(name)).map(|(full, value)| found(full, name, &key.span, value));
        } else if slips.is_empty()
            && !entries.iter().any(|(k, _)| matches!(k.as_str(), Some("action" | "local_action")))
        {
            let place = entries.first().map_or(&node.span, |(k, _)| &k.span);
            let problem = Diagnostic::error(place, format!("{} without an action", level.noun()));
            self.report(
                problem.label("nothing is done here").help("add a module, for example `ansible.builtin.command: …`"),
            );
        }
        for &(key, name) in modules {
            let problem = super::level::unknown(key, name, level);
            self.report(problem);
        }
        missing
    }

    /// Whether a condition may keep a task from being done.
    pub(super) fn is_conditional(&self, node: &Node, scope: &Scope) -> bool {
        let given = |value: &Node| !value.is_null() && super::values::truth(value) != Some(true);
        node.get("when").is_some_and(given) || scope.whens().into_iter().any(given)
    }

    /// Reads a task whose module's name is known now.
    pub(super) fn named_action(&mut self, module: &str, task: &Node, from: &Task) -> Option<Vec<Item>> {
        let named = task.as_map()?.iter().map(|(key, value)| match (key.as_str(), &value.value) {
            (Some("action"), Value::String { text, .. }) => {
                (key.clone(), Node::text(format!("{module} {}", text.trim_start()), value.span.clone()))
            }
            (Some("action"), Value::Map(rest)) => {
                let name = (Node::text("module", value.span.clone()), Node::text(module, value.span.clone()));
                let all = std::iter::once(name).chain(rest.iter().cloned()).collect();
                (key.clone(), Node::new(Value::Map(all), value.span.clone()))
            }
            (Some("action"), _) => (key.clone(), Node::text(module, value.span.clone())),
            _ => (key.clone(), value.clone()),
        });
        let mut entries: Vec<(Node, Node)> = named.collect();
        let keywords = &from.scope.keywords;
        if let (None, Some(host)) = (task.get("delegate_to"), &keywords.delegate_to) {
            entries.push((Node::text("delegate_to", host.span.clone()), host.clone()));
        }
        let node = Node::new(Value::Map(entries), from.span.clone());
        let parent = from.scope.parent.clone()?;
        self.is_due = true;
        let around = Around { is_handler: from.is_handler, notify: Some(&from.notify) };
        Some(self.items(std::slice::from_ref(&node), &parent, around))
    }

    /// The file of a module that a role or a playbook has beside it, by its short name.
    fn own_module(&self, name: &str, scope: &Scope) -> Option<PathBuf> {
        if name.contains('.') {
            return None;
        }
        let role = scope.role().map(|role| role.path.clone());
        let folders = role.into_iter().chain([self.play.directory.clone()]).map(|folder| folder.join("library"));
        folders.into_iter().find_map(|folder| self.loader.library(&folder).get(name).cloned())
    }

    /// Tells of a module that is not there. Where a conditional task may never need it, and its name is no slip, that is a warning, and what
    /// is returned stands for its name: the task fails in its turn.
    fn unknown_module(&mut self, span: &Span, name: &str, node: &Node, scope: &Scope) -> Option<String> {
        let near = self.loader.modules.near(name);
        let slip = near.as_ref().is_some_and(|near| strsim::damerau_levenshtein(near, name) < 2);
        // Where nobody can look for it, a short name is most likely none of a collection's.
        let refusal = self.elsewhere(name, node.get("collections"), scope).err();
        let refusal = refusal.filter(|refusal| !refusal.unsought || name.contains('.'));
        let message = match &refusal {
            Some(refusal) => format!("`{name}` cannot run: {}", refusal.message),
            None => format!("there is no module `{name}`"),
        };
        let problem = Diagnostic::error(span, message);
        let (problem, stands_for) = match self.is_conditional(node, scope) && !slip && !self.is_due {
            true => (problem.label("fails where its condition holds").waiting(), Some(TEMPLATED.to_owned())),
            false if refusal.is_some() => (problem.label("this module"), None),
            false => (problem.label("unknown module"), None),
        };
        let help = match (near, refusal, name.rsplit_once('.')) {
            (Some(near), ..) => Some(format!("did you mean `{near}`?")),
            (None, Some(refusal), _) => refusal.help,
            (None, None, Some((collection, _))) if !collection.starts_with("ansible.") => Some(format!(
                "this machine's Ansible has none of that name in the collection `{collection}`: is it installed?"
            )),
            _ => Some("`bringup doc` lists the modules there are".to_owned()),
        };
        self.report(problem.maybe_help(help).unsupported());
        stands_for
    }
}

/// Where the module's name ends: at the first blank that is in no braces.
fn name_end(text: &str) -> usize {
    let mut open = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open = open.saturating_sub(1),
            c if c.is_whitespace() && open == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

fn found(name: String, written: &str, span: &Span, value: &Node) -> Found {
    Found {
        name,
        written: written.to_owned(),
        name_span: span.clone(),
        value: value.clone(),
        more: None,
        delegate_to: None,
    }
}

/// The collections in which short names are looked for.
fn collections(own: Option<&Node>, scope: &Scope) -> Vec<String> {
    let inherited = scope.inherited(|k| k.collections.as_ref());
    own.or(inherited).map(super::loops::list).unwrap_or_default().iter().map(Node::key_text).collect()
}

/// The short name of an action that is no module.
fn builtin(name: &str) -> Option<&'static str> {
    let short = ["ansible.builtin.", "ansible.legacy."].iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name);
    BUILTIN.iter().find(|b| **b == short).copied()
}

/// What is no action (any more), and what to write instead.
fn gone(name: &str) -> Option<(&'static str, &'static str)> {
    match name.strip_prefix("ansible.builtin.").unwrap_or(name) {
        "include" => Some((
            "`include` is gone from the language",
            "write `include_tasks` (while running) or `import_tasks` (before)",
        )),
        "import_playbook" => Some((
            "`import_playbook` stands among the tasks of a play",
            "move it to the left margin: it is an entry of the playbook, like a play",
        )),
        _ => None,
    }
}
