//! Reads what a shell sends back: answers are taken by length, never by searching their contents.

use crate::ssh::limit::{MOST_FRAME, MOST_NOISE, MOST_OUTPUT, find, size};
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
    /// One segment has ended, and the host could or would not keep all that it printed.
    Cut { id: u64, status: u8, why: Cut },
    /// The private folder is gone, so this segment was not run.
    ScratchGone { id: u64 },
    /// The frame is over.
    Done,
}

/// Why an output did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It is more than a result may hold: so many bytes in each of both streams.
    TooMuch { stdout: u64, stderr: u64 },
    /// The folder for output has no room left, so what is there may lack its end.
    NoRoom,
}

/// Why a shell cannot be listened to any more, in words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// What came does not fit the protocol.
    OutOfStep(String),
    /// It says more than is kept.
    TooMuch { what: String, limit: usize },
}

/// A header is some numbers and a path.
const MOST_HEADER: usize = 8 << 10;

/// Cuts the byte stream of a shell into answers.
#[derive(Debug)]
pub(crate) struct Parser {
    token: Vec<u8>,
    buffer: BytesMut,
    /// How much of the buffer was searched for the greeting.
    searched: usize,
    greeted: bool,
    body: Option<Body>,
    /// Segments whose answers came together and have not been given yet.
    ready: VecDeque<Answer>,
    /// Bytes of output in this frame so far.
    held: usize,
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
    cut: Option<Cut>,
}

impl Parser {
    /// Starts before the greeting of a shell whose answers carry `token`.
    pub(crate) fn new(token: &str) -> Self {
        Self {
            token: token.as_bytes().to_vec(),
            buffer: BytesMut::new(),
            searched: 0,
            greeted: false,
            body: None,
            ready: VecDeque::new(),
            held: 0,
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
    pub(crate) fn next(&mut self) -> Result<Option<Answer>, Fault> {
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
                return Err(out_of_step("an answer without a line end"));
            }
            return Ok(None);
        };
        if end > MOST_HEADER {
            return Err(out_of_step("an answer whose first line does not end in time"));
        }
        let line = self.buffer.split_to(end);
        self.buffer.advance(1);
        let line = String::from_utf8_lossy(&line).into_owned();
        let Some(rest) = line.as_bytes().strip_prefix(self.token.as_slice()) else {
            return Err(out_of_step("bytes that belong to no answer"));
        };
        let rest = String::from_utf8_lossy(rest).trim_start().to_owned();
        self.header(&rest)
    }

