//! What stands behind a backslash, in a set and outside.

use super::Fault;
use super::cursor::{control, octal};
use super::node::{At, Class, Flags, Node};
use super::parse::Parser;

/// An escape in a set.
pub(super) enum InSet {
    One(char),
    Class(Class),
}

impl Parser {
    /// Reads what follows a backslash at `start` outside of a set.
    pub(super) fn escape(&mut self, start: usize, flags: Flags) -> Result<Node, Fault> {
        let letter = self.escaped(start)?;
        let at = match letter {
            'A' => Some(At::TextStart),
            'Z' => Some(At::TextEnd),
            'b' | 'B' => {
                self.boundaries = true;
                Some(At::Boundary { negated: letter == 'B', ascii: flags.ascii })
            }
            _ => None,
        };
        if let Some(at) = at {
            return Ok(Node::At(at));
        }
        if let Some(class) = class(letter, flags) {
            return Ok(Node::Class(class));
        }
        if letter.is_ascii_digit() && letter != '0' {
            return self.numbered(start, letter);
        }
        self.single(start, letter).map(Node::Literal)
    }

    /// The same in a set.
    pub(super) fn escape_in_set(&mut self, start: usize, flags: Flags) -> Result<InSet, Fault> {
        let letter = self.escaped(start)?;
        if let Some(class) = class(letter, flags) {
            return Ok(InSet::Class(class));
        }
        if octal(letter) {
            let digits = format!("{letter}{}", self.cursor.run(2, octal));
            return self.cursor.octal(&digits, start).map(InSet::One);
        }
        if letter == 'b' {
            return Ok(InSet::One('\u{8}'));
        }
        self.single(start, letter).map(InSet::One)
    }

    fn escaped(&mut self, start: usize) -> Result<char, Fault> {
        self.cursor.next().ok_or_else(|| self.cursor.wrong("bad escape (end of pattern)", start))
    }

    /// An escape that stands for one character.
    fn single(&mut self, start: usize, letter: char) -> Result<char, Fault> {
        match letter {
            'x' => self.hex(start, letter, 2),
            'u' => self.hex(start, letter, 4),
            'U' => self.hex(start, letter, 8),
            'N' => Err(Fault::Refused(
                "`\\N{…}`: the names of characters are not known here; write `\\u` and the number".to_owned(),
            )),
            '0' => {
                let digits = format!("0{}", self.cursor.run(2, octal));
                self.cursor.octal(&digits, start)
            }
            'b' => Err(self.cursor.wrong("bad escape \\b", start)),
            _ => match control(letter) {
                Some(c) => Ok(c),
                None if letter.is_ascii_alphanumeric() => {
                    Err(self.cursor.wrong(format!("bad escape \\{letter}"), start))
                }
                None => Ok(letter),
            },
        }
    }

    fn hex(&mut self, start: usize, letter: char, width: usize) -> Result<char, Fault> {
        let digits = self.cursor.run(width, |c| c.is_ascii_hexdigit());
        if digits.len() != width {
            return Err(self.cursor.wrong(format!("incomplete escape \\{letter}{digits}"), start));
        }
        let code = u32::from_str_radix(&digits, 16).unwrap_or(u32::MAX);
        match char::from_u32(code) {
            Some(c) => Ok(c),
            None if code <= 0x10_FFFF => Err(Fault::Refused(format!("`\\{letter}{digits}`: half a surrogate pair"))),
            None => Err(self.cursor.wrong(format!("bad escape \\{letter}{digits}"), start)),
        }
    }

    /// `\1` is the first group, `\101` the letter A.
    fn numbered(&mut self, start: usize, first: char) -> Result<Node, Fault> {
        let mut digits = format!("{first}{}", self.cursor.run(1, |c| c.is_ascii_digit()));
        if digits.len() == 2 && digits.chars().all(octal) && self.cursor.peek().is_some_and(octal) {
            digits.push_str(&self.cursor.run(1, octal));
            return self.cursor.octal(&digits, start).map(Node::Literal);
        }
        let group: usize = digits.parse().unwrap_or(usize::MAX);
        if group >= self.groups.len() {
            return Err(self.cursor.wrong(format!("invalid group reference {group}"), start + 1));
        }
        if self.groups.get(group).copied().flatten().is_none() {
            return Err(self.cursor.wrong("cannot refer to an open group", start));
        }
        self.outside_of_lookbehind(group)?;
        Ok(Node::Reference(group))
    }
}

fn class(letter: char, flags: Flags) -> Option<Class> {
    let kind = matches!(letter, 'd' | 'D' | 's' | 'S' | 'w' | 'W');
    kind.then(|| Class {
        letter: letter.to_ascii_lowercase(),
        negated: letter.is_ascii_uppercase(),
        ascii: flags.ascii,
    })
}
