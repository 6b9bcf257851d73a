//! Private keys: made, read, and their public halves.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{KeyPair, PublicKeyData, SigningKey};
use rsa::{
    RsaPrivateKey,
    pkcs1::DecodeRsaPrivateKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding},
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};

use super::PkiError;

/// Which curve an elliptic key is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-256, `secp256r1`.
    P256,
    /// NIST P-384, `secp384r1`.
    P384,
}

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with so many bits.
    Rsa(usize),
    /// An elliptic curve.
    Ecc(Curve),
    /// Ed25519.
    Ed25519,
}

/// An Ed25519 key in the form of RFC 8410 without its public half: OpenSSL 3.0 reads no other, and ring writes the other.
fn ed25519(seed: &[u8; 32]) -> String {
    const HEAD: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let text = STANDARD.encode([&HEAD[..], seed].concat());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

/// A private key.
pub struct Key {
    kind: KeyKind,
    pair: KeyPair,
    pem: String,
}

impl std::fmt::Debug for Key {
    /// Never shows the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "private key ({:?})", self.kind)
    }
}

fn unread(why: impl ToString) -> PkiError {
    PkiError::NotRead { what: "private key", why: why.to_string() }
}

impl Key {
    /// Makes a new key.
    ///
    /// # Errors
    /// When the random source fails, or an RSA size is out of 2048 to 8192 bits.
    pub fn generate(kind: KeyKind) -> Result<Key, PkiError> {
        let failed = |why: String| PkiError::NotMade { what: "private key", why };
        let pem = match kind {
            KeyKind::Rsa(bits) => {
                if !(2048..=8192).contains(&bits) {
                    return Err(PkiError::Value {
                        what: "size",
                        value: bits.to_string(),
                        why: "is not from 2048 to 8192".to_owned(),
                    });
                }
                let key = RsaPrivateKey::new(&mut rand::rng(), bits).map_err(|e| failed(e.to_string()))?;
                key.to_pkcs8_pem(LineEnding::LF).map_err(|e| failed(e.to_string()))?.to_string()
            }
            KeyKind::Ecc(curve) => {
                let algorithm = match curve {
                    Curve::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
                    Curve::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
                };
                KeyPair::generate_for(algorithm).map_err(|e| failed(e.to_string()))?.serialize_pem()
            }
            KeyKind::Ed25519 => ed25519(&rand::random()),
        };
        Key::from_pem(&pem)
    }

    /// Reads a key in PKCS #8, PKCS #1 (`RSA PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`) form.
    ///
    /// # Errors
    /// When it is encrypted, of another kind, or damaged.
    pub fn from_pem(pem: &str) -> Result<Key, PkiError> {
        if pem.contains("ENCRYPTED") {
            return Err(unread("it is encrypted"));
        }
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|e| unread(format!("{e:?}")))?;
        let pair = match &der {
            // ring reads PKCS #8 alone for RSA.
            PrivateKeyDer::Pkcs1(_) => {
                let key = RsaPrivateKey::from_pkcs1_pem(pem).map_err(unread)?;
                let pkcs8 = key.to_pkcs8_pem(LineEnding::LF).map_err(unread)?;
                KeyPair::from_pem(&pkcs8).map_err(unread)?
            }
            PrivateKeyDer::Sec1(sec1) => from_sec1(sec1.secret_sec1_der())?,
            _ => KeyPair::from_pem(pem).map_err(unread)?,
        };
        let algorithm = pair.algorithm();
        let kind = if algorithm == &rcgen::PKCS_ECDSA_P256_SHA256 {
            KeyKind::Ecc(Curve::P256)
        } else if algorithm == &rcgen::PKCS_ECDSA_P384_SHA384 {
            KeyKind::Ecc(Curve::P384)
        } else if algorithm == &rcgen::PKCS_ED25519 {
            KeyKind::Ed25519
        } else {
            KeyKind::Rsa(rsa_bits(pem)?)
        };
        Ok(Key { kind, pair, pem: pem.to_owned() })
    }

    /// What it is.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The key itself in PEM. Secret.
    pub fn secret_pem(&self) -> &str {
        &self.pem
    }

    /// The public half in PEM (`PUBLIC KEY`).
    pub fn public_pem(&self) -> String {
        self.pair.public_key_pem()
    }

    /// The public half as DER of a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7).
    pub fn public_der(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    pub(super) fn pair(&self) -> &(impl SigningKey + use<>) {
        &self.pair
    }
}

fn rsa_bits(pem: &str) -> Result<usize, PkiError> {
    use rsa::traits::PublicKeyParts;
    let key = RsaPrivateKey::from_pkcs8_pem(pem)
        .or_else(|_| RsaPrivateKey::from_pkcs1_pem(pem).map_err(|_| ()))
        .map_err(|()| unread("its size cannot be told"))?;
    Ok(key.size() * 8)
}

/// Wraps a SEC 1 key (RFC 5915) into PKCS #8 by its curve, which the DER names.
fn from_sec1(der: &[u8]) -> Result<KeyPair, PkiError> {
    const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
    const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    let curve = [P256, P384].into_iter().find(|oid| der.windows(oid.len()).any(|w| w == *oid));
    let curve = curve.ok_or_else(|| unread("its curve is neither P-256 nor P-384"))?;
    let algorithm = wrap(0x30, &[EC_PUBLIC_KEY, curve].concat());
    let pkcs8 = wrap(0x30, &[&[0x02, 0x01, 0x00], algorithm.as_slice(), &wrap(0x04, der)].concat());
    let algorithm = if curve == P256 { &rcgen::PKCS_ECDSA_P256_SHA256 } else { &rcgen::PKCS_ECDSA_P384_SHA384 };
    KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8.into(), algorithm).map_err(unread)
}

/// A DER value: tag, length, content.
fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        n @ 0..=127 => out.push(n as u8),
        n @ 128..=255 => out.extend([0x81, n as u8]),
        n => out.extend([0x82, (n >> 8) as u8, n as u8]),
    }
    out.extend(content);
    out
}
