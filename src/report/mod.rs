//! What the user sees: progress, lines, JSON, recap, diffs.

mod event;

pub use event::{Counts, Event, Reporter, Silent, Status, TaskLine};
