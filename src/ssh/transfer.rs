//! Files of any size, each on a channel of its own, and tunnels: nothing is ever whole in memory.

use super::{
    error::SshError,
    process::{End, Event, Process, Reading, Tail},
    script::quote_str,
    session::{Counters, Reach, Session},
    shared_file::{PIECE, SharedFile},
    sudo::{Become, find},
};
use bytes::{Bytes, BytesMut};
use std::{io, path::PathBuf, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
};

/// Where the bytes of an upload come from.
#[derive(Clone, Debug)]
pub enum UploadSource {
    /// From memory.
    Bytes(Bytes),
    /// From a file on this machine.
    File(PathBuf),
    /// From a file that is being sent to other hosts too.
    Shared(Arc<SharedFile>),
}

/// One file to send.
#[derive(Clone, Debug)]
pub struct Upload<'a> {
    /// As whom to write it.
    pub r#become: Option<&'a Become>,
    /// The contents.
    pub source: UploadSource,
    /// Where to: a temporary name, which the caller moves into place.
    pub path: &'a str,
    /// The mode it gets; until it is whole, only its owner can read it.
    pub mode: u32,
}

impl Session {
    /// Sends a file and checks its length there. What was cut off in the middle is removed by the host itself.
    pub async fn upload(&self, upload: Upload<'_>, mut progress: impl FnMut(u64) + Send) -> Result<u64, SshError> {
        let fail = |what: String, said: String| self.failed("upload to", upload.path, what, said);
        let source = Source::open(&upload.source).map_err(|error| match &upload.source {
            UploadSource::File(path) => SshError::File { path: path.clone(), source: error },
            UploadSource::Bytes(_) | UploadSource::Shared(_) => fail(error.to_string(), String::new()),
        })?;
        let length = source.length();
        let mark = super::random_hex(8);
        let script = upload_script(upload.path, upload.mode, length, &mark);
        let (mut process, rest) = self.inner.start(upload.r#become, &script, Reading::Kept).await?;
        Counters::add(&self.inner.counters.round_trips, 1);
        let mut sent = 0;
        let mut problem = None;
        let mut next = source.piece(0).await;
        for index in 1.. {
            let piece = match next {
                _ if sent == length => break,
                Ok(piece) => piece,
                Err(error) => {
                    problem = Some(match error.kind() {
                        io::ErrorKind::UnexpectedEof => "the file became shorter while it was sent".to_owned(),
                        _ => format!("reading it here failed: {error}"),
                    });
                    break;
                }
            };
            let count = piece.len();
            // The next piece is read while this one is on its way.
            let (written, following) = tokio::join!(process.stdin.write(piece), source.piece(index));
            if written.is_err() {
                break;
            }
            sent += count as u64;
            Counters::add(&self.inner.counters.up, count);
            progress(sent);
            next = following;
        }
        process.stdin.close().await;
        let (end, out, said) = collect(&mut process, rest).await;
        let confirmed = find(&out, format!("{mark} {length}\n").as_bytes()).is_some();
        match (problem, end) {
            (None, End::Exit(0)) if confirmed && sent == length => Ok(length),
            (Some(problem), _) => Err(fail(problem, String::new())),
            (None, _) if self.inner.is_lost() => Err(self.inner.lost()),
            (None, end) => Err(fail(format!("{sent} of {length} bytes were sent, then {end}"), said)),
        }
    }

    /// Reads a file into a sink and gives its length.
    pub async fn download(
        &self,
        wish: Option<&Become>,
        path: &str,
        sink: &mut (dyn AsyncWrite + Send + Unpin),
        mut progress: impl FnMut(u64, u64) + Send,
    ) -> Result<u64, SshError> {
        let fail = |what: String, said: String| self.failed("download of", path, what, said);
        let mark = super::random_hex(8);
        let script = download_script(path, &mark);
        let (mut process, rest) = self.inner.start(wish, &script, Reading::Paced).await?;
        Counters::add(&self.inner.counters.round_trips, 1);
        // A small file has come whole by the time that who reads it is known.
        let mut early = Some(Event::Out(Bytes::copy_from_slice(&rest))).filter(|_| !rest.is_empty());
        let mut head = BytesMut::new();
        let mut said = Tail::default();
        let mut length = None;
        let mut received = 0u64;
        let mut problem = None;
        loop {
            let event = match early.take() {
                Some(event) => Some(event),
                None => process.events.next().await,
            };
            let Some(event) = event else { break };
            let bytes = match event {
                Event::Err(bytes) => {
                    said.push(&bytes);
                    continue;
                }
                Event::Out(bytes) => bytes,
            };
            let bytes = if length.is_some() {
                bytes
            } else {
                head.extend_from_slice(&bytes);
                let Some((whole, after)) = announced(&head, &mark) else { continue };
                length = Some(whole);
                head.split_off(after).freeze()
            };
            received += bytes.len() as u64;
            Counters::add(&self.inner.counters.down, bytes.len());
            if problem.is_none() {
                problem = sink.write_all(&bytes).await.err();
                progress(received, length.unwrap_or_default());
            }
        }
        let flushed = sink.flush().await;
        let end = process.events.end().await;
        if let Some(error) = problem.or(flushed.err()) {
            return Err(fail(format!("writing it here failed: {error}"), String::new()));
        }
        match (end, length) {
            (End::Exit(0), Some(length)) if length == received => Ok(length),
            _ if self.inner.is_lost() => Err(self.inner.lost()),
            (end, Some(length)) => Err(fail(format!("{received} of {length} bytes came, then {end}"), said.text())),
            (_, None) => Err(fail("it cannot be read".into(), said.text())),
        }
    }

    /// Opens a connection from the host to somewhere, through the SSH connection.
    pub async fn tunnel(&self, to: &str, port: u16) -> Result<Box<dyn Stream>, SshError> {
        let failed =
            |reason: String| SshError::Tunnel { host: self.inner.name.clone(), to: format!("{to}:{port}"), reason };
        match &self.inner.reach {
            Reach::Local => {
                let stream = TcpStream::connect((to, port)).await.map_err(|error| failed(error.to_string()))?;
                Ok(Box::new(stream))
            }
            Reach::Ssh(connection) => {
                let channel = connection.handle.channel_open_direct_tcpip(to, port.into(), "127.0.0.1", 0).await;
                let channel = channel.map_err(|error| match error {
                    russh::Error::ChannelOpenFailure(reason) => failed(format!("{reason:?}")),
                    _ => self.inner.lost(),
                })?;
                Ok(Box::new(unhurried(channel.into_stream())))
            }
        }
    }

    fn failed(&self, direction: &'static str, remote: &str, what: String, said: String) -> SshError {
        let help = if said.contains("No space left") {
            Some("the file system is full: `df -h` and `df -i` on the host")
        } else if said.contains("Read-only") {
            Some("the file system is read-only: `findmnt -T` on the host")
        } else if said.contains("Permission denied") {
            Some("this user may not: `become: true` acts as root")
        } else {
            None
        };
        SshError::Transfer {
            host: self.inner.name.clone(),
            direction,
            remote: remote.to_owned(),
            what,
            said,
            help: help.map(str::to_owned),
        }
    }
}

/// A two-way stream of bytes.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// The bytes of an upload, by pieces.
enum Source {
    Bytes(Bytes),
    File(Arc<SharedFile>),
}

impl Source {
    fn open(source: &UploadSource) -> io::Result<Source> {
        Ok(match source {
            UploadSource::Bytes(bytes) => Source::Bytes(bytes.clone()),
            UploadSource::File(path) => Source::File(Arc::new(SharedFile::open(path)?)),
            UploadSource::Shared(file) => Source::File(Arc::clone(file)),
        })
    }

