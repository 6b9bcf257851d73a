//! What a task does: a module, an include, or something about the run itself.

use std::path::Path;

use super::{About, Diagnostic, Keywords};
use crate::yaml::{Node, Span};

/// Arguments in the order of the file: name and value, both with their places.
pub type Args = Vec<(Node, Node)>;

/// What a task does.
#[derive(Debug)]
pub enum Action {
    /// Runs a module.
    Module {
        /// The full name, such as `ansible.builtin.copy`.
        name: String,
        /// The name as written.
        written: String,
        /// Where the name stands.
        name_span: Span,
        /// The arguments, those of `args:` and of `key=value` text included.
        args: Args,
        /// The text of a module that takes one (`command`, `shell`, `raw`, `script`), `key=value` options taken out.
        free_form: Option<Node>,
        /// A template that yields all the arguments (`module: "{{ args }}"` or `args: "{{ … }}"`).
        template: Option<Node>,
    },
    /// Brings in tasks, a role or variables while running.
    Include(Box<Include>),
    /// Changes the course of the run.
    Meta {
        /// What to do.
        action: MetaAction,
        /// Where the name stands.
        name_span: Span,
    },
}

/// A dynamic include.
#[derive(Debug)]
pub struct Include {
    /// What is included.
    pub kind: IncludeKind,
    /// The name as written (`include_tasks`, `ansible.builtin.include_role` …).
    pub written: String,
    /// Where that stands.
    pub name_span: Span,
    /// All arguments as written, `apply` left out.
    pub args: Args,
    /// `apply`: keywords that every included task inherits (the include's own `when` and `tags` hold for itself only).
    pub apply: Keywords,
    /// What `apply` has included tasks notify that notify nothing of their own.
    pub notify: Vec<Node>,
}

/// What a dynamic include brings in.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // it lives in the box of `Action::Include`
pub enum IncludeKind {
    /// `include_tasks`: a file of tasks.
    Tasks {
        /// The file; may be a template.
        file: Node,
    },
    /// `include_role`.
    Role(IncludeRole),
    /// `include_vars`: variables; its parameters are in [`Include::args`] (`file`, `dir`, `name`, `depth` …).
    Vars,
    /// A task whose module is a template (`action: "{{ name }} key=value"`): known when the task is come to.
    Action {
        /// The module's name.
        module: Node,
        /// The task with `action` and what stands behind the name.
        task: Node,
    },
}

/// The parameters of `include_role`; texts may be templates.
#[derive(Clone, Debug)]
pub struct IncludeRole {
    /// The role.
    pub name: Node,
    /// A file of `tasks/` in the place of `main`.
    pub tasks_from: Option<Node>,
    /// A file of `vars/` in the place of `main`.
    pub vars_from: Option<Node>,
    /// A file of `defaults/` in the place of `main`.
    pub defaults_from: Option<Node>,
    /// A file of `handlers/` in the place of `main`.
    pub handlers_from: Option<Node>,
    /// Whether the rest of the play sees the role's variables.
    pub public: bool,
    /// Whether it runs again where it has run.
    pub allow_duplicates: bool,
    /// Whether the role's argument specification is checked.
    pub rolespec_validate: bool,
}

/// What `meta:` can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaAction {
    /// Runs notified handlers now.
    FlushHandlers,
    /// Reads the inventory again.
    RefreshInventory,
    /// Does nothing.
    Noop,
    /// Forgets the facts of the hosts.
    ClearFacts,
    /// Lets failed hosts take part again.
    ClearHostErrors,
    /// Ends the play for all hosts.
    EndPlay,
    /// Ends the play for the hosts of this batch.
    EndBatch,
    /// Ends the play for this host.
    EndHost,
    /// Ends the current role for this host.
    EndRole,
    /// Closes the connection and opens it again.
    ResetConnection,
}

impl MetaAction {
    /// Every action with its name in playbooks.
    pub const ALL: [(&'static str, MetaAction); 10] = [
        ("flush_handlers", MetaAction::FlushHandlers),
        ("refresh_inventory", MetaAction::RefreshInventory),
        ("noop", MetaAction::Noop),
        ("clear_facts", MetaAction::ClearFacts),
        ("clear_host_errors", MetaAction::ClearHostErrors),
        ("end_play", MetaAction::EndPlay),
        ("end_batch", MetaAction::EndBatch),
        ("end_host", MetaAction::EndHost),
        ("end_role", MetaAction::EndRole),
        ("reset_connection", MetaAction::ResetConnection),
    ];

    /// Finds the action by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(n, _)| *n == name).map(|(_, a)| *a)
    }

    /// Returns the name in playbooks.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, a)| *a == self).map_or("noop", |(n, _)| n)
    }
}

impl Action {
    /// Returns the module's, include's or meta's name as written.
    pub fn written(&self) -> &str {
        match self {
            Action::Module { written, .. } => written,
            Action::Include(include) => &include.written,
            Action::Meta { .. } => "meta",
        }
    }

    /// Returns where the name stands.
    pub fn name_span(&self) -> &Span {
        match self {
            Action::Module { name_span, .. } | Action::Meta { name_span, .. } => name_span,
            Action::Include(include) => &include.name_span,
        }
    }
}

/// Why a module cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Whether nobody could look for it.
    pub unsought: bool,
}

/// What the loader must know of modules; the registry implements it.
pub trait ModuleNames: Send + Sync {
    /// Returns the full name (`ansible.builtin.copy`) of a module written short or full.
    fn canonical(&self, written: &str) -> Option<&str>;

    /// Returns the full name of a module that is none of this program's, short names in these collections too. Looking for it may take
    /// a while.
    ///
    /// # Errors
    /// It is there and cannot run, or nobody can look for it: what is wrong, and what to do.
    fn elsewhere(&self, written: &str, collections: &[String]) -> Result<Option<&'static str>, Refusal> {
        let _ = (written, collections);
        Ok(None)
    }

    /// Returns the full name of a module that is a file of a playbook or role.
    ///
    /// # Errors
    /// It cannot run: what is wrong, and what to do.
    fn of_file(&self, written: &str, file: &Path) -> Result<&'static str, Refusal> {
        let _ = written;
        Err(Refusal {
            message: format!("`{}` is a module of your own: those do not run here", file.display()),
            help: None,
            unsought: false,
        })
    }

    /// Returns the known name closest to an unknown one.
    fn near(&self, written: &str) -> Option<String>;

    /// Whether any module is of a collection (`community.general`).
    fn has_collection(&self, name: &str) -> bool;

    /// The modules of a collection's group (`namespace.collection.group`) that are known without the collection.
    fn group(&self, full_name: &str) -> Option<&'static [&'static str]> {
        let _ = full_name;
        None
    }

    /// The groups of collections that a group without a collection is made of.
    fn group_of_groups(&self, name: &str) -> Option<&'static [&'static str]> {
        let _ = name;
        None
    }

    /// Checks the arguments as far as it is possible without variables. `args` includes those of `args:`;
    /// values that hold templates are not looked into. Unless `complete`, more arguments may come from
    /// `module_defaults` or a template, so that a missing one is no mistake.
    fn check_args(
        &self,
        canonical: &str,
        args: &Args,
        free_form: Option<&Node>,
        name_span: &Span,
        complete: bool,
    ) -> Vec<Diagnostic>;

    /// What a module says of itself; of an unknown one nothing.
    fn about(&self, canonical: &str) -> About;
}
