//! Notifications that nobody hears.

use super::reader::Reader;
use super::values::{has_template, is_template};
use crate::playbook::notified::{handler_tasks, of_roles};
use crate::playbook::{Diagnostic, Item, Task};
use crate::python::fnmatch::{escape, fnmatch};
use crate::suggest::near;
use crate::yaml::Node;

impl Reader<'_> {
    /// Reports each notified name that no handler of the play has.
    pub(super) fn notified(&mut self, names: &[Node], handlers: &[Item], later: &[Item], open: bool) {
        let tasks: Vec<_> = handler_tasks(handlers).into_iter().chain(handler_tasks(later)).collect();
        let known: Vec<String> = tasks.iter().flat_map(|t| heard(t)).collect();
        let (templates, known): (Vec<String>, Vec<String>) = known.into_iter().partition(|k| has_template(k));
        for name in names.iter().filter(|n| !is_template(n)) {
            let text = name.key_text();
            if open || known.contains(&text) || templates.iter().any(|t| may_be(t, &text)) {
                continue;
            }
            let near = near(&text, known.iter().map(String::as_str)).map(|n| format!("did you mean `{n}`?"));
            let other_case =
                known.iter().find(|k| k.eq_ignore_ascii_case(&text)).map(|k| format!("did you mean `{k}`?"));
            let message = format!(
                "The requested handler '{text}' was not found in either the main handlers list nor in the listening handlers list"
            );
            let problem = Diagnostic::error(&name.span, message);
            let help =
                other_case.or(near).unwrap_or_else(|| "add it under `handlers:` of the play or of a role".to_owned());
            let problem = if self.loader.options.unheard { problem.lesser() } else { problem };
            self.report(problem.label("notifies nobody").help(help));
        }
    }
}

/// All names a handler hears.
fn heard(handler: &Task) -> Vec<String> {
    let names = handler.name.iter().chain(&handler.listen).map(Node::key_text);
    names.flat_map(|name| std::iter::once(name.clone()).chain(of_roles(handler, &name))).collect()
}

/// Whether a name with templates may turn into the text.
fn may_be(name: &str, text: &str) -> bool {
    let mut pattern = String::new();
    let mut rest = name;
    while let Some(at) = rest.find("{{") {
        pattern.push_str(&escape(&rest[..at]));
        pattern.push('*');
        rest = rest[at..].find("}}").map_or("", |end| &rest[at + end + 2..]);
    }
    pattern.push_str(&escape(rest));
    fnmatch(&pattern, text)
}
