//! Changing the text of one file of the host: what `sysctl`, `mount`, `ini_file` and their like do.

use super::{Change, Content, Diff, Failure, FileWrite, Ownership, Place, PlanError, Step};
use crate::fact::{Answer, FileKind, FileStat, Missing, Probe, Resource, State};

/// How many links in a row are followed.
const LINKS: usize = 40;

/// A text file as it is on the host.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// The path asked for.
    named: String,
    /// The same with links followed.
    path: String,
    /// What is in it; `None` when it is not there.
    pub text: Option<String>,
    stat: Option<FileStat>,
    place: Place,
}

/// What must be read before a [`TextFile`] can be had.
pub(crate) fn probes(path: &str) -> Vec<Probe> {
    vec![Probe::Content { path: path.to_owned() }, Probe::Stat { path: path.to_owned(), follow: false }]
}

impl TextFile {
    /// Reads a file out of what is known of the host.
    ///
    /// # Errors
    /// When it has not been read yet, or is no text.
    pub fn read(state: &State, named: &str) -> Result<TextFile, PlanError> {
        let (path, stat) = real(state, named)?;
        let text = match state.content(named)? {
            None if stat.is_some_and(|s| s.kind != FileKind::File) => {
                return Err(Failure::new(format!("`{named}` is no regular file, it is left alone")).into());
            }
            None => None,
            Some(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Some(text.to_owned()),
                Err(_) => return Err(Failure::new(format!("`{named}` is no UTF-8 text, it is left alone")).into()),
            },
        };
        Ok(TextFile { named: named.to_owned(), place: Place::of_system(state, &path), path, text, stat: stat.cloned() })
    }

    /// The lines, without their ends.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.as_deref().unwrap_or_default().lines()
    }

    /// The change that gives it another text: all of it or nothing. `new_mode` is for a file that is not there yet.
    pub fn write(&self, after: String, ownership: Ownership, new_mode: u32, backup: Option<String>) -> Edited {
        let verb = if self.text.is_some() { "write" } else { "create" };
        let mut writes = vec![Resource::Path(self.path.clone()), Resource::Path(self.named.clone())];
        writes.extend(backup.clone().map(Resource::Path));
        let step = Step::Write(FileWrite {
            ownership,
            new_mode,
            replaces: self.stat.clone(),
            backup,
            place: self.place.clone(),
            ..FileWrite::new(&self.path, Content::Bytes(after.as_bytes().into()))
        });
        let change = Change::closed(format!("{verb} {}", self.named), step, writes);
        let mut predictions = Vec::new();
        for path in [&self.named, &self.path] {
            predictions
                .push((Probe::Content { path: path.clone() }, Answer::Content(Some(after.clone().into_bytes()))));
        }
        Edited { change, predictions, diff: self.diff(&after) }
    }

    fn diff(&self, after: &str) -> Diff {
        Diff {
            before_header: self.named.clone(),
            after_header: self.named.clone(),
            before: self.text.clone().unwrap_or_default(),
            after: after.to_owned(),
        }
    }
}

/// How a text file is changed.
#[derive(Debug)]
pub(crate) struct Edited {
    /// The write.
    pub change: Change,
    /// What later probes find.
    pub predictions: Vec<(Probe, Answer)>,
    /// The difference.
    pub diff: Diff,
}

/// Where a path leads when it is a link; the path itself when it is none, or nothing is there.
fn real<'s>(state: &'s State, named: &str) -> Result<(String, Option<&'s FileStat>), PlanError> {
    let mut path = named.to_owned();
    for _ in 0..LINKS {
        let found = state.stat(&path, false)?;
        let Some(stat) = found.filter(|s| s.kind == FileKind::Link) else { return Ok((path, found)) };
        path = if stat.target.starts_with('/') {
            stat.target.clone()
        } else {
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            format!("{parent}/{}", stat.target)
        };
    }
    Err(Missing::Failed(format!("`{named}` is a link that leads nowhere")).into())
}

/// Joins lines to a text whose last line has an end.
pub(crate) fn joined<T: AsRef<str>>(lines: &[T]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.as_ref());
        text.push('\n');
    }
    text
}
