//! What can be wrong with a YAML text.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use super::Span;
use crate::vault::VaultError;

/// A value of another kind than the reader needs.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error("expected {expected}, found {found}")]
#[diagnostic(code(yaml::unexpected))]
pub struct Unexpected {
    /// What the reader needs, with its article: `a mapping`.
    pub expected: String,
    /// What stands there, with its article.
    pub found: String,
    /// Where it stands.
    #[source_code]
    #[label("expected {expected}")]
    pub span: Span,
    /// What to do about it.
    #[help]
    pub help: Option<String>,
}

/// What can be wrong with a YAML text.
#[derive(Debug, Error, Diagnostic)]
pub enum YamlError {
    /// The file cannot be read.
    #[error("failed to read `{}`: {reason}", path.display())]
    #[diagnostic(code(yaml::read))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
        /// What to do about it.
        #[help]
        help: Option<String>,
    },

    /// The file is encrypted and cannot be decrypted.
    #[error("failed to decrypt `{}`: {reason}", path.display())]
    #[diagnostic(code(yaml::vault))]
    Vault {
        /// The file.
        path: PathBuf,
        /// Why it cannot be decrypted.
        reason: VaultError,
        /// What to do about it.
        #[help]
        help: Option<String>,
    },

    /// The file is not UTF-8.
    #[error("`{}` is not UTF-8: the byte 0x{byte:02x} in line {line} begins no character", path.display())]
    #[diagnostic(code(yaml::encoding), help("convert it: `iconv -f latin1 -t utf-8 FILE`"))]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// The first byte that does not fit.
        byte: u8,
    },

    /// The text is not YAML.
    #[error("{message}")]
    #[diagnostic(code(yaml::syntax))]
    Syntax {
        /// What is wrong.
        message: String,
        /// Where.
        #[source_code]
        #[label("here")]
        span: Span,
        /// What to do about it.
        #[help]
        help: Option<String>,
    },

    /// One key stands twice in a mapping.
    #[error("found a duplicate dict key ({key}), first given in line {first_line}")]
    #[diagnostic(code(yaml::duplicate_key), help("remove one of the two: only one of them could count"))]
    DuplicateKey {
        /// The key.
        key: String,
        /// The line of the first one.
        first_line: usize,
        /// Its place.
        #[source_code]
        #[label("first given here")]
        first: Span,
        /// The place of the second one.
        #[label(primary, "given again here")]
        second: Span,
    },

    /// A key that is no scalar.
    #[error("a key must be a text or a number, not {found}")]
    #[diagnostic(code(yaml::key))]
    Key {
        /// What it is instead.
        found: &'static str,
        /// Where.
        #[source_code]
        #[label("this key")]
        span: Span,
        /// What to do about it.
        #[help]
        help: Option<String>,
    },

    /// A tag nobody knows.
    #[error("unknown tag `{tag}`")]
    #[diagnostic(
        code(yaml::tag),
        help(
            "known are `!vault`, `!unsafe` and YAML's own `!!str`, `!!int`, `!!float`, `!!bool`, `!!null`, `!!seq`, `!!map`; put quotes around a text that starts with `!`"
        )
    )]
    Tag {
        /// The tag.
        tag: String,
        /// Where.
        #[source_code]
        #[label("this tag")]
        span: Span,
    },

    /// A value that its tag does not fit.
    #[error("the tag `{tag}` needs {expected}, found {found}")]
    #[diagnostic(code(yaml::tagged_value), help("remove the tag, or write a value that fits it"))]
    TaggedValue {
        /// The tag.
        tag: String,
        /// What it needs.
        expected: &'static str,
        /// What stands there.
        found: String,
        /// Where.
        #[source_code]
        #[label("this value")]
        span: Span,
    },

    /// `<<` with something that cannot be merged.
    #[error("`<<` merges a mapping or a list of mappings, not {found}")]
    #[diagnostic(code(yaml::merge), help("write `<<: *NAME`, where `&NAME` stands before a mapping"))]
    Merge {
        /// What stands there.
        found: &'static str,
        /// Where.
        #[source_code]
        #[label("this value")]
        span: Span,
    },

    /// An alias inside of what it stands for.
    #[error("this alias stands inside of the value it repeats")]
    #[diagnostic(code(yaml::alias), help("a value cannot contain itself"))]
    AliasOfItself {
        /// Where.
        #[source_code]
        #[label("this alias")]
        span: Span,
    },

    /// Aliases that unfold into too much.
    #[error("the aliases of this file unfold into more than {limit} values")]
    #[diagnostic(code(yaml::aliases), help("write the values out, or split the file"))]
    TooManyAliases {
        /// How many are allowed.
        limit: usize,
        /// The alias that was too much.
        #[source_code]
        #[label("reached here")]
        span: Span,
    },

    /// Lists and mappings nested too deeply.
    #[error("values are nested more than {limit} levels deep")]
    #[diagnostic(code(yaml::depth), help("no list or mapping may be nested that deeply"))]
    TooDeep {
        /// How deep they may be.
        limit: usize,
        /// Where that was reached.
        #[source_code]
        #[label("here")]
        span: Span,
    },

    /// Several documents where one is allowed.
    #[error("the file holds more than one document")]
    #[diagnostic(code(yaml::documents), help("remove this `---` and what belongs to the second document"))]
    Documents {
        /// The start of the second one.
        #[source_code]
        #[label("the second one starts here")]
        span: Span,
    },

    /// A value of another kind than the reader needs.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unexpected(#[from] Unexpected),

    /// `key=value` words that do not come to an end.
    #[error("{what} is opened here and not closed")]
    #[diagnostic(
        code(yaml::key_value),
        help("close it, or write the arguments as a mapping, one `name: value` per line")
    )]
    Unclosed {
        /// What is open.
        what: &'static str,
        /// Where it was opened.
        #[source_code]
        #[label("opened here")]
        span: Span,
    },

    /// One argument stands twice among `key=value` words.
    #[error("the argument `{key}` is given twice")]
    #[diagnostic(code(yaml::key_value), help("remove one of the two"))]
    DuplicateArgument {
        /// The argument.
        key: String,
        /// The first one.
        #[source_code]
        #[label("first given here")]
        first: Span,
        /// The second one.
        #[label(primary, "given again here")]
        second: Span,
    },
}
