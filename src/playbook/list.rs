//! `--list-tasks` and `--list-tags`.

use std::{collections::BTreeSet, fmt::Write as _};

use super::tags::{TagFilter, as_written, names};
use super::{Action, Item, Play, Playbook, Task};
use crate::yaml::Node;

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
    pub fn list(&self, what: Listing, filter: &TagFilter) -> String {
        let mut filter = filter.clone();
        if what.tags && filter.only.is_empty() {
            // All tags are wanted, those of tasks that run only on demand included.
            filter.only = vec!["all".to_owned(), "never".to_owned()];
        }
        let mut out = format!("\nplaybook: {}\n", self.path.display());
        for (at, play) in self.plays.iter().enumerate() {
            play_lines(&mut out, at + 1, play, what, &filter);
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

fn play_lines(out: &mut String, number: usize, play: &Play, what: Listing, filter: &TagFilter) {
    let mut play_tags = names(&play.scope, as_written);
    play_tags.sort();
    let patterns = hosts(&play.hosts);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "\n  play #{number} ({patterns}): {}\tTAGS: [{}]", play.title(), play_tags.join(","));
    if !what.tasks && !what.tags {
        return;
    }
    if what.tasks {
        out.push_str("    tasks:\n");
    }
    let mut all_tags = play_tags;
    for section in play.sections() {
        for item in section {
            task_lines(out, item, what, filter, &mut all_tags);
        }
    }
    if what.tags {
        all_tags.sort();
        all_tags.dedup();
        let _ = writeln!(out, "      TASK TAGS: [{}]", all_tags.join(", "));
    }
}

fn task_lines(out: &mut String, item: &Item, what: Listing, filter: &TagFilter, all_tags: &mut Vec<String>) {
    match item {
        // As Ansible does it, `rescue` and `always` are not listed.
        Item::Block(block) => block.block.iter().for_each(|i| task_lines(out, i, what, filter, all_tags)),
        Item::Task(task) => {
            let mut tags = names(&task.scope, as_written);
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

/// The patterns of a play with commas.
fn hosts(node: &Node) -> String {
    match node.as_seq() {
        Some(list) => list.iter().map(Node::key_text).collect::<Vec<_>>().join(","),
        None => node.key_text().split(',').map(str::trim).collect::<Vec<_>>().join(","),
    }
}

/// A task's name as Ansible lists it: one without a name shows its action alone.
fn listed_name(task: &Task) -> String {
    if task.name.is_some() {
        return task.title();
    }
    task.action.written().to_owned()
}
