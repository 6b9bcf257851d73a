//! A TCP stream that acknowledges at once while a login goes on.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A login is over after fewer reads than this.
const LOGIN: u32 = 64;

/// The stream of a connection.
///
/// Until the first session is open, OpenSSH's server leaves Nagle's algorithm on: it holds its next packet back until the
/// last one is acknowledged. Linux delays acknowledgements by 40 ms when there is nothing to send along with them, so a
/// login would stand still for that long wherever the server speaks twice.
pub(crate) struct Prompt {
    stream: TcpStream,
    reads: u32,
}

impl Prompt {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, reads: 0 }
    }

    fn acknowledge(&mut self) {
        if self.reads < LOGIN {
            self.reads += 1;
            // The kernel takes it back by itself, so it is said again each time; without it, it is only slower.
            #[cfg(target_os = "linux")]
            let _ = self.stream.set_quickack(true);
        }
    }
}

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.acknowledge();
        }
        read
    }
}

impl AsyncWrite for Prompt {
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
