//! The names of Ansible's commands.

use std::{ffi::OsStr, path::Path};

/// One of Ansible's commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// `ansible`.
    AdHoc,
    /// `ansible-config`.
    Config,
    /// `ansible-console`.
    Console,
    /// `ansible-doc`.
    Doc,
    /// `ansible-galaxy`, which is refused.
    Galaxy,
    /// `ansible-inventory`.
    Inventory,
    /// `ansible-playbook`.
    Playbook,
    /// `ansible-vault`.
    Vault,
}

impl Name {
    /// Those that links are made for.
    pub const LINKED: [Name; 7] =
        [Name::AdHoc, Name::Config, Name::Console, Name::Doc, Name::Inventory, Name::Playbook, Name::Vault];

    /// What it is called.
    pub fn text(self) -> &'static str {
        match self {
            Name::AdHoc => "ansible",
            Name::Config => "ansible-config",
            Name::Console => "ansible-console",
            Name::Doc => "ansible-doc",
            Name::Galaxy => "ansible-galaxy",
            Name::Inventory => "ansible-inventory",
            Name::Playbook => "ansible-playbook",
            Name::Vault => "ansible-vault",
        }
    }

    /// The command that a program is called as, by the first word of its line.
    pub fn of(program: &OsStr) -> Option<Name> {
        let file = Path::new(program).file_name()?.to_str()?;
        Name::LINKED.into_iter().chain([Name::Galaxy]).find(|name| name.text() == file)
    }
}
