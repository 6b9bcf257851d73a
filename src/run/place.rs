//! The magic variables that tell of a task's place: its role, those that include it, those of its play, where files are looked for.

use std::{path::Path, sync::Arc};

use serde_json::{Value as Json, json};

use crate::{
    module::local::absolute,
    playbook::{Play, Role, Scope, ScopeKind},
};

/// `ansible_search_path`: the roles around, the nearest first, the folder of the task's file and the playbook's.
pub fn search_path(scope: &Scope, playbook: &Path) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let roles = scope.roles().into_iter().rev().map(|role| absolute(&role.path));
    for path in roles.chain([absolute(&scope.directory), absolute(playbook)]) {
        if !found.contains(&path) {
            found.push(path);
        }
    }
    found
}

/// What a task of a role is told of it.
pub fn of_role(name: &str, role: &Role) -> Json {
    let parts: Vec<&str> = role.name.rsplitn(2, '.').collect();
    match (name, parts.as_slice()) {
        ("role_path", _) => json!(absolute(&role.path)),
        ("ansible_collection_name", [_, collection]) => json!(collection),
        ("ansible_collection_name", _) => Json::Null,
        ("role_name", [short, ..]) => json!(short),
        _ => json!(role.name),
    }
}

/// The roles that include or import the one at hand, the nearest first; nothing where none does. Who depends on it does not count.
pub fn of_including(name: &str, scope: &Scope) -> Option<Json> {
    let (mut own, mut included) = (true, false);
    let mut found: Vec<&Arc<Role>> = Vec::new();
    for level in scope.chain() {
        included |= matches!(level.kind, ScopeKind::Import | ScopeKind::Include);
        let Some(role) = &level.role else { continue };
        if !own && included {
            found.push(role);
        }
        (own, included) = (false, false);
    }
    let value = match name {
        "ansible_parent_role_names" => json!(found.iter().map(|role| role.name.as_str()).collect::<Vec<_>>()),
        _ => json!(found.iter().map(|role| absolute(&role.path)).collect::<Vec<_>>()),
    };
    (!found.is_empty()).then_some(value)
}

/// The names of the play's roles: those that it names or has `included` so far, those that these depend on, or both.
pub fn role_names(name: &str, play: &Play, included: &[Arc<Role>]) -> Json {
    let roles = || play.exports.iter().chain(included);
    let dependent: Vec<&Arc<Role>> = roles().flat_map(|role| role.all_dependencies()).collect();
    let depended: Vec<*const Role> = dependent.iter().map(|role| Arc::as_ptr(role)).collect();
    let direct: Vec<&Arc<Role>> = roles().filter(|role| !depended.contains(&Arc::as_ptr(role))).collect();
    let once = |roles: &[&Arc<Role>]| {
        let mut names: Vec<String> = Vec::new();
        for role in roles {
            if !names.contains(&role.name) {
                names.push(role.name.clone());
            }
        }
        names
    };
    match name {
        "ansible_dependent_role_names" => json!(once(&dependent)),
        "ansible_role_names" => json!(once(&[dependent, direct].concat())),
        _ => json!(direct.iter().map(|role| role.name.as_str()).collect::<Vec<_>>()),
    }
}

/// `ansible_playbook_python`: there is none that runs this; the workstation's own is what playbooks want of it.
pub fn python() -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("python3")).find(|python| python.is_file());
    found.map_or_else(|| "/usr/bin/python3".to_owned(), |python| python.display().to_string())
}
