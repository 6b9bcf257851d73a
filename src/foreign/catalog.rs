//! Finding modules that are not native, and entering them in the registry.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::{module::Made, workstation, workstation::Fault};
use crate::{
    connection::Payload,
    module::{Entry, Registry},
    playbook::{About, Sets},
};

/// A module as Ansible has found it.
#[derive(Clone, Debug, Deserialize)]
struct Found {
    name: String,
    path: PathBuf,
    /// The file of its action plugin, if it has one.
    action: Option<PathBuf>,
    /// Whether it is Python.
    python: bool,
}

/// What came of looking for a module.
type Sought = Result<Option<&'static Entry>, Fault>;

/// What was looked for already.
static SOUGHT: Mutex<Option<HashMap<String, Sought>>> = Mutex::new(None);

/// Those that nobody has had made yet.
static FOUND: Mutex<Vec<Arc<Source>>> = Mutex::new(Vec::new());

/// Modules whose action plugin on the workstation does nothing that the module does not do by itself on the host, as long as none of these
/// parameters is given: they name files of the workstation.
///
/// Source: the code of those action plugins in release 11 of the `ansible` package.
const ALONE: &[(&str, &[&str])] = &[
    ("amazon.aws.s3_object", &["src"]),
    ("kubernetes.core.helm", &[]),
    ("kubernetes.core.helm_info", &[]),
    ("kubernetes.core.helm_plugin", &[]),
    ("kubernetes.core.helm_plugin_info", &[]),
    ("kubernetes.core.helm_repository", &[]),
    ("kubernetes.core.k8s_cluster_info", &[]),
    ("kubernetes.core.k8s_exec", &[]),
    ("kubernetes.core.k8s_json_patch", &[]),
    ("kubernetes.core.k8s_log", &[]),
    ("kubernetes.core.k8s_rollback", &[]),
    ("kubernetes.core.k8s_scale", &["src"]),
    ("kubernetes.core.k8s_service", &["src"]),
];

/// What a module says of itself to those who read and run playbooks: nobody can know what it does.
const ABOUT: About = About { sets: Sets::Any, interpreted: true, ..About::PLAIN };

/// Finds a module by its name, short names in these collections too, as Ansible does. Enters it in the registry.
///
/// # Errors
/// [`Fault`]: Python may not be used, there is none, or the module is one that cannot run.
pub fn find(name: &str, collections: &[String]) -> Result<Option<&'static Entry>, Fault> {
    let key = format!("{name}\0{}", collections.join("\0"));
    remembered(key, || {
        let found: Option<Found> =
            workstation::ask("module", json!({ "name": name, "path": null, "collections": collections }))?;
        found.map(enter).transpose()
    })
}

/// Makes what hosts will be sent for the modules that were found, one after the other, while the run begins.
pub fn prepare() {
    let sources = std::mem::take(&mut *FOUND.lock().unwrap_or_else(PoisonError::into_inner));
    if !sources.is_empty() {
        // What is wrong is told where a task needs it.
        std::thread::spawn(move || sources.iter().for_each(|source| drop(source.built())));
    }
}

/// The entry of a module of people's own, by its file.
///
/// # Errors
/// [`Fault`], as [`find`] has them.
pub fn of_file(name: &str, file: &Path) -> Result<&'static Entry, Fault> {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let found = remembered(format!("\0{}", file.display()), || {
        let found: Option<Found> =
            workstation::ask("module", json!({ "name": name, "path": file, "collections": [] }))?;
        found.map(enter).transpose()
    })?;
    found.ok_or_else(|| Fault::Broken(format!("`{}` is no module", file.display())))
}

fn remembered(key: String, look: impl FnOnce() -> Sought) -> Sought {
    let known = |key: &str| SOUGHT.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.get(key).cloned();
    if let Some(known) = known(&key) {
        return known;
    }
    let found = look();
    let mut sought = SOUGHT.lock().unwrap_or_else(PoisonError::into_inner);
    sought.get_or_insert_default().insert(key, found.clone());
    found
}

