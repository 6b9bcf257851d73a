//! Regular expressions as Python's `re` reads them, over texts of any bytes.

use fancy_regex::{Captures, Regex, RegexBuilder};

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
}

/// A text of any bytes, as one of characters: UTF-8 where it is that, else a character for each byte.
///
/// An expression meets bytes that are no UTF-8 as characters up to U+00FF, as Python's byte expressions do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Characters {
    /// The characters.
    pub text: String,
    bytewise: bool,
}

impl Characters {
    /// Reads bytes.
    pub fn of(bytes: &[u8]) -> Characters {
        match std::str::from_utf8(bytes) {
            Ok(text) => Characters { text: text.to_owned(), bytewise: false },
            Err(_) => Characters { text: bytes.iter().map(|b| char::from(*b)).collect(), bytewise: true },
        }
    }

    /// Brings a parameter into the same form.
    pub fn like(&self, parameter: &str) -> String {
        if self.bytewise { parameter.bytes().map(char::from).collect() } else { parameter.to_owned() }
    }

    /// Makes bytes of a text in the same form.
    pub fn bytes(&self, text: &str) -> Vec<u8> {
        match self.bytewise {
            true => text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect(),
            false => text.as_bytes().to_vec(),
        }
    }
}

impl Pattern {
    /// Compiles an expression; `multiline` lets `^` and `$` match at each line.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn new(expression: &str, multiline: bool) -> Result<Pattern, String> {
        let translated = translate(expression, multiline);
        let compiled = RegexBuilder::new(&translated).multi_line(multiline).build();
        compiled.map(|regex| Pattern { regex }).map_err(|e| format!("`{expression}` is no regular expression: {e}"))
    }

    /// The first match.
    ///
    /// # Errors
    /// When matching takes too long.
    pub fn captures<'t>(&self, text: &'t str) -> Result<Option<Captures<'t, str>>, String> {
        self.regex.captures(text).map_err(|e| e.to_string())
    }

    /// Whether there is a match.
    ///
    /// # Errors
    /// When matching takes too long.
    pub fn matches(&self, text: &str) -> Result<bool, String> {
        self.regex.is_match(text).map_err(|e| e.to_string())
    }

    /// Replaces every match; returns the text and how many there were.
    ///
    /// # Errors
    /// When matching takes too long, or the replacement names a group that is not there.
    pub fn replace_all(&self, text: &str, template: &str) -> Result<(String, usize), String> {
        let (mut replaced, mut last, mut count) = (String::with_capacity(text.len()), 0, 0);
        for found in self.regex.captures_iter(text) {
            let found = found.map_err(|e| e.to_string())?;
            let Some(whole) = found.get(0) else { continue };
            replaced.push_str(&text[last..whole.start()]);
            replaced.push_str(&expand(&found, template)?);
            last = whole.end();
            count += 1;
        }
        replaced.push_str(&text[last..]);
        Ok((replaced, count))
    }
}

