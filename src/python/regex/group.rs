//! What stands in parentheses.

use super::Fault;
use super::cursor::is_name;
use super::node::{Flags, Node};
use super::parse::Parser;

impl Parser {
    /// Reads a group behind its parenthesis at `start`; nothing for a comment and for flags of the whole expression, which
    /// may only stand where it begins (`leading`).
    pub(super) fn group(&mut self, start: usize, flags: Flags, leading: bool) -> Result<Option<Node>, Fault> {
        if !self.cursor.eat('?') {
            return self.captured(start, flags, None).map(Some);
        }
        let kind = self.part()?;
        match kind {
            'P' => self.python(start, flags).map(Some),
            ':' => self.body(start, flags).map(|body| Some(Node::Plain(Box::new(body)))),
            '>' => self.body(start, flags).map(|body| Some(Node::Atomic(Box::new(body)))),
            '#' => loop {
                match self.cursor.next() {
                    None => return Err(self.cursor.wrong("missing ), unterminated comment", start)),
                    Some(')') => return Ok(None),
                    Some(_) => {}
                }
            },
            '=' | '!' => {
                let body = Box::new(self.body(start, flags)?);
                Ok(Some(Node::Look { ahead: true, negated: kind == '!', body }))
            }
            '<' => self.lookbehind(start, flags).map(Some),
            '(' => self.condition(start, flags).map(Some),
            '-' | 'i' | 'L' | 'm' | 's' | 'x' | 'a' | 'u' => self.flagged(start, kind, flags, leading),
            other => Err(self.cursor.wrong(format!("unknown extension ?{other}"), start + 1)),
        }
    }

    fn part(&mut self) -> Result<char, Fault> {
        self.cursor.next().ok_or_else(|| self.cursor.wrong("unexpected end of pattern", self.cursor.at))
    }

    /// Alternatives and the parenthesis that closes them.
    fn body(&mut self, start: usize, flags: Flags) -> Result<Node, Fault> {
        let body = self.alternatives(flags, false)?;
        if self.cursor.eat(')') { Ok(body) } else { Err(self.unclosed(start)) }
    }

    fn unclosed(&self, start: usize) -> Fault {
        self.cursor.wrong("missing ), unterminated subpattern", start)
    }

    fn captured(&mut self, start: usize, flags: Flags, name: Option<String>) -> Result<Node, Fault> {
        let number = self.groups.len();
        if let Some(name) = name {
            if let Some((_, other)) = self.names.iter().find(|(n, _)| *n == name) {
                let message = format!("redefinition of group name '{name}' as group {number}; was group {other}");
                return Err(self.cursor.wrong(message, self.cursor.at - name.chars().count() - 1));
            }
            self.names.push((name, number));
        }
        self.groups.push(None);
        let body = self.body(start, flags)?;
        let width = body.width(&self.groups);
        if let Some(group) = self.groups.get_mut(number) {
            *group = Some(width);
        }
        Ok(Node::Group(Box::new(body)))
    }

    /// `(?P<name>…)` and `(?P=name)`.
    fn python(&mut self, start: usize, flags: Flags) -> Result<Node, Fault> {
        if self.cursor.eat('<') {
            let name = self.name('>')?;
            return self.captured(start, flags, Some(name));
        }
        if !self.cursor.eat('=') {
            let other = self.part()?;
            return Err(self.cursor.wrong(format!("unknown extension ?P{other}"), start + 1));
        }
        let name = self.name(')')?;
        let name_at = self.cursor.at - name.chars().count() - 1;
        let group = self.named(&name).ok_or_else(|| self.unknown(&name, name_at))?;
        if self.groups.get(group).copied().flatten().is_none() {
            return Err(self.cursor.wrong("cannot refer to an open group", name_at));
        }
        self.outside_of_lookbehind(group)?;
        Ok(Node::Reference(group))
    }

    fn name(&mut self, end: char) -> Result<String, Fault> {
        let at = self.cursor.at;
        let name = self.cursor.until(end, "group name")?;
        if is_name(&name) { Ok(name) } else { Err(self.bad_name(&name, at)) }
    }

    fn named(&self, name: &str) -> Option<usize> {
        self.names.iter().find(|(n, _)| n == name).map(|(_, number)| *number)
    }

    fn unknown(&self, name: &str, at: usize) -> Fault {
        self.cursor.wrong(format!("unknown group name '{name}'"), at)
    }

    fn bad_name(&self, name: &str, at: usize) -> Fault {
        self.cursor.wrong(format!("bad character in group name '{name}'"), at)
    }

