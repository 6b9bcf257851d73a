//! A frame: the steps of one round trip, as they are sent and as they end.

use crate::{sh::quote_bytes, ssh::script};
use bytes::Bytes;
use std::time::Duration;

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

/// So many answers come back as one at most.
const KEPT: usize = 64;

/// The text that a shell reads for a frame whose first step has this number.
pub(crate) fn write_frame(frame: &[Segment], first: u64, shell: &str) -> Bytes {
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
