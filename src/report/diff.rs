//! Differences as unified diffs.

use console::style;
use similar::TextDiff;

use crate::module::Diff;

/// Renders differences, coloured where the terminal has colours; nothing where there are none.
pub fn unified(diffs: &[Diff]) -> String {
    let mut out = String::new();
    for diff in diffs.iter().filter(|d| d.before != d.after) {
        let text = TextDiff::from_lines(diff.before.as_str(), diff.after.as_str());
        let mut unified = text.unified_diff();
        unified.context_radius(3).header(&header(&diff.before_header, "before"), &header(&diff.after_header, "after"));
        for line in unified.to_string().lines() {
            let line = match line.as_bytes().first() {
                Some(b'+') => style(line).green().to_string(),
                Some(b'-') => style(line).red().to_string(),
                Some(b'@') => style(line).cyan().to_string(),
                _ => line.to_owned(),
            };
            out.push_str(&line);
            out.push('\n');
        }
    }
    out
}

/// Differences in the very form of Ansible's callbacks: whole headers, and a blank line behind each.
pub fn as_ansible(diffs: &[Diff]) -> String {
    let named = |text: &str, word: &str| if text.is_empty() { word.to_owned() } else { format!("{word}: {text}") };
    let one = |diff: &Diff| {
        let headers = Diff {
            before_header: named(&diff.before_header, "before"),
            after_header: named(&diff.after_header, "after"),
            ..diff.clone()
        };
        match unified(&[headers]) {
            text if text.is_empty() => text,
            text => format!("{text}\n"),
        }
    };
    diffs.iter().map(one).collect()
}

fn header(given: &str, otherwise: &str) -> String {
    if given.is_empty() { otherwise.to_owned() } else { given.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_changes_and_nothing_else() {
        let diff = |before: &str, after: &str| Diff {
            before_header: "/etc/motd".to_owned(),
            after_header: String::new(),
            before: before.to_owned(),
            after: after.to_owned(),
        };
        assert_eq!(
            unified(&[diff("a\nb\n", "a\nc\n"), diff("same\n", "same\n")]),
            "--- /etc/motd\n+++ after\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
        );
        assert_eq!(unified(&[diff("", "new\n")]), "--- /etc/motd\n+++ after\n@@ -0,0 +1 @@\n+new\n");
    }
}
