//! What all connections of a run share.

use super::{
    account,
    connection::Connection,
    keys::{KeyFile, Useless},
    prompter::{Asker, Prompter},
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// What all connections of a run share: key files, answers to questions, jump hosts.
pub struct Context {
    pub(crate) home: PathBuf,
    pub(crate) asker: Asker,
    keys: Mutex<HashMap<PathBuf, Result<Arc<KeyFile>, Useless>>>,
    pub(crate) jumps: Jumps,
}

impl Context {
    /// Makes the context of a run; one is enough, and more would ask for a passphrase more than once.
    pub fn new(prompter: Arc<dyn Prompter>) -> Self {
        Self::with_home(prompter, account::home())
    }

    /// Makes a context that takes another folder for the home folder (for `~/.ssh`).
    pub fn with_home(prompter: Arc<dyn Prompter>, home: PathBuf) -> Self {
        Self { home, asker: Asker::new(prompter), keys: Mutex::default(), jumps: Jumps::default() }
    }

    /// Reads a key file the first time it is asked for.
    pub(crate) fn key_file(&self, path: &Path) -> Result<Arc<KeyFile>, Useless> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.entry(path.to_owned()).or_insert_with(|| KeyFile::read(path).map(Arc::new)).clone()
    }
}

/// The connections to jump hosts that are open, by the way that leads to them.
///
/// Fifty hosts behind one jump host would else log in there fifty times at once, which `MaxStartups` does not allow.
#[derive(Default)]
pub(crate) struct Jumps(Mutex<HashMap<String, Jump>>);

/// Whoever comes second waits here for the first one's connection.
pub(crate) type Jump = Arc<tokio::sync::Mutex<Weak<Connection>>>;

impl Jumps {
    /// The place for the connection at the end of a way.
    pub(crate) fn place(&self, way: String) -> Jump {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(way).or_default())
    }
}
