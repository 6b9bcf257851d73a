//! Getting a connection: the stream, the handshake, the host key, the login.

use super::{
    auth::Login,
    config::{self, Settings, Target},
    error::SshError,
    jump::Jumps,
    keys::{KeyFile, Useless},
    known_hosts::{Doubt, HostCheck, HostKeyPolicy},
    limit::{Gate, short},
    prompt::Prompt,
    secret::Secret,
};
use futures::future::BoxFuture;
use russh::{
    Channel, Preferred, cipher,
    client::{self, ChannelOpenHandle, DisconnectReason, Handle, Session as Wire},
    keys::PublicKeyOrCertificate,
};
use std::{
    borrow::Cow,
    collections::HashMap,
    future::Future,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::Instant,
};

/// Asks the person at the terminal. Called from a thread that may block.
pub trait Prompter: Send + Sync {
    /// Asks for a secret; nothing when there is nobody to ask.
    fn ask(&self, question: &str) -> Option<Secret>;
}

/// Asks nobody: for runs without a terminal.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPrompter;

impl Prompter for NoPrompter {
    fn ask(&self, _question: &str) -> Option<Secret> {
        None
    }
}

/// What all connections of a run share: key files, answers to questions, jump hosts.
pub struct Context {
    pub(crate) home: PathBuf,
    prompter: Arc<dyn Prompter>,
    keys: Mutex<HashMap<PathBuf, Result<Arc<KeyFile>, Useless>>>,
    pub(crate) asking: Arc<AtomicUsize>,
    pub(crate) jumps: Jumps,
}

impl Context {
    /// Makes the context of a run; one is enough, and more would ask for a passphrase more than once.
    pub fn new(prompter: Arc<dyn Prompter>) -> Self {
        Self::with_home(prompter, config::home())
    }

    /// Makes a context that takes another folder for the home folder (for `~/.ssh`).
    pub fn with_home(prompter: Arc<dyn Prompter>, home: PathBuf) -> Self {
        let (keys, asking, jumps) = (Mutex::default(), Arc::default(), Jumps::default());
        Self { home, prompter, keys, asking, jumps }
    }

    /// Reads a key file the first time it is asked for.
    pub(crate) fn key_file(&self, path: &Path) -> Result<Arc<KeyFile>, Useless> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.entry(path.to_owned()).or_insert_with(|| KeyFile::read(path).map(Arc::new)).clone()
    }

    /// Asks the person; the clocks of connections stand still meanwhile.
    pub(crate) async fn ask(&self, question: String) -> Option<Secret> {
        let prompter = Arc::clone(&self.prompter);
        self.asking.fetch_add(1, Ordering::SeqCst);
        let answer = tokio::task::spawn_blocking(move || prompter.ask(&question)).await;
        self.asking.fetch_sub(1, Ordering::SeqCst);
        answer.ok().flatten()
    }
}

/// A time limit that does not run while a person is being asked.
#[derive(Clone)]
pub(crate) struct Patience {
    pub(crate) whole: Duration,
    until: Instant,
    asking: Arc<AtomicUsize>,
}

impl Patience {
    pub(crate) fn new(whole: Duration, context: &Context) -> Self {
        Self { whole, until: Instant::now() + whole, asking: Arc::clone(&context.asking) }
    }

    /// Runs something within what is left of the time.
    pub(crate) async fn limit<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Some(done),
                () = tokio::time::sleep_until(self.until) => {
                    if self.asking.load(Ordering::SeqCst) == 0 {
                        return None;
                    }
                    self.until = Instant::now() + Duration::from_secs(5);
                }
            }
        }
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// What the server has said besides the protocol.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    said: Mutex<String>,
    doubt: Mutex<Option<Doubt>>,
}

impl Notes {
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, text: String) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// Why it may be another host than the one meant, where its key was not to be checked.
    pub(crate) fn doubt(&self) -> Option<String> {
        self.doubt.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|doubt| doubt.0.clone())
    }
}

/// Our side of the protocol's callbacks.
pub(crate) struct Client {
    check: HostCheck,
    notes: Arc<Notes>,
}

/// What a callback can fail with.
#[derive(Debug)]
pub(crate) enum ClientError {
    Ours(Box<SshError>),
    Wire(russh::Error),
}

