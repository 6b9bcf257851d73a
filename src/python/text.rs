//! Texts: the methods of Python's `str`, and its `repr()`.

use super::character::{decimal, folded, is_cased, is_decimal, is_printable, is_space, titled};

/// `text.strip()`.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Each character, and what it becomes in small letters where it stands: a `Σ` at the end of a word becomes `ς`.
fn lowered(text: &str) -> impl Iterator<Item = (char, String)> {
    let lower = text.to_lowercase();
    let mut at = 0;
    text.chars().map(move |c| {
        let from = at;
        at += c.to_lowercase().map(char::len_utf8).sum::<usize>();
        (c, lower.get(from..at).unwrap_or_default().to_owned())
    })
}

/// `text.capitalize()`.
pub fn capitalize(text: &str) -> String {
    lowered(text).enumerate().map(|(at, (c, lower))| if at == 0 { titled(c) } else { lower }).collect()
}

/// `text.title()`: a capital behind everything that is no letter, apostrophes included.
pub fn title(text: &str) -> String {
    let mut inside = false;
    let one = |(c, lower): (char, String)| {
        let out = if inside { lower } else { titled(c) };
        inside = is_cased(c);
        out
    };
    lowered(text).map(one).collect()
}

/// `text.swapcase()`.
pub fn swapcase(text: &str) -> String {
    let one = |(c, lower): (char, String)| match c {
        c if c.is_uppercase() => lower,
        c if c.is_lowercase() => c.to_uppercase().collect(),
        c => c.to_string(),
    };
    lowered(text).map(one).collect()
}

/// `text.casefold()`.
pub fn casefold(text: &str) -> String {
    text.chars().map(folded).collect()
}

/// `text.isupper()`: there are capitals, and no letter that is none.
pub fn is_upper(text: &str) -> bool {
    text.chars().any(char::is_uppercase) && text.chars().all(|c| c.is_uppercase() || !is_cased(c))
}

/// `text.islower()`.
pub fn is_lower(text: &str) -> bool {
    text.chars().any(char::is_lowercase) && text.chars().all(|c| c.is_lowercase() || !is_cased(c))
}

/// `text.istitle()`: capitals where words begin, and there alone.
pub fn is_title(text: &str) -> bool {
    let mut inside = false;
    let mut any = false;
    for c in text.chars() {
        let capital = c.is_uppercase() || super::character::is_title(c);
        if is_cased(c) && capital == inside {
            return false;
        }
        inside = is_cased(c);
        any |= inside;
    }
    any
}

/// Whether every character is one of a kind, and there are some: `isalpha` and its like.
pub fn all(text: &str, kind: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(kind)
}

/// `text.isidentifier()`.
pub fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(super::character::begins_name) && chars.all(super::character::in_name)
}

/// A text with every decimal digit as one of ASCII, for `int` and `float`.
pub(super) fn with_ascii_digits(text: &str) -> String {
    let ascii = |c: char| decimal(c).and_then(|value| char::from_digit(value, 10)).unwrap_or(c);
    text.chars().map(|c| if !c.is_ascii() && is_decimal(c) { ascii(c) } else { c }).collect()
}

/// `text.splitlines(keepends)`: at every end of a line that Unicode knows.
pub fn splitlines(text: &str, keepends: bool) -> Vec<&str> {
    let end = |c: char| matches!(c, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(end) {
        let tail = rest.get(at..).unwrap_or_default();
        let width = if tail.starts_with("\r\n") { 2 } else { tail.chars().next().map_or(0, char::len_utf8) };
        let (line, behind) = rest.split_at(at + width);
        lines.push(if keepends { line } else { line.get(..at).unwrap_or_default() });
        rest = behind;
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// `text.split()` at blanks, at most `max` times.
pub fn split(text: &str, max: Option<usize>) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        match rest.find(is_space).filter(|_| max.is_none_or(|max| parts.len() < max)) {
            Some(at) => {
                let (head, tail) = rest.split_at(at);
                parts.push(head);
                rest = tail.trim_start_matches(is_space);
            }
            None => {
                parts.push(rest);
                break;
            }
        }
    }
    parts
}

/// `text.rsplit()` at blanks, at most `max` times.
pub fn rsplit(text: &str, max: Option<usize>) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim_end_matches(is_space);
    while !rest.is_empty() {
        match rest.rfind(is_space).filter(|_| max.is_none_or(|max| parts.len() < max)) {
            Some(at) => {
                let width = rest.get(at..).and_then(|r| r.chars().next()).map_or(0, char::len_utf8);
                parts.push(rest.get(at + width..).unwrap_or_default());
                rest = rest.get(..at).unwrap_or_default().trim_end_matches(is_space);
            }
            None => {
                parts.push(rest);
                break;
            }
        }
    }
    parts.reverse();
    parts
}

/// `text.expandtabs(size)`; none if it were longer than `limit` bytes.
pub fn expandtabs(text: &str, size: usize, limit: usize) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for c in text.chars() {
        match c {
            '\t' if size == 0 => {}
            '\t' => {
                let width = size - column % size;
                if out.len().saturating_add(width) > limit {
                    return None;
                }
                out.extend(std::iter::repeat_n(' ', width));
                column += width;
            }
            c => {
                out.push(c);
                column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
            }
        }
    }
    Some(out)
}

/// Python's `repr()` of a text.
pub fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                out.push_str(&match code {
                    0..=0xff => format!("\\x{code:02x}"),
                    0x100..=0xffff => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                });
            }
        }
    }
    out.push(quote);
    out
}
