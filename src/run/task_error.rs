//! Why a task fails before a module is asked, or because of what it says.

use serde_json::{Map, Value as Json};

use crate::{module::Failure, template::TemplateError, yaml::Span};

/// Why a task fails before or while it is planned.
#[derive(Clone, Debug)]
pub struct TaskError {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Where, if not at the task as a whole.
    pub span: Option<Span>,
    /// Further returned fields.
    pub result: Map<String, Json>,
    /// Whether something was changed all the same.
    pub changed: bool,
    /// Whether a variable has no value.
    pub undefined: bool,
    /// Whether it is the module's own word, of its parameters, which Ansible asks on the host.
    pub of_module: bool,
}

impl TaskError {
    /// Returns an error with a message alone.
    pub fn new(message: impl Into<String>) -> TaskError {
        TaskError {
            message: message.into(),
            help: None,
            span: None,
            result: Map::new(),
            changed: false,
            undefined: false,
            of_module: false,
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> TaskError {
        self.help = Some(help.into());
        self
    }

    /// Adds where it is.
    #[must_use]
    pub fn at(mut self, span: &Span) -> TaskError {
        self.span.get_or_insert_with(|| span.clone());
        self
    }
}

impl From<TemplateError> for TaskError {
    fn from(error: TemplateError) -> TaskError {
        let help = miette::Diagnostic::help(&error).map(|h| h.to_string());
        let undefined = error.lacks_value();
        let mut result = Map::new();
        if error.is_failure() {
            // Where Ansible has a trace of its own, there is the place.
            let place = error.span().map(|span| format!("{}: ", span.place())).unwrap_or_default();
            result.insert("exception".to_owned(), Json::from(format!("{place}{error}")));
        }
        TaskError { help, undefined, result, span: error.span().cloned(), ..TaskError::new(error.to_string()) }
    }
}

impl From<Failure> for TaskError {
    fn from(failure: Failure) -> TaskError {
        let Failure { message, help, result, changed, undecidable } = failure;
        TaskError { help, result, changed, of_module: !undecidable, ..TaskError::new(message) }
    }
}
