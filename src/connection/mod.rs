//! Connections: how hosts are reached, and what stands on all of them alike.
//!
//! A kind of connection is a file and its line in [`KINDS`]: it says which variables it reads and makes a way to a host of
//! them ([`Reach`]), at whose end programs can be started ([`Connection`]). All else is the same for every kind: one long-lived
//! shell per user ([`Shell`]), one round trip per frame of steps, a resident Python ([`Resident`]) where a module needs it, files on programs of their own, the change of user.

// Errors carry what a person needs to act; they are rare, so their size costs nothing.
#![allow(clippy::result_large_err)]

mod answer;
mod chroot;
mod container;
mod context;
mod docker;
mod download;
mod error;
mod exchange;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod kind;
mod local;
mod podman;
mod process;
mod program;
mod reach;
mod reached;
mod refusal;
pub mod registry;
mod resident;
mod running;
pub mod said;
mod session;
mod settings;
mod shared_file;
mod shell;
mod ssh;
mod sudo;
mod target;
mod tunnel;
mod upload;

pub use crate::ssh::{MOST_OUTPUT, NoPrompter, Prompter, Secret};
pub use context::Context;
pub use error::{BecomeFailure, Error};
pub use frame::{Frame, FrameEnd, Output, Segment};
pub use kind::{Kind, Role, Variable};
pub use process::{End, Process, Reading};
pub use reach::{Connection, Reach, Room, Stream};
pub use reached::Stats;
pub use refusal::Refusal;
pub use resident::{Call, Called, Interpreter, Payload, Resident};
pub use session::Session;
pub use settings::{Defaults, Settings, SshDefaults};
pub use shared_file::SharedFile;
pub use shell::Shell;
pub use sudo::{Become, BecomeMethod};
pub use target::Target;
pub use upload::{Upload, UploadSource};

/// All kinds; the first is the usual one.
pub static KINDS: &[&Kind] = &[&ssh::KIND, &local::KIND, &chroot::KIND, &docker::KIND, &podman::KIND];
