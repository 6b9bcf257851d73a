//! Bringing one file to a content: the heart of `copy`, `template`, `lineinfile` and their like.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Map, Value as Json, json};

use super::{
    Change, Content, Context, Diff, Failure, FileWrite, ParameterError, Place, PlanError, Step, local,
    ownership::{self, Attributes},
};
use crate::fact::{Algorithm, Answer, FileKind, FileStat, Probe, State};

/// Texts longer than this are not shown as a difference, as Ansible has it.
pub const SHOWN: u64 = 104_448;

/// What a new file's mode is, unless one is named: 0666 less the usual umask.
const NEW_MODE: u32 = 0o644;

/// A file that is to have a content and attributes.
#[derive(Debug)]
pub struct Put<'a> {
    /// The path to write, links followed already where they are to be followed.
    pub path: &'a str,
    /// What is there now.
    pub stat: Option<&'a FileStat>,
    /// The directory it stands in.
    pub parent: Option<&'a FileStat>,
    /// The content it is to get; `None` leaves the content as it is.
    pub content: Option<Content>,
    /// Owner, group and mode.
    pub attributes: Attributes<'a>,
    /// Keep the old file.
    pub backup: bool,
    /// A command that checks the new file.
    pub validate: Option<&'a str>,
}

/// What [`put`] decided.
#[derive(Debug, Default)]
pub struct Outcome {
    /// At most one.
    pub change: Option<Change>,
    /// The file afterwards.
    pub stat: Option<FileStat>,
    /// The difference in attributes.
    pub diff: Option<Diff>,
    /// Where the old file is kept.
    pub backup: Option<String>,
    /// What later probes will find.
    pub predictions: Vec<(Probe, Answer)>,
}

/// Checks that `validate` has a place for the file's name.
///
/// # Errors
/// Says that `%s` is missing.
pub fn check_validate(validate: Option<&str>) -> Result<(), ParameterError> {
    match validate {
        Some(command) if !command.contains("%s") => {
            Err(ParameterError::task(format!("validate must contain %s: {command}"))
                .help("`%s` stands for the name of the new file"))
        }
        _ => Ok(()),
    }
}

/// Decides how a file gets its content and attributes.
///
/// # Errors
/// When the owner or group is not there, or the parent directory is known to be missing.
pub fn put(context: &Context<'_>, state: &State, put: Put<'_>) -> Result<Outcome, PlanError> {
    put.attributes.check(state)?;
    match (&put.content, put.stat) {
        (Some(_), _) => write(context, state, put),
        (None, Some(stat)) => Ok(attributes(context, state, put.path, stat, &put.attributes)),
        (None, None) => Ok(Outcome::default()),
    }
}

/// Decides how owner, group and mode of an existing path are brought about.
pub fn attributes(
    context: &Context<'_>,
    state: &State,
    path: &str,
    before: &FileStat,
    wanted: &Attributes<'_>,
) -> Outcome {
    let after = wanted.applied(state, before);
    if after == *before {
        return Outcome { stat: Some(after), ..Outcome::default() };
    }
    let (old, new) = ownership::differences(before, &after);
    let what = format!("set {} of {path}", listed(new.keys().map(String::as_str)));
    let change = Change::closed(
        what,
        Step::Script(ownership::script(&Place::of(context, state, path), before, &after)),
        ownership::written(path, Some(before)),
    );
    let mut predictions = ownership::predictions(path, Some(after.clone())).to_vec();
    predictions.extend(kept_content(state, path));
    Outcome {
        change: Some(change),
        diff: Some(ownership::attribute_diff(path, old, new)),
        stat: Some(after),
        backup: None,
        predictions,
    }
}

/// Joins names as `owner, group and mode`.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

fn write(context: &Context<'_>, state: &State, put: Put<'_>) -> Result<Outcome, PlanError> {
    let Put { path, stat, parent, content, attributes, backup, validate } = put;
    let Some(content) = content else { return Ok(Outcome::default()) };
    // A link that is not followed gives way to a file of its own.
    let replaced = stat.filter(|s| s.kind == FileKind::File);
    if let Some(FileKind::Directory) = stat.map(|s| s.kind) {
        return Err(Failure::new(format!("`{path}` is a directory, it cannot become a file")).into());
    }
    // It is a new one, as with Ansible: what the link led to says nothing of it.
    let mut after = match replaced {
        Some(stat) => attributes.applied(state, stat),
        None => attributes.created(context, state, FileKind::File, NEW_MODE, parent),
    };
    if let (Some(before), None) = (replaced, attributes.mode) {
        // The new file has the old one's mode, set-id bits included.
        after.raw_mode = before.raw_mode;
    }
    after.size = content.size();
    after.links = 1;
    (after.inode, after.twin, after.mtime, after.ctime) = (0, 0, 0, 0);
    after.stamps.clear();
    let kept = stat.filter(|_| backup).map(|_| backup_path(path));
    let present = replaced.map_or(NEW_MODE, FileStat::permissions);
    let write = FileWrite {
        ownership: attributes.ownership(present),
        ids: attributes.ids(state),
        new_mode: NEW_MODE,
        replaces: stat.cloned(),
        backup: kept.clone(),
        validate: validate.map(str::to_owned),
        place: Place::of(context, state, path),
        ..FileWrite::new(path, content.clone())
    };
    let what = format!("{} {path}", if stat.is_some() { "write" } else { "create" });
    let mut writes = ownership::written(path, stat);
    let mut predictions = ownership::predictions(path, Some(after.clone())).to_vec();
    predictions.extend(content_predictions(context.check, path, &content));
    if let (Some(kept), Some(before)) = (&kept, replaced) {
        writes.extend(ownership::written(kept, None));
        predictions.extend(ownership::predictions(kept, Some(before.clone())));
    }
    let mut change = Change::closed(what, Step::Write(write), writes);
    if validate.is_some() {
        change = Change::open(change.what, change.step);
    }
    let diff = replaced
        .filter(|before| {
            before.permissions() != after.permissions() || before.owner != after.owner || before.group != after.group
        })
        .map(|before| {
            let (old, new) = ownership::differences(before, &after);
            ownership::attribute_diff(path, old, new)
        });
    Ok(Outcome { change: Some(change), stat: Some(after), diff, backup: kept, predictions })
}

