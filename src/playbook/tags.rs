//! `--tags` and `--skip-tags`.
//!
//! Source: <https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_tags.html>

use super::Scope;
use crate::yaml::{Node, Value};

/// Which tags to run.
///
/// Handlers and `meta` tasks that nobody wrote are not subject to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagFilter {
    /// `--tags`; nothing means `all`.
    pub only: Vec<String>,
    /// `--skip-tags`.
    pub skip: Vec<String>,
}

impl TagFilter {
    /// Makes a filter of the values of the flags, each of which may hold several tags with commas.
    pub fn new<S: AsRef<str>>(only: &[S], skip: &[S]) -> Self {
        let split = |flags: &[S]| {
            let tags = flags.iter().flat_map(|f| f.as_ref().split(','));
            tags.map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
        };
        Self { only: split(only), skip: split(skip) }
    }

    /// Whether a task with these tags runs.
    pub fn selects(&self, tags: &[String]) -> bool {
        let has = |tag: &str| tags.iter().any(|t| t == tag);
        let wants = |list: &[String], tag: &str| list.iter().any(|t| t == tag);
        let untagged = tags.is_empty();
        // A task without tags counts as one that has the tag `untagged`.
        let meets = |list: &[String]| {
            if untagged { wants(list, "untagged") } else { tags.iter().any(|t| wants(list, t)) }
        };
        let all = self.only.is_empty() || wants(&self.only, "all");
        let chosen = has("always")
            || (all && !has("never"))
            || meets(&self.only)
            || (wants(&self.only, "tagged") && !untagged && !has("never"));
        if !chosen || self.skip.is_empty() {
            return chosen;
        }
        if wants(&self.skip, "all") {
            return has("always") && !wants(&self.skip, "always");
        }
        let skipped = meets(&self.skip) || (wants(&self.skip, "tagged") && !untagged);
        !skipped
    }

    /// Whether a task at this level runs; `render` turns a tag with a template into its texts.
    pub fn selects_scope(&self, scope: &Scope, render: impl Fn(&Node) -> Vec<String>) -> bool {
        self.selects(&names(scope, render))
    }
}

/// Lists the tags that hold at a level, each once; `render` turns a tag with a template into its texts.
pub fn names(scope: &Scope, render: impl Fn(&Node) -> Vec<String>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for tag in scope.tags() {
        let texts = match &tag.value {
            Value::String { text, .. } if text.contains("{{") => render(tag),
            _ => vec![tag.key_text()],
        };
        for text in texts {
            if !names.contains(&text) {
                names.push(text);
            }
        }
    }
    names
}

/// Leaves a tag with a template as it is written.
pub fn as_written(tag: &Node) -> Vec<String> {
    vec![tag.key_text()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(tags: &str, only: &str, skip: &str) -> bool {
        let tags: Vec<String> = tags.split(',').filter(|t| !t.is_empty()).map(str::to_owned).collect();
        TagFilter::new(&[only], &[skip]).selects(&tags)
    }

    #[test]
    fn tags_choose_as_in_ansible() {
        for (tags, only, skip, expected) in [
            ("", "", "", true),
            ("a", "", "", true),
            ("a", "a", "", true),
            ("a", "b", "", false),
            ("", "a", "", false),
            ("a,b", "b,c", "", true),
            ("always", "a", "", true),
            ("never", "", "", false),
            ("never,a", "a", "", true),
            ("never,a", "all", "", false),
            ("never,a", "never", "", true),
            ("never,a", "tagged", "", false),
            ("never,always", "", "", true),
            ("a", "tagged", "", true),
            ("", "tagged", "", false),
            ("", "untagged", "", true),
            ("a", "untagged", "", false),
            ("a", "", "a", false),
            ("b", "", "a", true),
            ("always", "", "always", false),
            ("always", "a", "all", true),
            ("always", "a", "all,always", false),
            ("a", "a", "all", false),
            ("", "", "tagged", true),
            ("a", "", "tagged", false),
            ("", "", "untagged", false),
            ("a", "a", "b", true),
            ("a,b", "a", "b", false),
        ] {
            assert_eq!(runs(tags, only, skip), expected, "tags [{tags}] --tags {only} --skip-tags {skip}");
        }
    }
}
