//! `config`: what Ansible is configured to do.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::call::{Call, Lookup, tuple};
use crate::ansible_cfg::{Asked, KINDS, settings};
use crate::template::value::{describe, from_json, string, to_json};

/// Its name.
pub(super) const LOOKUPS: &[(&str, Lookup)] = &[("config", config)];

fn choice(call: &mut Call<'_>, name: &str, choices: &[&str]) -> Result<Option<String>, Error> {
    let Some(given) = call.option(name).filter(|given| !given.is_none()) else { return Ok(None) };
    let text = given.to_string();
    match choices.contains(&text.as_str()) {
        true => Ok(Some(text)),
        false => {
            let known = choices.join(", ");
            Err(call.wrong(format!("Invalid value \"{text}\" for `{name}`, valid values are: {known}")))
        }
    }
}

fn config(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    let missing = choice(call, "on_missing", &["error", "warn", "skip"])?;
    let kind = choice(call, "plugin_type", KINDS)?;
    let plugin = call.option("plugin_name").filter(|given| !given.is_none()).map(|given| string(&given)).transpose()?;
    let origins = call.flag("show_origin", false);
    let plugin = match (kind, plugin) {
        (Some(kind), Some(plugin)) => Some((kind, plugin)),
        (None, None) => None,
        _ => {
            return Err(call.wrong("Both plugin_type and plugin_name are required, cannot use one without the other"));
        }
    };
    let mut out = Vec::new();
    for term in std::mem::take(&mut call.terms) {
        let Some(name) = term.as_str().filter(|_| term.kind() == ValueKind::String) else {
            return Err(call.wrong(format!("Invalid setting identifier, {} is not a string", describe(&term))));
        };
        let found = match &plugin {
            Some((kind, plugin)) => of_plugin(call, kind, plugin, name)?,
            None => of_core(call, name)?,
        };
        match (found, missing.as_deref()) {
            (Some((value, origin)), _) if origins => out.push(tuple(vec![value, Value::from(origin)])),
            (Some((value, _)), _) => out.push(value),
            (None, Some("skip")) => {}
            (None, Some("warn")) => call.local.warn(&format!("Skipping, did not find setting {name}")),
            (None, _) => {
                let near = crate::suggest::near(name, settings().iter().map(|setting| setting.name));
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return Err(call.wrong(format!("Unable to find setting {name}{hint}")));
            }
        }
    }
    Ok(out)
}

/// A setting of Ansible's own, with where it comes from.
fn of_core(call: &Call<'_>, name: &str) -> Result<Option<(Value, String)>, Error> {
    // Those of the core are in capitals; what else there is by a name is no setting.
    if !name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') {
        return Err(call.wrong(format!("Invalid setting \"{name}\" attempted: the names of settings are in capitals")));
    }
    let configuration = call.local.configuration();
    if name == "CONFIG_FILE" {
        let file = configuration.file().map(|file| file.display().to_string());
        return Ok(Some((Value::from(file), String::new())));
    }
    let Some(setting) = settings().iter().find(|setting| setting.name == name) else { return Ok(None) };
    let (value, origin) = match configuration.get(name) {
        Some(given) => (Some(given.value.clone()), configuration.origin(&given.origin)),
        None => (configuration.default_of(setting), "default".to_owned()),
    };
    Ok(Some((value.map_or_else(|| Value::from(()), |value| from_json(&value.to_json())), origin)))
}

/// An option of a plugin, with where it comes from: variables count too.
fn of_plugin(call: &Call<'_>, kind: &str, plugin: &str, name: &str) -> Result<Option<(Value, String)>, Error> {
    let variable = |name: &str| call.context.as_ref()?.lookup(name).and_then(|value| to_json(&value).ok());
    match call.local.configuration().option(kind, plugin, name, &variable) {
        Asked::Value(value, origin) => Ok(Some((from_json(&value), origin))),
        Asked::NoOption => Ok(None),
        Asked::NoPlugin => Err(call.wrong(format!("Unable to load {kind} plugin \"{plugin}\""))),
    }
}
