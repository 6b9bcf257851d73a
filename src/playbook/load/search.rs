//! Where files, templates, tasks and roles are looked for.

use std::path::{Component, Path, PathBuf};
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

/// Says where a file was looked for.
pub(super) fn tried_text(tried: &[PathBuf]) -> String {
    let tried: Vec<String> = tried.iter().map(|t| format!("`{}`", t.display())).collect();
    format!("looked for {}", tried.join(", "))
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
        search(kind, name, from)
    }

    /// Lists the folders that are searched, innermost first (`ansible_search_path`).
    pub fn search_path(&self, from: &Scope) -> Vec<PathBuf> {
        bases(from)
    }
}

pub(super) fn search(kind: SearchKind, name: &str, from: &Scope) -> Result<PathBuf, NotFound> {
    let tried = search_list(kind.folder(), name, from);
    match tried.iter().find(|p| p.exists()) {
        Some(path) => Ok(path.clone()),
        None => Err(NotFound { name: name.to_owned(), tried }),
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

/// Each path once, without `./` and `folder/..`.
fn dedup(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut once: Vec<PathBuf> = Vec::new();
    for path in paths {
        let path = tidy(&path);
        if !once.contains(&path) {
            once.push(path);
        }
    }
    once
}

/// The path without `./` and `folder/..`.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(tidy.components().next_back(), Some(Component::Normal(_))) => {
                tidy.pop();
            }
            other => tidy.push(other),
        }
    }
    if tidy.as_os_str().is_empty() { PathBuf::from(".") } else { tidy }
}

impl Reader<'_> {
    /// Finds a file of tasks as Ansible does: by the folders the includes around name, innermost first, each time
    /// below the role or playbook and then in the playbook's own folder; where that finds nothing, also beside the
    /// file that names it.
    ///
    /// Source: `load_list_of_tasks` and `process_include_results` of ansible-core.
    pub(super) fn tasks_path(
        &self,
        name: &str,
        from: &Scope,
        is_handler: bool,
        is_import: bool,
    ) -> Result<PathBuf, Vec<PathBuf>> {
        let tried = match absolute(name) {
            Some(path) => vec![path],
            None => self.task_files(name, from, is_handler, is_import),
        };
        let tried = dedup(tried);
        tried.iter().find(|p| p.is_file()).cloned().ok_or(tried)
    }

    fn task_files(&self, name: &str, from: &Scope, is_handler: bool, is_import: bool) -> Vec<PathBuf> {
        let playbook = &self.play.directory;
        let folder = if is_handler { "handlers" } else { "tasks" };
        let role = from.role().map(|r| r.path.clone());
        let mut tried = Vec::new();
        let in_role: Vec<PathBuf> = role
            .iter()
            .flat_map(|r| [r.join(folder).join(name), r.join("tasks").join(name), r.join(name)])
            .chain(role.iter().flat_map(|_| [playbook.join(folder).join(name), playbook.join(name)]))
            .collect();
        for cumulative in cumulative_folders(from, is_import) {
            match &role {
                Some(role) => {
                    if !is_import {
                        tried.extend(in_role.clone());
                    }
                    let base = role.join(folder).join(cumulative);
                    tried.extend([base.join(folder).join(name), base.join(name)]);
                    tried.extend([playbook.join(folder).join(name), playbook.join(name)]);
                }
                None => tried.extend([playbook.join(cumulative).join(name), playbook.join(name)]),
            }
        }
        tried.extend(in_role);
        tried.push(playbook.join(name));
        let own = from.chain().take_while(|s| s.kind != ScopeKind::Play).map(|s| s.directory.join(name));
        tried.extend(own);
        tried
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

/// The folders that includes around name, put together from the innermost outwards.
fn cumulative_folders(from: &Scope, is_import: bool) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    let mut role: Option<&Path> = None;
    for scope in from.chain() {
        role = scope.role.as_ref().map(|r| r.path.as_path()).or(role);
        // A role's imports are read before anything around it is known.
        if is_import && scope.kind == ScopeKind::Role {
            break;
        }
        let folder = match (scope.kind, &scope.include_dir) {
            (_, Some(folder)) => folder.as_path(),
            (ScopeKind::Include | ScopeKind::Import, None) => role.unwrap_or(Path::new("")),
            _ => continue,
        };
        let cumulative = folders.last().map_or_else(|| folder.to_path_buf(), |inner| folder.join(inner));
        folders.push(cumulative);
    }
    folders
}
