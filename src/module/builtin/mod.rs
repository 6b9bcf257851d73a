//! `ansible.builtin`: the modules every Ansible has.

pub mod apt;
pub mod copy;
pub mod file;
pub mod group;
pub mod iptables;
pub mod package;
pub mod ping;
pub mod service;
pub mod setup;
pub mod systemd_service;
pub mod user;
