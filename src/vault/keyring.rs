//! The passwords by their labels, and the keys that were derived from them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use secrecy::{ExposeSecret as _, SecretSlice};
use zeroize::Zeroizing;

use super::aes256::{Keys, Payload, new_salt};
use super::{Envelope, VaultError, is_encrypted};

/// The label of a password that was given without one.
pub const DEFAULT_ID: &str = "default";

/// A password: overwritten when it is dropped, and never shown.
pub type Secret = SecretSlice<u8>;

/// A password and its label.
#[derive(Clone, Debug)]
pub struct Named {
    /// The vault id.
    pub id: String,
    /// The password.
    pub secret: Secret,
}

/// What came out of an encrypted text.
#[derive(Debug)]
pub struct Opened {
    /// The text itself, overwritten when it is dropped.
    pub text: Zeroizing<Vec<u8>>,
    /// Which password it was, to encrypt the text with it again.
    pub used: Named,
    /// The vault id that the text names, which nothing proves.
    pub label: Option<String>,
}

/// Derived keys of a password (by its place) and a salt, made once.
type Derived = HashMap<(usize, Vec<u8>), Arc<OnceLock<Keys>>>;

/// The passwords of a run, the preferred first.
pub struct Keyring {
    named: Vec<Named>,
    unnamed: String,
    id_match: bool,
    salt: Option<String>,
    derived: Mutex<Derived>,
}

impl Default for Keyring {
    fn default() -> Keyring {
        Keyring {
            named: Vec::new(),
            unnamed: DEFAULT_ID.to_owned(),
            id_match: false,
            salt: None,
            derived: Mutex::default(),
        }
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("ids", &self.ids()).finish_non_exhaustive()
    }
}

impl Keyring {
    /// Passwords in the order in which they are tried.
    pub fn new(named: Vec<Named>) -> Keyring {
        Keyring { named, ..Keyring::default() }
    }

    /// What a text without a vault id is taken to name (`vault_identity`), and whether the passwords of the vault id that a
    /// text names are the only ones to be tried (`vault_id_match`).
    #[must_use]
    pub fn matching(mut self, unnamed: &str, only: bool) -> Keyring {
        self.unnamed = unnamed.to_owned();
        self.id_match = only;
        self
    }

    /// Encrypts with a salt that is always the same (`vault_encrypt_salt`).
    #[must_use]
    pub fn with_salt(mut self, salt: Option<String>) -> Keyring {
        self.salt = salt;
        self
    }

    /// Whether there are no passwords.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// How many passwords there are.
    pub fn count(&self) -> usize {
        self.named.len()
    }

    /// The vault ids, each once.
    pub fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for named in &self.named {
            if !ids.contains(&named.id) {
                ids.push(named.id.clone());
            }
        }
        ids
    }

    fn keys(&self, at: usize, named: &Named, salt: &[u8]) -> Arc<OnceLock<Keys>> {
        let slot = {
            let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(derived.entry((at, salt.to_owned())).or_default())
        };
        slot.get_or_init(|| Keys::derive(named.secret.expose_secret(), salt));
        slot
    }

    /// Decrypts a text: first with the passwords of the vault id that it names, then with the others.
    ///
    /// # Errors
    /// When it is damaged or none of the passwords fits; the error names the vault ids that were tried.
    pub fn open(&self, text: &[u8]) -> Result<Opened, VaultError> {
        let envelope = Envelope::parse(text)?;
        let payload = Payload::parse(&envelope.body)?;
        let label = envelope.label;
        if self.named.is_empty() {
            return Err(VaultError::NoPassword { label });
        }
        let own = label.as_deref().unwrap_or(&self.unnamed);
        let named = || self.named.iter().enumerate();
        let others = named().filter(|(_, named)| named.id != own && !self.id_match);
        let mut tried: Vec<String> = Vec::new();
        for (at, named) in named().filter(|(_, named)| named.id == own).chain(others) {
            let slot = self.keys(at, named, &payload.salt);
            let Some(keys) = slot.get() else { continue };
            if let Some(text) = payload.open(keys)? {
                return Ok(Opened { text, used: named.clone(), label });
            }
            if !tried.contains(&named.id) {
                tried.push(named.id.clone());
            }
        }
        let help = match &label {
            Some(label) if !tried.contains(label) => {
                format!("give the password of `{label}`: `--vault-id {label}@FILE`")
            }
            _ => "give the password that it was encrypted with, or look whether the text is whole".to_owned(),
        };
        Err(VaultError::NoMatch { label, tried, help })
    }

    /// The password to encrypt with: that of a vault id, or the first.
    ///
    /// # Errors
    /// When there is none.
    pub fn to_encrypt(&self, id: Option<&str>) -> Result<&Named, VaultError> {
        let found = self.named.iter().find(|named| id.is_none_or(|id| named.id == id));
        found.ok_or_else(|| match id {
            Some(id) => VaultError::NoSuchId { label: id.to_owned(), known: self.ids() },
            None => VaultError::NoPassword { label: None },
        })
    }

    /// Encrypts a text with a password; `label` is the vault id that is written down.
    ///
    /// # Errors
    /// When it is encrypted already, or the label cannot be written down.
    pub fn seal(&self, text: &[u8], secret: &Secret, label: Option<&str>) -> Result<String, VaultError> {
        if is_encrypted(text) {
            return Err(VaultError::Encrypted);
        }
        let salt = self.salt.as_ref().map_or_else(new_salt, |salt| salt.clone().into_bytes());
        let keys = Keys::derive(secret.expose_secret(), &salt);
        let body = Payload::seal(text, salt, &keys).body();
        Envelope { label: label.map(str::to_owned), body }.write()
    }
}
