//! `import_tasks`, `include_tasks`, `import_role`, `include_role`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::IncludedRole;
use super::action::Found;
use super::items::Around;
use super::playbook::canonical;
use super::reader::{Reader, folder};
use super::role::Use;
use super::values::{is_template, truth};
use crate::playbook::keyword::Level;
use crate::playbook::keywords::find;
use crate::playbook::{
    Action, Args, Diagnostic, Include, IncludeKind, IncludeRole, Item, Keywords, Scope, ScopeKind, Task,
};
use crate::suggest::near;
use crate::yaml::Node;

const FROM: [&str; 4] = ["tasks_from", "vars_from", "defaults_from", "handlers_from"];
const ROLE_ARGS: &[&str] = &[
    "name",
    "role",
    "tasks_from",
    "vars_from",
    "defaults_from",
    "handlers_from",
    "apply",
    "public",
    "allow_duplicates",
    "rolespec_validate",
];

impl Reader<'_> {
    /// Reads the tasks a static import names.
    pub(super) fn import_tasks(
        &mut self,
        node: &Node,
        found: &Found,
        keywords: Keywords,
        parent: &Arc<Scope>,
        around: Around<'_>,
    ) -> Vec<Item> {
        self.no_loop(node, found, "include_tasks");
        let Some((file, _)) = self.tasks_file(found, &["file"]) else { return Vec::new() };
        let own_vars = keywords.vars.clone().unwrap_or_default();
        let Some(name) = self.static_text(&found.written, &file, parent, &own_vars) else { return Vec::new() };
        let path = match self.tasks_path(&name, parent, around.is_handler, true) {
            Ok(path) => path,
            Err(tried) => {
                self.file_missing(&file, &name, &tried);
                return Vec::new();
            }
        };
        let own = node.get("notify").map(|n| self.notify(n));
        let scope = below(keywords, parent, &path, &name);
        let around = Around { notify: own.as_deref().or(around.notify), ..around };
        self.tasks_of(&path, &scope, around, Some(&file))
    }

    /// Reads the file an import or include leads to.
    fn tasks_of(&mut self, path: &Path, scope: &Arc<Scope>, around: Around<'_>, written: Option<&Node>) -> Vec<Item> {
        let same = canonical(path);
        if let Some(written) = written
            && self.open_files.contains(&same)
        {
            let problem = Diagnostic::error(&written.span, format!("`{}` imports itself", path.display()));
            self.report(
                problem.label("this closes the circle").help("use `include_tasks` with a condition that ends it"),
            );
            return Vec::new();
        }
        let Some(root) = self.file(path) else { return Vec::new() };
        self.open_files.push(same);
        if root.is_null() {
            let problem = Diagnostic::warning(&root.span, format!("the file of tasks `{}` is empty", path.display()));
            self.report(problem);
        }
        let list = self.list(&root, "a file of tasks").to_vec();
        if list.first().is_some_and(|first| first.get("hosts").is_some()) {
            let problem = Diagnostic::error(&list[0].span, "this file is a playbook, not a list of tasks");
            self.report(problem.label("a play").help("use `import_playbook` at the left margin of a playbook"));
            self.open_files.pop();
            return Vec::new();
        }
        // Imported handlers are handlers of the play; included ones are run like tasks.
        let items = match around.is_handler && written.is_some() {
            true => self.handler_items(&list, scope, true),
            false => self.items(&list, scope, around),
        };
        self.open_files.pop();
        items
    }

    /// The file an import or include of tasks names, and what else it is given.
    fn tasks_file(&mut self, found: &Found, allowed: &[&str]) -> Option<(Node, Args)> {
        let arguments = self.arguments(found, true)?;
        let mut args = arguments.args;
        let file = match args.iter().position(|(k, _)| k.as_str() == Some("file")) {
            Some(at) => Some(args.remove(at).1),
            None => arguments.free_form,
        };
        for (key, _) in &args {
            let name = key.key_text();
            if !allowed.contains(&name.as_str()) {
                let help = match name.as_str() {
                    "apply" => "what is imported inherits all keywords: write them beside `import_tasks`".to_owned(),
                    _ => "pass variables under `vars:` beside it".to_owned(),
                };
                let problem = Diagnostic::error(&key.span, format!("`{}` has no argument `{name}`", found.written));
                self.report(problem.label("unknown").help(help));
            }
        }
        let Some(file) = file.filter(|f| !f.is_null()) else {
            let problem = Diagnostic::error(&found.name_span, format!("`{}` names no file", found.written));
            self.report(problem.help(format!("write `{}: FILE.yml`", found.written)));
            return None;
        };
        if file.as_str().is_none() {
            let message = format!("`{}` takes the path of a file, not {}", found.written, file.describe());
            self.report(Diagnostic::error(&file.span, message));
            return None;
        }
        Some((file, args))
    }

    fn file_missing(&mut self, file: &Node, name: &str, tried: &[PathBuf]) {
        let near = tried.iter().find_map(|t| super::playbook::near_file(t));
        let help = near.map_or_else(|| super::search::tried_text(tried), |n| format!("did you mean `{n}`?"));
        let problem = Diagnostic::error(&file.span, format!("the file of tasks `{name}` is not there"));
        self.report(problem.label("not found").help(help).missing());
    }

    fn no_loop(&mut self, node: &Node, found: &Found, instead: &str) {
        let entries = node.as_map().unwrap_or_default();
        let key =
            entries.iter().map(|(k, _)| k).find(|k| k.as_str().is_some_and(|k| k == "loop" || k.starts_with("with_")));
        if let Some(key) = key {
            let problem = Diagnostic::error(&key.span, format!("`{}` cannot be looped", found.written));
            self.report(
                problem
                    .label("an import happens before the run")
                    .help(format!("use `{instead}`, which happens while running")),
            );
        }
    }

    /// Reads `include_tasks`.
    pub(super) fn include_tasks_action(&mut self, found: Found) -> Option<Include> {
        let (file, mut args) = self.tasks_file(&found, &["apply"])?;
        self.templates(&file);
        let (apply, notify) = self.apply(&mut args);
        args.push((Node::text("file", file.span.clone()), file.clone()));
        Some(Include {
            kind: IncludeKind::Tasks { file },
            written: found.written,
            name_span: found.name_span,
            args,
            apply,
            notify,
        })
    }

    /// The keywords under `apply`, and whom they notify.
    fn apply(&mut self, args: &mut Args) -> (Keywords, Vec<Node>) {
        let Some(at) = args.iter().position(|(k, _)| k.as_str() == Some("apply")) else { return Default::default() };
        let (_, value) = args.remove(at);
        let Some(entries) = value.as_map() else {
            self.report(value.unexpected("a mapping of keywords").into());
            return Default::default();
        };
        for (key, _) in entries {
            let name = key.key_text();
            if find(&name, Level::Block).is_none() || matches!(&*name, "block" | "rescue" | "always" | "name") {
                let problem = Diagnostic::error(&key.span, format!("`apply` cannot hold `{name}`"));
                self.report(problem.maybe_help(crate::playbook::keywords::hint(&name, Level::Block)));
            }
        }
        let notify = value.get("notify").map(|names| self.notify(names)).unwrap_or_default();
        (self.keywords(Level::Block, entries), notify)
    }

    /// Reads the arguments of `include_role` and `import_role`.
    fn role_args(&mut self, found: &Found) -> Option<(IncludeRole, Args)> {
        let arguments = self.arguments(found, false)?;
        if let Some(template) = arguments.template {
            let problem = Diagnostic::error(
                &template.span,
                format!("the arguments of `{}` cannot be one template", found.written),
            );
            self.report(problem.help("write `name:` and the others; their values may be templates"));
            return None;
        }
        let args = arguments.args;
        for (key, value) in &args {
            let name = key.key_text();
            if !ROLE_ARGS.contains(&name.as_str()) {
                let problem = Diagnostic::error(&key.span, format!("`{}` has no argument `{name}`", found.written))
                    .label("unknown");
                let help = near(&name, ROLE_ARGS.iter().copied()).map_or_else(
                    || "pass variables under `vars:` beside it".to_owned(),
                    |n| format!("did you mean `{n}`?"),
                );
                self.report(problem.help(help));
            } else if FROM.contains(&name.as_str()) && value.as_str().is_none() {
                self.report(value.unexpected("the name of a file").into());
            }
        }
        let get = |name: &str| args.iter().find(|(k, _)| k.as_str() == Some(name)).map(|(_, v)| v);
        let Some(name) = get("name").or_else(|| get("role")).filter(|n| !n.is_null()).cloned() else {
            let problem = Diagnostic::error(&found.name_span, format!("`{}` names no role", found.written));
            self.report(problem.help("add `name: ROLE` below it"));
            return None;
        };
        let flag = |name: &str, default: bool| get(name).and_then(truth).unwrap_or(default);
        let include = IncludeRole {
            name,
            tasks_from: get("tasks_from").cloned(),
            vars_from: get("vars_from").cloned(),
            defaults_from: get("defaults_from").cloned(),
            handlers_from: get("handlers_from").cloned(),
            public: flag("public", false),
            allow_duplicates: flag("allow_duplicates", true),
            rolespec_validate: flag("rolespec_validate", true),
        };
        Some((include, args))
    }

    /// Reads `include_role`.
    pub(super) fn include_role_action(&mut self, found: Found) -> Option<Include> {
        let (include, mut args) = self.role_args(&found)?;
        for (_, value) in args.iter().filter(|(k, _)| k.as_str() != Some("apply")) {
            self.templates(value);
        }
        let (apply, notify) = self.apply(&mut args);
        let kind = IncludeKind::Role(include);
        Some(Include { kind, written: found.written, name_span: found.name_span, args, apply, notify })
    }

    /// Reads the role a static import names.
    pub(super) fn import_role(
        &mut self,
        node: &Node,
        found: &Found,
        keywords: Keywords,
        parent: &Arc<Scope>,
    ) -> Vec<Item> {
        self.no_loop(node, found, "include_role");
        let Some((include, args)) = self.role_args(found) else { return Vec::new() };
        if let Some((key, _)) = args.iter().find(|(k, _)| k.as_str() == Some("apply")) {
            let problem = Diagnostic::error(&key.span, "`import_role` has no argument `apply`");
            self.report(problem.help("what is imported inherits all keywords: write them beside `import_role`"));
        }
        let own_vars = keywords.vars.clone().unwrap_or_default();
        let mut text = |node: &Node| self.static_text(&found.written, node, parent, &own_vars);
        let Some(name) = text(&include.name) else { return Vec::new() };
        let mut from = |node: &Option<Node>| node.as_ref().and_then(&mut text);
        let (tasks, vars) = (from(&include.tasks_from), from(&include.vars_from));
        let (defaults, handlers) = (from(&include.defaults_from), from(&include.handlers_from));
        let scope = Arc::new(Scope {
            kind: ScopeKind::Import,
            keywords,
            role: None,
            parent: Some(parent.clone()),
            directory: parent.directory.clone(),
            include_dir: None,
        });
        let public =
            args.iter().find(|(k, _)| k.as_str() == Some("public")).and_then(|(_, v)| truth(v)).unwrap_or(true);
        let use_ = Use {
            tasks,
            vars,
            defaults,
            handlers,
            public,
            allow_duplicates: Some(include.allow_duplicates),
            validate: include.rolespec_validate,
            with: scope.keywords.vars.clone(),
            ..Use::new(&name, &include.name.span)
        };
        let Some(read) = self.role(use_, &scope) else { return Vec::new() };
        self.play.imported_handlers.extend(read.handlers);
        vec![read.item]
    }

    /// Reads the tasks a running `include_tasks` leads to.
    pub(super) fn dynamic_tasks(&mut self, name: &str, from: &Task) -> Option<Vec<Item>> {
        let Action::Include(include) = &from.action else { return None };
        let file = match &include.kind {
            IncludeKind::Tasks { file } => file.clone(),
            _ => Node::text(name, include.name_span.clone()),
        };
        let path = match self.tasks_path(name, &from.scope, from.is_handler, false) {
            Ok(path) => path,
            Err(tried) => {
                self.file_missing(&file, name, &tried);
                return None;
            }
        };
        let scope = included(from, include, Some((&path, name)));
        let notify = Some(include.notify.as_slice()).filter(|names| !names.is_empty());
        Some(self.tasks_of(&path, &scope, Around { is_handler: from.is_handler, notify }, None))
    }

    /// Reads the role a running `include_role` leads to.
    pub(super) fn dynamic_role(
        &mut self,
        include: &IncludeRole,
        from: &Task,
        item: Option<&str>,
    ) -> Option<IncludedRole> {
        let Action::Include(action) = &from.action else { return None };
        let text = |node: &Option<Node>| node.as_ref().map(Node::key_text);
        let name = include.name.key_text();
        let use_ = Use {
            tasks: text(&include.tasks_from),
            vars: text(&include.vars_from),
            defaults: text(&include.defaults_from),
            handlers: text(&include.handlers_from),
            public: include.public,
            allow_duplicates: Some(include.allow_duplicates),
            validate: include.rolespec_validate,
            dynamic: true,
            item: item.map(str::to_owned),
            with: from.scope.keywords.vars.clone(),
            notify: action.notify.clone(),
            ..Use::new(&name, &include.name.span)
        };
        let read = self.role(use_, &included(from, action, None))?;
        Some(IncludedRole { role: read.role, items: vec![read.item], handlers: read.handlers })
    }

    /// Looks at what a dynamic include leads to, if that is known, so that mistakes show before the run.
    pub(super) fn look_into(&mut self, task: &Task) {
        let Action::Include(include) = &task.action else { return };
        let before = std::mem::take(&mut self.found);
        let (exports, imported) = (self.play.exports.len(), self.play.imported_handlers.len());
        match &include.kind {
            IncludeKind::Tasks { file } => {
                if is_template(file) {
                    self.play.open_handlers |= task.is_handler;
                } else {
                    self.look_into_tasks(&file.key_text(), task);
                }
            }
            IncludeKind::Role(role) => {
                let parts = [Some(&role.name), role.tasks_from.as_ref(), role.handlers_from.as_ref()];
                if parts.into_iter().flatten().any(is_template) {
                    self.play.open_handlers = true;
                } else {
                    self.look_into_role(role, task);
                }
            }
            IncludeKind::Action { .. } => {}
            IncludeKind::Vars => {}
        }
        self.play.exports.truncate(exports);
        let imported = self.play.imported_handlers.split_off(imported);
        self.play.later_handlers.extend(imported);
        let found = std::mem::replace(&mut self.found, before);
        let conditional = !task.scope.whens().is_empty() || task.loop_.is_some();
        for mut diagnostic in found {
            let missing = diagnostic.span.as_ref().is_some_and(|s| within(s, &task.span));
            if !self.strict && (diagnostic.unsupported || missing) && conditional {
                diagnostic = diagnostic.waiting();
            }
            self.found.push(diagnostic);
        }
    }

    fn look_into_tasks(&mut self, name: &str, task: &Task) {
        let role = task.scope.role().map(|r| r.path.clone());
        if let Ok(path) = self.tasks_path(name, &task.scope, task.is_handler, false)
            && !self.play.looked_into.insert((canonical(&path), role))
        {
            return;
        }
        let items = self.dynamic_tasks(name, task).unwrap_or_default();
        if task.is_handler {
            self.play.later_handlers.extend(items);
        }
    }

    fn look_into_role(&mut self, role: &IncludeRole, task: &Task) {
        let entry = role.tasks_from.as_ref().map(Node::key_text).unwrap_or_default();
        let handlers = role.handlers_from.as_ref().map(Node::key_text).unwrap_or_default();
        let key = PathBuf::from(format!("{}\n{entry}\n{handlers}", role.name.key_text()));
        if self.play.looked_into.insert((key, None))
            && let Some(read) = self.dynamic_role(role, task, None)
        {
            self.play.later_handlers.extend(read.handlers);
        }
    }
}

