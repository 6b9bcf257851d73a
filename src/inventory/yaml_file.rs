//! Inventories in the YAML form.
//!
//! Source: <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/yaml_inventory.html>

use std::sync::Arc;

use super::{Inventory, InventoryError, load::Made, model::Origin};
use crate::yaml::{Node, Value};

/// What a group may hold.
const KEYS: [&str; 3] = ["hosts", "vars", "children"];

/// Reads a YAML inventory into `inventory`.
pub(super) fn read(inventory: &mut Inventory, root: &Node, origin: &Origin) -> Result<(), InventoryError> {
    let entries = match &root.value {
        Value::Map(entries) => entries,
        Value::Null => {
            return Err(wrong("this inventory is empty", root, "name at least one group: `all: {hosts: {HOST: }}`"));
        }
        Value::Seq(items) if items.iter().any(|item| item.get("hosts").is_some()) => {
            return Err(wrong("this is a playbook, not an inventory", root, "name the inventory behind `-i`"));
        }
        _ => {
            let mut error = root.unexpected("a mapping of groups");
            error
                .help
                .get_or_insert_with(|| "begin with `all:`, and below it `hosts:` with one `NAME:` per line".into());
            return Err(error.into());
        }
    };
    if let Some((plugin, _)) = plugin(root) {
        if super::constructed::is_named(plugin) {
            let constructed = super::constructed::Constructed::read(root, origin)?;
            inventory.made.push(Made::Constructed(constructed));
            return Ok(());
        }
        if super::generator::is_named(plugin) {
            let generator = super::generator::Generator::read(root, origin)?;
            inventory.made.push(Made::Generator(generator));
            return Ok(());
        }
    }
    if root.get("all").is_none() && is_single_group(entries) {
        let (key, _) = &entries[0];
        let help = "put it below the name of a group, such as `all:`";
        return Err(wrong(format!("`{}` stands outside of a group", key.key_text()), key, help));
    }
    entries.iter().try_for_each(|(name, group)| self::group(inventory, name, group, None, origin))
}

/// The plugin that a file configures, and the key that says so.
pub(super) fn plugin(root: &Node) -> Option<(&str, &Node)> {
    let (key, plugin) = root.get_entry("plugin")?;
    Some((plugin.as_str()?, key))
}

/// Whether a plugin is here.
pub(super) fn is_here(name: &str) -> bool {
    super::constructed::is_named(name) || super::generator::is_named(name)
}

/// Whether the top of the file is what belongs into one group.
fn is_single_group(entries: &[(Node, Node)]) -> bool {
    entries.iter().all(|(key, _)| key.as_str().is_some_and(|k| KEYS.contains(&k)))
        && entries.first().is_some_and(|(_, value)| {
            let inner = |(key, _): &(Node, Node)| key.as_str().is_some_and(|k| KEYS.contains(&k));
            !value.as_map().is_some_and(|entries| entries.iter().any(inner))
        })
}

fn wrong(message: impl Into<String>, node: &Node, help: impl Into<String>) -> InventoryError {
    InventoryError::Structure { message: message.into(), span: node.span.clone(), help: help.into() }
}

fn group(
    inventory: &mut Inventory,
    key: &Node,
    node: &Node,
    parent: Option<&str>,
    origin: &Origin,
) -> Result<(), InventoryError> {
    let name = key.as_str().ok_or_else(|| key.unexpected("a text as the name of a group"))?;
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(wrong("the name of a group has no blanks", key, "use `_` in place of blanks"));
    }
    let name = &*inventory.group_name(name);
    inventory.ensure_group(name, Some(&key.span));
    if let Some(parent) = parent {
        inventory.link(parent, name, Some(&key.span));
    }
    let entries = match &node.value {
        Value::Null => return Ok(()),
        Value::Map(entries) => entries,
        _ => {
            let message = format!("the group `{name}` is {}, not a mapping", node.describe());
            return Err(wrong(message, node, "a group holds `hosts:`, `vars:` and `children:`"));
        }
    };
    for (section, value) in entries {
        match section.as_str() {
            Some("hosts") => hosts(inventory, name, value, origin)?,
            Some("vars") => vars(inventory, name, value)?,
            Some("children") => children(inventory, name, value, origin)?,
            _ => return Err(unknown(name, section, value)),
        }
    }
    Ok(())
}

