//! A failed task: what was wrong, where it is written, what the command said.

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report, SourceSpan};
use serde_json::Value as Json;
use textwrap::WordSplitter;

use super::{Marks, TaskLine, diagnostic::Clean, fields::Fields, shown::Shown, yamlish};

/// What Ansible says in front of an undefined variable in a module's parameters: programs look for it, people see the place.
pub const IN_OPTION: &str = "The task includes an option with an undefined variable. ";

/// So many lines of the end of an output are shown without `-v`.
const TAIL: usize = 25;

/// The message with the lines of the playbook it is about, and what to do.
pub fn excerpt(task: &TaskLine<Shown>, result: &Fields, marks: &Marks) -> String {
    let message = result.lines("msg").unwrap_or_else(|| "the task failed".to_owned());
    let message = message.strip_prefix(IN_OPTION).unwrap_or(&message);
    let mut diagnostic = MietteDiagnostic::new(message);
    if let Some(help) = &marks.help {
        diagnostic = diagnostic.with_help(help);
    }
    let report = match place(task, marks) {
        Some((name, source, at)) => Report::new(diagnostic.with_label(LabeledSpan::new_with_span(None, at)))
            .with_source_code(NamedSource::new(name, source)),
        None => Report::new(diagnostic),
    };
    let theme = match console::colors_enabled() {
        true => GraphicalTheme::unicode(),
        false => GraphicalTheme::unicode_nocolor(),
    };
    let width = usize::from(console::Term::stdout().size().1).clamp(60, 120);
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(width)
        .with_context_lines(1)
        .with_links(false)
        .with_break_words(false)
        .with_word_splitter(WordSplitter::NoHyphenation);
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = handler.render_report(&mut out, &Clean::of(report.as_ref()));
    let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
    format!("{}\n", lines.join("\n").trim_matches('\n'))
}

/// The text and the place the failure is about: the parameter or template it names, else the task.
fn place(task: &TaskLine<Shown>, marks: &Marks) -> Option<(String, String, SourceSpan)> {
    let own = task.span.as_ref();
    let named = marks.place.as_ref().and_then(|place| {
        let mut parts = place.rsplitn(3, ':');
        let (column, line, name) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
        let text = match own.filter(|span| span.source.name == name) {
            Some(span) => span.source.text.clone(),
            None => std::fs::read_to_string(name).ok()?,
        };
        let at = span_at(&text, line, column)?;
        Some((name.to_owned(), text, at))
    });
    named.or_else(|| own.map(|span| (span.source.name.clone(), span.source.text.clone(), span.clone().into())))
}

fn span_at(text: &str, line: usize, column: usize) -> Option<SourceSpan> {
    let mut start = 0;
    let mut lines = text.split_inclusive('\n');
    for _ in 1..line {
        start += lines.next()?.len();
    }
    let line = lines.next()?.trim_end();
    let before: usize = line.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    Some((start + before, line.len().saturating_sub(before).max(1)).into())
}

/// What a command returned: its line, its status and the ends of both streams.
pub fn details(result: &Fields) -> String {
    let result = result.raw();
    let mut out = String::new();
    for field in ["cmd", "rc"] {
        if let Some(value) = result.get(field).filter(|v| !v.is_null()) {
            let value = match value {
                Json::Array(words) => Json::String(words.iter().map(text).collect::<Vec<_>>().join(" ")),
                other => other.clone(),
            };
            yamlish::entry(&mut out, field, &value, 2);
        }
    }
    for field in ["stdout", "stderr", "module_stderr"] {
        if let Some(told) = result.get(field).and_then(Json::as_str).filter(|t| !t.trim().is_empty()) {
            let lines: Vec<&str> = told.trim_end().split('\n').collect();
            let from = lines.len().saturating_sub(TAIL);
            let mut shown = lines[from..].join("\n");
            if from > 0 {
                shown = format!("… {from} lines before (all with -v)\n{shown}");
            }
            yamlish::entry(&mut out, field, &Json::String(shown), 2);
        }
    }
    out
}

/// A value as a text, as it is.
fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_a_place_by_line_and_column() {
        assert_eq!(span_at("a: 1\nbé: x\n", 2, 5), Some((10, 1).into()));
        assert_eq!(span_at("a: 1\n", 9, 1), None);
    }

    #[test]
    fn outputs_are_cut_to_their_ends() {
        let long: String = (1..=30).map(|n| format!("line {n}\n")).collect();
        let out = details(&Fields::of(json!({"cmd": ["ls", "/x"], "rc": 2, "stdout": long, "stderr": ""})));
        assert!(out.starts_with("  cmd: ls /x\n  rc: 2\n  stdout: |\n    … 5 lines before"), "{out}");
        assert!(out.ends_with("    line 30\n"), "{out}");
    }
}
