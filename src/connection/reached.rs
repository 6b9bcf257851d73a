//! A host that was reached: its connection, and what all that stands on it shares.

use super::{
    error::Error,
    process::{Process, Reading},
    reach::{Connection, Room},
    resident,
    running::{Orphan, State},
    sudo::{Become, Change},
    target::Target,
};
use crate::{sh::quote, ssh::script};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicU64, Ordering},
};

/// What a session has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// How often something was sent and its answer waited for: frames and transfers.
    pub round_trips: u64,
    /// Bytes of scripts and contents sent.
    pub bytes_up: u64,
    /// Bytes of output and contents received.
    pub bytes_down: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) round_trips: AtomicU64,
    pub(crate) up: AtomicU64,
    pub(crate) down: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats { round_trips: read(&self.round_trips), bytes_up: read(&self.up), bytes_down: read(&self.down) }
    }
}

/// A host that was reached, with what its shells and transfers share.
pub(crate) struct Reached {
    pub(crate) name: String,
    pub(crate) shell: String,
    pub(crate) connection: Box<dyn Connection>,
    /// It is this machine itself.
    pub(super) local: bool,
    pub(crate) counters: Counters,
    /// What shells that died have left; the next shell of the same user removes it.
    orphans: Mutex<Vec<Orphan>>,
    shells: Mutex<Vec<Weak<tokio::sync::Mutex<State>>>>,
    residents: Mutex<Vec<Weak<tokio::sync::Mutex<resident::State>>>>,
}

impl Reached {
    pub(super) fn new(target: &Target, connection: Box<dyn Connection>) -> Self {
        Self {
            name: target.name.clone(),
            shell: target.shell.clone(),
            connection,
            local: target.is_local(),
            counters: Counters::default(),
            orphans: Mutex::default(),
            shells: Mutex::default(),
            residents: Mutex::default(),
        }
    }

    pub(crate) fn register(&self, state: &Arc<tokio::sync::Mutex<State>>) {
        let mut shells = self.shells.lock().unwrap_or_else(PoisonError::into_inner);
        shells.retain(|shell| shell.strong_count() > 0);
        shells.push(Arc::downgrade(state));
    }

    pub(super) fn open_shells(&self) -> Vec<Arc<tokio::sync::Mutex<State>>> {
        let shells = self.shells.lock().unwrap_or_else(PoisonError::into_inner);
        shells.iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn register_resident(&self, state: &Arc<tokio::sync::Mutex<resident::State>>) {
        let mut residents = self.residents.lock().unwrap_or_else(PoisonError::into_inner);
        residents.retain(|resident| resident.strong_count() > 0);
        residents.push(Arc::downgrade(state));
    }

    pub(super) fn residents(&self) -> Vec<Arc<tokio::sync::Mutex<resident::State>>> {
        let residents = self.residents.lock().unwrap_or_else(PoisonError::into_inner);
        residents.iter().filter_map(Weak::upgrade).collect()
    }

    /// Ends a shell.
    pub(super) async fn end(&self, state: &mut State) {
        self.adopt(state.end().await);
    }

    /// Notes a folder that its shell could not remove; the next shell of this user does.
    pub(super) fn adopt(&self, orphan: Option<Orphan>) {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner).extend(orphan);
    }

    /// Hands out what a user's lost shells have left.
    pub(crate) fn take_orphans(&self, user: Option<&Become>) -> Vec<String> {
        let user = user.map(|wish| wish.user.as_str());
        let mut orphans = self.orphans.lock().unwrap_or_else(PoisonError::into_inner);
        let (mine, others) = orphans.drain(..).partition(|orphan| orphan.owner.as_deref() == user);
        *orphans = others;
        Vec::into_iter(mine).map(|orphan| orphan.folder).collect()
    }

    /// Leaves out a change of user that changes nothing.
    pub(crate) fn needed<'a>(&self, wish: Option<&'a Become>) -> Option<&'a Become> {
        wish.filter(|wish| wish.user != self.connection.user())
    }

    /// Starts `script` in the host's shell, as another user if wished; gives back what was said after that change.
    pub(crate) async fn start(
        &self,
        wish: Option<&Become>,
        script: &str,
        reading: Reading,
    ) -> Result<(Process, Bytes), Error> {
        let Some(wish) = self.needed(wish) else {
            let request = script::exec_request(&self.shell, script);
            return Ok((self.run(&request, reading).await?, Bytes::new()));
        };
        let change = Change::new(&self.name, wish, self.connection.doubt());
        let inner = if script.is_empty() { format!("exec {}", quote(&self.shell)) } else { script.to_owned() };
        let request = script::exec_request("/bin/sh", &change.script(&self.shell, &inner)?);
        let mut process = self.run(&request, reading).await?;
        Counters::add(&self.counters.round_trips, 1);
        let rest = change.converse(&mut process).await?;
        Ok((process, rest))
    }

    async fn run(&self, request: &str, reading: Reading) -> Result<Process, Error> {
        self.connection.start(request, reading, self).await
    }

    async fn end_idle(&self) -> bool {
        for state in self.residents() {
            if let Ok(mut state) = state.try_lock()
                && state.end().await
            {
                return true;
            }
        }
        for state in self.open_shells() {
            if let Ok(mut state) = state.try_lock()
                && state.is_running()
            {
                self.end(&mut state).await;
                return true;
            }
        }
        false
    }

    /// The error for a connection that is gone.
    pub(crate) fn lost(&self) -> Error {
        Error::Lost { host: self.name.clone(), reason: self.connection.last_words() }
    }

    /// Tells whether the connection itself is gone.
    pub(crate) fn is_lost(&self) -> bool {
        self.connection.is_closed()
    }
}

/// An idle shell or resident Python makes room for what is to be started; it is started again when it is needed.
impl Room for Reached {
    fn make(&self) -> BoxFuture<'_, bool> {
        Box::pin(self.end_idle())
    }
}
