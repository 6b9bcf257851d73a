//! `file: state=directory`.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;

use super::{File, FileState, created_diff, kind_name};
use crate::{
    fact::{Answer, FileKind, FileStat, Probe, State},
    module::{
        Change, Context, Failure, Plan, PlanError, Step,
        ownership::{self, Attributes},
        path, put, quote, tree,
    },
};

impl File {
    /// A directory is to be there.
    pub(super) fn directory(&self, context: &Context<'_>, state: &State, path: &str) -> Result<Plan, PlanError> {
        let (path, stat) = self.followed(state, path)?;
        let mut plan = match stat {
            None => {
                let made = make(context, state, &path, &self.attributes(), &BTreeMap::new())?;
                let stamps = self.stamps_of(FileState::Directory);
                let mut plan = Plan { changes: vec![made.change], leaves: made.leaves, ..Plan::default() };
                plan.diff.push(created_diff(&path, "directory"));
                put::add_stat(&mut plan.result, Some(&made.stat));
                let script = stamps.script(state, &path, &made.stat, true)?;
                if let (Some(Step::Script(first)), false) =
                    (plan.changes.first_mut().map(|c| &mut c.step), script.is_empty())
                {
                    first.push_str(&script);
                }
                plan
            }
            Some(stat) if stat.kind == FileKind::Directory => {
                let mut plan = self.with_attributes(state, &path, stat, FileState::Directory)?;
                if self.recurse.0 {
                    self.recursive(state, &path, &mut plan)?;
                }
                plan
            }
            Some(stat) => {
                return Err(Failure::new(format!("{path} already exists as a {}", kind_name(stat)))
                    .with("path", path)
                    .into());
            }
        };
        plan.result.insert("path".into(), json!(path));
        Ok(plan)
    }

    /// All below the directory gets the attributes too; what links point to as well when they are followed.
    fn recursive(&self, state: &State, top: &str, plan: &mut Plan) -> Result<(), PlanError> {
        let before = plan.leaves.len();
        let own = tree::entries(state, top, false)?;
        let links = own.iter().any(|e| e.stat.kind == FileKind::Link);
        let mut script = String::new();
        let (after, mut count) = self.each(state, &own, false, &mut script, plan)?;
        plan.leaves.push((tree::probe(top, false), tree::answer(&after)));
        if self.follow.0 && links {
            let kinds: HashMap<_, _> = own.iter().map(|e| (e.path.as_str(), e.stat.kind)).collect();
            let all = tree::entries(state, top, true)?;
            let (through, known): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|e| kinds.get(e.path.as_str()).is_none_or(|k| *k == FileKind::Link));
            let (mut seen, more) = self.each(state, &through, true, &mut script, plan)?;
            count += more;
            seen.extend(known.into_iter().map(|e| after.iter().find(|a| a.path == e.path).cloned().unwrap_or(e)));
            plan.leaves.push((tree::probe(top, true), tree::answer(&seen)));
        }
        if count > 0 {
            let what = format!("set attributes of {count} paths below {top}");
            let mut change = Change::closed(what, Step::Script(script), ownership::written(top, None));
            // A link may lead anywhere.
            change.closed = !links;
            plan.changes.push(change);
        } else {
            plan.leaves.truncate(before);
        }
        Ok(())
    }

    /// Adds the lines for each entry that differs; `through` says that they were seen through links. Returns the entries as they will be, and how many differ.
    fn each(
        &self,
        state: &State,
        entries: &[tree::Entry],
        through: bool,
        script: &mut String,
        plan: &mut Plan,
    ) -> Result<(Vec<tree::Entry>, usize), PlanError> {
        let wanted = self.attributes();
        let stamps = self.stamps_of(FileState::Directory);
        let (mut all, mut count) = (Vec::with_capacity(entries.len()), 0);
        for entry in entries {
            let after = wanted.applied(state, &entry.stat);
            let mut lines = ownership::script(&entry.path, &entry.stat, &after);
            if entry.stat.kind != FileKind::Link {
                lines.push_str(&stamps.script(state, &entry.path, &after, false)?);
            }
            if !lines.is_empty() {
                count += 1;
                script.push_str(&lines);
                if through {
                    let probe = Probe::Stat { path: entry.path.clone(), follow: true };
                    plan.leaves.push((probe, Answer::Stat(Some(after.clone()))));
                } else if entry.stat.kind != FileKind::Link {
                    plan.leaves.extend(ownership::leaves(&entry.path, Some(after.clone())));
                    plan.leaves.extend(put::kept_content(state, &entry.path));
                }
            }
            all.push(tree::Entry { path: entry.path.clone(), stat: after });
        }
        Ok((all, count))
    }
}

/// A directory to be made, with those above it.
pub(in crate::module) struct Made {
    /// Makes them all.
    pub(in crate::module) change: Change,
    /// The directory afterwards.
    pub(in crate::module) stat: FileStat,
    /// What later probes will find.
    pub(in crate::module) leaves: Vec<(Probe, Answer)>,
}

/// Makes a directory and those above it that are missing; all new ones get the attributes.
///
/// `made` are the directories that earlier changes of the same plan make.
pub(in crate::module) fn make(
    context: &Context<'_>,
    state: &State,
    path: &str,
    attributes: &Attributes<'_>,
    made: &BTreeMap<String, FileStat>,
) -> Result<Made, PlanError> {
    let mut missing = vec![path];
    let mut existing = None;
    for parent in path::parents(path) {
        let there = match made.get(parent) {
            Some(stat) => Some(stat),
            None => state.stat(parent, true)?,
        };
        match there {
            Some(stat) if stat.kind == FileKind::Directory => {
                existing = Some(stat.clone());
                break;
            }
            Some(_) => {
                return Err(
                    Failure::new(format!("`{parent}` is no directory, `{path}` cannot be created below it")).into()
                );
            }
            None => missing.push(parent),
        }
    }
    if let Some(first) = missing.last().filter(|first| **first != path && !made.contains_key(**first)) {
        if state.stat(first, false)?.is_some_and(|s| s.kind == FileKind::Link) {
            let why = format!("`{first}` is a link that leads nowhere, `{path}` cannot be created below it");
            return Err(Failure::new(why).into());
        }
    }
    let mut script = String::new();
    let mut leaves = Vec::new();
    let mut writes = Vec::new();
    let mut stat = existing;
    for directory in missing.iter().rev() {
        let plain = Attributes::default().created(context, state, FileKind::Directory, 0o755, stat.as_ref());
        let after = attributes.created(context, state, FileKind::Directory, 0o755, stat.as_ref());
        let word = quote(directory);
        script.push_str(&format!("umask 022; [ -d {word} ] || mkdir -- {word} || exit 1\n"));
        script.push_str(&ownership::script(directory, &plain, &after));
        leaves.extend(ownership::leaves(directory, Some(after.clone())));
        writes.extend(ownership::written(directory, None));
        stat = Some(after);
    }
    let change = Change::closed(format!("create directory {path}"), Step::Script(script), writes);
    // invariant: `missing` holds `path` at least, so the loop above ran.
    let stat = stat.unwrap_or_else(|| FileStat::new(FileKind::Directory, 0o755, "root", "root"));
    Ok(Made { change, stat, leaves })
}
