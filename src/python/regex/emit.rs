//! Writes an expression of Python's for the engine here, everything spelled out.

use std::fmt::Write as _;

use super::node::{At, Class, Greed, Node, SetItem};

/// Writes a node. `plain` takes the engine's own `\b`, which is Python's where the text is ASCII alone.
pub(super) fn emit(node: &Node, plain: bool) -> String {
    let mut out = String::new();
    write(&mut out, node, plain);
    out
}

fn write(out: &mut String, node: &Node, plain: bool) {
    match node {
        Node::Literal(c) => literal(out, *c),
        Node::Any { newline } => out.push_str(if *newline { "(?s:.)" } else { "[^\\n]" }),
        Node::Class(class) => out.push_str(members(*class)),
        Node::Set { negated, items } => set(out, *negated, items),
        Node::At(at) => place(out, *at, plain),
        Node::Sequence(nodes) => nodes.iter().for_each(|node| write(out, node, plain)),
        Node::Alternatives(nodes) => {
            for (at, node) in nodes.iter().enumerate() {
                out.push_str(if at > 0 { "|" } else { "" });
                write(out, node, plain);
            }
        }
        Node::Group(body) => enclosed(out, "(", body, plain),
        Node::Plain(body) => enclosed(out, "(?:", body, plain),
        Node::Case { ignored, body } => enclosed(out, if *ignored { "(?i:" } else { "(?-i:" }, body, plain),
        Node::Look { ahead, negated, body } => {
            let open = match (ahead, negated) {
                (true, false) => "(?=",
                (true, true) => "(?!",
                (false, false) => "(?<=",
                (false, true) => "(?<!",
            };
            enclosed(out, open, body, plain);
        }
        Node::Atomic(body) => enclosed(out, "(?>", body, plain),
        Node::Repeat { least, most, greed, body } => repeat(out, (*least, *most), *greed, body, plain),
        Node::Reference(number) => {
            let _ = write!(out, "(?:\\{number})");
        }
        Node::Condition { group, yes, no } => condition(out, *group, yes, no.as_deref(), plain),
    }
}

fn enclosed(out: &mut String, open: &str, body: &Node, plain: bool) {
    out.push_str(open);
    write(out, body, plain);
    out.push(')');
}

fn literal(out: &mut String, c: char) {
    if c.is_ascii_alphanumeric() || !c.is_ascii() {
        out.push(c);
    } else {
        let _ = write!(out, "\\x{{{:x}}}", u32::from(c));
    }
}

/// The characters of a class. Python's words are letters, numbers of all kinds and `_`; its blanks have the four separators too.
fn members(class: Class) -> &'static str {
    match (class.letter, class.negated, class.ascii) {
        ('d', false, false) => "\\p{Nd}",
        ('d', true, false) => "[^\\p{Nd}]",
        ('d', false, true) => "[0-9]",
        ('d', true, true) => "[^0-9]",
        ('s', false, false) => "[\\s\\x{1c}-\\x{1f}]",
        ('s', true, false) => "[^\\s\\x{1c}-\\x{1f}]",
        ('s', false, true) => "[\\x{9}-\\x{d}\\x{20}]",
        ('s', true, true) => "[^\\x{9}-\\x{d}\\x{20}]",
        (_, false, false) => "[\\p{L}\\p{N}_]",
        (_, true, false) => "[^\\p{L}\\p{N}_]",
        (_, false, true) => "[0-9A-Za-z_]",
        (_, true, true) => "[^0-9A-Za-z_]",
    }
}

fn set(out: &mut String, negated: bool, items: &[SetItem]) {
    out.push_str(if negated { "[^" } else { "[" });
    for item in items {
        match item {
            SetItem::Range(low, high) => {
                literal(out, *low);
                if low != high {
                    out.push('-');
                    literal(out, *high);
                }
            }
            SetItem::Class(class) => out.push_str(members(*class)),
        }
    }
    out.push(']');
}

fn place(out: &mut String, at: At, plain: bool) {
    match at {
        At::TextStart => out.push_str("\\A"),
        At::TextEnd => out.push_str("\\z"),
        At::LineStart => out.push_str("(?m:^)"),
        At::LineEnd => out.push_str("(?m:$)"),
        At::LastLineEnd => out.push_str("(?=\\n?\\z)"),
        At::Boundary { negated: false, .. } if plain => out.push_str("\\b"),
        // In an empty text there is no boundary, and no place without one either.
        At::Boundary { negated: true, .. } if plain => out.push_str("(?:(?!\\A\\z)\\B)"),
        At::Boundary { negated, ascii } => {
            let word = members(Class { letter: 'w', negated: false, ascii });
            let _ = match negated {
                false => write!(out, "(?:(?<={word})(?!{word})|(?<!{word})(?={word}))"),
                true => write!(out, "(?:(?<={word})(?={word})|(?!\\A\\z)(?<!{word})(?!{word}))"),
            };
        }
    }
}

fn repeat(out: &mut String, (least, most): (u32, Option<u32>), greed: Greed, body: &Node, plain: bool) {
    // The engine repeats no looks; one look is as good as many.
    if matches!(body, Node::Look { .. }) {
        out.push_str("(?:");
        write(out, body, plain);
        out.push_str(if least == 0 { "|)" } else { ")" });
        return;
    }
    if greed == Greed::Possessive {
        out.push_str("(?>");
    }
    let atom =
        matches!(body, Node::Literal(_) | Node::Any { .. } | Node::Class(_) | Node::Set { .. } | Node::Group(..));
    if atom {
        write(out, body, plain);
    } else {
        enclosed(out, "(?:", body, plain);
    }
    let _ = match (least, most) {
        (0, None) => write!(out, "*"),
        (1, None) => write!(out, "+"),
        (0, Some(1)) => write!(out, "?"),
        (least, None) => write!(out, "{{{least},}}"),
        (least, Some(most)) => write!(out, "{{{least},{most}}}"),
    };
    match greed {
        Greed::Greedy => {}
        Greed::Lazy => out.push('?'),
        Greed::Possessive => out.push(')'),
    }
}

fn condition(out: &mut String, group: usize, yes: &Node, no: Option<&Node>, plain: bool) {
    let (yes, no) = (emit(yes, plain), no.map(|no| emit(no, plain)).unwrap_or_default());
    if yes.is_empty() && no.is_empty() {
        return;
    }
    let _ = write!(out, "(?({group}){yes}|{no})");
}
