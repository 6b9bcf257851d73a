//! Functions that templates call: `lookup`, `now`, `range` and what the rewriting needs.

pub(crate) mod local;
pub(crate) mod lookup;
mod mutable;
mod open_macro;
mod plain;

use std::sync::Arc;

use minijinja::{Environment, State};

use super::context::{Inner, Root, SELF};
use local::{Local, NoLocal};

/// The functions and global names a template may use, the engine's own helpers left out.
const NAMES: &[&str] = &[
    "cycler",
    "dict",
    "joiner",
    "lipsum",
    "lookup",
    "namespace",
    "now",
    "omit",
    "q",
    "query",
    "range",
    "undef",
    "caller",
    "loop",
    "self",
    "super",
    "varargs",
    "kwargs",
    "debug",
];

/// All names of functions.
pub(crate) fn names() -> &'static [&'static str] {
    NAMES
}

pub(crate) fn register(env: &mut Environment<'static>) {
    plain::register(env);
    lookup::register(env);
    mutable::register(env);
    open_macro::register(env);
}

/// The context a function is called in.
pub(crate) fn context_of(state: &State) -> Option<Arc<Inner>> {
    state.lookup(SELF).and_then(|root| root.downcast_object::<Root>()).map(|root| root.0.clone())
}

/// What a function may see of this machine.
pub(crate) fn local_of(state: &State) -> Arc<dyn Local> {
    context_of(state).map_or_else(|| Arc::new(NoLocal) as Arc<dyn Local>, |context| context.local.clone())
}
