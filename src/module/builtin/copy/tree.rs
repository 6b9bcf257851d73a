//! A directory of the workstation to the host.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::{Copy, Deploy, Source, deploy};
use crate::{
    fact::{FileKind, FileStat, Missing, Probe, State},
    module::{
        Change, Context, Failure, Mode, Place, Plan, PlanError, Step,
        builtin::file::{link, make},
        local,
        ownership::{self, Attributes},
        path, put,
    },
    sh::quote,
};

/// What a local directory holds, by the path below it.
#[derive(Debug, Default)]
struct Listing {
    directories: Vec<String>,
    files: Vec<(String, PathBuf)>,
    links: Vec<(String, String)>,
}

impl Copy {
    /// Where the tree's top goes, and whether that directory belongs to the tree.
    fn top(&self, context: &Context<'_>, state: &State, local: &Path) -> Result<(String, bool), Missing> {
        let dest = path::absolute(context, state, &self.dest.0)?;
        let contents_only = self.src.as_ref().is_some_and(|s| s.0.ends_with('/'));
        match local.file_name().filter(|_| !contents_only) {
            Some(name) => Ok((path::join(&dest, &name.to_string_lossy()), true)),
            None => Ok((dest, false)),
        }
    }

    pub(super) fn probe_tree(&self, context: &Context<'_>, state: &State, local: &Path) -> Result<Vec<Probe>, Missing> {
        let (top, _) = self.top(context, state, local)?;
        let listing = list(local, self.follows_links()).map_err(|f| Missing::Failed(f.message))?;
        let mut probes = self.attributes().probes(context);
        let directory = |path: String| Probe::Stat { path, follow: true };
        probes.push(directory(top.clone()));
        probes.extend(path::parents(&top).map(|p| directory(p.to_owned())));
        probes.extend(listing.directories.iter().map(|d| directory(path::join(&top, d))));
        probes.extend(listing.files.iter().flat_map(|(f, _)| deploy::file_probes(&path::join(&top, f))));
        probes.extend(listing.links.iter().map(|(l, _)| path::stat(&path::join(&top, l))));
        Ok(probes)
    }

    pub(super) fn plan_tree(&self, context: &Context<'_>, state: &State, local: &Path) -> Result<Plan, PlanError> {
        let (top, own) = self.top(context, state, local)?;
        let listing = list(local, self.follows_links())?;
        self.attributes().check(state)?;
        let mut plan = Plan::default();
        let mut made = BTreeMap::new();
        self.tree_directory(context, state, &top, own, None, &mut made, &mut plan)?;
        for directory in &listing.directories {
            self.tree_directory(context, state, &path::join(&top, directory), true, None, &mut made, &mut plan)?;
        }
        for (relative, source) in &listing.files {
            let file = local::load(context, source, self.decrypt.0)?;
            let source = Source {
                content: file.content,
                mode: Some(file.mode),
                name: String::new(),
                shown: local::absolute(source),
            };
            let deploy = Deploy {
                follow: false,
                validate: self.validate.as_ref().map(|v| v.0.as_str()),
                ..self.deploy(&source)
            };
            deploy.file(context, state, &path::join(&top, relative), &made, &mut plan)?;
        }
        for (relative, target) in &listing.links {
            self.tree_link(context, state, &path::join(&top, relative), target, &made, &mut plan)?;
        }
        plan.result.insert("dest".into(), json!(path::absolute(context, state, &self.dest.0)?));
        plan.result.insert("src".into(), json!(local::absolute(local)));
        Ok(plan)
    }

    /// One directory of the tree; `own` says that it gets the attributes even where it is there already.
    #[allow(clippy::too_many_arguments)] // what is known of it, and what was planned before
    pub(super) fn tree_directory(
        &self,
        context: &Context<'_>,
        state: &State,
        path: &str,
        own: bool,
        source: Option<&FileStat>,
        made: &mut BTreeMap<String, FileStat>,
        plan: &mut Plan,
    ) -> Result<(), PlanError> {
        let mut attributes = self.directory_attributes();
        // A directory of the host keeps its mode when it is copied.
        let kept = source.map(|s| Mode::Bits(s.permissions()));
        if attributes.mode.is_none() {
            attributes.mode = kept.as_ref();
        }
        let fresh = made.contains_key(path::parent(path));
        let stat = if fresh { None } else { state.stat(path, true)? };
        match stat {
            Some(stat) if stat.kind == FileKind::Directory => {
                if own || source.is_some() {
                    // One that is there keeps its own mode.
                    let wanted = if own { attributes } else { Attributes { mode: None, ..attributes } };
                    let outcome = put::attributes(context, state, path, stat, &wanted);
                    plan.changes.extend(outcome.change);
                    plan.diff.extend(outcome.diff);
                    plan.predictions.extend(outcome.predictions);
                }
            }
            Some(_) => return Err(Failure::new(format!("`{path}` is in the way: it is no directory")).into()),
            None => {
                let new = make(context, state, path, &attributes, made)?;
                plan.changes.push(new.change);
                plan.predictions.extend(new.predictions);
                made.insert(path.to_owned(), new.stat);
            }
        }
        Ok(())
    }

