//! Every keyword of the language: where it may stand and what it takes.
//!
//! Source: <https://docs.ansible.com/ansible/latest/reference_appendices/playbooks_keywords.html>

use Kind::{Any, Bool, Conditions, Environment, Int, Items, List, Map, Maps, Number, Percent, Tags, Text, Vars};

/// Where keywords can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Play,
    ImportPlaybook,
    Role,
    Block,
    Task,
    Handler,
}

/// What a keyword takes; a template may stand for all but [`Kind::Items`] and [`Kind::Vars`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bool,
    Int,
    Number,
    Percent,
    /// One condition or a list of them.
    Conditions,
    /// A text with commas, a number, or a list of them.
    Tags,
    Vars,
    Environment,
    Map,
    Maps,
    /// One value or a list.
    List,
    /// Tasks, plays or roles.
    Items,
    Any,
}

/// A keyword.
#[derive(Debug)]
pub(super) struct Keyword {
    pub name: &'static str,
    pub kind: Kind,
    levels: u8,
}

const PLAY: u8 = 1;
const IMPORT: u8 = 2;
const ROLE: u8 = 4;
const BLOCK: u8 = 8;
const TASK: u8 = 16;
const HANDLER: u8 = 32;
const TASKS: u8 = TASK | HANDLER;
const BELOW: u8 = ROLE | BLOCK | TASKS;
const ALL: u8 = PLAY | BELOW;

const fn keyword(name: &'static str, kind: Kind, levels: u8) -> Keyword {
    Keyword { name, kind, levels }
}

/// The table; the first are shared by all levels.
pub(super) const KEYWORDS: &[Keyword] = &[
    keyword("name", Text, ALL | IMPORT),
    keyword("tags", Tags, ALL | IMPORT),
    keyword("vars", Vars, ALL | IMPORT),
    keyword("when", Conditions, BELOW | IMPORT),
    keyword("any_errors_fatal", Bool, ALL),
    keyword("become", Bool, ALL),
    keyword("become_exe", Text, ALL),
    keyword("become_flags", Text, ALL),
    keyword("become_method", Text, ALL),
    keyword("become_user", Text, ALL),
    keyword("check_mode", Bool, ALL),
    keyword("collections", List, ALL),
    keyword("connection", Text, ALL),
    keyword("debugger", Text, ALL),
    keyword("diff", Bool, ALL),
    keyword("environment", Environment, ALL),
    keyword("ignore_errors", Bool, ALL),
    keyword("ignore_unreachable", Bool, ALL),
    keyword("module_defaults", Maps, ALL),
    keyword("no_log", Bool, ALL),
    keyword("port", Int, ALL),
    keyword("remote_user", Text, ALL),
    keyword("run_once", Bool, ALL),
    keyword("throttle", Int, ALL),
    keyword("timeout", Int, ALL),
    keyword("delegate_to", Text, BELOW),
    keyword("delegate_facts", Bool, BELOW),
    keyword("notify", List, BLOCK | TASKS),
    keyword("block", Items, BLOCK),
    keyword("rescue", Items, BLOCK),
    keyword("always", Items, BLOCK),
    keyword("action", Any, TASKS),
    keyword("local_action", Any, TASKS),
    keyword("args", Map, TASKS),
    keyword("async", Int, TASKS),
    keyword("changed_when", Conditions, TASKS),
    keyword("delay", Number, TASKS),
    keyword("failed_when", Conditions, TASKS),
    keyword("loop", Any, TASKS),
    keyword("loop_control", Map, TASKS),
    keyword("poll", Int, TASKS),
    keyword("register", Text, TASKS),
    keyword("retries", Int, TASKS),
    keyword("until", Conditions, TASKS),
    keyword("listen", List, HANDLER),
    keyword("hosts", Any, PLAY),
    keyword("gather_facts", Bool, PLAY),
    keyword("gather_subset", List, PLAY),
    keyword("gather_timeout", Int, PLAY),
    keyword("fact_path", Text, PLAY),
    keyword("strategy", Text, PLAY),
    keyword("serial", Any, PLAY),
    keyword("max_fail_percentage", Percent, PLAY),
    keyword("order", Text, PLAY),
    keyword("force_handlers", Bool, PLAY),
    keyword("vars_files", Any, PLAY),
    keyword("vars_prompt", Any, PLAY),
    keyword("roles", Items, PLAY),
    keyword("pre_tasks", Items, PLAY),
    keyword("tasks", Items, PLAY),
    keyword("post_tasks", Items, PLAY),
    keyword("handlers", Items, PLAY),
    keyword("user", Text, PLAY),
    keyword("import_playbook", Text, IMPORT),
];

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
    pub(super) fn noun(self) -> &'static str {
        match self {
            Level::Play => "a play",
            Level::ImportPlaybook => "an `import_playbook`",
            Level::Role => "a role",
            Level::Block => "a block",
            Level::Task => "a task",
            Level::Handler => "a handler",
        }
    }

    const ALL: [Level; 6] =
        [Level::Play, Level::Block, Level::Task, Level::Handler, Level::Role, Level::ImportPlaybook];
}

/// Finds a keyword of a level.
pub(super) fn find(name: &str, level: Level) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|k| k.name == name && k.levels & level.bit() != 0)
}

/// Says what to do about a word that is no keyword of `level`.
pub(super) fn hint(name: &str, level: Level) -> Option<String> {
    if let Some(keyword) = KEYWORDS.iter().find(|k| k.name == name) {
        let homes: Vec<_> = Level::ALL.iter().filter(|l| keyword.levels & l.bit() != 0).map(|l| l.noun()).collect();
        return Some(format!("`{name}` is a keyword of {}: move it there", join(&homes)));
    }
    let names = KEYWORDS.iter().filter(|k| k.levels & level.bit() != 0).map(|k| k.name);
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
