//! The merge key `<<`.
//!
//! Source: <https://yaml.org/type/merge.html> and PyYAML's `flatten_mapping`.

use std::collections::{HashMap, hash_map::Entry};

use super::{Node, Value, YamlError};

/// Merges what `<<` brings: own entries win, then the earlier of a list, then the later of several `<<`.
pub(super) fn merge(entries: Vec<(Node, Node)>, merges: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, YamlError> {
    if merges.is_empty() {
        return Ok(entries);
    }
    let mut merged: Vec<(Node, Node)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut put = |(key, value): (Node, Node)| match places.entry(key.identity()) {
        Entry::Occupied(at) => merged[*at.get()] = (key, value),
        Entry::Vacant(free) => {
            free.insert(merged.len());
            merged.push((key, value));
        }
    };
    for (_, value) in merges {
        match value.value {
            Value::Map(others) => others.into_iter().for_each(&mut put),
            Value::Seq(items) => {
                for item in items.into_iter().rev() {
                    match item.value {
                        Value::Map(others) => others.into_iter().for_each(&mut put),
                        other => return Err(YamlError::Merge { found: other.kind(), span: item.span }),
                    }
                }
            }
            other => return Err(YamlError::Merge { found: other.kind(), span: value.span }),
        }
    }
    entries.into_iter().for_each(&mut put);
    Ok(merged)
}
