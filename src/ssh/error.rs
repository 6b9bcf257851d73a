//! What can go wrong between here and a shell on a host, and what to do about it.

use super::process::End;
use miette::Diagnostic;
use std::{io, path::PathBuf, time::Duration};
use thiserror::Error;

/// A host could not be reached, would not let us in, or a shell or transfer on it failed.
#[derive(Debug, Error, Diagnostic)]
pub enum SshError {
    /// A setting that cannot be used.
    #[error("{origin}: {what}")]
    #[diagnostic(code(ssh::setting))]
    Setting {
        /// The file and line, or the option.
        origin: String,
        /// What is wrong with it.
        what: String,
        /// What to do.
        #[help]
        help: Option<String>,
    },

    /// The name has no address.
    #[error("{host}: found no address for `{address}`: {source}")]
    #[diagnostic(code(ssh::resolve), help("set `ansible_host` to an address that `getent hosts {address}` knows"))]
    Resolve {
        /// The host's name in the inventory.
        host: String,
        /// The name looked up.
        address: String,
        /// What the resolver said.
        source: io::Error,
    },

    /// Nothing listens there.
    #[error("{host}: {address} port {port} refused the connection")]
    #[diagnostic(code(ssh::refused), help("is sshd running there, and on this port? `ansible_port` sets another one"))]
    Refused {
        /// The host's name in the inventory.
        host: String,
        /// Where it was tried.
        address: String,
        /// The port.
        port: u16,
    },

