//! What a configuration decides of how inventories are read.

use std::borrow::Cow;

use super::Inventory;

/// What becomes of the names of groups that are no names of variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupNames {
    /// They stay, and nothing is said.
    #[default]
    Kept,
    /// They stay, and a warning names them.
    Told,
    /// `_` stands in the place of what is none of a variable's name, and a warning names them.
    Replaced,
    /// The same without a warning.
    ReplacedSilently,
}

/// How inventories are read.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Two mappings that one inventory gives for a variable, and another gives again, are joined (`hash_behaviour = merge`).
    pub joins_mappings: bool,
    /// What becomes of strange names of groups.
    pub group_names: GroupNames,
    /// What the names of files end with that are no inventories in a folder of them; the usual ones where nothing is said.
    pub ignored_endings: Option<Vec<String>>,
    /// Expressions for names of such files.
    pub ignored_patterns: Vec<String>,
}

/// A name with `_` in the place of all that a variable's name cannot have there.
pub(super) fn as_variable(name: &str) -> Cow<'_, str> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let fits = |at: usize, c: char| word(c) && (at > 0 || !c.is_numeric());
    if name.char_indices().all(|(at, c)| fits(at, c)) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.char_indices().map(|(at, c)| if fits(at, c) { c } else { '_' }).collect())
}

impl Inventory {
    /// The name that a group gets which an inventory calls so.
    pub(super) fn group_name<'n>(&mut self, name: &'n str) -> Cow<'n, str> {
        let safe = as_variable(name);
        if safe == name || self.rules.group_names == GroupNames::Kept {
            return Cow::Borrowed(name);
        }
        if self.rules.group_names != GroupNames::ReplacedSilently {
            self.warnings.strange_group(name);
        }
        if self.rules.group_names == GroupNames::Told { Cow::Borrowed(name) } else { safe }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_those_of_variables() {
        for (name, safe) in [("a-b.c", "a_b_c"), ("1a", "_a"), ("a1_", "a1_"), ("-x", "_x"), ("ä b", "ä_b")] {
            assert_eq!(as_variable(name), safe);
        }
    }
}
