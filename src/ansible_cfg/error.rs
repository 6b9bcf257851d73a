//! What is wrong with Ansible's configuration.

use miette::{Diagnostic, NamedSource, SourceSpan};
use std::path::Path;
use thiserror::Error;

/// A file or a variable that cannot be taken.
#[derive(Debug, Diagnostic, Error)]
#[error("{message}")]
pub struct ConfigurationError {
    message: String,
    #[help]
    help: String,
    #[source_code]
    source_code: Option<NamedSource<String>>,
    #[label("here")]
    at: Option<SourceSpan>,
}

impl ConfigurationError {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), source_code: None, at: None }
    }

    /// Says where: a line, counted from 1.
    pub(super) fn at(mut self, file: &Path, text: &str, line: usize) -> Self {
        let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let length = text.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
        self.source_code = Some(NamedSource::new(file.display().to_string(), text.to_owned()));
        self.at = Some((start, length).into());
        self
    }
}