/// The error for a key that no group has.
pub(super) fn unknown(group: &str, key: &Node, value: &Node) -> InventoryError {
    let name = key.key_text();
    let help = match crate::suggest::near(&name, KEYS) {
        Some(known) => format!("did you mean `{known}`?"),
        None if value.as_map().is_some_and(|m| m.iter().any(|(k, _)| KEYS.contains(&k.key_text().as_str()))) => {
            format!("put the group `{name}` below `children:`")
        }
        None if value.is_null() || value.as_map().is_some() => format!("put the host `{name}` below `hosts:`"),
        None => format!("put the variable `{name}` below `vars:`"),
    };
    wrong(format!("the group `{group}` cannot hold `{name}`"), key, help)
}

pub(super) fn vars(inventory: &mut Inventory, group: &str, node: &Node) -> Result<(), InventoryError> {
    for (key, value) in mapping(node, "vars", group, "write one `name: value` per line")? {
        let name = variable_name(inventory, key)?;
        inventory.set_group_var(group, name, value)?;
    }
    Ok(())
}

fn children(inventory: &mut Inventory, group: &str, node: &Node, origin: &Origin) -> Result<(), InventoryError> {
    if let Some((key, child)) = single(node) {
        return self::group(inventory, key, &child, Some(group), origin);
    }
    let help = "write each group as a key: `NAME:`, not `- NAME`";
    let entries = mapping(node, "children", group, help)?;
    entries.iter().try_for_each(|(key, child)| self::group(inventory, key, child, Some(group), origin))
}

pub(super) fn hosts(
    inventory: &mut Inventory,
    group: &str,
    node: &Node,
    origin: &Origin,
) -> Result<(), InventoryError> {
    if let Some((key, vars)) = single(node) {
        return host(inventory, group, key, &vars, origin);
    }
    let help = "write each host as a key: `NAME:`, not `- NAME`";
    let entries = mapping(node, "hosts", group, help)?;
    entries.iter().try_for_each(|(key, vars)| host(inventory, group, key, vars, origin))
}

/// A single name in place of a mapping.
fn single(node: &Node) -> Option<(&Node, Node)> {
    node.as_str().filter(|name| !name.contains(char::is_whitespace))?;
    Some((node, Node::new(Value::Null, node.span.clone())))
}

fn mapping<'n>(node: &'n Node, what: &str, group: &str, help: &str) -> Result<&'n [(Node, Node)], InventoryError> {
    match &node.value {
        Value::Null => Ok(&[]),
        Value::Map(entries) => Ok(entries),
        _ => Err(wrong(format!("`{what}` of the group `{group}` is {}, not a mapping", node.describe()), node, help)),
    }
}

fn host(
    inventory: &mut Inventory,
    group: &str,
    key: &Node,
    vars: &Node,
    origin: &Origin,
) -> Result<(), InventoryError> {
    let Some(text) = key.as_str() else {
        let help = format!("put quotes around the name: \"{}\"", key.span.text());
        return Err(wrong(format!("the name of a host is a text, not {}", key.value.kind()), key, help));
    };
    let quote = usize::from(key.span.text().starts_with(['"', '\'']));
    let place = (key.span.start + quote, key.span.end - quote);
    let (names, port) = super::range::expand_at(&key.span.source, place, text)?;
    inventory.count_names(names.len(), &key.span)?;
    let vars: &[(Node, Node)] = match &vars.value {
        Value::Null => &[],
        Value::Map(entries) => entries,
        _ => {
            let message = format!("the variables of the host `{text}` are {}, not a mapping", vars.describe());
            return Err(wrong(message, vars, "write one `name: value` per line below the host"));
        }
    };
    for name in &names {
        inventory.put_host(name, group, &key.span, origin, port);
    }
    for (key, value) in vars {
        let variable = variable_name(inventory, key)?;
        let value = Arc::new(value.clone());
        names.iter().for_each(|name| inventory.set_host_var(name, variable, &value));
    }
    Ok(())
}

fn variable_name<'n>(inventory: &mut Inventory, key: &'n Node) -> Result<&'n str, InventoryError> {
    let name = key.as_str().ok_or_else(|| key.unexpected("a text as the name of a variable"))?;
    if !crate::python::text::is_identifier(name) {
        inventory.warnings.bad_name(name, &key.span);
    }
    Ok(name)
}
