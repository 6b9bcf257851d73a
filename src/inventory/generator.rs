//! Hosts and groups for all that layers can be put together to: the inventory plugin `generator`.
//!
//! Source: <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/generator_inventory.html>

use super::{
    Expressions, Inventory, InventoryError, Variable, Vars,
    constructed::{known_keys, wrong},
    model::Origin,
};
use crate::yaml::Node;

/// The plugin's names in a file that configures it.
const NAMES: [&str; 3] = ["generator", "ansible.builtin.generator", "ansible.legacy.generator"];

const KEYS: [&str; 3] = ["plugin", "hosts", "layers"];
const HOSTS: [&str; 2] = ["name", "parents"];
const PARENT: [&str; 3] = ["name", "parents", "vars"];

/// How deep groups may be inside of groups.
const DEEPEST: usize = 50;

/// One file that configures the plugin.
#[derive(Clone, Debug)]
pub(super) struct Generator {
    root: Node,
    origin: Origin,
}

/// Whether a name is the plugin's.
pub(super) fn is_named(plugin: &str) -> bool {
    NAMES.contains(&plugin)
}

/// What is inside of a group.
#[derive(Clone, Copy)]
enum Child<'c> {
    Host(&'c str),
    Group(&'c str),
}

impl Generator {
    /// Reads such a file; what it makes is made behind.
    ///
    /// # Errors
    /// A key that the plugin has not, or one that is missing.
    pub(super) fn read(root: &Node, origin: &Origin) -> Result<Generator, InventoryError> {
        known_keys(root, &KEYS, "`generator`")?;
        let hosts = root.get("hosts").filter(|node| !node.is_null());
        let hosts = hosts.ok_or_else(|| wrong("`generator` needs `hosts`", root, "write `hosts: {name: TEMPLATE}`"))?;
        known_keys(hosts, &HOSTS, "`hosts`")?;
        if root.get("layers").and_then(Node::as_map).is_none() {
            return Err(wrong("`generator` needs `layers`", root, "write `layers: {NAME: [VALUE, …]}`"));
        }
        Ok(Generator { root: root.clone(), origin: origin.clone() })
    }

    /// Makes the hosts and groups.
    ///
    /// # Errors
    /// What cannot be rendered, and layers that make more hosts than anybody has.
    pub(super) fn apply(&self, inventory: &mut Inventory, expressions: &dyn Expressions) -> Result<(), InventoryError> {
        let layers = self.root.get("layers").and_then(Node::as_map).unwrap_or_default();
        let mut values = Vec::new();
        for (key, list) in layers {
            values.push((key.key_text(), list.expect_seq()?));
        }
        let count = values.iter().fold(1_usize, |count, (_, list)| count.saturating_mul(list.len()));
        inventory.count_names(count, &self.root.span)?;
        let Some(hosts) = self.root.get("hosts") else { return Ok(()) };
        for at in 0..count {
            // The last layer changes fastest.
            let mut vars = Vars::new();
            let mut rest = at;
            for (name, list) in values.iter().rev() {
                if let Some(value) = list.get(rest % list.len()) {
                    vars.insert(name.clone(), Variable::from(value.clone()));
                }
                rest /= list.len();
            }
            let name = rendered(hosts, "name", "`hosts`", expressions, &vars)?;
            super::name::host(&name).map_err(|fault| wrong(fault.to_string(), hosts, "check `name` of `hosts`"))?;
            inventory.put_host(&name, super::model::UNGROUPED, &hosts.span, &self.origin, None);
            self.parents(inventory, Child::Host(&name), hosts, (expressions, &vars), 0)?;
        }
        Ok(())
    }

    fn parents(
        &self,
        inventory: &mut Inventory,
        child: Child<'_>,
        node: &Node,
        (expressions, vars): (&dyn Expressions, &Vars),
        depth: usize,
    ) -> Result<(), InventoryError> {
        let Some(parents) = node.get("parents").filter(|parents| !parents.is_null()) else { return Ok(()) };
        if depth > DEEPEST {
            return Err(wrong("`parents` are nested too deeply", parents, "nest fewer of them"));
        }
        for parent in parents.expect_seq()? {
            known_keys(parent, &PARENT, "an entry of `parents`")?;
            let name = rendered(parent, "name", "an entry of `parents`", expressions, vars)?;
            super::name::group(&name).map_err(|fault| wrong(fault.to_string(), parent, "check its `name`"))?;
            let name = inventory.group_name(&name).into_owned();
            inventory.ensure_group(&name, Some(&parent.span));
            for (variable, _, value) in parent.get("vars").map(Node::expect_entries).transpose()?.unwrap_or_default() {
                let text = text(value, expressions, vars)?;
                inventory.set_group_var(&name, variable, &Node::text(text, value.span.clone()))?;
            }
            match child {
                Child::Host(host) => inventory.put_host(host, &name, &parent.span, &self.origin, None),
                Child::Group(group) => inventory.link(&name, group, Some(&parent.span)),
            }
            self.parents(inventory, Child::Group(&name), parent, (expressions, vars), depth + 1)?;
        }
        Ok(())
    }
}

fn text(node: &Node, expressions: &dyn Expressions, vars: &Vars) -> Result<String, InventoryError> {
    expressions.text(&node.key_text(), &node.span, vars).map_err(|reason| wrong(reason, node, "check the template"))
}

fn rendered(
    node: &Node,
    key: &str,
    what: &str,
    expressions: &dyn Expressions,
    vars: &Vars,
) -> Result<String, InventoryError> {
    let Some(template) = node.get(key).filter(|template| !template.is_null()) else {
        return Err(wrong(format!("{what} has no `{key}`"), node, format!("write `{key}: TEMPLATE`")));
    };
    text(template, expressions, vars)
}
