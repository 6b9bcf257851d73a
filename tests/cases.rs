//! The tests that are data: each case is a test of its own, chosen by its name (`cargo test module::copy`).
//!
//! What cannot be tested on this machine is told as ignored, with its reason; `support::skip` says when that is a failure.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_macros,
    clippy::disallowed_methods
)]

mod ansible;
mod bad;
mod classic;
#[path = "inventory/lists.rs"]
mod inventory;
mod module;
#[path = "playbook/lists.rs"]
mod playbook;
mod plugins;
mod random_plays;
#[allow(dead_code, unused_macros, unused_imports, reason = "the other binary uses the rest")]
mod support;
#[path = "template/tables.rs"]
mod template;

use libtest_mimic::{Arguments, run};

fn main() -> std::process::ExitCode {
    let args = Arguments::from_args();
    let all = [
        ansible::trials,
        bad::trials,
        classic::trials,
        inventory::trials,
        module::trials,
        playbook::trials,
        plugins::trials,
        random_plays::trials,
        template::trials,
    ];
    let cases = run(&args, all.iter().flat_map(|trials| trials()).collect());
    // These look at what the others have shown.
    let afterwards = run(&args, module::afterwards());
    if cases.has_failed() { cases.exit_code() } else { afterwards.exit_code() }
}
