//! Variables and groups that are made of what other inventories say: the inventory plugin `constructed`.
//!
//! Source: <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/constructed_inventory.html>

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{Inventory, InventoryError, Variable, Vars, model::Origin, rules::as_variable};
use crate::yaml::{Node, Span, Value};

/// The plugin's names in a file that configures it.
const NAMES: [&str; 3] = ["constructed", "ansible.builtin.constructed", "ansible.legacy.constructed"];

const KEYS: [&str; 9] = [
    "plugin",
    "strict",
    "compose",
    "groups",
    "keyed_groups",
    "use_vars_plugins",
    "use_extra_vars",
    "leading_separator",
    "cache",
];

const KEYED: [&str; 6] = ["key", "prefix", "separator", "parent_group", "default_value", "trailing_separator"];

/// Evaluates what such a file says with the variables of a host. Templates stand above inventories, so whoever loads these brings it.
pub trait Expressions {
    /// The value of an expression.
    ///
    /// # Errors
    /// What is wrong with it, in one sentence.
    fn value(&self, expression: &str, span: &Span, vars: &Vars) -> Result<Json, String>;

    /// Whether a condition holds.
    ///
    /// # Errors
    /// What is wrong with it, in one sentence.
    fn holds(&self, condition: &str, span: &Span, vars: &Vars) -> Result<bool, String>;

    /// A text with templates in it.
    ///
    /// # Errors
    /// What is wrong with it, in one sentence.
    fn text(&self, text: &str, span: &Span, vars: &Vars) -> Result<String, String>;
}

/// One file that configures the plugin.
#[derive(Clone, Debug)]
pub(super) struct Constructed {
    root: Node,
    origin: Origin,
}

/// One entry of `keyed_groups`.
struct Keyed<'n> {
    key: &'n Node,
    prefix: String,
    separator: String,
    parent: Option<&'n Node>,
    default: Option<String>,
    trailing: bool,
}

/// Whether a name is the plugin's.
pub(super) fn is_named(plugin: &str) -> bool {
    NAMES.contains(&plugin)
}

pub(super) fn wrong(message: impl Into<String>, node: &Node, help: impl Into<String>) -> InventoryError {
    InventoryError::Structure { message: message.into(), span: node.span.clone(), help: help.into() }
}

