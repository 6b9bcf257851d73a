//! What a program of the host says of paths: one process for all of them, a line for each.

use super::ScriptAnswer;
use crate::sh::quote;

/// A program that describes paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Describer {
    /// `file`: the type and the encoding of the content.
    Mime {
        /// Whether a link's target is meant.
        follow: bool,
    },
    /// `lsattr`: version and attributes.
    Attributes,
}

impl Describer {
    /// The script that asks about all paths. Where there is no such program it says nothing.
    pub(super) fn script(self, paths: &[&str]) -> String {
        let (program, arguments) = match self {
            Describer::Mime { follow: true } => ("file", "--mime-type --mime-encoding -b -L"),
            Describer::Mime { follow: false } => ("file", "--mime-type --mime-encoding -b"),
            Describer::Attributes => ("lsattr", "-vd"),
        };
        let words = paths.iter().map(|path| quote(path)).collect::<Vec<_>>().join(" ");
        format!("command -v {program} >/dev/null || exit 0\n{program} {arguments} -- {words} 2>/dev/null\nexit 0\n")
    }

    /// What was said of each path; nothing where that cannot be told apart.
    pub(super) fn parse(self, paths: &[&str], stdout: &[u8]) -> Vec<ScriptAnswer> {
        let text = String::from_utf8_lossy(stdout);
        let lines: Vec<&str> = text.lines().collect();
        let of = |(index, path): (usize, &&str)| match self {
            _ if paths.len() == 1 => text.as_ref(),
            // A path that cannot be read has no line.
            Describer::Attributes => {
                let end = format!(" {path}");
                lines
                    .iter()
                    .find(|line| line.ends_with(&end) && line.split_whitespace().nth(2) == Some(*path))
                    .copied()
                    .unwrap_or_default()
            }
            Describer::Mime { .. } if lines.len() == paths.len() => lines[index],
            Describer::Mime { .. } => "",
        };
        let answer = |said: &str| ScriptAnswer { status: 0, stdout: said.as_bytes().to_vec(), stderr: Vec::new() };
        paths.iter().enumerate().map(of).map(answer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(describer: Describer, paths: &[&str], stdout: &str) -> Vec<String> {
        describer.parse(paths, stdout.as_bytes()).into_iter().map(|answer| answer.text()).collect()
    }

    #[test]
    fn each_path_gets_its_line_or_none() {
        let mime = Describer::Mime { follow: false };
        assert_eq!(
            said(mime, &["/a", "/b"], "text/plain; charset=us-ascii\ninode/directory; charset=binary\n"),
            ["text/plain; charset=us-ascii", "inode/directory; charset=binary"]
        );
        // A host that says too little or too much is believed in nothing.
        assert_eq!(said(mime, &["/a", "/b"], "text/plain; charset=us-ascii\n"), ["", ""]);
        assert_eq!(said(mime, &["/a", "/b"], ""), ["", ""]);
        let listed = "12 ----i---e-- /a\n7 -------e-- /b/a\n";
        assert_eq!(
            said(Describer::Attributes, &["/b/a", "/gone", "/a"], listed),
            ["7 -------e-- /b/a", "", "12 ----i---e-- /a"]
        );
    }

    #[test]
    fn odd_names_are_words_of_their_own() {
        let script = Describer::Attributes.script(&["/a b", "-x", "/it's"]);
        assert!(script.contains("-vd -- '/a b' '-x' ") && script.starts_with("command -v lsattr"), "{script}");
    }
}
