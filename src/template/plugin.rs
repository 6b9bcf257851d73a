//! Filters, tests and lookups that this program does not have, for somebody who has them.
//!
//! Who that is the engine does not know: the program says so once ([`provide`]). Nobody is asked where all names are known here. What
//! they give is data.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value};

use super::args::Args;
use super::bound;
use super::error::{Kind, TemplateError, carry, failed};
use super::explain::{no_filter, suggestion};
use super::function::{self, context_of, local, local_of};
use super::value::check;
use super::{filter, test};

/// What a plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PluginKind {
    /// It makes a value of another one.
    Filter,
    /// It says yes or no of a value.
    Test,
    /// It finds values.
    Lookup,
}

impl PluginKind {
    /// What it is called.
    pub fn word(self) -> &'static str {
        match self {
            PluginKind::Filter => "filter",
            PluginKind::Test => "test",
            PluginKind::Lookup => "lookup",
        }
    }
}

/// What is known of a plugin without calling it.
#[derive(Clone, Copy, Debug, Default)]
pub struct PluginAbout {
    /// Whether it may read any variable.
    pub reads_variables: bool,
}

/// Why nobody can say whether there is a plugin: the reason, and what to do about it.
#[derive(Clone, Debug)]
pub struct Unknown {
    /// The reason.
    pub reason: String,
    /// What to do.
    pub help: Option<String>,
}

/// Why a call gives no value.
#[derive(Clone, Debug)]
pub enum Failure {
    /// What the plugin says.
    Wrong(String),
    /// A value that it needed is missing: that one, where it is known, and what is said of it.
    Missing(Option<Value>, String),
}

/// One call of a plugin.
pub struct PluginCall<'a> {
    /// What it is.
    pub kind: PluginKind,
    /// Its name, as it is written.
    pub name: &'a str,
    /// Its arguments; the first of a filter or test is the value that it is used on.
    pub args: Vec<Value>,
    /// Those with names.
    pub named: Vec<(String, Value)>,
    /// The value of a variable.
    pub variable: &'a dyn Fn(&str) -> Option<Value>,
    /// The names of all variables.
    pub variables: &'a dyn Fn() -> Vec<String>,
    /// This machine, and the folders where files are.
    pub local: &'a dyn local::Local,
}

/// Somebody who has plugins.
pub trait Plugins: Send + Sync {
    /// Looks for a plugin.
    ///
    /// # Errors
    /// When nobody can say whether there is one.
    fn find(&self, kind: PluginKind, name: &str) -> Result<Option<PluginAbout>, Unknown>;

    /// Calls a plugin.
    ///
    /// # Errors
    /// [`Failure`].
    fn call(&self, call: &PluginCall<'_>) -> Result<Value, Failure>;

    /// Tells of the folder of a playbook, beside which plugins may lie.
    fn of_playbook(&self, folder: &Path);

    /// Tells of the folder of a role.
    fn of_role(&self, folder: &Path);
}

static PROVIDED: OnceLock<&'static dyn Plugins> = OnceLock::new();

/// The plugins that were found; none for those that were looked for in vain, until there is another folder to look in.
static FOUND: Mutex<Option<Found>> = Mutex::new(None);

type Found = HashMap<(PluginKind, String), Option<PluginAbout>>;

fn found() -> MutexGuard<'static, Option<Found>> {
    FOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says once who has plugins.
pub fn provide(plugins: &'static dyn Plugins) {
    let _first = PROVIDED.set(plugins);
}

fn provided() -> Option<&'static dyn Plugins> {
    PROVIDED.get().copied()
}

/// Tells of the folder of a playbook.
pub fn of_playbook(folder: &Path) {
    note(|plugins| plugins.of_playbook(folder));
}

/// Tells of the folder of a role.
pub fn of_role(folder: &Path) {
    note(|plugins| plugins.of_role(folder));
}

fn note(tell: impl Fn(&dyn Plugins)) {
    if let Some(plugins) = provided() {
        tell(plugins);
        found().iter_mut().for_each(|found| found.retain(|_, about| about.is_some()));
    }
}

/// Whether somebody may have what is not here.
pub(crate) fn any() -> bool {
    PROVIDED.get().is_some()
}

/// A plugin that is not here.
pub(crate) fn find(kind: PluginKind, name: &str) -> Result<Option<PluginAbout>, Unknown> {
    let Some(plugins) = provided() else { return Ok(None) };
    let key = (kind, name.to_owned());
    if let Some(known) = found().get_or_insert_default().get(&key) {
        return Ok(*known);
    }
    let about = plugins.find(kind, name)?;
    found().get_or_insert_default().insert(key, about);
    Ok(about)
}

