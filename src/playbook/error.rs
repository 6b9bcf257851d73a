//! What can be wrong with a playbook, and where.

use std::fmt;
use std::sync::Arc;

use miette::{LabeledSpan, SourceCode, SourceSpan};

use crate::template::{Kind, PluginKind, TemplateError};
use crate::yaml::{Span, Unexpected, YamlError};

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing runs.
    Error,
    /// It runs, but probably not as meant.
    Warning,
}

/// One thing that is wrong: what, where, and what to do.
#[derive(Clone)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in lower case and without a full stop.
    pub message: String,
    /// Where it is.
    pub span: Option<Span>,
    /// What stands there.
    pub label: Option<String>,
    /// What to do.
    pub help: Option<String>,
    /// Whether it is right for Ansible but not done here.
    pub unsupported: bool,
    /// Whether it is a warning of what fails in its turn, if the conditions around it hold.
    pub waits: bool,
    /// Whether a role or file that it names is missing, while its own words are right.
    pub missing: bool,
    /// A plugin that a role may bring which is read behind this.
    pub plugin: Option<(PluginKind, String)>,
    cause: Option<Arc<dyn miette::Diagnostic + Send + Sync>>,
}

impl Diagnostic {
    /// Makes an error at a place.
    pub fn error(span: &Span, message: impl Into<String>) -> Self {
        Self { span: Some(span.clone()), ..Self::without_place(message) }
    }

    /// Makes a warning of it.
    #[must_use]
    pub fn lesser(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Makes a warning at a place.
    pub fn warning(span: &Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    /// Makes an error that has no place in a file (a missing playbook).
    pub fn without_place(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            span: None,
            label: None,
            help: None,
            unsupported: false,
            waits: false,
            missing: false,
            plugin: None,
            cause: None,
        }
    }

    /// Says what stands at the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to do, if there is something to say.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Marks what is right for Ansible but not done here.
    #[must_use]
    pub fn unsupported(mut self) -> Self {
        self.unsupported = true;
        self
    }

    /// Makes a warning of what fails in its turn, if the conditions around it hold.
    #[must_use]
    pub fn waiting(mut self) -> Self {
        (self.severity, self.waits) = (Severity::Warning, true);
        self
    }

    /// Marks that what is named is missing, while the words themselves are right.
    #[must_use]
    pub fn missing(mut self) -> Self {
        self.missing = true;
        self
    }

    fn named(mut self) -> Self {
        self.message = self.cause.as_ref().map(ToString::to_string).unwrap_or_default();
        self
    }

    /// Whether both say the same of the same place.
    pub fn same_as(&self, other: &Self) -> bool {
        let place = |d: &Self| d.span.as_ref().map(|s| (s.source.name.clone(), s.start, s.end));
        self.message == other.message && place(self) == place(other)
    }

    /// Whether nothing may run.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(span) = &self.span {
            write!(f, "{}: ", span.place())?;
        }
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " (help: {help})"))
    }
}

impl std::error::Error for Diagnostic {}

impl miette::Diagnostic for Diagnostic {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        match &self.cause {
            Some(cause) => cause.source_code(),
            None => self.span.as_ref().map(|s| s as &dyn SourceCode),
        }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if let Some(cause) = &self.cause {
            return cause.labels();
        }
        let place = SourceSpan::from(self.span.clone()?);
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(self.label.clone(), place))))
    }
}

impl From<YamlError> for Diagnostic {
    fn from(error: YamlError) -> Self {
        let help = miette::Diagnostic::help(&error).map(|h| h.to_string());
        let span = place(&error).cloned();
        Self { span, help, cause: Some(Arc::new(error)), ..Self::without_place("") }.named()
    }
}

impl From<TemplateError> for Diagnostic {
    fn from(error: TemplateError) -> Self {
        let help = miette::Diagnostic::help(&error).map(|h| h.to_string());
        let unsupported = matches!(
            error.kind(),
            Kind::UnknownFilter(_)
                | Kind::UnknownTest(_)
                | Kind::UnknownFunction(_)
                | Kind::UnknownLookup(_)
                | Kind::Unsupported(_)
        );
        let plugin = match error.kind() {
            Kind::UnknownFilter(name) => Some((PluginKind::Filter, name.clone())),
            Kind::UnknownTest(name) => Some((PluginKind::Test, name.clone())),
            Kind::UnknownLookup(name) => Some((PluginKind::Lookup, name.clone())),
            _ => None,
        };
        let span = error.span().cloned();
        Self { span, help, unsupported, plugin, cause: Some(Arc::new(error)), ..Self::without_place("") }.named()
    }
}

impl From<Unexpected> for Diagnostic {
    fn from(error: Unexpected) -> Self {
        YamlError::from(error).into()
    }
}

/// The place an error of the YAML reader is about.
fn place(error: &YamlError) -> Option<&Span> {
    match error {
        YamlError::Syntax { span, .. }
        | YamlError::Key { span, .. }
        | YamlError::Tag { span, .. }
        | YamlError::TaggedValue { span, .. }
        | YamlError::Merge { span, .. }
        | YamlError::AliasOfItself { span, .. }
        | YamlError::TooManyAliases { span, .. }
        | YamlError::TooDeep { span, .. }
        | YamlError::Documents { span, .. }
        | YamlError::Unclosed { span, .. }
        | YamlError::DuplicateKey { second: span, .. }
        | YamlError::DuplicateArgument { second: span, .. } => Some(span),
        YamlError::Unexpected(unexpected) => Some(&unexpected.span),
        YamlError::Read { .. } | YamlError::Vault { .. } | YamlError::NotUtf8 { .. } => None,
    }
}

/// A playbook that cannot be run, with everything that is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}", summary(.diagnostics))]
pub struct PlaybookError {
    /// All that was found, errors and warnings, in the order of finding.
    pub diagnostics: Vec<Diagnostic>,
}

fn summary(diagnostics: &[Diagnostic]) -> String {
    let errors: Vec<_> = diagnostics.iter().filter(|d| d.is_error()).collect();
    match errors.as_slice() {
        [one] => one.message.clone(),
        many => format!("{} errors in playbooks", many.len()),
    }
}

impl From<Diagnostic> for PlaybookError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostics: vec![diagnostic] }
    }
}

impl miette::Diagnostic for PlaybookError {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(self.diagnostics.iter().map(|d| d as &dyn miette::Diagnostic)))
    }
}