/// A scalar as text.
fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Bool(true) => Some("True".to_owned()),
        Json::Bool(false) => Some("False".to_owned()),
        Json::Number(number) => Some(number.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

impl Constructed {
    /// Reads such a file; what it makes is made once all sources before it are read.
    ///
    /// # Errors
    /// A key that the plugin has not.
    pub(super) fn read(root: &Node, origin: &Origin) -> Result<Constructed, InventoryError> {
        known_keys(root, &KEYS, "`constructed`")?;
        for name in ["compose", "groups"] {
            if let Some(node) = root.get(name).filter(|node| !node.is_null() && node.as_map().is_none()) {
                return Err(node.unexpected("a mapping").into());
            }
        }
        for entry in root.get("keyed_groups").and_then(Node::as_seq).unwrap_or_default() {
            known_keys(entry, &KEYED, "an entry of `keyed_groups`")?;
        }
        Ok(Constructed { root: root.clone(), origin: origin.clone() })
    }

    fn flag(&self, name: &str, default: bool) -> bool {
        self.root.get(name).map_or(default, |node| match &node.value {
            Value::Bool(flag) => *flag,
            _ => crate::python::truth::boolean_text(&node.key_text()).unwrap_or(default),
        })
    }

    /// Whether `group_vars` and `host_vars` beside the inventories count.
    pub(super) fn reads_folders(&self) -> bool {
        self.flag("use_vars_plugins", false)
    }

    /// Makes the variables and groups of all hosts.
    ///
    /// # Errors
    /// With `strict` what cannot be evaluated.
    pub(super) fn apply(
        &self,
        inventory: &mut Inventory,
        expressions: &dyn Expressions,
        extra: &Vars,
    ) -> Result<(), InventoryError> {
        let hosts: Vec<String> = inventory.hosts().map(str::to_owned).collect();
        for host in hosts {
            let vars = self.variables(inventory, &host, extra);
            for (name, expression) in self.entries("compose") {
                let value = expressions.value(&expression.key_text(), &expression.span, &vars);
                if let Some(value) = self.settled(value, &format!("could not set `{name}` of `{host}`"), expression)? {
                    inventory.set_made_var(&host, &name, value);
                }
            }
            let vars = self.variables(inventory, &host, extra);
            for (name, condition) in self.entries("groups") {
                let holds = expressions.holds(&condition.key_text(), &condition.span, &vars);
                let about = format!("could not tell whether `{host}` is in `{name}`");
                if self.settled(holds, &about, condition)? == Some(true) {
                    let name = as_variable(&name);
                    inventory.ensure_group(&name, Some(&condition.span));
                    inventory.put_host(&host, &name, &condition.span, &self.origin, None);
                }
            }
            for entry in self.root.get("keyed_groups").and_then(Node::as_seq).unwrap_or_default() {
                self.keyed(inventory, &host, entry, (expressions, &vars))?;
            }
        }
        Ok(())
    }

    fn entries(&self, name: &str) -> Vec<(String, &Node)> {
        let entries = self.root.get(name).and_then(Node::as_map).unwrap_or_default();
        entries.iter().map(|(key, value)| (key.key_text(), value)).collect()
    }

    /// What is known of a host at this moment.
    fn variables(&self, inventory: &Inventory, host: &str, extra: &Vars) -> Vars {
        let mut vars = Vars::new();
        let mut add = |more: &Vars| vars.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
        inventory.host_vars(host, None).into_iter().for_each(|layer| add(&layer.vars));
        if self.flag("use_extra_vars", false) {
            add(extra);
        }
        let short = host.split('.').next().unwrap_or(host);
        let own = [
            ("inventory_hostname", json!(host)),
            ("inventory_hostname_short", json!(short)),
            ("group_names", json!(inventory.group_names(host))),
        ];
        vars.extend(own.map(|(name, value)| (name.to_owned(), Variable::from(value))));
        vars
    }

    /// What an expression came to. What cannot be evaluated counts with `strict` alone, as with Ansible.
    fn settled<T>(&self, found: Result<T, String>, about: &str, node: &Node) -> Result<Option<T>, InventoryError> {
        match found {
            Ok(value) => Ok(Some(value)),
            Err(reason) if self.flag("strict", false) => {
                Err(wrong(format!("{about}: {reason}"), node, "leave out `strict`, and such hosts are passed by"))
            }
            Err(_) => Ok(None),
        }
    }

    /// The groups of one entry of `keyed_groups`.
    fn keyed(
        &self,
        inventory: &mut Inventory,
        host: &str,
        entry: &Node,
        (expressions, vars): (&dyn Expressions, &Vars),
    ) -> Result<(), InventoryError> {
        let keyed = Keyed::read(entry)?;
        let value = expressions.value(&keyed.key.key_text(), &keyed.key.span, vars);
        let about = format!("could not make groups for `{host}`");
        let Some(value) = self.settled(value, &about, keyed.key)? else { return Ok(()) };
        let names = keyed.names(&value);
        if names.is_empty() {
            let empty = matches!(&value, Json::Array(list) if list.is_empty())
                || matches!(&value, Json::Object(map) if map.is_empty());
            let nothing = Err(format!("`{}` is empty", keyed.key.key_text()));
            return if empty { Ok(()) } else { self.settled::<()>(nothing, &about, keyed.key).map(|_| ()) };
        }
        let parent = match keyed.parent {
            Some(node) => {
                let name = expressions.text(&node.key_text(), &node.span, vars);
                let Some(name) = self.settled(name, &about, node)? else { return Ok(()) };
                Some(as_variable(&name).into_owned())
            }
            None => None,
        };
        let bare = keyed.prefix.is_empty() && !self.flag("leading_separator", true);
        let between = if bare { "" } else { keyed.separator.as_str() };
        let span = &keyed.key.span;
        for name in names {
            // What is made of values becomes a name that templates can say, whatever is configured.
            let name = format!("{}{between}{name}", keyed.prefix);
            let name = as_variable(&name);
            inventory.ensure_group(&name, Some(span));
            inventory.put_host(host, &name, span, &self.origin, None);
            if let Some(parent) = &parent {
                inventory.ensure_group(parent, Some(span));
                inventory.link(parent, &name, Some(span));
            }
        }
        Ok(())
    }
}

impl<'n> Keyed<'n> {
    fn read(entry: &'n Node) -> Result<Keyed<'n>, InventoryError> {
        let given = |name: &str| entry.get(name).filter(|node| !node.is_null());
        let Some(key) = given("key") else {
            return Err(wrong("an entry of `keyed_groups` needs a `key`", entry, "write `- key: VARIABLE`"));
        };
        let default = given("default_value").map(Node::key_text);
        let trailing = given("trailing_separator");
        if let (Some(node), true) = (trailing, default.is_some()) {
            let help = "leave one of them out";
            return Err(wrong("`default_value` and `trailing_separator` exclude each other", node, help));
        }
        Ok(Keyed {
            key,
            prefix: entry.get("prefix").map(Node::key_text).unwrap_or_default(),
            separator: entry.get("separator").map_or_else(|| "_".to_owned(), Node::key_text),
            parent: given("parent_group"),
            default,
            trailing: trailing.is_none_or(|node| node.value != Value::Bool(false)),
        })
    }

    /// The names that a value makes, without what stands in front of them.
    fn names(&self, value: &Json) -> Vec<String> {
        // Where nothing stands in the place of an empty text, the text itself does.
        let filled = |text: String| match &self.default {
            Some(default) if text.is_empty() => default.clone(),
            _ => text,
        };
        match value {
            Json::Null => Vec::new(),
            Json::String(text) if text.is_empty() && self.default.is_none() => Vec::new(),
            Json::Array(items) => items.iter().filter_map(text).map(filled).collect(),
            Json::Object(map) => map.iter().filter_map(|(key, value)| self.pair(key, &text(value)?)).collect(),
            scalar => text(scalar).map(filled).into_iter().collect(),
        }
    }

    fn pair(&self, key: &str, value: &str) -> Option<String> {
        Some(match (&self.default, value.is_empty()) {
            (Some(default), true) => format!("{key}{}{default}", self.separator),
            (None, true) if !self.trailing => key.to_owned(),
            _ => format!("{key}{}{value}", self.separator),
        })
    }
}

pub(super) fn known_keys(node: &Node, known: &[&str], what: &str) -> Result<(), InventoryError> {
    for (name, key, _) in node.expect_entries()? {
        if !known.contains(&name) {
            let help = crate::suggest::near(name, known.iter().copied());
            let help =
                help.map_or_else(|| format!("it takes {}", known.join(", ")), |n| format!("did you mean `{n}`?"));
            return Err(wrong(format!("{what} has no `{name}`"), key, help));
        }
    }
    Ok(())
}

impl Inventory {
    /// Sets a variable of a host that was made of others.
    fn set_made_var(&mut self, host: &str, name: &str, value: Json) {
        if let Some(entry) = self.hosts.get_mut(host) {
            Arc::make_mut(&mut entry.vars).insert(name.to_owned(), Variable::from(value));
        }
    }
}
