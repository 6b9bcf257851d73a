//! SSH: configuration, host keys, authentication, jump hosts. It ends where a host has let us in ([`Connection`]).

// Errors carry what a person needs to act; they are rare, so their size costs nothing.
#![allow(clippy::result_large_err)]

mod account;
mod auth;
mod client;
mod config;
mod connect;
mod connection;
mod context;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod jump;
mod keys;
mod known_hosts;
pub(crate) mod limit;
mod name;
mod prompt;
mod prompter;
pub(crate) mod script;
mod secret;
mod ssh_config;
mod target;

pub(crate) use account::login_name;
pub(crate) use connection::Connection;
pub use context::Context;
pub use error::SshError;
pub use known_hosts::HostKeyPolicy;
pub use limit::MOST_OUTPUT;
pub use prompter::{NoPrompter, Prompter};
pub use secret::Secret;
pub use target::Target;
pub(crate) use target::key_and_value as ssh_option;

/// Makes random text that nobody can guess, two digits a byte.
pub(crate) fn random_hex(bytes: usize) -> String {
    (0..bytes).map(|_| format!("{:02x}", rand::random::<u8>())).collect()
}
