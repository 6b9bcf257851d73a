//! The replacement of `re.sub`: `\1`, `\g<name>`, `\n`.

use super::cursor::{Cursor, control, is_name, octal};
use super::{Captures, Fault, Regex};

/// A replacement for the matches of one expression.
#[derive(Clone, Debug)]
pub struct Replacement(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Group(usize),
}

impl Replacement {
    /// Reads a replacement for `regex`.
    ///
    /// # Errors
    /// Unknown escapes, and groups that the expression does not have, in Python's words.
    pub fn new(template: &str, regex: &Regex) -> Result<Replacement, Fault> {
        let mut cursor = Cursor::new(template);
        let (mut pieces, mut text) = (Vec::new(), String::new());
        loop {
            let start = cursor.at;
            match cursor.next() {
                None => break,
                Some('\\') => match escape(&mut cursor, start, regex)? {
                    Piece::Text(more) => text.push_str(&more),
                    group => {
                        pieces.extend([Piece::Text(std::mem::take(&mut text)), group]);
                    }
                },
                Some(c) => text.push(c),
            }
        }
        pieces.push(Piece::Text(text));
        Ok(Replacement(pieces))
    }

    /// Appends what stands for a match; a group that took no part is empty.
    pub fn expand(&self, found: &Captures<'_>, out: &mut String) {
        for piece in &self.0 {
            out.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Group(number) => found.get(*number).unwrap_or_default(),
            });
        }
    }
}

fn escape(cursor: &mut Cursor, start: usize, regex: &Regex) -> Result<Piece, Fault> {
    let letter = cursor.next().ok_or_else(|| cursor.wrong("bad escape (end of pattern)", start))?;
    let text = |c: char| Ok(Piece::Text(c.to_string()));
    match letter {
        'g' => named(cursor, regex),
        '0' => {
            let digits = format!("0{}", cursor.run(2, octal));
            text(cursor.octal(&digits, start)?)
        }
        '1'..='9' => {
            let mut digits = format!("{letter}{}", cursor.run(1, |c| c.is_ascii_digit()));
            if digits.len() == 2 && digits.chars().all(octal) && cursor.peek().is_some_and(octal) {
                digits.push_str(&cursor.run(1, octal));
                return text(cursor.octal(&digits, start)?);
            }
            group(cursor, digits.parse().unwrap_or(usize::MAX), start + 1, regex)
        }
        _ => match control(letter) {
            Some(c) => text(c),
            None if letter.is_ascii_alphabetic() => Err(cursor.wrong(format!("bad escape \\{letter}"), start)),
            None => Ok(Piece::Text(format!("\\{letter}"))),
        },
    }
}

fn named(cursor: &mut Cursor, regex: &Regex) -> Result<Piece, Fault> {
    if !cursor.eat('<') {
        return Err(cursor.wrong("missing <", cursor.at));
    }
    let at = cursor.at;
    let name = cursor.until('>', "group name")?;
    if is_name(&name) {
        let known = regex.group(&name).map(Piece::Group);
        return known.ok_or_else(|| Fault::Wrong(format!("unknown group name '{name}'")));
    }
    match name.parse() {
        Ok(number) => group(cursor, number, at, regex),
        Err(_) => Err(cursor.wrong(format!("bad character in group name '{name}'"), at)),
    }
}

fn group(cursor: &Cursor, number: usize, at: usize, regex: &Regex) -> Result<Piece, Fault> {
    if number < regex.groups() {
        return Ok(Piece::Group(number));
    }
    Err(cursor.wrong(format!("invalid group reference {number}"), at))
}
