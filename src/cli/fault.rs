//! What becomes of errors, and of faults of our own.

use std::panic::{self, AssertUnwindSafe};

use miette::Report;

use super::{Exit, ansible::OptionsError};
use crate::{
    playbook::PlaybookError,
    report::{aside, terminal},
};

/// Variables that no playbook, inventory or flag defines: found before anything is done, where Ansible has tasks fail.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error(transparent)]
#[diagnostic(transparent)]
pub struct Undefined(pub PlaybookError);

/// Runs a command: errors are printed, a panic becomes one sentence.
pub fn guarded(command: impl FnOnce() -> Result<Exit, Report>) -> Exit {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
        let text = format!("this is a fault of bringup, not of your input{place}; please report it");
        aside(|| terminal::err(&text));
        // The message itself may quote values that are nobody's business: only on demand.
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            terminal::err(&format!("{info}\n{}", std::backtrace::Backtrace::force_capture()));
        }
    }));
    match panic::catch_unwind(AssertUnwindSafe(command)) {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            let exit = kind(&error);
            tell(error);
            exit
        }
        Err(_) => Exit::Fault,
    }
}

/// What kind of bad input an error tells of.
fn kind(error: &Report) -> Exit {
    if error.downcast_ref::<Undefined>().is_some() {
        return Exit::Undefined;
    }
    if let Some(playbook) = error.downcast_ref::<PlaybookError>() {
        // Ansible stops at the first one.
        let missing = playbook.diagnostics.iter().find(|d| d.is_error()).is_some_and(|d| d.missing);
        return if missing { Exit::Usage } else { Exit::Language };
    }
    if error.downcast_ref::<OptionsError>().is_some() {
        return Exit::Options;
    }
    Exit::Usage
}

/// Prints an error; of a playbook's errors each by itself, and their number.
pub fn tell(error: Report) {
    let error = error.downcast::<Undefined>().map_or_else(|other| other, |Undefined(error)| Report::new(error));
    match error.downcast::<PlaybookError>() {
        Ok(playbook) => {
            let summary = playbook.to_string();
            let many = playbook.diagnostics.iter().filter(|d| d.is_error()).count() > 1;
            playbook.diagnostics.into_iter().for_each(|d| terminal::err(&format!("{:?}", Report::new(d))));
            if many {
                terminal::err(&summary);
            }
        }
        Err(other) => terminal::err(&format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::panic)]
    fn a_panic_is_our_fault_and_an_error_is_not() {
        assert_eq!(guarded(|| panic!("index 5")).code(), 250);
        assert_eq!(guarded(|| Err(miette::miette!("no such file"))).code(), 1);
        assert_eq!(guarded(|| Ok(Exit::Changes)).code(), 3);
    }
}
