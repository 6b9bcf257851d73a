//! What the user sees: progress, lines, JSON, recap, diffs.
//!
//! Nothing of what a host, a file or a template says reaches a terminal as it is. Three things hold that: reporters for people
//! get texts of the type [`Shown`] alone ([`ForPeople`]), errors go through [`diagnostic`], and only [`terminal`] may print.

mod adhoc;
mod diagnostic;
mod diff;
mod event;
mod failure;
mod fields;
mod group;
mod human;
mod json;
mod junit;
mod live;
mod masked;
mod profile;
mod recap;
mod shown;
pub mod terminal;
mod timeline;
mod yamlish;

use std::sync::Arc;

pub use adhoc::AdHoc;
pub use diagnostic::install as install_diagnostics;
pub use event::{Certainty, Counts, Event, ForPeople, Marks, Reporter, Silent, Status, TaskLine};
pub use fields::Fields;
pub use live::{aside, end};
pub use masked::Masked;
pub use profile::Profile;
pub use shown::{Shown, json as json_text};
pub use timeline::Timeline;

/// What a run prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Lines for people, with live progress on a terminal
    #[default]
    Human,
    /// One JSON object per line
    Json,
    /// A JUnit report at the end
    Junit,
}

/// The reporter for an output format; `only_changes` leaves out lines about what is as it should be, `live` allows a moving
/// display on a terminal.
pub fn reporter(output: Output, verbosity: u8, only_changes: bool, live: bool) -> Arc<dyn Reporter> {
    match output {
        Output::Human => Arc::new(human::Human::new(verbosity, only_changes, live && live::possible())),
        Output::Json => Arc::new(json::JsonLines),
        Output::Junit => Arc::new(junit::Junit::default()),
    }
}
