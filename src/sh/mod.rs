//! What the crate knows of POSIX sh, and nothing else: how values get into scripts, and scripts that are files.
//!
//! It depends on no other folder, so that `fact`, `module`, `ssh` and `run` can all stand on it.

mod file;
mod quote;

pub(crate) use file::{bare, file};
pub use quote::{print, quote, quote_bytes, words};
