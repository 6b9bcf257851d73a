//! The syntax of templates and conditions.

use super::reader::Reader;
use super::values::{has_template, is_whole_template};
use crate::playbook::Diagnostic;
use crate::yaml::{Node, Span, Value};

impl Reader<'_> {
    /// Checks the templates in a value and in all it holds.
    pub(super) fn templates(&mut self, node: &Node) {
        match &node.value {
            Value::String { text, unsafe_text: false } if has_template(text) => {
                let environment = minijinja::Environment::new();
                if let Err(error) = environment.template_from_str(text) {
                    self.template_error("template", node, text, &error, 0);
                }
            }
            Value::Seq(items) => items.iter().for_each(|i| self.templates(i)),
            Value::Map(entries) => entries.iter().for_each(|(k, v)| {
                self.templates(k);
                self.templates(v);
            }),
            _ => {}
        }
    }

    /// Checks one condition: an expression without braces.
    pub(super) fn condition(&mut self, keyword: &str, node: &Node) {
        let Value::String { text, unsafe_text: false } = &node.value else { return };
        if text.trim().is_empty() {
            return;
        }
        let mut expression = text.trim();
        if is_whole_template(text) {
            expression = expression.trim_start_matches("{{").trim_end_matches("}}").trim();
            let problem = Diagnostic::warning(&node.span, format!("`{keyword}` is a template already"));
            self.report(problem.label("braces that are not needed").help(format!("write `{keyword}: {expression}`")));
        } else if has_template(text) {
            let problem =
                Diagnostic::error(&node.span, format!("`{keyword}` holds a template inside of an expression"));
            let help = without_braces(text);
            self.report(
                problem.label("`{{` cannot stand here").help(format!("write the variable's name alone: `{help}`")),
            );
            return;
        }
        let offset = text.find(expression).unwrap_or(0);
        let environment = minijinja::Environment::new();
        if let Err(error) = environment.compile_expression(expression) {
            self.template_error("condition", node, text, &error, offset);
        }
    }

    fn template_error(&mut self, what: &str, node: &Node, text: &str, error: &minijinja::Error, offset: usize) {
        let detail = error.detail().unwrap_or("it cannot be read");
        let span = error
            .range()
            .map_or_else(|| node.span.clone(), |r| place(&node.span, text, r.start + offset, r.end + offset));
        self.report(Diagnostic::error(&span, format!("a {what} that is wrong: {detail}")).label("here"));
    }
}

/// The expression that was meant: braces taken away, and quotes that stand around them.
fn without_braces(text: &str) -> String {
    let mut text = text.to_owned();
    for quote in ['"', '\''] {
        text = text.replace(&format!("{quote}{{{{"), "{{").replace(&format!("}}}}{quote}"), "}}");
    }
    let words: Vec<&str> = text.split("{{").flat_map(|t| t.split("}}")).map(str::trim).collect();
    let joined = words.join(" ");
    joined.replace("[ ", "[").replace(" ]", "]").replace("( ", "(").replace(" )", ")").trim().to_owned()
}

/// The place of a part of a text in the file; the whole scalar where it is written otherwise there.
fn place(span: &Span, text: &str, start: usize, end: usize) -> Span {
    let written = span.text();
    if let Some(at) = written.find(text) {
        return span.part(at + start, at + end.max(start + 1));
    }
    // A block scalar: the same lines, indented.
    let before = text.get(..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(line_start..).and_then(|t| t.lines().next()).unwrap_or_default();
    let mut offset = 0;
    for (number, candidate) in written.split_inclusive('\n').enumerate() {
        if number == before.matches('\n').count() {
            let Some(at) = candidate.find(line).filter(|_| !line.is_empty()) else { break };
            let column = offset + at + (start - line_start);
            return span.part(column, column + (end.max(start + 1) - start).min(line.len().max(1)));
        }
        offset += candidate.len();
    }
    span.clone()
}
