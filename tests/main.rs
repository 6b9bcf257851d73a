//! All integration tests in one binary: linking once is faster, and a file that is not named here fails `listed`.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_macros,
    clippy::disallowed_methods
)]

mod bad;
mod cli;
mod connection;
mod connections;
mod engine;
mod inventory;
mod keyword;
mod listed;
mod module;
mod module_properties;
mod moved;
mod outcome;
mod playbook;
mod random_plays;
mod round_trips;
mod site;
mod ssh;
mod standby;
mod support;
mod template;
mod yaml;
