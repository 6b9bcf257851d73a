//! The person at the terminal, and clocks that wait for him.

use super::secret::Secret;
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// Asks the person at the terminal. Called from a thread that may block.
pub trait Prompter: Send + Sync {
    /// Asks for a secret; nothing when there is nobody to ask.
    fn ask(&self, question: &str) -> Option<Secret>;
}

/// Asks nobody: for runs without a terminal.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPrompter;

impl Prompter for NoPrompter {
    fn ask(&self, _question: &str) -> Option<Secret> {
        None
    }
}

/// The person, for all connections of a run.
pub(crate) struct Asker {
    prompter: Arc<dyn Prompter>,
    /// How many questions wait for an answer just now.
    open: Arc<AtomicUsize>,
}

impl Asker {
    pub(crate) fn new(prompter: Arc<dyn Prompter>) -> Self {
        Self { prompter, open: Arc::default() }
    }

    /// Asks the person; the clocks of connections stand still meanwhile.
    pub(crate) async fn ask(&self, question: String) -> Option<Secret> {
        let prompter = Arc::clone(&self.prompter);
        self.open.fetch_add(1, Ordering::SeqCst);
        let answer = tokio::task::spawn_blocking(move || prompter.ask(&question)).await;
        self.open.fetch_sub(1, Ordering::SeqCst);
        answer.ok().flatten()
    }
}

/// A time limit that does not run while a person is being asked.
#[derive(Clone)]
pub(crate) struct Patience {
    pub(crate) whole: Duration,
    until: Instant,
    asking: Arc<AtomicUsize>,
}

impl Patience {
    pub(crate) fn new(whole: Duration, asker: &Asker) -> Self {
        Self { whole, until: Instant::now() + whole, asking: Arc::clone(&asker.open) }
    }

    /// Runs something within what is left of the time.
    pub(crate) async fn limit<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Some(done),
                () = tokio::time::sleep_until(self.until) => {
                    if self.asking.load(Ordering::SeqCst) == 0 {
                        return None;
                    }
                    self.until = Instant::now() + Duration::from_secs(5);
                }
            }
        }
    }

    pub(crate) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}
