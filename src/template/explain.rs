//! From the engine's errors to ours: what is wrong, where in the user's file, what was probably meant.

use std::ops::Range;
use std::sync::Arc;

use minijinja::ErrorKind;

use crate::yaml::{Source, Span};

use super::context::Inner;
use super::engine::{FUEL, Unit};
use super::error::{Kind, TemplateError};
use super::raw::is_template;
use super::unclosed::unclosed;

impl Unit<'_> {
    /// The place of the whole text.
    pub(crate) fn whole(&self) -> Option<Span> {
        Some(self.locate(0..self.text.len()))
    }

    /// The place in the user's file of a range of this text.
    pub(crate) fn locate(&self, range: Range<usize>) -> Span {
        let Some(span) = self.span else {
            let name = "<template>".to_owned();
            let source = Arc::new(Source { name, text: self.text.to_owned() });
            return bounded(&source, range);
        };
        locate(span, self.text, range)
    }

    fn changed_to_original(&self, range: Range<usize>) -> Range<usize> {
        let shift = |at: usize| self.edits.original(at.saturating_add_signed(self.skipped)) + self.header;
        let start = shift(range.start).min(self.text.len());
        let end = shift(range.end).clamp(start, self.text.len());
        start..end
    }
}

/// Finds a range of a YAML text in the file it was read from.
///
/// The text may have been unfolded, unindented or unescaped, so the piece itself is looked for.
fn locate(span: &Span, text: &str, range: Range<usize>) -> Span {
    let whole = || span.clone();
    let Some(written) = span.source.text.get(span.start..span.end) else { return whole() };
    let within = |start: usize, len: usize| bounded(&span.source, span.start + start..span.start + start + len);
    if let Some(at) = written.find(text) {
        return within(at + range.start, range.end.saturating_sub(range.start));
    }
    let range = whole_chars(text, range);
    let piece = text.get(range.clone()).unwrap_or_default();
    let piece = piece.lines().find(|l| !l.trim().is_empty()).map_or("", str::trim);
    if piece.is_empty() {
        return whole();
    }
    let before = text.get(..range.start).map_or(0, |t| t.matches(piece).count());
    written.match_indices(piece).nth(before).map_or_else(whole, |(at, _)| within(at, piece.len()))
}

/// A range moved outwards until it cuts no character.
fn whole_chars(text: &str, range: Range<usize>) -> Range<usize> {
    let end = text.ceil_char_boundary(range.end.min(text.len()));
    text.floor_char_boundary(range.start.min(end))..end
}

/// A span that ends within its source and cuts no character.
fn bounded(source: &Arc<Source>, range: Range<usize>) -> Span {
    let range = whole_chars(&source.text, range);
    Span { source: source.clone(), start: range.start, end: range.end }
}

/// Turns an engine error into ours.
pub(crate) fn explain(error: &minijinja::Error, unit: &Unit<'_>, inner: &Arc<Inner>) -> TemplateError {
    let innermost = innermost(error);
    let place = place(innermost, unit);
    if let Some(ours) = carried(error) {
        // An error of another template keeps its own place; this one is where it was used.
        return match ours.span() {
            None => ours.at(Some(place)),
            Some(_) => ours.through(format!("used at {}", place.place())),
        };
    }
    let detail = innermost.detail().unwrap_or_default();
    let span = Some(place);
    match innermost.kind() {
        ErrorKind::UndefinedError => undefined(innermost, unit, inner, span),
        _ if undefined_expression(detail).is_some() => undefined(innermost, unit, inner, span),
        ErrorKind::UnknownFilter => {
            let name = word(detail, "filter ");
            let help = no_filter(&name);
            unknown(Kind::UnknownFilter(name), span, help)
        }
        ErrorKind::UnknownTest => {
            let name = word(detail, "test ");
            let help = suggestion(&name, super::test::names());
            unknown(Kind::UnknownTest(name), span, help)
        }
        ErrorKind::UnknownFunction => {
            let name = word(detail, "");
            let help = suggestion(&name, super::function::names());
            unknown(Kind::UnknownFunction(name), span, help)
        }
        ErrorKind::SyntaxError => not_closed(innermost, unit, inner)
            .unwrap_or_else(|| unknown(Kind::Syntax(format!("wrong template syntax: {detail}")), span.clone(), meant(detail, span.as_ref()))),
        ErrorKind::WriteFailure => {
            let kind = Kind::TooLarge("what the template puts out".to_owned(), super::bound::MAX_BYTES >> 20);
            TemplateError::new(kind, span)
        }
        ErrorKind::OutOfFuel => TemplateError::new(Kind::Endless(FUEL), span),
        ErrorKind::TemplateNotFound => TemplateError::new(Kind::MissingFile(detail.to_owned()), span)
            .with_help("template files are looked for beside the template and in the `templates` folders of the role and the playbook"),
        // A test or filter that refuses a missing value as one of the wrong kind: what is missing is said all the same.
        _ if of_undefined(innermost) => {
            let missing = undefined(innermost, unit, inner, span.clone());
            let message = format!("{missing}: {detail}");
            let help = miette::Diagnostic::help(&missing).map(|help| help.to_string());
            unknown(Kind::NoResult(message), span, help)
        }
        _ => {
            let message = if detail.is_empty() { innermost.kind().to_string() } else { detail.to_owned() };
            let help = message.contains("operator on unsupported types").then(|| {
                "make them one kind: `NAME | int` for a number, `NAME | string` for a text; `~` joins any two as texts".to_owned()
            });
            unknown(Kind::Failed(message), span, help)
        }
    }
}

