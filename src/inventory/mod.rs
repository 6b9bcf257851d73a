//! Hosts, groups, patterns and variables.
//!
//! [`Inventory::load`] reads what stands behind `-i`; [`Inventory::select`] finds the hosts of a pattern;
//! [`Inventory::host_vars`] gives the variables of a host as [`Layer`]s, which the run stacks into [`Layers`].

mod dynamic;
mod error;
mod extra_vars;
mod folder;
mod graph;
mod ini;
mod literal;
mod load;
mod model;
pub mod name;
mod pattern;
mod precedence;
mod range;
mod script;
mod show;
mod variables;
mod warning;
mod words;
mod yaml_file;

pub use error::InventoryError;
pub use extra_vars::{file_vars, parse_extra_vars};
pub use model::{Group, Host, Inventory, LOCALHOST, is_localhost};
pub use pattern::Selection;
pub use variables::{Found, Layer, Layers, Level, Variable, Vars};

/// The known name that a wrong one was probably meant to be.
pub(crate) fn similar<'n>(wrong: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let lower = wrong.to_lowercase();
    known
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (wrong.len().max(name.len()) / 3).clamp(1, 3) && wrong != *name)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
