//! The list of plays, and `import_playbook`.

use std::path::Path;
use std::sync::Arc;

use super::reader::{Reader, folder, head};
use crate::playbook::keyword::Level;
use crate::playbook::{Diagnostic, Play, Playbook, Scope, ScopeKind, VarMap};
use crate::suggest::near;
use crate::template::of_playbook;
use crate::yaml::{Node, Value};

const IMPORT: &str = "import_playbook";

impl Reader<'_> {
    /// Reads a playbook file.
    pub(super) fn playbook(&mut self, path: &Path) -> Option<Playbook> {
        let plays = self.plays(path, None, &[])?;
        Some(Playbook { path: path.to_owned(), plays })
    }

    /// Reads the plays of a file. `outer` are the keywords of the imports around, `vars` their variables, innermost first.
    fn plays(&mut self, path: &Path, outer: Option<&Arc<Scope>>, vars: &[VarMap]) -> Option<Vec<Arc<Play>>> {
        let node = self.file(path)?;
        if node.is_null() {
            let problem = Diagnostic::without_place(format!("the playbook `{}` is empty", path.display()));
            self.report(problem.help("a playbook is a list of plays: `- hosts: all`"));
            return None;
        }
        let Value::Seq(entries) = &node.value else {
            let mut problem = Diagnostic::error(
                &head(&node.span),
                format!("a playbook is a list of plays, this file is {}", node.value.kind()),
            );
            problem.help = Some(match node.get("hosts").or_else(|| node.get("all")) {
                Some(_) if node.get("all").is_some() => "this looks like an inventory: give it with `-i`".into(),
                _ => "start each play with `- `: `- hosts: all`".into(),
            });
            self.report(problem);
            return None;
        };
        self.open_files.push(canonical(path));
        of_playbook(&canonical(&folder(path)));
        let mut plays = Vec::new();
        for entry in entries {
            let Some(fields) = entry.as_map() else {
                let problem = format!("a play is a mapping, not {}", entry.describe());
                self.report(
                    Diagnostic::error(&head(&entry.span), problem).help("a play begins with `- hosts: PATTERN`"),
                );
                continue;
            };
            let import = fields.iter().find(|(k, _)| is_import(k));
            match import {
                Some((_, file)) => plays.extend(self.import(path, entry, file, outer, vars)),
                None => plays.extend(self.play_entry(path, entry, outer, vars)),
            }
        }
        self.open_files.pop();
        if entries.is_empty() {
            self.report(
                Diagnostic::error(&head(&node.span), "A playbook must contain at least one play")
                    .help("add `- hosts: all`"),
            );
        }
        Some(plays)
    }

    /// Reads one entry that is no import.
    fn play_entry(
        &mut self,
        path: &Path,
        entry: &Node,
        outer: Option<&Arc<Scope>>,
        vars: &[VarMap],
    ) -> Option<Arc<Play>> {
        let fields = entry.as_map()?;
        if entry.get("hosts").is_none()
            && let Some((key, _)) = fields.iter().find(|(k, _)| self.looks_like_task(k))
        {
            let message =
                format!("'{}' is not a valid attribute for a Play: a task stands where a play must be", key.key_text());
            let problem = Diagnostic::error(&key.span, message);
            self.report(
                problem.label("a task").help(
                    "a playbook is a list of plays: write `- hosts: PATTERN` and put the tasks under its `tasks:`",
                ),
            );
            return None;
        }
        if let Some((key, _)) =
            fields.iter().find(|(k, _)| matches!(k.as_str(), Some("include" | "ansible.builtin.include")))
        {
            let problem = Diagnostic::error(&key.span, "`include` is gone from the language");
            self.report(problem.help("write `import_playbook: FILE`"));
            return None;
        }
        self.play(entry, &folder(path), outer, vars).map(Arc::new)
    }

    fn import(
        &mut self,
        path: &Path,
        entry: &Node,
        file: &Node,
        outer: Option<&Arc<Scope>>,
        vars: &[VarMap],
    ) -> Vec<Arc<Play>> {
        let fields: Vec<(Node, Node)> =
            entry.as_map().unwrap_or_default().iter().filter(|(k, _)| !is_import(k)).cloned().collect();
        let mut keywords = self.keywords(Level::ImportPlaybook, &fields);
        for (key, _) in &fields {
            self.import_keyword(key);
        }
        let directory = folder(path);
        let own_vars = keywords.vars.take().unwrap_or_default();
        let scope = Arc::new(Scope {
            kind: ScopeKind::ImportPlaybook,
            keywords,
            role: None,
            parent: outer.cloned(),
            directory: directory.clone().into(),
            include_dir: None,
        });
        let Some(name) = self.static_text(IMPORT, file, &scope, &own_vars) else { return Vec::new() };
        let mut target = self.collection_playbook(&name, &directory).unwrap_or_else(|| directory.join(&name));
        if !target.is_file() {
            let near = near_file(&target);
            let problem = Diagnostic::error(&file.span, format!("the playbook `{name}` is not there"))
                .missing()
                .label(format!("looked for `{}`", target.display()));
            let help = near.map_or_else(
                || "the path is relative to the playbook that imports it".to_owned(),
                |n| format!("did you mean `{n}`?"),
            );
            self.report(problem.help(help));
            return Vec::new();
        }
        if self.open_files.contains(&canonical(&target)) {
            let problem = Diagnostic::error(&file.span, format!("the playbook `{name}` imports itself"));
            self.report(problem.label("this closes the circle").help("remove one of the imports"));
            return Vec::new();
        }
        if let Ok(short) = target.strip_prefix("./") {
            target = short.to_owned();
        }
        let all: Vec<VarMap> = std::iter::once(own_vars).chain(vars.iter().cloned()).collect();
        self.plays(&target, Some(&scope), &all).unwrap_or_default()
    }

    /// What an import takes and does nothing with in Ansible is said to have no effect.
    fn import_keyword(&mut self, key: &Node) {
        let Some(name) = key.as_str() else { return };
        if matches!(name, "name" | "tags" | "vars" | "when") {
            return;
        }
        let problem = super::level::unknown(key, name, Level::ImportPlaybook);
        self.report(problem);
    }

    fn looks_like_task(&self, key: &Node) -> bool {
        key.as_str().is_some_and(|k| {
            crate::playbook::keywords::find(k, Level::Play).is_none()
                && (self.loader.modules.canonical(k).is_some()
                    || matches!(k, "block" | "include_tasks" | "import_tasks"))
        })
    }
}

fn is_import(key: &Node) -> bool {
    key.as_str().is_some_and(|k| k.strip_prefix("ansible.builtin.").unwrap_or(k) == IMPORT)
}

/// A path that is the same however a file is reached.
pub(super) fn canonical(path: &Path) -> std::path::PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// A file of the same folder with almost the same name.
pub(super) fn near_file(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let entries = std::fs::read_dir(folder(path)).ok()?;
    let names: Vec<String> = entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    near(name, names.iter().map(String::as_str))
        .or_else(|| names.iter().map(String::as_str).find(|n| stem(n) == stem(name)))
        .map(str::to_owned)
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}
