//! Scripts that are files beside the Rust file that sends them: `lock.sh`, `frame.sh`.
//!
//! A reader and shellcheck see them whole, with comments; what is sent has none. Their parameters stand in front of them, as quoted
//! assignments. What a comment may not be is half a line: `#` has to be the first thing in it. Indentation goes too, so texts
//! of several lines in quotes must not depend on theirs.

/// The text of a `.sh` file beside this one, as it is sent: without comments, empty lines and indentation.
macro_rules! file {
    ($name:literal) => {{
        static TEXT: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| $crate::sh::bare(include_str!($name)));
        TEXT.as_str()
    }};
}
pub(crate) use file;

/// A script without comment lines, empty lines and indentation.
pub(crate) fn bare(script: &str) -> String {
    let mut bare = String::with_capacity(script.len());
    let lines = script.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        bare.push_str(line);
        bare.push('\n');
    }
    bare
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, process::Command};

    use super::*;

    /// All `.sh` files below a folder.
    fn scripts(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                scripts(&path, found);
            } else if path.extension().is_some_and(|e| e == "sh") {
                found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }

    fn all() -> Vec<(String, String)> {
        let mut found = Vec::new();
        scripts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        assert!(found.iter().any(|(name, _)| name.ends_with("frame.sh")));
        found
    }

    #[test]
    fn every_script_is_read_by_every_shell_as_it_lies_there_and_as_it_is_sent() {
        for (name, text) in all() {
            for shell in [&["dash"][..], &["bash", "--posix"], &["busybox", "sh"]] {
                for (what, script) in [("as a file", &text), ("as it is sent", &bare(&text))] {
                    let output = Command::new(shell[0]).args(&shell[1..]).args(["-n", "-c", script]).output().unwrap();
                    let said = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success() && said.is_empty(), "{name} {what}: {shell:?}: {said}");
                }
            }
        }
    }

    #[test]
    fn every_script_is_seen_by_shellcheck_and_sent_whole() {
        let here_document = regex::Regex::new(r"<<(\w+)\n((?:.*\n)*?)(\w+)\n").unwrap();
        for (name, text) in all() {
            assert!(text.starts_with("# shellcheck shell=sh"), "{name}: the first line tells shellcheck what it is");
            assert_eq!(
                text.matches("<<").count(),
                here_document.captures_iter(&text).count(),
                "{name}: `<<NAME` ends its line"
            );
            for document in here_document.captures_iter(&text).filter(|d| d[1] == d[3]) {
                assert_eq!(bare(&document[2]), document[2], "{name}: a here-document loses what looks like a comment");
            }
        }
    }

    #[test]
    fn comments_and_indentation_are_not_sent() {
        assert_eq!(bare("# why\n\nif a; then\n    # because\n    b '#' # no\nfi\n"), "if a; then\nb '#' # no\nfi\n");
    }
}
