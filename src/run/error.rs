//! What ends a run before or between its tasks.

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use crate::{inventory::InventoryError, template::TemplateError, yaml::Span};

/// Why a play cannot be run at all.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum RunError {
    /// The pattern or the variables are wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Inventory(#[from] InventoryError),
    /// Something in the play is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Play(#[from] Box<PlayError>),
}

/// A mistake in a play that shows only with variables at hand.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct PlayError {
    message: String,
    help: Option<String>,
    source_code: Option<NamedSource<String>>,
    span: Option<(usize, usize)>,
}

impl Diagnostic for PlayError {
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source_code.as_ref().map(|s| s as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (start, length) = self.span?;
        Some(Box::new(std::iter::once(LabeledSpan::new(Some("here".to_owned()), start, length))))
    }
}

impl RunError {
    /// Returns an error at a place.
    pub fn at(span: &Span, message: impl Into<String>) -> RunError {
        RunError::from(Box::new(PlayError {
            message: message.into(),
            help: None,
            source_code: Some(NamedSource::new(&span.source.name, span.source.text.clone())),
            span: Some((span.start, span.end.saturating_sub(span.start))),
        }))
    }

    /// Returns an error without a place.
    pub fn plain(message: impl Into<String>, help: &str) -> RunError {
        RunError::from(Box::new(PlayError {
            message: message.into(),
            help: Some(help.to_owned()),
            source_code: None,
            span: None,
        }))
    }

    /// Returns a template's error at its place.
    pub fn template(error: &TemplateError) -> RunError {
        match error.span() {
            Some(span) => RunError::at(span, error.to_string()),
            None => RunError::plain(error.to_string(), "look at the template"),
        }
    }
}
