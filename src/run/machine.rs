//! A machine that is acted on: its connection, a shell per user, what is known of it, and one frame at a time.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex as SyncMutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

mod calls;

use super::lock::{self, Holder, Opened};
use crate::{
    connection::{
        Become, Context, Error, Interpreter, Output, Resident, Segment, Session, Shell, Target, Upload, UploadSource,
    },
    fact::{Answer, Batch, Probe, Reply, Resource, State, batch},
    inventory::name::address,
};

/// Who acts on a machine: the login user, or the one that `become` makes of it.
pub type Actor = Option<Arc<Become>>;

/// Why a machine could not be used.
#[derive(Clone, Debug)]
pub enum MachineError {
    /// The connection failed or was lost. The text is for the user.
    Unreachable(String),
    /// Another run holds the host.
    Locked(Holder),
    /// `become` or the shell did not work: the task fails, the host is there.
    Refused(String),
}

impl MachineError {
    /// What is said of it.
    pub fn text(self) -> String {
        match self {
            MachineError::Unreachable(text) | MachineError::Refused(text) => text,
            MachineError::Locked(holder) => holder.told,
        }
    }
}

/// What a run owes the other runs on a machine.
#[derive(Clone, Debug)]
pub enum Hold {
    /// It takes the machine's lock, in this name.
    Lock(String),
    /// It changes nothing: it takes no lock, but sees what an earlier run still owes.
    Look,
    /// The workstation, where runs for many hosts start at the same time: nobody takes it for themselves.
    Share,
}

/// One step to run in a frame.
#[derive(Clone, Debug)]
pub struct Work {
    /// POSIX sh.
    pub script: String,
    /// Whether a failure ends the frame.
    pub stop_on_failure: bool,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// The same as a file to be written, which may share the way to the disk with others.
    pub parts: Option<crate::module::Parts>,
}

impl Work {
    /// Returns work that ends its frame when it fails.
    pub fn new(script: impl Into<String>) -> Work {
        Work { script: script.into(), stop_on_failure: true, timeout: None, parts: None }
    }
}

#[derive(Default)]
struct Link {
    session: Option<Arc<Session>>,
    /// By who acts: the same user by another program, or with another password, has a shell of their own.
    shells: Vec<(Actor, Opening)>,
    /// Those interpreters that run modules, by who acts and which it is.
    residents: Vec<(Actor, Interpreter, Arc<Resident>)>,
}

impl Link {
    fn shell(&mut self, actor: &Actor) -> Option<&mut Opening> {
        self.shells.iter_mut().find(|(known, _)| known == actor).map(|(_, opening)| opening)
    }

    fn drop_shell(&mut self, actor: &Actor) {
        self.shells.retain(|(known, _)| known != actor);
    }
}

struct Opening {
    shell: Shell,
    opened: bool,
    locked: bool,
}

impl Opening {
    /// Gives back the lock that it has.
    async fn unlock(&mut self) {
        if self.locked {
            // A host that is gone by now has nothing to give back.
            let _ = self.shell.run(&[Segment::new(lock::close())], |_, _| {}).await;
        }
    }

    async fn end(mut self) {
        self.unlock().await;
        self.shell.close().await;
    }
}

/// Whether somebody acts as a user whom this run became.
fn is(actor: &Actor, user: &str) -> bool {
    actor.as_ref().is_some_and(|wish| wish.user == user)
}

/// A machine and all that is known of it.
pub struct Machine {
    /// Its name in the inventory.
    pub name: String,
    target: Target,
    hold: Hold,
    link: Mutex<Link>,
    states: SyncMutex<HashMap<String, State>>,
    owed: SyncMutex<Vec<String>>,
    notes: SyncMutex<Vec<String>>,
    /// Frames sent so far.
    round_trips: AtomicU64,
    /// Bytes of frames sent and received so far.
    traffic: (AtomicU64, AtomicU64),
    context: Arc<Context>,
    owing: SyncMutex<Vec<Actor>>,
    /// Other connections that may end at the same host: what is written through one makes stale what another has read.
    kin: SyncMutex<Vec<Weak<Machine>>>,
    connected: AtomicBool,
    /// Connections to Kubernetes API servers through this machine.
    pub api: crate::kube::Connections,
}

/// The user whose answers these are.
fn key(actor: &Actor) -> String {
    actor.as_ref().map_or_else(String::new, |b| b.user.clone())
}

