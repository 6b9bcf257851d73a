//! Variables by precedence.
//!
//! Ansible knows twenty-two levels; what it calls "command line values" (`-u`) are settings, no variables, and the levels of
//! the inventory are split as its code merges them. A later level wins; within a level, what was added later.
//! Source: <https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_variables.html#understanding-variable-precedence>

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::yaml::{Node, Source, Span, Value};

/// Variables by name.
pub type Vars = IndexMap<String, Variable>;

/// The value of a variable.
#[derive(Clone, Debug, PartialEq)]
pub enum Variable {
    /// A value that somebody wrote: it has a place, and its texts may be templates.
    Node(Arc<Node>),
    /// A value that was found out (facts, results): it is never templated.
    Json(Arc<Json>),
}

impl Variable {
    /// Where the value was written.
    pub fn span(&self) -> Option<&Span> {
        match self {
            Variable::Node(node) => Some(&node.span),
            Variable::Json(_) => None,
        }
    }

    /// The tree of a value that somebody wrote.
    pub fn node(&self) -> Option<&Arc<Node>> {
        match self {
            Variable::Node(node) => Some(node),
            Variable::Json(_) => None,
        }
    }

    /// The value as JSON, templates as they stand.
    pub fn to_json(&self) -> Json {
        match self {
            Variable::Node(node) => node.to_json(),
            Variable::Json(json) => (**json).clone(),
        }
    }
}

impl From<Node> for Variable {
    fn from(node: Node) -> Self {
        Variable::Node(Arc::new(node))
    }
}

impl From<Json> for Variable {
    fn from(json: Json) -> Self {
        Variable::Json(Arc::new(json))
    }
}

/// The levels of precedence, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// `defaults/` of a role.
    RoleDefaults,
    /// Variables of the group `all` in an inventory file or script.
    InventoryAll,
    /// Variables of other groups in an inventory file or script.
    InventoryGroups,
    /// `group_vars/all` beside the inventory.
    InventoryGroupVarsAll,
    /// `group_vars/all` beside the playbook.
    PlaybookGroupVarsAll,
    /// `group_vars/*` beside the inventory.
    InventoryGroupVars,
    /// `group_vars/*` beside the playbook.
    PlaybookGroupVars,
    /// Variables of the host in an inventory file or script.
    InventoryHost,
    /// `host_vars/*` beside the inventory.
    InventoryHostVars,
    /// `host_vars/*` beside the playbook.
    PlaybookHostVars,
    /// Facts, and `set_fact` with `cacheable`.
    Facts,
    /// `vars` of the play.
    PlayVars,
    /// `vars_prompt` of the play.
    PlayVarsPrompt,
    /// `vars_files` of the play.
    PlayVarsFiles,
    /// `vars/` of a role.
    RoleVars,
    /// `vars` of a block.
    BlockVars,
    /// `vars` of a task.
    TaskVars,
    /// `include_vars`.
    IncludeVars,
    /// `set_fact` and `register`.
    SetFacts,
    /// Parameters of a role, and of `include_role`.
    RoleParams,
    /// Parameters of an include.
    IncludeParams,
    /// `-e`.
    ExtraVars,
}

impl Level {
    /// What the level is called in messages.
    pub fn title(self) -> &'static str {
        match self {
            Level::RoleDefaults => "role defaults",
            Level::InventoryAll => "the inventory's group `all`",
            Level::InventoryGroupVarsAll => "group_vars/all of the inventory",
            Level::PlaybookGroupVarsAll => "group_vars/all of the playbook",
            Level::InventoryGroups => "a group of the inventory",
            Level::InventoryGroupVars => "group_vars of the inventory",
            Level::PlaybookGroupVars => "group_vars of the playbook",
            Level::InventoryHost => "a host of the inventory",
            Level::InventoryHostVars => "host_vars of the inventory",
            Level::PlaybookHostVars => "host_vars of the playbook",
            Level::Facts => "facts",
            Level::PlayVars => "play vars",
            Level::PlayVarsPrompt => "vars_prompt",
            Level::PlayVarsFiles => "vars_files",
            Level::RoleVars => "role vars",
            Level::BlockVars => "block vars",
            Level::TaskVars => "task vars",
            Level::IncludeVars => "include_vars",
            Level::SetFacts => "set_fact or register",
            Level::RoleParams => "role parameters",
            Level::IncludeParams => "include parameters",
            Level::ExtraVars => "extra vars (`-e`)",
        }
    }
}

