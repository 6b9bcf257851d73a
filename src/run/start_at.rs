//! `--start-at-task`: leaves out what stands before a task, in the first play that has it.

use std::sync::Mutex;

use super::{
    lock,
    program::{Op, Program},
};
use crate::{python::fnmatch::fnmatch, yaml::Node};

/// The task to start at, and the play that has it.
#[derive(Debug, Default)]
pub struct StartAt {
    wanted: Option<String>,
    /// The number of the play.
    found: Mutex<Option<u32>>,
}

impl StartAt {
    /// Starts at the first task of this name, or whose name fits it as a shell pattern.
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
            Op::Task(task) => means(wanted, &task.name.as_ref().map(Node::key_text).unwrap_or_default(), &task.title()),
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

/// Whether a task is meant: its own name word for word, or a shell pattern that its name fits, with its role's or without.
fn means(wanted: &str, name: &str, title: &str) -> bool {
    wanted == name || fnmatch(wanted, name) || fnmatch(wanted, title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_meant_by_its_name_or_a_pattern() {
        for (wanted, name, title, meant) in [
            ("Configure", "Configure", "web : Configure", true),
            ("web : Configure", "Configure", "web : Configure", true),
            ("Conf*", "Configure", "web : Configure", true),
            ("web*", "Configure", "web : Configure", true),
            ("configure", "Configure", "web : Configure", false),
            ("Config", "Configure", "web : Configure", false),
            ("task [23]", "task 2", "task 2", true),
            ("task [23]", "task 4", "task 4", false),
            ("task [23]", "task [23]", "task [23]", true),
            ("task [!23]", "task 4", "task 4", true),
            ("use {{ a[0] }}", "use {{ a[0] }}", "use {{ a[0] }}", true),
            ("copy", "", "copy", true),
            ("web : copy", "", "web : copy", true),
            ("*", "", "copy", true),
            ("", "", "copy", true),
            ("?opy", "", "web : copy", false),
        ] {
            assert_eq!(means(wanted, name, title), meant, "{wanted:?} and {title:?}");
        }
    }
}
