//! The files of a role: `meta`, `defaults`, `vars` and which file `main` is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::reader::{Reader, head};
use crate::playbook::keyword::Level;
use crate::playbook::keywords::find;
use crate::playbook::{Action, Diagnostic, Item, Keywords, Role, Scope, ScopeKind, Task, VarMap};
use crate::suggest::near;
use crate::yaml::{Node, Span, Value};

const ENDINGS: [&str; 4] = [".yml", ".yaml", ".json", ""];
const META_KEYS: &[&str] = &["dependencies", "allow_duplicates", "galaxy_info", "argument_specs", "collections"];
const VALIDATE: &str = crate::module::builtin::validate_argument_spec::NAME;

/// `meta/main.yml`.
#[derive(Default)]
pub(super) struct Meta {
    pub dependencies: Vec<Node>,
    pub allow_duplicates: bool,
    /// The specification of arguments by entry point.
    pub specs: Option<Node>,
}

impl Reader<'_> {
    /// Reads `meta/main.yml` and `meta/argument_specs.yml`.
    pub(super) fn role_meta(&mut self, role: &Path) -> Meta {
        let mut meta = Meta::default();
        if let Some(node) = find_file(&role.join("meta"), "main").and_then(|f| self.file(&f)) {
            self.meta_main(&node, &mut meta);
        }
        if let Some(node) = find_file(&role.join("meta"), "argument_specs").and_then(|f| self.file(&f)) {
            meta.specs = node.get("argument_specs").cloned();
        }
        meta
    }

    fn meta_main(&mut self, node: &Node, meta: &mut Meta) {
        if node.is_null() {
            return;
        }
        let Some(entries) = node.as_map() else {
            self.report(Diagnostic::error(
                &head(&node.span),
                format!("`meta/main.yml` is a mapping, not {}", node.value.kind()),
            ));
            return;
        };
        for (key, value) in entries {
            let name = key.key_text();
            match name.as_str() {
                "dependencies" => match &value.value {
                    Value::Seq(list) => meta.dependencies.clone_from(list),
                    Value::Null => {}
                    _ => {
                        let problem = Diagnostic::error(
                            &head(&value.span),
                            format!("`dependencies` is a list, not {}", value.describe()),
                        );
                        self.report(problem.help("write one `- role: NAME` for each"));
                    }
                },
                "allow_duplicates" => meta.allow_duplicates = self.flag(&name, value).unwrap_or(false),
                "argument_specs" => meta.specs = Some(value.clone()),
                _ if META_KEYS.contains(&name.as_str()) || find(&name, Level::Role).is_some() => {}
                _ => {
                    let help = near(&name, META_KEYS.iter().copied()).map(|n| format!("did you mean `{n}`?"));
                    let problem =
                        Diagnostic::error(&key.span, format!("`{name}` is not a key of a role's `meta/main.yml`"));
                    self.report(problem.label("unknown").maybe_help(help));
                }
            }
        }
    }

    /// Reads `defaults/` or `vars/`: `main.yml`, or all files of a folder `main/`.
    pub(super) fn role_vars(&mut self, role: &Path, folder: &str, from: Option<&str>, span: &Span) -> VarMap {
        let directory = role.join(folder);
        let main = from.unwrap_or("main");
        let mut files = Vec::new();
        match find_file(&directory, main) {
            Some(file) => files.push(file),
            None if directory.join(main).is_dir() => var_files(&directory.join(main), &mut files),
            None if from.is_some() => {
                let problem = Diagnostic::error(span, format!("the role has no file `{folder}/{main}`"));
                self.report(problem.help(format!("looked in `{}`", directory.display())));
            }
            None => {}
        }
        let mut vars = VarMap::new();
        for file in files {
            let Some(node) = self.file(&file) else { continue };
            if node.is_null() {
                continue;
            }
            if node.as_map().is_none() {
                let message = format!("a file of variables must be a mapping, this one is {}", node.value.kind());
                self.report(Diagnostic::error(&head(&node.span), message).help("write `name: value`"));
                continue;
            }
            vars.extend(self.vars(&node));
        }
        vars
    }

    /// Finds a file of a role's folder; one that was asked for by name must be there.
    pub(super) fn role_file(&mut self, role: &Role, folder: &str, name: &str, must: bool) -> Option<PathBuf> {
        let directory = role.path.join(folder);
        let found = find_file(&directory, name);
        if found.is_none() && must {
            let problem =
                Diagnostic::error(&role.span, format!("the role `{}` has no file `{folder}/{name}.yml`", role.name));
            let near = super::playbook::near_file(&directory.join(format!("{name}.yml")));
            let help =
                near.map_or_else(|| format!("looked in `{}`", directory.display()), |n| format!("did you mean `{n}`?"));
            self.report(problem.help(help));
        }
        found
    }

    /// The task that checks the role's arguments, where the role specifies them.
    pub(super) fn argument_check(&mut self, role: &Role, scope: &Arc<Scope>, meta: &Meta) -> Option<Item> {
        let spec = meta.specs.as_ref().filter(|_| role.validate)?.get(&role.entry)?;
        let span = spec.span.clone();
        if self.loader.modules.canonical(VALIDATE).is_none() {
            let message =
                format!("the arguments of the role `{}` are not checked against its specification", role.name);
            self.report(Diagnostic::warning(&head(&span), message));
            return None;
        }
        let text = |t: &str| Node::text(t, span.clone());
        let map = |entries: Vec<(&str, Node)>| {
            Node::new(Value::Map(entries.into_iter().map(|(k, v)| (text(k), v)).collect()), span.clone())
        };
        let params = role.params.iter().map(|(k, v)| (k.as_str(), v.as_ref().clone())).collect();
        let context = map(vec![
            ("type", text("role")),
            ("name", text(role.name.rsplit('.').next().unwrap_or(&role.name))),
            ("argument_spec_name", text(&role.entry)),
            (
                "path",
                text(&std::path::absolute(&role.path).unwrap_or_else(|_| role.path.clone()).display().to_string()),
            ),
        ]);
        let args = vec![
            (text("argument_spec"), spec.get("options").cloned().unwrap_or_else(|| map(Vec::new()))),
            (text("provided_arguments"), map(params)),
            (text("validate_args_context"), context),
        ];
        let mut title = format!("Validating arguments against arg spec '{}'", role.entry);
        if let Some(short) = spec.get("short_description").and_then(Node::as_str) {
            title = format!("{title} - {short}");
        }
        let keywords = Keywords { tags: vec![text("always")], ..Keywords::default() };
        let action = Action::Module {
            name: VALIDATE.to_owned(),
            written: VALIDATE.to_owned(),
            name_span: head(&span),
            args,
            free_form: None,
            template: None,
        };
        let scope = self.scope(ScopeKind::Task, keywords, scope);
        Some(Item::Task(Arc::new(Task::plain(text(&title), scope, action, span.clone()))))
    }
}

/// Finds `NAME` with one of the usual endings; a name that has one is taken as it is.
fn find_file(directory: &Path, name: &str) -> Option<PathBuf> {
    let exact = directory.join(name);
    if name != "main" && exact.is_file() {
        return Some(exact);
    }
    ENDINGS.iter().map(|ending| directory.join(format!("{name}{ending}"))).find(|f| f.is_file())
}

/// All files of variables in a folder and below, in order of their names.
fn var_files(directory: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if path.is_dir() {
            var_files(&path, files);
        } else if matches!(ending, "" | "yml" | "yaml" | "json") {
            files.push(path);
        }
    }
}
