//! Where keywords may stand and what they take.
//!
//! Source: <https://docs.ansible.com/ansible/latest/reference_appendices/playbooks_keywords.html>

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

impl Level {
    pub(super) const fn bit(self) -> u8 {
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

/// Joins words as a sentence lists them.
pub(super) fn join(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