impl Machine {
    /// Returns a machine not yet connected to.
    pub fn new(name: &str, target: Target, hold: Hold, context: Arc<Context>) -> Machine {
        Machine {
            name: name.to_owned(),
            target,
            hold,
            link: Mutex::default(),
            states: SyncMutex::default(),
            owed: SyncMutex::default(),
            notes: SyncMutex::default(),
            round_trips: AtomicU64::new(0),
            traffic: (AtomicU64::new(0), AtomicU64::new(0)),
            context,
            owing: SyncMutex::default(),
            kin: SyncMutex::default(),
            connected: AtomicBool::new(false),
            api: crate::kube::Connections::default(),
        }
    }

    /// How it is reached.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Whether both may end at the same host: they have one name, or one place.
    pub fn may_be(&self, other: &Machine) -> bool {
        self.name == other.name || self.target.place() == other.target.place()
    }

    /// Lets both know of what is written through the other.
    pub fn relate(one: &Arc<Machine>, other: &Arc<Machine>) {
        for (of, is) in [(one, other), (other, one)] {
            of.kin.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(is));
        }
    }

    /// Whether it is the same connection, or another one that may end at the same host.
    pub fn is_kin(&self, other: &Machine) -> bool {
        std::ptr::eq(self, other) || self.may_be(other)
    }

    fn with_kin(&self, act: impl Fn(&Machine)) {
        act(self);
        let kin = self.kin.lock().unwrap_or_else(PoisonError::into_inner);
        kin.iter().filter_map(Weak::upgrade).for_each(|other| act(&other));
    }

    /// Whether it can be asked without logging in anywhere.
    pub fn is_ready(&self) -> bool {
        self.target.is_local() || self.connected.load(Ordering::Relaxed)
    }

    /// Whether it is this machine itself.
    pub fn is_local(&self) -> bool {
        self.target.is_local()
    }

    fn states(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at what is known as `actor`.
    pub fn with_state<T>(&self, actor: &Actor, look: impl FnOnce(&mut State) -> T) -> T {
        look(self.states().entry(key(actor)).or_default())
    }

    /// Forgets what may have been altered, whoever read it.
    pub fn forget(&self, written: &[Resource]) {
        self.with_kin(|machine| machine.states().values_mut().for_each(|s| s.forget(written)));
    }

    /// Check mode: marks what a change that was not carried out may alter.
    pub fn taint(&self, written: &[Resource], task: &str) {
        self.with_kin(|machine| machine.states().values_mut().for_each(|s| s.taint(written, task)));
    }

    /// Forgets everything.
    pub fn forget_all(&self) {
        self.with_kin(|machine| machine.states().values_mut().for_each(State::clear));
    }

    /// How many round trips it has cost.
    pub fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// How many bytes its frames have sent and received.
    pub fn traffic(&self) -> (u64, u64) {
        (self.traffic.0.load(Ordering::Relaxed), self.traffic.1.load(Ordering::Relaxed))
    }

    /// Handlers that a cut-off run owed; each is returned once.
    pub fn take_owed(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let (take, keep) = owed.drain(..).partition(|h| wanted(h));
        *owed = keep;
        take
    }

    /// Handlers owed that nobody has taken.
    pub fn still_owed(&self) -> Vec<String> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The users in whose folder on the host handlers are noted as owed.
    pub fn owing(&self) -> Vec<Actor> {
        self.owing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether handlers that a cut-off run owes are kept there for the next one.
    pub fn keeps_owed(&self) -> bool {
        !matches!(self.hold, Hold::Share)
    }

    /// Notes that handlers are, or are no longer, noted as owed in a user's folder on the host.
    pub fn set_owes(&self, actor: &Actor, owes: bool) {
        let mut owing = self.owing.lock().unwrap_or_else(PoisonError::into_inner);
        owing.retain(|a| a != actor);
        if owes {
            owing.push(actor.clone());
        }
    }

    /// Remarks about the host, each returned once.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends work and questions as one frame and returns what the work printed. Answers go into the state.
    ///
    /// Work that was not reached, because something before it failed, has no output.
    ///
    /// # Errors
    /// [`MachineError`]; work acknowledged before a connection was lost is in the second value.
    pub async fn send(
        &self,
        actor: &Actor,
        work: &[Work],
        probes: &[Probe],
    ) -> Result<Vec<Output>, (MachineError, Vec<Output>)> {
        let done = self.exchange(actor, work, probes, None).await;
        match &done {
            Err((MachineError::Locked(Holder { ended: Some(ended), .. }), _)) => {
                self.exchange(actor, work, probes, Some(ended)).await
            }
            _ => done,
        }
    }

    /// `ended` is what the lock says of a run that has ended: its connection is ended first.
    async fn exchange(
        &self,
        actor: &Actor,
        work: &[Work],
        probes: &[Probe],
        ended: Option<&str>,
    ) -> Result<Vec<Output>, (MachineError, Vec<Output>)> {
        let mut link = self.link.lock().await;
        let opening = self.open(&mut link, actor).await.map_err(|e| (e, Vec::new()))?;
        let before = opening.shell.stats();
        let first = usize::from(!opening.opened);
        let batches = batch(probes);
        let mut segments = Vec::with_capacity(first + work.len() + batches.len());
        if first == 1 {
            let script = match &self.hold {
                Hold::Lock(who) => lock::open(who, ended),
                Hold::Look => lock::peek(),
                Hold::Share => lock::share(),
            };
            segments.push(Segment::new(script).stop_on_failure(true));
        }
        segments.extend(
            work.iter()
                .map(|w| Segment::new(w.script.as_bytes()).stop_on_failure(w.stop_on_failure).timeout(w.timeout)),
        );
        segments.extend(batches.iter().map(|b| Segment::reading(b.script.as_bytes())));
        let mut outputs: Vec<Output> = Vec::with_capacity(segments.len());
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        let end = opening.shell.run(&segments, |_, output| outputs.push(output)).await;
        let after = opening.shell.stats();
        self.traffic.0.fetch_add(after.bytes_up.saturating_sub(before.bytes_up), Ordering::Relaxed);
        self.traffic.1.fetch_add(after.bytes_down.saturating_sub(before.bytes_down), Ordering::Relaxed);
        if first == 1 && !outputs.is_empty() {
            let output = outputs.remove(0);
            if let Err(error) = self.opened(actor, opening, &output) {
                link.drop_shell(actor);
                return Err((error, Vec::new()));
            }
        }
        if let Err(error) = end {
            outputs.truncate(work.len());
            if error.is_unreachable() {
                self.drop_link(&mut link);
                return Err((MachineError::Unreachable(error.explain()), outputs));
            }
            link.drop_shell(actor);
            return Err((MachineError::Refused(error.explain()), outputs));
        }
        let answers = outputs.split_off(outputs.len().min(work.len()));
        // Questions are the last in a frame, so their answers are as old as the way back is long. Counted from the
        // sending, a host that is slow to answer would be asked the same again for every task.
        self.learn(actor, batches, &answers, Instant::now());
        Ok(outputs)
    }

    fn opened(&self, actor: &Actor, opening: &mut Opening, output: &Output) -> Result<(), MachineError> {
        match output.status {
            0 => {
                opening.opened = true;
                opening.locked = matches!(self.hold, Hold::Lock(_));
                let Opened { pending, notes } = Opened::parse(&output.stdout, &self.name);
                if !pending.is_empty() {
                    self.set_owes(actor, true);
                }
                self.owed.lock().unwrap_or_else(PoisonError::into_inner).extend(pending);
                self.notes.lock().unwrap_or_else(PoisonError::into_inner).extend(notes);
                Ok(())
            }
            75 => Err(MachineError::Locked(Holder::parse(&output.stdout))),
            _ => {
                let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                Err(MachineError::Refused(format!("cannot take the lock of this host: {told}")))
            }
        }
    }

    fn learn(&self, actor: &Actor, batches: Vec<Batch>, answers: &[Output], at: Instant) {
        let mut states = self.states();
        let state = states.entry(key(actor)).or_default();
        for (batch, output) in batches.into_iter().zip(answers) {
            let status = (!output.timed_out).then(|| i32::from(output.status));
            let reply = Reply { status, stdout: &output.stdout, stderr: &output.stderr };
            for (probe, answer) in batch.answers(reply) {
                state.learn(probe, answer, at);
            }
        }
    }

    /// Records an answer that did not come through a shell.
    pub fn learn_answer(&self, actor: &Actor, probe: Probe, answer: Answer) {
        self.with_state(actor, |s| s.learn(probe, answer, Instant::now()));
    }

    async fn open<'a>(&self, link: &'a mut Link, actor: &Actor) -> Result<&'a mut Opening, MachineError> {
        if link.shell(actor).is_none() {
            let session = self.session(link).await?;
            let shell = session.shell(actor.as_deref()).await.map_err(|e| refusal(&e))?;
            link.shells.push((actor.clone(), Opening { shell, opened: false, locked: false }));
        }
        let opening = link.shell(actor).ok_or_else(|| MachineError::Refused("the shell is gone".to_owned()))?;
        // A shell that made room for a transfer is started anew, and the lock knows only the old one.
        if !opening.shell.is_running().await {
            (opening.opened, opening.locked) = (false, false);
        }
        Ok(opening)
    }

    async fn session(&self, link: &mut Link) -> Result<Arc<Session>, MachineError> {
        if let Some(session) = link.session.as_ref().filter(|s| !s.is_closed()) {
            return Ok(session.clone());
        }
        self.drop_link(link);
        if let (true, Err(fault)) = (self.target.by_name, address(&self.name)) {
            return Err(MachineError::Refused(format!("the host's name {fault}\n  help: set `ansible_host`")));
        }
        let session = Session::connect(&self.target, &self.context).await;
        let session = Arc::new(session.map_err(|e| refusal(&e))?);
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).extend(session.warnings());
        link.session = Some(session.clone());
        self.connected.store(true, Ordering::Relaxed);
        Ok(session)
    }

    fn drop_link(&self, link: &mut Link) {
        self.connected.store(false, Ordering::Relaxed);
        link.shells.clear();
        link.residents.clear();
        link.session = None;
    }

    /// The connection itself, for tunnels and transfers.
    ///
    /// # Errors
    /// [`MachineError::Unreachable`].
    pub async fn connection(&self) -> Result<Arc<Session>, MachineError> {
        let mut link = self.link.lock().await;
        self.session(&mut link).await
    }

    /// Sends a large content into a remote file.
    ///
    /// # Errors
    /// [`MachineError`].
    pub async fn upload(
        &self,
        actor: &Actor,
        source: UploadSource,
        to: &str,
        folder: Option<&str>,
        progress: impl FnMut(u64) + Send,
    ) -> Result<(), MachineError> {
        let session = self.connection().await?;
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        let upload = Upload { r#become: actor.as_deref(), source, path: to, mode: 0o600, folder };
        session.upload(upload, progress).await.map(|_| ()).map_err(|e| refusal(&e))
    }

    /// Copies a remote file into a local one, which appears only when it is whole.
    ///
    /// # Errors
    /// [`MachineError`].
    pub async fn download(&self, actor: &Actor, path: &str, to: &std::path::Path) -> Result<(), MachineError> {
        let session = self.connection().await?;
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        let unwritable = |e: std::io::Error| MachineError::Refused(format!("cannot write {}: {e}", to.display()));
        let folder = to.parent().unwrap_or(std::path::Path::new("."));
        std::fs::create_dir_all(folder).map_err(unwritable)?;
        let part = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
        let mut file = tokio::fs::File::from_std(part.reopen().map_err(unwritable)?);
        session.download(actor.as_deref(), path, &mut file, |_, _| {}).await.map_err(|e| refusal(&e))?;
        part.persist(to).map(|_| ()).map_err(|e| unwritable(e.error))
    }

    /// Drops the connection, other logins on the same host too, and everything known; the next use connects anew.
    pub async fn reset(&self) {
        let kin: Vec<Arc<Machine>> = {
            let kin = self.kin.lock().unwrap_or_else(PoisonError::into_inner);
            kin.iter().filter_map(Weak::upgrade).filter(|other| other.name == self.name).collect()
        };
        for machine in std::iter::once(self).chain(kin.iter().map(AsRef::as_ref)) {
            let mut link = machine.link.lock().await;
            machine.drop_link(&mut link);
            drop(link);
            machine.api.clear().await;
        }
        self.forget_all();
    }

    /// Whether this run has a shell there as that user, which it became.
    pub async fn has_shell_of(&self, user: &str) -> bool {
        let link = self.link.lock().await;
        link.shells.iter().any(|(actor, _)| is(actor, user)) || link.residents.iter().any(|(actor, ..)| is(actor, user))
    }

    /// Ends the shells of a user that this run became; what is done as that user later opens another one.
    pub async fn leave(&self, user: &str) {
        let mut link = self.link.lock().await;
        link.residents.retain(|(actor, ..)| !is(actor, user));
        let (left, kept) = std::mem::take(&mut link.shells).into_iter().partition(|(actor, _)| is(actor, user));
        link.shells = kept;
        drop(link);
        let left: Vec<(Actor, Opening)> = left;
        for (_, opening) in left {
            opening.end().await;
        }
    }

    /// Connects, logs in and opens the shell, without doing anything.
    ///
    /// # Errors
    /// [`MachineError`].
    pub async fn greet(&self, actor: &Actor) -> Result<(), MachineError> {
        self.send(actor, &[Work::new(":")], &[]).await.map(|_| ()).map_err(|(error, _)| error)
    }

    /// Gives the lock back and closes the connection.
    pub async fn close(&self) {
        let mut link = self.link.lock().await;
        link.residents.clear();
        for (_, mut opening) in std::mem::take(&mut link.shells) {
            opening.unlock().await;
        }
        self.drop_link(&mut link);
    }
}

fn refusal(error: &Error) -> MachineError {
    match error.is_unreachable() {
        true => MachineError::Unreachable(error.explain()),
        false => MachineError::Refused(error.explain()),
    }
}
