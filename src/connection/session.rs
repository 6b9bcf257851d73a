//! One host: its connection, the shells on it, and what they add up to.

use super::{
    context::Context,
    error::Error,
    process::{Process, Reading},
    reach::{Connection, Room, Stream},
    shell::{Shell, State},
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

/// A host we are logged in to (or this machine): shells, transfers and tunnels start here.
pub struct Session {
    pub(crate) inner: Arc<Inner>,
}

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

pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) shell: String,
    pub(crate) connection: Box<dyn Connection>,
    /// It is this machine itself.
    local: bool,
    pub(crate) counters: Counters,
    /// Scratch folders of shells that died without removing them, each with the user it belongs to.
    orphans: Mutex<Vec<(Option<String>, String)>>,
    shells: Mutex<Vec<Weak<tokio::sync::Mutex<State>>>>,
}

impl Session {
    /// Goes to a host and logs in, where that is needed.
    pub async fn connect(target: &Target, context: &Context) -> Result<Session, Error> {
        let connection = target.reach.connect(context).await?;
        Ok(Session {
            inner: Arc::new(Inner {
                name: target.name.clone(),
                shell: target.shell.clone(),
                connection,
                local: target.is_local(),
                counters: Counters::default(),
                orphans: Mutex::default(),
                shells: Mutex::default(),
            }),
        })
    }

    /// Opens a long-lived shell, as another user if wished.
    pub async fn shell(&self, wish: Option<&Become>) -> Result<Shell, Error> {
        Shell::open(Arc::clone(&self.inner), wish.cloned()).await
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
        let help = if said.contains("No space left") {
            Some("the file system is full: `df -h` and `df -i` on the host")
        } else if said.contains("Read-only") {
            Some("the file system is read-only: `findmnt -T` on the host")
        } else if said.contains("Permission denied") {
            Some("this user may not: `become: true` acts as root")
        } else {
            None
        };
        Error::Transfer {
            host: self.inner.name.clone(),
            direction,
            remote: remote.to_owned(),
            what,
            said,
            help: help.map(str::to_owned),
        }
    }

    /// Ends the shells, which remove what they left on the host, and the connection.
    pub async fn close(self) {
        for state in self.inner.open_shells() {
            // One in the middle of a frame is not waited for: the end of its input ends it.
            if let Ok(mut state) = state.try_lock() {
                state.end(&self.inner).await;
            }
        }
        self.inner.connection.close().await;
    }
}

impl Inner {
    pub(crate) fn register(&self, state: &Arc<tokio::sync::Mutex<State>>) {
        let mut shells = self.shells.lock().unwrap_or_else(PoisonError::into_inner);
        shells.retain(|shell| shell.strong_count() > 0);
        shells.push(Arc::downgrade(state));
    }

    fn open_shells(&self) -> Vec<Arc<tokio::sync::Mutex<State>>> {
        let shells = self.shells.lock().unwrap_or_else(PoisonError::into_inner);
        shells.iter().filter_map(Weak::upgrade).collect()
    }

    /// Notes a folder that its shell could not remove; the next shell of this user does.
    pub(crate) fn orphan(&self, user: Option<&Become>, scratch: String) {
        let user = user.map(|wish| wish.user.clone());
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner).push((user, scratch));
    }

    /// Hands out what a user's lost shells have left.
    pub(crate) fn take_orphans(&self, user: Option<&Become>) -> Vec<String> {
        let user = user.map(|wish| wish.user.as_str());
        let mut orphans = self.orphans.lock().unwrap_or_else(PoisonError::into_inner);
        let (mine, others) = orphans.drain(..).partition(|(owner, _)| owner.as_deref() == user);
        *orphans = others;
        Vec::into_iter(mine).map(|(_, scratch)| scratch).collect()
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

    async fn end_idle_shell(&self) -> bool {
        for state in self.open_shells() {
            if let Ok(mut state) = state.try_lock()
                && state.is_running()
            {
                state.end(self).await;
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

/// An idle shell makes room for what is to be started; it is started again when it is needed.
impl Room for Inner {
    fn make(&self) -> BoxFuture<'_, bool> {
        Box::pin(self.end_idle_shell())
    }
}
