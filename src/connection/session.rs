//! One host: its connection, the shells on it, and what they add up to.

use super::{
    context::Context,
    error::Error,
    reach::Stream,
    reached::{Reached, Stats},
    resident::{Interpreter, Resident},
    said::advice,
    shell::Shell,
    sudo::Become,
    target::Target,
};
use std::sync::Arc;

/// A host we are logged in to (or this machine): shells, transfers and tunnels start here.
pub struct Session {
    pub(crate) inner: Arc<Reached>,
}

impl Session {
    /// Goes to a host and logs in, where that is needed.
    pub async fn connect(target: &Target, context: &Context) -> Result<Session, Error> {
        let connection = target.reach.connect(context).await?;
        Ok(Session { inner: Arc::new(Reached::new(target, connection)) })
    }

    /// Opens a long-lived shell, as another user if wished.
    pub async fn shell(&self, wish: Option<&Become>) -> Result<Shell, Error> {
        Shell::open(Arc::clone(&self.inner), wish.cloned()).await
    }

    /// A resident Python, as another user if wished; it starts when it is first used.
    pub fn resident(&self, wish: Option<&Become>, interpreter: Interpreter) -> Resident {
        Resident::new(Arc::clone(&self.inner), wish.cloned(), interpreter)
    }

    /// As whom we are logged in on the host.
    pub fn user(&self) -> &str {
        self.inner.connection.user()
    }

    /// Tells whether this is the machine we run on.
    pub fn is_local(&self) -> bool {
        self.inner.local
    }

    /// Tells whether the connection is gone: then a new session is needed.
    pub fn is_closed(&self) -> bool {
        self.inner.is_lost()
    }

    /// What the user should know though it is no error.
    pub fn warnings(&self) -> Vec<String> {
        self.inner.connection.warnings()
    }

    /// Opens a connection from the host to somewhere.
    pub async fn tunnel(&self, to: &str, port: u16) -> Result<Box<dyn Stream>, Error> {
        self.inner.connection.forward(to, port).await
    }

    /// What it has cost so far.
    pub fn stats(&self) -> Stats {
        self.inner.counters.stats()
    }

    /// The error for a transfer, with what can be made of the host's words.
    pub(super) fn failed(&self, direction: &'static str, remote: &str, what: String, said: String) -> Error {
        let help = advice(&said)
            .or_else(|| said.contains("Permission denied").then_some("this user may not: `become: true` acts as root"));
        Error::Transfer {
            host: self.inner.name.clone(),
            direction,
            remote: remote.to_owned(),
            what,
            said,
            help: help.map(str::to_owned),
        }
    }

    /// Ends the shells and resident interpreters, which remove what they left on the host, and the connection.
    pub async fn close(self) {
        for state in self.inner.open_shells() {
            // One in the middle of a frame is not waited for: the end of its input ends it.
            if let Ok(mut state) = state.try_lock() {
                self.inner.end(&mut state).await;
            }
        }
        for state in self.inner.residents() {
            if let Ok(mut state) = state.try_lock() {
                state.end().await;
            }
        }
        self.inner.connection.close().await;
    }
}
