//! `ansible.posix`.

pub mod sysctl;