/// Variables of one level and one origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// How strong they are.
    pub level: Level,
    /// The variables.
    pub vars: Arc<Vars>,
}

/// What a name means: the value and the level that decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found<'l> {
    /// The value.
    pub value: &'l Variable,
    /// The level it comes from.
    pub level: Level,
}

/// All variables of a host at some point of a play.
///
/// Cloning copies a few pointers; a clone that is changed leaves the original as it is.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Weakest first.
    layers: Arc<Vec<Layer>>,
}

impl Layers {
    /// Starts with the given layers.
    pub fn new(layers: impl IntoIterator<Item = Layer>) -> Self {
        let mut layers: Vec<Layer> = layers.into_iter().filter(|layer| !layer.vars.is_empty()).collect();
        layers.sort_by_key(|layer| layer.level);
        Self { layers: Arc::new(layers) }
    }

    /// Adds variables above all others of their level.
    pub fn push(&mut self, level: Level, vars: Arc<Vars>) {
        if !vars.is_empty() {
            let at = self.layers.partition_point(|layer| layer.level <= level);
            Arc::make_mut(&mut self.layers).insert(at, Layer { level, vars });
        }
    }

    /// The same variables and those of one more layer.
    #[must_use]
    pub fn with(&self, level: Level, vars: Arc<Vars>) -> Self {
        let mut more = self.clone();
        more.push(level, vars);
        more
    }

    /// Adds several layers.
    pub fn extend(&mut self, layers: impl IntoIterator<Item = Layer>) {
        layers.into_iter().for_each(|layer| self.push(layer.level, layer.vars));
    }

    /// Removes all variables of a level: those of a block, task or include that has ended.
    pub fn clear(&mut self, level: Level) {
        if self.layers.iter().any(|layer| layer.level == level) {
            Arc::make_mut(&mut self.layers).retain(|layer| layer.level != level);
        }
    }

    /// Sets one variable above all others of its level.
    pub fn set(&mut self, level: Level, name: impl Into<String>, value: impl Into<Variable>) {
        let (name, value) = (name.into(), value.into());
        let at = self.layers.partition_point(|layer| layer.level <= level);
        let top = at.checked_sub(1).filter(|top| self.layers.get(*top).is_some_and(|l| l.level == level));
        let layers = Arc::make_mut(&mut self.layers);
        match top.and_then(|top| layers.get_mut(top)) {
            Some(layer) => {
                Arc::make_mut(&mut layer.vars).insert(name, value);
            }
            None => layers.insert(at, Layer { level, vars: Arc::new(Vars::from_iter([(name, value)])) }),
        }
    }

