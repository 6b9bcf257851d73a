//! One frame under way: what comes back, and what to make of it when it does not.

use super::{
    answer::{Answer, Cut, Fault, Parser},
    error::Error,
    frame::{FrameEnd, Output, Segment},
    process::{End, Event, Tail},
    reached::{Counters, Reached},
    running::Running,
};
use crate::ssh::limit::{MOST_NOISE, MOST_OUTPUT, MOST_UNREAD, size};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::Instant;

/// How long a step that was limited on the host may be late before we give up on it.
const GRACE: Duration = Duration::from_secs(15);

/// How long a login shell may take to start ours: a profile that waits for somebody would keep the host for ever.
const GREETING: Duration = Duration::from_secs(120);

/// One frame under way.
pub(crate) struct Exchange<'a> {
    session: &'a Reached,
    frame: &'a [Segment],
    first: u64,
    acknowledged: usize,
    /// When the step under way began, at the earliest.
    since: Instant,
    /// How much the shell has said on its standard error, where steps never write.
    unasked: usize,
    /// An output was cut because the folder for it is full.
    pub(crate) no_room: bool,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(session: &'a Reached, frame: &'a [Segment], first: u64) -> Self {
        Self { session, frame, first, acknowledged: 0, since: Instant::now(), unasked: 0, no_room: false }
    }

    /// Sends its text and reports each result as it is acknowledged.
    pub(crate) async fn run(
        &mut self,
        running: &mut Running,
        text: Bytes,
        on_output: &mut (impl FnMut(usize, Output) + Send),
    ) -> Result<FrameEnd, Error> {
        let Running { process, parser, scratch, name, said, .. } = running;
        let writing = process.stdin.write(text);
        tokio::pin!(writing);
        let mut written = false;
        loop {
            while let Some(answer) = parser.next().map_err(|fault| self.fault(fault))? {
                if let Answer::Hello { scratch: folder } = &answer {
                    // It is removed once the shell is gone, so it must be the one we asked for.
                    *scratch = Some(folder.clone()).filter(|folder| folder.ends_with(&format!("/{name}")));
                }
                if let Some(end) = self.take(answer, on_output)? {
                    return Ok(end);
                }
            }
            let limit = if parser.greeted() { self.limit() } else { Some((self.since + GREETING, GREETING)) };
            // Answers are read while the frame is still being written: a large one must not wait for itself.
            tokio::select! {
                outcome = &mut writing, if !written => {
                    written = true;
                    drop(outcome); // if it failed, the end of the events says more
                }
                event = process.events.next() => match event {
                    Some(Event::Out(bytes)) => {
                        Counters::add(&self.session.counters.down, bytes.len());
                        parser.push(&bytes);
                    }
                    Some(Event::Err(bytes)) => {
                        said.push(&bytes);
                        self.unasked += bytes.len();
                        if self.unasked > MOST_NOISE {
                            let what = format!("the shell itself goes on printing errors ({})", end_of(&said.text()));
                            return Err(self.fault(Fault::TooMuch { what, limit: MOST_NOISE }));
                        }
                    }
                    None => {
                        let end = process.events.end().await;
                        return Err(self.ended(end, parser, said));
                    }
                },
                () = sleep_until(limit.map(|(at, _)| at)), if !parser.greeted() => {
                    return Err(self.ended(End::Silent, parser, said));
                }
                () = sleep_until(limit.map(|(at, _)| at)), if parser.greeted() => {
                    let allowed = limit.map(|(_, allowed)| allowed).unwrap_or_default();
                    return Err(Error::StepTimeout {
                        host: self.session.name.clone(),
                        acknowledged: self.acknowledged,
                        waited: self.since.elapsed(),
                        allowed,
                    });
                }
            }
        }
    }

    /// When the step under way is overdue even for a host that ends it by itself.
    fn limit(&self) -> Option<(Instant, Duration)> {
        let allowed = self.frame.get(self.acknowledged)?.timeout?;
        Some((self.since + allowed + GRACE, allowed))
    }

    fn take(&mut self, answer: Answer, on_output: &mut impl FnMut(usize, Output)) -> Result<Option<FrameEnd>, Error> {
        match answer {
            Answer::Hello { .. } => self.since = Instant::now(),
            Answer::NoScratch => return Err(Error::NoScratch { host: self.session.name.clone() }),
            Answer::ScratchGone { id } => {
                return Err(self.out_of_step(format!("step {id} was not run: the folder for output is gone")));
            }
            Answer::Segment { id, status, stdout, stderr } => {
                self.acknowledge(id, Output { status, stdout, stderr, timed_out: false }, on_output)?;
            }
            Answer::Cut { id, status, why } => {
                self.no_room |= why == Cut::NoRoom;
                let status = if status == 0 { CUT_STATUS } else { status };
                let stderr = told(why).into_bytes();
                self.acknowledge(id, Output { status, stdout: Vec::new(), stderr, timed_out: false }, on_output)?;
            }
            Answer::Done => {
                let stopped = self.acknowledged < self.frame.len();
                return Ok(Some(FrameEnd { acknowledged: self.acknowledged, stopped }));
            }
        }
        Ok(None)
    }

    fn acknowledge(&mut self, id: u64, output: Output, on_output: &mut impl FnMut(usize, Output)) -> Result<(), Error> {
        let expected = self.first + self.acknowledged as u64;
        let Some(segment) = self.frame.get(self.acknowledged).filter(|_| id == expected) else {
            return Err(self.out_of_step(format!("an answer to step {id} instead of {expected}")));
        };
        // `timeout` says 124, or the shell 128 and the signal it sent. This end's clock starts when it has read the answer
        // before, which on a busy machine is later than the step's own start: half the time is proof enough.
        let over = segment.timeout.is_some_and(|limit| self.since.elapsed() >= limit / 2);
        let timed_out = over && matches!(output.status, 124 | 137 | 143);
        on_output(self.acknowledged, Output { timed_out, ..output });
        self.acknowledged += 1;
        self.since = Instant::now();
        Ok(())
    }

    fn out_of_step(&self, what: String) -> Error {
        self.fault(Fault::OutOfStep(what))
    }

    fn fault(&self, fault: Fault) -> Error {
        let (host, acknowledged) = (self.session.name.clone(), self.acknowledged);
        match fault {
            Fault::OutOfStep(what) => Error::OutOfStep { host, acknowledged, what },
            Fault::TooMuch { what, limit } => Error::TooMuch { host, what, limit: size(limit as u64) },
        }
    }

    fn ended(&self, end: End, parser: &Parser, said: &Tail) -> Error {
        let host = self.session.name.clone();
        let mut said = said.text();
        if end == End::Flooded {
            let what = "it goes on sending what nobody reads".to_owned();
            return Error::TooMuch { host, what, limit: size(MOST_UNREAD as u64) };
        }
        if parser.greeted() {
            if self.session.is_lost()
                && let Error::Lost { reason, .. } = self.session.lost()
                && said.is_empty()
            {
                said = reason;
            }
            let (acknowledged, segments) = (self.acknowledged, self.frame.len());
            return Error::ShellLost { host, acknowledged, segments, end, said };
        }
        if end == End::Unknown && self.session.is_lost() {
            return self.session.lost();
        }
        if said.is_empty() {
            let noise = parser.noise();
            said = String::from_utf8_lossy(&noise[noise.len().saturating_sub(500)..]).trim().to_owned();
        }
        Error::NoShell { host, shell: self.session.shell.clone(), end, said }
    }
}

/// The status of a step that ended well and whose output could not be had: `EX_IOERR` of sysexits.h.
const CUT_STATUS: u8 = 74;

/// Tells why there is no output, in the place of what the step said.
fn told(why: Cut) -> String {
    match why {
        Cut::TooMuch { stdout, stderr } => {
            let (stream, count) = if stdout >= stderr { ("output", stdout) } else { ("error", stderr) };
            format!(
                "it printed {} on its standard {stream}, more than the {} a result may hold: \
                 let it write into a file on the host",
                size(count),
                size(MOST_OUTPUT as u64)
            )
        }
        Cut::NoRoom => "there is no room on the host for what it prints, so its output may have been cut and is not \
                        shown: let it write into a file, or make room (`df -h /run /dev/shm /tmp`)"
            .to_owned(),
    }
}

/// The last of a text, for a message.
fn end_of(said: &str) -> &str {
    let line = said.lines().next_back().unwrap_or_default();
    line.char_indices().rev().nth(99).map_or(line, |(at, _)| &line[at..])
}

/// Waits until then, or for ever.
pub(super) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