fn enter(found: Found) -> Result<&'static Entry, Fault> {
    let alone = ALONE.iter().find(|(name, _)| *name == found.name).map(|(_, files)| *files);
    if let Some(action) = found.action.as_ref().filter(|_| alone.is_none()) {
        return Err(Fault::Refused(format!(
            "`{}` has an action plugin of Python for the workstation (`{}`): those do not run here",
            found.name,
            action.display()
        )));
    }
    if found.path.extension().is_some_and(|extension| extension == "ps1") {
        return Err(Fault::Refused(format!("`{}` is a module for Windows", found.name)));
    }
    let registry = Registry::get();
    // Two roles may each have a module of one name.
    let name = match registry.find(&found.name) {
        Some(known) if known.file == Some(&found.path) => return Ok(known),
        Some(_) => found.path.display().to_string(),
        None => found.name.clone(),
    };
    let (name, file): (&'static str, &'static Path) = (name.leak(), Box::leak(found.path.into_boxed_path()));
    let source = Arc::new(Source { name: found.name, python: found.python, file, built: Mutex::default() });
    FOUND.lock().unwrap_or_else(PoisonError::into_inner).push(source.clone());
    let made = Made { name, source, files: alone.unwrap_or_default() };
    Ok(registry.add(Entry::of_file(name, file, ABOUT, Box::new(made))))
}

/// A module's file, and what hosts are sent for it.
#[derive(Debug)]
pub(super) struct Source {
    /// The name that Ansible has for it.
    pub name: String,
    /// Whether it is Python.
    pub python: bool,
    file: &'static Path,
    built: Mutex<Option<Result<Built, Fault>>>,
}

/// What is sent for a module.
#[derive(Clone, Debug)]
pub(super) enum Built {
    /// Python, for the resident interpreter.
    Python(Arc<Payload>),
    /// A program that is run by itself, with a file of arguments.
    Script {
        /// Its content.
        content: Bytes,
        /// Whether its arguments are `name=value` words, not JSON.
        words: bool,
        /// Whether they stand in its text, in the place of a mark.
        inside: bool,
    },
}

#[derive(Deserialize)]
struct Answer {
    style: String,
    content: Option<String>,
    #[serde(default)]
    files: Vec<(String, String, Option<String>)>,
    #[serde(default)]
    module: String,
    profile: Option<String>,
    #[serde(default)]
    internal: Map<String, Json>,
}

/// Contents by checksum: the script tells each of them once.
static CONTENTS: Mutex<Option<HashMap<String, Bytes>>> = Mutex::new(None);

impl Source {
    /// Whether that is made.
    pub fn is_built(&self) -> bool {
        self.built.try_lock().is_ok_and(|built| built.is_some())
    }

    /// What is sent for it, made once.
    ///
    /// # Errors
    /// Ansible cannot make it, or it is none that can run.
    pub fn built(&self) -> Result<Built, Fault> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        built.get_or_insert_with(|| build(&self.name, self.file)).clone()
    }
}

fn build(name: &str, file: &Path) -> Result<Built, Fault> {
    let answer: Answer = workstation::ask("payload", json!({ "name": name, "path": file }))?;
    let broken = |what: &str| Fault::Broken(format!("the payload of `{name}` {what}"));
    let decode = |content: &str| STANDARD.decode(content).map(Bytes::from).map_err(|_| broken("cannot be read"));
    if let Some(content) = &answer.content {
        let (words, inside) = (answer.style == "old", answer.style == "json_args");
        return Ok(Built::Script { content: decode(content)?, words, inside });
    }
    let mut known = CONTENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    let mut contents = Vec::with_capacity(answer.files.len());
    let mut mark = Sha256::new();
    for (file, checksum, content) in &answer.files {
        if let Some(content) = content {
            known.insert(checksum.clone(), decode(content)?);
        }
        contents.push(known.get(checksum).cloned().ok_or_else(|| broken("lacks a file"))?);
        mark.update(format!("{file}\0{checksum}\0"));
    }
    let files: Vec<(String, String)> = answer.files.into_iter().map(|(name, mark, _)| (name, mark)).collect();
    let mark = mark.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let (module, profile, defaults) = (answer.module, answer.profile, answer.internal);
    Ok(Built::Python(Arc::new(Payload { mark, module, profile, files, contents, defaults })))
}
