//! Where files, templates, tasks and roles are looked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Loader;
use super::reader::Reader;
use crate::playbook::{Scope, ScopeKind};

/// What is looked for: the folder it may lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchKind {
    /// `files/`.
    Files,
    /// `templates/`.
    Templates,
    /// `vars/`.
    Vars,
    /// `tasks/`.
    Tasks,
}

/// A file that is nowhere.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{name}` is not there")]
pub struct NotFound {
    /// What was asked for.
    pub name: String,
    /// Where it was looked for, in order.
    pub tried: Vec<PathBuf>,
}

impl SearchKind {
    /// Returns the name of the folder.
    pub fn folder(self) -> &'static str {
        match self {
            SearchKind::Files => "files",
            SearchKind::Templates => "templates",
            SearchKind::Vars => "vars",
            SearchKind::Tasks => "tasks",
        }
    }
}

impl Loader {
    /// Finds a file or folder that a task names: in the roles around it, innermost first, then beside the file of
    /// tasks, then beside the playbook; each time first in the folder of its kind.
    ///
    /// Source: `path_dwim_relative_stack` of ansible-core.
    ///
    /// # Errors
    /// When it is nowhere; the error lists where it was looked for.
    pub fn search(&self, kind: SearchKind, name: &str, from: &Scope) -> Result<PathBuf, NotFound> {
        let tried = search_list(kind.folder(), name, from);
        match tried.iter().find(|p| p.exists()) {
            Some(path) => Ok(path.clone()),
            None => Err(NotFound { name: name.to_owned(), tried }),
        }
    }

    /// Lists the folders that are searched, innermost first (`ansible_search_path`).
    pub fn search_path(&self, from: &Scope) -> Vec<PathBuf> {
        bases(from)
    }
}

/// A path that needs no search.
fn absolute(name: &str) -> Option<PathBuf> {
    if let Some(rest) = name.strip_prefix("~/") {
        return std::env::var_os("HOME").map(|home| Path::new(&home).join(rest));
    }
    name.starts_with('/').then(|| PathBuf::from(name))
}

fn bases(from: &Scope) -> Vec<PathBuf> {
    let mut bases: Vec<PathBuf> = from.chain().filter_map(|s| s.role.as_ref()).map(|r| r.path.clone()).collect();
    bases.push(from.directory.to_path_buf());
    bases.extend(from.playbook_dir().map(Path::to_path_buf));
    dedup(bases)
}

fn search_list(folder: &str, name: &str, from: &Scope) -> Vec<PathBuf> {
    if let Some(path) = absolute(name) {
        return vec![path];
    }
    let has_folder = name.split('/').next() == Some(folder);
    let mut tried = Vec::new();
    for base in bases(from) {
        // Below `tasks/` of a role: its `files/` lie beside `tasks/`.
        if let Some(tasks) = base.parent().filter(|p| p.ends_with("tasks") && from.role().is_some()) {
            tried.extend(tasks.parent().map(|role| role.join(folder).join(name)));
            tried.push(tasks.join(name));
        }
        if !has_folder {
            tried.push(base.join(folder).join(name));
        }
        tried.push(base.join(name));
    }
    dedup(tried)
}

fn dedup(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut once: Vec<PathBuf> = Vec::new();
    for path in paths {
        let path: PathBuf = match path.strip_prefix("./") {
            Ok(short) if !short.as_os_str().is_empty() => short.to_owned(),
            _ => path,
        };
        if !once.contains(&path) {
            once.push(path);
        }
    }
    once
}

impl Reader<'_> {
    /// Finds a file of tasks: relative to the file that names it, to the files that led there, to the role, to the
    /// playbook. A dynamic include in a role looks into the role's `tasks/` first.
    pub(super) fn tasks_path(
        &self,
        name: &str,
        from: &Scope,
        is_handler: bool,
        is_import: bool,
    ) -> Result<PathBuf, Vec<PathBuf>> {
        let tried = match absolute(name) {
            Some(path) => vec![path],
            None => {
                let folder = if is_handler { "handlers" } else { "tasks" };
                let role = from.role().map(|r| &r.path);
                let in_role = role.map(|r| r.join(folder).join(name));
                let around = from
                    .chain()
                    .take_while(|s| s.kind != ScopeKind::Play)
                    .map(|s| s.directory.join(name))
                    .collect::<Vec<_>>();
                let mut tried = Vec::new();
                tried.extend(in_role.iter().filter(|_| !is_import).cloned());
                tried.extend(around);
                tried.extend(in_role);
                tried.extend(role.map(|r| r.join("tasks").join(name)));
                tried.extend(role.map(|r| r.join(name)));
                tried.push(self.play.directory.join(name));
                tried
            }
        };
        let tried = dedup(tried);
        tried.iter().find(|p| p.is_file()).cloned().ok_or(tried)
    }

    /// Finds the folder of a role.
    pub(super) fn role_path(&self, name: &str, from: &Arc<Scope>) -> Result<PathBuf, Vec<PathBuf>> {
        let directory = &self.play.directory;
        let options = &self.loader.options;
        let mut tried = Vec::new();
        let parts: Vec<&str> = name.split('.').collect();
        if let [namespace, collection, role @ ..] = parts.as_slice()
            && !role.is_empty()
        {
            // More parts are folders below: `acme.infra.base.roles.users`.
            let below = Path::new("ansible_collections").join(namespace).join(collection).join("roles");
            let below = role.iter().fold(below, |path, part| path.join(part));
            let own = directory.join("collections");
            tried.extend(std::iter::once(&own).chain(&options.collections_path).map(|c| c.join(&below)));
        }
        // Roles of one collection know each other by their short names; a role's neighbours are looked at last.
        let neighbours = from.role().and_then(|r| r.path.parent()).map(|p| p.join(name));
        let in_collection = neighbours.clone().filter(|n| n.iter().any(|p| p == "ansible_collections"));
        tried.extend(in_collection);
        tried.push(directory.join("roles").join(name));
        tried.extend(options.roles_path.iter().map(|r| r.join(name)));
        tried.extend(neighbours);
        tried.push(directory.join(name));
        tried.extend(absolute(name));
        let tried = dedup(tried);
        tried.iter().find(|p| p.is_dir()).cloned().ok_or(tried)
    }

    /// Finds a playbook of a collection (`namespace.collection.name`).
    pub(super) fn collection_playbook(&self, name: &str, directory: &Path) -> Option<PathBuf> {
        let parts: Vec<&str> = name.split('.').collect();
        let [namespace, collection, playbook] = parts.as_slice() else { return None };
        let below = Path::new("ansible_collections").join(namespace).join(collection).join("playbooks");
        let own = directory.join("collections");
        let folders = std::iter::once(&own).chain(&self.loader.options.collections_path).map(|c| c.join(&below));
        folders
            .flat_map(|f| [f.join(format!("{playbook}.yml")), f.join(format!("{playbook}.yaml"))])
            .find(|f| f.is_file())
    }
}
