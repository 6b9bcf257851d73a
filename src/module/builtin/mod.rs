//! `ansible.builtin`: the modules every Ansible has.

pub mod apt;
pub mod assert;
pub mod command;
pub mod copy;
pub mod debug;
pub mod fail;
pub mod file;
pub mod group;
pub mod iptables;
pub mod lineinfile;
pub mod package;
pub mod ping;
pub mod raw;
pub mod script;
pub mod service;
pub mod set_fact;
pub mod setup;
pub mod shell;
pub mod slurp;
pub mod stat;
pub mod systemd_service;
pub mod template;
pub mod user;
