//! One file to its place: what `copy` and `template` have in common.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    fact::{Algorithm, FileKind, FileStat, Missing, Probe, State},
    module::{
        Content, Context, Failure, Mode, Plan, PlanError,
        builtin::file::make,
        local,
        ownership::Attributes,
        path,
        put::{self, Put},
    },
};

/// What a content is called that comes from no file.
pub(in crate::module) const GENERATED: &str = "dynamically generated";

/// What is to be put in its place.
#[derive(Clone, Debug)]
pub(in crate::module) struct Source {
    /// The bytes or where they are.
    pub(in crate::module) content: Content,
    /// The permissions of the file they come from.
    pub(in crate::module) mode: Option<u32>,
    /// The name it gets in a directory.
    pub(in crate::module) name: String,
    /// What the "after" side of a difference is called.
    pub(in crate::module) shown: String,
}

/// How one file is to be put in its place.
#[derive(Debug)]
pub(in crate::module) struct Deploy<'a> {
    /// The destination as written.
    pub(in crate::module) dest: &'a str,
    /// What goes there.
    pub(in crate::module) source: &'a Source,
    /// Owner, group and mode.
    pub(in crate::module) attributes: Attributes<'a>,
    /// Permissions of directories that are created.
    pub(in crate::module) directory_mode: Option<&'a Mode>,
    /// Replace a file that differs.
    pub(in crate::module) force: bool,
    /// Write to the target of a link.
    pub(in crate::module) follow: bool,
    /// Keep the old file.
    pub(in crate::module) backup: bool,
    /// A command that checks the new file.
    pub(in crate::module) validate: Option<&'a str>,
    /// Whether the destination may be a directory.
    pub(in crate::module) directory_ok: bool,
}

