//! Reads an expression as Python's `re` does, with the same errors.

use super::Fault;
use super::cursor::Cursor;
use super::node::{At, Flags, Greed, Node, Width};

/// How deeply groups may be nested.
const MAX_DEPTH: usize = 60;

/// The largest count of a repetition that Python takes.
const MAX_REPEAT: u64 = 4_294_967_295;

/// An expression that was read.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    pub root: Node,
    pub flags: Flags,
    /// How many groups there are, the whole match included.
    pub groups: usize,
    pub names: Vec<(String, usize)>,
    /// Whether `\b` or `\B` stands in it.
    pub boundaries: bool,
    pub width: Width,
}

pub(super) struct Parser {
    pub cursor: Cursor,
    /// The width of each group, none while it is open.
    pub groups: Vec<Option<Width>>,
    pub names: Vec<(String, usize)>,
    pub boundaries: bool,
    /// The flags of the whole expression.
    pub global: Flags,
    /// How many groups there were where the outermost lookbehind begins.
    pub lookbehind: Option<usize>,
    /// Groups that conditions ask for by number, with their places.
    pub conditions: Vec<(usize, usize)>,
    depth: usize,
}

/// Reads an expression.
pub(super) fn parse(pattern: &str, flags: Flags) -> Result<Parsed, Fault> {
    let mut parser = Parser {
        cursor: Cursor::new(pattern),
        groups: vec![None],
        names: Vec::new(),
        boundaries: false,
        global: flags,
        lookbehind: None,
        conditions: Vec::new(),
        depth: 0,
    };
    let root = parser.alternatives(flags, true)?;
    if parser.cursor.peek().is_some() {
        return Err(parser.cursor.wrong("unbalanced parenthesis", parser.cursor.at));
    }
    if let Some((group, at)) = parser.conditions.iter().find(|(group, _)| *group >= parser.groups.len()) {
        return Err(parser.cursor.wrong(format!("invalid group reference {group}"), *at));
    }
    let width = root.width(&parser.groups);
    let Parser { global, groups, names, boundaries, .. } = parser;
    Ok(Parsed { root, flags: global, groups: groups.len(), names, boundaries, width })
}

impl Parser {
    /// `a|b|c`, up to the end or a closing parenthesis.
    pub(super) fn alternatives(&mut self, flags: Flags, top: bool) -> Result<Node, Fault> {
        let mut all = vec![self.sequence(flags, top)?];
        // Flags at the very beginning are those of all that follows.
        let flags = if top { self.global } else { flags };
        while self.cursor.eat('|') {
            all.push(self.sequence(flags, false)?);
        }
        Ok(if all.len() == 1 { all.pop().unwrap_or(Node::Sequence(Vec::new())) } else { Node::Alternatives(all) })
    }

