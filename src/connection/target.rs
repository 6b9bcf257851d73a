//! One host as it is to be reached.

use super::reach::Reach;
use std::sync::Arc;

/// Says how to reach one host.
#[derive(Clone, Debug)]
pub struct Target {
    /// The inventory's name, for messages.
    pub name: String,
    /// `ansible_shell_executable`: the POSIX shell that runs the steps.
    pub shell: String,
    /// It is looked for by its name in the inventory, for no address was given.
    pub by_name: bool,
    pub(crate) reach: Arc<dyn Reach>,
}

impl Target {
    /// Makes the target at the end of a way.
    pub fn new(name: impl Into<String>, reach: impl Reach + 'static) -> Self {
        Self { name: name.into(), shell: "/bin/sh".into(), by_name: false, reach: Arc::new(reach) }
    }

    /// Tells whether it is this machine itself.
    pub fn is_local(&self) -> bool {
        self.reach.is_local()
    }

    /// As whom it is logged in, where that is said.
    pub fn login(&self) -> Option<String> {
        self.reach.login()
    }

    /// Where it ends: two targets with one place may be the same host.
    pub fn place(&self) -> String {
        self.reach.place()
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.shell == other.shell && self.reach.same((*other.reach).any())
    }
}
