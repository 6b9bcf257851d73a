//! Host names as inventories write them: `web[01:20].lan:2222`, `[::1]:22`.
//!
//! Source: <https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html#adding-ranges-of-hosts>

use std::{net::Ipv6Addr, sync::Arc};

use super::InventoryError;
use crate::yaml::{Source, Span};

/// The letters of an alphabetic range, in their order.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// More names than this come from a slip of the finger.
const MAX_HOSTS: usize = 100_000;

/// What is wrong with a host's name, and what to do.
#[derive(Debug, PartialEq)]
pub(super) struct BadName {
    pub message: String,
    pub help: &'static str,
    /// The part of the text that is wrong, as byte offsets.
    pub part: (usize, usize),
}

/// Expands a host's name as it stands in a file.
pub(super) fn expand_at(
    source: &Arc<Source>,
    place: (usize, usize),
    text: &str,
) -> Result<(Vec<String>, Option<u16>), InventoryError> {
    expand(text).map_err(|bad| {
        let written = source.text.get(place.0..place.1) == Some(text);
        let part = if written { (place.0 + bad.part.0, place.0 + bad.part.1) } else { place };
        let span = Span::new(source, part.0, part.1);
        InventoryError::HostName { message: bad.message, span, help: bad.help.into() }
    })
}

/// Expands a name into all the names it stands for, and its port.
pub(super) fn expand(text: &str) -> Result<(Vec<String>, Option<u16>), BadName> {
    let (name, port) = split_port(text)?;
    if name.is_empty() {
        return Err(bad("a host without a name", "write the host's name or address", (0, text.len())));
    }
    // The name starts one byte later when it stood in brackets.
    let offset = text.find(name).unwrap_or(0);
    let mut names = vec![String::new()];
    let mut rest = name;
    let mut at = offset;
    while let Some(open) = rest.find('[') {
        let close = rest[open..].find(']').map(|close| open + close).ok_or_else(|| {
            bad("`[` is not closed", "write a range as `[1:9]` or `[a:f]`", (at + open, at + rest.len()))
        })?;
        let part = (at + open, at + close + 1);
        let items = range(&rest[open + 1..close]).map_err(|(message, help)| BadName { message, help, part })?;
        if names.len().saturating_mul(items.len()) > MAX_HOSTS {
            let message = format!("the ranges of this name make more than {MAX_HOSTS} hosts");
            return Err(BadName { message, help: "check the ends of the range", part });
        }
        let head = &rest[..open];
        names = names.iter().flat_map(|name| items.iter().map(move |item| format!("{name}{head}{item}"))).collect();
        at += close + 1;
        rest = &rest[close + 1..];
    }
    if let Some(close) = rest.find(']') {
        let part = (at + close, at + close + 1);
        return Err(bad("`]` without `[`", "write a range as `[1:9]` or `[a:f]`", part));
    }
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok((names, port))
}

fn bad(message: &str, help: &'static str, part: (usize, usize)) -> BadName {
    BadName { message: message.into(), help, part }
}

/// Takes the port off: behind the last colon, when no other colon stands outside of brackets.
fn split_port(text: &str) -> Result<(&str, Option<u16>), BadName> {
    if let Some((inner, port)) = text.strip_prefix('[').and_then(|t| t.rsplit_once("]:"))
        && inner.parse::<Ipv6Addr>().is_ok()
    {
        return Ok((inner, Some(number(text, port)?)));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((text, None));
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'))
        && inner.parse::<Ipv6Addr>().is_ok()
    {
        let help = "write it without brackets, or with its port: `[::1]:22`";
        return Err(bad("an address in brackets needs a port", help, (0, text.len())));
    }
    let mut depth = 0_usize;
    let mut colons = text.char_indices().filter_map(|(at, c)| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => return Some(at),
            _ => {}
        }
        None
    });
    match (colons.next(), colons.next()) {
        (Some(at), None) => Ok((&text[..at], Some(number(text, &text[at + 1..])?))),
        _ => Ok((text, None)),
    }
}

fn number(text: &str, port: &str) -> Result<u16, BadName> {
    let part = (text.len() - port.len(), text.len());
    if port.is_empty() {
        return Err(bad("no port stands behind the colon", "remove the colon or write the port", (part.0 - 1, part.1)));
    }
    match port.parse::<u16>() {
        Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => Ok(number),
        _ => {
            let message = format!("`{port}` is not a port");
            Err(BadName { message, help: "a port is a number from 1 to 65535", part })
        }
    }
}

