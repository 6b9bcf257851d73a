//! Reading an expression or a replacement character by character.

use super::Fault;

/// A place in a text, with Python's words for what is wrong there.
pub(super) struct Cursor {
    chars: Vec<char>,
    pub at: usize,
}

impl Cursor {
    pub fn new(text: &str) -> Cursor {
        Cursor { chars: text.chars().collect(), at: 0 }
    }

    pub fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    pub fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    pub fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// The text between two places.
    pub fn slice(&self, from: usize, to: usize) -> String {
        self.chars.get(from..to).unwrap_or_default().iter().collect()
    }

    /// Up to so many characters of a kind.
    pub fn run(&mut self, most: usize, fits: impl Fn(char) -> bool) -> String {
        let mut run = String::new();
        while run.chars().count() < most
            && let Some(c) = self.peek().filter(|c| fits(*c))
        {
            run.push(c);
            self.at += 1;
        }
        run
    }

    /// A name up to the character that ends it.
    pub fn until(&mut self, end: char, what: &str) -> Result<String, Fault> {
        let start = self.at;
        let mut name = String::new();
        loop {
            match self.next() {
                None if name.is_empty() => return Err(self.wrong(format!("missing {what}"), self.at)),
                None => return Err(self.wrong(format!("missing {end}, unterminated name"), start)),
                Some(c) if c == end && name.is_empty() => return Err(self.wrong(format!("missing {what}"), start)),
                Some(c) if c == end => return Ok(name),
                Some(c) => name.push(c),
            }
        }
    }

    /// An error as Python words it.
    pub fn wrong(&self, message: impl std::fmt::Display, position: usize) -> Fault {
        let newlines = || self.chars.iter().take(position).filter(|c| **c == '\n').count();
        if !self.chars.contains(&'\n') {
            return Fault::Wrong(format!("{message} at position {position}"));
        }
        let line_start = self.chars.iter().take(position).rposition(|c| *c == '\n').map_or(0, |at| at + 1);
        let (line, column) = (newlines() + 1, position - line_start + 1);
        Fault::Wrong(format!("{message} at position {position} (line {line}, column {column})"))
    }

    /// An octal escape whose first digit has been read; more than a byte is an error.
    pub fn octal(&self, digits: &str, start: usize) -> Result<char, Fault> {
        let code = u8::from_str_radix(digits, 8);
        code.map(char::from)
            .map_err(|_| self.wrong(format!("octal escape value \\{digits} outside of range 0-0o377"), start))
    }
}

/// What the escapes `\n`, `\t` and their like stand for.
pub(super) fn control(letter: char) -> Option<char> {
    Some(match letter {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' => '\\',
        _ => return None,
    })
}

/// Whether a text may be the name of a group.
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_') && chars.all(|c| c.is_alphanumeric() || c == '_')
}

/// Whether a character is an octal digit.
pub(super) fn octal(c: char) -> bool {
    ('0'..='7').contains(&c)
}
