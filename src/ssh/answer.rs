//! Reads what a shell sends back: answers are taken by length, never by searching their contents.

use bytes::{Buf as _, Bytes, BytesMut};
use std::collections::VecDeque;

/// One thing the shell on the other side has said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The functions are in place; the private folder for output is named.
    Hello { scratch: String },
    /// No folder on the host can be written.
    NoScratch,
    /// One segment has ended.
    Segment { id: u64, status: u8, stdout: Vec<u8>, stderr: Vec<u8> },
    /// The private folder is gone, so this segment was not run.
    ScratchGone { id: u64 },
    /// The frame is over.
    Done,
}

/// What does not fit the protocol, in words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OutOfStep(pub String);

/// How much a login shell's profile may print before the first answer.
const MOST_NOISE: usize = 1 << 20;
/// A header is some numbers and a path.
const MOST_HEADER: usize = 8 << 10;

/// Cuts the byte stream of a shell into answers.
#[derive(Debug)]
pub(crate) struct Parser {
    token: Vec<u8>,
    buffer: BytesMut,
    greeted: bool,
    body: Option<Body>,
    /// Segments whose answers came together and have not been given yet.
    ready: VecDeque<Answer>,
}

/// What follows a header: the streams of one segment, or of several.
#[derive(Debug)]
struct Body {
    parts: Vec<Part>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Part {
    id: u64,
    status: u8,
    out: usize,
    err: usize,
}

impl Parser {
    /// Starts before the greeting of a shell whose answers carry `token`.
    pub(crate) fn new(token: &str) -> Self {
        Self {
            token: token.as_bytes().to_vec(),
            buffer: BytesMut::new(),
            greeted: false,
            body: None,
            ready: VecDeque::new(),
        }
    }

    /// Tells whether the shell has said that it is there.
    pub(crate) fn greeted(&self) -> bool {
        self.greeted
    }

    /// What stands in the buffer: before the greeting, the noise of a profile or a refusal.
    pub(crate) fn noise(&self) -> &[u8] {
        &self.buffer
    }

    /// Takes more bytes.
    pub(crate) fn push(&mut self, bytes: &Bytes) {
        match &mut self.body {
            // A large output goes straight to its place.
            Some(body) if self.buffer.is_empty() => {
                let missing = body.whole(self.token.len()).saturating_sub(body.bytes.len());
                let (here, rest) = bytes.split_at(missing.min(bytes.len()));
                body.bytes.extend_from_slice(here);
                self.buffer.extend_from_slice(rest);
            }
            _ => self.buffer.extend_from_slice(bytes),
        }
    }

    /// Gives the next whole answer, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<Answer>, OutOfStep> {
        if let Some(answer) = self.ready.pop_front() {
            return Ok(Some(answer));
        }
        if self.body.is_some() {
            return self.body_end();
        }
        if !self.greeted && !self.skip_noise()? {
            return Ok(None);
        }
        let Some(end) = self.buffer.iter().position(|&b| b == b'\n') else {
            if self.buffer.len() > MOST_HEADER {
                return Err(OutOfStep("an answer without a line end".into()));
            }
            return Ok(None);
        };
        let line = self.buffer.split_to(end);
        self.buffer.advance(1);
        let line = String::from_utf8_lossy(&line).into_owned();
        let Some(rest) = line.as_bytes().strip_prefix(self.token.as_slice()) else {
            return Err(OutOfStep("bytes that belong to no answer".into()));
        };
        let rest = String::from_utf8_lossy(rest).trim_start().to_owned();
        self.header(&rest)
    }

    fn header(&mut self, rest: &str) -> Result<Option<Answer>, OutOfStep> {
        let strange = || OutOfStep(format!("an answer that reads `{rest}`"));
        if let Some(scratch) = rest.strip_prefix("hello ") {
            self.greeted = true;
            return Ok(Some(Answer::Hello { scratch: scratch.to_owned() }));
        }
        match rest {
            "noscratch" => return Ok(Some(Answer::NoScratch)),
            "done" => return Ok(Some(Answer::Done)),
            _ => {}
        }
        let (kept, numbers) = rest.strip_prefix("kept ").map_or((false, rest), |numbers| (true, numbers));
        let words: Vec<&str> = numbers.split(' ').collect();
        if let (false, [id, "noscratch", ..]) = (kept, &words[..]) {
            return Ok(Some(Answer::ScratchGone { id: id.parse().map_err(|_| strange())? }));
        }
        let (parts, more) = words.as_chunks::<4>();
        if !more.is_empty() || parts.is_empty() || (!kept && parts.len() > 1) {
            return Err(strange());
        }
        let parts = parts.iter().map(|words| Part::parse(words).ok_or_else(strange)).collect::<Result<_, _>>()?;
        self.body = Some(Body { parts, bytes: Vec::new() });
        let waiting = self.buffer.split().freeze();
        self.push(&waiting);
        self.body_end()
    }

    fn body_end(&mut self) -> Result<Option<Answer>, OutOfStep> {
        let Some(body) = self.body.take() else { return Ok(None) };
        let whole = body.whole(self.token.len());
        if body.bytes.len() < whole {
            // Fewer bytes than announced: somebody cut the file short in between. Without this look it would hang.
            let done = body.bytes.strip_suffix(b" done\n");
            if done.is_some_and(|head| head.ends_with(&self.token)) {
                return Err(OutOfStep("an output shorter than announced".into()));
            }
            self.body = Some(body);
            return Ok(None);
        }
        let Body { parts, mut bytes } = body;
        let trailer = bytes.split_off(whole - self.token.len() - END.len());
        if trailer.strip_prefix(self.token.as_slice()) != Some(END) {
            return Err(OutOfStep("an output longer or shorter than announced".into()));
        }
        for Part { id, status, out, err } in parts {
            let rest = bytes.split_off(out + err);
            let stderr = bytes.split_off(out);
            self.ready.push_back(Answer::Segment { id, status, stdout: bytes, stderr });
            bytes = rest;
        }
        Ok(self.ready.pop_front())
    }

