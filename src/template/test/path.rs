//! Files on this machine.

use minijinja::value::Value;
use minijinja::{Error, State};

use super::{Entry, on};
use crate::template::args::Args;
use crate::template::function::{local::FileKind, local_of};
use crate::template::value::string;

pub(super) const TESTS: &[Entry] = &[
    on("abs", |_, v, _| Ok(string(v)?.starts_with('/'))),
    on("directory", |s, v, _| Ok(local_of(s).kind(&string(v)?, true) == Some(FileKind::Directory))),
    on("exists", |s, v, _| Ok(local_of(s).kind(&string(v)?, true).is_some())),
    on("file", |s, v, _| Ok(local_of(s).kind(&string(v)?, true) == Some(FileKind::File))),
    on("is_abs", |_, v, _| Ok(string(v)?.starts_with('/'))),
    on("is_dir", |s, v, _| Ok(local_of(s).kind(&string(v)?, true) == Some(FileKind::Directory))),
    on("is_file", |s, v, _| Ok(local_of(s).kind(&string(v)?, true) == Some(FileKind::File))),
    on("is_link", |s, v, _| Ok(local_of(s).kind(&string(v)?, false) == Some(FileKind::Link))),
    on("is_mount", |s, v, _| Ok(local_of(s).is_mount(&string(v)?))),
    on("is_same_file", same_file),
    on("link", |s, v, _| Ok(local_of(s).kind(&string(v)?, false) == Some(FileKind::Link))),
    on("link_exists", |s, v, _| Ok(local_of(s).kind(&string(v)?, false).is_some())),
    on("mount", |s, v, _| Ok(local_of(s).is_mount(&string(v)?))),
    on("same_file", same_file),
];

/// Whether two paths lead to the same file.
fn same_file(state: &mut State, value: &Value, args: &mut Args) -> Result<bool, Error> {
    let local = local_of(state);
    let (left, right) = (local.real_path(&string(value)?), local.real_path(&args.text("file")?));
    Ok(left.is_some() && left == right)
}
