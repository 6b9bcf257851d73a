//! Kind, mode, owner, size and times of paths: many paths, one `stat`.

use crate::sh::{self, words};

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A block device, character device, socket or fifo.
    Other,
}

/// The attributes of an existing path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// What it is.
    pub kind: FileKind,
    /// All mode bits, the kind's included, as `st_mode` has them.
    pub raw_mode: u32,
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Owner's name; the number where it has none.
    pub owner: String,
    /// Group's name; the number where it has none.
    pub group: String,
    /// Length in bytes.
    pub size: u64,
    /// Last change of the content, in seconds since 1970.
    pub mtime: i64,
    /// Last change of the inode, in seconds since 1970.
    pub ctime: i64,
    /// Last access, in seconds since 1970.
    pub atime: i64,
    /// The last changes of content and inode in words, `2026-01-31 09:00:00.123456789 +0000|…`: only so `stat` tells
    /// fractions of a second everywhere. Empty where the path was foreseen and not read.
    pub stamps: String,
    /// The last access in words; empty as they are.
    pub accessed: String,
    /// Inode number.
    pub inode: u64,
    /// Device number.
    pub device: u64,
    /// Number of names.
    pub links: u64,
    /// Which file it is, where that is foreseen and there is no inode yet: names with one number are names of one file. 0 elsewhere.
    pub twin: u64,
    /// Where a link points; empty for others.
    pub target: String,
    /// The real path of the directory it stands in; empty where that could not be entered or holds a newline.
    pub real_parent: String,
}

impl FileStat {
    /// Returns a stat with the given kind, permissions and owner, for predictions.
    pub fn new(kind: FileKind, permissions: u32, owner: &str, group: &str) -> FileStat {
        let bits = match kind {
            FileKind::File => 0o100_000,
            FileKind::Directory => 0o040_000,
            FileKind::Link => 0o120_000,
            FileKind::Other => 0,
        };
        FileStat {
            kind,
            raw_mode: bits | permissions,
            uid: owner.parse().unwrap_or(0),
            gid: group.parse().unwrap_or(0),
            owner: owner.to_owned(),
            group: group.to_owned(),
            size: 0,
            mtime: 0,
            ctime: 0,
            atime: 0,
            stamps: String::new(),
            accessed: String::new(),
            inode: 0,
            device: 0,
            links: 1,
            twin: 0,
            target: String::new(),
            real_parent: String::new(),
        }
    }

    /// Whether both are names of one file, as far as that can be told.
    pub fn same_file(&self, other: &FileStat) -> bool {
        let known = (self.inode, self.device) == (other.inode, other.device) && self.inode != 0;
        known || (self.twin == other.twin && self.twin != 0)
    }

    /// The permission bits, set-uid, set-gid and sticky included.
    pub fn permissions(&self) -> u32 {
        self.raw_mode & 0o7777
    }

    /// Whether `owner` (a name or a number) owns the path.
    pub fn owned_by(&self, owner: &str) -> bool {
        self.owner == owner || self.uid.to_string() == owner
    }

    /// Whether `group` (a name or a number) is the path's group.
    pub fn in_group(&self, group: &str) -> bool {
        self.group == group || self.gid.to_string() == group
    }
}

/// `stat -c` arguments, in an order that coreutils and busybox both know; names come last, they may be anything.
pub(crate) const FORMAT: &str = "%f %u %g %s %Y %Z %X %i %d %h %y|%z|%U|%G|%x";

/// Shell that sets `$@` to those of `paths` for which `test` (about `$p`) holds and prints a flag for each (`existing.sh`).
pub(super) fn existing(test: &str, paths: &[&str]) -> String {
    format!("export LC_ALL=C; set -- {}\nis() {{ {test}; }}\n{}", words(paths), sh::file!("stat/existing.sh"))
}

/// Stands on standard error before the reason of each path that is not there, and behind the last one.
const MARK: char = '\u{1e}';

/// What a flag of [`existing`] and what was said about it come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found<T> {
    /// It is there, as asked.
    There(T),
    /// There is nothing, or something of another kind.
    Nothing,
    /// There can be nothing, for this reason.
    Nowhere(String),
    /// It could not be told, for this reason.
    Unknown(String),
}

