//! Regular expressions as Python's `re` reads and applies them, over texts.
//!
//! An expression is read with Python's grammar and errors (`parse.rs`) and written anew for the engine here, everything spelled
//! out (`emit.rs`). What the engine cannot do is refused; nothing is read in another way in silence.

mod cursor;
mod emit;
mod escape;
mod group;
mod node;
mod parse;
mod replacement;
mod set;

use std::fmt;
use std::sync::{Arc, OnceLock};

use fancy_regex::RegexBuilder;

pub use node::Flags;
use parse::Parsed;
pub use replacement::Replacement;

/// How long an expression may be: what is made of it takes far more.
const MAX_PATTERN: usize = 50_000;

/// How often a match may go back and try anew: expressions of users meet texts of hosts.
const MAX_STEPS: usize = 5_000_000;

/// What is wrong with an expression, a replacement or a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Python does not take it either; these are its words.
    Wrong(String),
    /// Python takes it, the engine here does not.
    Refused(String),
    /// Matching took too long.
    Limit(String),
    /// The text that was asked for is too large.
    TooLarge,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Wrong(why) | Fault::Limit(why) => out.write_str(why),
            Fault::TooLarge => out.write_str("the text becomes too large"),
            Fault::Refused(what) => write!(out, "not supported here: {what}"),
        }
    }
}

impl std::error::Error for Fault {}

/// Where a match has to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Anywhere: `re.search`.
    Anywhere,
    /// At the beginning: `re.match`.
    Start,
    /// From the beginning to the end: `re.fullmatch`.
    Whole,
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Regex {
    parsed: Arc<Parsed>,
    place: Place,
    /// For texts of ASCII alone, or for all where there is no `\b`.
    engine: fancy_regex::Regex,
    /// For other texts, where `\b` must be asked in Python's way.
    exact: OnceLock<Result<fancy_regex::Regex, Fault>>,
    /// A match that is not empty, where the last one ended.
    longer: OnceLock<Result<fancy_regex::Regex, Fault>>,
}

/// A match and its groups.
#[derive(Clone, Debug)]
pub struct Captures<'t> {
    text: &'t str,
    spans: Vec<Option<(usize, usize)>>,
}

impl<'t> Captures<'t> {
    /// The text of a group, 0 being the whole match; none if it took no part.
    pub fn get(&self, group: usize) -> Option<&'t str> {
        self.span(group).and_then(|(from, to)| self.text.get(from..to))
    }

    /// Where a group begins and ends, in bytes.
    pub fn span(&self, group: usize) -> Option<(usize, usize)> {
        self.spans.get(group).copied().flatten()
    }

    /// Where the whole match begins and ends, in bytes.
    pub fn whole(&self) -> (usize, usize) {
        self.span(0).unwrap_or_default()
    }
}

impl Regex {
    /// Compiles an expression that may match anywhere.
    ///
    /// # Errors
    /// Says what is wrong with it, or what of it is not supported.
    pub fn new(pattern: &str, flags: Flags) -> Result<Regex, Fault> {
        Regex::at(pattern, flags, Place::Anywhere)
    }

    /// The same for a place.
    ///
    /// # Errors
    /// As for [`Regex::new`].
    pub fn at(pattern: &str, flags: Flags, place: Place) -> Result<Regex, Fault> {
        if pattern.len() > MAX_PATTERN {
            return Err(Fault::Refused(format!("an expression longer than {MAX_PATTERN} characters")));
        }
        let parsed = parse::parse(pattern, flags)?;
        let engine = build(&parsed, place, true, false)?;
        Ok(Regex { parsed: Arc::new(parsed), place, engine, exact: OnceLock::new(), longer: OnceLock::new() })
    }

    /// How many groups it has, the whole match included.
    pub fn groups(&self) -> usize {
        self.parsed.groups
    }

    /// The number of a named group.
    pub fn group(&self, name: &str) -> Option<usize> {
        self.parsed.names.iter().find(|(n, _)| n == name).map(|(_, number)| *number)
    }

    /// The named groups and their numbers.
    pub fn names(&self) -> impl Iterator<Item = (&str, usize)> {
        self.parsed.names.iter().map(|(name, number)| (name.as_str(), *number))
    }

    fn engine(&self, text: &str) -> Result<&fancy_regex::Regex, Fault> {
        let plain = !self.parsed.boundaries || (text.is_ascii() && !self.parsed.flags.ascii);
        if plain {
            return Ok(&self.engine);
        }
        self.exact.get_or_init(|| build(&self.parsed, self.place, false, false)).as_ref().map_err(Clone::clone)
    }

