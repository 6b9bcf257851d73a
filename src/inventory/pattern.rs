//! Host patterns: `web:&prod:!h3`, `~regex`, `web*`, `web[0]`, `web[1:3]`.
//!
//! Source: <https://docs.ansible.com/ansible/latest/inventory_guide/intro_patterns.html>

use std::{collections::HashSet, fs, net::Ipv6Addr, path::Path};

use indexmap::IndexSet;

use crate::python::{
    fnmatch,
    regex::{Flags, Place, Regex},
};

use super::{Inventory, InventoryError, model::is_localhost};

/// What a pattern selects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// The hosts, each once, in the order of the pattern.
    pub hosts: Vec<String>,
    /// Parts of the pattern that match nothing, as sentences for the user.
    pub warnings: Vec<String>,
}

impl Inventory {
    /// The hosts of a pattern, narrowed by the pattern behind `--limit`; parts that match nothing select nothing.
    ///
    /// # Errors
    /// When a part is no valid pattern, a subscript is beyond the end, or the limit's `@FILE` cannot be read.
    pub fn select(&self, pattern: &str, limit: Option<&str>) -> Result<Vec<String>, InventoryError> {
        self.resolve(&[pattern], limit).map(|selection| selection.hosts)
    }

    /// The hosts of several patterns together, narrowed by the pattern behind `--limit`, with warnings.
    ///
    /// # Errors
    /// When a part is no valid pattern, a subscript is beyond the end, or the limit's `@FILE` cannot be read.
    pub fn resolve(&self, patterns: &[&str], limit: Option<&str>) -> Result<Selection, InventoryError> {
        let parts: Vec<String> = patterns.iter().flat_map(|pattern| split(pattern)).collect();
        let mut warnings = Vec::new();
        let mut hosts = self.evaluate(&parts, &mut warnings)?;
        if let Some(limit) = limit {
            let parts = limit_parts(limit)?;
            let limit = self.evaluate(&parts, &mut warnings)?;
            hosts.retain(|host| limit.contains(host));
        }
        warnings.dedup();
        Ok(Selection { hosts: hosts.into_iter().map(str::to_owned).collect(), warnings })
    }

    /// Applies the plain parts first, then `&`, then `!`; without a plain part, to all hosts.
    fn evaluate<'a>(
        &'a self,
        parts: &'a [String],
        warnings: &mut Vec<String>,
    ) -> Result<IndexSet<&'a str>, InventoryError> {
        let plain = parts.iter().filter(|part| !part.starts_with(['&', '!']));
        let mut hosts: IndexSet<&str> = IndexSet::new();
        let mut any = false;
        if let Some(part) = parts.iter().find(|part| matches!(part.as_str(), "&" | "!")) {
            let message = format!("has a `{part}` with nothing behind it");
            let help = format!("write the name of a group or host directly behind `{part}`");
            return Err(InventoryError::Pattern { pattern: parts.join(":"), message, help });
        }
        for part in plain {
            any = true;
            hosts.extend(self.part(part, warnings)?);
        }
        if !any {
            hosts.extend(self.group_hosts(super::model::ALL));
        }
        for part in parts.iter().filter_map(|part| part.strip_prefix('&')) {
            let also: HashSet<&str> = self.part(part, warnings)?.into_iter().collect();
            hosts.retain(|host| also.contains(host));
        }
        for part in parts.iter().filter_map(|part| part.strip_prefix('!')) {
            let without: HashSet<&str> = self.part(part, warnings)?.into_iter().collect();
            hosts.retain(|host| !without.contains(host));
        }
        Ok(hosts)
    }

    /// The hosts of one part. They may repeat: a subscript counts them as Ansible does.
    fn part<'a>(&'a self, part: &'a str, warnings: &mut Vec<String>) -> Result<Vec<&'a str>, InventoryError> {
        if let Some((name, _)) = self.hosts.get_key_value(part) {
            return Ok(vec![name]);
        }
        let (name, subscript) = subscript(part)?;
        let matches = self.matches(name)?;
        if matches.hosts.is_empty() && !matches.group {
            if let Some(local) = self.local(name) {
                return Ok(vec![local]);
            }
            if name != super::model::ALL {
                warnings.push(self.unmatched(part, name));
            }
            return Ok(Vec::new());
        }
        let count = matches.hosts.len();
        match subscript {
            _ if count == 0 => Ok(Vec::new()),
            None => Ok(matches.hosts),
            Some(subscript) => subscript.apply(matches.hosts).ok_or_else(|| InventoryError::Pattern {
                pattern: part.into(),
                message: format!("is beyond the end: `{name}` has {count} hosts"),
                help: format!("the first host is `{name}[0]`, the last one `{name}[-1]`"),
            }),
        }
    }

    /// This machine: the host an inventory names for it, else the one that is always there.
    fn local<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let explicit = || self.hosts.keys().map(String::as_str).find(|host| is_localhost(host));
        is_localhost(name).then(|| explicit().unwrap_or(name))
    }

    fn matches<'a>(&'a self, pattern: &str) -> Result<Matches<'a>, InventoryError> {
        let special = pattern.starts_with('~') || pattern.contains(['.', '?', '*', '[']);
        let mut matches = Matches::default();
        if !special {
            matches.group = self.groups.contains_key(pattern);
            if matches.group {
                matches.hosts = self.group_hosts(pattern);
            } else if let Some((name, _)) = self.hosts.get_key_value(pattern) {
                matches.hosts.push(name);
            }
            return Ok(matches);
        }
        let names = Names::new(pattern)?;
        for group in self.groups.keys() {
            if names.fit(pattern, group)? {
                matches.group = true;
                matches.hosts.extend(self.group_hosts(group));
            }
        }
        for host in self.hosts.keys() {
            if names.fit(pattern, host)? {
                matches.hosts.push(host);
            }
        }
        Ok(matches)
    }

    fn unmatched(&self, part: &str, name: &str) -> String {
        let known = || self.groups.keys().chain(self.hosts.keys()).map(String::as_str);
        let base = format!("no host or group matches `{part}`");
        match crate::suggest::near(name, known()) {
            Some(similar) => format!("{base}; did you mean `{similar}`?"),
            None if name.rsplit_once(':').is_some_and(|(host, _)| self.hosts.contains_key(host)) => {
                format!("{base}; a pattern has no port")
            }
            None => base,
        }
    }
}

