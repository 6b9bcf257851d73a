//! Data for standard output.

use std::io::ErrorKind;

use miette::{IntoDiagnostic, Report, WrapErr};
use serde_json::Value as Json;

use crate::{
    report::{json_text, terminal},
    vault,
};

/// Writes to standard output. A reader that is gone (`| head`) has seen enough: that is no error.
pub fn say(text: &str) -> Result<(), Report> {
    match terminal::out(text) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.into_diagnostic().wrap_err("cannot write to standard output"),
    }
}

/// Writes a value to standard output as JSON, for people and programs alike, without what was decrypted.
pub fn say_json(value: &Json) -> Result<(), Report> {
    let mut value = value.clone();
    vault::mask_json(&mut value);
    say(&format!("{}\n", json_text(&format!("{value:#}"))))
}
