//! Sessions against a real sshd on this machine's loopback, and against this machine itself.

mod shell;
mod sshd;
