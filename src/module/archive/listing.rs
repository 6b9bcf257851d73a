//! What is in an archive, read from a listing.

use std::collections::HashSet;

use super::kind::Kind;
use crate::fact::{FileKind, FileStat};

/// Stands between the two listings of a `tar` that does not quote names.
pub(super) const BETWEEN: &str = "\u{1e}";

/// An entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its path below the directory it is unpacked into; empty for that directory itself.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Its length.
    pub size: u64,
    /// Its modification time in seconds since 1970, where it is known.
    pub mtime: Option<i64>,
    /// Where a link points.
    pub target: String,
    /// Whether it is a device.
    pub device: bool,
    /// Whether it runs as its owner or group.
    pub set_id: bool,
}

/// Reads a listing.
///
/// # Errors
/// Says which member cannot be told, or would not stay below the directory it is unpacked into.
pub fn members(kind: Kind, listing: &[u8]) -> Result<Vec<Member>, String> {
    let members = match kind {
        Kind::Zip => text(listing)?.lines().filter_map(zip_member).collect::<Result<Vec<_>, _>>()?,
        Kind::Tar(_) => {
            let text = text(listing)?;
            match text.split_once(&format!("{BETWEEN}\n")) {
                Some((long, short)) => plain_members(long, short)?,
                None => text.lines().map(quoted_member).collect::<Result<Vec<_>, _>>()?,
            }
        }
    };
    let mut kept: Vec<Member> = Vec::with_capacity(members.len());
    for Raw { mut member, hard } in members {
        let shown = shown(&member.name);
        confined(&member.name).map_err(|why| format!("the archive's member `{shown}` {why}"))?;
        if let Some(target) = hard {
            confined(&target)
                .map_err(|why| format!("the archive's member `{shown}` is another name of one that {why}"))?;
        }
        let whole = !member.name.is_empty();
        member.name = tidy(&member.name);
        // What loses its whole name to `--strip-components` is not unpacked; `./` is the directory itself.
        if whole && (!member.name.is_empty() || member.kind == FileKind::Directory) {
            kept.push(member);
        }
    }
    let outside = |target: &str| target.starts_with('/') || target.split('/').any(|part| part == "..");
    let links: HashSet<&str> =
        kept.iter().filter(|m| m.kind == FileKind::Link && outside(&m.target)).map(|m| m.name.as_str()).collect();
    let through = |m: &&Member| m.name.match_indices('/').any(|(at, _)| links.contains(&m.name[..at]));
    match kept.iter().find(through) {
        Some(member) => {
            Err(format!("the archive's member `{}` lies behind a link of the archive", shown(&member.name)))
        }
        None => Ok(kept),
    }
}

/// A member as the listing tells it, and which other one it is a name of.
struct Raw {
    member: Member,
    hard: Option<String>,
}

/// Whether a name stays below the directory.
fn confined(name: &str) -> Result<(), &'static str> {
    if name.starts_with('/') {
        return Err("has an absolute name: pack it by a relative one");
    }
    match name.split('/').any(|part| part == "..") {
        true => Err("has `..` in its name, which leads out of the directory"),
        false => Ok(()),
    }
}

/// A name for a message.
fn shown(name: &str) -> String {
    name.chars().take(200).flat_map(char::escape_debug).collect()
}

fn text(listing: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(listing).map_err(|e| {
        let from = listing[..e.valid_up_to()].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let line = listing[from..].split(|b| *b == b'\n').next().unwrap_or_default();
        format!("a name in the archive is no UTF-8 text: {}", shown(&String::from_utf8_lossy(line)))
    })
}

/// What stands in front of the name.
struct Head<'a> {
    letters: &'a str,
    size: Option<u64>,
    mtime: Option<i64>,
}

/// `-rw-r--r-- 0/0 5 2024-01-02 03:04:05` and the rest of the line.
fn head(line: &str) -> Option<(Head<'_>, &str)> {
    let mut rest = line;
    let mut word = || {
        let (word, after) = rest.trim_start_matches(' ').split_once(' ')?;
        rest = after;
        Some(word)
    };
    let (letters, owner, size, date, time) = (word()?, word()?, word()?, word()?, word()?);
    let is_mode =
        letters.len() >= 10 && letters.is_ascii() && letters[1..10].bytes().all(|b| b"rwxsStTl-".contains(&b));
    let moment = format!("{date} {time}");
    // A `tar` of busybox may leave out the seconds.
    let civil = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", &moment)
        .or_else(|_| jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M", &moment))
        .ok()?;
    let mtime = civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|z| z.timestamp().as_second());
    let numbers = size.bytes().all(|b| b.is_ascii_digit() || b == b',');
    (is_mode && owner.contains('/') && numbers).then(|| (Head { letters, size: size.parse().ok(), mtime }, rest))
}

fn raw(head: &Head<'_>, name: String, target: Option<String>) -> Raw {
    let letter = head.letters.as_bytes().first().copied().unwrap_or_default();
    let hard = target.clone().filter(|_| letter == b'h');
    let kind = match letter {
        b'd' => FileKind::Directory,
        b'l' => FileKind::Link,
        b'-' if hard.is_none() => FileKind::File,
        _ => FileKind::Other,
    };
    let set_id = |at: usize| head.letters.as_bytes().get(at).is_some_and(|b| b.eq_ignore_ascii_case(&b's'));
    Raw {
        member: Member {
            name,
            kind,
            // The other names of a file are listed without its length.
            size: head.size.unwrap_or(0),
            mtime: head.mtime,
            target: target.filter(|_| kind == FileKind::Link).unwrap_or_default(),
            device: matches!(letter, b'b' | b'c'),
            set_id: kind != FileKind::Directory && (set_id(3) || set_id(6)),
        },
        hard,
    }
}