    fn length(&self) -> u64 {
        match self {
            Source::Bytes(bytes) => bytes.len() as u64,
            Source::File(file) => file.length(),
        }
    }

    async fn piece(&self, index: u64) -> io::Result<Bytes> {
        match self {
            Source::Bytes(bytes) => {
                let at = |index: u64| usize::try_from(index * PIECE).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(at(index)..at(index + 1)))
            }
            Source::File(file) => file.piece(index).await,
        }
    }
}

/// Writes standard input to a new file in a folder of our own; one that is not whole is removed, however it came about.
///
/// The folder is entered once, so nobody who can write above it leads the rest astray.
fn upload_script(path: &str, mode: u32, length: u64, mark: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
    let (folder, name) = (quote_str(if folder.is_empty() { "/" } else { folder }), quote_str(&format!("./{name}")));
    format!(
        "LC_ALL=C; export LC_ALL; umask 077; __p={name}\n\
         cd -P -- {folder} || exit 73\n\
         [ -O . ] || {{ echo \"$PWD belongs to somebody else\" >&2; exit 73; }}\n\
         set -C; : >\"$__p\" || exit 74\n\
         set +C; trap 'rm -f -- \"$__p\"' EXIT; trap 'exit 129' HUP INT TERM PIPE\n\
         cat >\"$__p\" || exit 74\n\
         set -- $(wc -c <\"$__p\")\n\
         [ \"$1\" = {length} ] || {{ echo \"$1 of {length} bytes arrived\" >&2; exit 75; }}\n\
         chmod {mode:04o} \"$__p\" || exit 76\n\
         trap - EXIT; echo {mark} \"$1\""
    )
}

