//! What all connections of a run share.

use crate::ssh::{self, Prompter};
use std::{path::PathBuf, sync::Arc};

/// Keys that were read, answers to questions, jump hosts: one is enough for a run.
pub struct Context {
    pub(crate) ssh: ssh::Context,
}

impl Context {
    /// Makes the context of a run; more than one would ask for a passphrase more than once.
    pub fn new(prompter: Arc<dyn Prompter>) -> Self {
        Self { ssh: ssh::Context::new(prompter) }
    }

    /// Makes a context that takes another folder for the home folder (for `~/.ssh`).
    pub fn with_home(prompter: Arc<dyn Prompter>, home: PathBuf) -> Self {
        Self { ssh: ssh::Context::with_home(prompter, home) }
    }
}
