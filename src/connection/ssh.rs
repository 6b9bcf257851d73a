//! `ansible.builtin.ssh`: a host that is logged in to by SSH.

mod channel;

use super::{
    context::Context,
    error::{Error, explain},
    kind::{Kind, Role, Variable},
    local::{SHELL, shelled},
    process::{Process, Reading},
    reach::{Connection, Reach, Room, Stream},
    refusal::Refusal,
    settings::{Settings, truth},
    target::Target,
    tunnel::unhurried,
};
use crate::ssh::{self, HostKeyPolicy, Secret, ssh_option};
use channel::{Slot, Slots};
use futures::future::BoxFuture;
use russh::{Channel, ChannelOpenFailure, Disconnect, client::Msg};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// Its line in the registry.
///
/// Source: <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/ssh_connection.html>
pub static KIND: Kind = Kind {
    name: "ansible.builtin.ssh",
    // The ways of Ansible that log in by SSH all mean the one there is.
    aliases: &["smart", "paramiko", "paramiko_ssh"],
    here: false,
    network: true,
    variables: &[
        Variable::free(Role::Address, HOST),
        Variable::free(Role::Port, PORT),
        Variable::free(Role::User, USER),
        Variable::free(Role::Own, PASSWORD),
        Variable::free(Role::Own, KEY),
        Variable { role: Role::Own, names: ARGS, decides: harmful },
        Variable { role: Role::Own, names: CHECKING, decides: trusts_anybody },
        Variable::free(Role::Own, TIMEOUT),
        SHELL,
    ],
    make,
};

const HOST: &[&str] = &["ansible_host", "ansible_ssh_host"];
const PORT: &[&str] = &["ansible_port", "ansible_ssh_port"];
const USER: &[&str] = &["ansible_user", "ansible_ssh_user"];
const PASSWORD: &[&str] = &["ansible_password", "ansible_ssh_password", "ansible_ssh_pass"];
const KEY: &[&str] = &["ansible_ssh_private_key_file", "ansible_private_key_file"];
const ARGS: &[&str] = &["ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"];
const CHECKING: &[&str] = &["ansible_host_key_checking", "ansible_ssh_host_key_checking"];
const TIMEOUT: &[&str] = &["ansible_ssh_timeout", "ansible_timeout"];

fn make(settings: &Settings<'_>) -> Result<Target, Refusal> {
    let defaults = settings.defaults;
    let mut target = ssh::Target::new(settings.host);
    // Flags stand for the common ones that are configured.
    let common = defaults.ssh.common_args.as_ref().filter(|_| defaults.ssh_arguments.is_empty());
    let configured = [defaults.ssh.args.as_ref(), common, defaults.ssh.extra_args.as_ref()];
    for (name, configured) in ARGS.iter().zip(configured) {
        if let Some(text) = settings.text(&[name]).or(configured.map(String::as_str)) {
            target.apply_ssh_args(text).map_err(|error| Refusal::new(format!("{name}: {}", explain(&error))))?;
        }
    }
    for text in &defaults.ssh_arguments {
        target.apply_ssh_args(text).map_err(|error| Refusal::new(explain(&error)))?;
    }
    target.port = port(settings)?.or(target.port).or(defaults.ssh.port);
    target.host_key_checking = match settings.truth(CHECKING) {
        Some(false) => Some(HostKeyPolicy::Off),
        Some(true) => Some(target.host_key_checking.unwrap_or(HostKeyPolicy::Strict)),
        None if defaults.ssh.host_key_checking == Some(false)
            && !target.options.contains_key("stricthostkeychecking") =>
        {
            Some(HostKeyPolicy::Off)
        }
        None => target.host_key_checking,
    };
    if defaults.host_keys.is_some() {
        target.host_key_checking = defaults.host_keys;
        target.jump_host_key_checking = defaults.host_keys;
    }
    target.connect_timeout = timeout(settings)?.unwrap_or(defaults.connect_timeout);
    let mut keys: Vec<PathBuf> = defaults.private_key.iter().cloned().collect();
    keys.extend(settings.text(KEY).map(PathBuf::from));
    keys.append(&mut target.private_key_files);
    target.private_key_files = keys;
    target.address = settings.text(HOST).map(str::to_owned);
    // As with Ansible `-u` is for hosts of which nothing is said.
    target.user = settings.text(USER).map(str::to_owned).or_else(|| defaults.user.clone()).or(target.user);
    target.password = settings.text(PASSWORD).map(Secret::new).or_else(|| defaults.password.clone());
    Ok(shelled(Target::from(target), settings))
}

