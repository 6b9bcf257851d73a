//! Words of a command line as Python's `shlex` splits and quotes them.
//!
//! Other readers of words stay what they are: `key=value` arguments (`yaml/key_value.rs`) are Ansible's, values of `ssh_config`
//! OpenSSH's (`ssh/ssh_config.rs`).

use std::fmt;

/// What is not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclosed {
    /// A quote: Python's `No closing quotation`.
    Quote(char),
    /// A backslash with nothing behind it: Python's `No escaped character`.
    Backslash,
}

impl fmt::Display for Unclosed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unclosed::Quote(quote) => write!(out, "a {quote} is not closed"),
            Unclosed::Backslash => out.write_str("nothing stands behind the last \\"),
        }
    }
}

impl std::error::Error for Unclosed {}

/// Splits a line into words, as `shlex.split` does: quotes are taken off, `#` begins no comment.
///
/// # Errors
/// Says what is not closed.
pub fn split(line: &str) -> Result<Vec<String>, Unclosed> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            quote @ ('\'' | '"') => quoted(&mut characters, quote, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(characters.next().ok_or(Unclosed::Backslash)?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Reads up to the closing quote. A backslash in double ones escapes a quote or itself alone.
fn quoted(characters: &mut std::str::Chars<'_>, quote: char, word: &mut String) -> Result<(), Unclosed> {
    loop {
        match characters.next().ok_or(Unclosed::Quote(quote))? {
            c if c == quote => return Ok(()),
            '\\' if quote == '"' => match characters.next().ok_or(Unclosed::Backslash)? {
                c @ ('"' | '\\') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

/// Quotes a word for a shell, as `shlex.quote` does.
pub fn quote(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !word.is_empty() && word.chars().all(safe) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\"'\"'"))
}
