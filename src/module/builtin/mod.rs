//! `ansible.builtin`: the modules every Ansible has.

pub mod add_host;
pub mod apt;
pub mod apt_key;
pub mod apt_repository;
pub mod assemble;
pub mod assert;
pub mod async_status;
pub mod blockinfile;
pub mod command;
pub mod copy;
pub mod cron;
pub mod deb822_repository;
pub mod debconf;
pub mod debug;
pub mod dnf;
pub mod dpkg_selections;
pub mod expect;
pub mod fail;
pub mod fetch;
pub mod file;
pub mod find;
pub mod get_url;
pub mod getent;
pub mod git;
pub mod group;
pub mod group_by;
pub mod hostname;
pub mod iptables;
pub mod known_hosts;
pub mod lineinfile;
pub mod mount_facts;
pub mod package;
pub mod package_facts;
pub mod pause;
pub mod ping;
pub mod pip;
pub mod raw;
pub mod reboot;
pub mod replace;
pub mod rpm_key;
pub mod script;
pub mod service;
pub mod service_facts;
pub mod set_fact;
pub mod set_stats;
pub mod setup;
pub mod shell;
pub mod slurp;
pub mod stat;
pub mod subversion;
pub mod systemd_service;
pub mod sysvinit;
pub mod tempfile;
pub mod template;
pub mod unarchive;
pub mod uri;
pub mod user;
pub mod validate_argument_spec;
pub mod wait_for;
pub mod wait_for_connection;
pub mod yum_repository;

use super::entry::{Entry, entry};

/// The modules of this collection.
pub(super) fn entries() -> Vec<Entry> {
    up_to_group().into_iter().chain(behind_group()).collect()
}

fn up_to_group() -> Vec<Entry> {
    vec![
        entry::<add_host::AddHost>(),
        entry::<apt::Apt>(),
        entry::<apt_key::AptKey>(),
        entry::<apt_repository::AptRepository>(),
        entry::<assemble::Assemble>(),
        entry::<assert::Assert>(),
        entry::<async_status::AsyncStatus>(),
        entry::<blockinfile::Blockinfile>(),
        entry::<command::Command>(),
        entry::<copy::Copy>(),
        entry::<cron::Cron>(),
        entry::<deb822_repository::Deb822Repository>(),
        entry::<debconf::Debconf>(),
        entry::<debug::Debug>(),
        entry::<dnf::Dnf>(),
        entry::<dnf::Dnf5>(),
        entry::<dpkg_selections::DpkgSelections>(),
        entry::<expect::Expect>(),
        entry::<fail::Fail>(),
        entry::<fetch::Fetch>(),
        entry::<file::File>(),
        entry::<find::Find>(),
        entry::<get_url::GetUrl>(),
        entry::<getent::Getent>(),
        entry::<git::Git>(),
        entry::<group::Group>(),
        entry::<group_by::GroupBy>(),
    ]
}

fn behind_group() -> Vec<Entry> {
    vec![
        entry::<hostname::Hostname>(),
        entry::<iptables::Iptables>(),
        entry::<known_hosts::KnownHosts>(),
        entry::<lineinfile::Lineinfile>(),
        entry::<mount_facts::MountFacts>(),
        entry::<package::Package>(),
        entry::<package_facts::PackageFacts>(),
        entry::<pause::Pause>(),
        entry::<ping::Ping>(),
        entry::<pip::Pip>(),
        entry::<raw::Raw>(),
        entry::<reboot::Reboot>(),
        entry::<replace::Replace>(),
        entry::<rpm_key::RpmKey>(),
        entry::<script::Script>(),
        entry::<service::Service>(),
        entry::<service_facts::ServiceFacts>(),
        entry::<set_fact::SetFact>(),
        entry::<set_stats::SetStats>(),
        entry::<setup::Setup>(),
        entry::<shell::Shell>(),
        entry::<slurp::Slurp>(),
        entry::<stat::Stat>(),
        entry::<subversion::Subversion>(),
        entry::<systemd_service::SystemdService>(),
        entry::<sysvinit::Sysvinit>(),
        entry::<tempfile::Tempfile>(),
        entry::<template::Template>(),
        entry::<unarchive::Unarchive>(),
        entry::<uri::Uri>(),
        entry::<user::User>(),
        entry::<validate_argument_spec::ValidateArgumentSpec>(),
        entry::<wait_for::WaitFor>(),
        entry::<wait_for_connection::WaitForConnection>(),
        entry::<yum_repository::YumRepository>(),
    ]
}
