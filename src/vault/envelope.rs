//! The text as it stands in a file: a first line that says what it is, then lines of hexadecimal digits.

use super::VaultError;

/// What begins every encrypted text.
pub const HEADER: &str = "$ANSIBLE_VAULT";

/// How many digits stand in a line.
const WIDTH: usize = 80;

/// An encrypted text, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The vault id; format 1.1 has none.
    pub label: Option<String>,
    /// What the cipher made.
    pub body: Vec<u8>,
}

/// Whether bytes begin as an encrypted text does.
pub fn is_encrypted(bytes: &[u8]) -> bool {
    bytes.starts_with(HEADER.as_bytes())
}

fn damaged(reason: impl Into<String>) -> VaultError {
    VaultError::Damaged(reason.into())
}

impl Envelope {
    /// Takes an encrypted text apart.
    ///
    /// # Errors
    /// When it is none, is damaged, or names a format or a cipher that is not known.
    pub fn parse(text: &[u8]) -> Result<Envelope, VaultError> {
        let text = text.trim_ascii();
        if !is_encrypted(text) {
            return Err(VaultError::Plain);
        }
        let text = std::str::from_utf8(text).map_err(|_| damaged("it holds something else than digits"))?;
        let mut lines = text.lines();
        let mut parts = lines.next().unwrap_or_default().split(';').map(str::trim);
        let (head, version, cipher) = (parts.next(), parts.next(), parts.next());
        let label = parts.next().filter(|label| !label.is_empty()).map(str::to_owned);
        let (Some(HEADER), Some(version), Some(cipher)) = (head, version, cipher) else {
            return Err(damaged("its first line is not `$ANSIBLE_VAULT;FORMAT;CIPHER`"));
        };
        if !matches!(version, "1.1" | "1.2") {
            return Err(VaultError::Version(version.to_owned()));
        }
        if cipher != "AES256" {
            return Err(VaultError::Cipher(cipher.to_owned()));
        }
        let digits: Vec<u8> = lines.flat_map(|line| line.trim().bytes()).collect();
        Ok(Envelope { label, body: unhex(&digits)? })
    }

    /// Writes it as a file: format 1.2 where there is a vault id but `default`, which is what 1.1 means.
    ///
    /// # Errors
    /// When the vault id would break the first line.
    pub fn write(&self) -> Result<String, VaultError> {
        let label = self.label.as_deref().filter(|label| *label != super::DEFAULT_ID);
        let mut out = match label {
            None => format!("{HEADER};1.1;AES256\n"),
            Some(label) if label.is_empty() || label.trim() != label || label.contains([';', '\n', '\r']) => {
                return Err(VaultError::Label(label.to_owned()));
            }
            Some(label) => format!("{HEADER};1.2;AES256;{label}\n"),
        };
        let digits = hex(&self.body);
        for line in digits.as_bytes().chunks(WIDTH) {
            out.extend(line.iter().map(|b| char::from(*b)));
            out.push('\n');
        }
        Ok(out)
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).filter_map(|d| char::from_digit(u32::from(d), 16)).collect()
}

/// Hexadecimal digits as bytes.
///
/// # Errors
/// When there is an odd number of them, or something else among them.
pub(super) fn unhex(digits: &[u8]) -> Result<Vec<u8>, VaultError> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|v| u8::try_from(v).ok());
    if !digits.len().is_multiple_of(2) {
        return Err(damaged("a digit is missing or too many"));
    }
    let pair = |pair: &[u8]| Some(value(*pair.first()?)? << 4 | value(*pair.get(1)?)?);
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
    bytes.ok_or_else(|| damaged("it holds something else than digits"))
}