    /// Pieces one after another.
    pub(super) fn sequence(&mut self, mut flags: Flags, first: bool) -> Result<Node, Fault> {
        let mut nodes = Vec::new();
        while let Some(c) = self.cursor.peek().filter(|c| !matches!(c, '|' | ')')) {
            let start = self.cursor.at;
            self.cursor.next();
            if flags.verbose && self.skipped(c) {
                continue;
            }
            // Letters that match in either case of ASCII alone: the engine here knows no such thing.
            if flags.ascii && flags.ignorecase {
                return Err(Fault::Refused("the flags `a` and `i` together".to_owned()));
            }
            match c {
                '\\' => nodes.push(self.escape(start, flags)?),
                '[' => nodes.push(self.set(start, flags)?),
                '.' => nodes.push(Node::Any { newline: flags.dotall }),
                '^' => nodes.push(Node::At(if flags.multiline { At::LineStart } else { At::TextStart })),
                '$' => nodes.push(Node::At(if flags.multiline { At::LineEnd } else { At::LastLineEnd })),
                '(' => {
                    let leading = first && nodes.is_empty();
                    self.deeper()?;
                    let group = self.group(start, flags, leading)?;
                    self.depth -= 1;
                    match group {
                        Some(node) => nodes.push(node),
                        // Flags for the whole expression, or a comment.
                        None if leading => flags = self.global,
                        None => {}
                    }
                }
                '*' | '+' | '?' | '{' => match self.count(c)? {
                    Some((least, most)) => self.repeat(start, &mut nodes, (least, most))?,
                    None => nodes.push(Node::Literal('{')),
                },
                other => nodes.push(Node::Literal(other)),
            }
        }
        Ok(if nodes.len() == 1 { nodes.pop().unwrap_or(Node::Sequence(Vec::new())) } else { Node::Sequence(nodes) })
    }

    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        match self.depth > MAX_DEPTH {
            true => Err(Fault::Refused(format!("groups are nested more than {MAX_DEPTH} levels deep"))),
            false => Ok(()),
        }
    }

    /// Skips a blank or a comment of a verbose expression.
    fn skipped(&mut self, c: char) -> bool {
        if c == '#' {
            while self.cursor.next().is_some_and(|c| c != '\n') {}
        }
        matches!(c, '#' | ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
    }

    /// How often the last piece may stand; nothing where a brace stands for itself.
    fn count(&mut self, sign: char) -> Result<Option<(u32, Option<u32>)>, Fault> {
        match sign {
            '?' => return Ok(Some((0, Some(1)))),
            '*' => return Ok(Some((0, None))),
            '+' => return Ok(Some((1, None))),
            _ => {}
        }
        let here = self.cursor.at;
        if self.cursor.peek() == Some('}') {
            return Ok(None);
        }
        let low = self.cursor.run(usize::MAX, |c| c.is_ascii_digit());
        let high = match self.cursor.eat(',') {
            true => self.cursor.run(usize::MAX, |c| c.is_ascii_digit()),
            false => low.clone(),
        };
        if !self.cursor.eat('}') {
            self.cursor.at = here;
            return Ok(None);
        }
        let number = |digits: &str| -> Result<Option<u32>, Fault> {
            match digits.parse::<u64>() {
                _ if digits.is_empty() => Ok(None),
                Ok(n) if n < MAX_REPEAT => Ok(u32::try_from(n).ok()),
                _ => Err(Fault::Wrong("the repetition number is too large".to_owned())),
            }
        };
        let (low, high) = (number(&low)?.unwrap_or(0), number(&high)?);
        if high.is_some_and(|high| high < low) {
            return Err(self.cursor.wrong("min repeat greater than max repeat", here));
        }
        Ok(Some((low, high)))
    }

    /// Lets the last piece stand several times.
    fn repeat(&mut self, start: usize, nodes: &mut Vec<Node>, (least, most): (u32, Option<u32>)) -> Result<(), Fault> {
        let body = match nodes.pop() {
            None | Some(Node::At(_)) => return Err(self.cursor.wrong("nothing to repeat", start)),
            Some(Node::Repeat { .. }) => return Err(self.cursor.wrong("multiple repeat", start)),
            Some(body) => Box::new(body),
        };
        let greed = match self.cursor.peek() {
            Some('?') => Greed::Lazy,
            Some('+') => Greed::Possessive,
            _ => Greed::Greedy,
        };
        self.cursor.at += usize::from(greed != Greed::Greedy);
        nodes.push(Node::Repeat { least, most, greed, body });
        Ok(())
    }

    /// A group that is asked for in a lookbehind must have ended before it.
    pub(super) fn outside_of_lookbehind(&self, group: usize) -> Result<(), Fault> {
        let Some(first) = self.lookbehind else { return Ok(()) };
        if self.groups.get(group).copied().flatten().is_none() {
            return Err(self.cursor.wrong("cannot refer to an open group", self.cursor.at));
        }
        if group >= first {
            let message = "cannot refer to group defined in the same lookbehind subpattern";
            return Err(self.cursor.wrong(message, self.cursor.at));
        }
        Ok(())
    }
}
