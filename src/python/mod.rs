//! Python's semantics, where playbooks mean them: a ground-floor room that depends on nothing of this crate.
//!
//! `tests/python/` holds what a real Python answers; `tests/python.rs` compares.

pub mod character;
pub mod configparser;
pub mod csv;
pub mod difflib;
pub mod encoding;
pub mod fnmatch;
pub mod glob;
pub mod number;
pub mod pep440;
pub mod random;
pub mod regex;
pub mod shlex;
pub mod text;
pub mod textwrap;
pub mod truth;
