//! Files of any size, each on a channel of its own, and tunnels: nothing is ever whole in memory.

use super::{
    error::SshError,
    limit::{MOST_NOISE, MOST_TUNNELLED, Search, UNREAD_PATIENCE, find, size},
    process::{End, Event, Process, Reading, Tail},
    session::{Counters, Reach, Session},
    shared_file::{PIECE, SharedFile},
    sudo::Become,
};
use crate::sh::quote;
use bytes::{Bytes, BytesMut};
use std::{io, path::PathBuf, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::{Semaphore, mpsc},
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
    /// Inode and device, as `stat -c '%i %d'` prints them, of the folder it goes to, where that was made for it alone. No other
    /// is written to, and it goes when the upload fails.
    pub folder: Option<&'a str>,
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
        let script = upload_script(&upload, length, &mark);
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
        let mut head = Head::new(&mark);
        let mut said = Tail::default();
        let mut length = None;
        let mut received = 0u64;
        let mut unasked = 0usize;
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
                    unasked += bytes.len();
                    if unasked > MOST_NOISE {
                        return Err(fail(
                            format!("it printed more than {} of errors", size(MOST_NOISE as u64)),
                            said.text(),
                        ));
                    }
                    continue;
                }
                Event::Out(bytes) => bytes,
            };
            let bytes = if length.is_some() {
                bytes
            } else {
                match head.push(&bytes) {
                    Ok(None) => continue,
                    Ok(Some((whole, first))) => {
                        length = Some(whole);
                        first
                    }
                    Err(what) => return Err(fail(what, said.text())),
                }
            };
            // A host that goes on after that must not fill our disk.
            if length.is_some_and(|length| received + bytes.len() as u64 > length) {
                return Err(fail("more came than was announced".into(), said.text()));
            }
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
fn upload_script(upload: &Upload<'_>, length: u64, mark: &str) -> String {
    let Upload { path, mode, .. } = *upload;
    let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
    let own = match upload.folder {
        Some(made) => format!(
            "case $(stat -c '%i %d %a' .) in {0}\\ 700|{0}\\ 2700) ;; \
             *) echo \"$PWD is not the folder that was made for it\" >&2; exit 73 ;; esac\n\
             __f={1}; trap 'rm -f -- \"$__p\"; cd -P .. && rmdir -- \"$__f\"' EXIT\n",
            quote(made),
            quote(&format!("./{}", folder.rsplit('/').next().unwrap_or(folder)))
        ),
        None => String::new(),
    };
    let removed = match upload.folder {
        Some(_) => "",
        None => "trap 'rm -f -- \"$__p\"' EXIT; ",
    };
    let name = format!("./{name}");
    let (folder, name) = (quote(if folder.is_empty() { "/" } else { folder }), quote(&name));
    format!(
        "LC_ALL=C; export LC_ALL; umask 077; __p={name}\n\
         cd -P -- {folder} || exit 73\n\
         [ -O . ] || {{ echo \"$PWD belongs to somebody else\" >&2; exit 73; }}\n\
         {own}set -C; : >\"$__p\" || exit 74\n\
         set +C; {removed}trap 'exit 129' HUP INT TERM PIPE\n\
         cat >\"$__p\" || exit 74\n\
         set -- $(wc -c <\"$__p\")\n\
         [ \"$1\" = {length} ] || {{ echo \"$1 of {length} bytes arrived\" >&2; exit 75; }}\n\
         chmod {mode:04o} \"$__p\" || exit 76\n\
         trap - EXIT; echo {mark} \"$1\""
    )
}

/// Announces the length, then sends as many bytes: a file that grows meanwhile is cut there.
fn download_script(path: &str, mark: &str) -> String {
    let path = quote(path);
    format!(
        "LC_ALL=C; export LC_ALL; __p={path}; [ ! -d \"$__p\" ] || {{ echo 'it is a directory' >&2; exit 73; }}\n\
         set -- $(wc -c <\"$__p\"); [ -n \"$1\" ] || exit 74\n\
         echo {mark} \"$1\"; exec head -c \"$1\" \"$__p\""
    )
}

/// Waits for the announcement of a download, behind whatever a login shell's profile prints.
struct Head {
    mark: Search,
    line: Option<BytesMut>,
}

impl Head {
    /// The announcement is a number.
    const MOST_LINE: usize = 64;

    fn new(mark: &str) -> Self {
        Self { mark: Search::new(mark.as_bytes()), line: None }
    }

