//! `bringup ping`: can the hosts be worked on?

use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use console::style;
use miette::Report;

use super::{Exit, adhoc::Call, flags};
use crate::report::{Event, Fields, ForPeople, Shown, Status, terminal};

/// Connect, log in and become the user that would do the work; tell how long it took
#[derive(Args, Debug)]
pub struct Ping {
    /// The hosts: `all`, a group, `web:!web3`
    #[arg(default_value = "all")]
    pattern: String,
    #[command(flatten)]
    hosts: flags::Hosts,
}

/// Prints a line per host.
struct Lines {
    began: std::time::Instant,
    answered: Mutex<(usize, usize)>,
}

impl ForPeople for Lines {
    fn told(&self, event: Event<Shown, Fields>) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match event {
            Event::TaskResult { host, status, result, .. } => {
                answered.1 += 1;
                if status == Status::Ok {
                    answered.0 += 1;
                    let took = self.began.elapsed().as_secs_f64();
                    format!("{host:<26} {} {took:>8.3} s\n", style("ok").green())
                } else {
                    let word = if status == Status::Unreachable { "unreachable" } else { "failed" };
                    let message = result.message("msg").unwrap_or_default();
                    format!("{host:<26} {}: {message}\n", style(word).red())
                }
            }
            Event::Warning { message } => {
                terminal::warn(&message);
                return;
            }
            Event::Recap { .. } => format!("{} of {} hosts answered\n", answered.0, answered.1),
            _ => return,
        };
        // A reader that is gone has no use for the rest.
        let _ = terminal::out(&text);
    }
}

impl Ping {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        let call = Call::written("ansible.builtin.ping", "")?;
        let lines = Lines { began: std::time::Instant::now(), answered: Mutex::default() };
        // No lock is taken: to ask whether a host answers must work beside a run.
        let summary = call.run(&self.hosts, &self.pattern, Arc::new(lines), |options| options.locks = false)?;
        Ok(flags::exit(&summary, false))
    }
}
