//! HTTP requests made by the host, and what several modules take of them.

pub use crate::http::{Request, Response, name, parse};

use super::{List, ParameterError, Text};

/// A list of ciphers as one text; nothing where there are none.
pub fn ciphers(list: &List<Text>) -> Option<String> {
    let names: Vec<&str> = list.0.iter().map(|cipher| cipher.0.as_str()).collect();
    (!names.is_empty()).then(|| names.join(":"))
}

/// Refuses headers that are not to be sent on where a server names another address: the tools of the hosts cannot keep them back.
///
/// # Errors
/// Which of them would be sent.
pub fn unredirected<'a>(
    named: &List<Text>,
    sent: impl Iterator<Item = &'a String>,
    login: bool,
) -> Result<(), ParameterError> {
    let sent: Vec<String> =
        sent.map(|name| name.to_lowercase()).chain(login.then(|| "authorization".to_owned())).collect();
    match named.0.iter().find(|name| sent.contains(&name.0.to_lowercase())) {
        Some(name) => {
            let message = format!("`{}` would be sent on: curl and wget keep no header back", name.0);
            let help = "only to another server they send neither name and password nor `Authorization`; ask the last address at once";
            Err(ParameterError::new("unredirected_headers", message).help(help))
        }
        None => Ok(()),
    }
}
