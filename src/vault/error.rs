//! What can be wrong with encrypted texts and their passwords. No message holds a secret.

use miette::Diagnostic;
use thiserror::Error;

/// Why a text cannot be decrypted or encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub enum VaultError {
    /// It is no encrypted text.
    #[error("it is not encrypted")]
    #[diagnostic(code(vault::plain), help("an encrypted text begins with `$ANSIBLE_VAULT;1.1;AES256`"))]
    Plain,

    /// It is one already.
    #[error("it is encrypted already")]
    #[diagnostic(code(vault::encrypted), help("`rekey` gives it another password, `edit` changes it"))]
    Encrypted,

    /// It is not what `vault` writes.
    #[error("the encrypted text is damaged: {0}")]
    #[diagnostic(code(vault::damaged), help("copy all of its lines again from where it is whole"))]
    Damaged(String),

    /// A format that nobody knows.
    #[error("the format `{0}` of the encrypted text is not known")]
    #[diagnostic(code(vault::version), help("formats 1.1 and 1.2 are known; encrypt it anew"))]
    Version(String),

    /// A cipher that nobody knows.
    #[error("the cipher `{0}` of the encrypted text is not known")]
    #[diagnostic(code(vault::cipher), help("`AES256` is the only one; encrypt it anew"))]
    Cipher(String),

    /// There are no passwords at all.
    #[error("it is encrypted{}, and no vault password was given", .label.as_ref().map_or_else(String::new, |l| format!(" for the vault id `{l}`")))]
    #[diagnostic(
        code(vault::no_password),
        help("give one: `--vault-password-file FILE`, `--vault-id LABEL@FILE`, or `-J` to be asked for it")
    )]
    NoPassword {
        /// The vault id that it names.
        label: Option<String>,
    },

    /// None of the passwords fits.
    #[error("none of the vault passwords decrypts it ({})", told(.tried, .label.as_deref()))]
    #[diagnostic(code(vault::password))]
    NoMatch {
        /// The vault id that it names.
        label: Option<String>,
        /// The vault ids of the passwords that were tried.
        tried: Vec<String>,
        /// What to do about it.
        #[help]
        help: String,
    },

    /// No password has the vault id to encrypt with.
    #[error("there is no password for the vault id `{label}` to encrypt with{}", listed(.known))]
    #[diagnostic(code(vault::encrypt_id), help("give it: `--vault-id {label}@FILE`"))]
    NoSuchId {
        /// The vault id that was asked for.
        label: String,
        /// Those that there are.
        known: Vec<String>,
    },

    /// A label that cannot stand in the first line.
    #[error("`{0}` cannot be a vault id")]
    #[diagnostic(code(vault::label), help("use letters, digits, `-` and `_`; `;` and line ends would break the file"))]
    Label(String),
}

fn quoted(ids: &[String]) -> String {
    ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}

fn told(tried: &[String], label: Option<&str>) -> String {
    let tried = if tried.is_empty() { "none was tried".to_owned() } else { format!("tried {}", quoted(tried)) };
    label.map_or_else(|| tried.clone(), |label| format!("{tried}; it names `{label}`"))
}

fn listed(ids: &[String]) -> String {
    if ids.is_empty() { String::new() } else { format!("; there are {}", quoted(ids)) }
}

/// Why there is no password.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[error("{message}")]
#[diagnostic(code(vault::source))]
pub struct SourceError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[help]
    pub help: String,
}

impl SourceError {
    /// An error with its remedy.
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> SourceError {
        SourceError { message: message.into(), help: help.into() }
    }
}
