//! `community.docker.docker`: a container of Docker, by its command line.

use super::{
    container::{self, Words},
    kind::{Kind, Role, Variable},
    local::SHELL,
    refusal::Refusal,
    settings::Settings,
    target::Target,
};

/// Its line in the registry. Which Docker it is, `DOCKER_HOST` and `DOCKER_CONTEXT` of the environment say, or
/// `ansible_docker_extra_args`.
///
/// Source: <https://docs.ansible.com/ansible/latest/collections/community/docker/docker_connection.html>
pub static KIND: Kind = Kind {
    name: "community.docker.docker",
    aliases: &["community.general.docker"],
    here: true,
    network: false,
    variables: &[
        Variable::free(Role::Address, HOST),
        Variable::free(Role::User, USER),
        Variable::guarded(Role::Own, EXTRA),
        SHELL,
    ],
    make,
};

const HOST: &[&str] = &["ansible_docker_host", "ansible_host"];
const USER: &[&str] = &["ansible_docker_user", "ansible_user"];
const EXTRA: &[&str] = &["ansible_docker_extra_args"];

fn make(settings: &Settings<'_>) -> Result<Target, Refusal> {
    let extra = settings.words(EXTRA)?;
    container::make(settings, Words { engine: "docker", exe: "docker", extra, address: HOST, user: USER })
}
