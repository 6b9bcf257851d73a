//! Errors as people see them: what they quote of files and hosts is shown, never obeyed.

use std::{borrow::Cow, error::Error, fmt};

use miette::{
    Diagnostic, GraphicalTheme, LabeledSpan, MietteHandler, MietteHandlerOpts, NamedSource, ReportHandler, Severity,
    SourceCode, SourceSpan,
};
use textwrap::WordSplitter;

use super::{shown, terminal};
use crate::vault;

/// Lines around a place that are quoted at most.
const AROUND: usize = 3;

/// Columns that no message fills.
const UNCUT: usize = 10_000;

/// Prints all errors of this program: words are wrapped whole (a path or a name of two parts can be copied from the
/// terminal), and nothing hostile in them gets through.
///
/// Where Ansible's own commands are stood in for, an error begins with their word for it, and is not cut into lines for scripts that look
/// for a part of it.
pub fn install(as_ansible: bool) {
    // Only a second hook is refused, and it would be this one.
    let _ = miette::set_hook(Box::new(move |_| {
        let mut options = MietteHandlerOpts::new().break_words(false).word_splitter(WordSplitter::NoHyphenation);
        if as_ansible {
            options = options.graphical_theme(ansibles_theme());
            if !terminal::told_to_a_person() {
                options = options.width(UNCUT);
            }
        }
        Box::new(Handler(options.build()))
    }));
}

fn ansibles_theme() -> GraphicalTheme {
    let mut theme = match console::colors_enabled_stderr() {
        true => GraphicalTheme::unicode(),
        false => GraphicalTheme::unicode_nocolor(),
    };
    theme.characters.error = "ERROR!".to_owned();
    theme.characters.warning = "[WARNING]:".to_owned();
    theme
}

struct Handler(MietteHandler);

impl ReportHandler for Handler {
    fn debug(&self, error: &dyn Diagnostic, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug(&Clean::of(error), f)
    }
}

/// A copy of a diagnostic with nothing in it but what can be shown.
#[derive(Debug)]
pub(super) struct Clean {
    message: String,
    code: Option<String>,
    severity: Option<Severity>,
    help: Option<String>,
    url: Option<String>,
    source: Option<NamedSource<String>>,
    labels: Option<Vec<LabeledSpan>>,
    related: Vec<Clean>,
    cause: Option<Box<Clean>>,
}

impl Clean {
    pub(super) fn of(error: &dyn Diagnostic) -> Clean {
        let text = |text: String| shown::block(&vault::mask(&text)).into_owned();
        let labels: Option<Vec<LabeledSpan>> = error.labels().map(Iterator::collect);
        let quoted = error.source_code().zip(labels.as_deref()).and_then(|(source, labels)| quote(source, labels));
        let (source, labels) = quoted.map_or((None, None), |(source, labels)| (Some(source), Some(labels)));
        let cause = match (error.diagnostic_source(), error.source()) {
            (Some(cause), _) => Some(Box::new(Clean::of(cause))),
            (None, Some(cause)) => Some(Box::new(Clean::of_error(cause))),
            (None, None) => None,
        };
        Clean {
            message: text(error.to_string()),
            code: error.code().map(|code| text(code.to_string())),
            severity: error.severity(),
            help: error.help().map(|help| text(help.to_string())),
            url: error.url().map(|url| text(url.to_string())),
            source,
            labels,
            related: error.related().into_iter().flatten().map(Clean::of).collect(),
            cause,
        }
    }

    fn of_error(error: &dyn Error) -> Clean {
        Clean {
            message: shown::block(&vault::mask(&error.to_string())).into_owned(),
            cause: error.source().map(|cause| Box::new(Clean::of_error(cause))),
            code: None,
            severity: None,
            help: None,
            url: None,
            source: None,
            labels: None,
            related: Vec::new(),
        }
    }
}

impl fmt::Display for Clean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Clean {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &dyn Error)
    }
}

impl Diagnostic for Clean {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.as_ref().map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<Severity> {
        self.severity
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn url<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.url.as_ref().map(|url| Box::new(url) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.labels.as_ref().map(|labels| Box::new(labels.iter().cloned()) as Box<dyn Iterator<Item = LabeledSpan>>)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let related = self.related.iter().map(|one| one as &dyn Diagnostic);
        (!self.related.is_empty()).then(|| Box::new(related) as Box<dyn Iterator<Item = &'a dyn Diagnostic>>)
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        self.cause.as_deref().map(|cause| cause as &dyn Diagnostic)
    }
}

/// The lines around the labels, with the labels where their text now stands. Line numbers stay: what stands before is replaced by empty
/// lines. Nothing where a label lies beyond the text.
fn quote(source: &dyn SourceCode, labels: &[LabeledSpan]) -> Option<(NamedSource<String>, Vec<LabeledSpan>)> {
    let start = labels.iter().map(LabeledSpan::offset).min()?;
    let end = labels.iter().map(|label| label.offset() + label.len()).max()?;
    let span = SourceSpan::from((start, end - start));
    let contents = source.read_span(&span, AROUND, AROUND).ok()?;
    let read = String::from_utf8_lossy(contents.data());
    // Of a file that was encrypted nothing is quoted, but its lines and columns stay.
    let read = match vault::is_hidden_source(contents.name().unwrap_or_default()) {
        true => Cow::Owned(read.chars().flat_map(starred).collect()),
        false => read,
    };
    let (from, skipped) = (contents.span().offset(), contents.line());
    let head = "\n".repeat(skipped);
    // Where a byte of the text has come to.
    let moved = |at: usize| {
        let at = at.saturating_sub(from);
        let before = read.get(..at).unwrap_or(&read);
        head.len() + shown::block(before).len()
    };
    let labels = labels.iter().map(|label| {
        let (start, end) = (moved(label.offset()), moved(label.offset() + label.len()));
        let text = label.label().map(|text| shown::block(&vault::mask(text)).into_owned());
        match label.primary() {
            true => LabeledSpan::new_primary_with_span(text, (start, end - start)),
            false => LabeledSpan::new_with_span(text, (start, end - start)),
        }
    });
    let labels = labels.collect();
    let name = shown::line(contents.name().unwrap_or_default()).into_owned();
    Some((NamedSource::new(name, format!("{head}{}", shown::block(&read))), labels))
}

/// Stars for a character, as many as it has bytes: places are counted in bytes.
fn starred(c: char) -> impl Iterator<Item = char> {
    let blank = c.is_ascii_whitespace();
    std::iter::repeat_n(if blank { c } else { '*' }, c.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_shown_and_its_place_kept() {
        let text = "a: 1\nb: \"\u{9b}2J\u{202e}\" # é\r\nc: [wrong\x1b[31m]\n";
        let at = text.find("wrong").unwrap();
        let diagnostic = miette::MietteDiagnostic::new("it says \x1b]0;x\x07\nPLAY RECAP")
            .with_help("do \u{2066}this")
            .with_label(LabeledSpan::at((at, 5), "her\re"));
        let report = miette::Report::new(diagnostic).with_source_code(NamedSource::new("f\x1bile", text.to_owned()));
        let clean = Clean::of(report.as_ref());
        let mut out = String::new();
        let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor());
        handler.render_report(&mut out, &clean).unwrap();
        assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{out:?}");
        assert!(!out.contains(['\u{202e}', '\u{2066}']), "{out:?}");
        assert!(out.contains("f\\x1bile:3:5"), "{out}");
        assert!(out.contains(" 3 │ c: [wrong\\x1b[31m]"), "{out}");
        assert!(!out.lines().any(|l| l.starts_with("PLAY")), "{out}");
    }
}