    /// Takes the next piece. Gives the announced length and the first of the contents.
    fn push(&mut self, piece: &Bytes) -> Result<Option<(u64, Bytes)>, String> {
        let line = match &mut self.line {
            Some(line) => {
                line.extend_from_slice(piece);
                line
            }
            None => match self.mark.push(piece) {
                Some(at) => self.line.insert(BytesMut::from(&piece[at..])),
                None if self.mark.passed > MOST_NOISE => {
                    return Err(format!("more than {} came before the file was announced", size(MOST_NOISE as u64)));
                }
                None => return Ok(None),
            },
        };
        let Some(end) = line.iter().position(|&byte| byte == b'\n') else {
            return if line.len() > Self::MOST_LINE { Err("its length was not announced".into()) } else { Ok(None) };
        };
        let length = std::str::from_utf8(&line[..end]).ok().and_then(|text| text.trim().parse().ok());
        let length = length.ok_or("its length was not announced")?;
        Ok(Some((length, line.split_off(end + 1).freeze())))
    }
}

/// Reads what an upload answers: its last words are enough.
async fn collect(process: &mut Process, rest: Bytes) -> (End, Vec<u8>, String) {
    let mut out = rest.to_vec();
    let mut said = Tail::default();
    let mut count = 0;
    while let Some(event) = process.events.next().await {
        match event {
            Event::Out(bytes) => {
                count += bytes.len();
                out.extend_from_slice(&bytes);
                out.drain(..out.len().saturating_sub(4 << 10));
            }
            Event::Err(bytes) => {
                count += bytes.len();
                said.push(&bytes);
            }
        }
        if count > MOST_NOISE {
            return (End::Flooded, out, said.text());
        }
    }
    (process.events.end().await, out, said.text())
}

/// Puts a queue between a tunnel and its reader: a reader that stops must not stop all other channels. The tunnel ends where
/// much lies unread for a while.
fn unhurried(stream: impl Stream) -> impl Stream {
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

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _, os::unix::fs::MetadataExt as _, path::Path, process::Command, process::Stdio};

    use super::*;

    /// Feeds a content to the script in one of the shells.
    fn fed(shell: &[&str], script: &str, content: &[u8]) -> bool {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg("-c").arg(script).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // It may have ended without reading.
        let _ = child.stdin.take().unwrap().write_all(content);
        child.wait().unwrap().success()
    }

    fn empty(folder: &Path) -> bool {
        fs::read_dir(folder).unwrap().next().is_none()
    }

    #[test]
    fn an_upload_goes_to_the_folder_made_for_it_and_takes_that_along_when_it_fails() {
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let dir = tempfile::tempdir().unwrap();
            let (home, house) = (dir.path().join("home"), dir.path().join("house"));
            let made = home.join(".it's made");
            let make = || {
                let made = Command::new("mkdir").args(["-m", "700"]).arg(&made).status().unwrap();
                assert!(made.success());
            };
            fs::create_dir(&home).unwrap();
            let house_made = Command::new("mkdir").args(["-m", "700"]).arg(&house).status().unwrap();
            assert!(house_made.success());
            make();
            let stat = fs::metadata(&made).unwrap();
            let which = format!("{} {}", stat.ino(), stat.dev());
            let path = made.join("-a file").display().to_string();
            let source = || UploadSource::Bytes(Bytes::new());
            let to = |which: &str| {
                let upload = Upload { r#become: None, source: source(), path: &path, mode: 0o600, folder: Some(which) };
                upload_script(&upload, 7, "mark")
            };
            assert!(fed(shell, &to(&which), b"content"), "{shell:?}");
            assert_eq!(fs::read(&path).unwrap(), b"content");
            fs::remove_file(&path).unwrap();
            // Another folder, and a link to one, that is there instead is not entered.
            fs::rename(&made, home.join("away")).unwrap();
            std::os::unix::fs::symlink(&house, &made).unwrap();
            assert!(!fed(shell, &to(&which), b"content"), "{shell:?}");
            fs::remove_file(&made).unwrap();
            make();
            assert!(!fed(shell, &to(&which), b"content"), "{shell:?}");
            assert!(empty(&house) && empty(&made), "{shell:?}");
            // The one that was made goes when less arrives than was announced.
            fs::remove_dir(&made).unwrap();
            fs::rename(home.join("away"), &made).unwrap();
            assert!(!fed(shell, &to(&which), b"cont"), "{shell:?}");
            assert!(empty(&home), "{shell:?}");
        }
    }
}