fn within(inner: &crate::yaml::Span, outer: &crate::yaml::Span) -> bool {
    Arc::ptr_eq(&inner.source, &outer.source) && inner.start >= outer.start && inner.end <= outer.end
}

/// The level of what an import brings in: what is written there lies in the file's folder.
fn below(keywords: Keywords, parent: &Arc<Scope>, path: &Path, written: &str) -> Arc<Scope> {
    Arc::new(Scope {
        kind: ScopeKind::Import,
        keywords,
        role: None,
        parent: Some(parent.clone()),
        directory: folder(path).into(),
        include_dir: Some(written_folder(written)),
    })
}

/// The folder part of a path as written.
fn written_folder(written: &str) -> PathBuf {
    Path::new(written).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The levels between a dynamic include and what it brings in: of the include only its variables hold, then `apply`.
fn included(from: &Task, include: &Include, file: Option<(&Path, &str)>) -> Arc<Scope> {
    let directory: Arc<Path> = file.map_or_else(|| from.scope.directory.clone(), |(path, _)| folder(path).into());
    let keywords = Keywords { vars: from.scope.keywords.vars.clone(), ..Keywords::default() };
    let scope = Arc::new(Scope {
        kind: ScopeKind::Include,
        keywords,
        role: None,
        parent: from.scope.parent.clone(),
        directory: directory.clone(),
        include_dir: file.map(|(_, written)| written_folder(written)),
    });
    let keywords = include.apply.clone();
    Arc::new(Scope { kind: ScopeKind::Block, keywords, role: None, parent: Some(scope), directory, include_dir: None })
}
