//! What is asked of a package of Python, and whether what is installed is it.
//!
//! <https://packaging.python.org/en/latest/specifications/dependency-specifiers/>

use std::{cmp::Ordering, collections::HashMap};

/// A name with conditions on its version.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    /// The name, as packages are compared by it.
    pub name: String,
    conditions: Vec<(String, String)>,
}

/// A name as packages are compared by it: small letters, and one dash for any of `-_.`.
fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for c in name.trim().chars() {
        let c = if matches!(c, '-' | '_' | '.') { '-' } else { c.to_ascii_lowercase() };
        if c != '-' || !plain.ends_with('-') {
            plain.push(c);
        }
    }
    plain
}

/// Installed packages, version by name, of lines like `name==1.2`.
pub(super) fn installed(listed: &str) -> HashMap<String, String> {
    let pairs = listed.lines().filter_map(|line| line.split_once("=="));
    pairs.map(|(name, version)| (plain(name), version.trim().to_owned())).collect()
}

/// The numbers of a release; `None` where there is more to it than numbers.
fn release(version: &str) -> Option<Vec<u64>> {
    version.trim().trim_start_matches('v').split('.').map(|part| part.parse().ok()).collect()
}

/// Numbers that are missing count as zero.
fn compare(one: &[u64], other: &[u64]) -> Ordering {
    let at = |numbers: &[u64], i: usize| numbers.get(i).copied().unwrap_or(0);
    let longest = one.len().max(other.len());
    (0..longest).map(|i| at(one, i).cmp(&at(other, i))).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

impl Requirement {
    /// Reads one; `None` for addresses, extras, markers and the like, of which pip itself knows whether they are met.
    pub(super) fn parse(text: &str) -> Option<Requirement> {
        let end = text.find(['=', '<', '>', '~', '!']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.trim().is_empty() || name.starts_with(['.', '-']) || !name.trim().chars().all(fine) {
            return None;
        }
        let mut conditions = Vec::new();
        for part in rest.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let end = part.find(|c| !"=<>~!".contains(c))?;
            let (operator, version) = part.split_at(end);
            conditions.push((operator.to_owned(), version.trim().to_owned()));
        }
        Some(Requirement { name: plain(name), conditions })
    }

    /// Whether this version meets it, where `None` is none; `None` as an answer: it cannot be told here.
    pub(super) fn satisfied_by(&self, version: Option<&str>) -> Option<bool> {
        let Some(version) = version else { return Some(false) };
        for (operator, wanted) in &self.conditions {
            if operator == "==" && wanted == version {
                continue;
            }
            let (have, want) = (release(version)?, release(wanted)?);
            let order = compare(&have, &want);
            let met = match operator.as_str() {
                "==" => order.is_eq(),
                "!=" => order.is_ne(),
                ">=" => order.is_ge(),
                "<=" => order.is_le(),
                ">" => order.is_gt(),
                "<" => order.is_lt(),
                "~=" => order.is_ge() && want.len() > 1 && have.starts_with(&want[..want.len() - 1]),
                _ => return None,
            };
            if !met {
                return Some(false);
            }
        }
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let cases = [
            ("django", None, Some(false)),
            ("django", Some("4.2"), Some(true)),
            ("django==4.2", Some("4.2.0"), Some(true)),
            ("django==4.2", Some("4.10"), Some(false)),
            ("Django>=4.2,<5", Some("4.10"), Some(true)),
            ("django >= 4.2, < 5", Some("5.0"), Some(false)),
            ("django~=4.2", Some("4.9"), Some(true)),
            ("django~=4.2.1", Some("4.3"), Some(false)),
            ("django!=4.2", Some("4.2"), Some(false)),
            ("django===4.2", Some("4.3"), None),
            ("django>=4.2", Some("5.0rc1"), None),
            ("django==5.0rc1", Some("5.0rc1"), Some(true)),
        ];
        for (text, version, answer) in cases {
            let requirement = Requirement::parse(text).unwrap();
            assert_eq!(requirement.name, "django", "{text}");
            assert_eq!(requirement.satisfied_by(version), answer, "{text} {version:?}");
        }
        for text in ["git+https://example.org/x.git", "./x", "django[argon2]", "https://example.org/x.whl", ""] {
            assert_eq!(Requirement::parse(text), None, "{text}");
        }
        assert_eq!(installed("Foo_Bar==1.0\nbaz.qux==2\n-e git+x\n").get("foo-bar").map(String::as_str), Some("1.0"));
    }
}