impl From<russh::Error> for ClientError {
    fn from(error: russh::Error) -> Self {
        ClientError::Wire(error)
    }
}

impl client::Handler for Client {
    type Error = ClientError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, ClientError> {
        let doubt = self.check.verify(shown).map_err(|error| ClientError::Ours(Box::new(error)))?;
        *self.notes.doubt.lock().unwrap_or_else(PoisonError::into_inner) = doubt;
        Ok(true)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<ClientError>) -> Result<(), ClientError> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                self.notes.set(short(&info.message));
                Ok(())
            }
            DisconnectReason::Error(error) => {
                if let ClientError::Wire(wire) = &error {
                    self.notes.set(match wire {
                        russh::Error::KeepaliveTimeout => "the host has stopped answering".into(),
                        russh::Error::Disconnect | russh::Error::HUP => String::new(),
                        other => other.to_string(),
                    });
                }
                Err(error)
            }
        }
    }

    async fn auth_banner(&mut self, _banner: &str, _session: &mut Wire) -> Result<(), ClientError> {
        Ok(())
    }

    // A server opens nothing here: nothing is forwarded to it, no agent, no display, no port. Left to themselves these would be
    // accepted. Dropping the reply refuses.

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _channel: Channel<client::Msg>,
        _connected_address: &str,
        _connected_port: u32,
        _originator_address: &str,
        _originator_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Wire,
    ) -> Result<(), ClientError> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _channel: Channel<client::Msg>,
        _socket_path: &str,
        _reply: ChannelOpenHandle,
        _session: &mut Wire,
    ) -> Result<(), ClientError> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _channel: Channel<client::Msg>,
        _reply: ChannelOpenHandle,
        _session: &mut Wire,
    ) -> Result<(), ClientError> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _channel: Channel<client::Msg>,
        _reply: ChannelOpenHandle,
        _session: &mut Wire,
    ) -> Result<(), ClientError> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<client::Msg>,
        _host_to_connect: &str,
        _port_to_connect: u32,
        _originator_address: &str,
        _originator_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Wire,
    ) -> Result<(), ClientError> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<client::Msg>,
        _socket_path: &str,
        _reply: ChannelOpenHandle,
        _session: &mut Wire,
    ) -> Result<(), ClientError> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _channel: Channel<client::Msg>,
        _originator_address: &str,
        _originator_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Wire,
    ) -> Result<(), ClientError> {
        Ok(())
    }
}

/// A stream a connection can run over.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A connection that has let us in.
pub(crate) struct Connection {
    pub(crate) handle: Handle<Client>,
    pub(crate) notes: Arc<Notes>,
    pub(crate) settings: Settings,
    /// Keeps the jump host's connection as long as ours.
    _via: Option<Arc<Connection>>,
}

impl Connection {
    /// Connects and logs in, through jump hosts if there are any.
    ///
    /// Boxed because a chain of jump hosts is walked by recursion.
    pub(crate) fn open<'a>(target: &'a Target, context: &'a Context) -> BoxFuture<'a, Result<Connection, SshError>> {
        Box::pin(Self::open_now(target, context))
    }

    async fn open_now(target: &Target, context: &Context) -> Result<Connection, SshError> {
        let settings = Settings::resolve(target, &context.home)?;
        let via = context.jumps.reach(target, &settings, context).await?;
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

    async fn once(
        settings: &Settings,
        via: Option<Arc<Connection>>,
        context: &Context,
    ) -> Result<Connection, SshError> {
        let mut patience = Patience::new(settings.timeout, context);
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

    /// Why it may be another host than the one meant.
    pub(crate) fn doubt(&self) -> Option<String> {
        self.notes.doubt()
    }

    /// Things the user should know though they are no errors.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = self.settings.warnings.clone();
        if self.settings.rules.policy == HostKeyPolicy::Off {
            warnings.push(format!(
                "{}: host keys are not checked, so anybody between here and there can take part: \
                 use StrictHostKeyChecking=accept-new instead",
                self.settings.name
            ));
        }
        if let Some(doubt) = self.doubt() {
            warnings.push(format!("{doubt}; no password is sent to it"));
        }
        warnings
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
        return super::jump::proxy_command(&settings.name, command);
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
