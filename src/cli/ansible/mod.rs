//! Ansible's own commands: called under one of their names, the program takes that command's line and gives its exit codes.
//!
//! Source: <https://docs.ansible.com/ansible/latest/command_guide/command_line_tools.html>

mod adhoc;
mod config;
mod console;
mod doc;
mod dump;
mod flags;
mod inventory;
mod name;
mod playbook;
mod vault;
mod version;

use std::{
    collections::BTreeSet,
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

use clap::{CommandFactory, FromArgMatches};
use miette::Report;

use super::{Exit, fault, settings};
use crate::{
    ansible_cfg,
    report::{json_text, terminal},
    yaml::{self, Duplicates},
};

pub use name::Name;

/// Exit codes of Ansible's commands that ours have not.
const BAD_OPTIONS: u8 = 2;
const WRONG_OPTIONS: u8 = 5;

/// What is wrong with options that can be read: Ansible has an exit code of its own for it.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{message}")]
pub struct OptionsError {
    message: String,
    #[help]
    help: String,
}

impl OptionsError {
    /// Returns an error with what to do about it.
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> OptionsError {
        OptionsError { message: message.into(), help: help.into() }
    }
}

/// JSON as Ansible's commands print it.
fn json(value: &serde_json::Value) -> String {
    let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut out = Vec::new();
    // Writing a value that was read into memory does not fail.
    let _ = serde::Serialize::serialize(value, &mut serde_json::Serializer::with_formatter(&mut out, format));
    format!("{}\n", json_text(&String::from_utf8_lossy(&out)))
}

/// One of Ansible's commands.
trait Program: CommandFactory + FromArgMatches {
    /// Runs it.
    fn run(self) -> Result<Exit, Report>;
}

/// Runs the command that the program was called as.
pub fn main(name: Name) -> ExitCode {
    if asks_for_version() {
        return match settings::all() {
            Ok(_) => ExitCode::from(code(fault::guarded(|| version::print(name)))),
            Err(error) => wrong_settings(&error),
        };
    }
    match name {
        Name::Playbook => start::<playbook::Playbook>(),
        Name::AdHoc => start::<adhoc::AdHoc>(),
        Name::Inventory => start::<inventory::Inventory>(),
        Name::Doc => start::<doc::Doc>(),
        Name::Config => start::<config::Config>(),
        Name::Console => start::<console::Console>(),
        Name::Vault => start::<vault::Vault>(),
        Name::Galaxy => missing(
            "roles and collections are not fetched by bringup",
            "fetch them with Ansible's own `ansible-galaxy`; bringup finds them where that puts them",
        ),
    }
}

fn missing(message: &str, help: &str) -> ExitCode {
    let (message, help) = (message.to_owned(), help.to_owned());
    ExitCode::from(code(fault::guarded(|| Err(miette::miette!(help = help, "{message}")))))
}

fn wrong_settings(error: &Report) -> ExitCode {
    terminal::err(&format!("{error:?}"));
    ExitCode::from(WRONG_OPTIONS)
}

/// Whether the version is asked for, whatever else is.
fn asks_for_version() -> bool {
    std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--version")
}

fn start<P: Program>() -> ExitCode {
    let settings = match settings::all() {
        Ok(settings) => settings,
        Err(error) => return wrong_settings(&error),
    };
    yaml::decide(duplicates());
    // A name may be begun only, as with Ansible: `--inv`.
    let command = settings::defaulted(P::command(), &settings).infer_long_args(true);
    let parsed = command.try_get_matches().and_then(|matches| P::from_arg_matches(&matches));
    let program = match parsed {
        Ok(program) => program,
        Err(error) => return ExitCode::from(if super::print(&error) == Exit::Ok.code() { 0 } else { BAD_OPTIONS }),
    };
    ExitCode::from(code(fault::guarded(|| program.run())))
}

/// What becomes of keys that stand twice in a file: told once each, unless the configuration says otherwise.
fn duplicates() -> Duplicates {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    match ansible_cfg::current().text("DUPLICATE_YAML_DICT_KEY") {
        Some("error") => Duplicates::Refused,
        Some("ignore") => Duplicates::Taken,
        _ => Duplicates::Told(|message| {
            if TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(message.to_owned()) {
                terminal::warn(message);
            }
        }),
    }
}

/// The number that scripts see from Ansible.
fn code(exit: Exit) -> u8 {
    match exit {
        Exit::Ok | Exit::Changes => 0,
        Exit::Usage => 1,
        Exit::Failed | Exit::Undefined => 2,
        Exit::Unreachable | Exit::Language => 4,
        Exit::Options => WRONG_OPTIONS,
        Exit::Interrupted => 99,
        Exit::Fault => 250,
    }
}
