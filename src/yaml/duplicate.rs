//! Keys that stand twice in a mapping: refused, or the last one counts and somebody is told.

use std::{collections::HashMap, collections::hash_map::Entry, sync::OnceLock};

use super::{Node, YamlError};

/// What becomes of a key that stands twice.
#[derive(Clone, Copy, Debug)]
pub enum Duplicates {
    /// It is an error.
    Refused,
    /// The last one counts, and this is told of it.
    Told(fn(&str)),
    /// The last one counts.
    Taken,
}

static RULE: OnceLock<Duplicates> = OnceLock::new();

/// Decides for this process what becomes of keys that stand twice; the first decision counts. Without one they are refused.
pub fn decide(duplicates: Duplicates) {
    let _ = RULE.set(duplicates);
}

/// Looks whether a key stands in a mapping already; whether it does, and that is right.
pub(super) fn again(
    key: &Node,
    entries: &[(Node, Node)],
    seen: &mut HashMap<String, usize>,
) -> Result<bool, YamlError> {
    let taken = match seen.entry(key.identity()) {
        Entry::Vacant(free) => {
            free.insert(entries.len());
            return Ok(false);
        }
        Entry::Occupied(taken) => *taken.get(),
    };
    match RULE.get().copied().unwrap_or(Duplicates::Refused) {
        Duplicates::Taken => {}
        Duplicates::Told(tell) => tell(&format!(
            "{}: found a duplicate dict key ({}). Using last defined value only.",
            key.span.place(),
            key.key_text()
        )),
        Duplicates::Refused => {
            let first = entries.get(taken).map_or_else(|| key.span.clone(), |(k, _)| k.span.clone());
            return Err(YamlError::DuplicateKey {
                key: key.key_text(),
                first_line: first.line_column().0,
                first,
                second: key.span.clone(),
            });
        }
    }
    Ok(true)
}
