//! The arguments of an action in all the forms they can have.

use super::action::Found;
use super::reader::Reader;
use super::values::is_template;
use crate::playbook::{Args, Diagnostic};
use crate::yaml::{Node, Value, parse_kv, parse_kv_free_form};

/// Under this name [`parse_kv`] gives the text that is no `key=value`.
const RAW: &str = "_raw_params";

/// The arguments of an action.
#[derive(Default)]
pub(super) struct Arguments {
    pub args: Args,
    pub free_form: Option<Node>,
    pub template: Option<Node>,
}

impl Reader<'_> {
    /// Reads the arguments of an action: those under `args`, then those behind its name, which win.
    pub(super) fn arguments(&mut self, found: &Found, takes_text: bool) -> Option<Arguments> {
        let mut arguments = Arguments::default();
        if let Some(more) = &found.more {
            match &more.value {
                Value::Map(entries) => self.merge(&mut arguments.args, entries),
                _ if is_template(more) => arguments.template = Some(more.clone()),
                // `keywords` has reported the wrong type.
                _ => return None,
            }
        }
        match &found.value.value {
            Value::Null => {}
            Value::Map(entries) => self.merge(&mut arguments.args, entries),
            Value::String { .. } => self.text(&mut arguments, found, takes_text)?,
            Value::Vault(_) if takes_text => arguments.free_form = Some(found.value.clone()),
            Value::Int(_) | Value::Float(_) | Value::Bool(_) if takes_text => {
                arguments.free_form = Some(Node::text(found.value.key_text(), found.value.span.clone()));
            }
            _ => {
                let message = format!("the arguments of `{}` are {}", found.written, found.value.describe());
                self.report(
                    Diagnostic::error(&super::reader::head(&found.value.span), message)
                        .label("expected a mapping")
                        .help(format!("write `{}:` and below it, further indented, `NAME: VALUE`", found.written)),
                );
                return None;
            }
        }
        // `_raw_params` and `free_form` may also be written as arguments.
        let raw = arguments.args.iter().position(|(k, _)| matches!(k.as_str(), Some("_raw_params" | "free_form")));
        if let Some(at) = raw.filter(|_| takes_text) {
            arguments.free_form = Some(arguments.args.remove(at).1);
        }
        Some(arguments)
    }

    fn text(&mut self, arguments: &mut Arguments, found: &Found, takes_text: bool) -> Option<()> {
        // Of `name=value` in a command line only few are arguments.
        let is_command = self.loader.modules.about(&found.name).command_line;
        let parsed = if is_command { parse_kv_free_form(&found.value) } else { parse_kv(&found.value) };
        let mut pairs = match parsed {
            Ok(pairs) => pairs,
            Err(problem) => {
                self.report(problem.into());
                return None;
            }
        };
        let raw = pairs.iter().position(|(k, _)| k.as_str() == Some(RAW)).map(|at| pairs.remove(at).1);
        self.merge(&mut arguments.args, &pairs);
        let Some(raw) = raw else { return Some(()) };
        let text = raw.as_str().unwrap_or_default();
        if takes_text {
            arguments.free_form = Some(raw);
        } else if is_template(&raw) {
            // What it comes to is known when the task is run.
            arguments.template = Some(raw);
        } else {
            let message = format!("`{}` takes `name=value` arguments, not {}", found.written, raw.describe());
            let problem = Diagnostic::error(&found.value.span, message).label("no `name=value`");
            let word = text.split_whitespace().next().unwrap_or_default().trim_end_matches(':');
            let help = format!("write `{}:` and below it `{word}: VALUE`, further indented", found.written);
            self.report_running([problem.help(help)]);
            if !self.ready {
                return None;
            }
            // The module refuses it where the task runs.
            arguments.args.push((Node::text(RAW, raw.span.clone()), raw));
        }
        Some(())
    }

    fn merge(&mut self, args: &mut Args, entries: &[(Node, Node)]) {
        for (key, value) in entries {
            let name = key.key_text();
            args.retain(|(known, _)| known.key_text() != name);
            args.push((key.clone(), value.clone()));
        }
    }
}
