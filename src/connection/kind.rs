//! What the registry knows of a kind of connection.

use super::{refusal::Refusal, settings::Settings, target::Target};

/// A kind of connection.
pub struct Kind {
    /// Ansible's name for it.
    pub name: &'static str,
    /// The other names it goes by.
    pub aliases: &'static [&'static str],
    /// It starts programs on this machine, so no host may choose it.
    pub here: bool,
    /// Its address is one of the network, and names of users are those of the host.
    pub network: bool,
    /// The variables it reads.
    pub variables: &'static [Variable],
    /// Makes the way to a host of what was read.
    pub make: fn(&Settings<'_>) -> Result<Target, Refusal>,
}

/// A setting, with the variables that give it.
pub struct Variable {
    /// What it is to the executor.
    pub role: Role,
    /// The names of the variables: of several that are given the first counts.
    pub names: &'static [&'static str],
    /// Tells whether a value decides what runs on this machine, or whom it trusts: no host may choose such a one.
    pub decides: fn(&str) -> bool,
}

/// What a setting is to the executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Where the host is; its name in the inventory where nothing is said.
    Address,
    /// The port, which the keyword `port` gives too.
    Port,
    /// The login user, which the keyword `remote_user` gives too.
    User,
    /// The kind's own.
    Own,
}

impl Variable {
    /// A setting that a host may choose for itself, or a task on it.
    pub const fn free(role: Role, names: &'static [&'static str]) -> Self {
        Self { role, names, decides: never }
    }

    /// A setting that decides what runs on this machine.
    pub const fn guarded(role: Role, names: &'static [&'static str]) -> Self {
        Self { role, names, decides: always }
    }
}

fn never(_: &str) -> bool {
    false
}

fn always(_: &str) -> bool {
    true
}

impl Kind {
    /// All variables that it reads.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.variables.iter().flat_map(|variable| variable.names).copied()
    }

    /// The variables of one role.
    pub fn role(&self, role: Role) -> &'static [&'static str] {
        self.variables.iter().find(|variable| variable.role == role).map_or(&[], |variable| variable.names)
    }

    /// Tells whether the value of a variable decides what runs on this machine.
    pub fn decides(&self, name: &str, value: &str) -> bool {
        self.variables.iter().any(|variable| variable.names.contains(&name) && (variable.decides)(value))
    }

    /// The name people write: the last part of Ansible's.
    pub fn short(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }
}