fn port(settings: &Settings<'_>) -> Result<Option<u16>, Refusal> {
    let Some(text) = settings.text(PORT) else { return Ok(None) };
    let port = text.trim().parse().ok().filter(|port| *port > 0);
    port.map(Some).ok_or_else(|| Refusal::new(format!("ansible_port: `{text}` is no port")))
}

fn timeout(settings: &Settings<'_>) -> Result<Option<Duration>, Refusal> {
    let Some(text) = settings.text(TIMEOUT) else { return Ok(None) };
    let wrong = |_| Refusal::new(format!("ansible_ssh_timeout: `{text}` is no number of seconds"));
    text.parse().map(|seconds| Some(Duration::from_secs(seconds))).map_err(wrong)
}

impl From<ssh::Target> for Target {
    fn from(target: ssh::Target) -> Self {
        let by_name = target.address.is_none();
        Target { by_name, ..Target::new(target.name.clone(), Login(target)) }
    }
}

impl From<&ssh::Target> for Target {
    fn from(target: &ssh::Target) -> Self {
        target.clone().into()
    }
}

/// Options of `ssh` that run nothing, read nothing and weaken nothing here.
const HARMLESS: &[&str] = &[
    "addressfamily",
    "batchmode",
    "compression",
    "connectionattempts",
    "connecttimeout",
    "loglevel",
    "port",
    "proxyjump",
    "serveralivecountmax",
    "serveraliveinterval",
    "tcpkeepalive",
    "user",
];

fn trusts_anybody(checking: &str) -> bool {
    !truth(checking)
}

fn harmful(args: &str) -> bool {
    !harmless(args)
}

fn harmless(args: &str) -> bool {
    let Ok(words) = crate::python::shlex::split(args) else { return false };
    let name = |text: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._@:[],-\\".contains(c);
        text.chars().all(fits) && !text.split([',', '@']).any(|part| part.starts_with('-'))
    };
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let mut rest = word.chars();
        let (Some('-'), Some(flag)) = (rest.next(), rest.next()) else { return false };
        if "CqTtaXxYvnN46".contains(flag) {
            continue;
        }
        let value = if rest.as_str().is_empty() { words.next() } else { Some(rest.as_str().to_owned()) };
        let Some(value) = value else { return false };
        let fits = match flag {
            'p' | 'l' | 'J' => name(&value),
            'o' => ssh_option(&value).is_some_and(|(key, value)| HARMLESS.contains(&key.as_str()) && name(&value)),
            _ => false,
        };
        if !fits {
            return false;
        }
    }
    true
}

/// The way to a host by SSH.
#[derive(Clone, Debug, PartialEq)]
struct Login(ssh::Target);

impl Reach for Login {
    fn connect<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Box<dyn Connection>, Error>> {
        Box::pin(async move {
            let connection = ssh::Connection::open(&self.0, &context.ssh).await?;
            let (opening, slots) = (tokio::sync::Mutex::default(), Arc::default());
            Ok(Box::new(LoggedIn { name: self.0.name.clone(), connection, opening, slots }) as Box<dyn Connection>)
        })
    }

    fn place(&self) -> String {
        let Login(target) = self;
        format!("{} port {}", target.address.as_ref().unwrap_or(&target.name), target.port.unwrap_or(22))
    }

