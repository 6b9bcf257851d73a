//! SSH: configuration, host keys, authentication, jump hosts. It ends where a host has let us in ([`Connection`]).

// Errors carry what a person needs to act; they are rare, so their size costs nothing.
#![allow(clippy::result_large_err)]

mod auth;
mod config;
mod connect;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod jump;
mod keys;
mod known_hosts;
pub(crate) mod limit;
mod name;
mod prompt;
pub(crate) mod script;
mod secret;
mod ssh_config;

pub use config::Target;
pub(crate) use config::login_name;
pub(crate) use connect::Connection;
pub use connect::{Context, NoPrompter, Prompter};
pub use error::SshError;
pub use known_hosts::HostKeyPolicy;
pub use limit::MOST_OUTPUT;
pub use secret::Secret;
pub(crate) use ssh_config::key_and_value as ssh_option;

/// Makes random text that nobody can guess, two digits a byte.
pub(crate) fn random_hex(bytes: usize) -> String {
    (0..bytes).map(|_| format!("{:02x}", rand::random::<u8>())).collect()
}
