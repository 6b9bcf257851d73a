//! Ways that are not direct: jump hosts, and `ProxyCommand`.

use super::{connection::Connection, error::SshError, target::Target};
use std::{
    pin::Pin,
    process::Stdio,
    task::{Context as Poll, Poll as Polled},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// Makes the target of a jump host, `[user@]host[:port]` or `ssh://…`.
///
/// It has its own place in OpenSSH's configuration, and its own rules for its host key: what is said of the host behind it does
/// not make anybody a jump host. The keys to log in with are those of the host behind it.
pub(super) fn jump_target(jump: &str, before: &[String], behind: &Target) -> Result<Target, SshError> {
    let text = jump.strip_prefix("ssh://").unwrap_or(jump);
    let (user, place) = match text.rsplit_once('@') {
        Some((user, place)) => (Some(user.to_owned()), place),
        None => (None, text),
    };
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        // An address of IPv6 without brackets has no port.
        None if place.matches(':').count() > 1 => (place, None),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let strange = || SshError::Setting {
        origin: format!("jump host `{jump}`"),
        what: "it is not of the form [user@]host[:port]".into(),
        help: None,
    };
    if host.is_empty() {
        return Err(strange());
    }
    let port = port.map(|port| port.parse().map_err(|_| strange())).transpose()?;
    let own = [
        "proxyjump",
        "proxycommand",
        "user",
        "port",
        "hostname",
        "hostkeyalias",
        "stricthostkeychecking",
        "userknownhostsfile",
        "globalknownhostsfile",
        "revokedhostkeys",
        "passwordauthentication",
    ];
    let options = behind.options.iter().filter(|(key, _)| !own.contains(&key.to_lowercase().as_str()));
    Ok(Target {
        user,
        port,
        // What stands before it in the chain leads to it; `none` keeps its own configuration from adding more.
        jump: if before.is_empty() { vec!["none".into()] } else { before.to_vec() },
        options: options.map(|(key, value)| (key.clone(), value.clone())).collect(),
        private_key_files: behind.private_key_files.clone(),
        host_key_checking: behind.jump_host_key_checking,
        jump_host_key_checking: behind.jump_host_key_checking,
        connect_timeout: behind.connect_timeout,
        ..Target::new(host)
    })
}

/// Opens one session on a jump host and closes it again: until then its sshd keeps Nagle's algorithm on for the
/// connection, which costs everything that is tunnelled 44 ms a round trip.
pub(super) async fn wake(connection: &Connection) {
    let session = async {
        // A jump host may well forbid sessions; then it stays slow.
        let Ok(mut channel) = connection.handle.channel_open_session().await else { return };
        if channel.exec(false, "true").await.is_ok() {
            while channel.wait().await.is_some() {}
        }
        let _ = channel.close().await;
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), session).await;
}

/// A stream a connection can run over.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A program whose input and output are the connection.
struct ProxyStream {
    stdin: ChildStdin,
    stdout: ChildStdout,
    /// Killed when the connection goes.
    _child: Child,
}

/// Starts a `ProxyCommand`.
pub(crate) fn proxy_command(host: &str, command: &str) -> Result<Box<dyn Duplex>, SshError> {
    let failed = |source| SshError::ProxyCommand { host: host.to_owned(), command: command.to_owned(), source };
    let mut child = Command::new("/bin/sh")
        .args(["-c", &format!("exec {command}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    match (child.stdin.take(), child.stdout.take()) {
        (Some(stdin), Some(stdout)) => Ok(Box::new(ProxyStream { stdin, stdout, _child: child })),
        _ => Err(failed(std::io::Error::other("it has no input or output"))),
    }
}

impl AsyncRead for ProxyStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Poll<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Polled<std::io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(context, buffer)
    }
}

impl AsyncWrite for ProxyStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Poll<'_>, bytes: &[u8]) -> Polled<std::io::Result<usize>> {
        Pin::new(&mut self.stdin).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Poll<'_>) -> Polled<std::io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Poll<'_>) -> Polled<std::io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jump_hosts_are_read_as_openssh_reads_them() {
        let behind = Target::new("h");
        let cases = [
            ("bastion", None, "bastion", None),
            ("root@bastion:2222", Some("root"), "bastion", Some(2222)),
            ("ssh://me@10.0.0.1:22", Some("me"), "10.0.0.1", Some(22)),
            ("[fe80::1]:2200", None, "fe80::1", Some(2200)),
            ("fe80::1", None, "fe80::1", None),
        ];
        for (text, user, host, port) in cases {
            let target = jump_target(text, &[], &behind).unwrap();
            assert_eq!((target.user.as_deref(), target.name.as_str(), target.port), (user, host, port), "{text}");
        }
        for text in ["", "host:port", "user@"] {
            assert!(jump_target(text, &[], &behind).is_err(), "{text}");
        }
    }
}
