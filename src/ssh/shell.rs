//! The long-lived shell: a frame of steps goes out in one write, each result is reported as it comes back.

use super::{
    answer::{Answer, Cut, Fault, Parser},
    error::SshError,
    limit::{MOST_NOISE, MOST_OUTPUT, MOST_UNREAD, size},
    process::{End, Event, Process, Reading, Tail},
    script,
    session::{Counters, Inner},
    sudo::Become,
};
use crate::sh::quote_bytes;
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// One step: a script that runs in a subshell of its own, with an empty standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The script, any bytes but NUL.
    pub script: Vec<u8>,
    /// When it fails, the rest of the frame is not run.
    pub stop_on_failure: bool,
    /// How long it may run; normally as long as it likes.
    pub timeout: Option<Duration>,
    /// It only reads: nobody waits for its answer by itself, so it comes with the others' at the end of the frame, which
    /// spares the host three processes.
    pub reads: bool,
}

impl Segment {
    /// Makes a step that nothing depends on and that may take its time.
    pub fn new(script: impl Into<Vec<u8>>) -> Self {
        Self { script: script.into(), stop_on_failure: false, timeout: None, reads: false }
    }

    /// Makes a step that only reads and whose answer may come at the end of the frame. Such steps stand at the end.
    pub fn reading(script: impl Into<Vec<u8>>) -> Self {
        Self { reads: true, ..Self::new(script) }
    }

    /// Makes the frame end when this step fails.
    pub fn stop_on_failure(mut self, stop: bool) -> Self {
        self.stop_on_failure = stop;
        self
    }

    /// Limits its time.
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }
}

/// The steps of one round trip.
pub type Frame = Vec<Segment>;

/// What a step that has ended gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; 128 and more when a signal ended it.
    pub status: u8,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// It was ended because its time was over.
    pub timed_out: bool,
}

impl Output {
    /// Tells whether it exited with 0.
    pub fn success(&self) -> bool {
        self.status == 0 && !self.timed_out
    }
}

/// How a frame ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameEnd {
    /// How many steps ran, counted from the first: all, unless it stopped at a failure.
    pub acknowledged: usize,
    /// A step with `stop_on_failure` failed and was not the last.
    pub stopped: bool,
}

/// A shell on a host, as one user. It ends when it is dropped.
pub struct Shell {
    session: Arc<Inner>,
    wish: Option<Become>,
    state: Arc<Mutex<State>>,
}

/// The running shell, if there is one: an idle one may have to make room for a transfer.
#[derive(Default)]
pub(crate) struct State {
    running: Option<Running>,
    /// A frame was begun and not ended: what comes back next belongs to it.
    in_frame: bool,
    /// Whose shell it is, if not the login user's.
    wish: Option<Become>,
}

struct Running {
    process: Process,
    parser: Parser,
    scratch: Option<String>,
    /// The name its scratch folder was given.
    name: String,
    next_id: u64,
    said: Tail,
}

impl State {
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Ends the shell and waits until the server has freed its channel.
    pub(crate) async fn end(&mut self, session: &Inner) {
        let Some(running) = self.running.take() else { return };
        let scratch = running.scratch;
        let ended = running.process.finish(Duration::from_secs(5)).await;
        if !matches!(ended, Some(End::Exit(_)))
            && let Some(scratch) = scratch
        {
            session.orphan(self.wish.as_ref(), scratch);
        }
        self.in_frame = false;
    }

    /// Lets go of a shell that cannot be used any more, without waiting for it.
    fn drop_running(&mut self, session: &Inner) {
        self.in_frame = false;
        if let Some(scratch) = self.running.take().and_then(|running| running.scratch) {
            session.orphan(self.wish.as_ref(), scratch);
        }
    }
}

/// How long a step that was limited on the host may be late before we give up on it.
const GRACE: Duration = Duration::from_secs(15);

/// How long a login shell may take to start ours: a profile that waits for somebody would keep the host for ever.
const GREETING: Duration = Duration::from_secs(120);

impl Shell {
    pub(crate) async fn open(session: Arc<Inner>, wish: Option<Become>) -> Result<Shell, SshError> {
        let state = Arc::new(Mutex::new(State { wish: wish.clone(), ..State::default() }));
        session.register(&state);
        let shell = Shell { session, wish, state };
        shell.ensure(&mut *shell.state.lock().await).await?;
        Ok(shell)
    }

    /// Sends all steps in one write and reports each result as it is acknowledged.
    ///
    /// An error means that the steps reported so far have ended and the next one may or may not have run. The shell stays
    /// usable: the next frame starts it anew if it has to.
    pub async fn run(
        &mut self,
        frame: &[Segment],
        mut on_output: impl FnMut(usize, Output) + Send,
    ) -> Result<FrameEnd, SshError> {
        if let Some(index) = frame.iter().position(|segment| segment.script.contains(&0)) {
            return Err(SshError::NulInScript { host: self.session.name.clone(), index });
        }
        if frame.is_empty() {
            return Ok(FrameEnd { acknowledged: 0, stopped: false });
        }
        let mut state = self.state.lock().await;
        if state.in_frame {
            state.drop_running(&self.session);
        }
        self.ensure(&mut state).await?;
        state.in_frame = true;
        let Some(running) = state.running.as_mut() else { return Err(self.session.lost()) };
        let first = running.next_id;
        running.next_id += frame.len() as u64;
        let text = write_frame(frame, first, &self.session.shell);
        Counters::add(&self.session.counters.round_trips, 1);
        Counters::add(&self.session.counters.up, text.len());
        let mut exchange = Exchange {
            session: &self.session,
            frame,
            first,
            acknowledged: 0,
            since: Instant::now(),
            unasked: 0,
            no_room: false,
        };
        let result = exchange.run(running, text, &mut on_output).await;
        let no_room = exchange.no_room;
        match &result {
            // The next one looks for a folder with room.
            Ok(_) if no_room => state.end(&self.session).await,
            Ok(_) => state.in_frame = false,
            Err(_) => state.drop_running(&self.session),
        }
        result
    }

