//! Sets of characters: `[a-z]`, `[^]]`, `[[]`.

use super::Fault;
use super::escape::InSet;
use super::node::{Flags, Node, SetItem};
use super::parse::Parser;

impl Parser {
    /// Reads a set behind its bracket at `start`. Brackets, `&&`, `--`, `~~` and `||` have no meaning in it.
    pub(super) fn set(&mut self, start: usize, flags: Flags) -> Result<Node, Fault> {
        let negated = self.cursor.eat('^');
        let mut items = Vec::new();
        loop {
            let first_at = self.cursor.at;
            let first = self.cursor.next().ok_or_else(|| self.unterminated(start))?;
            if first == ']' && !items.is_empty() {
                break;
            }
            let low = self.member(first, first_at, flags)?;
            let first_width = 1 + usize::from(first == '\\');
            if !self.cursor.eat('-') {
                items.push(item(&low));
                continue;
            }
            let last_at = self.cursor.at;
            let last = self.cursor.next().ok_or_else(|| self.unterminated(start))?;
            if last == ']' {
                items.extend([item(&low), SetItem::Range('-', '-')]);
                break;
            }
            let high = self.member(last, last_at, flags)?;
            let last_width = 1 + usize::from(last == '\\');
            match (low, high) {
                (InSet::One(low), InSet::One(high)) if low <= high => items.push(SetItem::Range(low, high)),
                _ => {
                    let token = |at: usize, width: usize| self.cursor.slice(at, at + width);
                    let (this, that) = (token(first_at, first_width), token(last_at, last_width));
                    let position = self.cursor.at - (first_width + 1 + last_width);
                    return Err(self.cursor.wrong(format!("bad character range {this}-{that}"), position));
                }
            }
        }
        Ok(Node::Set { negated, items })
    }

    fn member(&mut self, character: char, at: usize, flags: Flags) -> Result<InSet, Fault> {
        if character == '\\' { self.escape_in_set(at, flags) } else { Ok(InSet::One(character)) }
    }

    fn unterminated(&self, start: usize) -> Fault {
        self.cursor.wrong("unterminated character set", start)
    }
}

fn item(member: &InSet) -> SetItem {
    match member {
        InSet::One(c) => SetItem::Range(*c, *c),
        InSet::Class(class) => SetItem::Class(*class),
    }
}
