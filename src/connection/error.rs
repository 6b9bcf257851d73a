//! What can go wrong on the way to a shell on a host and in it, and what to do about it.

use super::process::End;
use crate::ssh::SshError;
use miette::Diagnostic;
use std::{io, path::PathBuf, time::Duration};
use thiserror::Error;

/// A host could not be reached, or a shell or transfer on it failed.
#[derive(Debug, Error, Diagnostic)]
pub enum Error {
    /// The way there, by SSH.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ssh(#[from] SshError),

    /// What is to be acted on is not there, does not run, or is not to be entered by who runs this.
    #[error("{host}: {what}{}", colon(said))]
    #[diagnostic(code(connection::absent))]
    Absent {
        /// The host's name in the inventory.
        host: String,
        /// What is missing.
        what: String,
        /// What the program that looked for it said.
        said: String,
        /// What to do.
        #[help]
        help: String,
    },

    /// This kind of connection cannot do it.
    #[error("{host}: {what}")]
    #[diagnostic(code(connection::unsupported))]
    Unsupported {
        /// The host's name in the inventory.
        host: String,
        /// What is not possible.
        what: String,
        /// What to do.
        #[help]
        help: String,
    },

    /// A file of ours could not be read or written.
    #[error("{}: {source}", path.display())]
    #[diagnostic(code(connection::file))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The connection is gone.
    #[error("{host}: the connection is gone{}", colon(reason))]
    #[diagnostic(
        code(connection::lost),
        help("see whether the host is up; what was under way may or may not have happened")
    )]
    Lost {
        /// The host's name in the inventory.
        host: String,
        /// What the other side said, if anything.
        reason: String,
    },

    /// The server opens no session.
    #[error("{host}: the server opens no session for us: {reason}")]
    #[diagnostic(code(connection::channel), help("see `MaxSessions` and `ForceCommand` in the host's sshd_config"))]
    ChannelRefused {
        /// The host's name in the inventory.
        host: String,
        /// What it said.
        reason: String,
    },

    /// There is no usable shell.
    #[error("{host}: {shell} did not start: {end}{}", colon(said))]
    #[diagnostic(
        code(connection::shell),
        help(
            "the login shell must be able to run `exec {shell}`; `ansible_shell_executable` names another POSIX shell"
        )
    )]
    NoShell {
        /// The host's name in the inventory.
        host: String,
        /// The shell that was to start.
        shell: String,
        /// How it ended.
        end: End,
        /// What it said.
        said: String,
    },

    /// No folder can be written.
    #[error(
        "{host}: no folder for output can be made in /run, /dev/shm, $TMPDIR, /tmp, /var/tmp or the home directory"
    )]
    #[diagnostic(
        code(connection::scratch),
        help("is the disk full (`df -h; df -i`) or read-only? one of them must be writable")
    )]
    NoScratch {
        /// The host's name in the inventory.
        host: String,
    },

    /// The shell died in the middle of a frame.
    #[error("{host}: the shell was lost after {acknowledged} of {segments} steps: {end}{}", colon(said))]
    #[diagnostic(
        code(connection::shell_lost),
        help("step {} may or may not have run, so it is not repeated by itself: look at the host", acknowledged + 1)
    )]
    ShellLost {
        /// The host's name in the inventory.
        host: String,
        /// How many steps of the frame were acknowledged.
        acknowledged: usize,
        /// How many were sent.
        segments: usize,
        /// How the shell ended.
        end: End,
        /// What it said last on standard error.
        said: String,
    },

    /// What came back makes no sense.
    #[error("{host}: the shell's answers are out of step after {acknowledged} steps: {what}")]
    #[diagnostic(
        code(connection::protocol),
        help("a background process that cuts its own output file short does this; the shell is started anew")
    )]
    OutOfStep {
        /// The host's name in the inventory.
        host: String,
        /// How many steps of the frame were acknowledged.
        acknowledged: usize,
        /// What does not fit.
        what: String,
    },

    /// It says more than we keep.
    #[error("{host}: {what}, more than the limit of {limit}: it is not read any further")]
    #[diagnostic(
        code(connection::too_much),
        help(
            "see what prints so much there: a step, or the profile of the login shell? a large output belongs into a file"
        )
    )]
    TooMuch {
        /// The host's name in the inventory.
        host: String,
        /// What is too much.
        what: String,
        /// The limit that was reached.
        limit: String,
    },

    /// A step did not end in its time and could not be stopped.
    #[error("{host}: no answer within {}s to a step that was given {}s", waited.as_secs(), allowed.as_secs())]
    #[diagnostic(code(connection::step_timeout), help("it may still run on the host"))]
    StepTimeout {
        /// The host's name in the inventory.
        host: String,
        /// How many steps of the frame were acknowledged.
        acknowledged: usize,
        /// How long it was waited for.
        waited: Duration,
        /// How long it was allowed to run.
        allowed: Duration,
    },

    /// No Python runs there.
    #[error("{host}: {what}{}", colon(said))]
    #[diagnostic(
        code(connection::no_python),
        help("install Python 3 on the host, or name one with `ansible_python_interpreter`")
    )]
    NoPython {
        /// The host's name in the inventory.
        host: String,
        /// What is missing.
        what: String,
        /// What was said about it.
        said: String,
    },

    /// The resident Python ended in the middle of a call.
    #[error("{host}: its Python was lost: {end}{}", colon(said))]
    #[diagnostic(
        code(connection::python_lost),
        help("the module may or may not have done its work, so it is not called again by itself: look at the host")
    )]
    PythonLost {
        /// The host's name in the inventory.
        host: String,
        /// How it ended.
        end: End,
        /// What it said last on standard error.
        said: String,
    },

    /// What the resident Python says makes no sense.
    #[error("{host}: its Python does not answer as it should: {what}")]
    #[diagnostic(
        code(connection::python_protocol),
        help("look at what `ansible_python_interpreter` names on the host")
    )]
    PythonOutOfStep {
        /// The host's name in the inventory.
        host: String,
        /// What does not fit.
        what: String,
    },

    /// A script with a NUL byte.
    #[error("{host}: step {index} holds a NUL byte, which no shell can take")]
    #[diagnostic(code(connection::nul), help("send such contents as a file or as base64"))]
    NulInScript {
        /// The host's name in the inventory.
        host: String,
        /// Which step of the frame.
        index: usize,
    },

    /// Becoming another user failed.
    #[error("{host}: {what}{}", colon(said))]
    #[diagnostic(code(connection::r#become))]
    Become {
        /// The host's name in the inventory.
        host: String,
        /// Why, for programs.
        reason: BecomeFailure,
        /// Why, for people.
        what: String,
        /// What the program said.
        said: String,
        /// What to do.
        #[help]
        help: String,
    },

    /// A transfer failed.
    #[error("{host}: {direction} {remote}: {what}{}", colon(said))]
    #[diagnostic(code(connection::transfer))]
    Transfer {
        /// The host's name in the inventory.
        host: String,
        /// `upload to` or `download of`.
        direction: &'static str,
        /// The path on the host.
        remote: String,
        /// What went wrong.
        what: String,
        /// What the host said.
        said: String,
        /// What to do.
        #[help]
        help: Option<String>,
    },

    /// A tunnel could not be opened.
    #[error("{host}: no tunnel to {to}: {reason}")]
    #[diagnostic(
        code(connection::tunnel),
        help("does something listen there, as seen from {host}, and does its sshd allow `AllowTcpForwarding`?")
    )]
    Tunnel {
        /// The host's name in the inventory.
        host: String,
        /// The far end.
        to: String,
        /// What the server said.
        reason: String,
    },

    /// The program that leads to the host could not be started on this machine.
    #[error("{host}: could not start {program} on this machine: {source}")]
    #[diagnostic(
        code(connection::local),
        help("install {program} where this runs, or correct `PATH` or the variable that names it")
    )]
    Local {
        /// The host's name in the inventory.
        host: String,
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Tells why becoming another user failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BecomeFailure {
    /// It asks for a password and none was given.
    PasswordMissing,
    /// It did not take the password.
    PasswordWrong,
    /// This user may not.
    Denied,
    /// It wants a terminal.
    WantsTerminal,
    /// The program is not installed.
    NotInstalled,
    /// The user to become does not exist.
    UnknownUser,
    /// It neither asked nor went on.
    NoAnswer,
    /// It printed without an end.
    Flooded,
    /// The password was not sent, because nobody knows whether it is the right host.
    Withheld,
    /// The method or its flags are not supported.
    Unsupported,
    /// Something else.
    Other,
}

impl Error {
    /// Tells whether the host counts as unreachable (Ansible's word), not as one on which a task failed.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Error::Ssh(error) => error.is_unreachable(),
            Error::Absent { .. }
            | Error::Local { .. }
            | Error::Lost { .. }
            | Error::ChannelRefused { .. }
            | Error::NoShell { .. }
            | Error::ShellLost { .. } => true,
            _ => false,
        }
    }

    /// The error with all its causes, and what to do.
    pub fn explain(&self) -> String {
        explain(self)
    }
}

/// An error with all its causes, and what to do.
pub(crate) fn explain<E: std::error::Error + Diagnostic>(error: &E) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    if let Some(help) = error.help() {
        text.push_str(&format!("\n  help: {help}"));
    }
    text
}

fn colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}
