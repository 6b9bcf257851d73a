//! How much a host may say. It may be hostile: what is more is not kept, no longer read, and told.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What one output stream of one step may hold. The host itself keeps back what is more, so the step fails and nothing else.
///
/// A result is kept in memory, once for each host, and is put into templates and reports: what is larger than this belongs
/// into a file.
pub const MOST_OUTPUT: usize = 128 << 20;

/// What all answers to one frame may hold together.
pub(crate) const MOST_FRAME: usize = 2 * MOST_OUTPUT;

/// What may be said beside the protocol: by a login shell's profile, by `sudo`, on a shell's own standard error.
pub(crate) const MOST_NOISE: usize = 1 << 20;

/// What may lie about unread before the host is not read any further.
pub(crate) const MOST_UNREAD: usize = 4 << 20;

/// How long a host that is not read any further is waited with before its channel is closed.
pub(crate) const UNREAD_PATIENCE: Duration = Duration::from_secs(5);

/// What may lie about unread in a tunnel before it is not read any further.
pub(crate) const MOST_TUNNELLED: usize = 16 << 20;

/// What a server may send until it has let us in: keys, lists of algorithms, banners, questions.
pub(crate) const MOST_BEFORE_LOGIN: u64 = 4 << 20;

/// Finds a mark in what arrives piece by piece; each byte is looked at once, however small the pieces are.
#[derive(Debug)]
pub(crate) struct Search {
    mark: Vec<u8>,
    /// The end of what was looked at, as far as the mark may have begun in it.
    kept: Vec<u8>,
    /// How many bytes went by without the mark.
    pub(crate) passed: usize,
}

impl Search {
    pub(crate) fn new(mark: &[u8]) -> Self {
        Self { mark: mark.to_vec(), kept: Vec::new(), passed: 0 }
    }

    /// Looks at the next piece. Gives the place in it behind the mark.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Option<usize> {
        let before = self.kept.len();
        self.kept.extend_from_slice(piece);
        if let Some(at) = find(&self.kept, &self.mark) {
            self.kept.clear();
            self.passed = 0;
            return Some((at + self.mark.len()).saturating_sub(before));
        }
        self.passed = self.passed.saturating_add(piece.len());
        let surplus = (self.kept.len() + 1).saturating_sub(self.mark.len());
        self.kept.drain(..surplus.min(self.kept.len()));
        None
    }
}

/// Finds bytes in bytes.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len().max(1)).position(|window| window == needle)
}

/// A size for people.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        _ if bytes < 1 << 20 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// The beginning of what a server says, for a message.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 200;
    let text = text.trim();
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Tells a [`Gate`] that the server has let us in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pass(Arc<AtomicBool>);

impl Pass {
    pub(crate) fn open(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A connection's stream, which ends where a server says too much before it has let us in.
///
/// Until then nothing else paces it: refusals and banners that nobody asked for would be kept one by one.
pub(crate) struct Gate<S> {
    stream: S,
    pass: Pass,
    left: u64,
}

impl<S> Gate<S> {
    pub(crate) fn new(stream: S) -> (Self, Pass) {
        let pass = Pass::default();
        (Self { stream, pass: pass.clone(), left: MOST_BEFORE_LOGIN }, pass)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if !self.pass.0.load(Ordering::Relaxed) {
            let count = (buffer.filled().len() - before) as u64;
            let Some(left) = self.left.checked_sub(count) else {
                let what = format!("the server has sent more than {} before letting us in", size(MOST_BEFORE_LOGIN));
                return Poll::Ready(Err(io::Error::other(what)));
            };
            self.left = left;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_mark_is_found_wherever_the_pieces_are_cut(
            noise in "[abm]{0,40}", rest in "[abm]{0,10}", cut in 1usize..9,
        ) {
            let mark = b"ammab";
            let text = format!("{noise}ammab{rest}").into_bytes();
            let expected = find(&text, mark).unwrap() + mark.len();
            let mut search = Search::new(mark);
            let mut seen = 0;
            let mut found = None;
            for piece in text.chunks(cut) {
                if let Some(at) = search.push(piece) {
                    found = Some(seen + at);
                    break;
                }
                prop_assert!(search.kept.len() < mark.len());
                seen += piece.len();
            }
            prop_assert_eq!(found, Some(expected));
        }
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!([size(12), size(2048), size(64 << 20)], ["12 bytes", "2 KiB", "64 MiB"]);
    }
}
