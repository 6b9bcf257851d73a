//! What is read from a host: one probe script and one pure parser per subject.
//!
//! A [`Probe`] names one thing to read. Probes of one subject are merged into one script ([`batch`]), so that a
//! hundred `stat`s cost one process. Answers land in a [`State`], which knows how fresh they are and which changes
//! make them stale.

mod account;
mod batch;
mod checksum;
mod content;
mod described;
mod kernel;
mod package;
mod probe;
mod resource;
pub mod setup;
mod stat;
mod state;
mod unit;

pub use account::{GroupEntry, UserEntry};
pub use batch::{Batch, Reply, batch};
pub use checksum::Algorithm;
pub use described::Describer;
pub use kernel::path as kernel_path;
pub use package::PackageState;
pub use probe::{Answer, ApiQuery, Probe, ScriptAnswer};
pub use resource::Resource;
pub(crate) use stat::{FORMAT as STAT_FORMAT, parse_line as parse_stat_line};
pub use stat::{FileKind, FileStat};
pub use state::{Missing, State};
pub use unit::UnitState;
pub(crate) use unit::{parse as parse_units, script as unit_script};
