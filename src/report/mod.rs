//! What the user sees: progress, lines, JSON, recap, diffs.

mod event;
mod json;
mod lines;

use std::sync::Arc;

pub use event::{Counts, Event, Reporter, Silent, Status, TaskLine};

/// What a run prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Lines for people, with live progress on a terminal
    #[default]
    Human,
    /// One JSON object per line
    Json,
}

/// The reporter for an output format.
pub fn reporter(output: Output, verbosity: u8) -> Arc<dyn Reporter> {
    match output {
        Output::Human => Arc::new(lines::Lines::new(verbosity)),
        Output::Json => Arc::new(json::JsonLines),
    }
}
