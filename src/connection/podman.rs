//! `containers.podman.podman`: a container of Podman, by its command line.

use super::{
    container::{self, Words},
    kind::{Kind, Role, Variable},
    local::SHELL,
    refusal::Refusal,
    settings::Settings,
    target::Target,
};

/// Its line in the registry.
///
/// Source: <https://docs.ansible.com/ansible/latest/collections/containers/podman/podman_connection.html>
pub static KIND: Kind = Kind {
    name: "containers.podman.podman",
    aliases: &[],
    here: true,
    network: false,
    variables: &[
        Variable::free(Role::Address, HOST),
        Variable::free(Role::User, USER),
        Variable::guarded(Role::Own, EXE),
        Variable::guarded(Role::Own, EXTRA),
        SHELL,
    ],
    make,
};

const HOST: &[&str] = &["ansible_podman_host", "ansible_host"];
const USER: &[&str] = &["ansible_user"];
const EXE: &[&str] = &["ansible_podman_executable"];
const EXTRA: &[&str] = &["ansible_podman_extra_args"];

fn make(settings: &Settings<'_>) -> Result<Target, Refusal> {
    let exe = settings.text(EXE).unwrap_or("podman");
    let extra = settings.words(EXTRA)?;
    container::make(settings, Words { engine: "podman", exe, extra, address: HOST, user: USER })
}
