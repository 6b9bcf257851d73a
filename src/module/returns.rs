//! What a module returns, field by field, as Ansible's `RETURN` blocks have it: its page shows them, and the cases hold real results against them.

use serde_json::Value as Json;

/// All that a module returns: sets of fields, its own and those that it shares with others.
pub type Returns = &'static [&'static [Return]];

/// One field of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Return {
    /// Its name, behind those of the fields it stands in: `stat.exists`, `files[].path`. `{database}` stands for any name.
    pub name: &'static str,
    /// What kind of value it is.
    pub kind: Kind,
    /// When it is there.
    pub when: &'static str,
    /// What it says.
    pub description: &'static str,
    /// Why no case of the module shows it, where that is so.
    pub untried: Option<&'static str>,
}

/// What kind of value a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any.
    Any,
    /// A truth value.
    Flag,
    /// A list.
    List,
    /// A mapping.
    Map,
    /// A number, whole or not.
    Number,
    /// A text.
    Text,
    /// A whole number.
    Whole,
}

impl Return {
    const fn new(name: &'static str, kind: Kind, when: &'static str, description: &'static str) -> Return {
        Return { name, kind, when, description, untried: None }
    }

    /// A field of any kind.
    pub const fn any(name: &'static str, when: &'static str, description: &'static str) -> Return {
        Return::new(name, Kind::Any, when, description)
    }

    /// A truth value.
    pub const fn flag(name: &'static str, when: &'static str, description: &'static str) -> Return {
        Return::new(name, Kind::Flag, when, description)
    }

    /// A list.
    pub const fn list(name: &'static str, when: &'static str, description: &'static str) -> Return {
        Return::new(name, Kind::List, when, description)
    }

    /// A mapping.
    pub const fn map(name: &'static str, when: &'static str, description: &'static str) -> Return {
        Return::new(name, Kind::Map, when, description)
    }

    /// A number, whole or not.
    pub const fn number(name: &'static str, when: &'static str, description: &'static str) -> Return {
        Return::new(name, Kind::Number, when, description)
    }

    /// A text.
    pub const fn text(name: &'static str, when: &'static str, description: &'static str) -> Return {
        Return::new(name, Kind::Text, when, description)
    }

    /// A whole number.
    pub const fn whole(name: &'static str, when: &'static str, description: &'static str) -> Return {
        Return::new(name, Kind::Whole, when, description)
    }

    /// The same field, which no case shows, and why.
    #[must_use]
    pub const fn untried(self, why: &'static str) -> Return {
        Return { untried: Some(why), ..self }
    }

    /// Whether a field of a result is this one, given its name behind those of the fields it stands in.
    pub fn is(&self, path: &[String]) -> bool {
        let own: Vec<&str> = self.name.split('.').collect();
        own.len() == path.len() && own.iter().zip(path).all(|(own, given)| fits(own, given))
    }

    /// Whether this one stands in that field.
    pub fn is_within(&self, path: &[String]) -> bool {
        let own: Vec<&str> = self.name.split('.').collect();
        own.len() > path.len() && own.iter().zip(path).all(|(own, given)| fits(own, given))
    }
}

/// Whether a part of a documented name stands for a part of a real one.
fn fits(own: &str, given: &str) -> bool {
    match own.split_once('{').and_then(|(front, rest)| Some((front, rest.split_once('}')?.1))) {
        None => own == given,
        Some((front, behind)) => {
            given.len() > front.len() + behind.len() && given.starts_with(front) && given.ends_with(behind)
        }
    }
}

impl Kind {
    /// How a page calls it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Any => "any value",
            Kind::Flag => "yes or no",
            Kind::List => "list",
            Kind::Map => "mapping",
            Kind::Number => "number",
            Kind::Text => "text",
            Kind::Whole => "whole number",
        }
    }

    /// Whether a value is of this kind, or not known.
    pub fn holds(self, value: &Json) -> bool {
        match self {
            Kind::Any => true,
            _ if value.is_null() => true,
            Kind::Flag => value.is_boolean(),
            Kind::List => value.is_array(),
            Kind::Map => value.is_object(),
            Kind::Number => value.is_number(),
            Kind::Text => value.is_string(),
            Kind::Whole => value.is_i64() || value.is_u64(),
        }
    }
}

