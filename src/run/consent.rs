//! `--step`: the user is asked before each task, once for all hosts.

use std::collections::HashMap;

use super::{
    Run,
    barrier::Position,
    host::{HostRun, Stop},
    lock,
};
use crate::{playbook::Task, report::terminal, template::Context};

/// What the user answered.
#[derive(Debug, Default)]
pub struct Consents {
    tasks: HashMap<Position, bool>,
    all: bool,
}

impl HostRun {
    /// Whether the user wants this task done. What was decided before is carried out first.
    pub(super) async fn consent(&mut self, task: &Task, position: &Position, vars: &Context) -> Result<bool, Stop> {
        self.flush().await?;
        let name = self.line(task, position, Some(vars)).name;
        let (run, position) = (self.run.clone(), position.clone());
        let asked = tokio::task::spawn_blocking(move || run.consent(&name, position)).await;
        // Without an answer nothing is done.
        Ok(asked.unwrap_or(false))
    }
}

impl Run {
    /// Asks about a task unless that is answered already. Other hosts wait for the answer.
    fn consent(&self, name: &str, position: Position) -> bool {
        let mut consents = lock(&self.consents);
        if consents.all {
            return true;
        }
        if let Some(known) = consents.tasks.get(&position) {
            return *known;
        }
        let question = format!("Perform task: {name} (N)o/(y)es/(c)ontinue:");
        let answer = terminal::ask(&question).map(|line| line.trim().to_lowercase()).unwrap_or_default();
        consents.all = matches!(answer.as_str(), "c" | "continue");
        let yes = consents.all || matches!(answer.as_str(), "y" | "yes");
        consents.tasks.insert(position, yes);
        yes
    }
}
