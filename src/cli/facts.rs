//! `bringup facts`: what is known of hosts, as JSON.

use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use miette::Report;
use serde_json::{Map, Value as Json};

use super::{Exit, adhoc::Call, flags, say::say_json};
use crate::report::{Event, Reporter, Shown, Status, terminal};

/// Facts of hosts as JSON, by host
#[derive(Args, Debug)]
pub struct Facts {
    /// The hosts: `all`, a group, `web:!web3`
    #[arg(default_value = "all")]
    pattern: String,
    /// Only facts whose names fit, such as `ansible_*_ipv4`
    #[arg(long, value_name = "PATTERN")]
    filter: Vec<String>,
    #[command(flatten)]
    hosts: flags::Hosts,
}

/// Keeps the facts of each host.
#[derive(Default)]
struct Collect(Mutex<Map<String, Json>>);

impl Reporter for Collect {
    fn event(&self, event: Event) {
        match event {
            Event::TaskResult { host, status: Status::Ok | Status::Changed, mut result, .. } => {
                let facts = result.get_mut("ansible_facts").map(Json::take).unwrap_or_default();
                self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(host, facts);
            }
            Event::TaskResult { host, status, result, .. } => {
                let word = if status == Status::Unreachable { "unreachable" } else { "failed" };
                let message = result.get("msg").and_then(Json::as_str).unwrap_or_default();
                terminal::err(&format!("{}: {word}: {}", Shown::line(&host), Shown::message(message)));
            }
            Event::Warning { message } => terminal::warn(&message),
            _ => {}
        }
    }
}

impl Facts {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        let args = match self.filter.is_empty() {
            true => String::new(),
            false => serde_json::json!({ "filter": self.filter }).to_string(),
        };
        let call = Call::written("ansible.builtin.setup", &args)?;
        let facts = Arc::new(Collect::default());
        let summary = call.run(&self.hosts, &self.pattern, facts.clone(), |options| options.locks = false)?;
        let mut facts = std::mem::take(&mut *facts.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut ordered = Map::new();
        for (host, _) in &summary.hosts {
            ordered.extend(facts.remove_entry(host));
        }
        say_json(&Json::Object(ordered))?;
        Ok(flags::exit(&summary, false))
    }
}