    fn login(&self) -> Option<String> {
        self.0.user.clone()
    }
}

/// A host that has let us in.
struct LoggedIn {
    name: String,
    connection: ssh::Connection,
    /// Only one channel is being opened at a time, so that making room for it is not undone by another.
    opening: tokio::sync::Mutex<()>,
    slots: Arc<Slots>,
}

impl LoggedIn {
    /// Opens a session channel. Where the server allows no more of them (`MaxSessions`), room is made for it.
    async fn open_channel(&self, room: &dyn Room) -> Result<(Channel<Msg>, Slot), Error> {
        let _turn = self.opening.lock().await;
        let mut refusals_alone = 0;
        loop {
            // Asked for before the attempt, so that a slot freed meanwhile is not missed.
            let freed = self.slots.freed();
            let reason = match self.connection.handle.channel_open_session().await {
                Ok(channel) => return Ok((channel, Slot::take(&self.slots))),
                Err(russh::Error::ChannelOpenFailure(reason)) => reason,
                Err(_) => return Err(self.lost()),
            };
            if room.make().await {
                continue;
            }
            if self.slots.are_free() {
                // The server may take a moment to forget a channel that we saw closed.
                refusals_alone += 1;
                if refusals_alone > 20 {
                    return Err(Error::ChannelRefused { host: self.name.clone(), reason: refusal(&reason) });
                }
            }
            // Whoever uses the others will be done some time; a shell that turns idle does not tell.
            let _ = tokio::time::timeout(Duration::from_millis(100), freed).await;
        }
    }

    fn lost(&self) -> Error {
        Error::Lost { host: self.name.clone(), reason: self.last_words() }
    }
}

impl Connection for LoggedIn {
    fn start<'a>(
        &'a self,
        request: &'a str,
        reading: Reading,
        room: &'a dyn Room,
    ) -> BoxFuture<'a, Result<Process, Error>> {
        Box::pin(async move {
            let (channel, slot) = self.open_channel(room).await?;
            for (name, value) in &self.connection.settings.environment {
                // A server that does not take it says nothing, as none was asked for.
                let _ = channel.set_env(false, name.as_str(), value.as_str()).await;
            }
            let sent = channel.exec(true, request).await;
            let process = channel::process(channel, reading, slot);
            sent.map_err(|_| self.lost())?;
            Ok(process)
        })
    }

    fn forward<'a>(&'a self, to: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, Error>> {
        Box::pin(async move {
            let channel = self.connection.handle.channel_open_direct_tcpip(to, port.into(), "127.0.0.1", 0).await;
            let channel = channel.map_err(|error| match error {
                russh::Error::ChannelOpenFailure(reason) => {
                    Error::Tunnel { host: self.name.clone(), to: format!("{to}:{port}"), reason: format!("{reason:?}") }
                }
                _ => self.lost(),
            })?;
            Ok(Box::new(unhurried(channel.into_stream())) as Box<dyn Stream>)
        })
    }

    fn user(&self) -> &str {
        &self.connection.settings.user
    }

    fn is_closed(&self) -> bool {
        self.connection.handle.is_closed()
    }

    fn last_words(&self) -> String {
        self.connection.notes.said()
    }

    fn warnings(&self) -> Vec<String> {
        self.connection.warnings()
    }

    fn doubt(&self) -> Option<String> {
        self.connection.doubt()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _ = self.connection.handle.disconnect(Disconnect::ByApplication, "", "en").await;
        })
    }
}

fn refusal(reason: &ChannelOpenFailure) -> String {
    match reason {
        ChannelOpenFailure::AdministrativelyProhibited => "it is forbidden".into(),
        ChannelOpenFailure::ConnectFailed => "no session is left (MaxSessions)".into(),
        ChannelOpenFailure::ResourceShortage => "it is out of resources".into(),
        other => format!("{other:?}"),
    }
}
