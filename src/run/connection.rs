//! How a host is reached, from its variables and the command line.
//!
//! A connection belongs to the values it was made from: they are read for every task, and other values are another connection.

use std::{path::PathBuf, time::Duration};

use serde_json::Value as Json;

use super::{
    Options, Run,
    keyword::{self, truth},
    machine::explain,
    task_error::TaskError,
};
use crate::{
    inventory::name::{Fault, address, login},
    playbook::Scope,
    ssh::{HostKeyPolicy, Secret, Target, ssh_option},
    template::Context,
};

/// The variables that say how a host is reached, and as whom.
///
/// Source: <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/ssh_connection.html>
pub const NAMES: &[&str] = &[
    CONNECTION[0],
    HOST[0],
    HOST[1],
    PORT[0],
    PORT[1],
    USER[0],
    USER[1],
    PASSWORD[0],
    PASSWORD[1],
    PASSWORD[2],
    KEY[0],
    KEY[1],
    ARGS[0],
    ARGS[1],
    ARGS[2],
    CHECKING[0],
    CHECKING[1],
    TIMEOUT[0],
    TIMEOUT[1],
    SHELL[0],
];

// Of several names for one setting the first that is given counts.
const CONNECTION: &[&str] = &["ansible_connection"];
pub(super) const HOST: &[&str] = &["ansible_host", "ansible_ssh_host"];
const PORT: &[&str] = &["ansible_port", "ansible_ssh_port"];
const USER: &[&str] = &["ansible_user", "ansible_ssh_user"];
const PASSWORD: &[&str] = &["ansible_password", "ansible_ssh_password", "ansible_ssh_pass"];
const KEY: &[&str] = &["ansible_ssh_private_key_file", "ansible_private_key_file"];
const ARGS: &[&str] = &["ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args"];
const CHECKING: &[&str] = &["ansible_host_key_checking", "ansible_ssh_host_key_checking"];
const TIMEOUT: &[&str] = &["ansible_ssh_timeout", "ansible_timeout"];
const SHELL: &[&str] = &["ansible_shell_executable"];

/// Whether a value decides what runs on this machine, or whom it trusts: no host may choose it.
pub(super) fn decides_here(name: &str, value: &Json) -> bool {
    if CONNECTION.contains(&name) {
        return keyword::as_text(value).as_deref().is_some_and(is_local);
    }
    if CHECKING.contains(&name) {
        return !truth(value);
    }
    ARGS.contains(&name) && keyword::as_text(value).is_some_and(|text| !harmless(&text))
}

