//! Editing a text file of the host: what `lineinfile`, `blockinfile` and `replace` have in common.

use serde_json::{Map, json};

use super::{
    Content, Context, Failure, Plan, PlanError,
    builtin::file::make,
    ownership::Attributes,
    path,
    put::{self, Put},
};
use crate::fact::{FileKind, FileStat, Probe, State};

/// A file to be edited.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// The path as written.
    pub path: &'a str,
    /// Owner, group and mode.
    pub attributes: Attributes<'a>,
    /// Keep the old file.
    pub backup: bool,
    /// A command that checks the new file.
    pub validate: Option<&'a str>,
}

/// What there is to edit.
#[derive(Clone, Debug)]
pub struct Present<'s> {
    /// The real path, links followed.
    pub path: String,
    /// What is there; `None` where there is nothing.
    pub stat: Option<&'s FileStat>,
    /// The bytes; `None` where there is nothing.
    pub bytes: Option<&'s [u8]>,
}

impl Edit<'_> {
    /// What must be known of the host.
    pub fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let path = match path::absolute(context, state, self.path) {
            Ok(path) => path,
            Err(missing) => return super::builtin::copy::unread(missing),
        };
        let real = path::follow(state, &path).map_or_else(|_| path.clone(), |(real, _)| real);
        let mut probes = self.attributes.probes(context);
        probes.push(path::stat(&path));
        probes.extend(path::above(&real));
        probes.push(Probe::Content { path: real });
        probes
    }

    /// The file as it is.
    ///
    /// # Errors
    /// When it is not known yet, is a directory, or cannot be read.
    pub fn present<'s>(&self, context: &Context<'_>, state: &'s State) -> Result<Present<'s>, PlanError> {
        let written = path::absolute(context, state, self.path)?;
        let (path, stat) = path::follow_to_write(context, state, &written)?;
        let bytes = match stat.map(|s| s.kind) {
            None => None,
            Some(FileKind::Directory) => {
                return Err(Failure::new(format!("Path {written} is a directory !")).with("rc", 256).into());
            }
            Some(_) => match state.content(&path)? {
                Some(bytes) => Some(bytes),
                None => return Err(Failure::new(format!("`{path}` cannot be read")).into()),
            },
        };
        Ok(Present { path, stat, bytes })
    }

    /// Plans the file's new content; `after` is the same as before when only attributes may change.
    ///
    /// The message gets what Ansible adds when attributes change too.
    ///
    /// # Errors
    /// As [`put::put`].
    pub fn plan(
        &self,
        context: &Context<'_>,
        state: &State,
        present: &Present<'_>,
        after: &[u8],
        message: &str,
    ) -> Result<Plan, PlanError> {
        let mut plan = Plan::default();
        let changed = present.bytes != Some(after);
        let parent = path::parent(&present.path);
        let made = match (present.bytes, state.stat(parent, true)?) {
            (None, None) => {
                let made = make(context, state, parent, &Attributes::default(), &Default::default())?;
                plan.changes.push(made.change);
                plan.predictions.extend(made.predictions);
                Some(made.stat)
            }
            _ => None,
        };
        let outcome = put::put(
            context,
            state,
            Put {
                path: &present.path,
                stat: present.stat,
                parent: made.as_ref().or(state.stat(parent, true)?),
                content: changed.then(|| Content::Bytes(after.into())),
                attributes: self.attributes,
                backup: self.backup,
                validate: self.validate,
            },
        )?;
        if changed && context.diff {
            let header = format!("{} (content)", present.path);
            plan.diff.push(put::text_diff(&header, &header, present.bytes, Some(after)));
        }
        let mut said = message.to_owned();
        // A new file has 0644 at first: Ansible sees its mode change too.
        let fresh = present.stat.is_none() && outcome.stat.as_ref().is_some_and(|stat| stat.raw_mode & 0o7777 != 0o644);
        if outcome.diff.is_some() || fresh {
            if changed {
                said.push_str(" and ");
            }
            said.push_str("ownership, perms or SE linux context changed");
        }
        plan.diff.extend(outcome.diff);
        plan.changes.extend(outcome.change);
        plan.predictions.extend(outcome.predictions);
        plan.result = Map::from_iter([
            ("msg".to_owned(), json!(said)),
            ("backup".to_owned(), json!(outcome.backup.unwrap_or_default())),
        ]);
        plan.result.insert("path".into(), json!(present.path));
        put::add_stat(&mut plan.result, outcome.stat.as_ref());
        Ok(plan)
    }
}

/// Turns a failed match into a failed task.
pub fn matching(why: String) -> PlanError {
    PlanError::Failed(Failure::new(why))
}

/// Splits bytes behind each newline, as reading lines of a file does.
pub fn lines(text: &str) -> Vec<String> {
    text.split_inclusive('\n').map(str::to_owned).collect()
}
