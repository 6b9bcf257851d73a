//! What is inside: AES-256 in counter mode, with keys of PBKDF2 and a seal of HMAC-SHA-256.
//!
//! Source: <https://docs.ansible.com/ansible/latest/vault_guide/vault_encrypting_content.html#ansible-vault-payload-format-1-1-1-2>

use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use super::VaultError;
use super::envelope::{hex, unhex};

type Cipher = ctr::Ctr128BE<aes::Aes256>;

/// Rounds of PBKDF2.
const ROUNDS: u32 = 10_000;
/// Bytes of a block of AES, to which texts are filled up.
const BLOCK: usize = 16;
const KEY: usize = 32;
/// Bytes of a salt that is made here.
const SALT: usize = 32;

/// What is inside of an envelope, still encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// What the keys were derived with.
    pub salt: Vec<u8>,
    seal: Vec<u8>,
    content: Vec<u8>,
}

/// The keys of one password and one salt. They are overwritten when they are dropped.
pub struct Keys([u8; 2 * KEY + BLOCK]);

impl ZeroizeOnDrop for Keys {}

impl Drop for Keys {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Keys {
    /// Derives the keys, which takes some milliseconds.
    pub fn derive(password: &[u8], salt: &[u8]) -> Keys {
        let mut keys = Keys([0; 2 * KEY + BLOCK]);
        pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, ROUNDS, &mut keys.0);
        keys
    }

    fn cipher(&self) -> Option<Cipher> {
        Cipher::new_from_slices(self.0.get(..KEY)?, self.0.get(2 * KEY..)?).ok()
    }

    fn seal(&self) -> Option<Hmac<Sha256>> {
        Hmac::new_from_slice(self.0.get(KEY..2 * KEY)?).ok()
    }
}

impl Payload {
    /// Reads the body of an envelope.
    ///
    /// # Errors
    /// When a part is missing or not hexadecimal.
    pub fn parse(body: &[u8]) -> Result<Payload, VaultError> {
        let mut parts = body.splitn(3, |b| *b == b'\n');
        let (Some(salt), Some(seal), Some(content)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VaultError::Damaged("its end is missing".to_owned()));
        };
        Ok(Payload { salt: unhex(salt)?, seal: unhex(seal)?, content: unhex(content)? })
    }

    /// The body of an envelope.
    pub fn body(&self) -> Vec<u8> {
        [hex(&self.salt), hex(&self.seal), hex(&self.content)].join("\n").into_bytes()
    }

    /// Decrypts it; nothing where the keys are not those it was encrypted with. The comparison takes the same time whatever
    /// the seal is.
    ///
    /// # Errors
    /// When the keys are right and it is damaged all the same.
    pub fn open(&self, keys: &Keys) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let (Some(mut seal), Some(mut cipher)) = (keys.seal(), keys.cipher()) else { return Ok(None) };
        seal.update(&self.content);
        if seal.verify_slice(&self.seal).is_err() {
            return Ok(None);
        }
        let mut text = Zeroizing::new(self.content.clone());
        let wrong = || VaultError::Damaged("what fills up its last block is wrong".to_owned());
        cipher.try_apply_keystream(&mut text).map_err(|_| wrong())?;
        let filled = usize::from(text.last().copied().unwrap_or(0));
        let end = text.len().checked_sub(filled).filter(|_| (1..=BLOCK).contains(&filled)).ok_or_else(wrong)?;
        if !text.len().is_multiple_of(BLOCK) || !text.iter().skip(end).all(|b| usize::from(*b) == filled) {
            return Err(wrong());
        }
        text.truncate(end);
        Ok(Some(text))
    }

    /// Encrypts a text with keys that were derived with this salt.
    pub fn seal(text: &[u8], salt: Vec<u8>, keys: &Keys) -> Payload {
        let fill = BLOCK - text.len() % BLOCK;
        let mut content = Vec::with_capacity(text.len() + fill);
        content.extend_from_slice(text);
        // At most one block, so it fits into a byte.
        content.resize(text.len() + fill, u8::try_from(fill).unwrap_or_default());
        if let Some(mut cipher) = keys.cipher() {
            cipher.apply_keystream(&mut content);
        }
        let mut seal = Vec::new();
        if let Some(mut mac) = keys.seal() {
            mac.update(&content);
            seal = mac.finalize().into_bytes().to_vec();
        }
        Payload { salt, seal, content }
    }
}

/// A salt that nobody had before.
pub fn new_salt() -> Vec<u8> {
    rand::random::<[u8; SALT]>().to_vec()
}
