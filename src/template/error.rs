//! What can go wrong in a template, with the place where it did.

use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use crate::yaml::{Source, Span};

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Kind {
    /// A name without a value was used.
    #[error("`{name}` is undefined")]
    Undefined {
        /// The name, or the path up to the part that is missing.
        name: String,
    },
    /// A name that was looked for by the lookup `vars` and has no value.
    #[error("No variable found with this name: {name}")]
    NoVariable {
        /// The name.
        name: String,
    },
    /// A value has no such attribute or item.
    #[error("`{parent}` has no attribute `{name}`")]
    NoAttribute {
        /// The expression the attribute was looked for in.
        parent: String,
        /// The attribute.
        name: String,
    },
    /// The text is not Jinja.
    #[error("{0}")]
    Syntax(String),
    /// A filter nobody knows.
    #[error("there is no filter `{0}`")]
    UnknownFilter(String),
    /// A test nobody knows.
    #[error("there is no test `{0}`")]
    UnknownTest(String),
    /// A function nobody knows.
    #[error("there is no function `{0}`")]
    UnknownFunction(String),
    /// A lookup nobody knows.
    #[error("there is no lookup `{0}`")]
    UnknownLookup(String),
    /// Something of Ansible's that is not supported here.
    #[error("{0}")]
    Unsupported(String),
    /// A filter, test, function, method or operator refused its input.
    #[error("{0}")]
    Failed(String),
    /// A test of registered results was asked of a name without a value: `default` does not make that good.
    #[error("{0}")]
    NoResult(String),
    /// A variable whose value needs the variable itself.
    #[error("recursive loop in variable {0}")]
    Loop(String),
    /// A template that would not end.
    #[error("the template does not end: it was stopped after {0} steps")]
    Endless(u64),
    /// What a template makes is larger than it may be: what makes it, and how many MiB are allowed.
    #[error("{0}: a template may make no more than {1} MiB")]
    TooLarge(String, usize),
    /// A template file that was included and cannot be found.
    #[error("{0}")]
    MissingFile(String),
    /// `omit` where a value is needed.
    #[error("`omit` cannot be used as a value here")]
    Omit,
    /// A condition whose result is neither true nor false.
    #[error("{0}")]
    NotBoolean(String),
    /// A text that is data where an expression is needed.
    #[error("`{0}` is data, not an expression")]
    Untrusted(String),
    /// An encrypted value that cannot be decrypted: its name, and why.
    #[error("failed to decrypt the value of `{0}`: {1}")]
    Encrypted(String, crate::vault::VaultError),
}

/// An error in a template: what is wrong, where, and how the template came to be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .0.kind)]
pub struct TemplateError(Box<Detail>);

#[derive(Clone, Debug)]
struct Detail {
    kind: Kind,
    place: Option<Quoted>,
    span: Option<Span>,
    help: Option<String>,
    via: Vec<String>,
}

impl TemplateError {
    /// Creates an error at a place.
    pub fn new(kind: Kind, span: Option<Span>) -> Self {
        let place = span.as_ref().map(|s| Quoted(s.source.clone()));
        TemplateError(Box::new(Detail { kind, place, span, help: None, via: Vec::new() }))
    }

    /// Adds advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Adds that the template is the value of a variable, used elsewhere.
    #[must_use]
    pub(crate) fn through(mut self, step: String) -> Self {
        if self.0.via.len() < 8 && self.0.via.last() != Some(&step) {
            self.0.via.push(step);
        }
        self
    }

    /// What is wrong.
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// Where it is wrong.
    pub fn span(&self) -> Option<&Span> {
        self.0.span.as_ref()
    }

    /// Whether it is about something without a value.
    pub fn is_undefined(&self) -> bool {
        matches!(self.0.kind, Kind::Undefined { .. } | Kind::NoVariable { .. } | Kind::NoAttribute { .. })
    }

    /// Whether a name has no value, whatever came of that.
    pub fn lacks_value(&self) -> bool {
        self.is_undefined() || matches!(self.0.kind, Kind::NoResult(_))
    }

    /// Whether something was computed that cannot be, which has no name of its own.
    pub fn is_failure(&self) -> bool {
        matches!(self.0.kind, Kind::Failed(_))
    }

