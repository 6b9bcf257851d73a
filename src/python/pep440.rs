//! Versions of Python packages, in the order of PEP 440.
//!
//! Source: <https://packaging.python.org/en/latest/specifications/version-specifiers/>.

/// A version; its order is that of its parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    epoch: u64,
    /// Without zeros at the end, which say nothing.
    release: Vec<u64>,
    pre: Pre,
    post: Option<u64>,
    dev: Dev,
    /// Words come before numbers.
    local: Option<Vec<(bool, u64, String)>>,
}

/// What comes before a release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pre {
    /// A development release of it.
    Development,
    /// `a`, `b` or `rc`, and its number.
    Number(&'static str, u64),
    /// The release.
    Release,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Dev {
    Number(u64),
    None,
}

/// A word out of some, and the number behind it, at the beginning of a text; what is left of it.
fn marked<'t>(text: &'t str, words: &[(&str, &'static str)]) -> Option<(&'static str, u64, &'t str)> {
    let separator = |text: &'t str| text.strip_prefix(['.', '-', '_']).unwrap_or(text);
    let bare = separator(text);
    let (rest, name) = words.iter().find_map(|(word, name)| Some((bare.strip_prefix(word)?, *name)))?;
    let (digits, behind) = digits(separator(rest));
    match digits.is_empty() {
        true => Some((name, 0, rest)),
        false => Some((name, digits.parse().ok()?, behind)),
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

impl Version {
    /// Reads a version; `None` where it is none.
    pub fn parse(text: &str) -> Option<Version> {
        let lower = text.trim().to_ascii_lowercase();
        let bare = lower.strip_prefix('v').unwrap_or(&lower);
        let (main, local) = bare.split_once('+').map_or((bare, None), |(main, local)| (main, Some(local)));
        let (epoch, main) = main.split_once('!').map_or(Some((0, main)), |(e, main)| Some((e.parse().ok()?, main)))?;
        let mut release = Vec::new();
        let (first, mut rest) = digits(main);
        release.push(first.parse().ok()?);
        while let Some((number, behind)) = rest.strip_prefix('.').map(digits).filter(|(number, _)| !number.is_empty()) {
            release.push(number.parse().ok()?);
            rest = behind;
        }
        while release.len() > 1 && release.last() == Some(&0) {
            release.pop();
        }
        let names = [
            ("alpha", "a"),
            ("beta", "b"),
            ("preview", "rc"),
            ("pre", "rc"),
            ("rc", "rc"),
            ("a", "a"),
            ("b", "b"),
            ("c", "rc"),
        ];
        let mut pre = None;
        if let Some((name, number, behind)) = marked(rest, &names) {
            (pre, rest) = (Some(Pre::Number(name, number)), behind);
        }
        let mut post = None;
        if let Some((_, number, behind)) = marked(rest, &[("post", ""), ("rev", ""), ("r", "")]) {
            (post, rest) = (Some(number), behind);
        } else if let Some((number, behind)) = rest.strip_prefix('-').map(digits).filter(|(n, _)| !n.is_empty()) {
            (post, rest) = (Some(number.parse().ok()?), behind);
        }
        let mut dev = Dev::None;
        if let Some((_, number, behind)) = marked(rest, &[("dev", "")]) {
            (dev, rest) = (Dev::Number(number), behind);
        }
        let pre = pre.unwrap_or(match (post, &dev) {
            (None, Dev::Number(_)) => Pre::Development,
            _ => Pre::Release,
        });
        let part = |part: &str| match part.parse() {
            Ok(number) => Some((true, number, String::new())),
            Err(_) if !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                Some((false, 0, part.to_owned()))
            }
            Err(_) => None,
        };
        let local = match local {
            Some(local) => Some(local.split(['.', '-', '_']).map(part).collect::<Option<Vec<_>>>()?),
            None => None,
        };
        rest.is_empty().then_some(Version { epoch, release, pre, post, dev, local })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_in_the_order_of_python() {
        // As `sorted(..., key=packaging.version.Version)` has them.
        let sorted = [
            "1.dev0",
            "1.0a1.dev1",
            "1.0a1",
            "1.0-alpha.2",
            "1.0b1",
            "1.0c1",
            "1.0rc2",
            "1.0",
            "1.0+abc",
            "1.0+5",
            "1.0.post1.dev1",
            "1.0-1",
            "1.0.post2",
            "1.1",
            "1.10",
            "v2",
            "1!0.1",
        ];
        let parsed: Vec<Version> = sorted.iter().map(|text| Version::parse(text).unwrap()).collect();
        for (at, pair) in parsed.windows(2).enumerate() {
            assert!(pair[0] < pair[1], "{} {}", sorted[at], sorted[at + 1]);
        }
        assert_eq!(Version::parse("1.0.0"), Version::parse("v1"));
        assert_eq!(Version::parse("1.0-RC_1"), Version::parse("1rc1"));
        for wrong in ["", "x", "1.x", "1.0foo", "1+", "1..2", "1!"] {
            assert_eq!(Version::parse(wrong), None, "{wrong}");
        }
    }
}
