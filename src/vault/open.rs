//! The keyring of this process. One process is one run, and files are read in many places.

use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use super::{Keyring, VaultError, conceal_value, hide_source, is_encrypted};

static RING: RwLock<Option<Arc<Keyring>>> = RwLock::new(None);

/// Gives the process its passwords.
pub fn unlock(keyring: Keyring) {
    *RING.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keyring));
}

/// The passwords of the process; none before [`unlock`].
pub fn ring() -> Arc<Keyring> {
    RING.read().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
}

/// Whether there are passwords.
pub fn is_unlocked() -> bool {
    !ring().is_empty()
}

/// Decrypts a text of some value; it is kept out of every output from now on.
///
/// # Errors
/// When it cannot be decrypted, or is no text.
pub fn open(text: &str) -> Result<String, VaultError> {
    let opened = ring().open(text.as_bytes())?;
    let text = std::str::from_utf8(&opened.text);
    let text = text.map_err(|_| VaultError::Damaged("what was encrypted is not UTF-8 text".to_owned()))?;
    conceal_value(text);
    Ok(text.to_owned())
}

/// The content of a file, decrypted if it is encrypted; whether it was. `name` is what messages call the file: what stands
/// in it is no longer quoted.
///
/// # Errors
/// When it cannot be decrypted.
pub fn open_file(name: &str, bytes: Vec<u8>) -> Result<(Zeroizing<Vec<u8>>, bool), VaultError> {
    if !is_encrypted(&bytes) {
        return Ok((Zeroizing::new(bytes), false));
    }
    let opened = ring().open(&bytes)?;
    hide_source(name);
    Ok((opened.text, true))
}