/// Announces the length, then sends as many bytes: a file that grows meanwhile is cut there.
fn download_script(path: &str, mark: &str) -> String {
    let path = quote_str(path);
    format!(
        "LC_ALL=C; export LC_ALL; __p={path}; [ ! -d \"$__p\" ] || {{ echo 'it is a directory' >&2; exit 73; }}\n\
         set -- $(wc -c <\"$__p\"); [ -n \"$1\" ] || exit 74\n\
         echo {mark} \"$1\"; exec head -c \"$1\" \"$__p\""
    )
}

/// Finds the announcement of a download: the length, and where the contents begin.
fn announced(head: &[u8], mark: &str) -> Option<(u64, usize)> {
    let at = find(head, mark.as_bytes())?;
    let line = &head[at..];
    let end = line.iter().position(|&byte| byte == b'\n')?;
    let length = std::str::from_utf8(&line[mark.len()..end]).ok()?.trim().parse().ok()?;
    Some((length, at + end + 1))
}

async fn collect(process: &mut Process, rest: Bytes) -> (End, Vec<u8>, String) {
    let mut out = rest.to_vec();
    let mut said = Tail::default();
    while let Some(event) = process.events.next().await {
        match event {
            Event::Out(bytes) => out.extend_from_slice(&bytes),
            Event::Err(bytes) => said.push(&bytes),
        }
    }
    (process.events.end().await, out, said.text())
}

/// Puts a queue between a tunnel and its reader: a reader that stops must not stop all other channels.
fn unhurried(stream: impl Stream) -> impl Stream {
    let (mut read, write) = tokio::io::split(stream);
    let (tx, rx) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let mut piece = BytesMut::with_capacity(32 << 10);
            match read.read_buf(&mut piece).await {
                Ok(1..) if tx.send(Ok(piece.freeze())).is_ok() => {}
                Ok(_) => return,
                Err(error) => {
                    let _ = tx.send(Err(error)); // nobody reads any more
                    return;
                }
            }
        }
    });
    let pieces = futures::stream::unfold(rx, |mut rx| async move { rx.recv().await.map(|piece| (piece, rx)) });
    tokio::io::join(queued(Box::pin(pieces)), write)
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
