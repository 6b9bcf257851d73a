//! The table of keywords: a row for each, with its level, its type and who acts on it.
//!
//! To add one that several levels share, add a row here; its value as written is a field of [`Keywords`] of that name,
//! which `Scope::inherited` finds from any task inside.
//!
//! Source: <https://docs.ansible.com/ansible/latest/reference_appendices/playbooks_keywords.html>

use super::VarMap;
use super::keyword::{ALL, BELOW, BLOCK, HANDLER, IMPORT, Kind, Level, PLAY, TASKS, join};
use crate::suggest::near;
use crate::yaml::Node;

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
    levels: u8,
    pub(super) field: Option<Field>,
}

/// Makes a field of [`Keywords`] and a row of [`SHARED`] of each line.
macro_rules! shared {
    ($($(#[doc = $about:literal])+ $field:ident: $name:literal, $kind:ident, $levels:expr, $reader:literal;)+) => {
        /// Keywords that hold for everything inside, as written; each may be a template.
        #[derive(Clone, Debug, Default)]
        pub struct Keywords {
            /// Conditions, all of which must hold.
            pub when: Vec<Node>,
            /// Tags: one node for each, texts with commas taken apart.
            pub tags: Vec<Node>,
            /// Variables.
            pub vars: Option<VarMap>,
            $($(#[doc = $about])+ pub $field: Option<Node>,)+
        }

        /// The keywords of several levels whose value is kept as it is written.
        pub(super) const SHARED: &[Keyword] = &[$(Keyword {
            name: $name,
            kind: Kind::$kind,
            about: concat!($($about),+),
            read_by: $reader,
            levels: $levels,
            field: Some(|keywords| &mut keywords.$field),
        }),+];
    };
}

shared! {
    /// Whether a failure on one host ends the play for all.
    any_errors_fatal: "any_errors_fatal", Bool, ALL, "run/step.rs";
    /// Whether to become another user.
    become_: "become", Bool, ALL, "run/keyword.rs";
    /// The program that makes another user of one.
    become_exe: "become_exe", Text, ALL, "run/keyword.rs";
    /// Flags for that program.
    become_flags: "become_flags", Text, ALL, "run/keyword.rs";
    /// How to become another user.
    become_method: "become_method", Text, ALL, "run/keyword.rs";
    /// The user to become.
    become_user: "become_user", Text, ALL, "run/keyword.rs";
    /// Forces check mode on or off.
    check_mode: "check_mode", Bool, ALL, "run/task.rs";
    /// Collections in which short names are looked for.
    collections: "collections", List, ALL, "playbook/load/level.rs";
    /// The connection plugin.
    connection: "connection", Text, ALL, "run/connection.rs";
    /// When the task debugger starts: always, never, on_failed, on_unreachable or on_skipped.
    debugger: "debugger", Text, ALL, "run/debugger.rs";
    /// Whether facts go to the delegated host.
    delegate_facts: "delegate_facts", Bool, BELOW, "run/task.rs";
    /// The host that acts in the place of the current one.
    delegate_to: "delegate_to", Text, BELOW, "run/task.rs";
    /// Forces diffs on or off.
    diff: "diff", Bool, ALL, "run/task.rs";
    /// Environment variables of remote steps: a mapping, a list of mappings or a template.
    environment: "environment", Environment, ALL, "playbook/scope.rs";
    /// Whether a failed task lets the host go on.
    ignore_errors: "ignore_errors", Bool, ALL, "run/conclude.rs";
    /// Whether an unreachable host is tried again at the next task.
    ignore_unreachable: "ignore_unreachable", Bool, ALL, "run/evaluation.rs";
    /// Defaults of module parameters: module or `group/…` → parameters.
    module_defaults: "module_defaults", Maps, ALL, "playbook/scope.rs";
    /// Whether results are kept out of every output.
    no_log: "no_log", Bool, ALL, "run/evaluation.rs";
    /// The port to connect to.
    port: "port", Int, ALL, "run/connection.rs";
    /// The user to log in as.
    remote_user: "remote_user", Text, ALL, "run/connection.rs";
    /// Whether one host stands for all.
    run_once: "run_once", Bool, ALL, "run/step.rs";
    /// At most so many hosts at once do a task.
    throttle: "throttle", Int, ALL, "run/throttle.rs";
    /// Seconds after which a task is given up.
    timeout: "timeout", Int, ALL, "run/calls.rs";
}

/// A keyword that is read into a field of its own: of a play, a block or a task.
const fn own(name: &'static str, kind: Kind, levels: u8, read_by: &'static str, about: &'static str) -> Keyword {
    Keyword { name, kind, about, read_by, levels, field: None }
}

/// The keywords that are more than a value.
pub(super) const OWN: &[Keyword] = &[
    own("name", Kind::Text, ALL | IMPORT, "playbook/task.rs", "What is shown of it."),
    own("tags", Kind::Tags, ALL | IMPORT, "playbook/tags.rs", "Tags that select it on the command line."),
    own("vars", Kind::Vars, ALL | IMPORT, "playbook/scope.rs", "Variables."),
    own("when", Kind::Conditions, BELOW | IMPORT, "playbook/scope.rs", "Conditions, all of which must hold."),
    own(
        "notify",
        Kind::List,
        BLOCK | TASKS,
        "run/play_host.rs",
        "Handlers that run at the end where something changed.",
    ),
    own("block", Kind::Items, BLOCK, "run/program.rs", "Tasks that share keywords."),
    own("rescue", Kind::Items, BLOCK, "run/program.rs", "What runs where one of the tasks failed."),
    own("always", Kind::Items, BLOCK, "run/program.rs", "What runs in any case."),
    own("action", Kind::Any, TASKS, "playbook/load/action.rs", "The module and its parameters."),
    own("local_action", Kind::Any, TASKS, "playbook/load/action.rs", "The same, done on this machine."),
    own("args", Kind::Map, TASKS, "playbook/load/arguments.rs", "Parameters of the module."),
    own("async", Kind::Int, TASKS, "run/background.rs", "Seconds a step may take."),
    own("changed_when", Kind::Conditions, TASKS, "run/retry.rs", "When the result counts as a change."),
    own("delay", Kind::Number, TASKS, "run/retry.rs", "Seconds between tries."),
    own("failed_when", Kind::Conditions, TASKS, "run/retry.rs", "When the result counts as a failure."),
    own("loop", Kind::Any, TASKS, "playbook/load/loops.rs", "What the task is repeated over."),
    own("loop_control", Kind::Map, TASKS, "playbook/load/loops.rs", "How the loop goes and is shown."),
    own("poll", Kind::Int, TASKS, "run/background.rs", "0 leaves the step running behind the play."),
    own("register", Kind::Text, TASKS, "run/evaluation.rs", "The variable that receives the result."),
    own("retries", Kind::Int, TASKS, "run/retry.rs", "How often at most to try again."),
    own("until", Kind::Conditions, TASKS, "run/retry.rs", "Conditions that end the tries."),
    own("listen", Kind::List, HANDLER, "playbook/notified.rs", "Topics under which it is notified too."),
    own("hosts", Kind::Any, PLAY, "run/play.rs", "The hosts: a pattern or a list of them."),
    own("gather_facts", Kind::Bool, PLAY, "run/play.rs", "Whether to gather facts first."),
    own("gather_subset", Kind::List, PLAY, "run/play.rs", "Which facts."),
    own("gather_timeout", Kind::Int, PLAY, "run/play.rs", "Seconds for what may hang while facts are gathered."),
    own("fact_path", Kind::Text, PLAY, "run/play.rs", "The folder of the hosts' own facts."),
    own("strategy", Kind::Text, PLAY, "run/batch.rs", "Whether hosts wait for each other."),
    own("serial", Kind::Any, PLAY, "run/play.rs", "How many hosts make a batch."),
    own("max_fail_percentage", Kind::Percent, PLAY, "run/play.rs", "The share of hosts that may fail."),
    own("order", Kind::Text, PLAY, "run/play.rs", "The order of the hosts."),
    own("force_handlers", Kind::Bool, PLAY, "run/play.rs", "Whether handlers run even where a task failed."),
    own("vars_files", Kind::Any, PLAY, "run/play.rs", "Files of variables."),
    own("vars_prompt", Kind::Any, PLAY, "run/play.rs", "What to ask the user."),
    own("roles", Kind::Items, PLAY, "playbook/load/role.rs", "Roles, before the tasks."),
    own("pre_tasks", Kind::Items, PLAY, "playbook/load/play.rs", "Tasks before the roles."),
    own("tasks", Kind::Items, PLAY, "playbook/load/play.rs", "The tasks."),
    own("post_tasks", Kind::Items, PLAY, "playbook/load/play.rs", "Tasks after all others."),
    own("handlers", Kind::Items, PLAY, "playbook/load/play.rs", "What is done at the end where it was notified."),
    own("user", Kind::Text, PLAY, "playbook/load/level.rs", "An old name of `remote_user`."),
    own("import_playbook", Kind::Text, IMPORT, "playbook/load/playbook.rs", "Another playbook, in this place."),
];

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
