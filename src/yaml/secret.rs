//! Trees of files that were encrypted as a whole: what they hold is kept out of every output.

use super::{Node, Source, Value, YamlError};
use crate::vault;

/// Keys of plays and tasks whose values say what is done, and hide nothing.
const TOLD: [&str; 22] = [
    "name",
    "hosts",
    "tags",
    "notify",
    "listen",
    "register",
    "when",
    "changed_when",
    "failed_when",
    "until",
    "state",
    "become_user",
    "strategy",
    "serial",
    "delegate_to",
    "role",
    "roles",
    "import_tasks",
    "include_tasks",
    "import_role",
    "include_role",
    "import_playbook",
];

/// Notes all values of a file, and where it cannot be read every word of it: the error may quote some.
pub(super) fn keep(documents: Result<Vec<Node>, YamlError>, source: &Source) -> Result<Vec<Node>, YamlError> {
    match &documents {
        // A list is one of plays or tasks, anything else holds variables.
        Ok(nodes) => nodes.iter().for_each(|node| note(node, matches!(node.value, Value::Seq(_)))),
        Err(_) => vault::conceal_words(&source.text),
    }
    documents
}

fn note(node: &Node, tasks: bool) {
    match &node.value {
        // Of a template some words are left as they are, and none of them stands alone.
        Value::String { text, .. } if text.contains("{{") || text.contains("{%") => vault::conceal_content(text),
        Value::String { text, .. } => vault::conceal(text),
        Value::Int(_) | Value::Float(_) => vault::conceal(&node.key_text()),
        Value::Seq(items) => items.iter().for_each(|item| note(item, tasks)),
        Value::Map(entries) => {
            let kept = entries.iter().filter(|(key, _)| !tasks || !key.as_str().is_some_and(|key| TOLD.contains(&key)));
            kept.for_each(|(_, value)| note(value, tasks));
        }
        Value::Null | Value::Bool(_) | Value::Vault(_) => {}
    }
}
