//! Regular expressions of modules: Python's, over texts of any bytes.

use crate::python::regex::{Fault, Flags, Place, Regex, Replacement};

pub use crate::python::regex::Captures;

/// How large a file may grow by a replacement.
const MAX_BYTES: usize = 1 << 30;

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
        let regex = Regex::new(expression, Flags { multiline, ..Flags::default() });
        regex.map(|regex| Pattern { regex }).map_err(|e| format!("`{expression}` is no regular expression: {e}"))
    }

    /// Compiles an expression whose `.` is any character, a line's end too.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn dotall(expression: &str) -> Result<Pattern, String> {
        let regex = Regex::new(expression, Flags { dotall: true, ..Flags::default() });
        regex.map(|regex| Pattern { regex }).map_err(|e| format!("`{expression}` is no regular expression: {e}"))
    }

    /// Compiles an expression that must match at the beginning, as `re.match` has it.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn start(expression: &str) -> Result<Pattern, String> {
        let regex = Regex::at(expression, Flags::default(), Place::Start);
        regex.map(|regex| Pattern { regex }).map_err(|e| format!("`{expression}` is no regular expression: {e}"))
    }

    /// The first match.
    ///
    /// # Errors
    /// When matching takes too long.
    pub fn captures<'t>(&self, text: &'t str) -> Result<Option<Captures<'t>>, String> {
        self.regex.captures(text).map_err(said)
    }

    /// The number of a named group.
    pub fn group(&self, name: &str) -> Option<usize> {
        self.regex.group(name)
    }

    /// How many groups there are, the whole match included.
    pub fn groups(&self) -> usize {
        self.regex.groups()
    }

    /// The named groups and their numbers.
    pub fn names(&self) -> impl Iterator<Item = (&str, usize)> {
        self.regex.names()
    }

    /// Whether bytes hold a match. No answer in time is none.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.matches(&Characters::of(bytes).text).unwrap_or(false)
    }

    /// Whether there is a match.
    ///
    /// # Errors
    /// When matching takes too long.
    pub fn matches(&self, text: &str) -> Result<bool, String> {
        self.regex.is_match(text).map_err(said)
    }

    /// Replaces every match; returns the text and how many there were.
    ///
    /// # Errors
    /// When matching takes too long, or the replacement is none for this expression.
    pub fn replace_all(&self, text: &str, template: &str) -> Result<(String, usize), String> {
        let replacement = self.replacement(template)?;
        self.regex.replace(text, &replacement, 0, MAX_BYTES).map_err(said)
    }

    /// Whether a template is one for this expression.
    ///
    /// # Errors
    /// Unknown escapes, and groups that are not there.
    pub fn check(&self, template: &str) -> Result<(), String> {
        self.replacement(template).map(drop)
    }

    /// Puts the groups of a match into a template, as Python's `expand` does: `\1`, `\g<1>`, `\g<name>`, `\n`.
    ///
    /// # Errors
    /// Unknown escapes, and groups that are not there.
    pub fn expand(&self, found: &Captures<'_>, template: &str) -> Result<String, String> {
        let mut expanded = String::with_capacity(template.len());
        self.replacement(template)?.expand(found, &mut expanded);
        Ok(expanded)
    }

    fn replacement(&self, template: &str) -> Result<Replacement, String> {
        Replacement::new(template, &self.regex).map_err(|fault| format!("the replacement `{template}`: {fault}"))
    }
}

fn said(fault: Fault) -> String {
    fault.to_string()
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
        assert!(pattern.replace_all("a=b", r"\7").unwrap_err().contains("group reference 7"));
    }

    #[test]
    fn any_bytes_survive() {
        let bytes = [b'a', 0xff, 0xc3, 0xa9, b'\n'];
        let characters = Characters::of(&bytes);
        assert_eq!(characters.bytes(&characters.text), bytes);
        assert!(Pattern::new(&characters.like("é"), false).unwrap().matches(&characters.text).unwrap());
    }
}
