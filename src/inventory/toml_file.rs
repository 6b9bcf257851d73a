//! Inventories in the TOML form.
//!
//! Source: <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/toml_inventory.html>

use std::sync::Arc;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Inventory, InventoryError, model::Origin, yaml_file};
use crate::yaml::{Node, Source, Span, Value};

/// How deep tables and lists may be nested.
const DEEPEST: usize = 100;

fn wrong(message: impl Into<String>, span: Span, help: impl Into<String>) -> InventoryError {
    InventoryError::Structure { message: message.into(), span, help: help.into() }
}

/// Reads a TOML inventory into `inventory`.
pub(super) fn read(inventory: &mut Inventory, source: &Arc<Source>, origin: &Origin) -> Result<(), InventoryError> {
    let table = DeTable::parse(&source.text).map_err(|error| {
        let span = error.span().map_or_else(|| Span::whole(source), |at| Span::new(source, at.start, at.end));
        wrong(format!("this is no TOML: {}", error.message()), span, "`[GROUP.hosts]` begins the hosts of a group")
    })?;
    let root = Node::new(Value::Map(entries(table.get_ref(), source, 0)?), Span::whole(source));
    if let Some((key, _)) = root.get_entry("plugin") {
        let help = "a plugin is configured by a file in YAML";
        return Err(wrong("this configures an inventory plugin, and is no inventory", key.span.clone(), help));
    }
    let groups = root.as_map().unwrap_or_default();
    if groups.is_empty() {
        return Err(wrong("this inventory is empty", root.span.clone(), "`[GROUP.hosts]` begins the hosts of a group"));
    }
    groups.iter().try_for_each(|(key, data)| group(inventory, key, data, origin))
}

fn group(inventory: &mut Inventory, key: &Node, data: &Node, origin: &Origin) -> Result<(), InventoryError> {
    let name = inventory.group_name(key.expect_str()?).into_owned();
    let Some(sections) = data.as_map() else {
        let message = format!("the group `{name}` is {}, not a table", data.describe());
        return Err(wrong(message, data.span.clone(), "a group holds `hosts`, `vars` and `children`"));
    };
    inventory.ensure_group(&name, Some(&key.span));
    for (section, value) in sections {
        match section.as_str() {
            Some("hosts") => yaml_file::hosts(inventory, &name, value, origin)?,
            Some("vars") => yaml_file::vars(inventory, &name, value)?,
            Some("children") => {
                for child in value.expect_seq()? {
                    let inner = inventory.group_name(child.expect_str()?).into_owned();
                    inventory.ensure_group(&inner, Some(&child.span));
                    inventory.link(&name, &inner, Some(&child.span));
                }
            }
            _ => return Err(yaml_file::unknown(&name, section, value)),
        }
    }
    Ok(())
}

fn entries(table: &DeTable<'_>, source: &Arc<Source>, depth: usize) -> Result<Vec<(Node, Node)>, InventoryError> {
    let entry = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        let at = key.span();
        let name = Node::text(key.get_ref().as_ref(), Span::new(source, at.start, at.end));
        Ok((name, node(value, source, depth + 1)?))
    };
    table.iter().map(entry).collect()
}

fn node(value: &Spanned<DeValue<'_>>, source: &Arc<Source>, depth: usize) -> Result<Node, InventoryError> {
    let at = value.span();
    let span = Span::new(source, at.start, at.end);
    if depth > DEEPEST {
        return Err(wrong("this is nested too deeply", span, "nest fewer tables"));
    }
    let text = |text: &str| Value::String { text: text.to_owned(), unsafe_text: false };
    Ok(Node::new(
        match value.get_ref() {
            DeValue::String(one) => text(one),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Int(number),
                Err(_) => text(number.as_str()),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Value::Float(number),
                Err(_) => text(number.as_str()),
            },
            DeValue::Boolean(truth) => Value::Bool(*truth),
            DeValue::Datetime(moment) => text(&moment.to_string()),
            DeValue::Array(items) => {
                Value::Seq(items.iter().map(|item| node(item, source, depth + 1)).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => Value::Map(entries(table, source, depth)?),
        },
        span,
    ))
}
