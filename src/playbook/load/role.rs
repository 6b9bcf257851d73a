//! Roles: in `roles:`, as dependencies, imported and included.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::items::Around;
use super::reader::{Reader, head};
use crate::playbook::keyword::Level;
use crate::playbook::keywords::find;
use crate::playbook::{Block, Diagnostic, Item, Keywords, Role, Scope, ScopeKind, VarMap};
use crate::template::of_role;
use crate::yaml::{Node, Span, Value};

/// One use of a role, before it is read.
pub(super) struct Use {
    pub name: String,
    pub span: Span,
    pub keywords: Keywords,
    pub params: VarMap,
    pub tasks: Option<String>,
    pub vars: Option<String>,
    pub defaults: Option<String>,
    pub handlers: Option<String>,
    pub public: bool,
    pub allow_duplicates: Option<bool>,
    pub validate: bool,
    pub dynamic: bool,
    /// The variables of the task that includes or imports it.
    pub with: Option<VarMap>,
    /// The item of that task's loop, as text.
    pub item: Option<String>,
    /// What its tasks notify that notify nothing of their own.
    pub notify: Vec<Node>,
}

/// A role that was read.
pub(super) struct Read {
    pub role: Arc<Role>,
    pub item: Item,
    pub handlers: Vec<Item>,
}

impl Use {
    pub(super) fn new(name: &str, span: &Span) -> Self {
        Self {
            name: name.to_owned(),
            span: span.clone(),
            keywords: Keywords::default(),
            params: VarMap::new(),
            tasks: None,
            vars: None,
            defaults: None,
            handlers: None,
            public: true,
            allow_duplicates: None,
            validate: true,
            dynamic: false,
            with: None,
            item: None,
            notify: Vec::new(),
        }
    }
}

