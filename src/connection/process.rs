//! A running program and its three streams, wherever it runs: the rest need not care.

use crate::ssh::limit::{MOST_UNREAD, UNREAD_PATIENCE};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::{Semaphore, mpsc, watch};

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

/// Where what a program says is put.
pub(crate) enum Tx {
    /// With room for so many bytes.
    Kept(mpsc::UnboundedSender<Event>, Arc<Semaphore>),
    Paced(mpsc::Sender<Event>),
}

enum Rx {
    Kept(mpsc::UnboundedReceiver<Event>, Arc<Semaphore>),
    Paced(mpsc::Receiver<Event>),
}

/// Much came and nobody read it for a while.
pub(crate) struct Flooded;

impl Event {
    /// How much room it takes.
    fn weight(&self) -> usize {
        let (Event::Out(bytes) | Event::Err(bytes)) = self;
        // A piece costs something even if there is nothing in it.
        (bytes.len() + 64).min(MOST_UNREAD)
    }
}

impl Tx {
    /// Puts the next piece, once there is room for it.
    pub(crate) async fn send(&self, event: Event) -> Result<(), Flooded> {
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

impl Rx {
    /// What has come already.
    fn left(&mut self) -> Option<Event> {
        match self {
            Rx::Kept(rx, room) => {
                let event = rx.try_recv().ok()?;
                room.add_permits(event.weight());
                Some(event)
            }
            Rx::Paced(rx) => rx.try_recv().ok(),
        }
    }
}

async fn ended(end: &mut watch::Receiver<Option<End>>) {
    let _ = end.wait_for(Option::is_some).await;
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
pub enum Reading {
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

/// The way into a program's standard input.
pub(crate) trait Input: Send + Sync {
    /// Writes all of it.
    fn write(&self, bytes: Bytes) -> BoxFuture<'_, Result<(), Gone>>;

    /// Tells the program that nothing more comes.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// Nobody needs the program any more and it has not ended. What dropping does not end is ended here.
    fn abandon(&self) {}
}

/// Its standard input.
pub(crate) struct Stdin {
    input: Arc<dyn Input>,
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
pub struct Process {
    pub(crate) stdin: Stdin,
    pub(crate) events: Events,
}

/// Makes a running program of its input; what it says, and at last its end, is put into the other two.
pub(crate) fn new(input: Arc<dyn Input>, reading: Reading) -> (Process, Tx, watch::Sender<Option<End>>) {
    let (tx, rx) = events(reading);
    let (ended, end) = watch::channel(None);
    (Process { stdin: Stdin { input, end: end.clone() }, events: Events { rx, end } }, tx, ended)
}

impl Process {
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

    /// Reads all that a short program says, and how it ended: the last words of both its streams.
    pub(crate) async fn answer(mut self, patience: Duration) -> (End, String, String) {
        self.stdin.close().await;
        let (mut out, mut err) = (Tail::default(), Tail::default());
        let reading = async {
            while let Some(event) = self.events.next().await {
                match event {
                    Event::Out(bytes) => out.push(&bytes),
                    Event::Err(bytes) => err.push(&bytes),
                }
            }
            self.events.end().await
        };
        let end = tokio::time::timeout(patience, reading).await.unwrap_or(End::Silent);
        (end, out.text(), err.text())
    }
}

impl Stdin {
    /// Writes all of it, unless the program ends before.
    pub(crate) async fn write(&self, bytes: Bytes) -> Result<(), Gone> {
        let mut end = self.end.clone();
        tokio::select! {
            written = self.input.write(bytes) => written,
            // A window that never opens again must not hold us: the end is watched too.
            _ = end.wait_for(Option::is_some) => Err(Gone),
        }
    }

    /// Tells the program that nothing more comes.
    pub(crate) async fn close(&self) {
        self.input.close().await;
    }
}

impl Drop for Stdin {
    fn drop(&mut self) {
        if self.end.borrow().is_none() {
            self.input.abandon();
        }
    }
}

impl Events {
    /// Gives the next piece of output, or nothing once it has ended and all was read.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            biased;
            event = self.rx.next() => event,
            // A process it left behind may hold its output open for ever: its own end is enough. What it said last may have come since
            // the look above.
            () = ended(&mut self.end) => self.rx.left(),
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Input for Nothing {
        fn write(&self, _: Bytes) -> BoxFuture<'_, Result<(), Gone>> {
            Box::pin(async { Ok(()) })
        }

        fn close(&self) -> BoxFuture<'_, ()> {
            Box::pin(async {})
        }
    }

    /// The last piece and the end may come between a look for the one and a look for the other.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_said_right_before_the_end_is_read() {
        for round in 0..20_000 {
            let (mut process, tx, ended) = new(Arc::new(Nothing), Reading::Kept);
            let spoke = tokio::spawn(async move {
                let _ = tx.send(Event::Out(Bytes::from_static(b"last words"))).await;
                let _ = ended.send(Some(End::Exit(0)));
            });
            let said = process.events.next().await;
            assert!(matches!(said, Some(Event::Out(_))), "round {round}");
            assert!(process.events.next().await.is_none());
            spoke.await.unwrap();
        }
    }
}