/// What was probably meant where the syntax is wrong.
fn meant(detail: &str, span: Option<&Span>) -> Option<String> {
    let from = span.and_then(|span| span.source.text.get(span.start..)).unwrap_or_default();
    match detail {
        "unexpected input after expression" if from.starts_with('=') && !from.starts_with("==") => {
            Some("`==` compares".to_owned())
        }
        "unexpected end of string" => Some("a quote is not closed".to_owned()),
        _ => None,
    }
}

/// What is wrong where the text ends within a block: the engine shows the end, the mistake is where the block begins.
fn not_closed(error: &minijinja::Error, unit: &Unit<'_>, inner: &Arc<Inner>) -> Option<TemplateError> {
    if !error.detail()?.starts_with("unexpected end of input, expected end of block") {
        return None;
    }
    let file = error.name().and_then(|name| unit.files.and_then(|files| files.get(name)));
    let (found, span) = match file {
        Some((source, _)) => {
            let found = unclosed(&source.text, &inner.engine.syntax)?;
            let span = bounded(&source, found.at.clone());
            (found, span)
        }
        None => {
            let found = unclosed(unit.text, &inner.engine.syntax)?;
            let span = unit.locate(found.at.clone());
            (found, span)
        }
    };
    let word = found.word;
    let message = format!("wrong template syntax: unexpected end of input, the block `{word}` is not closed");
    Some(TemplateError::new(Kind::Syntax(message), Some(span)).with_help(format!("end it with `{{% end{word} %}}`")))
}

fn unknown(kind: Kind, span: Option<Span>, help: Option<String>) -> TemplateError {
    let error = TemplateError::new(kind, span);
    match help {
        Some(help) => error.with_help(help),
        None => error,
    }
}

/// The engine wraps errors of included files; the last one with a place is the real one.
fn innermost(error: &minijinja::Error) -> &minijinja::Error {
    let mut found = error;
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if let Some(cause) = cause.downcast_ref::<minijinja::Error>()
            && cause.line().is_some()
        {
            found = cause;
        }
        next = cause.source();
    }
    found
}

fn carried(error: &minijinja::Error) -> Option<TemplateError> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if let Some(ours) = cause.downcast_ref::<TemplateError>() {
            return Some(ours.clone());
        }
        next = cause.source();
    }
    None
}

/// Whether a missing value is what led to it.
fn of_undefined(error: &minijinja::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<minijinja::Error>());
    source.is_some_and(|source| source.kind() == ErrorKind::UndefinedError)
}

fn place(error: &minijinja::Error, unit: &Unit<'_>) -> Span {
    if let Some((source, edits)) = error.name().and_then(|name| unit.files.and_then(|files| files.get(name))) {
        let range = error.range().unwrap_or_else(|| line_range(&source.text, error.line()));
        return bounded(&source, edits.original(range.start)..edits.original(range.end));
    }
    match error.range() {
        Some(range) if !unit.by_line => unit.locate(unit.changed_to_original(range)),
        _ => unit.locate(line_range(unit.text, error.line().map(|line| line + usize::from(unit.header > 0)))),
    }
}