    /// One link of the tree.
    pub(super) fn tree_link(
        &self,
        context: &Context<'_>,
        state: &State,
        path: &str,
        target: &str,
        made: &BTreeMap<String, FileStat>,
        plan: &mut Plan,
    ) -> Result<(), PlanError> {
        let fresh = made.contains_key(path::parent(path));
        let stat = if fresh { None } else { state.stat(path, false)? };
        let wanted = Attributes { mode: None, ..self.attributes() };
        if let Some(stat) = stat.filter(|s| s.target == target && s.kind == FileKind::Link && self.force.0) {
            let outcome = put::attributes(context, state, path, stat, &wanted);
            plan.changes.extend(outcome.change);
            plan.diff.extend(outcome.diff);
            plan.predictions.extend(
                outcome.predictions.into_iter().filter(|(p, _)| matches!(p, Probe::Stat { follow: false, .. })),
            );
            return Ok(());
        }
        if stat.is_some_and(|s| s.target == target || !self.force.0) {
            return Ok(());
        }
        if stat.is_some_and(|s| s.kind == FileKind::Directory) {
            return Err(Failure::new(format!("the directory `{path}` is in the way of a link")).into());
        }
        let plain = Attributes::default().created(context, state, FileKind::Link, 0o777, None);
        let mut after = wanted.created(context, state, FileKind::Link, 0o777, None);
        target.clone_into(&mut after.target);
        after.size = target.len() as u64;
        let settle = |word: &str| ownership::script_for(word, &plain, &after, false);
        let script = link(&Place::of(context, state, path), stat, &format!("-s -- {}", quote(target)), settle);
        plan.changes.push(Change::closed(
            format!("link {path} to {target}"),
            Step::Script(script),
            ownership::written(path, stat),
        ));
        plan.predictions.push((path::stat(path), crate::fact::Answer::Stat(Some(after))));
        Ok(())
    }
}

/// Lists a local directory, parents first.
fn list(top: &Path, follow: bool) -> Result<Listing, Failure> {
    let mut listing = Listing::default();
    let unreadable = |e: io::Error| Failure::new(format!("cannot read the directory `{}`: {e}", top.display()));
    walk(top, "", follow, &mut Vec::new(), &mut listing).map_err(unreadable)?;
    Ok(listing)
}

/// Lists what is in a directory; `above` are those that it is in, by device and number.
fn walk(
    directory: &Path,
    below: &str,
    follow: bool,
    above: &mut Vec<(u64, u64)>,
    listing: &mut Listing,
) -> io::Result<()> {
    if above.len() > 100 {
        return Err(io::Error::other("it is more than 100 levels deep"));
    }
    above.push(identity(directory)?);
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    // A directory's own files come before those below it, as with Ansible.
    entries.sort_by_key(|entry| (entry.path().is_dir(), entry.file_name()));
    for entry in entries {
        let path = entry.path();
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
            return Err(io::Error::other(format!("the name of `{}` is no UTF-8", path.display())));
        };
        let relative = if below.is_empty() { name } else { format!("{below}/{name}") };
        let link = entry.file_type()?.is_symlink();
        // What leads back into a directory that is being copied stays a link, and so does what leads nowhere.
        let stays = || !path.exists() || (path.is_dir() && identity(&path).is_ok_and(|own| above.contains(&own)));
        if link && (!follow || stays()) {
            let target = fs::read_link(&path)?;
            listing.links.push((relative, target.to_string_lossy().into_owned()));
        } else if path.is_dir() {
            listing.directories.push(relative.clone());
            walk(&path, &relative, follow, above, listing)?;
        } else {
            listing.files.push((relative, path));
        }
    }
    above.pop();
    Ok(())
}

/// What a directory is known by, whatever path leads there.
fn identity(directory: &Path) -> io::Result<(u64, u64)> {
    let found = fs::metadata(directory)?;
    Ok((found.dev(), found.ino()))
}
