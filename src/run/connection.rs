//! How a host is reached, from its variables and the command line.
//!
//! A connection belongs to the values it was made from: they are read for every task, and other values are another connection.

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::{Options, Run, keyword, task_error::TaskError};
use crate::{
    connection::{Defaults, Interpreter, Kind, Refusal, Role, Settings as Given, Target, registry},
    foreign::workstation,
    inventory::name::{Fault, address, login},
    playbook::Scope,
    template::Context,
};

pub use registry::{ADDRESSES, NAMES};

/// Whether a value decides what runs on this machine, or whom it trusts: no host may choose it.
pub(super) fn decides_here(name: &str, value: &Json) -> bool {
    keyword::as_text(value).is_some_and(|text| registry::decides_here(name, &text))
}

/// What to say of a value that is data and decides what runs here.
pub(super) fn refused(name: &str) -> TaskError {
    let error = TaskError::new(format!(
        "{name}: the value is made of data (a result, a fact, a file of a host): no host decides what runs on this machine"
    ));
    error.help("write the value in the inventory or in `vars`, made of your own variables alone")
}

/// The kind of connection and the values of its variables for one task: what a connection is known by.
pub struct Settings {
    kind: &'static Kind,
    values: Vec<(&'static str, Json)>,
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.kind, other.kind) && self.values == other.values
    }
}

impl Settings {
    /// Reads what the variables of the host that is reached say, and the keywords of the task where no variable does: variables
    /// win. `own` are the variables of the host that the task is for, by which keywords are rendered. `local`: the host is this
    /// machine unless they say otherwise.
    ///
    /// Source: <https://docs.ansible.com/ansible/latest/reference_appendices/general_precedence.html>
    pub fn read(
        run: &Run,
        host: &str,
        scope: &Scope,
        own: &Context,
        reached: &Context,
        local: bool,
    ) -> Result<Settings, TaskError> {
        let kind = kind(run, host, scope, own, reached, local)?;
        let mut settings = Settings { kind, values: Vec::new() };
        for name in reached.among(&kind.names().collect::<Vec<_>>()) {
            if let Some(value) = variable(run, host, name, reached, |text| kind.decides(name, text))? {
                settings.values.push((name, value));
            }
        }
        settings.otherwise(Role::User, keyword::text(run, scope, own, |k| k.remote_user.as_ref())?);
        settings.otherwise(Role::Port, keyword::text(run, scope, own, |k| k.port.as_ref())?);
        Ok(settings)
    }

    fn otherwise(&mut self, role: Role, value: Option<String>) {
        let names = self.kind.role(role);
        let given = self.values.iter().any(|(name, value)| names.contains(name) && keyword::as_text(value).is_some());
        if let (Some(value), false, Some(name)) = (value, given, names.first()) {
            self.values.push((name, Json::String(value)));
        }
    }

    /// What they come to.
    /// Whether the host is reached by the network.
    pub fn is_network(&self) -> bool {
        self.kind.network
    }

    /// What the connection is made from.
    pub fn target(&self, run: &Run, host: &str) -> Result<Target, TaskError> {
        let values = self.values.iter().filter_map(|(name, value)| Some((*name, keyword::as_text(value)?))).collect();
        let defaults = defaults(&run.options);
        let given = Given { host, values, defaults: &defaults, known: run.inventory().contains(host) };
        let target = (self.kind.make)(&given).map_err(refusal)?;
        if self.kind.network {
            let wrong = |what: &str, fault: Fault| TaskError::new(format!("{what}: {fault}"));
            let place = given.text(self.kind.role(Role::Address));
            // A name alone is looked at when it is connected to: a host may be there for its variables alone.
            place.map_or(Ok(()), address).map_err(|fault| wrong("ansible_host", fault))?;
            target.login().as_deref().map_or(Ok(()), login).map_err(|fault| wrong("ansible_user", fault))?;
        }
        Ok(target)
    }
}

