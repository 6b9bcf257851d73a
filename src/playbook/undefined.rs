//! Variables that a run would need and that nobody defines, found before a host is touched.
//!
//! A name counts as defined if anything of the inventory or the playbooks may ever give it a value, for any host. Where that
//! cannot be told (a file of variables or of tasks whose name is a template), nothing is said. What is needed is told as
//! carefully: only what a task that surely runs reads in any case ([`Engine::needs`](crate::template::Engine::needs)).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::load::{Loader, SearchKind};
use super::{
    Action, Args, Diagnostic, Include, IncludeKind, Item, LocalFile, Play, Playbook, Role, Scope, Sets, Task, VarMap,
};
use super::{TagFilter, as_written};
use crate::suggest::near;
use crate::template::Needed;
use crate::yaml::{Node, Value};

/// Names that a run itself gives values, besides all that begin with `ansible_` and a loop's item.
///
/// Source: <https://docs.ansible.com/ansible/latest/reference_appendices/special_variables.html>
pub const MAGIC: &[&str] = &[
    "environment",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "play_hosts",
    "playbook_dir",
    "role_name",
    "role_names",
    "role_path",
    "vars",
];

/// All names that may have a value.
#[derive(Default)]
struct Defined {
    names: BTreeSet<String>,
    /// Whether there may be others.
    open: bool,
    /// Files and roles looked into already: they may include themselves.
    seen: BTreeSet<(PathBuf, String)>,
}

impl Loader {
    /// Finds what surely fails because a variable is defined nowhere.
    ///
    /// `known` are the names that the inventory and the command line define; `runs` says which plays have hosts.
    pub fn undefined(
        &self,
        playbooks: &[Playbook],
        known: impl IntoIterator<Item = String>,
        filter: &TagFilter,
        runs: impl Fn(&Play) -> bool,
    ) -> Vec<Diagnostic> {
        let magic = MAGIC.iter().chain(&["item"]).map(|name| (*name).to_owned());
        let mut defined = Defined { names: known.into_iter().chain(magic).collect(), ..Defined::default() };
        let plays = || playbooks.iter().flat_map(|p| &p.plays);
        plays().for_each(|play| defined.play(self, play));
        if defined.open {
            return Vec::new();
        }
        let mut found: BTreeMap<String, Diagnostic> = BTreeMap::new();
        let mut written = false;
        for play in plays().filter(|play| runs(play)) {
            written |= written_here(play);
            let mut sure = SureTasks { loader: self, filter, needed: Vec::new(), written };
            play.sections().into_iter().all(|items| items.iter().all(|item| sure.item(item)));
            for need in sure.needed {
                if !need.name.starts_with("ansible_") && !defined.names.contains(&need.name) {
                    let near = near(&need.name, defined.names.iter().map(String::as_str));
                    let help = near.map_or_else(
                        || "define it in `vars`, the inventory, or with `-e`; or give it a `default`".to_owned(),
                        |name| format!("did you mean `{name}`?"),
                    );
                    found.entry(need.name).or_insert_with(|| Diagnostic::from(need.error).help(help));
                }
            }
        }
        found.into_values().collect()
    }
}

impl Defined {
    fn add(&mut self, vars: &VarMap) {
        self.names.extend(vars.keys().cloned());
    }

    fn role(&mut self, role: &Role) {
        [&role.defaults, &role.vars, &role.given, &role.params].into_iter().for_each(|vars| self.add(vars));
    }

    fn scope(&mut self, scope: &Scope) {
        for level in scope.chain() {
            level.keywords.vars.iter().for_each(|vars| self.add(vars));
            level.role.iter().for_each(|role| self.role(role));
        }
    }

    fn play(&mut self, loader: &Loader, play: &Play) {
        self.scope(&play.scope);
        for file in &play.vars_files {
            match &file.value {
                Value::String { .. } => self.file(loader, file, &play.scope),
                _ => self.open = true,
            }
        }
        self.names.extend(play.vars_prompt.iter().map(|p| p.name.clone()));
        play.exports.iter().for_each(|role| self.role(role));
        play.sections().into_iter().for_each(|items| self.items(loader, items));
        self.items(loader, &play.handlers);
    }