fn is_local(kind: &str) -> bool {
    matches!(kind, "local" | "ansible.builtin.local")
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

fn harmless(args: &str) -> bool {
    let Ok(words) = shell_words::split(args) else { return false };
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

/// What to say of a value that is data and decides what runs here.
pub(super) fn refused(name: &str) -> TaskError {
    let error = TaskError::new(format!(
        "{name}: the value is made of data (a result, a fact, a file of a host): no host decides what runs on this machine"
    ));
    error.help("write the value in the inventory or in `vars`, made of your own variables alone")
}

/// The values of all of them for one task: the key of a connection.
#[derive(PartialEq)]
pub struct Settings(Vec<(&'static str, Json)>);

impl Settings {
    /// Reads what the variables of the host that is reached say, and the keywords of the task where no variable does: variables
    /// win. `own` are the variables of the host that the task is for, by which keywords are rendered.
    ///
    /// Source: <https://docs.ansible.com/ansible/latest/reference_appendices/general_precedence.html>
    pub fn read(run: &Run, host: &str, scope: &Scope, own: &Context, reached: &Context) -> Result<Settings, TaskError> {
        let mut settings = Settings(Vec::new());
        for name in reached.among(NAMES) {
            if let Some(value) = run.setting(host, name, reached)? {
                if decides_here(name, &value) {
                    // Under a name of its own: what it looks up by doing something is looked up once, too.
                    let words = run.setting(&format!("\0own {host}"), name, &reached.own_words());
                    if !words.is_ok_and(|words| words.as_ref() == Some(&value)) {
                        return Err(refused(name));
                    }
                }
                settings.0.push((name, value));
            }
        }
        let kind = keyword::text(run, scope, own, |k| k.connection.as_ref())?;
        if kind.as_deref().is_some_and(is_local) {
            let words = keyword::text(run, scope, &own.own_words(), |k| k.connection.as_ref());
            if !words.is_ok_and(|words| words == kind) {
                return Err(refused("connection"));
            }
        }
        settings.otherwise(CONNECTION, kind);
        settings.otherwise(USER, keyword::text(run, scope, own, |k| k.remote_user.as_ref())?);
        settings.otherwise(PORT, keyword::text(run, scope, own, |k| k.port.as_ref())?);
        Ok(settings)
    }

    fn otherwise(&mut self, names: &'static [&'static str], value: Option<String>) {
        if let (Some(value), None, Some(name)) = (value, self.text(names), names.first()) {
            self.0.push((name, Json::String(value)));
        }
    }

    fn value(&self, names: &[&str]) -> Option<&Json> {
        names.iter().find_map(|name| self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value))
    }

    fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.value(&[name]).and_then(keyword::as_text))
    }

    /// What they come to. `local`: the host is this machine unless they say otherwise.
    pub fn target(&self, name: &str, options: &Options, local: bool) -> Result<Target, TaskError> {
        let kind = self.text(CONNECTION).or_else(|| options.connection.clone());
        let local = match kind.as_deref() {
            None | Some("smart" | "ssh" | "ansible.builtin.ssh" | "paramiko" | "paramiko_ssh") => {
                local && kind.is_none()
            }
            Some("local" | "ansible.builtin.local") => true,
            Some(other) => {
                let error = TaskError::new(format!("connection `{other}` is not supported"));
                return Err(error.help("hosts are reached by `ssh` or `local`"));
            }
        };
        let mut target = if local { Target::local(name) } else { Target::new(name) };
        for name in ARGS {
            if let Some(text) = self.text(&[name]) {
                target.apply_ssh_args(&text).map_err(|e| TaskError::new(format!("{name}: {}", explain(&e))))?;
            }
        }
        for text in &options.ssh_arguments {
            target.apply_ssh_args(text).map_err(|e| TaskError::new(explain(&e)))?;
        }
        target.port = self.port()?.or(target.port);
        target.host_key_checking = match self.value(CHECKING).map(truth) {
            Some(false) => Some(HostKeyPolicy::Off),
            Some(true) => Some(target.host_key_checking.unwrap_or(HostKeyPolicy::Strict)),
            None => target.host_key_checking,
        };
        if options.host_keys.is_some() {
            target.host_key_checking = options.host_keys;
            target.jump_host_key_checking = options.host_keys;
        }
        target.connect_timeout = self.timeout()?.unwrap_or(options.connect_timeout);
        let mut keys: Vec<PathBuf> = options.private_key.iter().cloned().collect();
        keys.extend(self.text(KEY).map(PathBuf::from));
        keys.append(&mut target.private_key_files);
        target.private_key_files = keys;
        target.address = self.text(HOST);
        // As with Ansible `-u` is for hosts of which nothing is said.
        target.user = self.text(USER).or_else(|| options.user.clone()).or(target.user);
        target.password = self.text(PASSWORD).map(Secret::new).or_else(|| options.password.clone());
        if let Some(shell) = self.text(SHELL) {
            target.shell = shell;
        }
        if !local {
            let wrong = |what: &str, fault: Fault| TaskError::new(format!("{what}: {fault}"));
            // A name alone is looked at when it is connected to: a host may be there for its variables alone.
            target.address.as_deref().map_or(Ok(()), address).map_err(|fault| wrong("ansible_host", fault))?;
            target.user.as_deref().map_or(Ok(()), login).map_err(|fault| wrong("ansible_user", fault))?;
        }
        Ok(target)
    }

    fn port(&self) -> Result<Option<u16>, TaskError> {
        let Some(text) = self.text(PORT) else { return Ok(None) };
        let port = text.trim().parse().ok().filter(|port| *port > 0);
        port.map(Some).ok_or_else(|| TaskError::new(format!("ansible_port: `{text}` is no port")))
    }

    fn timeout(&self) -> Result<Option<Duration>, TaskError> {
        let Some(text) = self.text(TIMEOUT) else { return Ok(None) };
        let wrong = || TaskError::new(format!("ansible_ssh_timeout: `{text}` is no number of seconds"));
        text.parse().map(|seconds| Some(Duration::from_secs(seconds))).map_err(|_| wrong())
    }
}
