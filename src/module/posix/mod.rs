//! `ansible.posix`.
