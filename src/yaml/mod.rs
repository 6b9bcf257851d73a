//! YAML with places: a tree of nodes that know their file, line and column.

mod node;

pub use node::{Node, Source, Span, Value};
