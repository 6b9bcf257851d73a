//! `ansible.builtin`: the modules every Ansible has.

pub mod ping;