impl Deploy<'_> {
    /// What must be known of the host.
    pub(in crate::module) fn probe(&self, context: &Context<'_>, state: &State) -> Result<Vec<Probe>, Missing> {
        let dest = path::absolute(context, state, self.dest)?;
        let mut probes = self.attributes.probes(context);
        let mut path = dest.clone();
        if self.dest.ends_with('/') {
            path = path::join(&dest, &self.source.name);
        } else if let Ok((_, Some(stat))) = path::follow(state, &dest) {
            if stat.kind == FileKind::Directory {
                path = path::join(&dest, &self.source.name);
            }
        }
        probes.push(path::stat(&dest));
        probes.extend(file_probes(&path));
        if self.dest.ends_with('/') {
            probes.extend(path::above(&path));
        }
        Ok(probes)
    }

    /// Where the file goes.
    fn target(&self, context: &Context<'_>, state: &State) -> Result<String, PlanError> {
        let dest = path::absolute(context, state, self.dest)?;
        let directory =
            self.dest.ends_with('/') || path::follow(state, &dest)?.1.is_some_and(|s| s.kind == FileKind::Directory);
        if !directory {
            return Ok(dest);
        }
        if !self.directory_ok {
            return Err(Failure::new("can not use content with a dir as dest").with("dest", dest).into());
        }
        Ok(path::join(&dest, &self.source.name))
    }

    /// Decides what is to be done.
    pub(in crate::module) fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let path = self.target(context, state)?;
        let mut plan = Plan::default();
        let mut made = BTreeMap::new();
        let parent = path::parent(&path);
        if self.dest.ends_with('/') && state.stat(parent, true)?.is_none() {
            let attributes = Attributes { mode: self.directory_mode, ..self.attributes };
            let directory = make(context, state, parent, &attributes, &made)?;
            plan.changes.push(directory.change);
            plan.predictions.extend(directory.predictions);
            made.insert(parent.to_owned(), directory.stat);
        }
        let after = self.file(context, state, &path, &made, &mut plan)?;
        let Some(after) = after else {
            // Nothing was asked of it: it is called as the task calls it.
            let dest = path::absolute(context, state, self.dest)?;
            let slash = if self.dest.ends_with('/') && !dest.ends_with('/') { "/" } else { "" };
            plan.result.insert("dest".into(), json!(format!("{dest}{slash}")));
            plan.result.insert("src".into(), json!(self.source.shown));
            return Ok(plan);
        };
        plan.result.insert("dest".into(), json!(after.path));
        plan.result.insert("src".into(), json!(self.source.shown));
        match &self.source.content {
            Content::Bytes(bytes) => {
                plan.result.insert("checksum".into(), json!(local::sha1(&self.source.content)?));
                plan.result.insert("md5sum".into(), json!(local::checksum(Algorithm::Md5, bytes)));
            }
            // While a large file is sent its checksum is computed by the way: the result has it in the end.
            Content::File { .. } if plan.would_change() && !context.check => {}
            content => drop(plan.result.insert("checksum".into(), json!(local::sha1(content)?))),
        }
        put::add_stat(&mut plan.result, after.stat.as_ref());
        put::add_backup(&mut plan.result, after.backup.as_ref());
        Ok(plan)
    }

    /// Adds what brings one file about. `None`: it is there and is not to be touched.
    pub(super) fn file(
        &self,
        context: &Context<'_>,
        state: &State,
        path: &str,
        made: &BTreeMap<String, FileStat>,
        plan: &mut Plan,
    ) -> Result<Option<After>, PlanError> {
        let fresh = made.contains_key(path::parent(path));
        let own = if fresh { None } else { state.stat(path, false)? };
        let (path, stat) = match own {
            Some(stat) if stat.kind == FileKind::Link && self.follow => path::follow_to_write(context, state, path)?,
            own => (path.to_owned(), own),
        };
        if own.is_some() && !self.force {
            return Ok(None);
        }
        let parent = match made.get(path::parent(&path)) {
            Some(stat) => Some(stat),
            None => parent_of(state, &path)?,
        };
        let same = match stat {
            Some(stat) if stat.kind == FileKind::File && stat.size == self.source.content.size() => {
                match state.checksum(&path, Algorithm::Sha1) {
                    // One that may not be read gives way to the new one.
                    Err(Missing::Failed(_)) => false,
                    sum => sum? == Some(local::sha1(&self.source.content)?.as_str()),
                }
            }
            _ => false,
        };
        let preserved = self.source.mode.map(Mode::Bits);
        let mut attributes = self.attributes;
        if attributes.mode == Some(&Mode::Preserve) {
            attributes.mode = preserved.as_ref();
        }
        let outcome = put::put(
            context,
            state,
            Put {
                path: &path,
                stat,
                parent,
                content: (!same).then(|| self.source.content.clone()),
                attributes,
                backup: self.backup,
                validate: self.validate,
            },
        )?;
        if !same && context.diff {
            let before = readable(state, &path, stat)?;
            // What comes from no file is told by where it goes.
            let made = self.source.shown == GENERATED;
            let after = if made { path.as_str() } else { self.source.shown.as_str() };
            let after = match &self.source.content {
                Content::Bytes(bytes) => put::text_diff(&path, after, before, Some(bytes)),
                Content::File { size, .. } => put::unshown_diff(&path, after, before, *size),
            };
            plan.diff.push(after);
        }
        plan.diff.extend(outcome.diff);
        plan.changes.extend(outcome.change);
        plan.predictions.extend(outcome.predictions);
        Ok(Some(After { path, stat: outcome.stat, backup: outcome.backup }))
    }
}

/// A file as it will be.
pub(super) struct After {
    pub(super) path: String,
    pub(super) stat: Option<FileStat>,
    pub(super) backup: Option<String>,
}

/// The questions about one file that is to get a content.
pub(super) fn file_probes(path: &str) -> [Probe; 3] {
    [
        path::stat(path),
        Probe::Stat { path: path::parent(path).to_owned(), follow: true },
        Probe::Checksum { path: path.to_owned(), algorithm: Algorithm::Sha1 },
    ]
}

/// The directory a file is to be written into.
pub(in crate::module) fn parent_of<'s>(state: &'s State, path: &str) -> Result<Option<&'s FileStat>, PlanError> {
    let parent = path::parent(path);
    match state.stat(parent, true)? {
        Some(stat) if stat.kind == FileKind::Directory => Ok(Some(stat)),
        Some(_) => Err(Failure::new(format!("`{parent}` is no directory, `{path}` cannot be written")).into()),
        None => Err(Failure::new(format!("Destination directory {parent} does not exist"))
            .help("create it before with `ansible.builtin.file: state=directory`")
            .into()),
    }
}

/// The bytes of a file for a difference, unless it is too large to be fetched for that.
pub(in crate::module) fn readable<'s>(
    state: &'s State,
    path: &str,
    stat: Option<&FileStat>,
) -> Result<Option<&'s [u8]>, Missing> {
    match stat {
        Some(stat) if stat.kind == FileKind::File && stat.size <= put::SHOWN => match state.content(path) {
            Err(Missing::Failed(_)) => Ok(None),
            bytes => bytes,
        },
        _ => Ok(None),
    }
}
