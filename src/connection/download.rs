//! Reading a file of any size, on a program of its own: nothing is ever whole in memory.

use super::{
    error::Error,
    process::{End, Event, Reading, Tail},
    reached::Counters,
    session::Session,
    sudo::Become,
};
use crate::{
    sh::quote,
    ssh::limit::{MOST_NOISE, Search, size},
};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

impl Session {
    /// Reads a file into a sink and gives its length.
    #[allow(clippy::too_many_lines, reason = "one loop over what comes, whose counts belong together")]
    pub async fn download(
        &self,
        wish: Option<&Become>,
        path: &str,
        sink: &mut (dyn AsyncWrite + Send + Unpin),
        mut progress: impl FnMut(u64, u64) + Send,
    ) -> Result<u64, Error> {
        let fail = |what: String, said: String| self.failed("download of", path, what, said);
        let mark = crate::ssh::random_hex(8);
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
