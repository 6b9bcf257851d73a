//! The chain of keywords a task stands in: play, role, block, task.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;

use super::{Keywords, Role};
use crate::yaml::Node;

/// Variables by name, as written.
pub type VarMap = IndexMap<String, Arc<Node>>;

/// What wrote a scope's keywords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeKind {
    /// An `import_playbook` whose keywords hold for every play of the file.
    ImportPlaybook,
    /// The play.
    Play,
    /// One use of a role.
    Role,
    /// A block.
    Block,
    /// An `import_tasks` or `import_role`: its keywords hold for all it imports.
    Import,
    /// An `include_tasks` or `include_role`: of its keywords only `vars` hold for what it includes.
    Include,
    /// The task itself.
    Task,
}

/// One link of the chain play → role → block → task.
#[derive(Debug)]
pub struct Scope {
    /// What this link is.
    pub kind: ScopeKind,
    /// The keywords written at this level.
    pub keywords: Keywords,
    /// The role that begins at this level; ask [`Scope::role`] for the one that holds.
    pub role: Option<Arc<Role>>,
    /// The level around this one.
    pub parent: Option<Arc<Scope>>,
    /// The folder of the file in which the things at this level are written.
    pub directory: Arc<Path>,
    /// The folder part of the path an `import_tasks` or `include_tasks` gives, as written: relative paths below are
    /// looked for there too.
    pub include_dir: Option<PathBuf>,
}

impl Scope {
    /// Goes from this level outwards to the play.
    pub fn chain(&self) -> impl Iterator<Item = &Scope> {
        std::iter::successors(Some(self), |s| s.parent.as_deref())
    }

    /// Goes from the play inwards to this level.
    pub fn outermost_first(&self) -> impl Iterator<Item = &Scope> {
        let mut links: Vec<&Scope> = self.chain().collect();
        links.reverse();
        links.into_iter()
    }

    /// Returns the value of the innermost level that has one.
    pub fn inherited<'a, T: ?Sized>(&'a self, pick: impl Fn(&'a Keywords) -> Option<&'a T>) -> Option<&'a T> {
        self.chain().find_map(|s| pick(&s.keywords))
    }

    /// Lists every condition that must hold, outermost first.
    pub fn whens(&self) -> Vec<&Node> {
        self.outermost_first().flat_map(|s| s.keywords.when.iter()).collect()
    }

    /// Lists the tags of all levels, outermost first.
    pub fn tags(&self) -> Vec<&Node> {
        self.outermost_first().flat_map(|s| s.keywords.tags.iter()).collect()
    }

    /// Lists the `environment` of all levels, outermost first: later ones win.
    pub fn environments(&self) -> Vec<&Node> {
        self.outermost_first().filter_map(|s| s.keywords.environment.as_ref()).collect()
    }

    /// Lists the `module_defaults` of all levels, outermost first: later ones win.
    pub fn module_defaults(&self) -> Vec<&Node> {
        self.outermost_first().filter_map(|s| s.keywords.module_defaults.as_ref()).collect()
    }

    /// Lists the `vars:` of blocks, imports, includes and the task, outermost first: later ones win.
    ///
    /// The play's own `vars` and a role's parameters rank elsewhere and are not among them
    /// ([`Scope::play_vars`], [`Role::params`]).
    pub fn vars(&self) -> Vec<&VarMap> {
        self.outermost_first()
            .filter(|s| !matches!(s.kind, ScopeKind::Play | ScopeKind::ImportPlaybook | ScopeKind::Role))
            .filter_map(|s| s.keywords.vars.as_ref())
            .collect()
    }

    /// Lists the `vars:` of the dynamic includes around, outermost first: they outrank even `set_fact`.
    pub fn include_params(&self) -> Vec<&VarMap> {
        self.outermost_first()
            .filter(|s| s.kind == ScopeKind::Include)
            .filter_map(|s| s.keywords.vars.as_ref())
            .collect()
    }

    /// Returns the `vars:` of the play, those of the `import_playbook`s around it (which win) included.
    pub fn play_vars(&self) -> Option<&VarMap> {
        self.chain().find(|s| s.kind == ScopeKind::Play)?.keywords.vars.as_ref()
    }

    /// Returns the folder of the playbook the play is written in (`playbook_dir`).
    pub fn playbook_dir(&self) -> Option<&Path> {
        self.chain().find(|s| s.kind == ScopeKind::Play).map(|s| &*s.directory)
    }

    /// Returns the role this level belongs to.
    pub fn role(&self) -> Option<&Arc<Role>> {
        self.chain().find_map(|s| s.role.as_ref())
    }

    /// Lists the roles around this level, outermost first; the last one is [`Scope::role`].
    pub fn roles(&self) -> Vec<&Arc<Role>> {
        self.outermost_first().filter_map(|s| s.role.as_ref()).collect()
    }
}
