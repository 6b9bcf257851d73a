//! What is in an archive, by the listing of `tar` or `unzip`.
//!
//! Whoever made the archive chose its names: they are read in a form in which none can look like two, and one that would lead out
//! of the directory is refused.

mod kind;
mod listing;

pub use kind::Kind;
pub use listing::{Member, members};

use crate::sh::words;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::FileKind;

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
