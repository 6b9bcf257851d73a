//! `copy: remote_src=true`: from one place of the host to another.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Copy, deploy};
use crate::{
    fact::{Algorithm, FileKind, FileStat, Missing, Probe, State},
    module::{
        Change, Content, Context, Failure, FileWrite, Mode, Place, Plan, PlanError, Step, held,
        ownership::{self, Attributes},
        path, put, tree,
    },
    sh::quote,
};

/// Up to this length check mode reads the source's bytes, so that later tasks are planned on them.
const READ: u64 = 1 << 20;

/// The path without links as far as it exists.
fn real(state: &State, path: &str) -> Result<String, Missing> {
    let (end, stat) = path::follow(state, path)?;
    match stat {
        Some(stat) => Ok(path::real(&end, stat).unwrap_or(end)),
        None if end == "/" => Ok(end),
        None => Ok(path::join(&real(state, path::parent(&end))?, path::name(&end))),
    }
}

impl Copy {
    fn source_path(&self, context: &Context<'_>, state: &State) -> Result<String, Missing> {
        path::absolute(context, state, self.src.as_ref().map_or("", |s| s.0.as_str()))
    }

    pub(super) fn probe_remote(&self, context: &Context<'_>, state: &State) -> Result<Vec<Probe>, Missing> {
        let src = self.source_path(context, state)?;
        let dest = path::absolute(context, state, &self.dest.0)?;
        let mut probes = self.attributes().probes(context);
        let stat = Probe::Stat { path: src.clone(), follow: true };
        probes.extend([stat, path::stat(&src), path::stat(&dest)]);
        let Ok(Some(stat)) = state.stat(&src, true) else { return Ok(probes) };
        if stat.kind != FileKind::Directory {
            let path = self.remote_target(state, &src, &dest)?;
            probes.push(Probe::Checksum { path: src.clone(), algorithm: Algorithm::Sha1 });
            probes.push(Probe::Checksum { path: src, algorithm: Algorithm::Md5 });
            probes.extend(deploy::file_probes(&path));
            return Ok(probes);
        }
        probes.push(tree::probe(&src, self.follows_links()));
        let top = self.remote_top(&src, &dest);
        probes.push(Probe::Stat { path: top.clone(), follow: true });
        probes.extend(path::above(&top));
        for entry in tree::entries(state, &src, self.follows_links()).unwrap_or_default() {
            let to = rebase(&entry.path, &src, &top);
            match entry.stat.kind {
                FileKind::Directory => probes.push(Probe::Stat { path: to, follow: true }),
                FileKind::File => {
                    probes.push(Probe::Checksum { path: entry.path, algorithm: Algorithm::Sha1 });
                    probes.extend(deploy::file_probes(&to));
                }
                FileKind::Link => probes.extend([path::stat(&to), path::stat(&entry.path)]),
                FileKind::Other => {}
            }
        }
        Ok(probes)
    }

    /// Where one file goes.
    fn remote_target(&self, state: &State, src: &str, dest: &str) -> Result<String, Missing> {
        let directory =
            self.dest.0.ends_with('/') || path::follow(state, dest)?.1.is_some_and(|s| s.kind == FileKind::Directory);
        Ok(if directory { path::join(dest, path::name(src)) } else { dest.to_owned() })
    }

    /// Where a directory goes: a slash at its end stands for what is in it.
    fn remote_top(&self, src: &str, dest: &str) -> String {
        let contents_only = self.src.as_ref().is_some_and(|s| s.0.ends_with('/'));
        if contents_only { dest.to_owned() } else { path::join(dest, path::name(src)) }
    }

