//! Where keywords may stand and what they take; [`super::keywords`] is the table of them.
//!
//! Source: <https://docs.ansible.com/ansible/latest/reference_appendices/playbooks_keywords.html>

use super::Keywords;
use super::keywords::{OWN, SHARED};
use crate::yaml::Node;

/// Where keywords can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Beside `hosts`.
    Play,
    /// Beside `import_playbook`.
    ImportPlaybook,
    /// In an entry of `roles`.
    Role,
    /// Beside `block`.
    Block,
    /// Beside a task's module.
    Task,
    /// Beside a handler's module.
    Handler,
}

/// What a keyword takes; a template may stand for all but [`Kind::Items`] and [`Kind::Vars`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// A number, with `%` or without.
    Percent,
    /// One condition or a list of them.
    Conditions,
    /// A text with commas, a number, or a list of them.
    Tags,
    /// Variables.
    Vars,
    /// A mapping, or a list of them.
    Environment,
    /// A mapping.
    Map,
    /// A mapping of mappings, or a list of such.
    Maps,
    /// One value or a list.
    List,
    /// Tasks, plays or roles.
    Items,
    /// Whatever its reader says.
    Any,
}

/// The field of [`Keywords`] that keeps a keyword as it is written.
pub(super) type Field = fn(&mut Keywords) -> &mut Option<Node>;

/// A keyword: a row of the table.
#[derive(Debug)]
pub struct Keyword {
    /// As it is written.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is for, in a few words.
    pub about: &'static str,
    /// The file below `src` that acts on it: no keyword is accepted that nobody reads.
    pub read_by: &'static str,
    pub(super) levels: u8,
    pub(super) field: Option<Field>,
}

/// Levels as bits.
pub(super) const PLAY: u8 = 1;
pub(super) const IMPORT: u8 = 2;
pub(super) const ROLE: u8 = 4;
pub(super) const BLOCK: u8 = 8;
pub(super) const TASK: u8 = 16;
pub(super) const HANDLER: u8 = 32;
pub(super) const TASKS: u8 = TASK | HANDLER;
pub(super) const BELOW: u8 = ROLE | BLOCK | TASKS;
pub(super) const ALL: u8 = PLAY | BELOW;

/// The whole table; those that several levels share come first.
pub fn keywords() -> impl Iterator<Item = &'static Keyword> {
    SHARED.iter().chain(OWN)
}

impl Keyword {
    /// Whether it may stand at a level.
    pub fn stands_in(&self, level: Level) -> bool {
        self.levels & level.bit() != 0
    }
}

impl Level {
    const fn bit(self) -> u8 {
        match self {
            Level::Play => PLAY,
            Level::ImportPlaybook => IMPORT,
            Level::Role => ROLE,
            Level::Block => BLOCK,
            Level::Task => TASK,
            Level::Handler => HANDLER,
        }
    }

    /// The level with its article, as messages name it.
    pub fn noun(self) -> &'static str {
        match self {
            Level::Play => "a play",
            Level::ImportPlaybook => "an `import_playbook`",
            Level::Role => "a role",
            Level::Block => "a block",
            Level::Task => "a task",
            Level::Handler => "a handler",
        }
    }

    /// All of them, the most used first.
    pub const ALL: [Level; 6] =
        [Level::Play, Level::Block, Level::Task, Level::Handler, Level::Role, Level::ImportPlaybook];
}

/// Finds a keyword of a level.
pub(super) fn find(name: &str, level: Level) -> Option<&'static Keyword> {
    keywords().find(|k| k.name == name && k.stands_in(level))
}

/// Says what to do about a word that is no keyword of `level`.
pub(super) fn hint(name: &str, level: Level) -> Option<String> {
    if let Some(keyword) = keywords().find(|k| k.name == name) {
        let homes: Vec<_> = Level::ALL.iter().filter(|level| keyword.stands_in(**level)).map(|l| l.noun()).collect();
        return Some(format!("`{name}` is a keyword of {}: move it there", join(&homes)));
    }
    let names = keywords().filter(|k| k.stands_in(level)).map(|k| k.name);
    near(name, names).map(|n| format!("did you mean `{n}`?"))
}

/// Joins words as a sentence lists them.
pub(super) fn join(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Finds the known word closest to a mistyped one.
pub(super) fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(&word, k), k))
        .filter(|(distance, k)| *distance <= allowed && *distance < k.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}