type BadRange = (String, &'static str);

/// The items of `1:9`, `01:10:3` or `a:f`.
fn range(text: &str) -> Result<Vec<String>, BadRange> {
    let parts: Vec<&str> = text.split(':').collect();
    let (start, end, step) = match parts.as_slice() {
        [start, end] => (*start, *end, "1"),
        [start, end, step] => (*start, *end, *step),
        [one] if one.contains('-') || one.contains("..") => {
            return Err((format!("`[{text}]` is not a range"), "write a colon between the ends: `[1:9]`"));
        }
        _ => return Err((format!("`[{text}]` is not a range"), "write `[START:END]` or `[START:END:STEP]`")),
    };
    if end.is_empty() {
        return Err((format!("the range `[{text}]` has no end"), "write the last number or letter behind the colon"));
    }
    let start = if start.is_empty() { "0" } else { start };
    let step: usize = match step.parse() {
        Ok(step) if step > 0 => step,
        _ => return Err((format!("`{step}` is not a step"), "the step of a range is a number from 1")),
    };
    let ends_first = || (format!("the range `[{text}]` ends before it starts"), "write the smaller end first");
    if let (Some(from), Some(to)) = (letter(start), letter(end)) {
        if from > to {
            return Err(ends_first());
        }
        return Ok(LETTERS[from..=to].iter().step_by(step).map(|l| char::from(*l).to_string()).collect());
    }
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (Ok(from), Ok(to), true, true) = (start.parse::<u64>(), end.parse::<u64>(), digits(start), digits(end)) else {
        return Err((format!("`[{text}]` is not a range"), "both ends are numbers, or both are single letters"));
    };
    let padded = start.len() > 1 && start.starts_with('0');
    if padded && start.len() != end.len() {
        let help = "with leading zeros both ends have the same length: `[01:10]`";
        return Err((format!("the ends of `[{text}]` differ in length"), help));
    }
    if from > to {
        return Err(ends_first());
    }
    if (to - from) / step as u64 >= MAX_HOSTS as u64 {
        return Err((format!("the range `[{text}]` makes more than {MAX_HOSTS} hosts"), "check its ends"));
    }
    let width = if padded { start.len() } else { 0 };
    Ok((from..=to).step_by(step).map(|n| format!("{n:0width$}")).collect())
}

fn letter(text: &str) -> Option<usize> {
    match text.as_bytes() {
        [byte] => LETTERS.iter().position(|l| l == byte),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> (Vec<String>, Option<u16>) {
        expand(text).unwrap_or_else(|e| panic!("{text}: {}", e.message))
    }

    #[test]
    fn names_expand_as_ansible_expands_them() {
        for (text, expected, port) in [
            ("web", vec!["web"], None),
            ("web:22", vec!["web"], Some(22)),
            ("web[01:03].lan:2222", vec!["web01.lan", "web02.lan", "web03.lan"], Some(2222)),
            ("w[1:3]", vec!["w1", "w2", "w3"], None),
            ("w[08:11:2]", vec!["w08", "w10"], None),
            ("w[:2]", vec!["w0", "w1", "w2"], None),
            ("w[a:c]", vec!["wa", "wb", "wc"], None),
            ("w[a:e:2]", vec!["wa", "wc", "we"], None),
            ("w[y:B]", vec!["wy", "wz", "wA", "wB"], None),
            ("r[1:2]n[1:2]", vec!["r1n1", "r1n2", "r2n1", "r2n2"], None),
            ("10.0.0.[1:2]", vec!["10.0.0.1", "10.0.0.2"], None),
            ("::1", vec!["::1"], None),
            ("fe80::1:22", vec!["fe80::1:22"], None),
            ("[fe80::1]:22", vec!["fe80::1"], Some(22)),
            ("me@web", vec!["me@web"], None),
        ] {
            assert_eq!(names(text), (expected.iter().map(|s| (*s).to_owned()).collect(), port), "{text}");
        }
    }

    #[test]
    fn bad_names_are_refused_with_the_part_that_is_wrong() {
        for (text, message, part) in [
            ("w[3:1]", "the range `[3:1]` ends before it starts", "[3:1]"),
            ("w[c:a]", "the range `[c:a]` ends before it starts", "[c:a]"),
            ("w[1:]", "the range `[1:]` has no end", "[1:]"),
            ("w[01:100]", "the ends of `[01:100]` differ in length", "[01:100]"),
            ("w[1-3]", "`[1-3]` is not a range", "[1-3]"),
            ("w[1:x]", "`[1:x]` is not a range", "[1:x]"),
            ("w[1:9:0]", "`0` is not a step", "[1:9:0]"),
            ("w[1:9", "`[` is not closed", "[1:9"),
            ("w1:9]", "`9]` is not a port", "9]"),
            ("w]", "`]` without `[`", "]"),
            ("web:", "no port stands behind the colon", ":"),
            ("web:ssh", "`ssh` is not a port", "ssh"),
            ("web:70000", "`70000` is not a port", "70000"),
            ("[::1]", "an address in brackets needs a port", "[::1]"),
            ("w[1:900000000]", "the range `[1:900000000]` makes more than 100000 hosts", "[1:900000000]"),
            ("w[1:999][1:999]", "the ranges of this name make more than 100000 hosts", "[1:999]"),
        ] {
            let error = expand(text).unwrap_err();
            assert_eq!((error.message.as_str(), &text[error.part.0..error.part.1]), (message, part), "{text}");
        }
    }
}