    /// Tells whether it is running. Otherwise (it was lost, or made room for a transfer) the next frame starts it anew,
    /// and its `$$` is another one.
    pub async fn is_running(&self) -> bool {
        let state = self.state.lock().await;
        state.is_running() && !state.in_frame
    }

    /// What its connection has cost so far.
    pub fn stats(&self) -> super::Stats {
        self.session.counters.stats()
    }

    /// Ends the shell, which removes what it left on the host.
    pub async fn close(self) {
        self.state.lock().await.end(&self.session).await;
    }

    /// Starts the shell if it is not running; the answer to the greeting is read with the first frame's.
    async fn ensure(&self, state: &mut State) -> Result<(), SshError> {
        if state.running.is_some() {
            return Ok(());
        }
        let token = super::random_hex(16);
        let (process, rest) = self.session.start(self.wish.as_ref(), "", Reading::Kept).await?;
        let becomes = self.session.needed(self.wish.as_ref()).is_some();
        let orphans = self.session.take_orphans(self.wish.as_ref());
        let scratch = format!(".bringup-{}", super::random_hex(8));
        let bootstrap = script::bootstrap(&token, &scratch, &orphans, becomes);
        let mut parser = Parser::new(&token);
        parser.push(&rest);
        // If it has ended already, the first frame finds out how.
        let _ = process.stdin.write(Bytes::from(bootstrap)).await;
        state.running =
            Some(Running { process, parser, scratch: None, name: scratch, next_id: 1, said: Tail::default() });
        Ok(())
    }
}

/// So many answers come back as one at most.
const KEPT: usize = 64;

fn write_frame(frame: &[Segment], first: u64, shell: &str) -> Bytes {
    let mut text = Vec::with_capacity(frame.iter().map(|segment| segment.script.len() + 64).sum());
    let mut kept = 0;
    for (id, segment) in (first..).zip(frame) {
        kept = if segment.reads { kept + 1 } else { 0 };
        if kept > KEPT {
            text.extend_from_slice(b"__bg\n");
            kept = 1;
        }
        let stop = u8::from(segment.stop_on_failure);
        match segment.reads {
            true => text.extend_from_slice(format!("__q {id} ").as_bytes()),
            false => text.extend_from_slice(format!("__b {id} {stop} ").as_bytes()),
        }
        match segment.timeout {
            None => text.extend_from_slice(&quote_bytes(&segment.script)),
            Some(limit) => {
                // `timeout 0` would mean no limit.
                let seconds = limit.as_secs().max(1);
                let limited = script::with_time_limit(&segment.script, seconds, &format!("{id}s"), shell);
                text.extend_from_slice(&quote_bytes(&limited));
            }
        }
        text.push(b'\n');
    }
    text.extend_from_slice(b"__bf\n");
    Bytes::from(text)
}

/// One frame under way.
struct Exchange<'a> {
    session: &'a Inner,
    frame: &'a [Segment],
    first: u64,
    acknowledged: usize,
    /// When the step under way began, at the earliest.
    since: Instant,
    /// How much the shell has said on its standard error, where steps never write.
    unasked: usize,
    /// An output was cut because the folder for it is full.
    no_room: bool,
}

impl Exchange<'_> {
    async fn run(
        &mut self,
        running: &mut Running,
        text: Bytes,
        on_output: &mut (impl FnMut(usize, Output) + Send),
    ) -> Result<FrameEnd, SshError> {
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
                    return Err(SshError::StepTimeout {
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

    fn take(
        &mut self,
        answer: Answer,
        on_output: &mut impl FnMut(usize, Output),
    ) -> Result<Option<FrameEnd>, SshError> {
        match answer {
            Answer::Hello { .. } => self.since = Instant::now(),
            Answer::NoScratch => return Err(SshError::NoScratch { host: self.session.name.clone() }),
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

    fn acknowledge(
        &mut self,
        id: u64,
        output: Output,
        on_output: &mut impl FnMut(usize, Output),
    ) -> Result<(), SshError> {
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

    fn out_of_step(&self, what: String) -> SshError {
        self.fault(Fault::OutOfStep(what))
    }

    fn fault(&self, fault: Fault) -> SshError {
        let (host, acknowledged) = (self.session.name.clone(), self.acknowledged);
        match fault {
            Fault::OutOfStep(what) => SshError::OutOfStep { host, acknowledged, what },
            Fault::TooMuch { what, limit } => SshError::TooMuch { host, what, limit: size(limit as u64) },
        }
    }

    fn ended(&self, end: End, parser: &Parser, said: &Tail) -> SshError {
        let host = self.session.name.clone();
        let mut said = said.text();
        if end == End::Flooded {
            let what = "it goes on sending what nobody reads".to_owned();
            return SshError::TooMuch { host, what, limit: size(MOST_UNREAD as u64) };
        }
        if parser.greeted() {
            if self.session.is_lost()
                && let SshError::Lost { reason, .. } = self.session.lost()
                && said.is_empty()
            {
                said = reason;
            }
            let (acknowledged, segments) = (self.acknowledged, self.frame.len());
            return SshError::ShellLost { host, acknowledged, segments, end, said };
        }
        if end == End::Unknown && self.session.is_lost() {
            return self.session.lost();
        }
        if said.is_empty() {
            let noise = parser.noise();
            said = String::from_utf8_lossy(&noise[noise.len().saturating_sub(500)..]).trim().to_owned();
        }
        SshError::NoShell { host, shell: self.session.shell.clone(), end, said }
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

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
