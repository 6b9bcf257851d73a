//! The one way values get into shell scripts.

use std::borrow::Cow;

/// Quotes a text as one word of POSIX sh.
///
/// A NUL cannot be part of a word; it is dropped, so callers refuse it before where it matters.
pub fn quote(text: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:@%+,=".contains(&b);
    // `=` is plain only behind other characters: `a=b` at a command's start would be an assignment.
    if !text.is_empty() && text.bytes().all(plain) && !text.contains('=') && !text.starts_with('-') {
        return Cow::Borrowed(text);
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for character in text.chars() {
        match character {
            '\'' => quoted.push_str("'\\''"),
            '\0' => {}
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    Cow::Owned(quoted)
}

/// Quotes bytes as one word of POSIX sh, whatever they are.
pub fn quote_bytes(word: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(word.len() + 2);
    quoted.push(b'\'');
    for &byte in word {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            other => quoted.push(other),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// A command that prints exactly these bytes: `printf` for texts, `base64 -d` for everything else.
pub fn print(bytes: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => format!("printf %s {}", quote(text)),
        _ => format!("printf %s {} | base64 -d", STANDARD.encode(bytes)),
    }
}

/// Quotes and joins words into a command.
pub fn words<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> String {
    words.into_iter().map(|w| quote(w.as_ref()).into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_survive() {
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote_bytes(b"it's"), br"'it'\''s'");
        assert_eq!(quote_bytes(b""), b"''");
        assert_eq!(words(["a", "b c", ""]), "a 'b c' ''");
    }

    proptest! {
        #[test]
        fn sh_gives_back_what_was_quoted(text in "[^\0]{0,40}") {
            let out = Command::new("sh").arg("-c").arg(format!("printf %s {}", quote(&text))).output().unwrap();
            prop_assert_eq!(String::from_utf8_lossy(&out.stdout), text);
        }

        #[test]
        fn sh_gives_back_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let out = Command::new("sh").arg("-c").arg(print(&bytes)).output().unwrap();
            prop_assert_eq!(out.stdout, bytes);
        }
    }
}
