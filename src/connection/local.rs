//! `ansible.builtin.local`: this machine itself.

use super::{
    context::Context,
    error::Error,
    kind::{Kind, Role, Variable},
    process::{Process, Reading},
    program,
    reach::{Connection, Reach, Room, Stream},
    refusal::Refusal,
    settings::Settings,
    target::Target,
};
use crate::ssh::login_name;
use futures::future::BoxFuture;

/// The variable that names the shell: the same for all kinds that have one.
pub(super) const SHELL: Variable = Variable::free(Role::Own, &["ansible_shell_executable"]);

/// Its line in the registry.
pub static KIND: Kind =
    Kind { name: "ansible.builtin.local", aliases: &[], here: true, network: false, variables: &[SHELL], make };

fn make(settings: &Settings<'_>) -> Result<Target, Refusal> {
    Ok(shelled(Target::local(settings.host), settings))
}

/// Lets the shell be the one that is asked for.
pub(super) fn shelled(mut target: Target, settings: &Settings<'_>) -> Target {
    if let Some(shell) = settings.text(SHELL.names) {
        target.shell = shell.to_owned();
    }
    target
}

impl Target {
    /// Makes the target that is this machine.
    pub fn local(name: impl Into<String>) -> Self {
        let name = name.into();
        Self::new(name.clone(), Local(name))
    }
}

/// This machine, by the name it has in the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Local(String);

impl Reach for Local {
    fn connect<'a>(&'a self, _context: &'a Context) -> BoxFuture<'a, Result<Box<dyn Connection>, Error>> {
        let here = Here { name: self.0.clone(), user: login_name() };
        Box::pin(async move { Ok(Box::new(here) as Box<dyn Connection>) })
    }

    fn place(&self) -> String {
        "this machine".into()
    }

    fn login(&self) -> Option<String> {
        Some(login_name())
    }

    fn is_local(&self) -> bool {
        true
    }
}

struct Here {
    name: String,
    user: String,
}

impl Connection for Here {
    fn start<'a>(
        &'a self,
        request: &'a str,
        reading: Reading,
        _room: &'a dyn Room,
    ) -> BoxFuture<'a, Result<Process, Error>> {
        Box::pin(async move { program::start(&self.name, &["/bin/sh", "-c", request], reading) })
    }

    fn forward<'a>(&'a self, to: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, Error>> {
        program::forward(&self.name, to, port)
    }

    fn user(&self) -> &str {
        &self.user
    }
}
