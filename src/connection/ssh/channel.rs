//! A program on a session channel of a connection.

use crate::{
    connection::process::{self, End, Event, Gone, Input, Process, Reading, Tx},
    ssh::limit::short,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig, client::Msg};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::{Notify, watch};

/// The session channels that are open.
#[derive(Default)]
pub(super) struct Slots {
    open: AtomicUsize,
    freed: Notify,
}

impl Slots {
    /// Ends when the next one is closed.
    pub(super) fn freed(&self) -> impl Future<Output = ()> + '_ {
        self.freed.notified()
    }

    /// Tells whether none is open.
    pub(super) fn are_free(&self) -> bool {
        self.open.load(Ordering::SeqCst) == 0
    }
}

/// Stands for one open channel.
pub(super) struct Slot(Arc<Slots>);

impl Slot {
    pub(super) fn take(slots: &Arc<Slots>) -> Self {
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

/// Takes over a session channel on which a program has been requested.
pub(super) fn process(channel: Channel<Msg>, reading: Reading, slot: Slot) -> Process {
    let (read, write) = channel.split();
    let write = Arc::new(write);
    let input = Arc::new(Written(Arc::clone(&write)));
    let (process, tx, ended) = process::new(input, reading);
    tokio::spawn(drain(read, write, tx, ended, slot));
    process
}

/// The half of a channel that its program reads.
struct Written(Arc<ChannelWriteHalf<Msg>>);

impl Input for Written {
    fn write(&self, bytes: Bytes) -> BoxFuture<'_, Result<(), Gone>> {
        Box::pin(async move { self.0.data_bytes(bytes).await.map_err(|_| Gone) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move { drop(self.0.eof().await) })
    }

    fn abandon(&self) {
        // Without a runtime the whole connection is going away, which closes the channel too.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let channel = Arc::clone(&self.0);
            runtime.spawn(async move {
                let _ = channel.eof().await;
                let _ = channel.close().await;
            });
        }
    }
}

/// Reads a channel until it is closed: one that nobody reads would hold up all others of its connection.
async fn drain(
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
