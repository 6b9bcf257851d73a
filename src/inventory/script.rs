//! Inventories that a program prints as JSON.
//!
//! Source: <https://docs.ansible.com/ansible/latest/dev_guide/developing_inventory.html#inventory-scripts>

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use indexmap::IndexSet;

use super::{Inventory, InventoryError, model::Origin};
use crate::yaml::{self, Node, Value};

/// Runs an inventory script and reads what it prints into `inventory`.
pub(super) fn read(inventory: &mut Inventory, path: &Path, origin: &Origin) -> Result<(), InventoryError> {
    let root = run(path, &["--list"])?;
    take(inventory, &root, origin, |host| run(path, &["--host", host]).map(Some))
}

/// Takes what a program tells; `ask` asks it for a host's variables where they are not among the rest.
pub(super) fn take(
    inventory: &mut Inventory,
    root: &Node,
    origin: &Origin,
    ask: impl Fn(&str) -> Result<Option<Node>, InventoryError>,
) -> Result<(), InventoryError> {
    let entries = root.expect_map()?;
    let mut hosts = IndexSet::new();
    for (key, data) in entries.iter().filter(|(key, _)| key.as_str() != Some("_meta")) {
        group(inventory, key, data, origin, &mut hosts)?;
    }
    let known = root.get("_meta").and_then(|meta| meta.get("hostvars"));
    for host in hosts {
        let asked = match known {
            Some(_) => None,
            None => ask(&host)?,
        };
        let Some(vars) = asked.as_ref().or_else(|| known?.get(&host)).filter(|vars| !vars.is_null()) else { continue };
        for (name, _, value) in vars.expect_entries()? {
            inventory.set_host_var(&host, name, &Arc::new(value.clone()));
        }
    }
    Ok(())
}

fn group(
    inventory: &mut Inventory,
    key: &Node,
    data: &Node,
    origin: &Origin,
    all: &mut IndexSet<String>,
) -> Result<(), InventoryError> {
    let name = &*inventory.group_name(key.expect_str()?);
    inventory.ensure_group(name, Some(&key.span));
    // The short form: a list of hosts alone.
    let hosts = if data.as_seq().is_some() { Some(data) } else { data.get("hosts") };
    for host in hosts.filter(|h| !h.is_null()).map(Node::expect_seq).transpose()?.unwrap_or_default() {
        let host_name = host.expect_str()?;
        inventory.put_host(host_name, name, &host.span, origin, None);
        all.insert(host_name.to_owned());
    }
    if data.as_seq().is_none() {
        data.expect_map()?;
    }
    if let Some(vars) = data.get("vars").filter(|vars| !vars.is_null()) {
        for (variable, _, value) in vars.expect_entries()? {
            inventory.set_group_var(name, variable, value)?;
        }
    }
    if let Some(children) = data.get("children").filter(|children| !children.is_null()) {
        for child in children.expect_seq()? {
            let child_name = &*inventory.group_name(child.expect_str()?);
            inventory.ensure_group(child_name, Some(&child.span));
            inventory.link(name, child_name, Some(&child.span));
        }
    }
    Ok(())
}

/// Runs the script and reads its JSON.
fn run(path: &Path, arguments: &[&str]) -> Result<Node, InventoryError> {
    let error = |message: String, help: String| InventoryError::Script { path: path.to_owned(), message, help };
    let asked = arguments.join(" ");
    // A name without a folder would be looked for in the PATH.
    let path = if path.parent() == Some(Path::new("")) { &Path::new(".").join(path) } else { path };
    let output = Command::new(path).args(arguments).stdin(Stdio::null()).output().map_err(|reason| {
        error(format!("cannot be run: {reason}"), "check its first line (`#!/…`) and that it is executable".into())
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    if !output.status.success() {
        let help = if said.is_empty() { "it printed no reason".to_owned() } else { format!("it said: {said}") };
        return Err(error(format!("failed ({}) when asked `{asked}`", output.status), help));
    }
    if output.stdout.iter().all(u8::is_ascii_whitespace) && arguments.first() == Some(&"--host") {
        return Ok(Node::new(Value::Null, yaml::Span::whole(&yaml::Source::new(path.display().to_string(), ""))));
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(&output.stdout).is_err() {
        let help = format!("run `{} {asked}` and check what it prints", path.display());
        return Err(error(format!("prints no JSON when asked `{asked}`"), help));
    }
    Ok(yaml::load_bytes(&format!("{} {asked}", path.display()), output.stdout)?)
}
