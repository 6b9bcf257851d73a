//! What can be wrong with keys and certificates.

/// Why a key, request or certificate cannot be used. Nothing secret is in the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PkiError {
    /// The text is no PEM of the kind that is needed.
    #[error("the {what} cannot be read: {why}")]
    NotRead {
        /// What was expected.
        what: &'static str,
        /// Why it is not.
        why: String,
    },
    /// A value that a certificate cannot hold.
    #[error("{what} `{value}` {why}")]
    Value {
        /// Which field.
        what: &'static str,
        /// The value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// Making it did not work.
    #[error("cannot make the {what}: {why}")]
    NotMade {
        /// What was to be made.
        what: &'static str,
        /// Why it failed.
        why: String,
    },
}
