//! Files of this machine whose content came from a host in this run: what they say is data.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The files, by their whole paths. One process is one run.
static WRITTEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Notes that a task wrote this file, if it is one.
pub fn note_written(path: &Path) {
    if let Ok(path) = fs::canonicalize(path)
        && path.is_file()
    {
        WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).insert(path);
    }
}

/// Whether a task of this run wrote the file.
pub fn was_written(path: &Path) -> bool {
    let written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    !written.is_empty() && fs::canonicalize(path).is_ok_and(|path| written.contains(&path))
}

/// What to say of such a file where a template or tasks are needed.
pub const REFUSED: &str = "a task of this run wrote it: what a host says is neither a template nor a playbook";

/// What to do about it.
pub const REFUSED_HELP: &str = "read it as data: with `include_vars`, `lookup('file', …)` or `slurp`";
