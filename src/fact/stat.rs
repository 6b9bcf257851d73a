//! Kind, mode, owner, size and times of paths: many paths, one `stat`.

use crate::module::quote;

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
    /// Inode number.
    pub inode: u64,
    /// Device number.
    pub device: u64,
    /// Number of names.
    pub links: u64,
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
            inode: 0,
            device: 0,
            links: 1,
            target: String::new(),
            real_parent: String::new(),
        }
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
pub(crate) const FORMAT: &str = "%f %u %g %s %Y %Z %X %i %d %h %y|%z|%U|%G";

/// Shell that sets `$@` to those of `paths` for which `test` (about `$p`) holds and prints `1` or `0` for each.
pub(super) fn existing(test: &str, paths: &[&str]) -> String {
    let mut script = String::from("set --");
    for path in paths {
        script.push(' ');
        script.push_str(&quote(path));
    }
    script.push('\n');
    script.push_str(&filter(test));
    script
}

/// Shell that keeps those of `$@` for which `test` holds and prints `1` or `0` for each.
fn filter(test: &str) -> String {
    format!(
        "i=$#; while [ \"$i\" -gt 0 ]; do p=$1; shift; i=$((i-1)); if {test}; then printf 1; set -- \"$@\" \"$p\"; \
         else printf 0; fi; done; echo"
    )
}

/// Prints `1` or `0` for each path, then a line for each `1`, then each one's real directory, then `1` or `0` for each
/// (a link or not), then the links' targets: plain ones, unless one of them holds a newline.
pub(super) fn script(follow: bool, paths: &[&str]) -> String {
    let test = if follow { "[ -e \"$p\" ]" } else { "[ -e \"$p\" ] || [ -L \"$p\" ]" };
    let flag = if follow { "-L " } else { "" };
    let targets = if follow { String::new() } else { targets() };
    format!(
        "export LC_ALL=C\n{}\n[ $# = 0 ] || stat {flag}-c '{FORMAT}' \"$@\" || exit 1\n\
         o=$PWD; n='\n'; for p; do d=${{p%/*}}; if cd -P \"${{d:-/}}\" 2>/dev/null; then case $PWD in *\"$n\"*) echo ;; *) printf '%s\\n' \"$PWD\" ;; esac; \
         else echo; fi; cd \"$o\"; done\n{targets}",
        existing(test, paths)
    )
}

/// The last part of [`script`]: one process for all links where that can be told apart, three for each otherwise.
fn targets() -> String {
    format!(
        "{}\nk=$#; lines() {{ set -f; IFS=$n; set -- $t; unset IFS; set +f; [ $# = \"$k\" ]; }}\n\
         if [ $k = 0 ]; then :; elif t=$(readlink \"$@\" 2>/dev/null) && lines; then printf 'plain\\n%s\\n' \"$t\"; \
         else echo base64; for p; do readlink \"$p\" | base64 | tr -d '\\n'; echo; done; fi\n",
        filter("[ -L \"$p\" ]")
    )
}

/// Parses what [`script`] printed, one entry per path.
pub(super) fn parse(follow: bool, paths: usize, stdout: &[u8]) -> Option<Vec<Option<FileStat>>> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = String::from_utf8_lossy(stdout);
    let mut lines = text.split('\n');
    let flags = lines.next()?;
    let count = flags.chars().filter(|c| *c == '1').count();
    let mut found: Vec<FileStat> = Vec::with_capacity(count);
    for _ in 0..count {
        found.push(parse_line(lines.next()?)?);
    }
    for stat in &mut found {
        lines.next()?.clone_into(&mut stat.real_parent);
    }
    if !follow {
        let links = lines.next()?;
        let links: Vec<_> =
            found.iter_mut().zip(links.chars()).filter(|(_, is)| *is == '1').map(|(stat, _)| stat).collect();
        let plain = !links.is_empty() && lines.next()? == "plain";
        for link in links {
            let line = lines.next()?;
            link.target = if plain {
                line.to_owned()
            } else {
                String::from_utf8_lossy(&STANDARD.decode(line).ok()?).trim_end_matches('\n').to_owned()
            };
        }
    }
    let mut found = found.into_iter();
    let all: Vec<_> = flags.chars().map(|c| if c == '1' { found.next() } else { None }).collect();
    (all.len() == paths).then_some(all)
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
    let [changed, moved, owner, group] = fields.next()?.split('|').collect::<Vec<_>>()[..] else { return None };
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
        inode,
        device,
        links,
        target: String::new(),
        real_parent: String::new(),
    })
}
