//! The keywords that plays, roles, blocks and tasks share.

use std::sync::Arc;

use super::Reader;
use super::values::{check, is_template, truth};
use crate::connection::{BecomeMethod, registry};
use crate::playbook::keyword::{Kind, Level, join};
use crate::playbook::keywords::{find, hint};
use crate::playbook::{Diagnostic, Keywords, VarMap};
use crate::suggest::near;
use crate::yaml::{Node, Span, Value};

impl Reader<'_> {
    /// Reads the keywords of a level and checks them. Keys that are no keywords are left to the caller.
    pub(super) fn keywords(&mut self, level: Level, entries: &[(Node, Node)]) -> Keywords {
        let mut keywords = Keywords::default();
        for (key, value) in entries {
            let Some(name) = key.as_str() else {
                let problem = Diagnostic::error(&key.span, format!("a key of {} must be a text", level.noun()));
                self.report(problem.label(format!("this is {}", key.value.kind())));
                continue;
            };
            let Some(keyword) = find(name, level) else { continue };
            if let Err(problem) = check(name, value, keyword.kind) {
                // What is neither true nor false is found out again where the task runs.
                if keyword.kind != Kind::Bool || keyword.field.is_none() || !self.ready {
                    self.report(problem);
                    continue;
                }
                self.report_running([problem]);
            }
            match name {
                "when" => keywords.when = self.conditions(name, value),
                "tags" => keywords.tags = tags(value),
                "vars" => keywords.vars = Some(self.vars(value)),
                _ => {
                    // The old name of `remote_user` is kept where that is.
                    let kept = if name == "user" { find("remote_user", level) } else { Some(keyword) };
                    if let Some(field) = kept.and_then(|keyword| keyword.field) {
                        self.templates(value);
                        self.known_value(name, value);
                        match name {
                            "collections" => self.known_collections(value),
                            "module_defaults" => self.known_groups(value),
                            _ => {}
                        }
                        *field(&mut keywords) = Some(value.clone());
                    }
                }
            }
        }
        keywords
    }

    /// Reports each key that is no keyword of the level.
    pub(super) fn unknown_keys(&mut self, level: Level, entries: &[(Node, Node)]) {
        for (key, _) in entries {
            let Some(name) = key.as_str() else { continue };
            if find(name, level).is_none() {
                self.report(unknown(key, name, level));
            }
        }
    }

    /// Refuses by name what this program does not do.
    fn known_value(&mut self, name: &str, value: &Node) {
        let Some(text) = value.as_str().filter(|_| !is_template(value)) else { return };
        let problem = match name {
            "connection" if registry::find(text).is_none() => {
                Diagnostic::error(&value.span, format!("the connection `{text}` is not supported"))
                    .help(registry::hint())
            }
            "become_method" if BecomeMethod::named(text).is_none() => {
                let names: Vec<_> = BecomeMethod::ALL.iter().map(|(method, _)| method.program()).collect();
                Diagnostic::error(&value.span, format!("the become method `{text}` is not supported"))
                    .help(format!("write {}; become plugins of Python do not run here", join(&names)))
            }
            "debugger" if !["never", "always", "on_failed", "on_unreachable", "on_skipped"].contains(&text) => {
                Diagnostic::error(&value.span, format!("`debugger` does not know `{text}`"))
                    .help("it takes always, never, on_failed, on_unreachable or on_skipped")
            }
            _ => return,
        };
        self.report(problem.unsupported());
    }

    /// Modules are found by their short names whatever collections are given, so all there is to say is which have none here.
    fn known_collections(&mut self, value: &Node) {
        for node in value.as_seq().unwrap_or_else(|| std::slice::from_ref(value)) {
            let name = node.as_str().filter(|name| !is_template(node) && !self.loader.modules.has_collection(name));
            if let Some(name) = name {
                let message = format!("no module here is of the collection `{name}`");
                let problem = Diagnostic::warning(&node.span, message);
                self.report(problem.help("`bringup doc` lists the modules there are").unsupported());
            }
        }
    }

    /// Says of which groups of modules nothing is known: what is given for them has no effect.
    fn known_groups(&mut self, value: &Node) {
        for (key, _) in value.as_map().unwrap_or_default() {
            let group = key.as_str().and_then(|key| key.strip_prefix("group/"));
            let Some(group) = group.filter(|group| !self.loader.knows_group(group, &self.play.directory)) else {
                continue;
            };
            let message = format!("could not resolve the module_defaults group {group}");
            let help = "a collection says in `meta/runtime.yml` what groups it has: is it among the collections?";
            self.report(Diagnostic::warning(&key.span, message).label("without effect").help(help));
        }
    }

    /// Reads one condition or a list of them, and checks their syntax.
    pub(super) fn conditions(&mut self, name: &str, value: &Node) -> Vec<Node> {
        let list: Vec<Node> = match &value.value {
            Value::Seq(items) => items.clone(),
            Value::Null => Vec::new(),
            _ => vec![value.clone()],
        };
        for condition in &list {
            self.condition(name, condition);
        }
        list
    }

    /// Reads variables; names that Jinja cannot use are refused.
    pub(super) fn vars(&mut self, value: &Node) -> VarMap {
        let mut vars = VarMap::new();
        for (key, value) in value.as_map().unwrap_or_default() {
            let name = key.key_text();
            self.variable_name("vars", &name, &key.span);
            self.templates(value);
            vars.insert(name, Arc::new(value.clone()));
        }
        vars
    }

    /// Checks the name of a variable that a keyword gives.
    pub(super) fn variable_name(&mut self, of: &str, name: &str, span: &Span) -> bool {
        if is_variable_name(name) {
            return true;
        }
        let fixed: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        let fixed = if fixed.starts_with(|c: char| c.is_ascii_digit()) { format!("_{fixed}") } else { fixed };
        let reserved = is_variable_name(&fixed) && fixed == name;
        let mut problem = Diagnostic::error(span, format!("Invalid variable name in `{of}`: `{name}`"))
            .label("letters, digits and `_`, no digit first");
        if !reserved && is_variable_name(&fixed) {
            problem = problem.help(format!("for example `{fixed}`"));
        }
        self.report(problem);
        false
    }

    /// Checks a mapping's keys against a list of those allowed.
    pub(super) fn allowed_keys(&mut self, what: &str, node: &Node, allowed: &[&str]) -> bool {
        let Some(entries) = node.as_map() else {
            self.report(node.unexpected("a mapping").into());
            return false;
        };
        let mut fine = true;
        for (key, _) in entries {
            let name = key.key_text();
            if !allowed.contains(&name.as_str()) {
                let help = near(&name, allowed.iter().copied()).map(|n| format!("did you mean `{n}`?"));
                let all =
                    format!("it takes {}", allowed.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>().join(", "));
                self.report(
                    Diagnostic::error(&key.span, format!("{what} has no `{name}`"))
                        .label("unknown")
                        .help(help.unwrap_or(all)),
                );
                fine = false;
            }
        }
        fine
    }

    /// Reads a truth value that cannot be a template.
    pub(super) fn flag(&mut self, name: &str, node: &Node) -> Option<bool> {
        let flag = truth(node);
        if flag.is_none() {
            let message = format!("`{name}` takes `true` or `false`, not {}", node.describe());
            self.report(Diagnostic::error(&node.span, message).label("expected `true` or `false`"));
        }
        flag
    }
}

/// The error for a key that is no keyword.
pub(super) fn unknown(key: &Node, name: &str, level: Level) -> Diagnostic {
    Diagnostic::error(&key.span, format!("`{name}` is not a keyword of {}", level.noun()))
        .label("unknown here")
        .maybe_help(hint(name, level))
}

/// Takes tags apart: one node for each.
pub(super) fn tags(value: &Node) -> Vec<Node> {
    match &value.value {
        Value::Seq(items) => items.iter().flat_map(tags).collect(),
        Value::Null => Vec::new(),
        Value::String { text, .. } if text.contains(',') && !is_template(value) => text
            .split(',')
            .map(str::trim)
            .filter(|t| !t.is_empty())
            .map(|t| Node::text(t, value.span.clone()))
            .collect(),
        _ => vec![value.clone()],
    }
}

/// Whether a name can stand in a template.
pub(crate) fn is_variable_name(name: &str) -> bool {
    let mut characters = name.chars();
    let starts = characters.next().is_some_and(|c| c == '_' || c.is_alphabetic());
    starts && characters.all(|c| c == '_' || c.is_alphanumeric())
}
