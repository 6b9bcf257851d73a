//! Words of a command line as Python's `shlex` splits and quotes them.
//!
//! Other readers of words stay what they are: `key=value` arguments (`yaml/key_value.rs`) are Ansible's `split_args`, which keeps
//! quotes and templates together; values of `ssh_config` are OpenSSH's (`ssh/ssh_config.rs`).

use std::fmt;

/// What is not closed, and the byte where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclosed {
    /// A quote: Python's `No closing quotation`.
    Quote(char, usize),
    /// A backslash with nothing behind it: Python's `No escaped character`.
    Backslash(usize),
}

impl fmt::Display for Unclosed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unclosed::Quote(quote, _) => write!(out, "a {quote} is not closed"),
            Unclosed::Backslash(_) => out.write_str("nothing stands behind the last \\"),
        }
    }
}

impl std::error::Error for Unclosed {}

/// One word without its quotes, and the bytes where it stands with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word.
    pub text: String,
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// The words of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The words.
    pub words: Vec<Word>,
    /// Where a `#` in the middle of a word cut it off.
    pub comment_in_word: Option<usize>,
}

/// Splits a line into words, as `shlex.split` does: quotes are taken off, `#` begins no comment.
///
/// # Errors
/// Says what is not closed.
pub fn split(line: &str) -> Result<Vec<String>, Unclosed> {
    Ok(words(line, false)?.words.into_iter().map(|word| word.text).collect())
}

/// The words with their places; with `comments`, `#` outside of quotes begins one, even inside of a word.
///
/// # Errors
/// Says what is not closed.
pub fn words(line: &str, comments: bool) -> Result<Words, Unclosed> {
    let mut found = Words::default();
    let mut word: Option<Word> = None;
    let mut characters = line.char_indices();
    while let Some((at, character)) = characters.next() {
        let ends = matches!(character, ' ' | '\t' | '\r' | '\n');
        let comment = comments && character == '#';
        if ends || comment {
            if comment {
                found.comment_in_word = found.comment_in_word.or(word.is_some().then_some(at));
                characters.by_ref().find(|(_, c)| *c == '\n');
            }
            found.words.extend(word.take().map(|word| Word { end: at, ..word }));
            continue;
        }
        let text = &mut word.get_or_insert_with(|| Word { text: String::new(), start: at, end: at }).text;
        match character {
            '\'' | '"' => quoted(&mut characters, (at, character), text)?,
            '\\' => text.push(characters.next().ok_or(Unclosed::Backslash(at))?.1),
            plain => text.push(plain),
        }
    }
    found.words.extend(word.map(|word| Word { end: line.len(), ..word }));
    Ok(found)
}

/// Reads up to the closing quote. A backslash in double ones escapes a quote or itself alone.
fn quoted(
    characters: &mut std::str::CharIndices<'_>,
    (from, quote): (usize, char),
    word: &mut String,
) -> Result<(), Unclosed> {
    loop {
        match characters.next().ok_or(Unclosed::Quote(quote, from))? {
            (_, c) if c == quote => return Ok(()),
            (at, '\\') if quote == '"' => match characters.next().ok_or(Unclosed::Backslash(at))? {
                (_, c @ ('"' | '\\')) => word.push(c),
                (_, c) => word.extend(['\\', c]),
            },
            (_, c) => word.push(c),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_words_with_their_quotes() {
        let found = words("h  a='b c'#d\n\"é\" e", true).unwrap();
        let places: Vec<_> = found.words.iter().map(|word| (word.text.as_str(), word.start, word.end)).collect();
        assert_eq!(places, [("h", 0, 1), ("a=b c", 3, 10), ("é", 13, 17), ("e", 18, 19)]);
        assert_eq!(found.comment_in_word, Some(10));
        assert_eq!(words("h a=x #y", true).unwrap().comment_in_word, None);
        assert_eq!(words("h a='b", false), Err(Unclosed::Quote('\'', 4)));
        assert_eq!(words("é \"b\\", false), Err(Unclosed::Backslash(5)));
    }
}
