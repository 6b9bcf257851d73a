//! Talking with a command on a terminal: what it shows is looked at here, and what is to be typed is sent to it.
//!
//! The host needs `script`, which every system has. A talk goes on in scripts of their own: one starts the command in the background, others
//! listen, type, and tidy up. Whoever carries them out knows nothing of the talk.

use std::time::{Duration, Instant};

use super::{StepOutput, process, regexp::Pattern};
use crate::sh::{self, print, quote};

/// A command and what it is told when it asks.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The words of the command.
    pub words: Vec<String>,
    /// Where it runs.
    pub folder: Option<String>,
    /// What it may ask.
    pub questions: Vec<Question>,
    /// How long it may take until it asks the next question or ends; `None`: as long as it likes.
    pub timeout: Option<Duration>,
    /// Whether the terminal shows what is typed.
    pub echo: bool,
}

/// What a command asks, and what is typed then.
#[derive(Clone)]
pub struct Question {
    /// As it is written.
    pub written: String,
    /// What it looks like.
    pub pattern: Pattern,
    /// What is typed: always the same, or one after the other.
    pub answers: Vec<String>,
    /// Whether the answers are used up one by one.
    pub in_turn: bool,
}

impl std::fmt::Debug for Question {
    /// Never shows what is typed: that is a password as a rule.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} ({} answers)", self.written, self.answers.len())
    }
}

/// Why a talk was given up: [`StepOutput::error`] of one that took too long.
pub const TOO_LONG: &str = "command exceeded timeout";

/// How much a command may show.
const MOST: usize = 64 << 20;

/// A talk that goes on.
#[derive(Debug)]
pub struct Talk<'c> {
    of: &'c Conversation,
    folder: Option<String>,
    heard: Vec<u8>,
    /// Up to where questions were looked for, in the text of what was heard.
    seen: usize,
    used: Vec<usize>,
    since: Instant,
    typed: bool,
    over: Option<StepOutput>,
}

impl Conversation {
    /// A talk, and the script it begins with.
    pub fn begin(&self) -> (Talk<'_>, String) {
        let line: Vec<_> = self.words.iter().map(|word| quote(word)).collect();
        let script = format!(
            "line={} folder={} echo={}\n{}",
            quote(&format!("exec {}", line.join(" "))),
            self.folder.as_ref().map_or("\"$PWD\"".into(), |folder| quote(folder)),
            if self.echo { "echo" } else { "-echo" },
            sh::file!("converse/begin.sh")
        );
        let talk = Talk {
            of: self,
            folder: None,
            heard: Vec::new(),
            seen: 0,
            used: vec![0; self.questions.len()],
            since: Instant::now(),
            typed: false,
            over: None,
        };
        (talk, script)
    }
}

impl Talk<'_> {
    /// Takes what the last script printed, and says which one is next.
    ///
    /// # Errors
    /// How the talk ended, when it has.
    pub fn next(&mut self, output: StepOutput) -> Result<String, StepOutput> {
        if let Some(over) = self.over.take() {
            return Err(over);
        }
        if output.status != 0 || output.error.is_some() {
            return Err(output);
        }
        match self.folder {
            None => self.folder = Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            Some(_) if std::mem::take(&mut self.typed) => {}
            Some(_) => {
                let end = output.stdout.iter().position(|b| *b == b'\n').unwrap_or(output.stdout.len());
                self.heard.extend_from_slice(output.stdout.get(end + 1..).unwrap_or_default());
                let word = String::from_utf8_lossy(&output.stdout[..end]).into_owned();
                let status = word.strip_prefix("over ").map(|status| status.trim().parse().unwrap_or(-1));
                return self.answer(status);
            }
        }
        Ok(self.listen())
    }

    /// Gives the talk up, whatever it has come to; the script that ends it.
    pub fn give_up(&self) -> String {
        format!("d={}\n{}", quote(self.folder.as_deref().unwrap_or("/nonexistent")), sh::file!("converse/end.sh"))
    }

    fn listen(&self) -> String {
        let folder = quote(self.folder.as_deref().unwrap_or_default());
        format!("d={folder} heard={}\n{}", self.heard.len(), sh::file!("converse/hear.sh"))
    }

    /// What comes of what was heard: an answer, more listening, or the end.
    fn answer(&mut self, status: Option<i32>) -> Result<String, StepOutput> {
        if self.heard.len() > MOST {
            return Ok(self.end(-1, Some(format!("the command showed more than {MOST} bytes"))));
        }
        let text = String::from_utf8_lossy(&self.heard).into_owned();
        let rest = text.get(self.seen..).unwrap_or_default();
        let mut first: Option<(usize, usize, usize)> = None;
        for (at, question) in self.of.questions.iter().enumerate() {
            match question.pattern.captures(rest) {
                Ok(Some(found)) => {
                    let (from, to) = found.whole();
                    if to > from && first.is_none_or(|(before, _, _)| from < before) {
                        first = Some((from, to, at));
                    }
                }
                Ok(None) => {}
                Err(why) => return Ok(self.end(-1, Some(why))),
            }
        }
        if let Some((_, to, at)) = first {
            self.seen += to;
            self.since = Instant::now();
            let question = &self.of.questions[at];
            let turn = self.used[at];
            self.used[at] += 1;
            let turn = if question.in_turn { turn } else { 0 };
            return Ok(match question.answers.get(turn) {
                Some(answer) => {
                    self.typed = true;
                    let folder = quote(self.folder.as_deref().unwrap_or_default());
                    let line = format!("{}\n", answer.trim_end_matches('\n'));
                    // Whoever has ended meanwhile reads nothing any more.
                    format!("d={folder}\n[ -e \"$d/rc\" ] || {} 1<>\"$d/in\"\n:\n", print(line.as_bytes()))
                }
                None => {
                    let shown = process::lines(&text).last().copied().unwrap_or_default().to_owned();
                    let why = format!("No remaining responses for '{}', output was '{shown}'", question.written);
                    self.end(-1, Some(why))
                }
            });
        }
        match status {
            Some(status) => Ok(self.end(status, None)),
            None if self.of.timeout.is_some_and(|timeout| self.since.elapsed() >= timeout) => {
                Ok(self.end(-1, Some(TOO_LONG.to_owned())))
            }
            None => Ok(self.listen()),
        }
    }

    /// The script that ends the talk; what it came to is told behind it.
    fn end(&mut self, status: i32, error: Option<String>) -> String {
        let stdout = std::mem::take(&mut self.heard);
        self.over = Some(StepOutput { status, stdout, error, ..StepOutput::default() });
        self.give_up()
    }
}
