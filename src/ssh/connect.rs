//! Getting a connection: the stream, the handshake, the host key, the login.

use super::{
    auth::Login,
    client::{Client, ClientError, Notes},
    config::Settings,
    connection::Connection,
    context::Context,
    error::SshError,
    jump::{Duplex, jump_target, proxy_command, wake},
    known_hosts::HostCheck,
    limit::Gate,
    prompt::Prompt,
    prompter::Patience,
    target::Target,
};
use futures::future::BoxFuture;
use russh::{Preferred, cipher, client};
use std::{borrow::Cow, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::TcpStream;

impl Connection {
    /// Connects and logs in, through jump hosts if there are any.
    ///
    /// Boxed because a chain of jump hosts is walked by recursion.
    pub(crate) fn open<'a>(target: &'a Target, context: &'a Context) -> BoxFuture<'a, Result<Connection, SshError>> {
        Box::pin(Self::open_now(target, context))
    }

    async fn open_now(target: &Target, context: &Context) -> Result<Connection, SshError> {
        let settings = Settings::resolve(target, &context.home)?;
        let via = Self::to_jump(target, &settings, context).await?;
        let mut attempt = 1;
        loop {
            match Self::once(&settings, via.clone(), context).await {
                Err(SshError::Refused { .. } | SshError::Closed { .. } | SshError::Timeout { .. })
                    if attempt < settings.attempts =>
                {
                    attempt += 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                done => return done,
            }
        }
    }

    /// Gives the connection to the last jump host of a target, if it has any: one for all hosts behind it.
    async fn to_jump(
        target: &Target,
        settings: &Settings,
        context: &Context,
    ) -> Result<Option<Arc<Connection>>, SshError> {
        let Some((last, before)) = settings.jump.split_last() else { return Ok(None) };
        let failed =
            |source| SshError::Jump { host: settings.name.clone(), jump: last.clone(), source: Box::new(source) };
        let way = format!(
            "{} {:?} {:?} {:?}",
            settings.jump.join(","),
            target.options,
            target.private_key_files,
            target.jump_host_key_checking
        );
        let place = context.jumps.place(way);
        let mut place = place.lock().await;
        if let Some(connection) = place.upgrade().filter(|connection| !connection.handle.is_closed()) {
            return Ok(Some(connection));
        }
        let jump = jump_target(last, before, target).map_err(failed)?;
        let connection = Arc::new(Connection::open(&jump, context).await.map_err(failed)?);
        wake(&connection).await;
        *place = Arc::downgrade(&connection);
        Ok(Some(connection))
    }
    async fn once(
        settings: &Settings,
        via: Option<Arc<Connection>>,
        context: &Context,
    ) -> Result<Connection, SshError> {
        let mut patience = Patience::new(settings.timeout, &context.asker);
        let (name, port) = &settings.host_key_place;
        let check = HostCheck::read(&settings.name, name, *port, &settings.rules)?;
        let config = Arc::new(wire_config(settings, &check));
        let (stream, pass) = Gate::new(stream(settings, via.as_deref(), &mut patience).await?);
        let notes = Arc::new(Notes::default());
        let client = Client { check, notes: Arc::clone(&notes) };
        let shaken = patience.limit(client::connect_stream(config, stream, client)).await;
        let mut handle = match shaken {
            None => return Err(settings.too_slow("waiting for the server's side of the handshake", &patience)),
            Some(Err(error)) => return Err(settings.handshake(error)),
            Some(Ok(handle)) => handle,
        };
        Login::new(&mut handle, settings, context, &notes, patience).run().await?;
        pass.open();
        Ok(Connection { handle, notes, settings: settings.clone(), _via: via })
    }
}

fn wire_config(settings: &Settings, check: &HostCheck) -> client::Config {
    let preferred = Preferred {
        key: Cow::Owned(check.algorithms()),
        host_key_certificates: Cow::Owned(check.certificate_algorithms()),
        // Twice as fast as the others where the processor helps, and it nearly always does.
        cipher: Cow::Borrowed(&[
            cipher::AES_256_GCM,
            cipher::AES_128_GCM,
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_CTR,
            cipher::AES_192_CTR,
            cipher::AES_128_CTR,
        ]),
        ..Preferred::DEFAULT
    };
    client::Config {
        preferred,
        // Without it a small request waits 40 ms for the acknowledgement of the one before.
        nodelay: true,
        keepalive_interval: settings.alive_interval,
        keepalive_max: settings.alive_max,
        ..client::Config::default()
    }
}

async fn stream(
    settings: &Settings,
    via: Option<&Connection>,
    patience: &mut Patience,
) -> Result<Box<dyn Duplex>, SshError> {
    if let Some(jump) = via {
        let open = jump.handle.channel_open_direct_tcpip(settings.host.clone(), settings.port.into(), "127.0.0.1", 0);
        return match patience.limit(open).await {
            None => Err(settings.too_slow("waiting for the jump host to reach it", patience)),
            Some(Ok(channel)) => Ok(Box::new(channel.into_stream())),
            Some(Err(error)) => Err(SshError::Handshake {
                host: settings.name.clone(),
                address: settings.host.clone(),
                port: settings.port,
                reason: format!("the jump host {} cannot reach it: {error}", jump.settings.host),
                help: "is it up, as seen from the jump host, and does that one allow `AllowTcpForwarding`?".into(),
            }),
        };
    }
    if let Some(command) = &settings.proxy_command {
        return proxy_command(&settings.name, command);
    }
    Ok(Box::new(tcp(settings, patience).await?))
}

/// Tries every address of the name, each for its share of the time.
async fn tcp(settings: &Settings, patience: &mut Patience) -> Result<Prompt, SshError> {
    let resolve = |source| SshError::Resolve { host: settings.name.clone(), address: settings.host.clone(), source };
    let looked_up = patience.limit(tokio::net::lookup_host((settings.host.as_str(), settings.port))).await;
    let found = looked_up.ok_or_else(|| settings.too_slow("looking up its address", patience))?.map_err(resolve)?;
    let wanted = |address: &SocketAddr| settings.ip_version.is_none_or(|version| (version == 6) == address.is_ipv6());
    let addresses: Vec<_> = found.filter(wanted).collect();
    let mut last = None;
    for (index, address) in addresses.iter().enumerate() {
        let shares = u32::try_from(addresses.len() - index).unwrap_or(1);
        let share = patience.left() / shares.max(1);
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true); // it is only slower without
                return Ok(Prompt::new(stream));
            }
            Ok(Err(error)) => last = Some(settings.tcp_error(error, patience)),
            Err(_) => last = Some(settings.too_slow("connecting", patience)),
        }
    }
    Err(last.unwrap_or_else(|| resolve(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))))
}

