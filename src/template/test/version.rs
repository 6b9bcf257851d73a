//! Versions, compared as Ansible does.

use std::cmp::Ordering;

use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::python::pep440::Version;
use crate::template::args::Args;
use crate::template::value::string;

pub(super) const TESTS: &[Entry] = &[on("version", version), on("version_compare", version)];

fn version(_: &mut State, value: &Value, args: &mut Args) -> Result<bool, Error> {
    let other = args.text("version")?;
    let operator = args.text_or("operator", "eq")?;
    let strict = args.some("strict");
    let kind = args.opt_text("version_type")?;
    let own = string(value)?;
    if own.trim().is_empty() {
        return Err(args.wrong("Input version value cannot be empty"));
    }
    if other.trim().is_empty() {
        return Err(args.wrong("Version parameter to compare against cannot be empty"));
    }
    if strict.is_some() && kind.is_some() {
        return Err(args.wrong("Cannot specify both 'strict' and 'version_type'"));
    }
    let kind = kind.unwrap_or_else(|| {
        if strict.is_some_and(|strict| strict.is_true()) { "strict".to_owned() } else { "loose".to_owned() }
    });
    let order = match kind.as_str() {
        "loose" => decided(&own, &other).ok_or_else(|| {
            let help = "a word stands where the other has a number";
            args.wrong(format!("Version comparison failed: `{own}` and `{other}`: {help}"))
        })?,
        "pep440" => {
            let parse = |text: &str| {
                Version::parse(text)
                    .ok_or_else(|| args.wrong(format!("`{text}` is not a version of Python's (PEP 440)")))
            };
            parse(&own)?.cmp(&parse(&other)?)
        }
        "strict" => {
            let parse =
                |text: &str| strict_parts(text).ok_or_else(|| args.wrong(format!("`{text}` is not a strict version")));
            parse(&own)?.cmp(&parse(&other)?)
        }
        "semver" | "semantic" => {
            let parse =
                |text: &str| semver(text).ok_or_else(|| args.wrong(format!("`{text}` is not a semantic version")));
            parse(&own)?.cmp(&parse(&other)?)
        }
        other => return Err(args.wrong(format!("`{other}` is not a kind of version: loose, strict, semver or pep440"))),
    };
    Ok(match operator.as_str() {
        "==" | "=" | "eq" => order == Ordering::Equal,
        "!=" | "<>" | "ne" => order != Ordering::Equal,
        "<" | "lt" => order == Ordering::Less,
        "<=" | "le" => order != Ordering::Greater,
        ">" | "gt" => order == Ordering::Greater,
        ">=" | "ge" => order != Ordering::Less,
        other => return Err(args.wrong(format!("`{other}` is not an operator: ==, !=, <, <=, >, >= or their names"))),
    })
}

/// A part of a loose version.
#[derive(PartialEq, Eq)]
enum Part {
    Number(u128),
    Word(String),
}

impl Ord for Part {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Part::Number(a), Part::Number(b)) => a.cmp(b),
            (Part::Word(a), Part::Word(b)) => a.cmp(b),
            // Ansible's loose comparison puts numbers before words where Python refuses to decide.
            (Part::Number(_), Part::Word(_)) => Ordering::Greater,
            (Part::Word(_), Part::Number(_)) => Ordering::Less,
        }
    }
}

impl PartialOrd for Part {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Splits like distutils' `LooseVersion`: runs of digits, runs of letters, anything else but dots.
fn loose_parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    let kind = |c: char| match c {
        '0'..='9' => 0,
        'a'..='z' => 1,
        '.' => 2,
        _ => 3,
    };
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| kind(c) != kind(first)).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        match kind(first) {
            0 => parts.push(Part::Number(run.parse().unwrap_or(u128::MAX))),
            2 => {}
            _ => parts.push(Part::Word(run.to_owned())),
        }
        rest = tail;
    }
    parts
}

/// Compares two versions the loose way; nothing where a word would have to be compared with a number.
fn decided(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (loose_parts(a), loose_parts(b));
    let differ = a.iter().zip(&b).find(|(a, b)| a != b);
    match differ {
        Some((Part::Number(_), Part::Word(_)) | (Part::Word(_), Part::Number(_))) => None,
        _ => Some(a.cmp(&b)),
    }
}

/// Compares two versions the loose way.
pub(crate) fn loose(a: &str, b: &str) -> Ordering {
    loose_parts(a).cmp(&loose_parts(b))
}

/// `1.2`, `1.2.3` or `1.2.3a1`; a version with a suffix comes before the one without.
fn strict_parts(text: &str) -> Option<(Vec<u64>, bool, String)> {
    let text = text.trim();
    let split = text.find(['a', 'b']).unwrap_or(text.len());
    let (numbers, suffix) = text.split_at(split);
    let mut numbers: Vec<u64> = numbers.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    if !(2..=3).contains(&numbers.len()) || (!suffix.is_empty() && suffix[1..].parse::<u64>().is_err()) {
        return None;
    }
    numbers.resize(3, 0);
    Some((numbers, suffix.is_empty(), suffix.to_owned()))
}

/// A pre-release's parts: numbers come before words.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Pre {
    Number(u64),
    Word(String),
}

/// The three numbers, whether it is a release, and the parts of a pre-release (<https://semver.org>).
fn semver(text: &str) -> Option<([u64; 3], bool, Vec<Pre>)> {
    let text = text.split('+').next()?;
    let (core, pre) = text.split_once('-').map_or((text, None), |(c, p)| (c, Some(p)));
    let numbers: Vec<u64> = core.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    let parts = pre.map_or_else(Vec::new, |pre| {
        pre.split('.').map(|p| p.parse().map_or_else(|_| Pre::Word(p.to_owned()), Pre::Number)).collect()
    });
    Some((numbers.try_into().ok()?, pre.is_none(), parts))
}
