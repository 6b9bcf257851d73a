//! What is known of a setting of Ansible.

use std::path::Path;

use super::value::{self, Kind, Place, Value};

/// What becomes of a setting here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does what it does with Ansible.
    Here,
    /// It is about something that there is not here (cows, control sockets, modules' Python): nobody misses it.
    Moot,
    /// Its default is what is done here whatever it says: any other value is named as being without effect.
    Same,
}

/// A setting.
#[derive(Debug)]
pub struct Setting {
    /// Ansible's name for it.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// Ansible's default, as one would write it; empty where there is none.
    pub default: &'static str,
    /// Its keys in the file, `section.key`, separated by blanks; the last one that is there counts.
    pub ini: &'static str,
    /// Its environment variables, separated by blanks; the last one that is there counts.
    pub env: &'static str,
    /// The values there are, separated by blanks; any where this is empty.
    pub choices: &'static str,
    /// What becomes of it here.
    pub effect: Effect,
}

impl Setting {
    /// Its keys in the file, each with its section.
    pub fn keys(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.ini.split_whitespace().filter_map(|key| key.split_once('.'))
    }

    /// The value that counts where none is given, for one that is not empty.
    pub fn default_value(&self) -> Option<Value> {
        value::read(self.kind, self.default, &Place { folder: Path::new("/"), file: true })
    }

    /// Its environment variables.
    pub fn variables(&self) -> impl Iterator<Item = &'static str> {
        self.env.split_whitespace()
    }
}