impl<T> Found<T> {
    /// The answer to the probe.
    pub(super) fn answer(self, answer: fn(Option<T>) -> super::Answer) -> super::Answer {
        match self {
            Found::There(value) => answer(Some(value)),
            Found::Nothing => answer(None),
            Found::Nowhere(why) => super::Answer::Nowhere(why),
            Found::Unknown(why) => super::Answer::Failed(why),
        }
    }
}

/// Reads the flags that [`existing`] printed; `next` gives the values of those that are there, in their order.
pub(super) fn found<T>(
    paths: &[&str],
    flags: &str,
    stderr: &[u8],
    mut next: impl FnMut(&str) -> Option<Found<T>>,
) -> Option<Vec<Found<T>>> {
    let stderr = String::from_utf8_lossy(stderr);
    let missing = flags.bytes().filter(|f| matches!(f, b'0' | b'n')).count();
    let mut reasons = stderr.split(MARK).skip(1);
    // A name may hold the mark, or a file may have come meanwhile: then nobody knows what was said of which.
    let clear = missing == 0 || stderr.matches(MARK).count() == missing + 1;
    if flags.len() != paths.len() {
        return None;
    }
    flags
        .bytes()
        .zip(paths)
        .map(|(flag, path)| match flag {
            b'1' => next(path),
            b'2' => Some(Found::Nothing),
            b'3' => Some(Found::Unknown(format!("`{path}` cannot be read: Permission denied"))),
            b'0' | b'n' => {
                let said = reasons.next().filter(|_| clear).unwrap_or_default().trim();
                Some(reason(path, flag == b'n', said))
            }
            _ => None,
        })
        .collect()
}

/// What a shell said when it could not open a path.
fn reason<T>(path: &str, no_directory: bool, said: &str) -> Found<T> {
    let why = said.rsplit(": ").next().unwrap_or_default();
    let is = |text: &str| why.to_ascii_lowercase().contains(text);
    match why {
        _ if no_directory => Found::Nowhere("Not a directory".to_owned()),
        _ if is("no such file") => Found::Nothing,
        _ if is("levels of symbolic") || is("link loop") => {
            Found::Nowhere("Too many levels of symbolic links".to_owned())
        }
        _ if is("not a directory") || is("too long") => Found::Nowhere(why.to_owned()),
        "" => Found::Unknown(format!("whether `{path}` is there could not be told")),
        why => Found::Unknown(format!("whether `{path}` is there could not be told: {why}")),
    }
}

/// What was said on standard error apart from the reasons of [`existing`].
pub(super) fn other_words(stderr: &str) -> &str {
    stderr.rsplit(MARK).next().unwrap_or_default().trim()
}

/// Prints a flag for each path, then a line for each `1`, then each one's real directory, then `1` or another flag for each
/// (a link or not), then the links' targets: plain ones, unless one of them holds a newline.
pub(super) fn script(follow: bool, paths: &[&str]) -> String {
    let test = if follow { "[ -e \"$p\" ]" } else { "[ -e \"$p\" ] || [ -L \"$p\" ]" };
    let flag = if follow { "-L " } else { "" };
    let targets = if follow { "" } else { sh::file!("stat/targets.sh") };
    format!(
        "{}[ $# = 0 ] || stat {flag}-c '{FORMAT}' -- \"$@\" || exit 1\n{}{targets}",
        existing(test, paths),
        sh::file!("stat/parents.sh")
    )
}