/// Ansible's name for a kept file: `PATH.PID.DATE@TIME~`.
///
/// The number is another each time, for what is kept twice within a second must not be lost.
pub fn backup_path(path: &str) -> String {
    static KEPT: AtomicU32 = AtomicU32::new(0);
    let now = jiff::Zoned::now().strftime("%Y-%m-%d@%H:%M:%S").to_string();
    let number = std::process::id().wrapping_add(KEPT.fetch_add(1, Ordering::Relaxed));
    format!("{path}.{number}.{now}~")
}

/// The checksums of longer files take long enough to be left for when somebody asks the host for them.
const FORETOLD: u64 = 16 << 20;

/// What probes about the bytes will answer. A very large file is looked at only for check mode, which cannot ask the host
/// later.
pub fn content_predictions(check: bool, path: &str, content: &Content) -> Vec<(Probe, Answer)> {
    use Algorithm::{Md5, Sha1, Sha224, Sha256, Sha384, Sha512};
    let mut predictions = Vec::new();
    let checksum = |algorithm| Probe::Checksum { path: path.to_owned(), algorithm };
    match content {
        Content::Bytes(bytes) => {
            for algorithm in [Md5, Sha1, Sha224, Sha256, Sha384, Sha512] {
                predictions.push((checksum(algorithm), Answer::Checksum(Some(local::checksum(algorithm, bytes)))));
            }
            predictions.push((Probe::Content { path: path.to_owned() }, Answer::Content(Some(bytes.to_vec()))));
        }
        Content::File { path: local, size } => {
            if (check || *size <= FORETOLD)
                && let Ok(digests) = local::of(local)
            {
                predictions.push((checksum(Md5), Answer::Checksum(Some(digests.md5))));
                predictions.push((checksum(Sha1), Answer::Checksum(Some(digests.sha1))));
                predictions.push((checksum(Sha256), Answer::Checksum(Some(digests.sha256))));
            }
        }
    }
    predictions
}

/// What is known of the bytes at `path`, handed on by a change that leaves them alone.
pub fn kept_content(state: &State, path: &str) -> Vec<(Probe, Answer)> {
    moved_content(state, path, path)
}

/// What is known of the bytes at `from`, for a change that puts the same at `to`.
pub fn moved_content(state: &State, from: &str, to: &str) -> Vec<(Probe, Answer)> {
    use Algorithm::{Md5, Sha1, Sha224, Sha256, Sha384, Sha512};
    let mut known = Vec::new();
    for algorithm in [Md5, Sha1, Sha224, Sha256, Sha384, Sha512] {
        if let Ok(sum) = state.checksum(from, algorithm) {
            let probe = Probe::Checksum { path: to.to_owned(), algorithm };
            known.push((probe, Answer::Checksum(sum.map(str::to_owned))));
        }
    }
    if let Ok(bytes) = state.content(from) {
        known.push((Probe::Content { path: to.to_owned() }, Answer::Content(bytes.map(<[u8]>::to_vec))));
    }
    known
}

/// What every probe of a path that is gone answers.
pub fn absent_predictions(path: &str) -> Vec<(Probe, Answer)> {
    use Algorithm::{Md5, Sha1, Sha224, Sha256, Sha384, Sha512};
    let mut predictions = ownership::predictions(path, None).to_vec();
    for algorithm in [Md5, Sha1, Sha224, Sha256, Sha384, Sha512] {
        predictions.push((Probe::Checksum { path: path.to_owned(), algorithm }, Answer::Checksum(None)));
    }
    predictions.push((Probe::Content { path: path.to_owned() }, Answer::Content(None)));
    predictions
}

/// The texts of a file before and after, as a difference to show. What is no text or too long is named instead.
pub fn text_diff(before_header: &str, after_header: &str, before: Option<&[u8]>, after: Option<&[u8]>) -> Diff {
    let shown = |bytes: Option<&[u8]>| match bytes {
        None => String::new(),
        Some(bytes) if bytes.len() as u64 > SHOWN => format!("({} bytes, too long to show)\n", bytes.len()),
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => text.to_owned(),
            _ => format!("({} bytes, not a text; sha256 {})\n", bytes.len(), local::checksum(Algorithm::Sha256, bytes)),
        },
    };
    Diff {
        before_header: before_header.to_owned(),
        after_header: after_header.to_owned(),
        before: shown(before),
        after: shown(after),
    }
}

/// A difference whose new side is too large to be shown.
pub fn unshown_diff(before_header: &str, after_header: &str, before: Option<&[u8]>, size: u64) -> Diff {
    let mut diff = text_diff(before_header, after_header, before, None);
    diff.after = format!("({size} bytes, too long to show)\n");
    diff
}

/// Adds owner, group, mode and size of the file as it will be to the returned fields.
pub fn add_stat(result: &mut Map<String, Json>, stat: Option<&FileStat>) {
    if let Some(stat) = stat {
        result.extend(ownership::result(stat));
    }
}

/// Adds the name of the kept file to the returned fields.
pub fn add_backup(result: &mut Map<String, Json>, backup: Option<&String>) {
    if let Some(backup) = backup {
        result.insert("backup_file".into(), json!(backup));
    }
}
