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
    /// `utf-16`: with a mark of its order, which is the little one where it is written here.
    Utf16Marked,
    /// `utf-32-le`.
    Utf32Little,
    /// `utf-32-be`.
    Utf32Big,
    /// `utf-32`: with a mark of its order.
    Utf32Marked,
    /// `ascii`.
    Ascii,
    /// `latin-1`, ISO 8859-1.
    Latin1,
    /// `iso8859-15`.
    Latin9,
    /// One that the table of the web's encodings has as Python has it.
    Table(&'static encoding_rs::Encoding),
}

/// What stands in ISO 8859-15 at other places than in 8859-1.
const LATIN_9: [(u8, char); 8] =
    [(0xa4, '€'), (0xa6, 'Š'), (0xa8, 'š'), (0xb4, 'Ž'), (0xb8, 'ž'), (0xbc, 'Œ'), (0xbd, 'œ'), (0xbe, 'Ÿ')];

/// The names of encodings, for messages.
pub const NAMES: &str = "utf-8, utf-8-sig, utf-16, utf-32 (and these with -le or -be), ascii, latin-1, iso8859-2 to -16, cp1250 to cp1258, \
                         cp866, cp874, koi8-r, mac-roman, mac-cyrillic, gbk, gb18030 or cp949";

/// Encodings by Python's names for them without `-` and `_`. Of others (`big5`, `euc-jp`, `shift_jis`, `koi8-u`, `iso8859-9`) the web has
/// tables of its own.
const TABLES: &[(&[&str], &encoding_rs::Encoding)] = &[
    (&["iso88592", "latin2", "l2"], encoding_rs::ISO_8859_2),
    (&["iso88593", "latin3", "l3"], encoding_rs::ISO_8859_3),
    (&["iso88594", "latin4", "l4"], encoding_rs::ISO_8859_4),
    (&["iso88595", "cyrillic"], encoding_rs::ISO_8859_5),
    (&["iso88596", "arabic"], encoding_rs::ISO_8859_6),
    (&["iso88597", "greek", "greek8"], encoding_rs::ISO_8859_7),
    (&["iso88598", "hebrew"], encoding_rs::ISO_8859_8),
    (&["iso885910", "latin6", "l6"], encoding_rs::ISO_8859_10),
    (&["iso885913", "latin7", "l7"], encoding_rs::ISO_8859_13),
    (&["iso885914", "latin8", "l8"], encoding_rs::ISO_8859_14),
    (&["iso885916", "latin10", "l10"], encoding_rs::ISO_8859_16),
    (&["cp1250", "1250", "windows1250"], encoding_rs::WINDOWS_1250),
    (&["cp1251", "1251", "windows1251"], encoding_rs::WINDOWS_1251),
    (&["cp1252", "1252", "windows1252"], encoding_rs::WINDOWS_1252),
    (&["cp1253", "1253", "windows1253"], encoding_rs::WINDOWS_1253),
    (&["cp1254", "1254", "windows1254"], encoding_rs::WINDOWS_1254),
    (&["cp1255", "1255", "windows1255"], encoding_rs::WINDOWS_1255),
    (&["cp1256", "1256", "windows1256"], encoding_rs::WINDOWS_1256),
    (&["cp1257", "1257", "windows1257"], encoding_rs::WINDOWS_1257),
    (&["cp1258", "1258", "windows1258"], encoding_rs::WINDOWS_1258),
    (&["cp866", "866", "ibm866"], encoding_rs::IBM866),
    (&["cp874"], encoding_rs::WINDOWS_874),
    (&["koi8r"], encoding_rs::KOI8_R),
    (&["maccyrillic"], encoding_rs::X_MAC_CYRILLIC),
    (&["macroman", "macintosh"], encoding_rs::MACINTOSH),
    (&["gb18030", "gb180302000"], encoding_rs::GB18030),
    (&["gbk", "cp936"], encoding_rs::GBK),
    (&["cp949", "949", "ms949", "uhc"], encoding_rs::EUC_KR),
];

