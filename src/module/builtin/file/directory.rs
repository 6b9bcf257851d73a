//! `file: state=directory`.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;

use super::{File, FileState, created_diff, kind_name};
use crate::{
    fact::{Answer, FileKind, FileStat, Probe, State},
    module::{
        Change, Context, Failure, Place, Plan, PlanError, Step,
        ownership::{self, Attributes},
        path, put, settle, tree,
    },
    sh::quote,
};

impl File {
    /// A directory is to be there.
    pub(super) fn directory(&self, context: &Context<'_>, state: &State, path: &str) -> Result<Plan, PlanError> {
        let (path, stat) = self.followed(context, state, path)?;
        let mut plan = match stat {
            None => {
                let made = make(context, state, &path, &self.attributes(), &BTreeMap::new())?;
                let stamps = self.stamps_of(FileState::Directory);
                let mut plan = Plan { changes: vec![made.change], predictions: made.predictions, ..Plan::default() };
                plan.diff.push(created_diff(&path, "directory"));
                put::add_stat(&mut plan.result, Some(&made.stat));
                let script = match stamps.script(state, "x", &made.stat, true)?.is_empty() {
                    true => String::new(),
                    false => settle::at(&Place::of(context, state, &path), &made.stat, |word| {
                        stamps.script(state, word, &made.stat, true).unwrap_or_default()
                    }),
                };
                if let (Some(Step::Script(first)), false) =
                    (plan.changes.first_mut().map(|c| &mut c.step), script.is_empty())
                {
                    first.push_str(&script);
                }
                plan
            }
            Some(stat) if stat.kind == FileKind::Directory => {
                let mut plan = self.with_attributes(context, state, &path, stat, FileState::Directory)?;
                if self.recurse.0 {
                    self.recursive(context, state, &path, &mut plan)?;
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
    fn recursive(&self, context: &Context<'_>, state: &State, top: &str, plan: &mut Plan) -> Result<(), PlanError> {
        let before = plan.predictions.len();
        let own = tree::entries(state, top, false)?;
        let links = own.iter().any(|e| e.stat.kind == FileKind::Link);
        let mut script = String::new();
        let (after, mut count) = self.each(state, top, &own, false, &mut script, plan)?;
        plan.predictions.push((tree::probe(top, false), tree::answer(&after)));
        if self.follow.0 && links {
            let kinds: HashMap<_, _> = own.iter().map(|e| (e.path.as_str(), e.stat.kind)).collect();
            let all = tree::entries(state, top, true)?;
            let (through, known): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|e| kinds.get(e.path.as_str()).is_none_or(|k| *k == FileKind::Link));
            self.trusted(context, state, &own, &through)?;
            let (mut seen, more) = self.each(state, top, &through, true, &mut script, plan)?;
            count += more;
            seen.extend(known.into_iter().map(|e| after.iter().find(|a| a.path == e.path).cloned().unwrap_or(e)));
            plan.predictions.push((tree::probe(top, true), tree::answer(&seen)));
        }
        if count > 0 {
            let what = format!("set attributes of {count} paths below {top}");
            // A link may lead anywhere.
            plan.changes.push(match links {
                true => Change::open(what, Step::Script(script)),
                false => Change::closed(what, Step::Script(script), ownership::written(top, None)),
            });
        } else {
            plan.predictions.truncate(before);
        }
        Ok(())
    }

    /// Refuses to change what a user's link leads to when it is not that user's.
    fn trusted(
        &self,
        context: &Context<'_>,
        state: &State,
        own: &[tree::Entry],
        through: &[tree::Entry],
    ) -> Result<(), PlanError> {
        let links = own.iter().filter(|e| e.stat.kind == FileKind::Link);
        for link in links.filter(|e| !path::trusts(context, state, &e.stat)) {
            let below = format!("{}/", link.path);
            let foreign =
                |e: &&tree::Entry| (e.path == link.path || e.path.starts_with(&below)) && e.stat.uid != link.stat.uid;
            if let Some(entry) = through.iter().find(foreign) {
                if self.attributes().applied(state, &entry.stat) != entry.stat {
                    return Err(path::untrusted(&link.path, &link.stat, &entry.path, Some(&entry.stat)).into());
                }
            }
        }
        Ok(())
    }

    /// Adds the lines for each entry that differs; `through` says that they were seen through links. Returns the entries as they will be, and how many differ.
    fn each(
        &self,
        state: &State,
        top: &str,
        entries: &[tree::Entry],
        through: bool,
        script: &mut String,
        plan: &mut Plan,
    ) -> Result<(Vec<tree::Entry>, usize), PlanError> {
        let wanted = self.attributes();
        let stamps = self.stamps_of(FileState::Directory);
        let (mut all, mut count) = (Vec::with_capacity(entries.len()), 0);
        let owners: HashMap<&str, u32> = entries.iter().map(|e| (e.path.as_str(), e.stat.uid)).collect();
        let owner = |directory: &str| match owners.get(directory) {
            Some(uid) => Some(*uid),
            None => state.stat(top, true).ok().flatten().map(|stat| stat.uid).filter(|_| directory == top),
        };
        // What is no directory is changed together with what stands beside it.
        let mut beside: Vec<(&str, Vec<settle::Entry<'_>>)> = Vec::new();
        for entry in entries {
            let after = wanted.applied(state, &entry.stat);
            let lines = |word: &str| -> Result<String, PlanError> {
                let mut lines = ownership::script_for(word, &entry.stat, &after, false);
                if entry.stat.kind != FileKind::Link {
                    lines.push_str(&stamps.script(state, word, &after, false)?);
                }
                Ok(lines)
            };
            if !lines("x")?.is_empty() {
                count += 1;
                let (directory, name) = (path::parent(&entry.path), path::name(&entry.path));
                if through {
                    script.push_str(&settle::through(&entry.path, &entry.stat, &lines(settle::PINNED)?, &lines(".")?));
                    let probe = Probe::Stat { path: entry.path.clone(), follow: true };
                    plan.predictions.push((probe, Answer::Stat(Some(after.clone()))));
                } else if entry.stat.kind == FileKind::Directory {
                    script.push_str(&settle::directory(&Place::unknown(&entry.path), &entry.stat, &lines(".")?));
                } else {
                    let changed = settle::Entry { name, before: &entry.stat, lines: lines(&settle::word(name))? };
                    match beside.iter_mut().find(|(d, of)| *d == directory && of.len() < BESIDE) {
                        Some((_, of)) => of.push(changed),
                        None => beside.push((directory, vec![changed])),
                    }
                }
                if !through && entry.stat.kind != FileKind::Link {
                    plan.predictions.extend(ownership::predictions(&entry.path, Some(after.clone())));
                    plan.predictions.extend(put::kept_content(state, &entry.path));
                }
            }
            all.push(tree::Entry { path: entry.path.clone(), stat: after });
        }
        for (directory, of) in &beside {
            let place = Place { directory: (*directory).to_owned(), owner: owner(directory), ..Place::default() };
            script.push_str(&settle::pinned(&place, of));
        }
        Ok((all, count))
    }
}

/// So many things of one directory are changed by one script at most, so that no command line grows without bound.
const BESIDE: usize = 100;

/// A directory to be made, with those above it.
pub(in crate::module) struct Made {
    /// Makes them all.
    pub(in crate::module) change: Change,
    /// The directory afterwards.
    pub(in crate::module) stat: FileStat,
    /// What later probes will find.
    pub(in crate::module) predictions: Vec<(Probe, Answer)>,
}

/// The directories that are missing, from a path up, and the one above them that is there.
fn missing<'p>(
    state: &State,
    path: &'p str,
    made: &BTreeMap<String, FileStat>,
) -> Result<(Vec<&'p str>, Option<FileStat>), PlanError> {
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
    Ok((missing, existing))
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
    let (missing, existing) = missing(state, path, made)?;
    let first = missing.last().copied().unwrap_or(path);
    let place = Place::of(context, state, first);
    let word = |directory: &str| match place.guarded {
        true => quote(directory).into_owned(),
        // Made as a whole in a folder of ours, and put in place when all is as it is to be.
        false => settle::word(&format!("{}{}", place.name, directory.strip_prefix(first).unwrap_or_default())),
    };
    let mut predictions = Vec::new();
    let mut writes = Vec::new();
    let mut stat = existing;
    let (mut words, mut own) = (Vec::new(), Vec::new());
    for directory in missing.iter().rev() {
        let plain = Attributes::default().created(context, state, FileKind::Directory, 0o755, stat.as_ref());
        let after = attributes.created(context, state, FileKind::Directory, 0o755, stat.as_ref());
        own.push(ownership::script_for(&word(directory), &plain, &after, false));
        words.push(word(directory));
        predictions.extend(ownership::predictions(directory, Some(after.clone())));
        writes.extend(ownership::written(directory, None));
        stat = Some(after);
    }
    // The innermost first: once one is another user's, what stands in it can change.
    let own: String = own.into_iter().rev().collect();
    let script = match place.guarded {
        true => {
            let made = words.iter().map(|w| format!("[ -d {w} ] || mkdir -- {w} || exit 1\n")).collect::<String>();
            format!("umask 022; {made}{own}")
        }
        false => format!(
            "{}fail() {{ rm -rf -- \"$t\"; leave; exit 1; }}\numask 022; mkdir -- {} || fail\n{}{}",
            place.open(),
            words.join(" "),
            own.replace("|| exit 1", "|| fail"),
            place.close()
        ),
    };
    let change = Change::closed(format!("create directory {path}"), Step::Script(script), writes);
    // invariant: `missing` holds `path` at least, so the loop above ran.
    let stat = stat.unwrap_or_else(|| FileStat::new(FileKind::Directory, 0o755, "root", "root"));
    Ok(Made { change, stat, predictions })
}