    /// The network cannot get there.
    #[error("{host}: no way to {address} port {port}: {source}")]
    #[diagnostic(
        code(ssh::no_route),
        help("check the address, the network between here and there, and whether a jump host (`ProxyJump`) is needed")
    )]
    NoRoute {
        /// The host's name in the inventory.
        host: String,
        /// Where it was tried.
        address: String,
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },

    /// It took too long.
    #[error("{host}: {address} port {port}: no answer within {}s while {phase}", after.as_secs())]
    #[diagnostic(
        code(ssh::timeout),
        help("is the host up and the port open in its firewall? `--timeout` or `ConnectTimeout` allow more time")
    )]
    Timeout {
        /// The host's name in the inventory.
        host: String,
        /// Where it was tried.
        address: String,
        /// The port.
        port: u16,
        /// What it was doing.
        phase: &'static str,
        /// How long it was waited for.
        after: Duration,
    },

    /// The other side hung up before we were in.
    #[error("{host}: {address} port {port} closed the connection while {phase}{}", colon(reason))]
    #[diagnostic(
        code(ssh::closed),
        help(
            "look into the host's log (`journalctl -u ssh`); too many connections at once (`MaxStartups`) or a ban do this"
        )
    )]
    Closed {
        /// The host's name in the inventory.
        host: String,
        /// Where it was tried.
        address: String,
        /// The port.
        port: u16,
        /// What it was doing.
        phase: &'static str,
        /// What it said, if anything.
        reason: String,
    },

    /// It is no SSH server, or none we can talk to.
    #[error("{host}: {address} port {port}: {reason}")]
    #[diagnostic(code(ssh::handshake))]
    Handshake {
        /// The host's name in the inventory.
        host: String,
        /// Where it was tried.
        address: String,
        /// The port.
        port: u16,
        /// What failed.
        reason: String,
        /// What to do.
        #[help]
        help: String,
    },

    /// The host key is not known.
    #[error("{host}: the {algorithm} host key of {address} is not known: {fingerprint}")]
    #[diagnostic(
        code(ssh::host_key_unknown),
        help(
            "compare the fingerprint with the host's own (`ssh-keygen -lf /etc/ssh/ssh_host_{algorithm}_key.pub`), then \
             `ssh-keyscan -p {port} {lookup} >> {file}`, or accept new hosts with `ansible_ssh_common_args: -o \
             StrictHostKeyChecking=accept-new`"
        )
    )]
    HostKeyUnknown {
        /// The host's name in the inventory.
        host: String,
        /// The name it is looked up by.
        address: String,
        /// The name to scan.
        lookup: String,
        /// The port.
        port: u16,
        /// The kind of key.
        algorithm: String,
        /// Its SHA-256 fingerprint.
        fingerprint: String,
        /// Where it would be recorded.
        file: String,
    },

    /// The host shows another key than the one recorded.
    #[error(
        "{host}: the {algorithm} host key of {address} has CHANGED to {fingerprint}: {}:{line} holds another one",
        file.display()
    )]
    #[diagnostic(
        code(ssh::host_key_changed),
        help(
            "either the host was installed anew or somebody is in between; if you know it is the first, \
             `ssh-keygen -f {} -R '{address}'` forgets the old key",
            file.display()
        )
    )]
    HostKeyChanged {
        /// The host's name in the inventory.
        host: String,
        /// The name it is looked up by.
        address: String,
        /// The kind of key.
        algorithm: String,
        /// The new key's SHA-256 fingerprint.
        fingerprint: String,
        /// The file of the old key.
        file: PathBuf,
        /// Its line.
        line: usize,
    },

    /// The host shows a key that was revoked.
    #[error("{host}: the host key {fingerprint} of {address} is revoked by {}:{line}", file.display())]
    #[diagnostic(code(ssh::host_key_revoked), help("do not connect: give the host a new key"))]
    HostKeyRevoked {
        /// The host's name in the inventory.
        host: String,
        /// The name it is looked up by.
        address: String,
        /// The key's SHA-256 fingerprint.
        fingerprint: String,
        /// The file that revokes it.
        file: PathBuf,
        /// Its line.
        line: usize,
    },

    /// The host's certificate does not hold.
    #[error("{host}: the host certificate of {address} is not valid: {reason}")]
    #[diagnostic(
        code(ssh::host_certificate),
        help("let the authority sign the host's key again: `ssh-keygen -s CA -h -n {address} …`")
    )]
    HostCertificate {
        /// The host's name in the inventory.
        host: String,
        /// The name it is looked up by.
        address: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A file of ours could not be read or written.
    #[error("{}: {source}", path.display())]
    #[diagnostic(code(ssh::file))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// Nothing we have opens the door.
    #[error("{host}: {user}@{address} port {port} let us in by none of: {}", list(tried))]
    #[diagnostic(code(ssh::auth))]
    Auth {
        /// The host's name in the inventory.
        host: String,
        /// Where it was tried.
        address: String,
        /// The port.
        port: u16,
        /// As whom.
        user: String,
        /// What was tried, each with what came of it.
        tried: Vec<String>,
        /// What to do.
        #[help]
        help: String,
    },

    /// A jump host stands in the way.
    #[error("{host}: the way through the jump host {jump} failed")]
    #[diagnostic(code(ssh::jump))]
    Jump {
        /// The host's name in the inventory.
        host: String,
        /// The jump host, as it was written.
        jump: String,
        /// What went wrong there.
        #[source]
        #[diagnostic_source]
        source: Box<SshError>,
    },

    /// The `ProxyCommand` could not be started.
    #[error("{host}: ProxyCommand `{command}`: {source}")]
    #[diagnostic(code(ssh::proxy_command))]
    ProxyCommand {
        /// The host's name in the inventory.
        host: String,
        /// The command.
        command: String,
        /// What the system said.
        source: io::Error,
    },

    /// The connection is gone.
    #[error("{host}: the connection is gone{}", colon(reason))]
    #[diagnostic(code(ssh::lost), help("see whether the host is up; what was under way may or may not have happened"))]
    Lost {
        /// The host's name in the inventory.
        host: String,
        /// What the other side said, if anything.
        reason: String,
    },

    /// The server opens no session.
    #[error("{host}: the server opens no session for us: {reason}")]
    #[diagnostic(code(ssh::channel), help("see `MaxSessions` and `ForceCommand` in the host's sshd_config"))]
    ChannelRefused {
        /// The host's name in the inventory.
        host: String,
        /// What it said.
        reason: String,
    },

    /// There is no usable shell.
    #[error("{host}: {shell} did not start: {end}{}", colon(said))]
    #[diagnostic(
        code(ssh::shell),
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
        code(ssh::scratch),
        help("is the disk full (`df -h; df -i`) or read-only? one of them must be writable")
    )]
    NoScratch {
        /// The host's name in the inventory.
        host: String,
    },

    /// The shell died in the middle of a frame.
    #[error("{host}: the shell was lost after {acknowledged} of {segments} steps: {end}{}", colon(said))]
    #[diagnostic(
        code(ssh::shell_lost),
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
        code(ssh::protocol),
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
        code(ssh::too_much),
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
    #[diagnostic(code(ssh::step_timeout), help("it may still run on the host"))]
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

    /// A script with a NUL byte.
    #[error("{host}: step {index} holds a NUL byte, which no shell can take")]
    #[diagnostic(code(ssh::nul), help("send such contents as a file or as base64"))]
    NulInScript {
        /// The host's name in the inventory.
        host: String,
        /// Which step of the frame.
        index: usize,
    },

    /// Becoming another user failed.
    #[error("{host}: {what}{}", colon(said))]
    #[diagnostic(code(ssh::r#become))]
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
    #[diagnostic(code(ssh::transfer))]
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
        code(ssh::tunnel),
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

    /// A program could not be started on this machine.
    #[error("{host}: could not start {program} on this machine: {source}")]
    #[diagnostic(code(ssh::local))]
    Local {
        /// The host's name in the inventory.
        host: String,
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

// Lets the error of a jump host be shown with its own help.
impl std::borrow::Borrow<dyn Diagnostic> for Box<SshError> {
    fn borrow(&self) -> &(dyn Diagnostic + 'static) {
        &**self
    }
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

impl SshError {
    /// Tells whether the host counts as unreachable (Ansible's word), not as one on which a task failed.
    pub fn is_unreachable(&self) -> bool {
        !matches!(
            self,
            SshError::Become { .. }
                | SshError::Transfer { .. }
                | SshError::NulInScript { .. }
                | SshError::NoScratch { .. }
                | SshError::OutOfStep { .. }
                | SshError::TooMuch { .. }
                | SshError::StepTimeout { .. }
                | SshError::Tunnel { .. }
                | SshError::Local { .. }
                | SshError::File { .. }
                | SshError::Setting { .. }
        )
    }
}

fn colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn list(tried: &[String]) -> String {
    if tried.is_empty() { "nothing (there is no key, no agent and no password)".into() } else { tried.join("; ") }
}
