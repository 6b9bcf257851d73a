//! A running program and its three streams, on a host or on this machine: the rest need not care which.

use super::{
    limit::{MOST_UNREAD, UNREAD_PATIENCE, short},
    session::Slot,
};
use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig, client::Msg};
use std::{fmt, process::Stdio, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{ChildStdin, Command},
    sync::{Mutex, Semaphore, mpsc, watch},
};

/// Tells how a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It ended by itself with this status.
    Exit(u32),
    /// A signal ended it.
    Signal(String),
    /// The server does not run commands for this login.
    Refused,
    /// It sent more than anybody read, so its channel was closed.
    Flooded,
    /// It said nothing in its time.
    Silent,
    /// Nobody knows: the channel or the connection went away without a word.
    Unknown,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Exit(status) => write!(f, "it exited with status {status}"),
            End::Signal(name) => write!(f, "signal {name} killed it"),
            End::Refused => f.write_str("the server refused to run it"),
            End::Flooded => f.write_str("it sent more than was read"),
            End::Silent => f.write_str("it did not answer in time"),
            End::Unknown => f.write_str("the connection went away"),
        }
    }
}

/// What a program says, in order.
#[derive(Debug)]
pub(crate) enum Event {
    Out(Bytes),
    Err(Bytes),
}

enum Tx {
    /// With room for so many bytes.
    Kept(mpsc::UnboundedSender<Event>, Arc<Semaphore>),
    Paced(mpsc::Sender<Event>),
}

enum Rx {
    Kept(mpsc::UnboundedReceiver<Event>, Arc<Semaphore>),
    Paced(mpsc::Receiver<Event>),
}

/// Much came and nobody read it for a while.
struct Flooded;

impl Event {
    /// How much room it takes.
    fn weight(&self) -> usize {
        let (Event::Out(bytes) | Event::Err(bytes)) = self;
        // A piece costs something even if there is nothing in it.
        (bytes.len() + 64).min(MOST_UNREAD)
    }
}

impl Tx {
    async fn send(&self, event: Event) -> Result<(), Flooded> {
        match self {
            Tx::Kept(tx, room) => {
                let weight = u32::try_from(event.weight()).unwrap_or(u32::MAX);
                match tokio::time::timeout(UNREAD_PATIENCE, room.acquire_many(weight)).await {
                    Ok(Ok(permit)) => permit.forget(),
                    // Nobody reads any more: the program is being let go, but its streams are drained to the end.
                    Ok(Err(_)) => return Ok(()),
                    Err(_) => return Err(Flooded),
                }
                drop(tx.send(event));
            }
            Tx::Paced(tx) => drop(tx.send(event).await),
        }
        Ok(())
    }
}

impl Rx {
    async fn next(&mut self) -> Option<Event> {
        match self {
            Rx::Kept(rx, room) => {
                let event = rx.recv().await?;
                room.add_permits(event.weight());
                Some(event)
            }
            Rx::Paced(rx) => rx.recv().await,
        }
    }
}

impl Drop for Rx {
    fn drop(&mut self) {
        if let Rx::Kept(_, room) = self {
            room.close();
        }
    }
}

/// How a reader of a program behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// What arrives is kept until somebody reads it: a slow reader does not hold up the connection. Of one that floods and is
    /// not read, a few megabytes are kept; then its channel is closed.
    Kept,
    /// Only a little is kept: for large transfers, whose reader (a disk) goes on by itself.
    Paced,
}

fn events(reading: Reading) -> (Tx, Rx) {
    match reading {
        Reading::Kept => {
            let (tx, rx) = mpsc::unbounded_channel();
            let room = Arc::new(Semaphore::new(MOST_UNREAD));
            (Tx::Kept(tx, Arc::clone(&room)), Rx::Kept(rx, room))
        }
        Reading::Paced => {
            let (tx, rx) = mpsc::channel(64);
            (Tx::Paced(tx), Rx::Paced(rx))
        }
    }
}

enum Input {
    Ssh(Arc<ChannelWriteHalf<Msg>>),
    Local(Mutex<Option<ChildStdin>>),
}

/// Its standard input.
pub(crate) struct Stdin {
    input: Input,
    end: watch::Receiver<Option<End>>,
}

/// The program has ended or its connection is gone, so nothing can be written to it.
#[derive(Debug)]
pub(crate) struct Gone;

/// What it says.
pub(crate) struct Events {
    rx: Rx,
    end: watch::Receiver<Option<End>>,
}

/// A running program. Dropping it closes its standard input, which ends every program we start.
pub(crate) struct Process {
    pub(crate) stdin: Stdin,
    pub(crate) events: Events,
}

impl Process {
    /// Takes over a session channel on which a program has been requested.
    pub(crate) fn on_channel(
        read: ChannelReadHalf,
        write: ChannelWriteHalf<Msg>,
        reading: Reading,
        slot: Slot,
    ) -> Process {
        let (tx, rx) = events(reading);
        let (ended, end) = watch::channel(None);
        let write = Arc::new(write);
        tokio::spawn(drain_channel(read, Arc::clone(&write), tx, ended, slot));
        Process { stdin: Stdin { input: Input::Ssh(write), end: end.clone() }, events: Events { rx, end } }
    }