#[derive(Default)]
struct Matches<'a> {
    hosts: Vec<&'a str>,
    /// Whether a group has the name, even one without hosts.
    group: bool,
}

enum Subscript {
    One(i64),
    Range(usize, Option<usize>),
}

impl Subscript {
    /// The ends of a range are inclusive, and a range may reach beyond the end.
    fn apply(self, hosts: Vec<&str>) -> Option<Vec<&str>> {
        match self {
            Subscript::One(at) => {
                let from_end = at.unsigned_abs() as usize;
                let at = if at < 0 { hosts.len().checked_sub(from_end)? } else { from_end };
                hosts.get(at).map(|host| vec![*host])
            }
            Subscript::Range(from, to) => {
                let to = to.map_or(hosts.len(), |to| to.saturating_add(1).min(hosts.len()));
                Some(hosts.get(from..to).unwrap_or_default().to_vec())
            }
        }
    }
}

/// Takes `[0]`, `[-1]`, `[1:3]`, `[1:]` off the end of a pattern.
fn subscript(part: &str) -> Result<(&str, Option<Subscript>), InventoryError> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let inner = part.strip_suffix(']').and_then(|text| text.rsplit_once('['));
    let Some((name, inner)) = inner.filter(|(name, _)| !name.is_empty() && !part.starts_with('~')) else {
        return Ok((part, None));
    };
    let too_large = |_| InventoryError::Pattern {
        pattern: part.into(),
        message: "has a number that is too large".into(),
        help: "count the hosts from 0".into(),
    };
    if digits(inner.strip_prefix('-').unwrap_or(inner)) {
        return Ok((name, Some(Subscript::One(inner.parse().map_err(too_large)?))));
    }
    let Some((from, to)) =
        inner.split_once([':', '-']).filter(|(from, to)| digits(from) && (to.is_empty() || digits(to)))
    else {
        return Ok((part, None));
    };
    if inner.contains('-') {
        return Err(InventoryError::Pattern {
            pattern: part.into(),
            message: "has a range with `-`".into(),
            help: format!("write `{name}[{from}:{to}]`; both ends belong to it"),
        });
    }
    let to = if to.is_empty() { None } else { Some(to.parse().map_err(too_large)?) };
    Ok((name, Some(Subscript::Range(from.parse().map_err(too_large)?, to))))
}

/// Splits a pattern at commas, or else at colons and blanks outside of brackets.
fn split(pattern: &str) -> Vec<String> {
    let trimmed = pattern.trim();
    if trimmed.contains(',') {
        return trimmed.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect();
    }
    if is_address(trimmed) {
        return vec![trimmed.to_owned()];
    }
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    for character in trimmed.chars() {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let separator = depth == 0 && (character == ':' || character.is_whitespace());
        match parts.last_mut() {
            Some(part) if !separator => part.push(character),
            _ => parts.push(String::new()),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Whether the colons of a text belong to an address or stand before a port.
fn is_address(text: &str) -> bool {
    let port = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let plain = |text: &str| {
        text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
            && text.starts_with(char::is_alphanumeric)
    };
    text.parse::<Ipv6Addr>().is_ok() || text.split_once(':').is_some_and(|(host, rest)| plain(host) && port(rest))
}

/// The parts of a limit; `@FILE` stands for the lines of a file.
fn limit_parts(limit: &str) -> Result<Vec<String>, InventoryError> {
    let mut parts = Vec::new();
    for part in split(limit) {
        match part.strip_prefix('@') {
            None => parts.push(part),
            Some(path) => {
                let read = |reason| InventoryError::Limit { path: path.into(), reason };
                let text = fs::read_to_string(Path::new(path)).map_err(read)?;
                parts.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
            }
        }
    }
    Ok(parts)
}

/// A `~regex`, which must match from the start, or a shell pattern, which must fit the whole name.
enum Names {
    Expression(Box<Regex>),
    Shell(fnmatch::Pattern),
}

impl Names {
    fn new(pattern: &str) -> Result<Names, InventoryError> {
        let Some(expression) = pattern.strip_prefix('~') else {
            return Ok(Names::Shell(fnmatch::Pattern::new(pattern)));
        };
        let regex = Regex::at(expression, Flags::default(), Place::Start);
        regex.map(|regex| Names::Expression(Box::new(regex))).map_err(|fault| InventoryError::Pattern {
            pattern: pattern.into(),
            message: "is no valid regular expression".into(),
            help: fault.to_string(),
        })
    }

    fn fit(&self, pattern: &str, name: &str) -> Result<bool, InventoryError> {
        match self {
            Names::Shell(shell) => Ok(shell.matches(name)),
            Names::Expression(regex) => regex.is_match(name).map_err(|fault| InventoryError::Pattern {
                pattern: pattern.into(),
                message: format!("cannot be compared with `{name}`"),
                help: fault.to_string(),
            }),
        }
    }
}
