//! `bringup ping`: can the hosts be worked on?

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use clap::Args;
use console::style;
use miette::Report;
use serde_json::Value as Json;

use super::{Exit, adhoc::Call, common};
use crate::report::{Event, Reporter, Status};

/// Connect, log in and become the user that would do the work; tell how long it took
#[derive(Args, Debug)]
pub struct Ping {
    /// The hosts: `all`, a group, `web:!web3`
    #[arg(default_value = "all")]
    pattern: String,
    #[command(flatten)]
    hosts: common::Hosts,
}

/// Prints a line per host.
struct Lines {
    began: std::time::Instant,
    answered: Mutex<(usize, usize)>,
}

impl Reporter for Lines {
    fn event(&self, event: Event) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = std::io::stdout().lock();
        let _ = match event {
            Event::TaskResult { host, status, result, .. } => {
                answered.1 += 1;
                if status == Status::Ok {
                    answered.0 += 1;
                    let took = self.began.elapsed().as_secs_f64();
                    writeln!(out, "{host:<26} {} {took:>8.3} s", style("ok").green())
                } else {
                    let word = if status == Status::Unreachable { "unreachable" } else { "failed" };
                    let message = result.get("msg").and_then(Json::as_str).unwrap_or_default();
                    writeln!(out, "{host:<26} {}: {message}", style(word).red())
                }
            }
            Event::Warning { message } => {
                eprintln!("warning: {message}");
                Ok(())
            }
            Event::Recap { .. } => writeln!(out, "{} of {} hosts answered", answered.0, answered.1),
            _ => Ok(()),
        };
    }
}

impl Ping {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        let call = Call::written("ansible.builtin.ping", "")?;
        let lines = Lines { began: std::time::Instant::now(), answered: Mutex::default() };
        // No lock is taken: to ask whether a host answers must work beside a run.
        let summary = call.run(&self.hosts, &self.pattern, Arc::new(lines), |options| options.locks = false)?;
        Ok(common::exit(&summary, false))
    }
}