/// A line of GNU tar with names in quotes: `lrwxrwxrwx 0/0 0 2024-01-02 03:04:05 "a" -> "b"`.
fn quoted_member(line: &str) -> Result<Raw, String> {
    let failed = || format!("the archive's listing was not understood: {}", shown(line));
    let (head, rest) = head(line).ok_or_else(failed)?;
    let (name, rest) = quoted(rest).ok_or_else(failed)?;
    let name = name.map_err(|name| format!("a name in the archive is no UTF-8 text: {}", shown(&name)))?;
    // The slash of a directory stands behind the quotes.
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    let target = match rest.strip_prefix(" -> ").or_else(|| rest.strip_prefix(" link to ")) {
        None if rest.is_empty() => None,
        None => return Err(failed()),
        Some(rest) => match quoted(rest) {
            Some((Ok(target), "")) => Some(target),
            _ => return Err(failed()),
        },
    };
    if target.is_some() != matches!(head.letters.as_bytes().first(), Some(b'l' | b'h')) {
        return Err(failed());
    }
    Ok(raw(&head, name, target))
}

/// Takes a text in C's quotes off; the inner error is the text with what is no UTF-8 replaced.
fn quoted(text: &str) -> Option<(Result<String, String>, &str)> {
    let mut bytes = Vec::new();
    let rest = text.strip_prefix('"')?;
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        let escaped = match character {
            '"' => {
                let name = String::from_utf8(bytes).map_err(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
                return Some((name, &rest[at + 1..]));
            }
            '\\' => characters.next()?.1,
            other => {
                bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
        };
        bytes.push(match escaped {
            'a' => 7,
            'b' => 8,
            't' => b'\t',
            'n' => b'\n',
            'v' => 11,
            'f' => 12,
            'r' => b'\r',
            '0'..='3' => {
                let digits = [escaped, characters.next()?.1, characters.next()?.1];
                let value = digits.iter().try_fold(0, |sum, d| Some(sum * 8 + d.to_digit(8)?))?;
                u8::try_from(value).ok()?
            }
            other => u8::try_from(other).ok()?,
        });
    }
    None
}

/// Two listings of a `tar` that prints names as they are. A name that holds a line end would look like two members: each line of
/// the long listing must end in the same line of the short one.
fn plain_members(long: &str, short: &str) -> Result<Vec<Raw>, String> {
    let failed = |line: &str| {
        format!("a name in the archive cannot be told, or the listing was not understood: {}", shown(line))
    };
    let names: Vec<&str> = short.lines().collect();
    if names.len() != long.lines().count() {
        return Err("a name in the archive holds a line end and cannot be told".to_owned());
    }
    long.lines()
        .zip(names)
        .map(|(line, name)| {
            let (head, rest) = head(line).ok_or_else(|| failed(line))?;
            let target = rest.strip_prefix(name).ok_or_else(|| failed(line))?;
            let link = target.strip_prefix(" -> ").or_else(|| target.strip_prefix(" link to "));
            if name.chars().any(char::is_control) || (link.is_none() && !target.is_empty()) {
                return Err(failed(line));
            }
            // Busybox tells a file's other names as links of regular files.
            let mut raw = raw(&head, name.to_owned(), link.map(str::to_owned));
            if raw.member.kind == FileKind::File && link.is_some() {
                raw.member.kind = FileKind::Other;
                raw.hard = link.map(str::to_owned);
            }
            Ok(raw)
        })
        .collect()
}

/// `-rw-r--r--  3.0 unx        5 tx defN 20240102.030405 a/b`
fn zip_member(line: &str) -> Option<Result<Raw, String>> {
    let mut rest = line;
    let mut word = || {
        let start = rest.trim_start_matches(' ');
        let (word, after) = start.split_once(' ')?;
        rest = after;
        Some(word)
    };
    let (mode, _, _, size, _, _, moment) = (word()?, word()?, word()?, word()?, word()?, word()?, word()?);
    if mode.len() < 7 || !moment.contains('.') {
        return None;
    }
    let name = rest;
    // A line end shows as `^J`, and so does a name that is written that way.
    let caret = name.as_bytes().windows(2).any(|w| w[0] == b'^' && (b'@'..=b'_').contains(&w[1]));
    if caret || name.contains("#U") {
        return Some(Err(format!("a name in the archive cannot be told: {}", shown(name))));
    }
    let kind = match (mode.bytes().next(), name.ends_with('/')) {
        (Some(b'd'), _) | (_, true) => FileKind::Directory,
        (Some(b'l'), _) => FileKind::Other,
        _ => FileKind::File,
    };
    let set_id = mode.len() == 10 && kind == FileKind::File && mode.to_ascii_lowercase().contains('s');
    let member = Member {
        name: name.to_owned(),
        kind,
        size: size.parse().ok()?,
        mtime: None,
        target: String::new(),
        device: mode.starts_with(['b', 'c']),
        set_id,
    };
    Some(Ok(Raw { member, hard: None }))
}

/// A member's name as a path below the directory.
fn tidy(name: &str) -> String {
    let parts: Vec<&str> = name.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    parts.join("/")
}

impl Member {
    /// Whether what is at its place is what it would become, as far as length, kind, time and target tell.
    pub fn matches(&self, stat: Option<&FileStat>, times: bool) -> bool {
        let Some(stat) = stat else { return false };
        match self.kind {
            FileKind::Other => true,
            FileKind::Directory => stat.kind == FileKind::Directory,
            FileKind::Link => stat.kind == FileKind::Link && stat.target == self.target,
            FileKind::File => {
                stat.kind == FileKind::File
                    && stat.size == self.size
                    && (!times || self.mtime.is_none_or(|m| m == stat.mtime))
            }
        }
    }
}
