//! A queue between a tunnel and its reader.

use super::reach::Stream;
use crate::ssh::limit::{MOST_TUNNELLED, UNREAD_PATIENCE, size};
use bytes::{Bytes, BytesMut};
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    sync::{Semaphore, mpsc},
};

/// Puts a queue between a tunnel and its reader: a reader that stops must not stop all other channels. The tunnel ends where
/// much lies unread for a while.
pub(super) fn unhurried(stream: impl Stream) -> impl Stream {
    let (mut read, mut write) = tokio::io::split(stream);
    let (tx, rx) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(MOST_TUNNELLED));
    let taken = Taken(Arc::clone(&room));
    // The stream is one task's alone: both its halves must go for its channel to be closed.
    let (ours, mut theirs) = tokio::io::duplex(64 << 10);
    tokio::spawn(async move {
        let writing = async {
            let _ = tokio::io::copy(&mut theirs, &mut write).await;
            let _ = write.shutdown().await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = fill(&mut read, &tx, &room) => {}
            () = writing => {}
        }
    });
    let pieces = futures::stream::unfold((rx, taken), |(mut rx, taken)| async move {
        let piece = rx.recv().await?;
        taken.0.add_permits(weight(&piece));
        Some((piece, (rx, taken)))
    });
    tokio::io::join(queued(Box::pin(pieces)), ours)
}

/// Fills a tunnel's queue until its end, or until nobody reads any more.
async fn fill(read: &mut (impl AsyncRead + Unpin), tx: &mpsc::UnboundedSender<io::Result<Bytes>>, room: &Semaphore) {
    let mut buffer = BytesMut::new();
    loop {
        // Small pieces share one block, or each of them would keep a whole one.
        if buffer.capacity() < 4 << 10 {
            buffer.reserve(64 << 10);
        }
        let count = tokio::select! {
            count = read.read_buf(&mut buffer) => count,
            () = tx.closed() => return,
        };
        let piece = match count {
            Ok(0) => return,
            Ok(_) => Ok(buffer.split().freeze()),
            Err(error) => Err(error),
        };
        let weight = u32::try_from(weight(&piece)).unwrap_or(u32::MAX);
        let piece = match tokio::time::timeout(UNREAD_PATIENCE, room.acquire_many(weight)).await {
            Ok(Ok(permit)) => {
                permit.forget();
                piece
            }
            Ok(Err(_)) => return, // nobody reads any more
            Err(_) => Err(io::Error::other(format!(
                "more than {} came through the tunnel and were not read",
                size(MOST_TUNNELLED as u64)
            ))),
        };
        let ended = piece.is_err();
        if tx.send(piece).is_err() || ended {
            return;
        }
    }
}

/// How much room a piece takes in the queue.
fn weight(piece: &io::Result<Bytes>) -> usize {
    (piece.as_ref().map_or(0, Bytes::len) + 64).min(MOST_TUNNELLED)
}

/// The reader's end of a queue: once it is gone, nobody waits for room.
struct Taken(Arc<Semaphore>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn queued(
    pieces: impl futures::Stream<Item = std::io::Result<Bytes>> + Send + Unpin + 'static,
) -> impl AsyncRead + Send + Unpin + 'static {
    Queued { pieces, current: Bytes::new() }
}

struct Queued<S> {
    pieces: S,
    current: Bytes,
}

impl<S: futures::Stream<Item = std::io::Result<Bytes>> + Unpin> AsyncRead for Queued<S> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        use futures::StreamExt as _;
        use std::task::{Poll, ready};
        if self.current.is_empty() {
            match ready!(self.pieces.poll_next_unpin(context)) {
                Some(Ok(piece)) => self.current = piece,
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.current.len().min(buffer.remaining());
        let piece = self.current.split_to(count);
        buffer.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}
