//! One host: its connection, the channels on it, and what they add up to.

use super::{
    config::{Target, login_name},
    connect::{Connection, Context},
    error::SshError,
    process::{Process, Reading},
    script,
    shell::{Shell, State},
    sudo::{Become, Change},
};
use crate::sh::quote;
use bytes::Bytes;
use russh::{Channel, ChannelOpenFailure, Disconnect, client::Msg};
use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

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

pub(crate) enum Reach {
    Local,
    Ssh(Box<Connection>),
}

pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) shell: String,
    /// As whom we are logged in.
    user: String,
    pub(crate) reach: Reach,
    pub(crate) counters: Counters,
    /// Scratch folders of shells that died without removing them, each with the user it belongs to.
    orphans: Mutex<Vec<(Option<String>, String)>>,
    shells: Mutex<Vec<Weak<tokio::sync::Mutex<State>>>>,
    /// Only one channel is being opened at a time, so that making room for it is not undone by another.
    opening: tokio::sync::Mutex<()>,
    slots: Arc<Slots>,
}

/// The session channels that are open.
#[derive(Default)]
pub(crate) struct Slots {
    open: AtomicUsize,
    freed: Notify,
}

/// Stands for one open channel.
pub(crate) struct Slot(Arc<Slots>);

impl Slot {
    fn take(slots: &Arc<Slots>) -> Self {
        slots.open.fetch_add(1, Ordering::SeqCst);
        Slot(Arc::clone(slots))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        self.0.freed.notify_waiters();
    }
}

impl Session {
    /// Connects to a host and logs in. A local target needs neither.
    pub async fn connect(target: &Target, context: &Context) -> Result<Session, SshError> {
        let (user, reach) = if target.local {
            (login_name(), Reach::Local)
        } else {
            let connection = Connection::open(target, context).await?;
            (connection.settings.user.clone(), Reach::Ssh(Box::new(connection)))
        };
        Ok(Session {
            inner: Arc::new(Inner {
                name: target.name.clone(),
                shell: target.shell.clone(),
                user,
                reach,
                counters: Counters::default(),
                orphans: Mutex::default(),
                shells: Mutex::default(),
                opening: tokio::sync::Mutex::default(),
                slots: Arc::default(),
            }),
        })
    }

    /// Opens a long-lived shell, as another user if wished.
    pub async fn shell(&self, wish: Option<&Become>) -> Result<Shell, SshError> {
        Shell::open(Arc::clone(&self.inner), wish.cloned()).await
    }

    /// The login name on the host.
    pub fn user(&self) -> &str {
        &self.inner.user
    }

    /// Tells whether this is the machine we run on.
    pub fn is_local(&self) -> bool {
        matches!(self.inner.reach, Reach::Local)
    }

    /// Tells whether the connection is gone: then a new session is needed.
    pub fn is_closed(&self) -> bool {
        match &self.inner.reach {
            Reach::Local => false,
            Reach::Ssh(connection) => connection.handle.is_closed(),
        }
    }

    /// What the user should know though it is no error.
    pub fn warnings(&self) -> Vec<String> {
        match &self.inner.reach {
            Reach::Local => Vec::new(),
            Reach::Ssh(connection) => connection.warnings(),
        }
    }

    /// What it has cost so far.
    pub fn stats(&self) -> Stats {
        self.inner.counters.stats()
    }

    /// Ends the shells, which remove what they left on the host, and the connection.
    pub async fn close(self) {
        for state in self.inner.open_shells() {
            // One in the middle of a frame is not waited for: the end of its input ends it.
            if let Ok(mut state) = state.try_lock() {
                state.end(&self.inner).await;
            }
        }
        if let Reach::Ssh(connection) = &self.inner.reach {
            let _ = connection.handle.disconnect(Disconnect::ByApplication, "", "en").await;
        }
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
        wish.filter(|wish| wish.user != self.user)
    }

    /// Starts `script` in the host's shell, as another user if wished; gives back what was said after that change.
    pub(crate) async fn start(
        &self,
        wish: Option<&Become>,
        script: &str,
        reading: Reading,
    ) -> Result<(Process, Bytes), SshError> {
        let Some(wish) = self.needed(wish) else {
            let request = script::exec_request(&self.shell, script);
            return Ok((self.run(&request, reading).await?, Bytes::new()));
        };
        let change = Change::new(&self.name, wish, self.doubt());
        let inner = if script.is_empty() { format!("exec {}", quote(&self.shell)) } else { script.to_owned() };
        let request = script::exec_request("/bin/sh", &change.script(&self.shell, &inner)?);
        let mut process = self.run(&request, reading).await?;
        Counters::add(&self.counters.round_trips, 1);
        let rest = change.converse(&mut process).await?;
        Ok((process, rest))
    }

    async fn run(&self, request: &str, reading: Reading) -> Result<Process, SshError> {
        let Reach::Ssh(connection) = &self.reach else {
            return Process::spawn(request, reading).map_err(|source| SshError::Local {
                host: self.name.clone(),
                program: "/bin/sh".into(),
                source,
            });
        };
        let (channel, slot) = self.open_channel(connection).await?;
        let sent = channel.exec(true, request).await;
        let (read, write) = channel.split();
        let process = Process::on_channel(read, write, reading, slot);
        sent.map_err(|_| self.lost())?;
        Ok(process)
    }

    /// Opens a session channel. Where the server allows no more of them (`MaxSessions`), an idle shell makes room; it is
    /// started again when it is needed.
    async fn open_channel(&self, connection: &Connection) -> Result<(Channel<Msg>, Slot), SshError> {
        let _turn = self.opening.lock().await;
        let mut refusals_alone = 0;
        loop {
            // Asked for before the attempt, so that a slot freed meanwhile is not missed.
            let freed = self.slots.freed.notified();
            let reason = match connection.handle.channel_open_session().await {
                Ok(channel) => return Ok((channel, Slot::take(&self.slots))),
                Err(russh::Error::ChannelOpenFailure(reason)) => reason,
                Err(_) => return Err(self.lost()),
            };
            if self.end_idle_shell().await {
                continue;
            }
            if self.slots.open.load(Ordering::SeqCst) == 0 {
                // The server may take a moment to forget a channel that we saw closed.
                refusals_alone += 1;
                if refusals_alone > 20 {
                    return Err(SshError::ChannelRefused { host: self.name.clone(), reason: refusal(&reason) });
                }
            }
            // Whoever uses the others will be done some time; a shell that turns idle does not tell.
            let _ = tokio::time::timeout(Duration::from_millis(100), freed).await;
        }
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

    /// Why nobody knows whether it is the right host, if its key was not checked.
    fn doubt(&self) -> Option<String> {
        match &self.reach {
            Reach::Local => None,
            Reach::Ssh(connection) => connection.doubt(),
        }
    }

    /// The error for a connection that is gone.
    pub(crate) fn lost(&self) -> SshError {
        let reason = match &self.reach {
            Reach::Local => String::new(),
            Reach::Ssh(connection) => connection.notes.said(),
        };
        SshError::Lost { host: self.name.clone(), reason }
    }

    /// Tells whether the connection itself is gone.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(&self.reach, Reach::Ssh(connection) if connection.handle.is_closed())
    }
}

fn refusal(reason: &ChannelOpenFailure) -> String {
    match reason {
        ChannelOpenFailure::AdministrativelyProhibited => "it is forbidden".into(),
        ChannelOpenFailure::ConnectFailed => "no session is left (MaxSessions)".into(),
        ChannelOpenFailure::ResourceShortage => "it is out of resources".into(),
        other => format!("{other:?}"),
    }
}
