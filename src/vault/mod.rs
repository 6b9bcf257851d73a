//! Encrypted texts, in Ansible's formats 1.1 and 1.2: reading and writing them, where their passwords come from, and what
//! was decrypted, so that no output shows it.
//!
//! Source: <https://docs.ansible.com/ansible/latest/vault_guide/vault_encrypting_content.html#format-of-files-encrypted-with-ansible-vault>
//!
//! An [`Envelope`] is the text as it stands in a file, [`aes256`] what is inside of it. A [`Keyring`] holds the passwords by
//! their labels (*vault ids*) and finds the one that fits; [`Settings`] says where passwords come from. One process has one
//! keyring, which [`unlock`] sets: whoever reads a file asks [`open`]. What came out of it is noted by [`conceal`], and
//! [`mask`] is what every output goes through.

pub mod aes256;
mod conceal;
mod envelope;
mod error;
mod keyring;
mod open;
mod settings;
mod source;

pub use conceal::{
    conceal, conceal_assigned, conceal_content, conceal_value, conceal_words, hide_source, is_hidden_source, is_value,
    mask, mask_json,
};
pub use envelope::{Envelope, HEADER, is_encrypted};
pub use error::{SourceError, VaultError};
pub use keyring::{DEFAULT_ID, Keyring, Named, Opened, Secret};
pub use open::{is_unlocked, open, open_file, ring, unlock};
pub use settings::{KEYS, Settings};
pub use source::{Ask, Purpose};
