//! Being logged in.

use super::{
    client::{Client, Notes},
    config::Settings,
    known_hosts::HostKeyPolicy,
};
use russh::client::Handle;
use std::sync::Arc;

/// A connection that has let us in.
pub(crate) struct Connection {
    pub(crate) handle: Handle<Client>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) settings: Settings,
    /// Keeps the jump host's connection as long as ours.
    pub(super) _via: Option<Arc<Connection>>,
}

impl Connection {
    /// Why it may be another host than the one meant.
    pub(crate) fn doubt(&self) -> Option<String> {
        self.notes.doubt()
    }

    /// Things the user should know though they are no errors.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = self.settings.warnings.clone();
        if self.settings.rules.policy == HostKeyPolicy::Off {
            warnings.push(format!(
                "{}: host keys are not checked, so anybody between here and there can take part: \
                 use StrictHostKeyChecking=accept-new instead",
                self.settings.name
            ));
        }
        if let Some(doubt) = self.doubt() {
            warnings.push(format!("{doubt}; no password is sent to it"));
        }
        warnings
    }
}
