//! Private keys, certificates and certificate authorities.
//!
//! Everything here is text in, text out: PEM as OpenSSL writes it. Keys are made on the workstation and never shown.

mod certificate;
mod error;
mod key;
mod subject;

pub use certificate::{Certificate, Issuer, issue};
pub use error::PkiError;
pub use key::{Curve, Key, KeyKind};
pub use subject::{Name, Request, Usage};