    fn lookbehind(&mut self, start: usize, flags: Flags) -> Result<Node, Fault> {
        let kind = self.part()?;
        if !matches!(kind, '=' | '!') {
            return Err(self.cursor.wrong(format!("unknown extension ?<{kind}"), start + 1));
        }
        let outer = self.lookbehind;
        self.lookbehind = outer.or(Some(self.groups.len()));
        let body = self.body(start, flags)?;
        self.lookbehind = outer;
        let (least, most) = body.width(&self.groups);
        if most != Some(least) {
            return Err(Fault::Wrong("look-behind requires fixed-width pattern".to_owned()));
        }
        Ok(Node::Look { ahead: false, negated: kind == '!', body: Box::new(body) })
    }

    /// `(?(1)yes|no)`.
    fn condition(&mut self, start: usize, flags: Flags) -> Result<Node, Fault> {
        let at = self.cursor.at;
        let name = self.cursor.until(')', "group name")?;
        let group = match name.parse::<usize>() {
            _ if is_name(&name) => self.named(&name).ok_or_else(|| self.unknown(&name, at))?,
            Ok(0) => return Err(self.cursor.wrong("bad group number", at)),
            Ok(number) => {
                self.conditions.push((number, at));
                number
            }
            Err(_) => return Err(self.bad_name(&name, at)),
        };
        self.outside_of_lookbehind(group)?;
        let yes = Box::new(self.sequence(flags, false)?);
        let no = if self.cursor.eat('|') { Some(Box::new(self.sequence(flags, false)?)) } else { None };
        if no.is_some() && self.cursor.peek() == Some('|') {
            let message = "conditional backref with more than two branches";
            return Err(self.cursor.wrong(message, self.cursor.at));
        }
        if !self.cursor.eat(')') {
            return Err(self.unclosed(start));
        }
        Ok(Node::Condition { group, yes, no })
    }

    /// `(?i)` and `(?i-s:…)`.
    fn flagged(&mut self, start: usize, first: char, flags: Flags, leading: bool) -> Result<Option<Node>, Fault> {
        let (mut on, mut off) = (Vec::new(), Vec::new());
        let mut next = first;
        if first != '-' {
            next = self.letters(first, &mut on, (true, "missing -, : or )", ")-:"))?;
        }
        if next == ')' {
            if !leading {
                return Err(self.cursor.wrong("global flags not at the start of the expression", start));
            }
            self.global = changed(self.global, &on, true);
            return Ok(None);
        }
        if next == '-' {
            let letter = self.cursor.next();
            let letter = self.flag(letter, "missing flag")?;
            self.letters(letter, &mut off, (false, "missing :", ":"))?;
        }
        if on.iter().any(|c| off.contains(c)) {
            return Err(self.cursor.wrong("bad inline flags: flag turned on and off", self.cursor.at - 1));
        }
        let inner = changed(changed(flags, &on, true), &off, false);
        let body = Box::new(self.body(start, inner)?);
        Ok(Some(if inner.ignorecase == flags.ignorecase {
            Node::Plain(body)
        } else {
            Node::Case { ignored: inner.ignorecase, body }
        }))
    }

    /// Collects letters of flags that are turned on or off, up to one of `ends`, which is given.
    fn letters(
        &mut self,
        first: char,
        into: &mut Vec<char>,
        (on, missing, ends): (bool, &str, &str),
    ) -> Result<char, Fault> {
        let mut letter = first;
        loop {
            let wrong = match letter {
                'a' | 'u' | 'L' if !on => Some("cannot turn off flags 'a', 'u' and 'L'"),
                'L' => Some("cannot use 'L' flag with a str pattern"),
                'a' if into.contains(&'u') => Some("flags 'a', 'u' and 'L' are incompatible"),
                'u' if into.contains(&'a') => Some("flags 'a', 'u' and 'L' are incompatible"),
                _ => None,
            };
            if let Some(why) = wrong {
                return Err(self.cursor.wrong(format!("bad inline flags: {why}"), self.cursor.at));
            }
            into.push(letter);
            match self.cursor.next() {
                Some(c) if ends.contains(c) => return Ok(c),
                other => letter = self.flag(other, missing)?,
            }
        }
    }

    fn flag(&self, letter: Option<char>, missing: &str) -> Result<char, Fault> {
        match letter {
            None => Err(self.cursor.wrong(missing, self.cursor.at)),
            Some(c) if "iLmsxau".contains(c) => Ok(c),
            Some(c) if c.is_alphabetic() => Err(self.cursor.wrong("unknown flag", self.cursor.at - 1)),
            Some(_) => Err(self.cursor.wrong(missing, self.cursor.at - 1)),
        }
    }
}

fn changed(mut flags: Flags, letters: &[char], on: bool) -> Flags {
    for letter in letters {
        match letter {
            'i' => flags.ignorecase = on,
            'm' => flags.multiline = on,
            's' => flags.dotall = on,
            'x' => flags.verbose = on,
            'a' => flags.ascii = on,
            'u' => flags.ascii = !on,
            _ => {}
        }
    }
    flags
}
