//! `file: state=link` and `state=hard`.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use super::{File, FileState, existing_parent, fields, kind_name};
use crate::{
    fact::{Answer, FileKind, FileStat, Probe, State},
    module::{
        Change, Context, Failure, Place, Plan, PlanError, Step,
        ownership::{self, Attributes},
        path, put,
    },
    sh::quote,
};

/// The next number for a file with several names that is not there yet.
static TWINS: AtomicU64 = AtomicU64::new(1);

impl File {
    /// A symbolic link is to be there.
    pub(super) fn link(
        &self,
        context: &Context<'_>,
        state: &State,
        path: &str,
        stat: Option<&FileStat>,
    ) -> Result<Plan, PlanError> {
        let link = stat.filter(|s| s.kind == FileKind::Link);
        let Some(src) = self.src.as_ref().map(|s| s.0.as_str()).or(link.map(|s| s.target.as_str())) else {
            return Err(Failure::new("src is required for creating new symlinks").with("dest", path).into());
        };
        let target = path::resolve(path, src);
        if self.src.is_some() && !self.force.0 && state.stat(&target, true)?.is_none() {
            return Err(Failure::new(format!(
                "src file does not exist, use 'force=yes' if you really want to create the link: {target}"
            ))
            .with("path", path)
            .with("src", src)
            .into());
        }
        self.may_replace(path, stat)?;
        let mut plan = Plan::default();
        if link.is_none_or(|s| s.target != src) {
            self.relink(context, state, path, src, stat, &mut plan)?;
        }
        let own = match plan.changes.is_empty() {
            true => stat.cloned(),
            false => plan.predictions.iter().find_map(|(_, answer)| match answer {
                Answer::Stat(Some(made)) => Some(made.clone()),
                _ => None,
            }),
        };
        self.through_link(context, state, path, &target, &mut plan)?;
        if self.follow.0 {
            // Whatever was done to what it leads to: the result tells of the link.
            put::add_stat(&mut plan.result, own.as_ref());
        }
        plan.result.insert("dest".into(), json!(path));
        plan.result.insert("src".into(), json!(src));
        Ok(plan)
    }