    pub(super) fn plan_remote(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let src = self.source_path(context, state)?;
        let dest = path::absolute(context, state, &self.dest.0)?;
        self.attributes().check(state)?;
        let Some(stat) = state.stat(&src, true)? else {
            return Err(Failure::new(format!("Source {src} not found")).with("src", src).into());
        };
        let mut plan = Plan::default();
        plan.result.insert("src".into(), json!(src));
        let mut made = BTreeMap::new();
        match stat.kind {
            FileKind::File => {
                let path = self.remote_target(state, &src, &dest)?;
                if self.dest.0.ends_with('/') {
                    self.tree_directory(context, state, path::parent(&path), false, None, &mut made, &mut plan)?;
                }
                let sha1 = checksum(state, &src, Algorithm::Sha1)?;
                let md5 = checksum(state, &src, Algorithm::Md5)?;
                self.expected(&sha1)?;
                plan.result.insert("dest".into(), json!(path));
                plan.result.insert("checksum".into(), json!(sha1));
                plan.result.insert("md5sum".into(), json!(md5));
                self.remote_file(context, state, &src, stat, &path, &made, &mut plan)?;
            }
            FileKind::Directory => {
                let top = self.remote_top(&src, &dest);
                plan.result.insert("dest".into(), json!(dest));
                // It would copy what it has just copied, on and on.
                let from = real(state, &src)?;
                let inside = |rest: &str| rest.starts_with('/') || (from == "/" && !rest.is_empty());
                if real(state, &top)?.strip_prefix(&from).is_some_and(inside) {
                    return Err(Failure::new(format!("cannot copy the directory {src} into itself, to {top}")).into());
                }
                self.tree_directory(context, state, &top, false, Some(stat), &mut made, &mut plan)?;
                for entry in tree::entries(state, &src, self.follows_links())? {
                    let to = rebase(&entry.path, &src, &top);
                    match entry.stat.kind {
                        FileKind::Directory => {
                            self.tree_directory(context, state, &to, false, Some(&entry.stat), &mut made, &mut plan)?;
                        }
                        FileKind::File => {
                            self.remote_file(context, state, &entry.path, &entry.stat, &to, &made, &mut plan)?;
                        }
                        FileKind::Link => {
                            let target = state.stat(&entry.path, false)?.map(|s| s.target.clone()).unwrap_or_default();
                            self.tree_link(context, state, &to, &target, &made, &mut plan)?;
                        }
                        FileKind::Other => {
                            plan.warnings.push(format!("{} is no regular file and is left out", entry.path))
                        }
                    }
                }
            }
            _ => return Err(Failure::new(format!("Cannot copy invalid source '{src}': not a file")).into()),
        }
        Ok(plan)
    }

    /// Adds what copies one file of the host.
    #[allow(clippy::too_many_arguments)] // the two files with what is known of them
    fn remote_file(
        &self,
        context: &Context<'_>,
        state: &State,
        from: &str,
        source: &FileStat,
        to: &str,
        made: &BTreeMap<String, FileStat>,
        plan: &mut Plan,
    ) -> Result<(), PlanError> {
        let fresh = made.contains_key(path::parent(to));
        let own = if fresh { None } else { state.stat(to, false)? };
        let (path, stat) = match own {
            Some(stat) if stat.kind == FileKind::Link && self.follow.0 => path::follow(state, to)?,
            own => (to.to_owned(), own),
        };
        if let Some(own) = own.filter(|_| !self.force.0) {
            put::add_stat(&mut plan.result, Some(own));
            return Ok(());
        }
        let mode = Mode::Bits(source.permissions());
        let mut attributes = self.attributes();
        if attributes.mode == Some(&Mode::Preserve)
            || (attributes.mode.is_none() && self.is_tree(from) && !self.same(state, &path, stat, from)?)
        {
            // Files of a tree bring their modes along, as with `cp -r`; one that is the same already keeps its own.
            attributes.mode = Some(&mode);
        }
        let sha1 = checksum(state, from, Algorithm::Sha1)?;
        let file = stat.filter(|s| s.kind == FileKind::File);
        if let Some(stat) = file {
            let same = match state.checksum(&path, Algorithm::Sha1) {
                // One that may not be read gives way to the new one.
                Err(Missing::Failed(_)) => false,
                sum => sum? == Some(sha1.as_str()),
            };
            if same {
                let outcome = put::attributes(context, state, &path, stat, &attributes);
                plan.changes.extend(outcome.change);
                plan.diff.extend(outcome.diff);
                plan.predictions.extend(outcome.predictions);
                put::add_stat(&mut plan.result, outcome.stat.as_ref());
                return Ok(());
            }
        }
        let parent = match made.get(path::parent(&path)) {
            Some(stat) => Some(stat),
            None => deploy::parent_of(state, &path)?,
        };
        if context.diff {
            let before = deploy::readable(state, &path, stat)?;
            plan.diff.push(put::text_diff(&path, from, before, deploy::readable(state, from, Some(source))?));
        }
        if context.check && source.size <= READ {
            // Later tasks of this check are to see these bytes at the new place.
            state.content(from)?;
        }
        let copy = Copying { from, source, path: &path, stat, parent, attributes };
        self.write_remote(context, state, &copy, plan);
        Ok(())
    }

