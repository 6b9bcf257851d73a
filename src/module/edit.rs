//! Editing a file of the host: what is in it is read, all of it is written. `lineinfile` and its like are about nothing else; for
//! `sysctl`, `mount` or `hostname` it is one change of several.

use serde_json::{Map, Value as Json, json};

use super::{
    Change, Content, Context, Diff, Failure, Plan, PlanError,
    builtin::file::make,
    ownership::Attributes,
    path,
    put::{self, Put},
};
use crate::fact::{Answer, FileKind, FileStat, Probe, State};

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

impl<'s> Present<'s> {
    /// The bytes as a text; `None` where there is nothing.
    ///
    /// # Errors
    /// When they are no text: what cannot be read is not written anew.
    pub fn text(&self) -> Result<Option<&'s str>, Failure> {
        let text = self.bytes.map(std::str::from_utf8).transpose();
        text.map_err(|_| Failure::new(format!("`{}` is no UTF-8 text, it is left alone", self.path)))
    }

    /// The lines, without their ends.
    ///
    /// # Errors
    /// As [`Present::text`].
    pub fn lines(&self) -> Result<std::str::Lines<'s>, Failure> {
        Ok(self.text()?.unwrap_or_default().lines())
    }
}

/// How a file is edited, as a part of a plan.
#[derive(Debug)]
pub struct Edited {
    /// The write; `None` where everything is as it is to be.
    pub change: Option<Change>,
    /// The difference in the text and that in attributes.
    pub diff: Vec<Diff>,
    /// Where the old file is kept.
    pub backup: Option<String>,
    /// What later probes find.
    pub predictions: Vec<(Probe, Answer)>,
}

impl Edited {
    /// Adds it to a plan.
    pub fn add(self, plan: &mut Plan) {
        plan.changes.extend(self.change);
        plan.diff.extend(self.diff);
        plan.predictions.extend(self.predictions);
    }
}

impl<'a> Edit<'a> {
    /// An edit of the text alone: an existing file keeps its owner and mode.
    pub fn of(path: &'a str) -> Edit<'a> {
        Edit { path, attributes: Attributes::default(), backup: false, validate: None }
    }

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

    /// Plans the change that gives the file its text, as a part of a plan. The directory must be there, or a change before makes it.
    ///
    /// # Errors
    /// As [`put::put`].
    pub fn write(
        &self,
        context: &Context<'_>,
        state: &State,
        present: &Present<'_>,
        after: &str,
    ) -> Result<Edited, PlanError> {
        let parent = state.stat(path::parent(&present.path), true)?;
        let outcome = self.put(context, state, present, after.as_bytes(), parent)?;
        let mut diff = Vec::new();
        if present.bytes != Some(after.as_bytes()) {
            diff.push(put::text_diff(self.path, self.path, present.bytes, Some(after.as_bytes())));
        }
        diff.extend(outcome.diff);
        Ok(Edited { change: outcome.change, diff, backup: outcome.backup, predictions: outcome.predictions })
    }

    /// Plans the file's new content, which is all there is to do; `after` is the same as before when only attributes may
    /// change. Directories that are missing are made.
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
        let parent = made.as_ref().or(state.stat(parent, true)?);
        let outcome = self.put(context, state, present, after, parent)?;
        if changed && context.diff {
            let header = format!("{} (content)", present.path);
            plan.diff.push(put::text_diff(&header, &header, present.bytes, Some(after)));
        }
        let mut said = message.to_owned();
        // A new file has 0644 at first, and who makes it owns it: Ansible sees that change too.
        let plain = Attributes::default().created(context, state, FileKind::File, 0o644, None);
        let Attributes { owner, group, .. } = self.attributes;
        let given = owner.is_some_and(|o| !plain.owned_by(o)) || group.is_some_and(|g| !plain.in_group(g));
        let moded = outcome.stat.as_ref().is_some_and(|stat| stat.raw_mode & 0o7777 != 0o644);
        let fresh = present.stat.is_none() && (given || moded);
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

    fn put(
        &self,
        context: &Context<'_>,
        state: &State,
        present: &Present<'_>,
        after: &[u8],
        parent: Option<&FileStat>,
    ) -> Result<put::Outcome, PlanError> {
        let put = Put {
            path: &present.path,
            stat: present.stat,
            parent,
            content: (present.bytes != Some(after)).then(|| Content::Bytes(after.into())),
            attributes: self.attributes,
            backup: self.backup,
            validate: self.validate,
        };
        put::put(context, state, put)
    }
}

/// The field `diff` of modules that edit lines: the text, empty where no difference is asked for, and the attributes.
pub fn told(context: &Context<'_>, present: &Present<'_>, plan: &Plan) -> Json {
    let side = |what: &str| format!("{} ({what})", present.path);
    let (content, attributes) = (side("content"), side("file attributes"));
    let is = |header: &str| plan.diff.iter().filter(|_| context.diff).find(|d| d.before_header == header);
    let empty = |header: &str| Diff {
        before_header: header.to_owned(),
        after_header: header.to_owned(),
        before: String::new(),
        after: String::new(),
    };
    [content, attributes].iter().map(|header| is(header).map_or_else(|| empty(header).field(), Diff::field)).collect()
}

/// Turns a failed match into a failed task.
pub fn matching(why: String) -> PlanError {
    PlanError::Failed(Failure::new(why))
}

/// Splits bytes behind each newline, as reading lines of a file does.
pub fn lines(text: &str) -> Vec<String> {
    text.split_inclusive('\n').map(str::to_owned).collect()
}

/// Joins lines to a text whose last line has an end.
pub fn joined<T: AsRef<str>>(lines: &[T]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.as_ref());
        text.push('\n');
    }
    text
}
