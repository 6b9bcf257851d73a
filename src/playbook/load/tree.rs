//! What a folder holds that can be looked through: playbooks, and roles whoever uses them.

use std::fs;
use std::path::{Path, PathBuf};

use super::Loader;
use super::reader::Reader;
use crate::playbook::Diagnostic;
use crate::yaml::{Node, Source, Span, Value};

/// Folders that hold no playbook: files of another form, what others wrote, and what tests need.
const NO_PLAYBOOKS: &[&str] = &[
    "collections",
    "defaults",
    "fixtures",
    "files",
    "group_vars",
    "handlers",
    "host_vars",
    "inventories",
    "library",
    "meta",
    "molecule",
    "node_modules",
    "target",
    "tasks",
    "templates",
    "tests",
    "vars",
    "venv",
];

/// Folders below each other that are looked through.
const DEPTH: usize = 12;

/// The playbooks and roles below a folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Files that are lists of plays, in the order of their names.
    pub playbooks: Vec<PathBuf>,
    /// Folders with the tasks or dependencies of a role.
    pub roles: Vec<PathBuf>,
}

impl Tree {
    /// Looks through a folder. Links to folders are not followed, and what begins with a dot is left out.
    pub fn of(folder: &Path) -> Tree {
        let mut tree = Tree::default();
        tree.look(folder, DEPTH);
        tree.playbooks.sort();
        tree.roles.sort();
        tree
    }

    fn look(&mut self, folder: &Path, depth: usize) {
        let is_role = ["tasks", "meta"].iter().any(|part| main_file(&folder.join(part)));
        if is_role {
            self.roles.push(folder.to_owned());
        }
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (name, Ok(kind)) = (entry.file_name(), entry.file_type()) else { continue };
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let path = entry.path();
            if kind.is_dir() {
                if depth > 0 && !NO_PLAYBOOKS.contains(&name) {
                    self.look(&path, depth - 1);
                }
            } else if (name.ends_with(".yml") || name.ends_with(".yaml")) && is_playbook(&path) {
                self.playbooks.push(path);
            }
        }
    }
}

fn main_file(folder: &Path) -> bool {
    ["main.yml", "main.yaml"].iter().any(|name| folder.join(name).is_file())
}

/// Whether the entries of a list are plays, as far as their first columns tell: a file with a slip in it is one all the same.
fn is_playbook(path: &Path) -> bool {
    let Ok(text) = fs::read_to_string(path) else { return false };
    let list = text
        .lines()
        .find(|line| !line.trim().is_empty() && !line.starts_with(['#', '-']))
        .is_none_or(|line| line.starts_with(' '));
    list && text.lines().any(|line| {
        let rest = line.strip_prefix("- ").or_else(|| line.strip_prefix("  ")).unwrap_or_default();
        ["hosts:", "import_playbook:", "ansible.builtin.import_playbook:"].iter().any(|key| rest.starts_with(key))
    })
}

impl Loader {
    /// Finds every mistake in roles, whoever uses them. What a role's arguments should be it cannot tell.
    pub fn lint_roles(&self, folder: &Path, roles: &[PathBuf]) -> Vec<Diagnostic> {
        let plays = folder.join("the roles of this folder");
        let source = Source::new(plays.display().to_string(), "");
        let span = Span::whole(&source);
        let text = |text: &str| Node::text(text, span.clone());
        // With a slash it is a path, not a name.
        let path = |role: &PathBuf| format!("./{}", role.strip_prefix(folder).unwrap_or(role).display());
        let list = roles.iter().map(|role| text(&path(role)));
        let list = Node::new(Value::Seq(list.collect()), span.clone());
        let play = Node::new(Value::Map(vec![(text("hosts"), text("all")), (text("roles"), list)]), span.clone());
        self.take(&plays, Node::new(Value::Seq(vec![play]), span.clone()));
        let mut reader = Reader::new(self, true);
        reader.playbook(&plays);
        let own = |found: &Diagnostic| found.span.as_ref().is_none_or(|at| at.source.name == source.name);
        reader.finish().into_iter().filter(|found| !own(found)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn playbooks_and_roles_are_known_by_what_is_in_them() {
        let top = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("site.yml", "---\n# all\n- name: x\n  hosts: all\n"),
            ("more/web.yaml", "- import_playbook: ../site.yml\n"),
            ("broken.yml", "- hosts: all\n  tasks: [\n"),
            ("hosts.yml", "all:\n  hosts:\n    a:\n"),
            ("data.yml", "- one\n"),
            ("group_vars/all.yml", "- hosts: all\n"),
            (".cache/site.yml", "- hosts: all\n"),
            ("roles/web/tasks/main.yml", "- ping:\n"),
            ("roles/web/tests/test.yml", "- hosts: all\n"),
            ("roles/base/meta/main.yaml", "dependencies: []\n"),
            ("roles/empty/files/x.yml", "- hosts: all\n"),
        ] {
            let path = top.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let below = |names: &[&str]| names.iter().map(|name| top.path().join(name)).collect::<Vec<_>>();
        let tree = Tree {
            playbooks: below(&["broken.yml", "more/web.yaml", "site.yml"]),
            roles: below(&["roles/base", "roles/web"]),
        };
        assert_eq!(Tree::of(top.path()), tree);
    }
}
