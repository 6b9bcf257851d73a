//! The person in front of the terminal: what is asked, what was answered, and whether the run is to stop.

use std::{
    collections::HashMap,
    io::IsTerminal as _,
    sync::{
        Mutex,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use super::{RunError, barrier::Position, debugger::Verdict, lock};
use crate::{
    module::StepOutput,
    report::{self, terminal},
};

/// Asks the user, and remembers what holds for all hosts.
#[derive(Debug, Default)]
pub struct Prompter {
    /// `--step`: what was answered.
    consents: Mutex<Consents>,
    interrupts: AtomicU8,
    /// Held while a person talks to the debugger: true once it has said what it is.
    debugger: Mutex<bool>,
}

#[derive(Debug, Default)]
struct Consents {
    tasks: HashMap<Position, bool>,
    all: bool,
}

impl Prompter {
    /// Takes note that the user wants to stop. Returns how often that was said.
    pub fn interrupt(&self) -> u8 {
        self.interrupts.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Whether no further step is to be started.
    pub fn interrupted(&self) -> bool {
        self.interrupts.load(Ordering::SeqCst) > 0
    }

    /// `vars_prompt`: asks for a value, twice where it is to be confirmed.
    ///
    /// # Errors
    /// When nobody is there to be asked.
    pub fn ask(&self, prompt: &str, private: bool, confirm: bool, default: Option<&str>) -> Result<String, RunError> {
        if !console::user_attended() {
            return default.map(str::to_owned).ok_or_else(|| {
                RunError::plain(
                    format!("cannot ask for `{prompt}`: there is no terminal"),
                    "give the variable with `-e`",
                )
            });
        }
        let read = |question: &str| -> std::io::Result<String> {
            let question = format!("{question}:");
            match private {
                true => terminal::ask_secret(&question),
                false => terminal::ask(&question).map(|line| line.trim_end().to_owned()),
            }
        };
        let unread = |e: std::io::Error| {
            RunError::plain(
                format!("cannot read the answer: {e}"),
                "run it on a terminal, or give the variable with `-e`",
            )
        };
        loop {
            let answer = read(prompt).map_err(unread)?;
            let again = || read(&format!("{prompt} (again)"));
            if !confirm || again().map_err(unread)? == answer {
                return Ok(if answer.is_empty() { default.unwrap_or_default().to_owned() } else { answer });
            }
            terminal::err("the two answers differ");
        }
    }

    /// `pause`: waits, or lets the user say when to go on.
    pub async fn pause(&self, time: Option<Duration>, prompt: &str) -> StepOutput {
        let began = Instant::now();
        match time {
            Some(time) => {
                let end = began + time;
                while Instant::now() < end && !self.interrupted() {
                    tokio::time::sleep(Duration::from_millis(100).min(end - Instant::now())).await;
                }
            }
            None if console::user_attended() => {
                let question = prompt.to_owned();
                let answer = tokio::task::spawn_blocking(move || terminal::ask(&question));
                let line = answer.await.ok().and_then(Result::ok).unwrap_or_default();
                return StepOutput {
                    stdout: line.trim_end().as_bytes().to_vec(),
                    duration: began.elapsed(),
                    ..StepOutput::default()
                };
            }
            // Nobody is there to press a key: Ansible goes on at once, and so do we.
            None => {}
        }
        StepOutput { duration: began.elapsed(), ..StepOutput::default() }
    }

    /// The task debugger: shows what happened and hands each line typed to `answer`, until that comes to a verdict. One host at a time.
    pub fn debug(
        &self,
        prompt: &str,
        happened: &str,
        mut answer: impl FnMut(&str) -> (String, Option<Verdict>),
    ) -> Verdict {
        let mut known = lock(&self.debugger);
        report::aside(|| {
            terminal::err(happened);
            if !std::mem::replace(&mut *known, true) {
                terminal::err(
                    "this is the task debugger: `p` shows a value, `r` does the task again, `c` goes on, `q` quits, `h` lists all",
                );
            }
            loop {
                // What a second interrupt is for, ends this too.
                if self.interrupted() {
                    return Verdict::Quit;
                }
                let line = terminal::line(prompt).ok().flatten();
                // The line's own end is not seen where it comes from elsewhere.
                if !std::io::stdin().is_terminal() {
                    let _ = terminal::out("\n");
                }
                let (told, verdict) = answer(line.as_deref().unwrap_or("q"));
                if !told.is_empty() {
                    let _ = terminal::out(&format!("{told}\n"));
                }
                match verdict {
                    Some(Verdict::Quit) => {
                        self.interrupt();
                        return Verdict::Quit;
                    }
                    Some(verdict) => return verdict,
                    None => {}
                }
            }
        })
    }

    /// `--step`: whether the user wants a task done, asked once for all hosts. Other hosts wait for the answer.
    pub fn consent(&self, name: &str, position: Position) -> bool {
        let question = format!("Perform task: {name} (N)o/(y)es/(c)ontinue:");
        lock(&self.consents).given(position, || terminal::ask(&question).unwrap_or_default())
    }
}

impl Consents {
    fn given(&mut self, position: Position, ask: impl FnOnce() -> String) -> bool {
        if self.all {
            return true;
        }
        if let Some(known) = self.tasks.get(&position) {
            return *known;
        }
        let answer = ask().trim().to_lowercase();
        self.all = matches!(answer.as_str(), "c" | "continue");
        let yes = self.all || matches!(answer.as_str(), "y" | "yes");
        self.tasks.insert(position, yes);
        yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_task_is_asked_about_once_until_the_user_wants_all() {
        let mut consents = Consents::default();
        let unasked = || -> String { unreachable!("it was asked twice") };
        assert!(consents.given(vec![0], || "Yes\n".into()));
        assert!(consents.given(vec![0], unasked));
        assert!(!consents.given(vec![1], || "\n".into()));
        assert!(!consents.given(vec![1], unasked));
        assert!(consents.given(vec![2], || "c\n".into()));
        assert!(consents.given(vec![3], unasked) && consents.given(vec![1], unasked));
    }

    #[tokio::test]
    async fn a_pause_ends_with_its_time_or_with_the_run() {
        let prompter = Prompter::default();
        let waited = prompter.pause(Some(Duration::from_millis(20)), "wait").await.duration;
        assert!(waited >= Duration::from_millis(20), "{waited:?}");
        assert_eq!(prompter.interrupt(), 1);
        let waited = prompter.pause(Some(Duration::from_secs(60)), "wait").await.duration;
        assert!(waited < Duration::from_secs(10), "{waited:?}");
    }
}
