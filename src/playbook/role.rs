//! One use of a role.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::VarMap;
use crate::yaml::Span;

/// One use of a role: its folder, its variables, and who asked for it.
#[derive(Debug)]
pub struct Role {
    /// The name as Ansible shows it (the folder's name, or `namespace.collection.role`).
    pub name: String,
    /// The role's folder.
    pub path: PathBuf,
    /// `defaults/main.yml`: the weakest variables.
    pub defaults: VarMap,
    /// `vars/main.yml`.
    pub vars: VarMap,
    /// Parameters of this use: keys beside `role:` that are no keywords (`{role: x, foo: bar}`).
    pub params: VarMap,
    /// `vars:` of this use; they outrank those of `vars/main.yml` and nothing else of the role.
    pub given: VarMap,
    /// The roles that `meta/main.yml` names: this one sees their defaults and vars, however it came into the play.
    pub dependencies: OnceLock<Vec<Arc<Role>>>,
    /// The file of `tasks/` this use begins with, without its ending: `main`, or what `tasks_from` says.
    pub entry: String,
    /// What `handlers_from` says.
    pub handlers_entry: Option<String>,
    /// Whether arguments are checked against the role's specification.
    pub validate: bool,
    /// Where this use is written.
    pub span: Span,
    /// Whether defaults and vars are seen by the rest of the play (`roles:` and `import_role`, not `include_role`).
    pub public: bool,
    /// `allow_duplicates` of `meta/main.yml`, or of the include.
    pub allow_duplicates: bool,
    /// What tells two uses apart: name, parameters, conditions and tags.
    ///
    /// A use whose key has already run on a host (at least one task not skipped) is skipped there,
    /// unless [`Role::allow_duplicates`].
    pub key: String,
}

impl Role {
    /// Lists the roles it depends on, theirs first: what stands later outranks.
    pub fn all_dependencies(&self) -> Vec<&Arc<Role>> {
        let own = self.dependencies.get().into_iter().flatten();
        own.flat_map(|role| role.all_dependencies().into_iter().chain([role])).collect()
    }
}
