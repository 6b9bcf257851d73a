//! Texts: the methods of Python's `str`, and its `repr()`.

/// Whether Python calls a character a blank: Unicode's, and the four separators of ASCII.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `text.strip()`.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `text.capitalize()`.
pub fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    titled(first).chain(chars.as_str().to_lowercase().chars()).collect()
}

/// `text.title()`: a capital behind everything that is no letter, apostrophes included.
pub fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        let cased = c.is_lowercase() || c.is_uppercase();
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(titled(c));
        }
        inside = cased;
    }
    out
}

/// The capital at the beginning of a word: `ß` becomes `Ss`.
fn titled(c: char) -> impl Iterator<Item = char> {
    c.to_uppercase().enumerate().flat_map(|(at, c)| -> Box<dyn Iterator<Item = char>> {
        if at == 0 { Box::new(std::iter::once(c)) } else { Box::new(c.to_lowercase()) }
    })
}

/// `text.swapcase()`.
pub fn swapcase(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_uppercase() {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
    }
    out
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
            c if printable(c) => out.push(c),
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

/// Whether a character is shown as it is: no control, no blank but a space, no code without a character.
fn printable(c: char) -> bool {
    if c == ' ' || c.is_ascii_graphic() {
        return true;
    }
    let hidden = matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}');
    !c.is_control() && !c.is_whitespace() && !hidden
}