    /// Whether the file that is there has the source's content.
    fn same(&self, state: &State, path: &str, stat: Option<&FileStat>, from: &str) -> Result<bool, PlanError> {
        if stat.is_none_or(|s| s.kind != FileKind::File) {
            return Ok(false);
        }
        match state.checksum(path, Algorithm::Sha1) {
            Err(Missing::Failed(_)) => Ok(false),
            sum => Ok(sum? == Some(checksum(state, from, Algorithm::Sha1)?.as_str())),
        }
    }

    fn is_tree(&self, from: &str) -> bool {
        self.src.as_ref().is_some_and(|s| path::clean(&s.0) != from)
    }

    fn write_remote(&self, context: &Context<'_>, state: &State, copy: &Copying<'_>, plan: &mut Plan) {
        let Copying { from, source, path, stat, parent, attributes } = copy;
        let file = stat.filter(|s| s.kind == FileKind::File);
        let mut after = match file {
            Some(stat) => attributes.applied(state, stat),
            None => attributes.created(context, state, FileKind::File, 0o644, *parent),
        };
        after.size = source.size;
        after.links = 1;
        let backup = stat.filter(|_| self.backup.0).map(|_| put::backup_path(path));
        let content = Content::File { path: (*from).into(), size: source.size };
        let write = FileWrite {
            ownership: attributes.ownership(file.map_or(0o644, FileStat::permissions)),
            ids: attributes.ids(state),
            replaces: stat.cloned(),
            backup: backup.clone(),
            validate: self.validate.as_ref().map(|v| v.0.clone()),
            place: Place::of(context, state, path),
            ..FileWrite::new(path, content)
        };
        let fill = match Place::of(context, state, from).guarded || source.inode == 0 {
            true => {
                // What is named by the task may be a link; within a tree links are told apart from files.
                let flag = if self.is_tree(from) && !self.follows_links() { "-P" } else { "-L" };
                // A link that took the file's place meanwhile is not followed.
                format!("cp {flag} -- {} \"$t\" && [ -f \"$t\" ] && [ ! -L \"$t\" ] || fail", quote(from))
            }
            // Who owns a directory above could have it lead to what only root may read.
            false => {
                let copy = format!("cp -L -- {} \"$t\" || fail", held::HELD);
                format!("{}[ -f \"$t\" ] || fail", held::reading(from, Some(source), &copy, "fail"))
            }
        };
        let script = write.made_by(&fill, Some(source.size));
        let writes = ownership::written(path, *stat);
        let mut change = Change::closed(format!("copy {from} to {path}"), Step::Script(script), writes);
        change.closed = self.validate.is_none() && backup.is_none();
        plan.changes.push(change);
        plan.predictions.extend(ownership::predictions(path, Some(after.clone())));
        plan.predictions.extend(put::moved_content(state, from, path));
        put::add_stat(&mut plan.result, Some(&after));
        put::add_backup(&mut plan.result, backup.as_ref());
    }
}

/// One file on its way.
struct Copying<'a> {
    from: &'a str,
    source: &'a FileStat,
    path: &'a str,
    stat: Option<&'a FileStat>,
    parent: Option<&'a FileStat>,
    attributes: Attributes<'a>,
}

fn checksum(state: &State, path: &str, algorithm: Algorithm) -> Result<String, PlanError> {
    match state.checksum(path, algorithm)? {
        Some(sum) => Ok(sum.to_owned()),
        None => Err(Failure::new(format!("Source {path} not readable")).into()),
    }
}

/// The same path below another top.
fn rebase(path: &str, top: &str, to: &str) -> String {
    path::join(to, path.strip_prefix(top).unwrap_or(path).trim_start_matches('/'))
}