    /// Puts the error at another place, if there is one.
    #[must_use]
    pub(crate) fn placed(mut self, span: Option<&Span>) -> Self {
        if let Some(span) = span {
            self.0.place = Some(Quoted(span.source.clone()));
            self.0.span = Some(span.clone());
        }
        self
    }

    /// Gives the error a place if it has none.
    #[must_use]
    pub(crate) fn at(mut self, span: Option<Span>) -> Self {
        if self.0.span.is_none() {
            self.0.place = span.as_ref().map(|s| Quoted(s.source.clone()));
            self.0.span = span;
        }
        self
    }
}

impl Diagnostic for TemplateError {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        let code = match self.0.kind {
            Kind::Undefined { .. } | Kind::NoVariable { .. } | Kind::NoAttribute { .. } => "template::undefined",
            Kind::Syntax(_) => "template::syntax",
            Kind::UnknownFilter(_) => "template::unknown_filter",
            Kind::UnknownTest(_) => "template::unknown_test",
            Kind::UnknownFunction(_) => "template::unknown_function",
            Kind::UnknownLookup(_) => "template::unknown_lookup",
            Kind::Unsupported(_) => "template::unsupported",
            Kind::Failed(_) => "template::failed",
            Kind::NoResult(_) => "template::no-result",
            Kind::Loop(_) => "template::loop",
            Kind::Endless(_) => "template::endless",
            Kind::TooLarge(..) => "template::too_large",
            Kind::MissingFile(_) => "template::missing_file",
            Kind::Omit => "template::omit",
            Kind::NotBoolean(_) => "template::not_boolean",
            Kind::Untrusted(_) => "template::untrusted",
            Kind::Encrypted(..) => "template::encrypted",
        };
        Some(Box::new(code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        let mut lines: Vec<&str> = self.0.help.as_deref().into_iter().collect();
        lines.extend(self.0.via.iter().map(String::as_str));
        (!lines.is_empty()).then(|| Box::new(lines.join("\n")) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.place.as_ref().map(|p| p as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.0.span.as_ref()?;
        let label = match &self.0.kind {
            Kind::Undefined { .. } | Kind::NoAttribute { .. } => "has no value",
            Kind::Syntax(message) if message.ends_with("is not closed") => "begins here",
            Kind::Syntax(_) => "not understood from here",
            Kind::UnknownFilter(_)
            | Kind::UnknownTest(_)
            | Kind::UnknownFunction(_)
            | Kind::UnknownLookup(_)
            | Kind::Unsupported(_) => "not known",
            _ => "here",
        };
        let len = span.end.saturating_sub(span.start);
        let range = SourceSpan::new(span.start.into(), len);
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(Some(label.to_owned()), range))))
    }
}

/// A text that miette quotes from without a copy of it.
#[derive(Clone, Debug)]
struct Quoted(Arc<Source>);

impl SourceCode for Quoted {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inner = self.0.text.as_str().read_span(span, before, after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.0.name.clone(),
            inner.data(),
            *inner.span(),
            inner.line(),
            inner.column(),
            inner.line_count(),
        )))
    }
}

/// Decrypts a text; `name` is what messages call the value, `span` where it stands.
pub(crate) fn decrypted(text: &str, name: &str, span: &Span) -> Result<String, TemplateError> {
    crate::vault::open(text).map_err(|reason| {
        let help = reason.help().map(|help| help.to_string());
        let error = TemplateError::new(Kind::Encrypted(name.to_owned(), reason), Some(span.clone()));
        match help {
            Some(help) => error.with_help(help),
            None => error,
        }
    })
}

/// Wraps a problem of ours so that it passes through the engine.
pub(crate) fn carry(error: TemplateError) -> minijinja::Error {
    minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, error.to_string()).with_source(error)
}

/// A problem found inside a filter, test, function or lookup.
pub(crate) fn failed(message: impl Into<String>) -> minijinja::Error {
    carry(TemplateError::new(Kind::Failed(message.into()), None))
}

/// Something of Ansible's that is refused by name.
pub(crate) fn unsupported(message: impl Into<String>, help: &str) -> minijinja::Error {
    carry(TemplateError::new(Kind::Unsupported(message.into()), None).with_help(help))
}
