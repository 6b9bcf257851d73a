//! What an expression of Python's is made of.

/// The flags of an expression, or of a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Letters match in either case (`i`).
    pub ignorecase: bool,
    /// `^` and `$` match at each line (`m`).
    pub multiline: bool,
    /// `.` matches a newline too (`s`).
    pub dotall: bool,
    /// Blanks and comments do not count (`x`).
    pub verbose: bool,
    /// `\w`, `\d`, `\s` and `\b` know ASCII alone (`a`).
    pub ascii: bool,
}

/// A piece of an expression.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Literal(char),
    Any {
        newline: bool,
    },
    Class(Class),
    Set {
        negated: bool,
        items: Vec<SetItem>,
    },
    At(At),
    Sequence(Vec<Node>),
    Alternatives(Vec<Node>),
    Group(Box<Node>),
    Plain(Box<Node>),
    /// The case of letters counts, or not, in this part.
    Case {
        ignored: bool,
        body: Box<Node>,
    },
    Look {
        ahead: bool,
        negated: bool,
        body: Box<Node>,
    },
    Atomic(Box<Node>),
    Repeat {
        least: u32,
        most: Option<u32>,
        greed: Greed,
        body: Box<Node>,
    },
    Reference(usize),
    Condition {
        group: usize,
        yes: Box<Node>,
        no: Option<Box<Node>>,
    },
}

/// `\d`, `\w`, `\s` and their opposites.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    pub letter: char,
    pub negated: bool,
    pub ascii: bool,
}

/// What stands in a set.
#[derive(Clone, Copy, Debug)]
pub(super) enum SetItem {
    Range(char, char),
    Class(Class),
}

/// A place between characters.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    /// `$` without `m`: the end, or before a newline that is the last character.
    LastLineEnd,
    Boundary {
        negated: bool,
        ascii: bool,
    },
}

/// Whether a repetition takes as much as it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greed {
    Greedy,
    Lazy,
    Possessive,
}

/// How many characters a node may match; `None` is without end.
pub(super) type Width = (u64, Option<u64>);

impl Node {
    /// How many characters it may match, `groups` being the widths of the groups before.
    pub fn width(&self, groups: &[Option<Width>]) -> Width {
        let group = |number: usize| groups.get(number).copied().flatten().unwrap_or((0, None));
        match self {
            Node::Literal(_) | Node::Any { .. } | Node::Class(_) | Node::Set { .. } => (1, Some(1)),
            Node::At(_) | Node::Look { .. } => (0, Some(0)),
            Node::Sequence(nodes) => nodes.iter().map(|n| n.width(groups)).fold((0, Some(0)), |all, one| {
                (all.0.saturating_add(one.0), all.1.zip(one.1).map(|(a, b)| a.saturating_add(b)))
            }),
            Node::Alternatives(nodes) => nodes.iter().map(|n| n.width(groups)).reduce(either).unwrap_or((0, Some(0))),
            Node::Group(body) | Node::Plain(body) | Node::Case { body, .. } | Node::Atomic(body) => body.width(groups),
            Node::Repeat { least, most, body, .. } => {
                let (low, high) = body.width(groups);
                let most = most.map(u64::from);
                let high = if high == Some(0) { high } else { high.zip(most).map(|(h, m)| h.saturating_mul(m)) };
                (low.saturating_mul(u64::from(*least)), high)
            }
            Node::Reference(number) => group(*number),
            Node::Condition { yes, no, .. } => {
                either(yes.width(groups), no.as_ref().map_or((0, Some(0)), |no| no.width(groups)))
            }
        }
    }
}

fn either(a: Width, b: Width) -> Width {
    (a.0.min(b.0), a.1.zip(b.1).map(|(a, b)| a.max(b)))
}
