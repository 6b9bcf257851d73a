//! What variables, keywords and the command line say of a connection.

use super::refusal::Refusal;
use crate::ssh::{HostKeyPolicy, Secret};
use std::{path::PathBuf, time::Duration};

/// What is configured for SSH, where neither variables nor the command line say it.
#[derive(Clone, Debug, Default)]
pub struct SshDefaults {
    /// In the place of `ansible_ssh_args`.
    pub args: Option<String>,
    /// In the place of `ansible_ssh_common_args`.
    pub common_args: Option<String>,
    /// In the place of `ansible_ssh_extra_args`.
    pub extra_args: Option<String>,
    /// In the place of `ansible_port`.
    pub port: Option<u16>,
    /// In the place of `ansible_host_key_checking`.
    pub host_key_checking: Option<bool>,
}

/// What the command line says, for all hosts.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// `--user`.
    pub user: Option<String>,
    /// `-k`: the login password.
    pub password: Option<Secret>,
    /// `--private-key`.
    pub private_key: Option<PathBuf>,
    /// `--ssh-common-args`.
    pub ssh_arguments: Vec<String>,
    /// What is configured besides.
    pub ssh: SshDefaults,
    /// What to do with unknown host keys, where the command line says so.
    pub host_keys: Option<HostKeyPolicy>,
    /// `--timeout`.
    pub connect_timeout: Duration,
}

/// All that a connection is made from.
pub struct Settings<'a> {
    /// The host's name in the inventory.
    pub host: &'a str,
    /// The values of the variables, texts all of them.
    pub values: Vec<(&'static str, String)>,
    /// What the command line says.
    pub defaults: &'a Defaults,
    /// The host stands in the inventory; another one was added by a task, under a name that may be data.
    pub known: bool,
}

impl Settings<'_> {
    /// The value of the first of these variables that is given.
    pub fn text(&self, names: &[&str]) -> Option<&str> {
        names
            .iter()
            .find_map(|name| self.values.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()))
    }

    /// The same, where the value means true or false.
    pub fn truth(&self, names: &[&str]) -> Option<bool> {
        self.text(names).map(truth)
    }

    /// The words of a value that is written as in a shell.
    ///
    /// # Errors
    /// Quotes that are not closed.
    pub fn words(&self, names: &[&str]) -> Result<Vec<String>, Refusal> {
        let Some(text) = self.text(names) else { return Ok(Vec::new()) };
        let name = names.first().copied().unwrap_or_default();
        crate::python::shlex::split(text).map_err(|error| {
            Refusal::new(format!("{name}: `{text}`: {error}")).help("write it as in a shell, with quotes closed")
        })
    }
}

/// Whether a text means true.
pub(super) fn truth(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    matches!(text.as_str(), "yes" | "true" | "on" | "1" | "y" | "t")
}
