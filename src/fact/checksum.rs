//! Checksums of files: many files, one process per algorithm.

use super::stat::{Found, existing, found};

/// A checksum that every host can compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// MD5, for `stat` on request.
    Md5,
    /// SHA-1, what Ansible returns as `checksum`.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// Parses Ansible's name of the algorithm.
    pub fn parse(name: &str) -> Option<Algorithm> {
        Some(match name {
            "md5" => Algorithm::Md5,
            "sha1" | "sha" => Algorithm::Sha1,
            "sha224" => Algorithm::Sha224,
            "sha256" => Algorithm::Sha256,
            "sha384" => Algorithm::Sha384,
            "sha512" => Algorithm::Sha512,
            _ => return None,
        })
    }

    /// The command that computes it, in coreutils and busybox alike.
    pub fn command(self) -> &'static str {
        match self {
            Algorithm::Md5 => "md5sum",
            Algorithm::Sha1 => "sha1sum",
            Algorithm::Sha224 => "sha224sum",
            Algorithm::Sha256 => "sha256sum",
            Algorithm::Sha384 => "sha384sum",
            Algorithm::Sha512 => "sha512sum",
        }
    }
}

/// Prints a flag for each path, then a checksum line for each `1`: a regular file that can be read.
pub(super) fn script(algorithm: Algorithm, paths: &[&str]) -> String {
    format!("{}[ $# = 0 ] || {} -- \"$@\"\n", existing("[ -f \"$p\" ] && [ -r \"$p\" ]", paths), algorithm.command())
}

/// Parses what [`script`] printed, one entry per path.
pub(super) fn parse(paths: &[&str], stdout: &[u8], stderr: &[u8]) -> Option<Vec<Found<String>>> {
    let text = String::from_utf8_lossy(stdout);
    let (flags, sums) = text.split_once('\n')?;
    // A leading backslash says that the name behind it is escaped. Where names are not, as in busybox, one that holds
    // a newline goes on in lines that do not begin with a checksum.
    let first = |line: &'_ str| line.trim_start_matches('\\').split([' ', '\t']).next().unwrap_or_default().to_owned();
    let is_sum = |word: &String| word.len() >= 32 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let mut sums = sums.lines().map(first).filter(is_sum);
    let all = found(paths, flags, stderr, |_| sums.next().map(Found::There))?;
    sums.next().is_none().then_some(all)
}