    /// Refuses to replace what is not a link, unless that is forced.
    fn may_replace(&self, path: &str, stat: Option<&FileStat>) -> Result<(), PlanError> {
        match stat {
            Some(stat) if stat.kind != FileKind::Link && !self.force.0 => {
                Err(Failure::new(format!("refusing to convert from {} to symlink for {path}", kind_name(stat)))
                    .with("path", path)
                    .help("`force: true` replaces a file or an empty directory")
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// Adds the change that makes the link or points it elsewhere.
    fn relink(
        &self,
        context: &Context<'_>,
        state: &State,
        path: &str,
        src: &str,
        stat: Option<&FileStat>,
        plan: &mut Plan,
    ) -> Result<(), PlanError> {
        if stat.is_none() {
            existing_parent(state, path)?;
        }
        let mut after = Attributes::default().created(context, state, FileKind::Link, 0o777, None);
        src.clone_into(&mut after.target);
        after.size = src.len() as u64;
        if !self.follow.0 {
            let wanted = self.attributes().applied(state, &after);
            (after.owner, after.uid, after.group, after.gid) = (wanted.owner, wanted.uid, wanted.group, wanted.gid);
        }
        let plain = Attributes::default().created(context, state, FileKind::Link, 0o777, None);
        let own = |word: &str| ownership::script_for(word, &plain, &after, false);
        let script = made(&Place::of(context, state, path), stat, &format!("-s -- {}", quote(src)), own);
        let mut before = fields([("state", json!(stat.map_or("absent", kind_name)))]);
        let mut now = fields([("state", json!("link"))]);
        if let Some(old) = stat.filter(|s| s.kind == FileKind::Link) {
            before.insert("src".into(), json!(old.target));
            now.insert("src".into(), json!(src));
        }
        plan.diff.push(ownership::attribute_diff(path, before, now));
        plan.changes.push(Change::closed(
            format!("link {path} to {src}"),
            Step::Script(script),
            ownership::written(path, stat),
        ));
        plan.predictions.push((path::stat(path), Answer::Stat(Some(after.clone()))));
        put::add_stat(&mut plan.result, Some(&after));
        Ok(())
    }

    /// Owner, group, mode and times of the link's target, or of the link itself when it is not followed.
    fn through_link(
        &self,
        context: &Context<'_>,
        state: &State,
        path: &str,
        target: &str,
        plan: &mut Plan,
    ) -> Result<(), PlanError> {
        let linked = plan.changes.is_empty();
        if !self.follow.0 {
            if let Some(stat) = state.stat(path, false)?.filter(|_| linked) {
                let own = self.with_attributes(context, state, path, stat, FileState::Link)?;
                merge(plan, own);
            }
            return Ok(());
        }
        let Attributes { owner, group, mode } = self.attributes();
        let wanted = owner.is_some() || group.is_some() || mode.is_some();
        let timed = self.modification_time.is_some() || self.access_time.is_some();
        if !wanted && !timed && !linked && state.stat(target, true).is_err() {
            // Nothing is foretold of what is not known: later tasks ask for it where the link leads.
            return Ok(());
        }
        let (real, stat) = match (wanted || timed, linked) {
            (false, true) => (path.to_owned(), state.stat(path, false)?),
            (false, false) => (target.to_owned(), self.target_now(state, target)),
            (true, _) => path::follow_to_write(context, state, target)?,
        };
        match stat {
            Some(stat) if wanted || timed => {
                let own = self.with_attributes(context, state, &real, stat, FileState::Link)?;
                let after = own.predictions.iter().rev().find_map(|(_, a)| match a {
                    Answer::Stat(Some(s)) => Some(s.clone()),
                    _ => None,
                });
                merge(plan, own);
                self.seen_through(path, Some(after.unwrap_or_else(|| stat.clone())), plan);
            }
            Some(stat) if linked => put::add_stat(&mut plan.result, Some(stat)),
            None if wanted || timed => plan.warnings.push(
                "Cannot set fs attributes on a non-existent symlink target. follow should be set to False to avoid this."
                    .to_owned(),
            ),
            stat => self.seen_through(path, stat.cloned(), plan),
        }
        Ok(())
    }

    /// The target as far as it is known without asking.
    fn target_now<'s>(&self, state: &'s State, target: &str) -> Option<&'s FileStat> {
        state.stat(target, true).ok().flatten()
    }

    /// Tells later tasks what they find when they look through the new link.
    fn seen_through(&self, path: &str, stat: Option<FileStat>, plan: &mut Plan) {
        if !plan.changes.is_empty() {
            plan.predictions.push((Probe::Stat { path: path.to_owned(), follow: true }, Answer::Stat(stat)));
        }
    }

    /// A further name of a file is to be there.
    pub(super) fn hard(
        &self,
        context: &Context<'_>,
        state: &State,
        path: &str,
        stat: Option<&FileStat>,
    ) -> Result<Plan, PlanError> {
        let Some(src) = &self.src else {
            return match stat {
                Some(stat) if stat.links > 1 => self.with_attributes(context, state, path, stat, FileState::Hard),
                _ => Err(Failure::new("src is required for creating new hardlinks").with("dest", path).into()),
            };
        };
        let written = &src.0;
        let src = path::absolute(context, state, written)?;
        let (real, source) = path::follow(state, &src)?;
        let Some(source) = source else {
            return Err(Failure::new("src does not exist").with("dest", path).with("src", written.as_str()).into());
        };
        if source.kind == FileKind::Directory {
            return Err(Failure::new(format!("`{src}` is a directory, which cannot have a second name")).into());
        }
        let same = stat.is_some_and(|s| s.same_file(source));
        let mut plan = Plan::default();
        let mut present = source.clone();
        if !same {
            if let Some(stat) = stat.filter(|s| s.kind != FileKind::Link && !self.force.0) {
                return Err(Failure::new(format!("Cannot link, {} exists at destination", kind_name(stat)))
                    .with("dest", path)
                    .with("src", written.as_str())
                    .help("`force: true` replaces it")
                    .into());
            }
            if stat.is_none() {
                existing_parent(state, path)?;
            }
            let same = match source.inode {
                0 => String::new(),
                inode => format!(
                    "[ \"$(stat -c '%i %d' -- \"$t\")\" = '{inode} {}' ] || {{ echo {} >&2; fail; }}\n",
                    source.device,
                    quote(&format!("{real} has become another file meanwhile"))
                ),
            };
            let script = made(&Place::of(context, state, path).staged(), stat, &format!("-- {}", quote(&real)), |_| {
                same.clone()
            });
            present.links += 1;
            if (present.inode, present.twin) == (0, 0) {
                present.twin = TWINS.fetch_add(1, Ordering::Relaxed);
            }
            let before = fields([("state", json!(stat.map_or("absent", kind_name)))]);
            plan.diff.push(ownership::attribute_diff(path, before, fields([("state", json!("hard"))])));
            let mut writes = ownership::written(path, stat);
            writes.extend(ownership::written(&real, Some(source)));
            plan.changes.push(Change::closed(format!("link {path} to {real}"), Step::Script(script), writes));
            for name in [path, real.as_str()] {
                plan.predictions.extend(ownership::predictions(name, Some(present.clone())));
                plan.predictions.extend(put::moved_content(state, &real, name));
            }
        }
        let own = self.of_both_names(context, state, (path, &real), (&present, source))?;
        merge(&mut plan, own);
        plan.result.insert("dest".into(), json!(path));
        plan.result.insert("src".into(), json!(written));
        Ok(plan)
    }

    /// Owner, mode and times of a file that has a second name, by that one: it is one file under both.
    fn of_both_names(
        &self,
        context: &Context<'_>,
        state: &State,
        (path, real): (&str, &str),
        (present, source): (&FileStat, &FileStat),
    ) -> Result<Plan, PlanError> {
        let mut own = self.with_attributes(context, state, path, present, FileState::Hard)?;
        let changed = own.predictions.iter().rev().find_map(|(probe, answer)| match (probe, answer) {
            (Probe::Stat { path: of, .. }, Answer::Stat(stat)) if of == path => Some(stat.clone()),
            _ => None,
        });
        own.changes.iter_mut().for_each(|change| change.writes.extend(ownership::written(real, Some(source))));
        own.predictions.extend(changed.into_iter().flat_map(|stat| ownership::predictions(real, stat)));
        Ok(own)
    }
}

/// POSIX sh that makes a link and gives it its name; what has the name gives way. `ln` are the command's arguments but
/// the last, `own` makes lines about the new link.
pub(in crate::module) fn made(
    place: &Place,
    stat: Option<&FileStat>,
    ln: &str,
    own: impl Fn(&str) -> String,
) -> String {
    if place.guarded && stat.is_none() {
        let word = quote(&path::join(&place.directory, &place.name)).into_owned();
        return format!("ln {ln} {word} || exit 1\n{}", own(&word));
    }
    // A rename replaces the old link at once, and never enters a directory that it leads to.
    let place = place.clone().staged();
    let clear = match stat.map(|s| s.kind) {
        Some(FileKind::Directory) => "rmdir -- \"$p\" || fail\n",
        _ => "",
    };
    let own = own("\"$t\"").replace("|| exit 1", "|| fail");
    format!("{}ln {ln} \"$t\" || fail\n{own}{clear}{}", place.open(), place.close())
}

/// Appends what the second part of a task does.
fn merge(plan: &mut Plan, other: Plan) {
    plan.changes.extend(other.changes);
    plan.diff.extend(other.diff);
    plan.predictions.extend(other.predictions);
    plan.result.extend(other.result);
    plan.warnings.extend(other.warnings);
}
