//! What can be wrong with inventories, patterns and variables.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use crate::yaml::{Span, Unexpected, YamlError};

/// What can be wrong with inventories, patterns and variables.
#[derive(Debug, Error, Diagnostic)]
pub enum InventoryError {
    /// A file is not YAML.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Yaml(#[from] YamlError),

    /// There is no such inventory.
    #[error("there is no inventory `{inventory}`")]
    #[diagnostic(code(inventory::missing))]
    Missing {
        /// What was asked for.
        inventory: String,
        /// What to do about it.
        #[help]
        help: String,
    },

    /// A vars plugin fails.
    #[error("{reason}")]
    #[diagnostic(code(inventory::vars_plugin))]
    VarsPlugin {
        /// What it says.
        reason: String,
        /// What to do about it.
        #[help]
        help: String,
    },

    /// A folder cannot be read.
    #[error("failed to read `{}`: {reason}", path.display())]
    #[diagnostic(code(inventory::read), help("make it readable for the user who runs bringup"))]
    Read {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },

    /// The file is of a kind that cannot be an inventory here.
    #[error("`{}` is not an inventory: {message}", path.display())]
    #[diagnostic(code(inventory::kind))]
    Kind {
        /// The file.
        path: PathBuf,
        /// Why not.
        message: String,
        /// What to do about it.
        #[help]
        help: String,
    },

    /// A line of an INI inventory.
    #[error("{message}")]
    #[diagnostic(code(inventory::ini))]
    Ini {
        /// What is wrong.
        message: String,
        /// Where.
        #[source_code]
        #[label("here")]
        span: Span,
        /// What to do about it.
        #[help]
        help: String,
    },

    /// The shape of a YAML inventory.
    #[error("{message}")]
    #[diagnostic(code(inventory::yaml))]
    Structure {
        /// What is wrong.
        message: String,
        /// Where.
        #[source_code]
        #[label("here")]
        span: Span,
        /// What to do about it.
        #[help]
        help: String,
    },

    /// A host's name or range.
    #[error("{message}")]
    #[diagnostic(code(inventory::host))]
    HostName {
        /// What is wrong.
        message: String,
        /// Where.
        #[source_code]
        #[label("here")]
        span: Span,
        /// What to do about it.
        #[help]
        help: String,
    },

    /// A variable's name or value.
    #[error("{message}")]
    #[diagnostic(code(inventory::variable))]
    Variable {
        /// What is wrong.
        message: String,
        /// Where.
        #[source_code]
        #[label("here")]
        span: Span,
        /// What to do about it.
        #[help]
        help: String,
    },

    /// A variable given twice in one place.
    #[error("the variable `{name}` is given twice{of}")]
    #[diagnostic(code(inventory::duplicate_variable), help("remove one of the two: only one of them could count"))]
    DuplicateVariable {
        /// Its name.
        name: String,
        /// What it belongs to: ` for the group …`, or nothing.
        of: String,
        /// The first one.
        #[source_code]
        #[label("first given here")]
        first: Span,
        /// The second one.
        #[label(primary, "given again here")]
        second: Span,
    },

    /// A group inside of itself.
    #[error("groups are inside of each other: {chain}")]
    #[diagnostic(code(inventory::circle), help("take one of these out of the other's children: {places}"))]
    Circle {
        /// The way round.
        chain: String,
        /// Where the links are written.
        places: String,
        /// Where the circle closes.
        #[source_code]
        #[label("closes the circle")]
        span: Span,
    },

    /// An inventory script.
    #[error("the inventory script `{}` {message}", path.display())]
    #[diagnostic(code(inventory::script))]
    Script {
        /// The script.
        path: PathBuf,
        /// What went wrong.
        message: String,
        /// What it said, or what to do.
        #[help]
        help: String,
    },

    /// A host pattern.
    #[error("the pattern `{pattern}` {message}")]
    #[diagnostic(code(inventory::pattern))]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        message: String,
        /// What to do about it.
        #[help]
        help: String,
    },

    /// A file named by `--limit @FILE`.
    #[error("failed to read the limit file `{}`: {reason}", path.display())]
    #[diagnostic(code(inventory::limit), help("it must be a file that holds one host or pattern per line"))]
    Limit {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },

    /// A `-e` argument.
    #[error("{message}")]
    #[diagnostic(code(inventory::extra_vars))]
    ExtraVars {
        /// What is wrong.
        message: String,
        /// Where.
        #[source_code]
        #[label("here")]
        span: Span,
        /// What to do about it.
        #[help]
        help: String,
    },
}

impl From<Unexpected> for InventoryError {
    fn from(error: Unexpected) -> Self {
        Self::Yaml(error.into())
    }
}
