//! Data for standard output.

use std::io::{ErrorKind, Write};

use miette::{IntoDiagnostic, Report, WrapErr};

/// Writes to standard output. A reader that is gone (`| head`) has seen enough: that is no error.
pub fn say(text: &str) -> Result<(), Report> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.into_diagnostic().wrap_err("cannot write to standard output"),
    }
}