    /// Starts a program on this machine, in a process group of its own so that Ctrl-C does not cut a step in two.
    pub(crate) fn spawn(request: &str, reading: Reading) -> std::io::Result<Process> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", request])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let (tx, rx) = events(reading);
        let (ended, end) = watch::channel(None);
        let stdin = child.stdin.take();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let tx = Arc::new(tx);
        let out = tokio::spawn(pump(stdout, Arc::clone(&tx), Event::Out));
        let err = tokio::spawn(pump(stderr, tx, Event::Err));
        tokio::spawn(async move {
            let end = match child.wait().await {
                Ok(status) => local_end(status),
                Err(_) => End::Unknown,
            };
            // What it wrote before it ended is still in the pipes; a child of it may hold them open for ever.
            let drained = tokio::time::timeout(Duration::from_secs(1), async { (out.await, err.await) }).await;
            let flooded = matches!(drained, Ok((Ok(Err(Flooded)), _) | (_, Ok(Err(Flooded)))));
            let _ = ended.send(Some(if flooded { End::Flooded } else { end }));
        });
        let input = Input::Local(Mutex::new(stdin));
        Ok(Process { stdin: Stdin { input, end: end.clone() }, events: Events { rx, end } })
    }

    /// Closes its standard input and waits a while for it to end.
    pub(crate) async fn finish(mut self, patience: Duration) -> Option<End> {
        self.stdin.close().await;
        tokio::time::timeout(patience, async {
            while self.events.next().await.is_some() {}
            self.events.end().await
        })
        .await
        .ok()
    }
}

fn local_end(status: std::process::ExitStatus) -> End {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exit(u32::try_from(code).unwrap_or(255)),
        (None, Some(9)) => End::Signal("KILL".into()),
        (None, Some(15)) => End::Signal("TERM".into()),
        (None, Some(number)) => End::Signal(number.to_string()),
        (None, None) => End::Unknown,
    }
}

async fn pump(stream: Option<impl AsyncRead + Unpin>, tx: Arc<Tx>, event: fn(Bytes) -> Event) -> Result<(), Flooded> {
    let Some(mut stream) = stream else { return Ok(()) };
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        tx.send(event(Bytes::copy_from_slice(&buffer[..count]))).await?;
    }
    Ok(())
}

/// Reads a channel until it is closed: one that nobody reads would hold up all others of its connection.
async fn drain_channel(
    mut read: ChannelReadHalf,
    write: Arc<ChannelWriteHalf<Msg>>,
    tx: Tx,
    ended: watch::Sender<Option<End>>,
    slot: Slot,
) {
    let mut end = None;
    while let Some(message) = read.wait().await {
        let event = match message {
            ChannelMsg::Data { data } => Some(Event::Out(data)),
            ChannelMsg::ExtendedData { data, .. } => Some(Event::Err(data)),
            other => {
                match told_end(other) {
                    Some(End::Refused) if end.is_some() => {}
                    Some(End::Refused) => {
                        end = Some(End::Refused);
                        let _ = write.close().await; // the connection is gone already if this fails
                    }
                    Some(told) => end = Some(told),
                    None => {}
                }
                None
            }
        };
        if let Some(event) = event
            && tx.send(event).await.is_err()
        {
            end = Some(End::Flooded);
            break;
        }
    }
    // Dropping a channel does not close it, and the server counts open ones.
    let _ = write.close().await;
    drop(slot);
    let _ = ended.send(Some(end.unwrap_or(End::Unknown)));
}

/// What a message of a channel says of its program's end.
fn told_end(message: ChannelMsg) -> Option<End> {
    match message {
        ChannelMsg::ExitStatus { exit_status } => Some(End::Exit(exit_status)),
        ChannelMsg::ExitSignal { signal_name, .. } => Some(End::Signal(signal_text(&signal_name))),
        ChannelMsg::Failure => Some(End::Refused),
        _ => None,
    }
}

fn signal_text(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => short(name),
        known => format!("{known:?}"),
    }
}

impl Stdin {
    /// Writes all of it, unless the program ends before.
    pub(crate) async fn write(&self, bytes: Bytes) -> Result<(), Gone> {
        let mut end = self.end.clone();
        tokio::select! {
            written = self.write_all(bytes) => written,
            // A window that never opens again must not hold us: the end is watched too.
            _ = end.wait_for(Option::is_some) => Err(Gone),
        }
    }

    async fn write_all(&self, bytes: Bytes) -> Result<(), Gone> {
        match &self.input {
            Input::Ssh(channel) => channel.data_bytes(bytes).await.map_err(|_| Gone),
            Input::Local(stdin) => match stdin.lock().await.as_mut() {
                Some(stdin) => stdin.write_all(&bytes).await.map_err(|_| Gone),
                None => Err(Gone),
            },
        }
    }

    /// Tells the program that nothing more comes.
    pub(crate) async fn close(&self) {
        match &self.input {
            Input::Ssh(channel) => drop(channel.eof().await),
            Input::Local(stdin) => drop(stdin.lock().await.take()),
        }
    }
}

impl Drop for Stdin {
    fn drop(&mut self) {
        let Input::Ssh(channel) = &self.input else { return };
        if self.end.borrow().is_some() {
            return;
        }
        // Without a runtime the whole connection is going away, which closes the channel too.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let channel = Arc::clone(channel);
            runtime.spawn(async move {
                let _ = channel.eof().await;
                let _ = channel.close().await;
            });
        }
    }
}

impl Events {
    /// Gives the next piece of output, or nothing once it has ended and all was read.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            biased;
            event = self.rx.next() => event,
            // A process it left behind may hold its output open for ever: its own end is enough.
            _ = self.end.wait_for(Option::is_some) => None,
        }
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self) -> End {
        match self.end.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or(End::Unknown),
            Err(_) => End::Unknown,
        }
    }
}

/// Keeps the last few kilobytes of a stream, for messages.
#[derive(Debug, Default)]
pub(crate) struct Tail(Vec<u8>);

impl Tail {
    const KEPT: usize = 4 << 10;

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        if self.0.len() > 2 * Self::KEPT {
            self.0.drain(..self.0.len() - Self::KEPT);
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0[self.0.len().saturating_sub(Self::KEPT)..]).trim().to_owned()
    }
}