impl Encoding {
    /// The encoding of a name, however it is written.
    pub fn named(name: &str) -> Option<Encoding> {
        let bare: String = name.to_ascii_lowercase().chars().filter(|c| !matches!(c, '-' | '_' | ' ')).collect();
        Some(match bare.as_str() {
            "utf8" | "u8" => Encoding::Utf8,
            "utf8sig" => Encoding::Utf8Marked,
            "utf16le" => Encoding::Utf16Little,
            "utf16be" => Encoding::Utf16Big,
            "utf16" | "u16" => Encoding::Utf16Marked,
            "utf32le" => Encoding::Utf32Little,
            "utf32be" => Encoding::Utf32Big,
            "utf32" | "u32" => Encoding::Utf32Marked,
            "ascii" | "usascii" | "646" => Encoding::Ascii,
            "latin1" | "latin" | "l1" | "iso88591" | "cp819" => Encoding::Latin1,
            "latin9" | "l9" | "iso885915" => Encoding::Latin9,
            other => {
                let (_, table) = TABLES.iter().find(|(names, _)| names.contains(&other))?;
                Encoding::Table(table)
            }
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
            Encoding::Utf16Marked => match bytes {
                [0xfe, 0xff, rest @ ..] => Encoding::Utf16Big.decode(rest),
                [0xff, 0xfe, rest @ ..] => Encoding::Utf16Little.decode(rest),
                _ => Encoding::Utf16Little.decode(bytes),
            },
            Encoding::Utf32Little => wider(bytes, u32::from_le_bytes),
            Encoding::Utf32Big => wider(bytes, u32::from_be_bytes),
            Encoding::Utf32Marked => match bytes {
                [0, 0, 0xfe, 0xff, rest @ ..] => Encoding::Utf32Big.decode(rest),
                [0xff, 0xfe, 0, 0, rest @ ..] => Encoding::Utf32Little.decode(rest),
                _ => Encoding::Utf32Little.decode(bytes),
            },
            Encoding::Ascii => bytes.is_ascii().then(|| bytes.iter().map(|byte| char::from(*byte)).collect()),
            Encoding::Latin1 => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
            Encoding::Latin9 => {
                let own = |byte: &u8| LATIN_9.iter().find(|(at, _)| at == byte).map(|(_, c)| *c);
                Some(bytes.iter().map(|byte| own(byte).unwrap_or_else(|| char::from(*byte))).collect())
            }
            Encoding::Table(table) => {
                let text = table.decode_without_bom_handling_and_without_replacement(bytes)?;
                (!text.chars().any(|c| unassigned(table, c))).then(|| text.into_owned())
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
            Encoding::Utf16Marked => Ok([b"\xff\xfe".to_vec(), Encoding::Utf16Little.encode(text)?].concat()),
            Encoding::Utf32Little => Ok(text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()),
            Encoding::Utf32Big => Ok(text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()),
            Encoding::Utf32Marked => Ok([b"\xff\xfe\0\0".to_vec(), Encoding::Utf32Little.encode(text)?].concat()),
            Encoding::Ascii => text.chars().map(|c| u8::try_from(c).ok().filter(u8::is_ascii).ok_or(c)).collect(),
            Encoding::Latin1 => text.chars().map(|c| u8::try_from(c).map_err(|_| c)).collect(),
            Encoding::Latin9 => {
                let own = |c: char| LATIN_9.iter().find(|(_, there)| *there == c).map(|(at, _)| *at);
                let taken = |byte: &u8| !LATIN_9.iter().any(|(at, _)| at == byte);
                text.chars().map(|c| own(c).or_else(|| u8::try_from(c).ok().filter(taken)).ok_or(c)).collect()
            }
            Encoding::Table(table) => {
                let has = |c: char| !table.encode(c.encode_utf8(&mut [0; 4])).2 && !unassigned(table, c);
                // What cannot be encoded would be written as a number of HTML.
                match text.chars().find(|c| !c.is_ascii() && !has(*c)) {
                    Some(missing) => Err(missing),
                    None => Ok(table.encode(text).0.into_owned()),
                }
            }
        }
    }
}

/// Units of four bytes.
fn wider(bytes: &[u8], join: fn([u8; 4]) -> u32) -> Option<String> {
    let units = bytes.chunks_exact(4);
    let whole = units.remainder().is_empty();
    let text = units.map(|unit| unit.try_into().ok().map(join).and_then(char::from_u32)).collect::<Option<String>>();
    text.filter(|_| whole)
}

/// Whether the web has a character for a byte that stands for none in Python's: it does so in the code pages of Windows, with control
/// characters above all.
fn unassigned(table: &'static encoding_rs::Encoding, c: char) -> bool {
    let windows = table.name().starts_with("windows-");
    windows && (('\u{80}'..='\u{9f}').contains(&c) || (c == '\u{5ba}' && table == encoding_rs::WINDOWS_1255))
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
