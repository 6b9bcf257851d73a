//! From files to the typed tree, with every mistake found on the way.

mod action;
mod arguments;
mod groups;
mod include;
mod items;
mod level;
mod loops;
mod notify;
mod play;
mod playbook;
mod reader;
mod role;
mod role_files;
mod search;
mod statics;
mod task;
mod templates;
mod tree;
mod values;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use level::is_variable_name;
use reader::Reader;
pub use search::{NotFound, SearchKind};
pub use tree::Tree;

use super::{Diagnostic, IncludeRole, Item, ModuleNames, Playbook, PlaybookError, Role, Task, VarMap};
use crate::template::Engine;
use crate::yaml::{Node, YamlError};

/// What loading needs to know besides the files.
#[derive(Clone, Default)]
pub struct Options {
    /// `--extra-vars`: the only variables, with those of the playbook itself, that names of static imports may use.
    pub extra_vars: VarMap,
    /// Folders to look for roles in, after the playbook's own `roles/`.
    pub roles_path: Vec<PathBuf>,
    /// Folders that hold `ansible_collections/`, after the playbook's own `collections/`.
    pub collections_path: Vec<PathBuf>,
    /// Whether a notification that nobody hears is warned of alone: `error_on_missing_handler` set to false.
    pub unheard: bool,
    /// Whether the content of encrypted files may stay unknown where no password was given.
    pub sealed: bool,
}

/// Reads playbooks, and what they include while they run.
pub struct Loader {
    pub(in crate::playbook) modules: Arc<dyn ModuleNames>,
    options: Options,
    pub(super) engine: Engine,
    files: Mutex<HashMap<PathBuf, Arc<Node>>>,
    libraries: Mutex<HashMap<PathBuf, Arc<Library>>>,
    groups: groups::Groups,
}

/// What a dynamic `include_role` brings in.
#[derive(Debug)]
pub struct IncludedRole {
    /// The role; `public` says whether the rest of the play sees its variables.
    pub role: Arc<Role>,
    /// One block for the role, dependencies first inside it.
    pub items: Vec<Item>,
    /// The role's handlers and those of its dependencies, to be added behind the play's.
    pub handlers: Vec<Item>,
}

impl Loader {
    /// Makes a loader that knows the given modules.
    pub fn new(modules: Arc<dyn ModuleNames>, options: Options) -> Self {
        Self {
            modules,
            options,
            engine: Engine::new(),
            files: Mutex::default(),
            libraries: Mutex::default(),
            groups: groups::Groups::default(),
        }
    }

    /// Loads a playbook. Warnings that do not stop the run come with it.
    ///
    /// # Errors
    /// When anything is wrong in it: the error lists everything that was found, in all files.
    pub fn load(&self, path: &Path) -> Result<(Playbook, Vec<Diagnostic>), PlaybookError> {
        let mut reader = Reader::new(self, false);
        let playbook = reader.playbook(path);
        let diagnostics = reader.finish();
        match playbook {
            Some(playbook) if !diagnostics.iter().any(Diagnostic::is_error) => Ok((playbook, diagnostics)),
            _ => Err(PlaybookError { diagnostics }),
        }
    }

    /// Finds every mistake in playbooks and in all files they lead to.
    pub fn lint(&self, paths: &[PathBuf]) -> Vec<Diagnostic> {
        let mut found: Vec<Diagnostic> = Vec::new();
        for path in paths {
            let mut reader = Reader::new(self, true);
            reader.playbook(path);
            for diagnostic in reader.finish() {
                if !found.iter().any(|f| f.same_as(&diagnostic)) {
                    found.push(diagnostic);
                }
            }
        }
        found
    }

    /// Reads the tasks of an `include_tasks` whose path has been rendered.
    ///
    /// # Errors
    /// When the file is not found or something is wrong in it.
    pub fn include_tasks(&self, path: &str, from: &Task) -> Result<Vec<Item>, PlaybookError> {
        let mut reader = Reader::resume(self, from);
        let items = reader.dynamic_tasks(path, from);
        reader.done(items)
    }

    /// Reads a task whose module's name has been rendered; `task` is as [`super::IncludeKind::Action`] has it.
    ///
    /// # Errors
    /// When there is no such module or something is wrong in the task.
    pub fn named_action(&self, module: &str, task: &Node, from: &Task) -> Result<Vec<Item>, PlaybookError> {
        let mut reader = Reader::resume(self, from);
        let items = reader.named_action(module, task, from);
        reader.done(items)
    }

    /// Reads the role of an `include_role` whose parameters have been rendered.
    ///
    /// `item` tells the items of a loop apart: each is a use of its own.
    ///
    /// # Errors
    /// When the role is not found or something is wrong in it.
    pub fn include_role(
        &self,
        include: &IncludeRole,
        from: &Task,
        item: Option<&str>,
    ) -> Result<IncludedRole, PlaybookError> {
        let mut reader = Reader::resume(self, from);
        let included = reader.dynamic_role(include, from, item);
        reader.done(included)
    }

    /// The modules in a folder `library/`, by name; a folder below it holds some, too.
    fn library(&self, folder: &Path) -> Arc<Library> {
        let mut libraries = self.libraries.lock().unwrap_or_else(PoisonError::into_inner);
        libraries.entry(folder.to_owned()).or_insert_with(|| Arc::new(modules_in(folder, 0))).clone()
    }

    /// Takes a tree for the content of a file that is not there.
    pub(super) fn take(&self, path: &Path, node: Node) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), Arc::new(node));
    }

    /// Reads a file once; the same tree is returned when it is asked for again.
    pub(super) fn file(&self, path: &Path) -> Result<Arc<Node>, YamlError> {
        use crate::yaml::origin;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = files.get(path) {
            return Ok(known.clone());
        }
        if origin::was_written(path) {
            let reason = std::io::Error::other(origin::REFUSED);
            return Err(YamlError::Read { path: path.to_owned(), reason, help: Some(origin::REFUSED_HELP.to_owned()) });
        }
        let node = Arc::new(crate::yaml::load(path)?);
        files.insert(path.to_owned(), node.clone());
        Ok(node)
    }
}

/// Files of modules by the modules' names.
type Library = HashMap<String, PathBuf>;

/// The modules in a folder, and those in folders below.
fn modules_in(folder: &Path, depth: usize) -> Library {
    /// A link to a folder above must not lead round and round.
    const DEEPEST: usize = 5;
    /// What Ansible takes for no module.
    const NEVER: [&str; 9] = ["pyc", "pyo", "swp", "bak", "~", "rpm", "md", "txt", "rst"];
    let mut library = Library::new();
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        if path.is_dir() {
            if depth < DEEPEST {
                modules_in(&path, depth + 1)
                    .into_iter()
                    .for_each(|(name, file)| _ = library.entry(name).or_insert(file));
            }
        } else if !NEVER.contains(&extension) && !name.starts_with(['.', '_']) && name != "__init__" {
            library.insert(name.to_owned(), path.clone());
        }
    }
    library
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader").finish_non_exhaustive()
    }
}