impl Settings {
    fn too_slow(&self, phase: &'static str, patience: &Patience) -> SshError {
        let (host, address) = (self.name.clone(), self.host.clone());
        SshError::Timeout { host, address, port: self.port, phase, after: patience.whole }
    }

    fn tcp_error(&self, source: io::Error, patience: &Patience) -> SshError {
        let (host, address, port) = (self.name.clone(), self.host.clone(), self.port);
        match source.kind() {
            io::ErrorKind::ConnectionRefused => SshError::Refused { host, address, port },
            io::ErrorKind::TimedOut => self.too_slow("connecting", patience),
            _ => SshError::NoRoute { host, address, port, source },
        }
    }

    fn handshake(&self, error: ClientError) -> SshError {
        let error = match error {
            ClientError::Ours(error) => return *error,
            ClientError::Wire(error) => error,
        };
        let (host, address, port) = (self.name.clone(), self.host.clone(), self.port);
        let phase = "shaking hands";
        let (reason, help) = match error {
            russh::Error::Disconnect | russh::Error::HUP => {
                return SshError::Closed { host, address, port, phase, reason: String::new() };
            }
            russh::Error::IO(error) => {
                return SshError::Closed { host, address, port, phase, reason: error.to_string() };
            }
            russh::Error::Version => ("what answers there is no SSH server".into(), "check `ansible_port`".into()),
            russh::Error::NoCommonAlgo { kind, ours, theirs } => (
                format!("no common {kind:?} algorithm: we offer {}, it offers {}", ours.join(", "), theirs.join(", ")),
                "its SSH server is very old or set up very strictly: allow one of ours in its sshd_config".into(),
            ),
            other => {
                (format!("the handshake failed: {other}"), "look into the host's log (`journalctl -u ssh`)".into())
            }
        };
        SshError::Handshake { host, address, port, reason, help }
    }
}