    /// Whether there is a match.
    ///
    /// # Errors
    /// When matching takes too long.
    pub fn is_match(&self, text: &str) -> Result<bool, Fault> {
        self.engine(text)?.is_match(text).map_err(too_long)
    }

    /// The first match.
    ///
    /// # Errors
    /// When matching takes too long.
    pub fn captures<'t>(&self, text: &'t str) -> Result<Option<Captures<'t>>, Fault> {
        from(self.engine(text)?, text, 0)
    }

    /// All matches one after another, as `re.finditer` gives them: an empty one may follow another one at once.
    pub fn each<'r, 't>(&'r self, text: &'t str) -> Matches<'r, 't> {
        Matches { regex: self, text, at: Some(0), last_empty: false }
    }

    /// Replaces matches, the first `count` where that is not 0; gives the text and how many there were.
    ///
    /// # Errors
    /// When matching takes too long, or the text grows beyond `limit` bytes.
    pub fn replace(
        &self,
        text: &str,
        replacement: &Replacement,
        count: usize,
        limit: usize,
    ) -> Result<(String, usize), Fault> {
        let (mut out, mut last, mut done) = (String::with_capacity(text.len()), 0, 0);
        for found in self.each(text) {
            if count > 0 && done == count {
                break;
            }
            let found = found?;
            let (start, end) = found.whole();
            out.push_str(text.get(last..start).unwrap_or_default());
            replacement.expand(&found, &mut out);
            if out.len() > limit {
                return Err(Fault::TooLarge);
            }
            last = end;
            done += 1;
        }
        out.push_str(text.get(last..).unwrap_or_default());
        Ok((out, done))
    }

    /// A match at `at` that is not empty.
    fn longer<'t>(&self, text: &'t str, at: usize) -> Result<Option<Captures<'t>>, Fault> {
        if self.parsed.width.1 == Some(0) || self.place != Place::Anywhere {
            return Ok(None);
        }
        let engine = self.longer.get_or_init(|| build(&self.parsed, self.place, false, true));
        from(engine.as_ref().map_err(Clone::clone)?, text, at)
    }
}

/// The matches of an expression in a text.
#[derive(Debug)]
pub struct Matches<'r, 't> {
    regex: &'r Regex,
    text: &'t str,
    /// Where to look next; nowhere at the end.
    at: Option<usize>,
    last_empty: bool,
}

impl<'t> Matches<'_, 't> {
    fn find(&mut self, mut at: usize) -> Result<Option<Captures<'t>>, Fault> {
        if self.last_empty {
            if let Some(found) = self.regex.longer(self.text, at)? {
                return Ok(Some(found));
            }
            match self.text.get(at..).and_then(|rest| rest.chars().next()) {
                Some(next) => at += next.len_utf8(),
                None => return Ok(None),
            }
        }
        from(self.regex.engine(self.text)?, self.text, at)
    }
}

impl<'t> Iterator for Matches<'_, 't> {
    type Item = Result<Captures<'t>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.find(self.at?).transpose();
        self.at = match &found {
            Some(Ok(found)) => {
                let (start, end) = found.whole();
                self.last_empty = start == end;
                Some(end)
            }
            _ => None,
        };
        found
    }
}

fn from<'t>(engine: &fancy_regex::Regex, text: &'t str, at: usize) -> Result<Option<Captures<'t>>, Fault> {
    let found = engine.captures_from_pos(text, at).map_err(too_long)?;
    Ok(found.map(|found| Captures {
        text,
        spans: (0..found.len()).map(|group| found.get(group).map(|m| (m.start(), m.end()))).collect(),
    }))
}

fn too_long(error: fancy_regex::Error) -> Fault {
    Fault::Limit(error.to_string())
}

/// Compiles for the engine. `longer` takes no empty match, and one at the place alone where the search begins.
fn build(parsed: &Parsed, place: Place, plain: bool, longer: bool) -> Result<fancy_regex::Regex, Fault> {
    let body = emit::emit(&parsed.root, plain && !parsed.flags.ascii);
    let pattern = match place {
        _ if longer => format!("\\G(?:{body})"),
        Place::Anywhere => body,
        Place::Start => format!("\\A(?:{body})"),
        Place::Whole => format!("\\A(?:{body})\\z"),
    };
    let built = RegexBuilder::new(&pattern)
        .case_insensitive(parsed.flags.ignorecase)
        .backtrack_limit(MAX_STEPS)
        .find_not_empty(longer)
        .build();
    built.map_err(|error| Fault::Refused(format!("the engine says: {error}")))
}
