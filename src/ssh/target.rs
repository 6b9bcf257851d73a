//! One host as it is to be logged in to: what the inventory and arguments of `ssh` say.

use super::{
    account::{expand_home, home},
    error::SshError,
    known_hosts::HostKeyPolicy,
    secret::Secret,
};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// Says how to reach one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The inventory's name: for messages, and the address if there is no other.
    pub name: String,
    /// `ansible_host`.
    pub address: Option<String>,
    /// `ansible_port`.
    pub port: Option<u16>,
    /// `ansible_user`.
    pub user: Option<String>,
    /// `ansible_password`.
    pub password: Option<Secret>,
    /// `ansible_ssh_private_key_file` and `--private-key`: tried before all other keys.
    pub private_key_files: Vec<PathBuf>,
    /// Jump hosts, first to last, each `[user@]host[:port]`.
    pub jump: Vec<String>,
    /// OpenSSH options by name, from `-o Key=Value`; see [`Target::apply_ssh_args`].
    pub options: BTreeMap<String, String>,
    /// What to do with unknown host keys; without it OpenSSH's configuration decides, then `Strict`.
    pub host_key_checking: Option<HostKeyPolicy>,
    /// What to do with unknown host keys of the jump hosts on the way; without it OpenSSH's configuration decides. What is said
    /// of the host behind them does not hold for them.
    pub jump_host_key_checking: Option<HostKeyPolicy>,
    /// How long connecting, the handshake and logging in may take together.
    pub connect_timeout: Duration,
}

impl Target {
    /// Makes a target with nothing but a name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            address: None,
            port: None,
            user: None,
            password: None,
            private_key_files: Vec::new(),
            jump: Vec::new(),
            options: BTreeMap::new(),
            host_key_checking: None,
            jump_host_key_checking: None,
            connect_timeout: Duration::from_secs(30),
        }
    }

    /// Takes over arguments of the `ssh` command, as `ansible_ssh_common_args` holds them.
    pub fn apply_ssh_args(&mut self, args: &str) -> Result<(), SshError> {
        let refuse = |what: String, help: Option<String>| SshError::Setting {
            origin: format!("ssh arguments `{args}`"),
            what,
            help,
        };
        let words = crate::python::shlex::split(args).map_err(|error| refuse(error.to_string(), None))?;
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let (flag, rest) =
                match word.strip_prefix('-').and_then(|rest| rest.chars().next().map(|flag| (flag, rest))) {
                    Some((flag, rest)) => (flag, &rest[flag.len_utf8()..]),
                    None => return Err(refuse(format!("`{word}` is not an option"), None)),
                };
            // Of no meaning here: compression, quiet, terminals, forwarding of agent and display, verbosity.
            if "CqTtAaXxYvnNf".contains(flag) {
                continue;
            }
            if let Some(family) = [('4', "inet"), ('6', "inet6")].iter().find(|(short, _)| *short == flag) {
                self.options.insert("addressfamily".into(), family.1.into());
                continue;
            }
            let value = if rest.is_empty() { words.next() } else { Some(rest.to_owned()) };
            let Some(value) = value else { return Err(refuse(format!("`-{flag}` lacks its value"), None)) };
            match flag {
                'o' => {
                    let (key, value) = key_and_value(&value)
                        .ok_or_else(|| refuse(format!("`-o {value}` is not of the form Key=Value"), None))?;
                    // The first one counts, as with OpenSSH.
                    self.options.entry(key).or_insert(value);
                }
                'i' => self.private_key_files.push(expand_home(&value, &home())),
                'p' => self.port = Some(value.parse().map_err(|_| refuse(format!("`{value}` is no port"), None))?),
                'l' => self.user = Some(value),
                'J' => self.jump = value.split(',').map(|jump| jump.trim().to_owned()).collect(),
                'F' => drop(self.options.insert("f".into(), value)),
                _ => {
                    let help = "-o, -i, -p, -l, -J and -F are supported";
                    return Err(refuse(format!("`-{flag}` is not supported"), Some(help.into())));
                }
            }
        }
        Ok(())
    }
}

/// Splits `Key value`, `Key=value` and `Key = value`; the key comes back in lower case.
pub(crate) fn key_and_value(line: &str) -> Option<(String, String)> {
    let at = line.find(|c: char| c == '=' || c.is_whitespace())?;
    let (key, rest) = line.split_at(at);
    let rest = rest.trim_start();
    let value = rest.strip_prefix('=').unwrap_or(rest).trim();
    let unquoted = match value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
        Some(inner) if !inner.contains('"') => inner,
        _ => value,
    };
    (!key.is_empty() && !unquoted.is_empty()).then(|| (key.to_lowercase(), unquoted.to_owned()))
}
