//! What is in an archive, by the listing of `tar` or `unzip`.
//!
//! Whoever made the archive chose its names: they are read in a form in which none can look like two, and one that would lead out
//! of the directory is refused.

use std::collections::HashSet;

use crate::{
    fact::{FileKind, FileStat},
    sh::words,
};

/// A kind of archive, by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything `tar` reads, with the option for its compression.
    Tar(&'static str),
    /// What `unzip` reads.
    Zip,
}

impl Kind {
    /// The kind of a file by its name.
    pub fn of(name: &str) -> Kind {
        let name = name.to_ascii_lowercase();
        let ends = |ends: &[&str]| ends.iter().any(|e| name.ends_with(e));
        if ends(&[".zip", ".jar", ".war", ".whl"]) {
            Kind::Zip
        } else if ends(&[".tar.gz", ".tgz"]) {
            Kind::Tar("-z")
        } else if ends(&[".tar.bz2", ".tbz", ".tbz2"]) {
            Kind::Tar("-j")
        } else if ends(&[".tar.xz", ".txz"]) {
            Kind::Tar("-J")
        } else if ends(&[".tar.zst", ".tzst"]) {
            Kind::Tar("--zstd")
        } else {
            Kind::Tar("")
        }
    }

    /// Shell lines that fail with a sentence when the host lacks what unpacks it.
    pub fn needs(self) -> String {
        let need = |tool: &str, package: &str| {
            format!(
                "command -v {tool} >/dev/null || {{ echo 'the host has no {tool}: install the package `{package}`' >&2; exit 90; }}\n"
            )
        };
        match self {
            Kind::Zip => need("unzip", "unzip"),
            Kind::Tar("-j") => need("tar", "tar") + &need("bzip2", "bzip2"),
            Kind::Tar("-J") => need("tar", "tar") + &need("xz", "xz-utils"),
            Kind::Tar("--zstd") => need("tar", "tar") + &need("zstd", "zstd"),
            Kind::Tar(_) => need("tar", "tar"),
        }
    }
}

/// What of an archive is meant.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    /// The kind of archive.
    pub kind: Kind,
    /// Further options for the tool.
    pub extra: &'a [String],
    /// Names to leave out.
    pub exclude: &'a [String],
    /// Names to take alone.
    pub include: &'a [String],
}

/// Stands between the two listings of a `tar` that does not quote names.
const BETWEEN: &str = "\u{1e}";

impl Selection<'_> {
    /// The script that lists an archive, whose path is a shell word. Reads nothing but the archive.
    pub fn list(&self, archive: &str) -> String {
        let include = words(self.include);
        match self.kind {
            Kind::Zip => {
                let exclude =
                    if self.exclude.is_empty() { String::new() } else { format!(" -x {}", words(self.exclude)) };
                format!("{}{UTF8}unzip -Z -T {archive} {include}{exclude}\n", self.kind.needs())
            }
            Kind::Tar(compression) => {
                let rest = format!(
                    "{} {} -f {archive} {include}",
                    words(self.extra),
                    words(self.exclude.iter().map(|e| format!("--exclude={e}")))
                );
                // What an archive calls its owners could look like a line of the listing; numbers cannot.
                format!(
                    "{}export LC_ALL=C TZ=UTC\nif tar --version 2>/dev/null | grep -q GNU; then\n\
                     tar -tvP {compression} --full-time --numeric-owner --show-transformed-names --quoting-style=c {rest}\nelse\n\
                     tar -tv {compression} {rest} && printf '\\036\\n' && tar -t {compression} {rest}\nfi\n",
                    self.kind.needs(),
                )
            }
        }
    }

    /// Whether the tool is told this option, or one of these letters in a bundle.
    pub fn has(&self, long: &[&str], letter: char) -> bool {
        let is = |option: &String| {
            let bundle = option.strip_prefix('-').filter(|o| o.len() < 4 && o.bytes().all(|b| b.is_ascii_alphabetic()));
            long.contains(&option.as_str()) || bundle.is_some_and(|b| b.contains(letter))
        };
        self.extra.iter().any(is)
    }

    /// The command that prints the names in it.
    pub fn names(&self, archive: &str) -> String {
        match self.kind {
            Kind::Zip => format!("{UTF8}unzip -Z1 {archive}\n"),
            Kind::Tar(compression) => {
                let shown = "$(tar --version 2>/dev/null | grep -q GNU && echo --show-transformed-names)";
                format!("tar -t {compression} {shown} {} -f {archive}\n", words(self.extra))
            }
        }
    }

    /// The command that unpacks it into the directory it is started in.
    pub fn unpack(&self, archive: &str) -> String {
        let include = words(self.include);
        match self.kind {
            Kind::Zip => {
                let exclude =
                    if self.exclude.is_empty() { String::new() } else { format!(" -x {}", words(self.exclude)) };
                format!("{UTF8}unzip -q -o {} {archive} {include}{exclude} || exit 1\n", words(self.extra))
            }
            Kind::Tar(compression) => format!(
                "tar -x {compression} {} {} -f {archive} {include} || exit 1\n",
                words(self.extra),
                words(self.exclude.iter().map(|e| format!("--exclude={e}"))),
            ),
        }
    }
}