fn line_range(text: &str, line: Option<usize>) -> Range<usize> {
    let Some(line) = line.filter(|_| text.contains('\n')) else { return 0..text.len() };
    let mut at = 0;
    for (number, part) in text.split_inclusive('\n').enumerate() {
        if number + 1 == line {
            return at..at + part.trim_end().len();
        }
        at += part.len();
    }
    0..text.len()
}

/// The engine names what is undefined in backquotes: `a.b` is undefined.
fn undefined_expression(detail: &str) -> Option<&str> {
    let end = detail.rfind("` is undefined")?;
    let start = detail.get(..end)?.rfind('`')? + 1;
    detail.get(start..end)
}

fn undefined(error: &minijinja::Error, unit: &Unit<'_>, inner: &Arc<Inner>, span: Option<Span>) -> TemplateError {
    let named = error.detail().and_then(undefined_expression).map(str::to_owned);
    let shown = span.as_ref().and_then(|s| s.source.text.get(s.start..s.end)).unwrap_or(unit.text).trim().to_owned();
    let path = named.filter(|n| !n.contains("...")).unwrap_or_else(|| first_unknown(unit, inner).unwrap_or(shown));
    let (parent, last) = split_path(&path);
    if let Some(cause) = inner.cause(&last) {
        let used = span.map_or_else(String::new, |s| format!("used at {}", s.place()));
        return cause.through(used);
    }
    let Some(parent) = parent else {
        let mut names = inner.vars.names();
        names.extend(super::function::names().iter().map(|n| (*n).to_owned()));
        let help = suggestion(&path, &names);
        return unknown(Kind::Undefined { name: path }, span, help);
    };
    let keys = keys_of(&parent, inner);
    let help = suggestion(&last, &keys)
        .or_else(|| (!keys.is_empty() && keys.len() <= 12).then(|| format!("`{parent}` has {}", keys.join(", "))));
    unknown(Kind::NoAttribute { parent, name: last }, span, help)
}

/// The first name of a text that has no value, for errors that cannot tell.
fn first_unknown(unit: &Unit<'_>, inner: &Arc<Inner>) -> Option<String> {
    let names = if is_template(unit.text) {
        inner.engine.references(unit.text)
    } else {
        inner.engine.expression_references(unit.text)
    };
    names.names.into_iter().find(|name| inner.lookup(name).is_none())
}

/// Splits `a.b['c']` into `a.b` and `c`.
fn split_path(path: &str) -> (Option<String>, String) {
    if let Some(open) = path.ends_with(']').then(|| path.rfind('[')).flatten().filter(|open| *open > 0) {
        let key = path.get(open + 1..path.len() - 1).unwrap_or_default().trim_matches(['\'', '"']);
        return (path.get(..open).map(str::to_owned), key.to_owned());
    }
    match path.rsplit_once('.') {
        Some((parent, last)) if !parent.is_empty() && last.chars().all(|c| c.is_alphanumeric() || c == '_') => {
            (Some(parent.to_owned()), last.to_owned())
        }
        _ => (None, path.to_owned()),
    }
}

fn keys_of(parent: &str, inner: &Arc<Inner>) -> Vec<String> {
    let root = minijinja::Value::from_object(super::context::Root(inner.clone()));
    let value = inner.engine.env.compile_expression(parent).and_then(|e| e.eval(root));
    let Some(value) = value.ok().filter(|v| v.kind() == minijinja::value::ValueKind::Map) else { return Vec::new() };
    value.try_iter().map(|keys| keys.map(|k| k.to_string()).collect()).unwrap_or_default()
}

fn word(detail: &str, before: &str) -> String {
    let rest = detail.strip_prefix(before).unwrap_or(detail);
    rest.strip_suffix(" is unknown").unwrap_or(rest).to_owned()
}

/// `did you mean …` for the name closest to a wrong one.
pub(crate) fn suggestion<S: AsRef<str>>(wrong: &str, names: &[S]) -> Option<String> {
    crate::suggest::alike(wrong, names.iter().map(AsRef::as_ref)).map(|name| format!("did you mean `{name}`?"))
}

/// What to write for a filter that there is not: Ansible's tests could once be written as filters (its porting guide to 2.9).
pub(crate) fn no_filter(name: &str) -> Option<String> {
    match name {
        "version_compare" => Some("it is a test: write `a is version('1.2', '>=')`".to_owned()),
        "change" | "changed" | "failed" | "failure" | "skip" | "skipped" | "success" | "succeeded" | "search"
        | "match" => Some(format!("it is a test: write `a is {name}`")),
        _ => suggestion(name, super::filter::names()),
    }
}
