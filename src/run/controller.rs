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
    vault,
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
    let (text, secret) = content(path)?;
    let text = String::from_utf8(text.to_vec())
        .map_err(|_| Failure::new(format!("cannot read {}: it is not UTF-8 text", path.display())))?;
    if secret {
        vault::conceal_content(&text);
    }
    Ok(Arc::new(Source { name: path.display().to_string(), text }))
}

/// The content of a file, decrypted if it is encrypted; whether it was.
fn content(path: &Path) -> Result<(zeroize::Zeroizing<Vec<u8>>, bool), Failure> {
    let bytes = std::fs::read(path).map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
    // What a host sent is not decrypted for it.
    if !vault::is_encrypted(&bytes) || origin::was_written(path) {
        return Ok((bytes.into(), false));
    }
    vault::open_file(&path.display().to_string(), bytes).map_err(|reason| {
        // These are Ansible's words, for playbooks that look at them.
        let message = match &reason {
            vault::VaultError::NoPassword { .. } => {
                format!("A vault password or secret must be specified to decrypt {}", path.display())
            }
            _ => format!("failed to decrypt `{}`: {reason}", path.display()),
        };
        let mut failure = Failure::new(message);
        failure.help = miette::Diagnostic::help(&reason).map(|h| h.to_string());
        failure
    })
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
        let (bytes, secret) = content(path)?;
        // What is no text is not shown as it is.
        if secret && let Ok(text) = std::str::from_utf8(&bytes) {
            vault::conceal_content(text);
        }
        Ok(bytes.as_slice().into())
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
        let vars = self.vars.with(of_template(path, self.run.options.managed.as_deref()));
        self.run.engine.render_file(&file, options, &loader, &vars).map_err(failure)
    }

    fn condition(&self, expression: &Json) -> Result<bool, Failure> {
        match expression {
            Json::String(text) => {
                let verdict = self.run.engine.condition_of(text, &self.trust, &self.vars);
                verdict.and_then(|verdict| self.run.decide(verdict)).map_err(failure)
            }
            // Nothing is wanted: that holds, as with Ansible.
            Json::Null => Ok(true),
            Json::Array(_) | Json::Object(_) => Err(Failure::new(format!("{expression} is no condition"))
                .help("a condition is an expression, or true or false")),
            other => Ok(super::keyword::truth(other)),
        }
    }

    fn native(&self) -> bool {
        self.run.options.native
    }

    fn variable(&self, name: &str) -> Result<Option<Json>, Failure> {
        self.vars.variable(name).map_err(failure)
    }

    fn value(&self, expression: &str) -> Result<Option<Json>, Failure> {
        // What is data is shown as it is.
        if !self.trust.holds(expression) {
            return Ok(Some(Json::String(expression.to_owned())));
        }
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
fn of_template(path: &Path, managed: Option<&str>) -> IndexMap<String, Var> {
    use std::os::unix::fs::MetadataExt as _;
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let time = |at: jiff::Zoned| at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let changed = std::fs::metadata(path).and_then(|found| found.modified()).ok();
    let changed = changed.and_then(|at| jiff::Zoned::try_from(at).ok());
    let managed = managed.map(|text| managed_by(text, path, host.trim(), changed.as_ref()));
    let named = managed.map(|text| ("ansible_managed", text));
    let changed = changed.map(time).unwrap_or_default();
    let owner = std::fs::metadata(path).map_or_else(|_| String::new(), |found| owner_name(found.uid()));
    [
        ("template_uid", owner),
        ("template_path", path.display().to_string()),
        ("template_fullpath", whole),
        ("template_host", host.trim().to_owned()),
        ("template_mtime", changed),
        ("template_run_date", time(jiff::Zoned::now())),
    ]
    .into_iter()
    .chain(named)
    .map(|(name, value)| (name.to_owned(), Var::data(&Json::String(value))))
    .collect()
}

/// `ansible_managed` as it is configured: names in braces, then the time of the template's last change.
fn managed_by(text: &str, path: &Path, host: &str, changed: Option<&jiff::Zoned>) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let owner = || std::fs::metadata(path).map_or_else(|_| String::new(), |found| owner_name(found.uid()));
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut named = text.replace("{host}", host).replace("{file}", &whole.display().to_string());
    if named.contains("{uid}") {
        named = named.replace("{uid}", &owner());
    }
    let formatted = changed.filter(|_| named.contains('%')).map(|at| jiff::fmt::strtime::format(&named, at));
    match formatted {
        Some(Ok(text)) => text,
        _ => named,
    }
}

/// The name of a user of this machine, or the number where it has none.
fn owner_name(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let is = |line: &&str| line.split(':').nth(2) == Some(uid.to_string().as_str());
    let name = users.lines().find(is).and_then(|line| line.split(':').next());
    name.map_or_else(|| uid.to_string(), str::to_owned)
}