/// What the result of any task may have, whatever its module is.
pub const COMMON: &[Return] = &[
    Return::flag("changed", "always", "Whether the task changed something, or would in check mode"),
    Return::flag("failed", "always", "Whether the task failed"),
    Return::any("msg", "when there is something to say", "What happened, in words for people"),
    Return::flag("skipped", "when the task did nothing", "Whether it was skipped"),
    Return::text("skip_reason", "when it was skipped", "Why"),
    Return::any("false_condition", "when a condition did not hold", "The condition"),
    Return::list("results", "with a loop", "The results of the items"),
    Return::whole("attempts", "with `retries`", "How often it was tried"),
    Return::flag("unreachable", "when the host was not reached", "`true`"),
    Return::list("warnings", "when there are any", "What the user was warned of"),
    Return::any(
        "diff",
        "with `diff: true`, or where it says so",
        "What differs: `before` and `after`, and their headers",
    ),
    Return::map("ansible_facts", "when it sets facts or variables", "Their names and values"),
    Return::whole("rc", "when a command of the module failed", "Its exit status"),
    Return::text("stdout", "when a command of the module failed", "What it printed"),
    Return::text("stderr", "when a command of the module failed", "What it printed as errors"),
];

/// Who owns a path and who may use it: every module that writes a file returns these.
pub const FILE: &[Return] = &[
    Return::text("owner", "when the path is there", "The owner's name"),
    Return::text("group", "when the path is there", "The group's name"),
    Return::whole("uid", "when the path is there", "The owner's number"),
    Return::whole("gid", "when the path is there", "The group's number"),
    Return::text("mode", "when the path is there", "The permissions as octal digits"),
    Return::text("state", "always", "What is there: `file`, `directory`, `link`, `hard` or `absent`"),
    Return::whole("size", "when the path is there", "The length in bytes"),
];

/// What a command printed and how it ended.
pub const COMMAND: &[Return] = &[
    Return::any("cmd", "always", "The command: a list of words, or the text for a shell"),
    Return::whole("rc", "always", "The exit status"),
    Return::text("stdout", "always", "What it printed"),
    Return::text("stderr", "always", "What it printed as errors"),
    Return::list("stdout_lines", "always", "The same by lines"),
    Return::list("stderr_lines", "always", "The same by lines"),
    Return::text("start", "when it ran", "When it began"),
    Return::text("end", "when it ran", "When it ended"),
    Return::text("delta", "when it ran", "How long it took: `0:00:01.002345`"),
];

/// The copy of a file as it was before.
pub const BACKUP: &[Return] =
    &[Return::text("backup_file", "with `backup`, when the file changed", "Where the file as it was is kept")];

/// The file of a module that writes a whole file of its own.
pub const WRITTEN: &[Return] = &[
    Return::text("filename", "always", "The file"),
    Return::text("backup_file", "with `backup`, when the file changed", "Where the file as it was is kept"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_braces_stands_for_any() {
        let path = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let field = Return::map("ansible_facts.getent_{database}", "always", "");
        assert!(field.is(&path(&["ansible_facts", "getent_a.b"])) && field.is_within(&path(&["ansible_facts"])));
        for other in [&["ansible_facts"][..], &["ansible_facts", "getent_"], &["ansible_facts", "getent_a", "b"]] {
            assert!(!field.is(&path(other)), "{other:?}");
        }
        assert!(Return::text("files[].path", "always", "").is(&path(&["files[]", "path"])));
    }

    #[test]
    fn what_is_not_known_is_of_every_kind() {
        assert!(Kind::Text.holds(&Json::Null) && Kind::Whole.holds(&1.into()) && Kind::Number.holds(&1.5.into()));
        assert!(!Kind::Whole.holds(&1.5.into()) && !Kind::Text.holds(&1.into()) && !Kind::Map.holds(&Json::Bool(true)));
    }
}
