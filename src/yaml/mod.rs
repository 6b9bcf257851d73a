//! YAML with places: a tree of nodes that know their file, line and column.
//!
//! [`load`] reads a file by the rules of YAML 1.1 as Ansible reads it. Every error carries the place and what to do.

mod build;
mod duplicate;
mod error;
mod expect;
mod hint;
mod key_value;
mod load;
mod merge;
mod node;
pub mod origin;
mod plain_words;
mod repair;
mod scalar;
mod secret;
mod span;

pub use duplicate::{Duplicates, decide};
pub use error::{Unexpected, YamlError};
pub use key_value::{parse_kv, parse_kv_free_form};
pub use load::{Options, load, load_all, load_all_str, load_bytes, load_source, load_str, load_with, read_source};
pub use node::{Node, Source, Span, Value};
