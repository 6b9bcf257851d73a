//! Text as a terminal may have it: what hosts, files and templates say is shown, never obeyed.
//!
//! A character that moves the cursor, starts an escape sequence, turns the direction of writing or cannot be seen at all is
//! written out (`\x1b`, `\u{202e}`). A text of one line stays one line; one of several lines is indented, so that none of
//! them can be taken for a line of ours.

use std::{borrow::Cow, fmt};

/// A text that is fit to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shown(String);

impl Shown {
    /// A text of one line: names, labels, notes.
    pub fn line(text: &str) -> Shown {
        Shown(line(text).into_owned())
    }

    /// A text that may have several lines, the further ones indented: messages.
    pub fn message(text: &str) -> Shown {
        Shown(nested(text, 2))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl std::ops::Deref for Shown {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Writes out what a terminal would obey and what nobody sees; line ends and tabs too.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// Writes out what a terminal would obey and what nobody sees; line ends and tabs stay.
pub fn block(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

/// A text of which all lines but the first are indented at least so far.
pub fn nested(text: &str, indent: usize) -> String {
    let blanks = " ".repeat(indent);
    let text = block(text.trim_end_matches('\n'));
    let mut lines = text.split('\n');
    let mut out = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        out.push('\n');
        out.push_str(if line.is_empty() || line.starts_with(&blanks) { "" } else { &blanks });
        out.push_str(line);
    }
    out
}

/// A JSON text in which such characters stand as JSON's own escapes: the same values.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut units = [0; 2];
    for (at, c) in text.char_indices() {
        // JSON has written out what lies below the blank itself; line ends stand between values alone.
        match c >= ' ' && hostile(c, text, at) {
            true => c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
            false => out.push(c),
        }
    }
    out
}

/// Composed text on its way to the terminal: colours of ours stay, whatever else is hostile is written out. Nothing should be
/// left to do here; it is the net below those who forget.
pub(super) fn composed(text: &str) -> Cow<'_, str> {
    if !text.char_indices().any(|(at, c)| c != '\n' && c != '\t' && hostile(c, text, at)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        let (before, from) = rest.split_at(at);
        out.push_str(&block(before));
        let colour = colour(from);
        out.push_str(if colour > 0 { &from[..colour] } else { "\\x1b" });
        rest = &from[colour.max(1)..];
    }
    out.push_str(&block(rest));
    Cow::Owned(out)
}

/// The length of the colour sequence (`ESC [ 1 ; 31 m`) that a text begins with, or nothing.
fn colour(text: &str) -> usize {
    let Some(inner) = text.strip_prefix("\x1b[") else { return 0 };
    let end = inner.bytes().position(|b| !b.is_ascii_digit() && b != b';').unwrap_or(inner.len());
    if inner.as_bytes().get(end) == Some(&b'm') { 2 + end + 1 } else { 0 }
}

fn escaped(text: &str, kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    let bad = |(at, c): (usize, char)| !kept(c) && hostile(c, text, at);
    let Some((first, _)) = text.char_indices().find(|found| bad(*found)) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(&text[..first]);
    for (at, c) in text[first..].char_indices() {
        match (bad((first + at, c)), c) {
            (false, c) => out.push(c),
            (true, '\n') => out.push_str("\\n"),
            (true, '\t') => out.push_str("\\t"),
            (true, '\r') => out.push_str("\\r"),
            (true, c) if c.is_ascii() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            (true, c) => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        }
    }
    Cow::Owned(out)
}

/// Whether a character at a place does something other than to be seen.
fn hostile(c: char, text: &str, at: usize) -> bool {
    match c {
        ' '..='~' => false,
        // Scripts and emoji need joiners between their characters. Beside ASCII they only hide.
        '\u{200c}' | '\u{200d}' => {
            let before = text[..at].chars().next_back().unwrap_or(' ');
            let after = text[at + c.len_utf8()..].chars().next().unwrap_or(' ');
            [before, after].into_iter().any(|c| c.is_ascii() || unseen(c))
        }
        c => c.is_control() || unseen(c),
    }
}

/// Characters without a width of their own: directions, fillers, separators, tags.
fn unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        assert_eq!(line("a\x1b]52;c;eA==\x07b\r\n\tc\0"), "a\\x1b]52;c;eA==\\x07b\\r\\n\\tc\\x00");
        assert_eq!(
            line("\u{9b}31m\u{7f}\u{202e}txt.\u{200b}\u{2028}"),
            "\\u{9b}31m\\x7f\\u{202e}txt.\\u{200b}\\u{2028}"
        );
        assert_eq!(block("a\n\tb\r"), "a\n\tb\\r");
        assert!(matches!(line("plain, ümläut, 漢字, ✓, \u{fffd}"), Cow::Borrowed(_)));
        assert_eq!(nested("a\nPLAY RECAP\n\n  help: b\n", 2), "a\n  PLAY RECAP\n\n  help: b");
    }

    #[test]
    fn joiners_stay_where_scripts_need_them() {
        let family = "\u{1f468}\u{200d}\u{1f469}";
        assert_eq!(line(family), family);
        assert_eq!(line("می\u{200c}خواهم"), "می\u{200c}خواهم");
        assert_eq!(line("web\u{200d}1"), "web\\u{200d}1");
        assert_eq!(line("\u{1f468}\u{200d}\u{200d}\u{1f469}"), "\u{1f468}\\u{200d}\\u{200d}\u{1f469}");
    }

    #[test]
    fn json_keeps_its_values() {
        let every: String = ('\0'..='\u{ffff}').chain(['\u{e0001}']).collect();
        let value = serde_json::Value::String(every);
        let text = json(&value.to_string());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        assert!(text.chars().all(|c| !c.is_control() && !unseen(c)));
        assert_eq!(json("{\n  \"\u{9b}\u{e0001}\": 1\n}"), "{\n  \"\\u009b\\udb40\\udc01\": 1\n}");
    }

    #[test]
    fn only_colours_pass_the_net() {
        let text = "\x1b[1;32mok\x1b[0m: a\n\tb \x1b[2J\x1b]0;t\x07\x1b[31\x1b[m";
        assert_eq!(composed(text), "\x1b[1;32mok\x1b[0m: a\n\tb \\x1b[2J\\x1b]0;t\\x07\\x1b[31\x1b[m");
    }
}
