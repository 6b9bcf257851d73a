//! Files on this machine.

use super::{Entry, on};
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
    on("link", |s, v, _| Ok(local_of(s).kind(&string(v)?, false) == Some(FileKind::Link))),
    on("link_exists", |s, v, _| Ok(local_of(s).kind(&string(v)?, false).is_some())),
    on("same_file", |s, v, a| {
        let local = local_of(s);
        let (left, right) = (local.real_path(&string(v)?), local.real_path(&a.text("file")?));
        Ok(left.is_some() && left == right)
    }),
];