    fn items(&mut self, loader: &Loader, items: &[Item]) {
        for item in items {
            self.scope(item.scope());
            item.each_task(&mut |task| self.task(loader, task));
        }
    }

    fn task(&mut self, loader: &Loader, task: &Task) {
        self.scope(&task.scope);
        self.names.extend(task.register.as_ref().map(Node::key_text));
        if let Some(loop_) = &task.loop_ {
            self.names.insert(loop_.control.item_name().to_owned());
            self.names.extend(loop_.control.index_var.as_ref().map(Node::key_text));
        }
        match &task.action {
            Action::Module { name, args, template, .. } => {
                self.module(loader.modules.about(name).sets, args, template.is_some());
            }
            Action::Include(include) => self.include(loader, include, task),
            Action::Meta { .. } => {}
        }
    }

    fn module(&mut self, sets: Sets, args: &Args, computed: bool) {
        let templated = |text: &str| text.contains("{{");
        match sets {
            // The variables of a group that a host comes into while it runs.
            Sets::Groups => self.open = true,
            Sets::Host(groups) => self.open |= args.iter().any(|(key, _)| groups.contains(&key.key_text().as_str())),
            Sets::Nothing | Sets::Parameters | Sets::Facts(_) | Sets::AllFacts | Sets::Any => {}
        }
        let by_parameters = matches!(sets, Sets::Parameters | Sets::Host(_));
        match sets.names(args) {
            Some(names) => {
                self.open |= (by_parameters && computed) || names.iter().any(|name| templated(name));
                self.names.extend(names);
            }
            // All of those begin with `ansible_`.
            None => self.open |= sets != Sets::AllFacts,
        }
    }

    fn include(&mut self, loader: &Loader, include: &Include, task: &Task) {
        include.apply.vars.iter().for_each(|vars| self.add(vars));
        let name = |node: &Node| node.key_text();
        match &include.kind {
            IncludeKind::Vars => {
                let get = |wanted: &str| include.args.iter().find(|(k, _)| k.as_str() == Some(wanted)).map(|(_, v)| v);
                match (get("name"), get("file")) {
                    (Some(into), _) => drop(self.names.insert(into.key_text())),
                    (None, Some(file)) => self.file(loader, file, &task.scope),
                    (None, None) => self.open = true,
                }
            }
            IncludeKind::Action { .. } => self.open = true,
            IncludeKind::Tasks { file } => {
                let here = (task.scope.directory.to_path_buf(), name(file));
                if name(file).contains("{{") {
                    self.open = true;
                } else if self.seen.insert(here) {
                    match loader.include_tasks(&name(file), task) {
                        Ok(items) => self.items(loader, &items),
                        Err(_) => self.open = true,
                    }
                }
            }
            IncludeKind::Role(role) => {
                let parts = [Some(&role.name), role.tasks_from.as_ref(), role.vars_from.as_ref()];
                let parts = parts.into_iter().chain([role.defaults_from.as_ref(), role.handlers_from.as_ref()]);
                let key: Vec<String> = parts.flatten().map(name).collect();
                if key.iter().any(|part| part.contains("{{")) {
                    self.open = true;
                } else if self.seen.insert((task.scope.directory.to_path_buf(), key.join("\n"))) {
                    match loader.include_role(role, task, None) {
                        Ok(included) => {
                            self.role(&included.role);
                            self.items(loader, &included.items);
                            self.items(loader, &included.handlers);
                        }
                        Err(_) => self.open = true,
                    }
                }
            }
        }
    }

    /// The names that a file of variables gives values.
    fn file(&mut self, loader: &Loader, file: &Node, scope: &Scope) {
        let read = match file.key_text() {
            name if name.contains("{{") => None,
            name => loader.search(SearchKind::Vars, &name, scope).ok().and_then(|path| loader.file(&path).ok()),
        };
        match read.as_deref().map(|node| (node.as_map(), node.is_null())) {
            Some((Some(entries), _)) => self.names.extend(entries.iter().map(|(key, _)| key.key_text())),
            Some((None, true)) => {}
            _ => self.open = true,
        }
    }
}

