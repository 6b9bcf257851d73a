//! What is in an archive, by the listing of `tar` or `unzip`.

use super::{quote, words};
use crate::fact::{FileKind, FileStat};

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

impl Selection<'_> {
    /// The script that lists an archive, whose path is a shell word.
    pub fn list(&self, archive: &str) -> String {
        let include = words(self.include);
        match self.kind {
            Kind::Zip => {
                let exclude =
                    if self.exclude.is_empty() { String::new() } else { format!(" -x {}", words(self.exclude)) };
                format!("{}export LC_ALL=C\nunzip -Z -T {archive} {include}{exclude}\n", self.kind.needs())
            }
            Kind::Tar(compression) => format!(
                // busybox's tar knows neither --full-time nor transformed names.
                "{}export LC_ALL=C TZ=UTC\ntar --version 2>/dev/null | grep -q GNU && set -- --full-time --show-transformed-names --quoting-style=literal || set --\n\
                 tar -tv {compression} \"$@\" {} {} -f {archive} {include}\n",
                self.kind.needs(),
                words(self.extra),
                words(self.exclude.iter().map(|e| format!("--exclude={e}"))),
            ),
        }
    }

    /// The script that unpacks it into a directory.
    pub fn unpack(&self, archive: &str, directory: &str, keep_newer: bool) -> String {
        let (into, include) = (quote(directory), words(self.include));
        match self.kind {
            Kind::Zip => {
                let exclude =
                    if self.exclude.is_empty() { String::new() } else { format!(" -x {}", words(self.exclude)) };
                let mode = if keep_newer { "-u" } else { "-o" };
                format!(
                    "{}unzip -q {mode} {} {archive} {include}{exclude} -d {into} || exit 1\n",
                    self.kind.needs(),
                    words(self.extra)
                )
            }
            Kind::Tar(compression) => format!(
                "{}tar -x {compression} {} {} {} -C {into} -f {archive} {include} || exit 1\n",
                self.kind.needs(),
                if keep_newer { "--keep-newer-files" } else { "" },
                words(self.extra),
                words(self.exclude.iter().map(|e| format!("--exclude={e}"))),
            ),
        }
    }
}

/// An entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its path below the directory it is unpacked into.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Its length.
    pub size: u64,
    /// Its modification time in seconds since 1970, where it is known.
    pub mtime: Option<i64>,
    /// Where a link points.
    pub target: String,
}

/// Reads a listing.
pub fn members(kind: Kind, listing: &str) -> Vec<Member> {
    match kind {
        Kind::Zip => listing.lines().filter_map(zip_member).collect(),
        Kind::Tar(_) => listing.lines().filter_map(tar_member).collect(),
    }
}

/// `-rw-r--r-- root/root 5 2024-01-02 03:04:05 a/b`
fn tar_member(line: &str) -> Option<Member> {
    let kind = match line.as_bytes().first()? {
        b'd' => FileKind::Directory,
        b'l' => FileKind::Link,
        b'-' | b'h' => FileKind::File,
        _ => FileKind::Other,
    };
    let mut rest = line;
    let mut word = || {
        let start = rest.trim_start_matches(' ');
        let (word, after) = start.split_once(' ')?;
        rest = after;
        Some(word)
    };
    let (_, _, size) = (word()?, word()?, word()?);
    let (date, time) = (word()?, word()?);
    let text = rest;
    let (name, target) = match (kind, line.starts_with('h')) {
        (FileKind::Link, _) => text.split_once(" -> ").unwrap_or((text, "")),
        (_, true) => (text.split_once(" link to ").map_or(text, |(n, _)| n), ""),
        _ => (text, ""),
    };
    let moment = format!("{date} {time}");
    let civil = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", &moment).ok();
    let mtime = civil.and_then(|c| c.to_zoned(jiff::tz::TimeZone::UTC).ok()).map(|z| z.timestamp().as_second());
    let name = tidy(name);
    // The other names of a file are listed without its length.
    let size = if line.starts_with('h') { None } else { size.parse().ok() };
    (!name.is_empty()).then(|| Member {
        name,
        kind: if line.starts_with('h') { FileKind::Other } else { kind },
        size: size.unwrap_or(0),
        mtime,
        target: target.to_owned(),
    })
}

/// `-rw-r--r--  3.0 unx        5 tx defN 20240102.030405 a/b`
fn zip_member(line: &str) -> Option<Member> {
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
    let kind = match (mode.as_bytes()[0], name.ends_with('/')) {
        (b'd', _) | (_, true) => FileKind::Directory,
        (b'l', _) => FileKind::Other,
        _ => FileKind::File,
    };
    let size = size.parse().ok()?;
    let name = tidy(name);
    (!name.is_empty()).then(|| Member { name, kind, size, mtime: None, target: String::new() })
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

    #[test]
    fn listings_are_read() {
        let listing = "drwxr-xr-x root/root         0 2024-01-02 03:04:05 ./a/\n\
                       -rw-r--r-- root/root         5 2024-01-02 03:04:05 ./a/b c\n\
                       lrwxrwxrwx root/root         0 2024-01-02 03:04:05 a/l -> b c\n\
                       hrw-r--r-- root/root         0 2024-01-02 03:04:05 a/h link to a/b c\n";
        let members = members(Kind::Tar("-z"), listing);
        let names: Vec<_> = members.iter().map(|m| (m.name.as_str(), m.kind, m.size)).collect();
        assert_eq!(
            names,
            [
                ("a", FileKind::Directory, 0),
                ("a/b c", FileKind::File, 5),
                ("a/l", FileKind::Link, 0),
                ("a/h", FileKind::Other, 0)
            ]
        );
        assert_eq!((members[1].mtime, members[2].target.as_str()), (Some(1_704_164_645), "b c"));
        let zip = "Archive:  x.zip\nZip file size: 1 bytes, number of entries: 2\n\
                   drwxr-xr-x  3.0 unx        0 bx stor 20240102.030405 a/\n\
                   -rw-r--r--  3.0 unx        5 tx defN 20240102.030405 a/b c\n2 files, 5 bytes uncompressed, 5 bytes compressed:  0.0%\n";
        let names: Vec<_> = super::members(Kind::Zip, zip).into_iter().map(|m| (m.name, m.kind, m.size)).collect();
        assert_eq!(names, [("a".to_owned(), FileKind::Directory, 0), ("a/b c".to_owned(), FileKind::File, 5)]);
        assert_eq!(Kind::of("X.TAR.XZ"), Kind::Tar("-J"));
    }
}
