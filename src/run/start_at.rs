//! `--start-at-task`: leaves out what stands before a task, in the first play that has it.

use std::sync::Mutex;

use super::{
    lock,
    program::{Op, Program},
};
use crate::yaml::Node;

/// The task to start at, and the play that has it.
#[derive(Debug, Default)]
pub struct StartAt {
    wanted: Option<String>,
    /// The number of the play.
    found: Mutex<Option<u32>>,
}

impl StartAt {
    /// Starts at the first task of this name, which may hold `*`.
    pub fn new(wanted: Option<String>) -> StartAt {
        StartAt { wanted, found: Mutex::default() }
    }

    /// The name that no play had so far.
    pub fn missing(&self) -> Option<&str> {
        self.wanted.as_deref().filter(|_| lock(&self.found).is_none())
    }

    /// What is left of the tasks of a play.
    pub fn skip(&self, mut program: Program, play: u32) -> Program {
        let Some(wanted) = &self.wanted else { return program };
        // Each batch of that play starts there, the plays behind it at their beginning.
        if lock(&self.found).is_some_and(|found| found != play) {
            return program;
        }
        let at = program.ops.iter().position(|(op, _)| match op {
            Op::Task(task) => {
                let name = task.name.as_ref().map(Node::key_text).unwrap_or_default();
                glob(wanted, &name) || glob(wanted, &task.title())
            }
            _ => false,
        });
        match at {
            Some(at) => {
                *lock(&self.found) = Some(play);
                program.skip_until(at);
            }
            None => program.skip_until(program.ops.len()),
        }
        program
    }
}

/// Matches `*` and nothing else.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text
            .strip_prefix(head)
            .is_some_and(|rest| (0..=rest.len()).filter(|i| rest.is_char_boundary(*i)).any(|i| glob(tail, &rest[i..]))),
    }
}