    /// What a name means.
    pub fn get(&self, name: &str) -> Option<Found<'_>> {
        self.layers.iter().rev().find_map(|layer| Some(Found { value: layer.vars.get(name)?, level: layer.level }))
    }

    /// What a name means where mappings of all levels are joined (`hash_behaviour = merge`): the mapping that comes of them, or
    /// nothing where it is not made of several.
    pub fn joined(&self, name: &str) -> Option<Node> {
        let given: Vec<&Variable> = self.layers.iter().filter_map(|layer| layer.vars.get(name)).collect();
        let mut joined: Option<Node> = None;
        let mut parts = 0;
        for variable in given {
            let node = match variable {
                Variable::Node(node) => (**node).clone(),
                Variable::Json(json) => data(json),
            };
            (joined, parts) = match joined {
                Some(weaker) if weaker.as_map().is_some() && node.as_map().is_some() => {
                    (Some(join(weaker, node)), parts + 1)
                }
                _ => (Some(node), 1),
            };
        }
        joined.filter(|_| parts > 1)
    }

    /// What a name means on one level alone.
    pub fn get_at(&self, level: Level, name: &str) -> Option<&Variable> {
        self.layers.iter().rev().filter(|layer| layer.level == level).find_map(|layer| layer.vars.get(name))
    }

    /// All names, each once, weakest level first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let mut seen = std::collections::HashSet::new();
        self.layers.iter().flat_map(|l| l.vars.keys()).map(String::as_str).filter(move |name| seen.insert(*name))
    }

    /// The layers, weakest first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// All names with what they mean.
    pub fn flatten(&self) -> Vars {
        let mut all = Vars::new();
        for layer in self.layers.iter() {
            all.extend(layer.vars.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        all
    }
}

/// A mapping with another one's entries, which win; mappings inside are joined too.
pub(super) fn join(weaker: Node, stronger: Node) -> Node {
    let span = stronger.span.clone();
    match (weaker.value, stronger.value) {
        (Value::Map(mut entries), Value::Map(more)) => {
            for (key, value) in more {
                match entries.iter().position(|(known, _)| known.key_text() == key.key_text()) {
                    Some(at) => {
                        let (known, old) = entries.swap_remove(at);
                        entries.push((known, join(old, value)));
                        let last = entries.len() - 1;
                        entries.swap(at, last);
                    }
                    None => entries.push((key, value)),
                }
            }
            Node::new(Value::Map(entries), span)
        }
        (_, value) => Node::new(value, span),
    }
}

/// A value that was found out, as a tree in which nothing is a template.
fn data(json: &Json) -> Node {
    let mut node = Node::from_json(json, &Span::whole(&Source::new("a result", "")));
    let mut open = vec![&mut node];
    while let Some(node) = open.pop() {
        match &mut node.value {
            Value::String { unsafe_text, .. } => *unsafe_text = true,
            Value::Seq(items) => open.extend(items.iter_mut()),
            Value::Map(entries) => open.extend(entries.iter_mut().map(|(_, value)| value)),
            _ => {}
        }
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn vars(pairs: &[(&str, i64)]) -> Arc<Vars> {
        Arc::new(pairs.iter().map(|(k, v)| ((*k).to_owned(), json!(v).into())).collect())
    }

    fn value(layers: &Layers, name: &str) -> Option<(Json, Level)> {
        layers.get(name).map(|found| (found.value.to_json(), found.level))
    }

    #[test]
    fn the_strongest_level_wins_whatever_the_order_of_adding() {
        let mut layers = Layers::default();
        layers.push(Level::ExtraVars, vars(&[("a", 9)]));
        layers.push(Level::RoleDefaults, vars(&[("a", 1), ("b", 1), ("c", 1)]));
        layers.push(Level::PlayVars, vars(&[("b", 5)]));
        layers.push(Level::InventoryGroups, vars(&[("b", 2), ("c", 2)]));
        layers.push(Level::InventoryGroups, vars(&[("c", 3)]));
        assert_eq!(value(&layers, "a"), Some((json!(9), Level::ExtraVars)));
        assert_eq!(value(&layers, "b"), Some((json!(5), Level::PlayVars)));
        assert_eq!(value(&layers, "c"), Some((json!(3), Level::InventoryGroups)));
        assert_eq!(value(&layers, "d"), None);
        assert_eq!(layers.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(layers.flatten().get("b"), Some(&json!(5).into()));
    }

    #[test]
    fn mappings_are_joined_and_what_was_found_out_stays_data() {
        let mut layers = Layers::default();
        let said = |text: &str| Arc::new(crate::yaml::load_str("x", text).unwrap());
        layers.set(Level::InventoryGroups, "a", Variable::Node(said("{x: {p: 1, q: '{{ v }}'}, y: [1], z: 1}")));
        layers.set(Level::PlayVars, "a", Variable::Node(said("{x: {p: 2}, y: [2]}")));
        assert_eq!(layers.joined("a").unwrap().to_json(), json!({"x": {"p": 2, "q": "{{ v }}"}, "y": [2], "z": 1}));
        layers.set(Level::SetFacts, "a", json!({"x": {"r": "{{ no }}"}}));
        let joined = layers.joined("a").unwrap();
        let text = joined.get("x").unwrap().get("r").unwrap();
        assert_eq!(text.value, Value::String { text: "{{ no }}".into(), unsafe_text: true });
        layers.set(Level::ExtraVars, "a", json!(1));
        assert!(layers.joined("a").is_none() && layers.joined("b").is_none());
    }

    #[test]
    fn a_clone_leaves_the_original_alone() {
        let mut play = Layers::default();
        play.set(Level::SetFacts, "x", json!(1));
        let mut task = play.with(Level::TaskVars, vars(&[("x", 0), ("y", 2)]));
        task.set(Level::SetFacts, "x", json!(3));
        task.set(Level::SetFacts, "z", json!(4));
        assert_eq!(value(&play, "x"), Some((json!(1), Level::SetFacts)));
        assert_eq!(value(&play, "y"), None);
        assert_eq!(value(&task, "x"), Some((json!(3), Level::SetFacts)));
        task.clear(Level::TaskVars);
        assert_eq!(value(&task, "y"), None);
        assert_eq!(task.get_at(Level::SetFacts, "z").map(Variable::to_json), Some(json!(4)));
    }
}
