//! The state of one reading: what was found wrong, and what the current play has.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Loader;
use crate::playbook::{Diagnostic, Item, PlaybookError, Role, ScopeKind, Severity, Task, VarMap};
use crate::template::has_plugin;
use crate::vault::{Envelope, VaultError};
use crate::yaml::{Node, Span, Value};

/// Reads files; all mistakes are kept, so that one pass finds them all.
pub(super) struct Reader<'l> {
    pub loader: &'l Loader,
    /// Whether what is reached only while running counts as much as the rest.
    pub strict: bool,
    pub found: Vec<Diagnostic>,
    /// How many blocks with a `rescue` are around what is read.
    pub rescues: usize,
    /// Whether the task that is read may fail as it runs, and the playbook goes on.
    pub ready: bool,
    /// Whether a condition may keep the task that is read from being done.
    pub conditional: bool,
    /// Whether a condition of what stands around it may.
    pub enclosed: bool,
    /// Whether the task that is read is about to be done: nothing in it can wait.
    pub is_due: bool,
    pub play: PlayState,
    /// Files that are being read, to see cycles of imports.
    pub open_files: Vec<PathBuf>,
}

/// What is collected while a play is read.
#[derive(Default)]
pub(super) struct PlayState {
    /// The folder of the playbook file.
    pub directory: PathBuf,
    /// Variables of `vars_files` that could be read.
    pub file_vars: VarMap,
    /// Handlers of imported roles.
    pub imported_handlers: Vec<Item>,
    /// Roles whose variables the whole play sees.
    pub exports: Vec<Arc<Role>>,
    /// Names that tasks notify.
    pub notified: Vec<Node>,
    /// Handlers that dynamic includes will bring in.
    pub later_handlers: Vec<Item>,
    /// Whether there may be handlers nobody knows yet.
    pub open_handlers: bool,
    /// What dynamic includes lead to and was looked at.
    pub looked_into: HashSet<(PathBuf, Option<PathBuf>)>,
}

impl<'l> Reader<'l> {
    pub(super) fn new(loader: &'l Loader, strict: bool) -> Self {
        Self {
            loader,
            strict,
            found: Vec::new(),
            rescues: 0,
            ready: false,
            conditional: false,
            enclosed: false,
            is_due: false,
            play: PlayState::default(),
            open_files: Vec::new(),
        }
    }

    /// Goes on reading where a task of a loaded play includes something.
    pub(super) fn resume(loader: &'l Loader, from: &Task) -> Self {
        let mut reader = Self::new(loader, true);
        let play = from.scope.chain().filter(|s| s.kind == ScopeKind::Play).last();
        reader.play.directory = play.map_or_else(PathBuf::new, |s| s.directory.to_path_buf());
        reader
    }

    /// Keeps a diagnostic.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// Keeps what goes wrong where a task runs, and not before: where the playbook reckons with that, it is only warned of.
    pub(super) fn report_running(&mut self, problems: impl IntoIterator<Item = Diagnostic>) {
        for mut problem in problems {
            let slip = problem.help.as_deref().is_some_and(|help| help.starts_with("did you mean"));
            if self.ready {
                problem.severity = Severity::Warning;
            } else if self.conditional && problem.unsupported && !slip {
                problem = problem.waiting();
            }
            self.found.push(problem);
        }
    }

    /// Returns what was found, each thing once (a role used twice is read twice).
    pub(super) fn finish(self) -> Vec<Diagnostic> {
        let mut once: Vec<Diagnostic> = Vec::new();
        for diagnostic in self.found {
            if diagnostic.plugin.as_ref().is_some_and(|(kind, name)| has_plugin(*kind, name)) {
                continue;
            }
            if !once.iter().any(|o| o.same_as(&diagnostic)) {
                once.push(diagnostic);
            }
        }
        once
    }

    /// Returns what was read, unless there was an error.
    pub(super) fn done<T>(self, value: Option<T>) -> Result<T, PlaybookError> {
        let diagnostics = self.finish();
        match value {
            Some(value) if !diagnostics.iter().any(Diagnostic::is_error) => Ok(value),
            _ => Err(PlaybookError { diagnostics }),
        }
    }

    /// Reads a file. An encrypted one is decrypted; where there is no password, `lint` takes it as unknown, a run does not.
    pub(super) fn file(&mut self, path: &Path) -> Option<Arc<Node>> {
        let node = match self.loader.file(path) {
            Ok(node) => node,
            Err(problem) => {
                self.report(problem.into());
                return None;
            }
        };
        let Value::Vault(text) = &node.value else { return Some(node) };
        let label = Envelope::parse(text.as_bytes()).ok().and_then(|envelope| envelope.label);
        let reason = VaultError::NoPassword { label };
        let message = format!("failed to decrypt `{}`: {reason}", path.display());
        let mut problem = match self.loader.options.sealed {
            true => Diagnostic::warning(&head(&node.span), message).label("not looked into"),
            false => Diagnostic::error(&head(&node.span), message),
        };
        if let Some(help) = miette::Diagnostic::help(&reason) {
            problem = problem.help(help.to_string());
        }
        self.report(problem);
        // There may be handlers in it.
        self.play.open_handlers = true;
        None
    }

    /// The list a file of tasks or plays must be; an empty file is an empty list.
    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::Seq(items) => items,
            Value::Null => &[],
            _ => {
                let message = format!("{what} must be a list, not {}", node.value.kind());
                self.report(Diagnostic::error(&head(&node.span), message).help("start each entry with `- `"));
                &[]
            }
        }
    }
}

/// The first line of a place: a whole file as the mark would show nothing.
pub(super) fn head(span: &Span) -> Span {
    let text = span.text();
    let length = text.find('\n').unwrap_or(text.len());
    Span { source: span.source.clone(), start: span.start, end: span.start + length }
}

/// The folder a file lies in.
pub(super) fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
