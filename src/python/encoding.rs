//! Texts as bytes, by the names that Python has for encodings.

/// An encoding that playbooks name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `utf-8`.
    Utf8,
    /// `utf-8-sig`: with a mark at the beginning, which reading drops.
    Utf8Marked,
    /// `utf-16-le`.
    Utf16Little,
    /// `utf-16-be`.
    Utf16Big,
    /// `ascii`.
    Ascii,
    /// `latin-1`, ISO 8859-1.
    Latin1,
    /// `iso8859-15`.
    Latin9,
}

/// What stands in ISO 8859-15 at other places than in 8859-1.
const LATIN_9: [(u8, char); 8] =
    [(0xa4, '€'), (0xa6, 'Š'), (0xa8, 'š'), (0xb4, 'Ž'), (0xb8, 'ž'), (0xbc, 'Œ'), (0xbd, 'œ'), (0xbe, 'Ÿ')];

/// The names of encodings, for messages.
pub const NAMES: &str = "utf-8, utf-8-sig, utf-16-le, utf-16-be, ascii, latin-1 or iso8859-15";

impl Encoding {
    /// The encoding of a name, however it is written.
    pub fn named(name: &str) -> Option<Encoding> {
        let bare: String = name.to_ascii_lowercase().chars().filter(|c| !matches!(c, '-' | '_' | ' ')).collect();
        Some(match bare.as_str() {
            "utf8" | "u8" => Encoding::Utf8,
            "utf8sig" => Encoding::Utf8Marked,
            "utf16le" => Encoding::Utf16Little,
            "utf16be" => Encoding::Utf16Big,
            "ascii" | "usascii" | "646" => Encoding::Ascii,
            "latin1" | "latin" | "l1" | "iso88591" | "cp819" => Encoding::Latin1,
            "latin9" | "l9" | "iso885915" => Encoding::Latin9,
            _ => return None,
        })
    }

    /// The text that bytes are, or none where they are none.
    pub fn decode(self, bytes: &[u8]) -> Option<String> {
        let wide = |join: fn([u8; 2]) -> u16| -> Option<String> {
            let pairs = bytes.chunks_exact(2);
            let whole = pairs.remainder().is_empty();
            let units: Vec<u16> = pairs.filter_map(|pair| pair.try_into().ok().map(join)).collect();
            String::from_utf16(&units).ok().filter(|_| whole)
        };
        match self {
            Encoding::Utf8 => String::from_utf8(bytes.to_vec()).ok(),
            Encoding::Utf8Marked => {
                String::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).to_vec()).ok()
            }
            Encoding::Utf16Little => wide(u16::from_le_bytes),
            Encoding::Utf16Big => wide(u16::from_be_bytes),
            Encoding::Ascii => bytes.is_ascii().then(|| bytes.iter().map(|byte| char::from(*byte)).collect()),
            Encoding::Latin1 => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
            Encoding::Latin9 => {
                let own = |byte: &u8| LATIN_9.iter().find(|(at, _)| at == byte).map(|(_, c)| *c);
                Some(bytes.iter().map(|byte| own(byte).unwrap_or_else(|| char::from(*byte))).collect())
            }
        }
    }

    /// The bytes that a text is, or the first character that the encoding has not.
    ///
    /// # Errors
    /// Names the character.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, char> {
        match self {
            Encoding::Utf8 => Ok(text.as_bytes().to_vec()),
            Encoding::Utf8Marked => Ok([b"\xef\xbb\xbf", text.as_bytes()].concat()),
            Encoding::Utf16Little => Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            Encoding::Utf16Big => Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            Encoding::Ascii => text.chars().map(|c| u8::try_from(c).ok().filter(u8::is_ascii).ok_or(c)).collect(),
            Encoding::Latin1 => text.chars().map(|c| u8::try_from(c).map_err(|_| c)).collect(),
            Encoding::Latin9 => {
                let own = |c: char| LATIN_9.iter().find(|(_, there)| *there == c).map(|(at, _)| *at);
                let taken = |byte: &u8| !LATIN_9.iter().any(|(at, _)| at == byte);
                text.chars().map(|c| own(c).or_else(|| u8::try_from(c).ok().filter(taken)).ok_or(c)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_those_of_python() {
        // What Python says to `TEXT.encode(NAME)`.
        for (name, text, bytes) in [
            ("utf-8", "é€", Some(&b"\xc3\xa9\xe2\x82\xac"[..])),
            ("utf-8-sig", "a", Some(b"\xef\xbb\xbfa")),
            ("UTF_16_LE", "é€", Some(b"\xe9\x00\xac\x20")),
            ("utf-16-be", "é€", Some(b"\x00\xe9\x20\xac")),
            ("iso8859-1", "é", Some(b"\xe9")),
            ("latin-1", "€", None),
            ("iso-8859-15", "é€", Some(b"\xe9\xa4")),
            ("iso8859-15", "¤", None),
            ("ascii", "a", Some(b"a")),
            ("us-ascii", "é", None),
        ] {
            let encoding = Encoding::named(name).unwrap();
            assert_eq!(encoding.encode(text).ok().as_deref(), bytes, "{name} {text}");
            if let Some(bytes) = bytes {
                assert_eq!(encoding.decode(bytes).as_deref(), Some(text), "{name}");
            }
        }
        assert_eq!((Encoding::named("klingon"), Encoding::Utf8.decode(b"\xe9")), (None, None));
        assert_eq!((Encoding::Ascii.decode(b"\xe9"), Encoding::Utf16Little.decode(b"abc")), (None, None));
    }
}
