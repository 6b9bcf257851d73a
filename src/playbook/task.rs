//! A task or handler.

use std::sync::Arc;

use super::{Action, IncludeKind, Scope};
use crate::yaml::{Node, Span, Value};

/// One task or handler, as written.
#[derive(Debug)]
pub struct Task {
    /// The name; may be a template. Ask [`Task::title`] for what to show before rendering.
    pub name: Option<Node>,
    /// The task's own keywords; its parent is the level around it.
    pub scope: Arc<Scope>,
    /// What it does.
    pub action: Action,
    /// What it is repeated over.
    pub loop_: Option<Loop>,
    /// The variable that receives the result.
    pub register: Option<Node>,
    /// Conditions that end the retries.
    pub until: Vec<Node>,
    /// How often at most to try again.
    pub retries: Option<Node>,
    /// Seconds between tries.
    pub delay: Option<Node>,
    /// Conditions under which the result counts as changed; none given leaves it to the module.
    pub changed_when: Option<Vec<Node>>,
    /// Conditions under which the result counts as failed; none given leaves it to the module.
    pub failed_when: Option<Vec<Node>>,
    /// Handlers to notify on change, those of the blocks around included.
    pub notify: Vec<Node>,
    /// Topics a handler listens to; empty for tasks.
    pub listen: Vec<Node>,
    /// Seconds the step may run in the background.
    pub async_: Option<Node>,
    /// Seconds between looks at a step in the background; 0 does not wait for it.
    pub poll: Option<Node>,
    /// Whether it is a handler.
    pub is_handler: bool,
    /// Where the task begins.
    pub span: Span,
}

/// What a task is repeated over.
#[derive(Clone, Debug)]
pub struct Loop {
    /// How `over` is read.
    pub kind: LoopKind,
    /// The value as written.
    pub over: Node,
    /// How the loop goes and is shown.
    pub control: LoopControl,
    /// Where the keyword stands.
    pub span: Span,
}

/// `loop` or one of the `with_…` that take its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopKind {
    /// `loop`: a list.
    Loop,
    /// `with_list`: a list, not flattened.
    WithList,
    /// `with_items`: a list, flattened by one level.
    WithItems,
    /// `with_flattened`: lists, flattened wholly.
    WithFlattened,
    /// `with_dict`: the entries of a mapping.
    WithDict,
    /// `with_fileglob`: files of the control machine.
    WithFileglob,
    /// `with_filetree`: a tree of files of the control machine.
    WithFiletree,
    /// `with_file`: contents of files.
    WithFile,
    /// `with_first_found`: the first file there is.
    WithFirstFound,
    /// `with_subelements`: lists within a list.
    WithSubelements,
    /// `with_together`: lists side by side.
    WithTogether,
    /// `with_sequence`: numbers.
    WithSequence,
    /// `with_nested`, `with_cartesian`: each with each.
    WithNested,
    /// `with_indexed_items`: items with their numbers.
    WithIndexedItems,
    /// `with_random_choice`: one of the items.
    WithRandomChoice,
    /// `with_lines`: lines a command on the control machine prints.
    WithLines,
    /// `with_inventory_hostnames`: hosts that match a pattern.
    WithInventoryHostnames,
    /// `with_vars`: values of variables by name.
    WithVars,
    /// `with_varnames`: names of variables that match a pattern.
    WithVarnames,
    /// `with_env`: environment variables of the control machine.
    WithEnv,
    /// `with_template`: rendered templates.
    WithTemplate,
    /// `with_` and another lookup: what that finds.
    WithLookup(&'static str),
}

/// `loop_control`.
#[derive(Clone, Debug, Default)]
pub struct LoopControl {
    /// The name of the item; `item` if unset.
    pub loop_var: Option<Node>,
    /// The name of the item's number.
    pub index_var: Option<Node>,
    /// What to show of an item.
    pub label: Option<Node>,
    /// Seconds between items.
    pub pause: Option<Node>,
    /// Whether `ansible_loop` is set.
    pub extended: Option<Node>,
    /// Whether `ansible_loop.allitems` is set too.
    pub extended_allitems: Option<Node>,
    /// Conditions that end the loop after an item.
    pub break_when: Vec<Node>,
}

impl LoopControl {
    /// Returns the name of the variable that holds the item.
    pub fn item_name(&self) -> &str {
        self.loop_var.as_ref().and_then(Node::as_str).unwrap_or("item")
    }
}

impl Task {
    /// The same task with another action.
    pub fn with_action(&self, action: Action) -> Task {
        Task {
            action,
            name: self.name.clone(),
            scope: self.scope.clone(),
            loop_: self.loop_.clone(),
            register: self.register.clone(),
            until: self.until.clone(),
            retries: self.retries.clone(),
            delay: self.delay.clone(),
            changed_when: self.changed_when.clone(),
            failed_when: self.failed_when.clone(),
            notify: self.notify.clone(),
            listen: self.listen.clone(),
            async_: self.async_.clone(),
            poll: self.poll.clone(),
            is_handler: self.is_handler,
            span: self.span.clone(),
        }
    }

    /// Whether `changed_when` says that it never counts as a change, whatever it does.
    pub fn never_changes(&self) -> bool {
        let never = |condition: &Node| match &condition.value {
            Value::Bool(holds) => !holds,
            _ => condition.as_str().is_some_and(|text| text.trim().eq_ignore_ascii_case("false")),
        };
        self.changed_when.as_ref().is_some_and(|conditions| conditions.iter().any(never))
    }

    /// Makes a task that has nothing but a name and an action.
    pub fn plain(name: Node, scope: Arc<Scope>, action: Action, span: Span) -> Self {
        Self {
            name: Some(name),
            scope,
            action,
            loop_: None,
            register: None,
            until: Vec::new(),
            retries: None,
            delay: None,
            changed_when: None,
            failed_when: None,
            notify: Vec::new(),
            listen: Vec::new(),
            async_: None,
            poll: None,
            is_handler: false,
            span,
        }
    }

    /// Returns what to show as the task's name before rendering: `role : name`, or the module.
    pub fn title(&self) -> String {
        let name = self.name.as_ref().map(Node::key_text);
        if let Action::Include(include) = &self.action
            && let IncludeKind::Role(role) = &include.kind
        {
            return name.unwrap_or_else(|| format!("{} : {}", include.written, role.name.key_text()));
        }
        let name = name.unwrap_or_else(|| self.action.written().to_owned());
        match self.scope.role() {
            Some(role) => format!("{} : {name}", role.name),
            None => name,
        }
    }
}