/// The kind of connection: of the host's variables, of the task's keywords, of the command line.
fn kind(
    run: &Run,
    host: &str,
    scope: &Scope,
    own: &Context,
    reached: &Context,
    local: bool,
) -> Result<&'static Kind, TaskError> {
    let decides = |text: &str| registry::decides_here(registry::CONNECTION, text);
    let mut name = None;
    if !reached.among(&[registry::CONNECTION]).is_empty() {
        name = variable(run, host, registry::CONNECTION, reached, decides)?.as_ref().and_then(keyword::as_text);
    }
    if name.is_none() {
        name = keyword::text(run, scope, own, |k| k.connection.as_ref())?;
        if name.as_deref().is_some_and(decides) {
            let words = keyword::text(run, scope, &own.own_words(), |k| k.connection.as_ref());
            if !words.is_ok_and(|words| words == name) {
                return Err(refused("connection"));
            }
        }
    }
    // This machine, where no inventory names it, is itself whatever the command line says, as with Ansible.
    let given = || run.options.connection.clone().filter(|_| !local);
    let Some(name) = name.or_else(given) else { return Ok(registry::usual(local)) };
    registry::find(&name)
        .ok_or_else(|| TaskError::new(format!("connection `{name}` is not supported")).help(registry::hint()))
}

/// The value of a variable that says how a host is reached. One that decides what runs here must be the user's own words.
fn variable(
    run: &Run,
    host: &str,
    name: &'static str,
    reached: &Context,
    decides: impl Fn(&str) -> bool,
) -> Result<Option<Json>, TaskError> {
    let Some(value) = run.setting(host, name, reached)? else { return Ok(None) };
    if keyword::as_text(&value).as_deref().is_some_and(decides) {
        // Under a name of its own: what it looks up by doing something is looked up once, too.
        let words = run.setting(&format!("\0own {host}"), name, &reached.own_words());
        if !words.is_ok_and(|words| words.as_ref() == Some(&value)) {
            return Err(refused(name));
        }
    }
    Ok(Some(value))
}

/// The variable that names the interpreter of a host.
const INTERPRETER: &str = "ansible_python_interpreter";

/// The interpreter that runs modules on a host. On this machine no host chooses it.
///
/// Source: <https://docs.ansible.com/ansible/latest/reference_appendices/interpreter_discovery.html>
pub fn interpreter(
    run: &Run,
    host: &str,
    reached: &Context,
    local: bool,
    variables: &IndexMap<String, String>,
) -> Result<Interpreter, TaskError> {
    let mut command = None;
    if !reached.among(&[INTERPRETER]).is_empty() {
        let value = variable(run, host, INTERPRETER, reached, |_| local)?;
        command = value.as_ref().and_then(keyword::as_text).filter(|text| !text.trim().is_empty());
    }
    let found = |text: &String| ["auto", "auto_silent", "auto_legacy", "auto_legacy_silent"].contains(&text.as_str());
    command = command.filter(|text| !found(text));
    // This machine, where no inventory names it, has the Python that has ansible-core.
    if command.is_none() && local && !run.inventory().contains(host) {
        let about = workstation::about().map_err(|fault| TaskError::new(fault.to_string()))?;
        command = Some(about.python);
    }
    let counts = |name: &&String| name.starts_with("PYTHON") || name.starts_with("LD_");
    let environment =
        variables.keys().filter(counts).filter_map(|name| Some((name.clone(), variables.get(name)?.clone())));
    Ok(Interpreter { command, environment: environment.collect() })
}

fn defaults(options: &Options) -> Defaults {
    Defaults {
        user: options.user.clone(),
        password: options.password.clone(),
        private_key: options.private_key.clone(),
        ssh_arguments: options.ssh_arguments.clone(),
        ssh: options.ssh.clone(),
        host_keys: options.host_keys,
        connect_timeout: options.connect_timeout,
    }
}

fn refusal(refusal: Refusal) -> TaskError {
    let error = TaskError::new(refusal.message);
    match refusal.help {
        Some(help) => error.help(help),
        None => error,
    }
}
