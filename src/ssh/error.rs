//! What can go wrong until a host has let us in, and what to do about it.

use miette::Diagnostic;
use std::{io, path::PathBuf, time::Duration};
use thiserror::Error;

/// A host could not be reached, or would not let us in.
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

impl SshError {
    /// Tells whether the host counts as unreachable (Ansible's word), not as one on which a task failed.
    pub fn is_unreachable(&self) -> bool {
        !matches!(self, SshError::Local { .. } | SshError::File { .. } | SshError::Setting { .. })
    }
}

fn colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn list(tried: &[String]) -> String {
    if tried.is_empty() { "nothing (there is no key, no agent and no password)".into() } else { tried.join("; ") }
}
