//! What archives hold, listed once for all hosts, and what is at their members' places.

use std::{
    collections::{HashMap, HashSet},
    io::{self, Write as _},
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use serde_json::{Value as Json, json};

use crate::{
    fact::{FileKind, FileStat, State},
    module::{Failure, PlanError, archive::Member, path},
};

/// The names in an archive as Ansible returns them.
pub(super) fn names(members: &[Member]) -> Json {
    let name = |m: &Member| match (m.name.as_str(), m.kind) {
        ("", _) => "./".to_owned(),
        (name, FileKind::Directory) => format!("{name}/"),
        (name, _) => name.to_owned(),
    };
    json!(members.iter().map(name).collect::<Vec<_>>())
}

/// What a tool of the workstation printed about an archive.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) status: Option<i32>,
    pub(super) stderr: Vec<u8>,
}

/// An archive as it was when it was listed, and how.
type Version = (std::path::PathBuf, u64, i64, i64, String);

/// Where the listing of an archive comes to lie, for all who wait for it.
type Slot = Arc<OnceLock<Arc<Listing>>>;

/// Lists an archive of the workstation, once for all hosts: a large one takes seconds to read. `script` lists the archive at a
/// path; `plain` is what is in one that is encrypted.
pub(super) fn listed(
    path: &Path,
    plain: Option<&[u8]>,
    script: &dyn Fn(&Path) -> String,
) -> Result<Arc<Listing>, PlanError> {
    use std::os::unix::fs::MetadataExt as _;
    static KNOWN: OnceLock<Mutex<HashMap<Version, Slot>>> = OnceLock::new();
    let unreadable = |e: std::io::Error| Failure::new(format!("cannot read `{}`: {e}", path.display()));
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    let version = (path.to_owned(), metadata.len(), metadata.mtime(), metadata.mtime_nsec(), script(path));
    let slot = {
        let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(version).or_default())
    };
    // Whoever comes second waits here rather than reading the archive too.
    let listing = slot.get_or_init(|| {
        // A file of its owner alone, gone with the listing.
        let decrypted = plain.map(|bytes| -> io::Result<_> {
            let mut file = tempfile::NamedTempFile::new()?;
            file.write_all(bytes).map(|()| file)
        });
        let output = decrypted.transpose().and_then(|file| {
            let script = script(file.as_ref().map_or(path, |file| file.path()));
            std::process::Command::new("sh").arg("-c").arg(script).stdin(std::process::Stdio::null()).output()
        });
        Arc::new(match output {
            Ok(output) => Listing {
                status: output.status.code(),
                bytes: output.status.success().then_some(output.stdout),
                stderr: output.stderr,
            },
            Err(error) => Listing { bytes: None, status: None, stderr: error.to_string().into_bytes() },
        })
    });
    Ok(Arc::clone(listing))
}

/// What is at the place of a member, unless a link on the way there leads elsewhere: that is not followed.
pub(super) fn member_stat<'s>(state: &'s State, dest: &str, name: &str) -> Result<Option<&'s FileStat>, PlanError> {
    if name.is_empty() {
        return Ok(state.stat(dest, true)?);
    }
    let stat = state.stat(&path::join(dest, name), false)?;
    for (at, _) in name.match_indices('/') {
        if state.stat(&path::join(dest, &name[..at]), false)?.is_some_and(|s| s.kind == FileKind::Link) {
            return Ok(None);
        }
    }
    Ok(stat)
}

/// Refuses a member that would be written through a link of the host. Where the archive has a directory of its own it takes the link's
/// place, as with Ansible.
pub(super) fn not_through(state: &State, dest: &str, name: &str, listed: &HashSet<&str>) -> Result<(), PlanError> {
    for (at, _) in name.match_indices('/').filter(|(at, _)| !listed.contains(&name[..*at])) {
        let above = path::join(dest, &name[..at]);
        if state.stat(&above, false)?.is_some_and(|s| s.kind == FileKind::Link) {
            return Err(Failure::new(format!("`{above}` is a link, `{name}` would be unpacked through it"))
                .help("`extra_opts: [--keep-directory-symlink]` does that, if the link is as it should be")
                .into());
        }
    }
    Ok(())
}