/// What is wrong with a name that is not here, if it is nowhere.
pub(crate) fn missing(kind: PluginKind, name: &str) -> Option<(Kind, Option<String>)> {
    let why = match find(kind, name) {
        Ok(Some(_)) => return None,
        Ok(None) => None,
        Err(unknown) => Some(unknown),
    };
    let (wrong, near) = match kind {
        PluginKind::Filter => (Kind::UnknownFilter(name.to_owned()), no_filter(name)),
        PluginKind::Test => (Kind::UnknownTest(name.to_owned()), suggestion(name, test::names())),
        PluginKind::Lookup => (Kind::UnknownLookup(name.to_owned()), function::lookup::near(name)),
    };
    let why = why.map(|why| {
        let help = why.help.map(|help| format!("\n{help}")).unwrap_or_default();
        format!("as a plugin {}{help}", why.reason)
    });
    // A slip is most likely none of a plugin's.
    Some((wrong, near.or(why)))
}

/// The error of a name that is nowhere.
pub(crate) fn unknown(kind: PluginKind, name: &str) -> Option<Error> {
    let (wrong, help) = missing(kind, name)?;
    let error = TemplateError::new(wrong, None);
    Some(carry(match help {
        Some(help) => error.with_help(help),
        None => error,
    }))
}

/// Calls a plugin that is not here.
pub(crate) fn call(state: &State, kind: PluginKind, name: &str, args: &mut Args) -> Result<Value, Error> {
    if let Some(error) = unknown(kind, name) {
        return Err(error);
    }
    let Some(plugins) = provided() else { return Err(failed(format!("there is no {} `{name}`", kind.word()))) };
    let context = context_of(state);
    let variable = |name: &str| {
        let local = || state.lookup(name).filter(|_| !function::names().contains(&name));
        local().or_else(|| context.as_ref()?.lookup(name))
    };
    let variables = || context.as_ref().map(|context| context.vars.names()).unwrap_or_default();
    let machine = local_of(state);
    let (args, named) = (args.rest(), args.rest_named());
    let call = PluginCall { kind, name, args, named, variable: &variable, variables: &variables, local: &*machine };
    match plugins.call(&call) {
        Ok(value) => bound::checked(name, value),
        Err(Failure::Missing(Some(value), words)) => match check(&value) {
            Err(error) => Err(error),
            Ok(()) => Err(failed(words)),
        },
        Err(Failure::Wrong(words) | Failure::Missing(None, words)) => {
            Err(failed(format!("{} `{name}`: {words}", kind.word())))
        }
    }
}

/// The filter and the test that stand in the place of those that are not here: the name comes after the value.
pub(crate) fn register(env: &mut Environment<'static>) {
    env.add_filter("__plugin", |state: &mut State<'_, '_>, value: &Value, rest: Rest<ValueOrKwargs>| {
        let (name, mut args) = taken("filter", value, rest)?;
        call(state, PluginKind::Filter, &name, &mut args)
    });
    env.add_test(
        "__plugin",
        |state: &mut State<'_, '_>, value: &Value, rest: Rest<ValueOrKwargs>| -> Result<bool, Error> {
            let (name, mut args) = taken("test", value, rest)?;
            let holds = call(state, PluginKind::Test, &name, &mut args)?;
            check(&holds)?;
            Ok(holds.is_true())
        },
    );
}

fn taken(what: &'static str, value: &Value, rest: Rest<ValueOrKwargs>) -> Result<(String, Args), Error> {
    let mut args = Args::new(what, rest)?;
    let name = args.text("name")?;
    args.put_first(value.clone());
    Ok((name, args))
}

/// Whether a name of a filter is not here and may be a plugin's.
pub(crate) fn may_be_filter(name: &str) -> bool {
    any() && !filter::exists(name)
}

/// The same of a test.
pub(crate) fn may_be_test(name: &str) -> bool {
    any() && !test::exists(name)
}

/// Whether there is a plugin that is not here.
pub fn has_plugin(kind: PluginKind, name: &str) -> bool {
    matches!(find(kind, name), Ok(Some(_)))
}

/// Whether there is a filter of a name that is not here.
pub(crate) fn is_filter(name: &str) -> bool {
    has_plugin(PluginKind::Filter, name)
}

/// Whether there is a test of a name that is not here.
pub(crate) fn is_test(name: &str) -> bool {
    has_plugin(PluginKind::Test, name)
}
