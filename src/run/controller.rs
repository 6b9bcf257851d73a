//! The workstation's side of a task: its files, templates and expressions.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::Run;
use crate::{
    module::{Controller, Failure, Folder, TemplateOptions},
    playbook::{Scope, SearchKind},
    template::{Context, Loader, TemplateError, Trust, Var},
    yaml::{Source, origin},
};

/// What one task on one host may see of the workstation.
pub struct TaskController {
    run: Arc<Run>,
    scope: Arc<Scope>,
    vars: Context,
    /// Whose words the parameters are that are evaluated again.
    trust: Trust,
}

impl TaskController {
    /// Returns the view from a task.
    pub fn new(run: Arc<Run>, scope: Arc<Scope>, vars: Context, trust: Trust) -> TaskController {
        TaskController { run, scope, vars, trust }
    }

    fn search(&self, folder: SearchKind, name: &str) -> Result<PathBuf, Failure> {
        self.run.loader.search(folder, name, &self.scope).map_err(|missing| {
            let places: Vec<_> = missing.tried.iter().map(|p| p.display().to_string()).collect();
            Failure::new(format!("`{name}` was not found"))
                .help(format!("looked for it at\n    {}", places.join("\n    ")))
        })
    }
}

fn failure(error: TemplateError) -> Failure {
    let place = error.span().map(|s| format!("{}: ", s.place())).unwrap_or_default();
    let mut failure = Failure::new(format!("{place}{error}"));
    failure.help = miette::Diagnostic::help(&error).map(|h| h.to_string());
    failure
}

fn source(path: &Path) -> Result<Arc<Source>, Failure> {
    if origin::was_written(path) {
        let message = format!("cannot render {}: {}", path.display(), origin::REFUSED);
        return Err(Failure::new(message).help(origin::REFUSED_HELP));
    }
    let text =
        std::fs::read_to_string(path).map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
    Ok(Arc::new(Source { name: path.display().to_string(), text }))
}

impl Controller for TaskController {
    fn verbosity(&self) -> i64 {
        i64::from(self.run.options.verbosity)
    }

    fn find(&self, folder: Folder, name: &str) -> Result<PathBuf, Failure> {
        let folder = match folder {
            Folder::Files => SearchKind::Files,
            Folder::Templates => SearchKind::Templates,
            Folder::Vars => SearchKind::Vars,
        };
        self.search(folder, name)
    }

    fn read(&self, path: &Path) -> Result<Arc<[u8]>, Failure> {
        std::fs::read(path).map(Into::into).map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))
    }

    fn render(&self, path: &Path, options: &TemplateOptions) -> Result<String, Failure> {
        let file = source(path)?;
        let (run, scope) = (self.run.clone(), self.scope.clone());
        let beside = path.parent().map(Path::to_owned);
        let loader: Loader = Arc::new(move |name: &str| {
            let beside = beside.as_ref().map(|d| d.join(name)).filter(|p| p.is_file());
            let found = match beside {
                Some(path) => path,
                None => run.loader.search(SearchKind::Templates, name, &scope).ok()?,
            };
            source(&found).ok()
        });
        let vars = self.vars.with(of_template(path));
        self.run.engine.render_file(&file, options, &loader, &vars).map_err(failure)
    }

    fn condition(&self, expression: &Json) -> Result<bool, Failure> {
        match expression {
            Json::String(text) => self.run.engine.condition_of(text, &self.trust, &self.vars).map_err(failure),
            Json::Array(_) | Json::Object(_) => Err(Failure::new(format!("{expression} is no condition"))
                .help("a condition is an expression, or true or false")),
            other => Ok(super::keyword::truth(other)),
        }
    }

    fn variable(&self, name: &str) -> Result<Option<Json>, Failure> {
        self.vars.variable(name).map_err(failure)
    }

    fn value(&self, expression: &str) -> Result<Option<Json>, Failure> {
        match self.run.engine.expression_of(expression, &self.trust, &self.vars) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_undefined() => Ok(None),
            Err(error) => Err(failure(error)),
        }
    }
}

/// What `template` tells a template of itself; `template_destpath` is not among it.
///
/// Source: <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/template_module.html>
fn of_template(path: &Path) -> IndexMap<String, Var> {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let time = |at: jiff::Zoned| at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let changed = std::fs::metadata(path).and_then(|found| found.modified()).ok();
    let changed = changed.and_then(|at| jiff::Zoned::try_from(at).ok()).map(time).unwrap_or_default();
    [
        ("template_path", path.display().to_string()),
        ("template_fullpath", whole),
        ("template_host", host.trim().to_owned()),
        ("template_mtime", changed),
        ("template_run_date", time(jiff::Zoned::now())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), Var::data(&Json::String(value))))
    .collect()
}
