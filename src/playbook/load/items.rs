//! Lists of tasks, blocks and handlers.

use std::sync::Arc;

use super::reader::{Reader, head};
use crate::playbook::keyword::Level;
use crate::playbook::{Block, Diagnostic, Item, Scope, ScopeKind};
use crate::yaml::{Node, Value};

const SECTIONS: [&str; 3] = ["block", "rescue", "always"];

/// What holds for a list of tasks besides the keywords around it.
#[derive(Clone, Copy, Default)]
pub(super) struct Around<'a> {
    /// Whether they are handlers.
    pub is_handler: bool,
    /// What the block around notifies.
    pub notify: Option<&'a [Node]>,
}

impl Reader<'_> {
    /// Reads a list of tasks and blocks; static imports come out as what they import.
    pub(super) fn items(&mut self, list: &[Node], scope: &Arc<Scope>, around: Around<'_>) -> Vec<Item> {
        let mut items = Vec::new();
        for node in list {
            if node.is_null() {
                self.report(Diagnostic::error(&node.span, "an empty entry in a list of tasks").help("remove the `-`"));
            } else if let Some(entries) = node.as_map() {
                if SECTIONS.iter().any(|s| node.get(s).is_some()) {
                    items.push(Item::Block(Arc::new(self.block(node, entries, scope, around))));
                } else {
                    items.extend(self.task(node, entries, scope, around));
                }
            } else {
                self.report(not_a_task(node));
            }
        }
        items
    }

    fn block(&mut self, node: &Node, entries: &[(Node, Node)], scope: &Arc<Scope>, around: Around<'_>) -> Block {
        self.block_keys(entries);
        let keywords = self.keywords(Level::Block, entries);
        let scope = self.scope(ScopeKind::Block, keywords, scope);
        if node.get("block").is_none()
            && let Some((key, _)) = SECTIONS.iter().find_map(|s| node.get_entry(s))
        {
            let name = key.key_text();
            let problem = Diagnostic::error(&key.span, format!("`{name}` without a `block`"));
            self.report(problem.help("put the tasks it belongs to under `block:`, in the same mapping"));
        }
        let own = node.get("notify").map(|n| self.notify(n));
        let around = Around { notify: own.as_deref().or(around.notify), ..around };
        let mut section = |name: &str, rescued: bool| {
            self.rescues += usize::from(rescued);
            let items = match node.get(name).map(|n| &n.value) {
                Some(Value::Seq(list)) => self.items(list, &scope, around),
                _ => Vec::new(),
            };
            self.rescues -= usize::from(rescued);
            items
        };
        let rescued = node.get("rescue").is_some_and(|rescue| !rescue.is_null());
        let (block, rescue, always) = (section("block", rescued), section("rescue", false), section("always", false));
        let name = node.get("name").cloned();
        Block { scope, name, block, rescue, always, span: node.span.clone() }
    }

    /// What stands in a block and is no keyword: a module, or a mistyped word.
    fn block_keys(&mut self, entries: &[(Node, Node)]) {
        for (key, _) in entries {
            let Some(name) = key.as_str() else { continue };
            if crate::playbook::keywords::find(name, Level::Block).is_some() {
                continue;
            }
            let problem = if self.loader.modules.canonical(name).is_some() {
                Diagnostic::error(&key.span, format!("a block cannot have the module `{name}` beside its tasks"))
                    .label("a module")
                    .help("make it a task of its own under `block:`")
            } else if name.starts_with("with_") || name == "loop" {
                Diagnostic::error(&key.span, "a block cannot be looped")
                    .label("a loop")
                    .help("put the tasks into a file and loop over an `include_tasks` of it")
            } else {
                super::level::unknown(key, name, Level::Block)
            };
            self.report(problem);
        }
    }

    /// Reads handlers; a block around some of them is taken apart, its keywords hold for each.
    pub(super) fn handlers(&mut self, node: Option<&Node>, scope: &Arc<Scope>) -> Vec<Item> {
        let Some(Value::Seq(list)) = node.map(|n| &n.value) else { return Vec::new() };
        self.handler_items(list, scope, true)
    }

    /// Reads a list of handlers.
    pub(super) fn handler_items(&mut self, list: &[Node], scope: &Arc<Scope>, outermost: bool) -> Vec<Item> {
        let mut items = Vec::new();
        for node in list {
            let Some(entries) = node.as_map() else {
                self.report(not_a_task(node));
                continue;
            };
            let Some((key, section)) = SECTIONS.iter().find_map(|s| node.get_entry(s)) else {
                items.extend(self.task(node, entries, scope, Around { is_handler: true, notify: None }));
                continue;
            };
            if !outermost || node.get("rescue").is_some() || node.get("always").is_some() {
                let problem = Diagnostic::error(&key.span, "a handler cannot be a block");
                self.report(problem.help("write the tasks as handlers that `listen` to one topic"));
                continue;
            }
            self.block_keys(entries);
            let keywords = self.keywords(Level::Block, entries);
            let scope = self.scope(ScopeKind::Block, keywords, scope);
            items.extend(self.handler_items(section.as_seq().unwrap_or_default(), &scope, false));
        }
        items
    }

    /// Makes a level below another, in the same file.
    pub(super) fn scope(
        &self,
        kind: ScopeKind,
        keywords: crate::playbook::Keywords,
        parent: &Arc<Scope>,
    ) -> Arc<Scope> {
        Arc::new(Scope {
            kind,
            keywords,
            role: None,
            parent: Some(parent.clone()),
            directory: parent.directory.clone(),
            include_dir: None,
        })
    }

    /// Reads the names of handlers to notify.
    pub(super) fn notify(&mut self, node: &Node) -> Vec<Node> {
        self.templates(node);
        let names = match &node.value {
            Value::Seq(items) => items.clone(),
            Value::Null => Vec::new(),
            _ => vec![node.clone()],
        };
        // What is no text has been reported with the keyword.
        let names: Vec<Node> = names.into_iter().filter(|n| n.as_seq().is_none() && n.as_map().is_none()).collect();
        self.play.notified.extend(names.iter().cloned());
        names
    }
}

fn not_a_task(node: &Node) -> Diagnostic {
    let problem = Diagnostic::error(&head(&node.span), format!("a task is a mapping, not {}", node.describe()));
    match node.as_str() {
        Some(text) if text.contains('=') || text.contains(' ') => {
            problem.help("write `- MODULE: …`, with a colon behind the module's name")
        }
        Some(text) => problem.help(format!("write `- {text}:` with its arguments below, further indented")),
        None if node.as_seq().is_some() => problem.help("there is one `- ` too many"),
        None => problem.help("write `- MODULE:` with its arguments below, further indented"),
    }
}