/// Parses what [`script`] printed, one entry per path.
pub(super) fn parse(follow: bool, paths: &[&str], stdout: &[u8], stderr: &[u8]) -> Option<Vec<Found<FileStat>>> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let mut lines = stdout.split(|b| *b == b'\n');
    let flags = std::str::from_utf8(lines.next()?).ok()?;
    let count = flags.bytes().filter(|c| *c == b'1').count();
    let mut stats: Vec<FileStat> = Vec::with_capacity(count);
    for _ in 0..count {
        stats.push(parse_line(&String::from_utf8_lossy(lines.next()?))?);
    }
    for stat in &mut stats {
        std::str::from_utf8(lines.next()?).unwrap_or_default().clone_into(&mut stat.real_parent);
    }
    // Where a link leads that no text can tell.
    let mut untold = vec![false; count];
    if !follow {
        let links = lines.next()?;
        let places: Vec<usize> = links.iter().enumerate().filter(|(_, is)| **is == b'1').map(|(at, _)| at).collect();
        let plain = !places.is_empty() && lines.next()? == b"plain";
        for at in places {
            let line = lines.next()?;
            let mut target = if plain { line.to_vec() } else { STANDARD.decode(line).ok()? };
            if !plain && target.ends_with(b"\n") {
                target.pop();
            }
            match String::from_utf8(target) {
                Ok(target) => stats.get_mut(at)?.target = target,
                Err(_) => *untold.get_mut(at)? = true,
            }
        }
    }
    let mut stats = stats.into_iter().zip(untold);
    found(paths, flags, stderr, |path| {
        Some(match stats.next()? {
            (_, true) => Found::Unknown(format!("`{path}` is a link whose target is no UTF-8 text")),
            (stat, false) => Found::There(stat),
        })
    })
}

/// Reads one line in [`FORMAT`].
pub(crate) fn parse_line(line: &str) -> Option<FileStat> {
    let mut fields = line.splitn(11, ' ');
    let raw_mode = u32::from_str_radix(fields.next()?, 16).ok()?;
    let kind = match raw_mode & 0o170_000 {
        0o100_000 => FileKind::File,
        0o040_000 => FileKind::Directory,
        0o120_000 => FileKind::Link,
        _ => FileKind::Other,
    };
    let mut number = || fields.next()?.parse::<i64>().ok();
    let (uid, gid, size) = (number()?, number()?, number()?);
    let (mtime, ctime, atime) = (number()?, number()?, number()?);
    let (inode, device, links) =
        (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let [changed, moved, owner, group, accessed] = fields.next()?.split('|').collect::<Vec<_>>()[..] else {
        return None;
    };
    let name = |name: &str, id: i64| if name == "UNKNOWN" { id.to_string() } else { name.to_owned() };
    Some(FileStat {
        kind,
        raw_mode,
        uid: u32::try_from(uid).ok()?,
        gid: u32::try_from(gid).ok()?,
        owner: name(owner, uid),
        group: name(group, gid),
        size: u64::try_from(size).ok()?,
        mtime,
        ctime,
        atime,
        stamps: format!("{changed}|{moved}"),
        accessed: accessed.to_owned(),
        inode,
        device,
        links,
        twin: 0,
        target: String::new(),
        real_parent: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

    #[test]
    fn what_could_not_be_told_is_not_absent() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        for name in ["closed", "open"] {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(&format!("{name}/f")), "x").unwrap();
        }
        std::os::unix::fs::symlink("loop", path("loop")).unwrap();
        fs::set_permissions(path("open/f"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
        let paths = ["open", "gone", "gone/x\ny", "open/f/x", "closed/f", "loop/x"].map(path);
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let ask = |script: String| {
                // As nobody where this is root, who may see everything.
                let mut command = Command::new("setpriv");
                command
                    .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
                    .args(shell)
                    .args(["-c", &script]);
                command.current_dir("/").output()
            };
            let Ok(output) = ask(script(false, &paths)) else { return };
            if !output.status.success() {
                // No root, or no such shell.
                continue;
            }
            let found = parse(false, &paths, &output.stdout, &output.stderr).unwrap();
            assert!(matches!(found[0], Found::There(_)), "{shell:?} {found:?}");
            assert_eq!(found[1..3], [Found::Nothing, Found::Nothing], "{shell:?}");
            assert!(matches!(&found[3], Found::Nowhere(why) if why == "Not a directory"), "{shell:?} {found:?}");
            assert!(
                matches!(&found[4], Found::Unknown(why) if why.contains("Permission denied")),
                "{shell:?} {found:?}"
            );
            assert!(!matches!(&found[5], Found::There(_)), "{shell:?} {found:?}");
            let secret = path("open/f");
            let output = ask(super::super::content::script(&[&secret])).unwrap();
            let found = super::super::content::parse(&[&secret], &output.stdout, &output.stderr).unwrap();
            assert!(
                matches!(&found[0], Found::Unknown(why) if why.contains("Permission denied")),
                "{shell:?} {found:?}"
            );
        }
    }
}
