//! Playbooks, plays and blocks.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Role, Scope, Task};
use crate::yaml::{Node, Span};

/// A playbook with every `import_playbook` resolved.
#[derive(Debug)]
pub struct Playbook {
    /// The file that was asked for.
    pub path: PathBuf,
    /// Its plays, those of imported playbooks in their places.
    pub plays: Vec<Arc<Play>>,
}

/// Hosts and what is done on them.
#[derive(Debug)]
pub struct Play {
    /// The name; ask [`Play::title`] for what to show.
    pub name: Option<Node>,
    /// Where the play begins.
    pub span: Span,
    /// The pattern or a list of patterns; may be a template.
    pub hosts: Node,
    /// Whether to gather facts first; unset means yes.
    pub gather_facts: Option<Node>,
    /// Which facts.
    pub gather_subset: Option<Node>,
    /// Seconds for gathering.
    pub gather_timeout: Option<Node>,
    /// The folder of local facts.
    pub fact_path: Option<Node>,
    /// How tasks and hosts are ordered: the name of a [`Strategy`]; may be a template.
    pub strategy: Option<Node>,
    /// Batch sizes: numbers or percentages.
    pub serial: Vec<Node>,
    /// The share of hosts in a batch that may fail.
    pub max_fail_percentage: Option<Node>,
    /// The order of hosts: the name of an [`Order`]; may be a template.
    pub order: Option<Node>,
    /// Whether notified handlers run even on hosts that failed.
    pub force_handlers: Option<Node>,
    /// Files of variables; an entry that is a list means the first one found.
    pub vars_files: Vec<Node>,
    /// What to ask the user.
    pub vars_prompt: Vec<Prompt>,
    /// The keywords of the play.
    pub scope: Arc<Scope>,
    /// Tasks before the roles.
    pub pre_tasks: Vec<Item>,
    /// The roles, each a block whose scope has `role` set; dependencies stand first inside it.
    pub roles: Vec<Item>,
    /// The tasks.
    pub tasks: Vec<Item>,
    /// Tasks after all others.
    pub post_tasks: Vec<Item>,
    /// All handlers known before the run, in the order in which they run.
    pub handlers: Vec<Item>,
    /// The roles (of `roles:`, their dependencies, `import_role`) whose defaults and vars the whole play sees, in order.
    pub exports: Vec<Arc<Role>>,
    /// The folder of the playbook file (`playbook_dir`).
    pub directory: PathBuf,
}

/// `strategy`: how tasks and hosts are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Task by task, all hosts together.
    #[default]
    Linear,
    /// Each host as fast as it can.
    Free,
    /// Task by task, and the task debugger at every failure.
    Debug,
}

impl Strategy {
    /// What the names mean here; `host_pinned` differs in what `forks` bounds alone.
    pub const NAMES: [(&str, Strategy); 4] = [
        ("linear", Strategy::Linear),
        ("free", Strategy::Free),
        ("host_pinned", Strategy::Free),
        ("debug", Strategy::Debug),
    ];

    /// The strategy of a name, short or full.
    pub fn from_name(name: &str) -> Option<Strategy> {
        let short = name.strip_prefix("ansible.builtin.").unwrap_or(name);
        Strategy::NAMES.iter().find(|(known, _)| *known == short).map(|(_, strategy)| *strategy)
    }
}

/// `order`: the order of hosts in a play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As the inventory has them.
    Inventory,
    /// As the inventory has them, backwards.
    ReverseInventory,
    /// By name.
    Sorted,
    /// By name, backwards.
    ReverseSorted,
    /// At random.
    Shuffle,
}

impl Order {
    /// All of them by name.
    pub const NAMES: [(&str, Order); 5] = [
        ("inventory", Order::Inventory),
        ("reverse_inventory", Order::ReverseInventory),
        ("sorted", Order::Sorted),
        ("reverse_sorted", Order::ReverseSorted),
        ("shuffle", Order::Shuffle),
    ];

    /// The order of a name.
    pub fn from_name(name: &str) -> Option<Order> {
        Order::NAMES.iter().find(|(known, _)| *known == name).map(|(_, order)| *order)
    }
}

/// An entry of `vars_prompt`.
#[derive(Debug)]
pub struct Prompt {
    /// The variable.
    pub name: String,
    /// The text to show; the name if unset.
    pub prompt: Option<Node>,
    /// The value if nothing is typed.
    pub default: Option<Node>,
    /// Whether typing stays invisible (the default).
    pub private: bool,
    /// Whether to ask twice.
    pub confirm: bool,
    /// The hash to store instead of the value (`sha512_crypt` …).
    pub encrypt: Option<String>,
    /// The salt's length.
    pub salt_size: Option<u32>,
    /// The salt.
    pub salt: Option<String>,
    /// Whether the value is never templated.
    pub unsafe_text: bool,
    /// Where it is written.
    pub span: Span,
}

/// A task or a block.
#[derive(Clone, Debug)]
pub enum Item {
    /// One task.
    Task(Arc<Task>),
    /// Several, with what to do on failure.
    Block(Arc<Block>),
}

/// Tasks that share keywords, with `rescue` and `always`.
#[derive(Debug)]
pub struct Block {
    /// The keywords of the block; its parent is the level around it.
    pub scope: Arc<Scope>,
    /// The name.
    pub name: Option<Node>,
    /// The tasks.
    pub block: Vec<Item>,
    /// What runs when one of them fails.
    pub rescue: Vec<Item>,
    /// What runs in any case.
    pub always: Vec<Item>,
    /// Where it begins.
    pub span: Span,
}

impl Play {
    /// Returns what to show as the play's name: its name, or its hosts.
    pub fn title(&self) -> String {
        let text = |n: &Node| match n.to_json() {
            serde_json::Value::Array(parts) => parts
                .iter()
                .map(|p| p.as_str().map_or_else(|| p.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(","),
            _ => n.key_text(),
        };
        self.name.as_ref().map_or_else(|| text(&self.hosts), text)
    }

    /// Goes through all tasks in the order they run, handlers left out.
    pub fn sections(&self) -> [&[Item]; 4] {
        [&self.pre_tasks, &self.roles, &self.tasks, &self.post_tasks]
    }
}

impl Item {
    /// Returns the scope of the task or block.
    pub fn scope(&self) -> &Arc<Scope> {
        match self {
            Item::Task(t) => &t.scope,
            Item::Block(b) => &b.scope,
        }
    }

    /// Calls `visit` for each task, in order: of blocks the tasks, then `rescue`, then `always`.
    pub fn each_task<'a>(&'a self, visit: &mut dyn FnMut(&'a Arc<Task>)) {
        match self {
            Item::Task(t) => visit(t),
            Item::Block(b) => {
                for item in b.block.iter().chain(&b.rescue).chain(&b.always) {
                    item.each_task(visit);
                }
            }
        }
    }
}
