//! Templates: what they mean, what errors say, and that no text upsets them; the tables are in `tables.rs`.

use std::sync::Arc;

use bringup::template::{Context, Engine, NoLocal, Var};
use indexmap::IndexMap;
use serde_json::Value as Json;

mod beside_ansible;
mod errors;
mod files;
mod lookups;
mod robust;
mod url;
mod variables;

/// A context of plain variables whose texts are templates.
pub(crate) fn context(engine: &Engine, vars: &Json) -> Context {
    let vars: IndexMap<String, Var> =
        vars.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), Var::json(value))).collect();
    Context::new(engine, Arc::new(vars), Arc::new(NoLocal))
}