/// Collects what the tasks that surely run need, up to the first that may end the play.
struct SureTasks<'a> {
    loader: &'a Loader,
    filter: &'a TagFilter,
    needed: Vec<Needed>,
    /// Something may be written on this machine before: template files may be others by then.
    written: bool,
}

/// Whether a play may write on the workstation.
fn written_here(play: &Play) -> bool {
    let local = |scope: &Scope| {
        scope.chain().any(|level| level.keywords.delegate_to.is_some() || level.keywords.connection.is_some())
    };
    let mut written = local(&play.scope) || play.hosts.key_text().contains("localhost");
    for items in play.sections() {
        items.iter().for_each(|item| item.each_task(&mut |task| written |= local(&task.scope)));
    }
    written
}

impl SureTasks<'_> {
    /// Goes into a task or block; false when what follows may never run.
    fn item(&mut self, item: &Item) -> bool {
        match item {
            Item::Task(task) => self.task(task),
            // A failure in there may be what the block is for.
            Item::Block(block) if !block.rescue.is_empty() => true,
            Item::Block(block) => block.block.iter().chain(&block.always).all(|item| self.item(item)),
        }
    }

    fn task(&mut self, task: &Task) -> bool {
        if let Action::Meta { action, .. } = &task.action {
            return !action.name().starts_with("end_");
        }
        let ignored =
            task.scope.chain().any(|level| level.keywords.ignore_errors.is_some() || level.keywords.debugger.is_some());
        if ignored || !self.filter.selects_scope(&task.scope, as_written) {
            return true;
        }
        let engine = &self.loader.engine;
        if let Some(first) = task.scope.whens().first() {
            let text = first.as_str().unwrap_or_default();
            self.needed.extend(engine.expression_needs(text, Some(&first.span)));
            return true;
        }
        if let Some(loop_) = &task.loop_ {
            self.text(&loop_.over);
            return true;
        }
        if let Action::Module { name, args, free_form, .. } = &task.action {
            let about = self.loader.modules.about(name);
            for (key, value) in args.iter().filter(|(key, _)| about.is_needed(&key.key_text())) {
                self.text(key);
                self.tree(value);
            }
            free_form.iter().for_each(|text| self.text(text));
            // What a template's file lacks is found by the module, whose failure `failed_when` judges.
            let judged = task.failed_when.is_some();
            if let Some(LocalFile { parameter, template: Some(delimiters), folder, .. }) =
                about.file.filter(|_| !judged)
            {
                self.template((parameter, folder, delimiters), args, &task.scope);
            }
        }
        true
    }

    /// What a template that a task renders needs.
    fn template(&mut self, (parameter, folder, delimiters): (&str, SearchKind, &[&str]), args: &Args, scope: &Scope) {
        let get = |wanted: &str| args.iter().find(|(key, _)| key.as_str() == Some(wanted)).map(|(_, value)| value);
        let own = self.written
            || !scope.module_defaults().is_empty()
            || args.iter().any(|(key, _)| delimiters.contains(&key.key_text().as_str()));
        let Some(name) = get(parameter).map(Node::key_text).filter(|name| !own && !name.contains("{{")) else { return };
        let path = self.loader.search(folder, &name, scope).ok();
        if let Some(source) = path.and_then(|path| crate::yaml::read_source(&path).ok()) {
            self.needed.extend(self.loader.engine.file_needs(&source));
        }
    }

    fn text(&mut self, node: &Node) {
        if let Value::String { text, unsafe_text: false } = &node.value {
            self.needed.extend(self.loader.engine.needs(text, Some(&node.span)));
        }
    }

    fn tree(&mut self, node: &Node) {
        match &node.value {
            Value::Seq(items) => items.iter().for_each(|item| self.tree(item)),
            Value::Map(entries) => entries.iter().for_each(|(_, item)| self.tree(item)),
            _ => self.text(node),
        }
    }
}
