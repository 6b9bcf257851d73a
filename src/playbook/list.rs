//! `--list-tasks` and `--list-tags`.

use std::{collections::BTreeSet, fmt::Write as _};

use super::tags::{TagFilter, as_written, names};
use super::{Action, Item, Play, Playbook, Task};
use crate::yaml::Node;

/// Reads a tag that is a template: of a play, its texts.
pub type ReadTag<'a> = &'a dyn Fn(&Play, &Node) -> Vec<String>;

/// The same within a play.
type ReadOne<'a> = dyn Fn(&Node) -> Vec<String> + 'a;

/// What to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Listing {
    /// The tasks with their tags.
    pub tasks: bool,
    /// All tags of each play.
    pub tags: bool,
}

impl Playbook {
    /// Lists plays and, as asked, tasks and tags: the text Ansible prints, tags sorted.
    ///
    /// Tasks of dynamic includes are not known yet; the include itself is listed.
    pub fn list(&self, what: Listing, filter: &TagFilter, read: ReadTag<'_>) -> String {
        let mut filter = filter.clone();
        if what.tags && filter.only.is_empty() {
            // All tags are wanted, those of tasks that run only on demand included.
            filter.only = vec!["all".to_owned(), "never".to_owned()];
        }
        let mut out = format!("\nplaybook: {}\n", self.path.display());
        for (at, play) in self.plays.iter().enumerate() {
            out.push_str(&play.list(at + 1, what, (&filter, read), ""));
        }
        out
    }

    /// The tags of `filter` that no task has, each with what to say of it. Tags that are templates, and those of files that are included
    /// while the play runs, are not known yet: where there are such, less is said.
    pub fn unknown_tags(playbooks: &[Playbook], filter: &TagFilter) -> Vec<String> {
        let mut known: BTreeSet<String> =
            ["all", "always", "never", "tagged", "untagged"].map(str::to_owned).into_iter().collect();
        let mut includes = false;
        for play in playbooks.iter().flat_map(|p| &p.plays) {
            known.extend(names(&play.scope, as_written));
            play.sections().into_iter().flatten().for_each(|item| all_tags(item, &mut known, &mut includes));
        }
        if known.iter().any(|tag| tag.contains("{{")) {
            return Vec::new();
        }
        let wanted: BTreeSet<&String> = filter.only.iter().chain(&filter.skip).collect();
        let unknown = wanted.into_iter().filter(|tag| !known.contains(*tag));
        let say = |tag: &String| {
            let near = crate::suggest::near(tag, known.iter().map(String::as_str));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let beside = if includes { " (files that are included while it runs were not looked at)" } else { "" };
            format!("no task has the tag `{tag}`{near}{beside}")
        };
        unknown.map(say).collect()
    }
}

fn all_tags(item: &Item, known: &mut BTreeSet<String>, includes: &mut bool) {
    match item {
        Item::Block(block) => {
            let parts = [&block.block, &block.rescue, &block.always];
            parts.into_iter().flatten().for_each(|item| all_tags(item, known, includes));
        }
        Item::Task(task) => {
            known.extend(names(&task.scope, as_written));
            *includes |= matches!(task.action, Action::Include(_));
        }
    }
}

impl Play {
    /// Lists the play and, as asked, its tasks and tags; `about` are lines that stand behind its first one.
    pub fn list(&self, number: usize, what: Listing, tags: (&TagFilter, ReadTag<'_>), about: &str) -> String {
        let (filter, read) = tags;
        let read = |tag: &Node| read(self, tag);
        let mut play_tags = names(&self.scope, read);
        play_tags.sort();
        let (patterns, tags) = (patterns(&self.hosts).join(","), play_tags.join(","));
        let mut out = format!("\n  play #{number} ({patterns}): {}\tTAGS: [{tags}]\n{about}", self.title());
        if !what.tasks && !what.tags {
            return out;
        }
        if what.tasks {
            out.push_str("    tasks:\n");
        }
        let mut all_tags = play_tags;
        for item in self.sections().into_iter().flatten() {
            task_lines(&mut out, item, what, (filter, &read), &mut all_tags);
        }
        if what.tags {
            all_tags.sort();
            all_tags.dedup();
            // Writing to a String cannot fail.
            let _ = writeln!(out, "      TASK TAGS: [{}]", all_tags.join(", "));
        }
        out
    }

    /// Its patterns as Python prints a list of them.
    pub fn patterns(&self) -> String {
        let patterns: Vec<String> = patterns(&self.hosts).iter().map(|one| crate::python::text::repr(one)).collect();
        format!("[{}]", patterns.join(", "))
    }
}

fn task_lines(
    out: &mut String,
    item: &Item,
    what: Listing,
    tags: (&TagFilter, &ReadOne<'_>),
    all_tags: &mut Vec<String>,
) {
    let (filter, read) = tags;
    match item {
        // As Ansible does it, `rescue` and `always` are not listed.
        Item::Block(block) => block.block.iter().for_each(|i| task_lines(out, i, what, tags, all_tags)),
        Item::Task(task) => {
            let mut tags = names(&task.scope, read);
            if !filter.selects(&tags) {
                return;
            }
            tags.sort();
            if what.tasks {
                let _ = writeln!(out, "      {}\tTAGS: [{}]", listed_name(task), tags.join(", "));
            }
            all_tags.extend(tags);
        }
    }
}

/// The patterns of a play.
fn patterns(node: &Node) -> Vec<String> {
    match node.as_seq() {
        Some(list) => list.iter().map(Node::key_text).collect(),
        None => node.key_text().split(',').map(|one| one.trim().to_owned()).collect(),
    }
}

/// A task's name as Ansible lists it: one without a name shows its action alone.
fn listed_name(task: &Task) -> String {
    if task.name.is_some() {
        return task.title();
    }
    task.action.written().to_owned()
}
