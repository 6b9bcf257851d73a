//! SSH sessions: configuration, host keys, authentication, shells, uploads.
//!
//! One connection per host ([`Session`]), one long-lived shell per user on it ([`Shell`]), one round trip per frame of
//! steps. Files travel on channels of their own. `connection: local` is the same over a child process.

// Errors carry what a person needs to act; they are rare, so their size costs nothing.
#![allow(clippy::result_large_err)]

mod answer;
mod auth;
mod config;
mod connect;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod jump;
mod keys;
mod known_hosts;
mod limit;
mod name;
mod process;
mod prompt;
mod script;
mod secret;
mod session;
mod shared_file;
mod shell;
mod ssh_config;
mod sudo;
mod transfer;

pub use config::Target;
pub(crate) use config::login_name;
pub use connect::{Context, NoPrompter, Prompter};
pub use error::{BecomeFailure, SshError};
pub use known_hosts::HostKeyPolicy;
pub use limit::MOST_OUTPUT;
pub use process::End;
pub use secret::Secret;
pub use session::{Session, Stats};
pub use shared_file::SharedFile;
pub use shell::{Frame, FrameEnd, Output, Segment, Shell};
pub(crate) use ssh_config::key_and_value as ssh_option;
pub use sudo::{Become, BecomeMethod};
pub use transfer::{Upload, UploadSource};

/// Makes random text that nobody can guess, two digits a byte.
pub(crate) fn random_hex(bytes: usize) -> String {
    (0..bytes).map(|_| format!("{:02x}", rand::random::<u8>())).collect()
}
