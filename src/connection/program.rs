//! A program on this machine: what connections that begin here stand on.

use super::{
    error::Error,
    process::{self, End, Event, Flooded, Gone, Input, Process, Reading, Tx},
    reach::Stream,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::{process::Stdio, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{ChildStdin, Command},
    sync::Mutex,
};

/// Starts a program for a host, by its name and arguments.
pub(crate) fn start(host: &str, words: &[&str], reading: Reading) -> Result<Process, Error> {
    spawn(words, reading).map_err(|source| Error::Local {
        host: host.to_owned(),
        program: words.first().copied().unwrap_or_default().to_owned(),
        source,
    })
}

/// Starts it in a process group of its own, so that Ctrl-C does not cut a step in two.
fn spawn(words: &[&str], reading: Reading) -> std::io::Result<Process> {
    let (program, arguments) = words.split_first().ok_or(std::io::ErrorKind::NotFound)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let input = Arc::new(Pipe(Mutex::new(child.stdin.take())));
    let (process, tx, ended) = process::new(input, reading);
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
    Ok(process)
}

/// The end of a pipe that its program reads from; dropping it closes it.
struct Pipe(Mutex<Option<ChildStdin>>);

impl Input for Pipe {
    fn write(&self, bytes: Bytes) -> BoxFuture<'_, Result<(), Gone>> {
        Box::pin(async move {
            match self.0.lock().await.as_mut() {
                Some(stdin) => stdin.write_all(&bytes).await.map_err(|_| Gone),
                None => Err(Gone),
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move { drop(self.0.lock().await.take()) })
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

/// Tells as whom it runs, and whether what every system has is there. Without a `/dev/null` a shell would make a file of it.
pub(crate) const WHO: &str = "[ -c /dev/null ] || { echo bringup-without null; exit 1; }; \
                              [ -e /proc/self ] || echo bringup-without proc; echo \"bringup-user $(id -un 2>/dev/null)\"";

/// The user's name from the answer to [`WHO`]; empty where there is no `id`. What is said before, by whatever starts it, does
/// not count.
pub(crate) fn who(said: &str) -> String {
    let line = said.lines().rev().find_map(|line| line.strip_prefix("bringup-user"));
    line.unwrap_or_default().trim().to_owned()
}

/// Tells whether the answer to [`WHO`] misses `/dev/null` or `/proc`.
pub(crate) fn lacks(said: &str, what: &str) -> bool {
    said.lines().any(|line| line.strip_prefix("bringup-without ") == Some(what))
}

/// What a short program answered: how it ended, and the last of both its streams.
pub(crate) async fn answer(host: &str, words: &[&str]) -> Result<(End, String, String), Error> {
    let process = start(host, words, Reading::Kept)?;
    Ok(process.answer(Duration::from_secs(60)).await)
}

/// Connects from this machine.
pub(crate) fn forward<'a>(host: &'a str, to: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, Error>> {
    Box::pin(async move {
        let stream = TcpStream::connect((to, port)).await.map_err(|error| Error::Tunnel {
            host: host.to_owned(),
            to: format!("{to}:{port}"),
            reason: error.to_string(),
        })?;
        Ok(Box::new(stream) as Box<dyn Stream>)
    })
}
