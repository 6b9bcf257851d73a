//! All tests that are code in one binary: linking once is faster, and a file that is not named here fails `listed`.
//! Those that are data are in `cases.rs`.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_macros,
    clippy::disallowed_methods
)]

mod check_mode;
mod check_pods;
mod cli;
mod connection;
mod connections;
mod course;
mod documented;
mod dual_stack;
mod engine;
mod foreign;
mod inventory;
mod keyword;
mod listed;
mod module_properties;
mod moved;
mod named;
mod outcome;
mod playbook;
mod python;
mod releases;
mod round_trips;
mod site;
mod ssh;
mod standby;
#[allow(dead_code, reason = "the other binary uses the rest")]
mod support;
mod template;
mod yaml;
