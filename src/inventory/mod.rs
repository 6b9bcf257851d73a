//! Hosts, groups, patterns and variables.
//!
//! [`Inventory::load`] reads what stands behind `-i`; [`Inventory::select`] finds the hosts of a pattern;
//! [`Inventory::host_vars`] gives the variables of a host as [`Layer`]s, which the run stacks into [`Layers`].

mod constructed;
mod dynamic;
mod error;
mod extra_vars;
mod folder;
mod generator;
mod graph;
mod ini;
mod literal;
mod load;
mod model;
pub mod name;
mod pattern;
pub mod plugin;
mod precedence;
mod range;
mod rules;
mod script;
mod show;
mod toml_file;
mod variables;
mod warning;
mod yaml_file;

pub use constructed::Expressions;
pub use error::InventoryError;
pub use extra_vars::{file_vars, parse_extra_vars};
pub use model::{Group, Host, Inventory, LOCALHOST, is_localhost};
pub use pattern::Selection;
pub use rules::{GroupNames, Rules};
pub use variables::{Found, Layer, Layers, Level, Variable, Vars};
