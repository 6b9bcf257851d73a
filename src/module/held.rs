//! Reading a file of the host that others can exchange: it is opened once, looked at, and read by what was opened.
//!
//! A path may lead to another file with each use of it: to a pipe on which a tool waits for ever, or through a directory that
//! became a link to what only root may read. An open descriptor leads to the same file always.

use crate::{fact::FileStat, sh::quote};

/// The word by which what was opened is called, for tools that want a name.
pub const HELD: &str = "/proc/self/fd/8";

/// POSIX sh that opens a file for the rest of the shell; it must be a regular one. A trap of the script clears up.
pub fn open(path: &str) -> String {
    format!("{}exec 8<{}\n{}", present(path, "exit 1"), quote(path), looked(path, None, "exit 1"))
}

/// POSIX sh that runs commands with a file open. It must be a regular one, and the one that was `planned` on, where that was seen;
/// otherwise `fail` ends the script behind a sentence.
pub fn reading(path: &str, planned: Option<&FileStat>, commands: &str, fail: &str) -> String {
    format!(
        "{}{{\n{}{}\n}} 8<{}\n",
        present(path, fail),
        looked(path, planned, fail),
        commands.trim_end_matches('\n'),
        quote(path)
    )
}

/// Opening a pipe would wait for a writer.
fn present(path: &str, fail: &str) -> String {
    let said = quote(&format!("{path} is no regular file")).into_owned();
    format!("[ -f {} ] || {{ echo {said} >&2; {fail}; }}\n", quote(path))
}

fn looked(path: &str, planned: Option<&FileStat>, fail: &str) -> String {
    let same = match planned.filter(|stat| stat.inode != 0) {
        Some(FileStat { inode, device, .. }) => {
            format!(" && [ \"$(stat -L -c '%i %d' {HELD})\" = '{inode} {device}' ]")
        }
        None => String::new(),
    };
    let said = quote(&format!("{path} has become something else meanwhile")).into_owned();
    format!("[ -f {HELD} ]{same} || {{ echo {said} >&2; {fail}; }}\n")
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt as _, symlink},
        process::{Command, Output},
    };

    use super::*;
    use crate::fact::FileKind;

    fn each(script: &str, check: impl Fn(Output)) {
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            // A script that waits for ever is to fail.
            let mut command = Command::new("timeout");
            check(command.arg("10").args(shell).args(["-c", script]).output().unwrap());
        }
    }

    #[test]
    fn what_took_the_place_of_a_file_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        fs::create_dir_all(at("a")).unwrap();
        fs::create_dir_all(at("b")).unwrap();
        fs::write(at("a/f"), "mine").unwrap();
        fs::write(at("secret"), "secret").unwrap();
        symlink(at("secret"), at("b/f")).unwrap();
        let found = fs::metadata(at("a/f")).unwrap();
        let stat = FileStat {
            inode: found.ino(),
            device: found.dev(),
            ..FileStat::new(FileKind::File, 0o644, "root", "root")
        };
        let script = reading(&at("a/f"), Some(&stat), &format!("cat {HELD} || exit 3"), "exit 1");
        each(&script, |output| assert_eq!(output.stdout, b"mine", "{}", String::from_utf8_lossy(&output.stderr)));
        // The directory above it is exchanged.
        fs::rename(at("a"), at("c")).unwrap();
        fs::rename(at("b"), at("a")).unwrap();
        each(&script, |output| {
            assert!(!output.status.success() && output.stdout.is_empty());
            assert!(String::from_utf8_lossy(&output.stderr).contains("something else"));
        });
        assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        for path in [at("pipe"), "/dev/zero".to_owned(), at("c"), at("nothing")] {
            for script in [reading(&path, None, "echo read", "exit 1"), open(&path) + "echo read\n"] {
                each(&script, |output| {
                    assert_eq!(output.status.code(), Some(1), "{path}");
                    assert!(output.stdout.is_empty() && String::from_utf8_lossy(&output.stderr).contains("regular"));
                });
            }
        }
    }
}