    fn header(&mut self, rest: &str) -> Result<Option<Answer>, Fault> {
        let strange = || Fault::OutOfStep(format!("an answer that reads `{rest}`"));
        if let Some(scratch) = rest.strip_prefix("hello ") {
            self.greeted = true;
            return Ok(Some(Answer::Hello { scratch: scratch.to_owned() }));
        }
        match rest {
            "noscratch" => return Ok(Some(Answer::NoScratch)),
            "done" => {
                self.held = 0;
                return Ok(Some(Answer::Done));
            }
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
        let parts: Vec<_> =
            parts.iter().map(|words| Part::parse(words).ok_or_else(strange)).collect::<Result<_, _>>()?;
        self.measure(&parts)?;
        self.body = Some(Body { parts, bytes: Vec::new() });
        let waiting = self.buffer.split().freeze();
        self.push(&waiting);
        self.body_end()
    }

    /// Refuses promises of more than is kept, before anything of it is.
    fn measure(&mut self, parts: &[Part]) -> Result<(), Fault> {
        for part in parts {
            let most = part.out.max(part.err);
            if most > MOST_OUTPUT {
                let what = format!("step {} announced {} of output", part.id, size(most as u64));
                return Err(Fault::TooMuch { what, limit: MOST_OUTPUT });
            }
            self.held = self.held.saturating_add(part.out).saturating_add(part.err);
        }
        if self.held > MOST_FRAME {
            let what = format!("the steps of one round trip printed {}", size(self.held as u64));
            return Err(Fault::TooMuch { what, limit: MOST_FRAME });
        }
        Ok(())
    }

    fn body_end(&mut self) -> Result<Option<Answer>, Fault> {
        let Some(body) = self.body.take() else { return Ok(None) };
        let whole = body.whole(self.token.len());
        if body.bytes.len() < whole {
            // Fewer bytes than announced: somebody cut the file short in between. Without this look it would hang.
            let done = body.bytes.strip_suffix(b" done\n");
            if done.is_some_and(|head| head.ends_with(&self.token)) {
                return Err(out_of_step("an output shorter than announced"));
            }
            self.body = Some(body);
            return Ok(None);
        }
        let Body { parts, mut bytes } = body;
        let trailer = bytes.split_off(whole - self.token.len() - END.len());
        if trailer.strip_prefix(self.token.as_slice()) != Some(END) {
            return Err(out_of_step("an output longer or shorter than announced"));
        }
        let alone = parts.len() == 1;
        let mut rest = bytes.as_slice();
        let mut answers = VecDeque::with_capacity(parts.len());
        for Part { id, status, out, err, cut } in parts {
            let (stdout, more) = rest.split_at(out);
            let (stderr, more) = more.split_at(err);
            answers.push_back(match cut {
                Some(why) => Answer::Cut { id, status, why },
                // A large output by itself is not copied.
                None if alone => Answer::Segment { id, status, stdout: Vec::new(), stderr: stderr.to_vec() },
                None => Answer::Segment { id, status, stdout: stdout.to_vec(), stderr: stderr.to_vec() },
            });
            rest = more;
        }
        if let (true, Some(Answer::Segment { stdout, stderr, .. })) = (alone, answers.front_mut()) {
            bytes.truncate(bytes.len() - stderr.len());
            *stdout = bytes;
        }
        self.ready = answers;
        Ok(self.ready.pop_front())
    }

    /// Drops what a login shell's profile printed before the greeting.
    fn skip_noise(&mut self) -> Result<bool, Fault> {
        // Each byte is looked at once, however small the pieces are that it comes in.
        let from = self.searched.saturating_sub(self.token.len() - 1).min(self.buffer.len());
        match find(&self.buffer[from..], &self.token) {
            Some(at) => {
                self.buffer.advance(from + at);
                self.searched = 0;
                Ok(true)
            }
            None if self.buffer.len() > MOST_NOISE => {
                let what = "the login shell has printed more before its first answer than a profile would".to_owned();
                Err(Fault::TooMuch { what, limit: MOST_NOISE })
            }
            None => {
                self.searched = self.buffer.len();
                Ok(false)
            }
        }
    }
}

fn out_of_step(what: &str) -> Fault {
    Fault::OutOfStep(what.to_owned())
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
        let cut = match (*out, *err) {
            ("full", "full") => Some(Cut::NoRoom),
            (out, err) if out.starts_with('x') || err.starts_with('x') => {
                let (stdout, stderr) = (out.strip_prefix('x')?.parse().ok()?, err.strip_prefix('x')?.parse().ok()?);
                Some(Cut::TooMuch { stdout, stderr })
            }
            _ => None,
        };
        let (out, err) = if cut.is_some() { (0, 0) } else { (out.parse().ok()?, err.parse().ok()?) };
        Some(Part { id: id.parse().ok()?, status, out, err, cut })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(stream: &[u8], cut: usize) -> Result<Vec<Answer>, Fault> {
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
            assert_eq!(
                result,
                expected.map_err(|text| Fault::OutOfStep(text.into())),
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn promises_beyond_the_limit_are_refused_before_anything_is_kept() {
        let hello = b"tok hello /x\n".as_slice();
        let too_much = MOST_OUTPUT + 1;
        let half = MOST_OUTPUT / 2 + 1;
        let kept: String = (0..4).map(|id| format!(" {id} 0 {half} {half}")).collect();
        for promise in [
            "tok 1 0 100000000000000 0\n".to_owned(),
            format!("tok 1 0 0 {too_much}\n"),
            format!("tok 1 0 {} {}\n", usize::MAX, usize::MAX),
            format!("tok kept{kept}\n"),
        ] {
            let end = all(&[hello, promise.as_bytes()].concat(), 1000);
            assert!(matches!(end, Err(Fault::TooMuch { .. })), "{promise}: {end:?}");
        }
        let line = format!("tok 1 0 {}", "0".repeat(1 << 16));
        assert_eq!(
            all(&[hello, line.as_bytes()].concat(), 1000),
            Err(Fault::OutOfStep("an answer without a line end".into()))
        );
        assert!(all(&[hello, line.as_bytes(), b" 0\n"].concat(), 1 << 20).is_err());
    }

    #[test]
    fn a_flood_before_the_greeting_ends_soon_and_costs_no_more_than_itself() {
        let began = std::time::Instant::now();
        let mut parser = Parser::new(&"0123456789abcdef".repeat(2));
        let mut count = 0;
        let end = loop {
            parser.push(&Bytes::from_static(b"0"));
            count += 1;
            if let Err(end) = parser.next() {
                break end;
            }
        };
        assert_eq!(count, MOST_NOISE + 1);
        assert!(matches!(end, Fault::TooMuch { limit: MOST_NOISE, .. }), "{end:?}");
        // A search from the start for each piece would take hours.
        assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    }

    #[test]
    fn what_the_host_kept_back_is_told() {
        let stream = b"tok hello /x\ntok 1 3 x99 x0\ntok end\ntok kept 2 0 full full 3 0 2 0\nabtok end\ntok done\n";
        let expected = [
            Answer::Hello { scratch: "/x".into() },
            Answer::Cut { id: 1, status: 3, why: Cut::TooMuch { stdout: 99, stderr: 0 } },
            Answer::Cut { id: 2, status: 0, why: Cut::NoRoom },
            Answer::Segment { id: 3, status: 0, stdout: b"ab".to_vec(), stderr: Vec::new() },
            Answer::Done,
        ];
        for cut in [1, 3, 7, 1000] {
            assert_eq!(all(stream, cut).unwrap(), expected);
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

        #[test]
        fn any_bytes_are_borne(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            crate::connection::fuzz::frames(&bytes);
        }

        /// Pieces of the protocol in any order: more of them get past the first line.
        #[test]
        fn any_answers_are_borne(words in prop::collection::vec(prop_oneof![
            Just("tok "), Just("hello "), Just("/x"), Just("\n"), Just("kept "), Just("1 0 "), Just("2 1\n"), Just("ab"), Just("tok end\n"),
            Just("tok done\n"), Just("x9 x9\n"), Just("full full"), Just("99999999999999999999 "), Just("18446744073709551615 "),
            Just("134217728 134217728 "),
        ], 0..40)) {
            crate::connection::fuzz::frames(words.concat().as_bytes());
        }
    }
}