/// Puts the groups of a match into a template, as Python's `expand` does: `\1`, `\g<1>`, `\g<name>`, `\n`.
///
/// # Errors
/// Names a group that is not there.
pub fn expand(found: &Captures<'_, str>, template: &str) -> Result<String, String> {
    let mut expanded = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(first) = rest.chars().next() else {
            expanded.push('\\');
            break;
        };
        let group = |name: &str| -> Result<String, String> {
            let number = name.parse::<usize>();
            let known = number.as_ref().map_or_else(|_| found.name(name).is_some(), |n| *n < found.len());
            let matched = number.map_or_else(|_| found.name(name), |n| found.get(n));
            if known || matched.is_some() {
                Ok(matched.map_or_else(String::new, |m| m.as_str().to_owned()))
            } else {
                Err(format!("the replacement names the group `{name}`, which the expression does not have"))
            }
        };
        if first == 'g' && rest[1..].starts_with('<') {
            if let Some(end) = rest.find('>') {
                expanded.push_str(&group(&rest[2..end])?);
                rest = &rest[end + 1..];
                continue;
            }
        }
        if first.is_ascii_digit() && first != '0' {
            let two = rest.len() > 1 && rest.as_bytes()[1].is_ascii_digit();
            let width = if two { 2 } else { 1 };
            expanded.push_str(&group(&rest[..width])?);
            rest = &rest[width..];
            continue;
        }
        match first {
            'n' => expanded.push('\n'),
            't' => expanded.push('\t'),
            'r' => expanded.push('\r'),
            'f' => expanded.push('\u{c}'),
            'v' => expanded.push('\u{b}'),
            'a' => expanded.push('\u{7}'),
            '0' => expanded.push('\0'),
            '\\' => expanded.push('\\'),
            other => expanded.extend(['\\', other]),
        }
        rest = &rest[first.len_utf8()..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// Rewrites what Python and Rust read differently.
fn translate(expression: &str, multiline: bool) -> String {
    let mut translated = String::with_capacity(expression.len() + 8);
    let multiline = multiline || inline_multiline(expression);
    let mut class = 0usize;
    let characters: Vec<char> = expression.chars().collect();
    let mut at = 0;
    while at < characters.len() {
        let character = characters[at];
        at += 1;
        if character == '\\' {
            let Some(escaped) = characters.get(at).copied() else {
                translated.push('\\');
                break;
            };
            at += 1;
            match escaped {
                'Z' if class == 0 => translated.push_str("\\z"),
                'b' if class > 0 => translated.push_str("\\x08"),
                c if c.is_alphanumeric() => translated.extend(['\\', c]),
                c if c.is_ascii_punctuation() && !matches!(c, '<' | '>' | '_') => translated.extend(['\\', c]),
                c => translated.push(c),
            }
            continue;
        }
        if class > 0 {
            match character {
                ']' if class > 1 => {
                    translated.push(']');
                    class = 0;
                    continue;
                }
                '[' | '&' | '~' => translated.extend(['\\', character]),
                ']' => translated.push_str("\\]"),
                '^' if class == 1 && translated.ends_with('[') => {
                    translated.push('^');
                    continue;
                }
                c => translated.push(c),
            }
            class = 2;
            continue;
        }
        match character {
            '[' => {
                translated.push('[');
                class = 1;
            }
            // Without (?m) Python's `$` also matches before a newline at the very end.
            '$' if !multiline => translated.push_str("(?=\\n?\\z)"),
            '{' if !is_repetition(&characters[at..]) => translated.push_str("\\{"),
            c => translated.push(c),
        }
    }
    translated
}

/// Whether the expression switches `^` and `$` to lines by itself.
fn inline_multiline(expression: &str) -> bool {
    let flags = expression.strip_prefix("(?").and_then(|rest| rest.split_once(')'));
    flags.is_some_and(|(flags, _)| flags.bytes().all(|b| b.is_ascii_lowercase()) && flags.contains('m'))
}

/// Whether what follows `{` makes it a repetition: `2}`, `2,}`, `,3}`, `2,3}`.
fn is_repetition(rest: &[char]) -> bool {
    let Some(end) = rest.iter().position(|c| *c == '}') else { return false };
    let inside: String = rest[..end].iter().collect();
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    match inside.split_once(',') {
        None => !inside.is_empty() && digits(&inside),
        // Rust knows no `{,3}`; so does it stay literal here, as it did in Python before 3.
        Some((from, to)) => !from.is_empty() && digits(from) && digits(to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(expression: &str, text: &str) -> bool {
        Pattern::new(expression, false).unwrap().matches(text).unwrap()
    }

    #[test]
    fn expressions_are_read_as_python_reads_them() {
        assert!(finds("^foo$", "foo\n"));
        assert!(!finds("^foo$", "foo\nbar"));
        assert!(finds(r"^foo\Z", "foo"));
        assert!(!finds(r"^foo\Z", "foo\n"));
        assert!(finds("a{b", "a{b"));
        assert!(finds("^a{2,}$", "aaa"));
        assert!(finds("{{ x }}", "{{ x }}"));
        assert!(finds(r"\<a\>", "<a>"));
        assert!(finds("[[]x[]]", "[x]"));
        assert!(finds("[^]]+&&", "a&&"));
        assert!(finds(r"(?P<q>['\x22]).*(?P=q)", "'x'"));
        assert!(finds(r"(?m)^b$", "a\nb\nc"));
        assert!(finds(r"(?<!#)port", " port"));
        assert!(finds(r"[\w\-.]+@", "a-b.c@"));
        assert!(finds(r"price\$", "price$"));
        assert!(Pattern::new("(", false).unwrap_err().contains("no regular expression"));
    }

    #[test]
    fn templates_are_filled_in() {
        let pattern = Pattern::new("^(?P<key>a+)=(b)?", true).unwrap();
        assert_eq!(pattern.replace_all("aa=b\na=c", r"\g<key>:\2\\\n").unwrap(), ("aa:b\\\n\na:\\\nc".into(), 2));
        assert!(pattern.replace_all("a=b", r"\7").unwrap_err().contains("`7`"));
    }

    #[test]
    fn any_bytes_survive() {
        let bytes = [b'a', 0xff, 0xc3, 0xa9, b'\n'];
        let characters = Characters::of(&bytes);
        assert_eq!(characters.bytes(&characters.text), bytes);
        assert!(Pattern::new(&characters.like("é"), false).unwrap().matches(&characters.text).unwrap());
    }
}