    /// Drops what a login shell's profile printed before the greeting.
    fn skip_noise(&mut self) -> Result<bool, OutOfStep> {
        let found = self.buffer.windows(self.token.len()).position(|window| window == self.token.as_slice());
        match found {
            Some(at) => {
                self.buffer.advance(at);
                Ok(true)
            }
            None if self.buffer.len() > MOST_NOISE => {
                Err(OutOfStep("more than a megabyte from the login shell before the first answer".into()))
            }
            None => Ok(false),
        }
    }
}

const END: &[u8] = b" end\n";

impl Body {
    fn whole(&self, token: usize) -> usize {
        let streams = self.parts.iter().fold(0usize, |sum, part| sum.saturating_add(part.out).saturating_add(part.err));
        streams.saturating_add(token + END.len())
    }
}

impl Part {
    fn parse([id, status, out, err]: &[&str; 4]) -> Option<Part> {
        // A shell may report more than 255 (ksh for signals); what counts is that it is no success.
        let status: u32 = status.parse().ok()?;
        let status = u8::try_from(status).unwrap_or(255);
        Some(Part { id: id.parse().ok()?, status, out: out.parse().ok()?, err: err.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(stream: &[u8], cut: usize) -> Result<Vec<Answer>, OutOfStep> {
        let mut parser = Parser::new("tok");
        let mut answers = Vec::new();
        for piece in stream.chunks(cut.max(1)) {
            parser.push(&Bytes::copy_from_slice(piece));
            while let Some(answer) = parser.next()? {
                answers.push(answer);
            }
        }
        Ok(answers)
    }

    fn segment(id: u64, status: u8, stdout: &[u8], stderr: &[u8]) -> Vec<u8> {
        let mut bytes = format!("tok {id} {status} {} {}\n", stdout.len(), stderr.len()).into_bytes();
        bytes.extend_from_slice(stdout);
        bytes.extend_from_slice(stderr);
        bytes.extend_from_slice(b"tok end\n");
        bytes
    }

    #[test]
    fn noise_before_the_greeting_is_dropped() {
        let stream = b"Welcome!\nno newline at endtok hello /run/x\ntok done\n";
        let expected = vec![Answer::Hello { scratch: "/run/x".into() }, Answer::Done];
        for cut in [1, 3, 7, 1000] {
            assert_eq!(all(stream, cut).unwrap(), expected);
        }
    }

    #[test]
    fn answers_that_were_kept_come_one_by_one() {
        let stream = b"tok hello /x\ntok kept 3 0 2 1 4 7 0 0\nab!tok end\ntok done\n";
        let segment = |id, status, stdout: &[u8], stderr: &[u8]| Answer::Segment {
            id,
            status,
            stdout: stdout.to_vec(),
            stderr: stderr.to_vec(),
        };
        let expected =
            [Answer::Hello { scratch: "/x".into() }, segment(3, 0, b"ab", b"!"), segment(4, 7, b"", b""), Answer::Done];
        for cut in [1, 3, 7, 1000] {
            assert_eq!(all(stream, cut).unwrap(), expected);
        }
    }

    #[test]
    fn faults_are_told_apart() {
        let hello = b"tok hello /run/x\n".as_slice();
        let cases: [(&[u8], Result<Answer, &str>); 8] = [
            (b"tok kept 1 0 5\n", Err("an answer that reads `kept 1 0 5`")),
            (b"tok 1 0 0 0 2 0 0 0\n", Err("an answer that reads `1 0 0 0 2 0 0 0`")),
            (b"tok noscratch\n", Ok(Answer::NoScratch)),
            (b"tok 4 noscratch 0 0\n", Ok(Answer::ScratchGone { id: 4 })),
            (b"hello\n", Err("bytes that belong to no answer")),
            (b"tok 1 0 5 0\nabtok end\ntok done\n", Err("an output longer or shorter than announced")),
            (b"tok 1 0 500 0\nabtok end\ntok done\n", Err("an output shorter than announced")),
            (b"tok 1 zero 0 0\n", Err("an answer that reads `1 zero 0 0`")),
        ];
        for (bytes, expected) in cases {
            let stream = [hello, bytes].concat();
            let result = all(&stream, 1000).map(|mut answers| answers.pop().expect("an answer"));
            assert_eq!(result, expected.map_err(|text| OutOfStep(text.into())), "{}", String::from_utf8_lossy(bytes));
        }
    }

    proptest! {
        #[test]
        fn any_output_cut_anywhere_comes_back(
            outputs in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..200), prop::collection::vec(any::<u8>(), 0..50)), 0..6),
            cut in 1usize..64,
        ) {
            let mut stream = b"tok hello /x\n".to_vec();
            let mut expected = vec![Answer::Hello { scratch: "/x".into() }];
            for (id, (status, stdout, stderr)) in (0..).zip(&outputs) {
                stream.extend(segment(id, *status, stdout, stderr));
                expected.push(Answer::Segment { id, status: *status, stdout: stdout.clone(), stderr: stderr.clone() });
            }
            stream.extend(b"tok done\n");
            expected.push(Answer::Done);
            prop_assert_eq!(all(&stream, cut).unwrap(), expected);
        }
    }
}
