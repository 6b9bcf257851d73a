//! What the user sees: progress, lines, JSON, recap, diffs.
//!
//! Nothing of what a host, a file or a template says reaches a terminal as it is. Three things hold that: reporters for people
//! get texts of the type [`Shown`] alone ([`ForPeople`]), errors go through [`diagnostic`], and only [`terminal`] may print.

mod adhoc;
mod callback_default;
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
mod minimal;
mod profile;
mod recap;
mod shown;
pub mod terminal;
mod timeline;
mod yamlish;

use std::sync::Arc;

pub use adhoc::AdHoc;
pub use callback_default::CallbackDefault;
pub use diagnostic::install as install_diagnostics;
pub use event::{Certainty, Counts, Event, ForPeople, Marks, Reporter, Silent, Status, TaskLine};
pub use failure::IN_OPTION;
pub use fields::Fields;
pub use live::{aside, end};
pub use masked::Masked;
pub use minimal::Minimal;
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

/// What lines for people leave out.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeftOut {
    /// All that is as it should be; how much that was is told at the end.
    pub unchanged: bool,
    /// That a task was fine on a host.
    pub ok: bool,
    /// That a task was skipped on a host.
    pub skipped: bool,
    /// The values that tasks gave the run.
    pub stats: bool,
}

/// The reporter for an output format; `live` allows a moving display on a terminal.
pub fn reporter(output: Output, verbosity: u8, left_out: LeftOut, live: bool) -> Arc<dyn Reporter> {
    match output {
        Output::Human => Arc::new(human::Human::new(verbosity, left_out, live && live::possible())),
        Output::Json => Arc::new(json::JsonLines),
        Output::Junit => Arc::new(junit::Junit::default()),
    }
}