impl Reader<'_> {
    /// Reads `roles:` of a play: the roles as blocks, and their handlers.
    pub(super) fn play_roles(&mut self, node: Option<&Node>, scope: &Arc<Scope>) -> (Vec<Item>, Vec<Item>) {
        let Some(Value::Seq(list)) = node.map(|n| &n.value) else { return (Vec::new(), Vec::new()) };
        self.role_list(list, scope, true)
    }

    /// Reads a list of uses of roles.
    fn role_list(&mut self, list: &[Node], scope: &Arc<Scope>, public: bool) -> (Vec<Item>, Vec<Item>) {
        let (mut items, mut handlers) = (Vec::new(), Vec::new());
        for node in list {
            let Some(mut use_) = self.role_use(node, scope) else { continue };
            use_.public = public;
            if let Some(read) = self.role(use_, scope) {
                items.push(read.item);
                handlers.extend(read.handlers);
            }
        }
        (items, handlers)
    }

    /// Reads an entry of `roles:` or of `dependencies:`.
    fn role_use(&mut self, node: &Node, scope: &Arc<Scope>) -> Option<Use> {
        let none = VarMap::new();
        if matches!(node.value, Value::String { .. } | Value::Int(_)) {
            let name = self.static_text("roles", node, scope, &none)?;
            if name.contains(',') {
                let problem = Diagnostic::error(&node.span, format!("Invalid old style role requirement: {name}"));
                self.report(problem.help("write `- src: …`, `version: …` and `name: …`"));
                return None;
            }
            return Some(Use::new(&name, &node.span));
        }
        let Some(entries) = node.as_map() else {
            let problem =
                Diagnostic::error(&head(&node.span), format!("a role is a name or a mapping, not {}", node.describe()));
            self.report(problem.help("write `- NAME`, or `- role: NAME` with its parameters below"));
            return None;
        };
        let name = ["role", "name", "src"].iter().find_map(|k| node.get(k)).filter(|n| !n.is_null());
        let Some(name) = name else {
            let place = entries.first().map_or(&node.span, |(k, _)| &k.span);
            let mut problem = Diagnostic::error(place, "an entry of `roles` names no role");
            problem.help = Some(match entries {
                [(key, value)] if value.is_null() => format!("remove the colon: `- {}`", key.key_text()),
                _ => "add `role: NAME`".to_owned(),
            });
            self.report(problem);
            return None;
        };
        let span = name.span.clone();
        let name = self.static_text("roles", name, scope, &none)?;
        let keywords = self.keywords(Level::Role, entries);
        let params = entries
            .iter()
            .filter(|(k, _)| !is_role_key(&k.key_text()))
            .map(|(k, v)| (k.key_text(), Arc::new(v.clone())))
            .collect();
        Some(Use { keywords, params, ..Use::new(&name, &span) })
    }

    /// Reads a role with its dependencies.
    pub(super) fn role(&mut self, use_: Use, parent: &Arc<Scope>) -> Option<Read> {
        let path = match self.role_path(&use_.name, parent) {
            Ok(path) => path,
            Err(tried) => {
                self.role_missing(&use_, &tried);
                return None;
            }
        };
        let entry = use_.tasks.clone().unwrap_or_else(|| "main".to_owned());
        if !use_.dynamic && self.is_cycle(&use_, &path, &entry, parent) {
            return None;
        }
        of_role(&std::path::absolute(&path).unwrap_or_else(|_| path.clone()));
        let meta = self.role_meta(&path);
        let notify = use_.notify.clone();
        let (role, scope) = self.role_scope(use_, &path, &entry, parent, &meta);
        let (mut block, mut handlers) = self.role_list(&meta.dependencies, &scope, role.public);
        let dependencies = block.iter().filter_map(|item| item.scope().role.clone()).collect();
        // Set once, right after it was made.
        let _first = role.dependencies.set(dependencies);
        // Behind its dependencies: what stands later outranks.
        if role.public {
            self.play.exports.push(role.clone());
        }
        block.extend(self.argument_check(&role, &scope, &meta));
        block.extend(self.role_tasks(&role, &scope, &notify));
        handlers.extend(self.role_handlers(&role, &scope));
        let span = role.span.clone();
        let item =
            Item::Block(Arc::new(Block { scope, name: None, block, rescue: Vec::new(), always: Vec::new(), span }));
        Some(Read { role, item, handlers })
    }

    fn role_scope(
        &mut self,
        use_: Use,
        path: &Path,
        entry: &str,
        parent: &Arc<Scope>,
        meta: &super::role_files::Meta,
    ) -> (Arc<Role>, Arc<Scope>) {
        let params = use_.params;
        for (name, value) in &params {
            let _ok = self.variable_name("public", name, &value.span);
        }
        let given = use_.keywords.vars.clone().unwrap_or_default();
        let defaults = self.role_vars(path, "defaults", use_.defaults.as_deref(), &use_.span);
        let vars = self.role_vars(path, "vars", use_.vars.as_deref(), &use_.span);
        let from = [&use_.tasks, &use_.vars, &use_.defaults, &use_.handlers];
        let show = |n: &Node| n.to_json().to_string();
        let shown: Vec<String> = params.iter().chain(&given).map(|(k, v)| format!("{k}={}", show(v))).collect();
        let conditions: Vec<String> = use_.keywords.when.iter().chain(&use_.keywords.tags).map(show).collect();
        let with: Vec<String> = use_.with.iter().flatten().map(|(k, v)| format!("{k}={}", show(v))).collect();
        let by_task = use_.allow_duplicates.is_some();
        let key = format!(
            "{} {} {by_task} {with:?} {:?} {shown:?} {conditions:?} {from:?}",
            use_.name,
            path.display(),
            use_.item
        );
        let role = Arc::new(Role {
            name: role_name(&use_.name),
            path: path.to_owned(),
            defaults,
            vars,
            params,
            given,
            dependencies: OnceLock::new(),
            entry: entry.to_owned(),
            handlers_entry: use_.handlers,
            span: use_.span,
            public: use_.public,
            allow_duplicates: use_.allow_duplicates.unwrap_or(meta.allow_duplicates),
            validate: use_.validate,
            key,
        });
        let scope = Arc::new(Scope {
            kind: ScopeKind::Role,
            keywords: use_.keywords,
            role: Some(role.clone()),
            parent: Some(parent.clone()),
            directory: path.join("tasks").into(),
            include_dir: None,
        });
        (role, scope)
    }

    /// Whether a role leads to itself before anything runs.
    fn is_cycle(&mut self, use_: &Use, path: &Path, entry: &str, parent: &Scope) -> bool {
        // Behind a dynamic include the recursion may end by a condition.
        let around = parent.chain().take_while(|s| s.kind != ScopeKind::Include).filter_map(|s| s.role.as_ref());
        let mut names: Vec<&str> = Vec::new();
        let mut cycle = false;
        for role in around {
            names.push(&role.name);
            if role.path == path && role.entry == entry {
                cycle = true;
                break;
            }
        }
        if cycle {
            names.reverse();
            let way = format!("{} → {}", names.join(" → "), use_.name);
            self.report(
                Diagnostic::error(&use_.span, format!("the role `{}` leads to itself: {way}", use_.name))
                    .label("this closes the circle")
                    .help("remove one of these dependencies or imports"),
            );
        }
        cycle
    }

    fn role_missing(&mut self, use_: &Use, tried: &[PathBuf]) {
        let mut known: Vec<String> = tried
            .iter()
            .filter_map(|t| std::fs::read_dir(t.parent()?).ok())
            .flat_map(|entries| entries.filter_map(|e| e.ok()?.file_name().into_string().ok()))
            .collect();
        known.sort();
        let near = crate::suggest::near(&use_.name, known.iter().map(String::as_str));
        let help = near.map_or_else(|| super::search::tried_text(tried), |n| format!("did you mean `{n}`?"));
        let problem = Diagnostic::error(&use_.span, format!("the role `{}` is not there", use_.name));
        self.report(problem.label("not found").help(help).missing());
    }

    fn role_tasks(&mut self, role: &Role, scope: &Arc<Scope>, notify: &[Node]) -> Vec<Item> {
        let Some(file) = self.role_file(role, "tasks", &role.entry, role.entry != "main") else { return Vec::new() };
        let Some(node) = self.file(&file) else { return Vec::new() };
        let list = self.list(&node, "a file of tasks").to_vec();
        let notify = Some(notify).filter(|names| !names.is_empty());
        self.items(&list, scope, Around { notify, ..Around::default() })
    }

    fn role_handlers(&mut self, role: &Role, scope: &Arc<Scope>) -> Vec<Item> {
        let entry = role.handlers_entry.as_deref().unwrap_or("main");
        let Some(file) = self.role_file(role, "handlers", entry, role.handlers_entry.is_some()) else {
            return Vec::new();
        };
        let Some(node) = self.file(&file) else { return Vec::new() };
        let list = self.list(&node, "a file of handlers").to_vec();
        let scope = Arc::new(Scope {
            kind: ScopeKind::Role,
            keywords: scope.keywords.clone(),
            role: scope.role.clone(),
            parent: scope.parent.clone(),
            directory: role.path.join("handlers").into(),
            include_dir: None,
        });
        self.handler_items(&list, &scope, true)
    }
}

/// The name Ansible shows: of a path its last part.
fn role_name(name: &str) -> String {
    let path = name.trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// Keys of a use of a role that are no parameters.
fn is_role_key(key: &str) -> bool {
    find(key, Level::Role).is_some() || matches!(key, "role" | "src" | "version" | "scm")
}
