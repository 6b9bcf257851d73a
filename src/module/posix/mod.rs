//! `ansible.posix`.

pub mod authorized_key;
pub mod mount;
pub mod sysctl;