/// In another locale `unzip` tells names and makes files by spellings of its own.
const UTF8: &str = "export LC_ALL=C.UTF-8\n";

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
    let kind = match (mode.as_bytes()[0], name.ends_with('/')) {
        (b'd', _) | (_, true) => FileKind::Directory,
        (b'l', _) => FileKind::Other,
        _ => FileKind::File,
    };
    let set_id = mode.len() == 10 && kind == FileKind::File && mode.to_ascii_lowercase().contains('s');
    let member = Member {
        name: name.to_owned(),
        kind,
        size: size.parse().ok()?,
        mtime: None,
        target: String::new(),
        device: matches!(mode.as_bytes()[0], b'b' | b'c'),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: Kind, listing: &str) -> Result<Vec<Member>, String> {
        members(kind, listing.as_bytes())
    }

    #[test]
    fn listings_are_read() {
        let listing = "drwxr-xr-x 0/0         0 2024-01-02 03:04:05 \".\"/\n\
                       drwxr-xr-x 0/0         0 2024-01-02 03:04:05 \"./a\"/\n\
                       -rwsr--r-- 0/0         5 2024-01-02 03:04:05 \"./a/b \\\"\\n\\303\\251\"\n\
                       lrwxrwxrwx 0/0         0 2024-01-02 03:04:05 \"a/l -> x\" -> \"b c\"\n\
                       hrw-r--r-- 0/0         0 2024-01-02 03:04:05 \"a/h\" link to \"a/b c\"\n\
                       crw-r--r-- 0/0       1,3 2024-01-02 03:04:05 \"dev/null\"\n";
        let members = read(Kind::Tar("-z"), listing).unwrap();
        let names: Vec<_> = members.iter().map(|m| (m.name.as_str(), m.kind, m.size)).collect();
        assert_eq!(
            names,
            [
                ("", FileKind::Directory, 0),
                ("a", FileKind::Directory, 0),
                ("a/b \"\n\u{e9}", FileKind::File, 5),
                ("a/l -> x", FileKind::Link, 0),
                ("a/h", FileKind::Other, 0),
                ("dev/null", FileKind::Other, 0)
            ]
        );
        assert_eq!((members[2].mtime, members[3].target.as_str()), (Some(1_704_164_645), "b c"));
        assert!(members[2].set_id && !members[0].set_id && members[5].device);
        let zip = "Archive:  x.zip\nZip file size: 1 bytes, number of entries: 2\n\
                   drwxr-xr-x  3.0 unx        0 bx stor 20240102.030405 a/\n\
                   -rw-r--r--  3.0 unx        5 tx defN 20240102.030405 a/b c\n2 files, 5 bytes uncompressed, 5 bytes compressed:  0.0%\n";
        let names: Vec<_> = read(Kind::Zip, zip).unwrap().into_iter().map(|m| (m.name, m.kind, m.size)).collect();
        assert_eq!(names, [("a".to_owned(), FileKind::Directory, 0), ("a/b c".to_owned(), FileKind::File, 5)]);
        assert_eq!(Kind::of("X.TAR.XZ"), Kind::Tar("-J"));
        let plain = "-rw-r--r-- root/root         5 2024-01-02 03:04:05 a -> b\n\
                     lrwxrwxrwx root/root         0 2024-01-02 03:04:05 l -> x\n\u{1e}\na -> b\nl\n";
        let names: Vec<_> = read(Kind::Tar(""), plain).unwrap().into_iter().map(|m| (m.name, m.target)).collect();
        assert_eq!(names, [("a -> b".to_owned(), String::new()), ("l".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn nothing_is_forged_and_nothing_leads_out() {
        let tar = |names: &str| {
            let lines = names.split(' ').map(|n| format!("-rw-r--r-- 0/0 5 2024-01-02 03:04:05 \"{n}\"\n"));
            read(Kind::Tar(""), &lines.collect::<String>()).map(|m| m.len())
        };
        assert_eq!(
            tar("a b/../b"),
            Err("the archive's member `b/../b` has `..` in its name, which leads out of the directory".into())
        );
        for bad in ["/etc/shadow", "..", "../x", "a/..", "\\377"] {
            assert!(tar(bad).is_err(), "{bad}");
        }
        assert_eq!(tar("..a b..c ..."), Ok(3));
        let hard = "hrw-r--r-- 0/0 0 2024-01-02 03:04:05 \"a\" link to \"/etc/shadow\"\n";
        assert!(read(Kind::Tar(""), hard).unwrap_err().contains("another name of one that"));
        let link = "lrwxrwxrwx 0/0 0 2024-01-02 03:04:05 \"d\" -> \"/etc\"\n-rw-r--r-- 0/0 0 2024-01-02 03:04:05 \"d/shadow\"\n";
        assert!(read(Kind::Tar(""), link).unwrap_err().contains("behind a link"));
        // A name that holds a line of a listing.
        let forged = "-rw-r--r-- u/g 0 2024-01-02 03:04:05 x\n-rw-rw-rw- u/g 5 2024-01-02 03:04:05 d/shadow\n";
        let short = "x\n-rw-rw-rw- u/g 5 2024-01-02 03:04:05 d/shadow\n";
        assert!(read(Kind::Tar(""), &format!("{forged}\u{1e}\n{short}")).is_err());
        assert!(read(Kind::Tar(""), forged).is_err());
        let zip = "-rw-r--r--  3.0 unx        5 tx defN 20240102.030405 a^Jb\n";
        assert!(read(Kind::Zip, zip).is_err());
    }
}
