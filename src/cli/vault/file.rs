//! Files that are read whole and written in one step: whatever ends it, there is the old file or the new one.

use std::fs::{self, Permissions};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use miette::{Report, WrapErr as _};
use zeroize::Zeroizing;

use crate::{
    report::terminal,
    vault::{Keyring, Opened},
};

/// What stands for standard input and output.
pub const STANDARD: &str = "-";

/// Mode and owner that a file keeps.
#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    mode: u32,
    uid: u32,
    gid: u32,
}

fn trouble(doing: &str, path: &Path, error: &io::Error) -> Report {
    let help = match error.kind() {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::IsADirectory => "name a file, not a folder",
        _ => "look at its permissions, and at those of its folder",
    };
    miette::miette!(help = help, "cannot {doing} `{}`: {error}", path.display())
}

/// Reads a file, or standard input.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Report> {
    let mut bytes = Zeroizing::new(Vec::new());
    if path == Path::new(STANDARD) && io::stdin().is_terminal() {
        terminal::err("reading standard input; Ctrl-D ends it (twice behind a text without a line end)");
    }
    let read = match path == Path::new(STANDARD) {
        true => io::stdin().lock().read_to_end(&mut bytes).map(|_| ()),
        false => fs::read(path).map(|content| *bytes = content),
    };
    read.map_err(|error| trouble("read", path, &error))?;
    Ok(bytes)
}

/// Reads and decrypts a file.
pub fn open(keyring: &Keyring, path: &Path) -> Result<Opened, Report> {
    let bytes = read(path)?;
    keyring.open(&bytes).wrap_err_with(|| format!("failed to decrypt `{}`", path.display()))
}

/// Mode and owner of a file.
pub fn attributes(path: &Path) -> Option<Attributes> {
    let found = fs::metadata(path).ok()?;
    Some(Attributes { mode: found.mode() & 0o7777, uid: found.uid(), gid: found.gid() })
}

/// Makes the folder of a file.
pub fn make_folder(path: &Path) -> Result<(), Report> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => fs::create_dir_all(folder).map_err(|error| trouble("make", folder, &error)),
        None => Ok(()),
    }
}

/// Writes a file beside the one of its name, syncs it, and puts it in its place. It is its owner's alone (0600), unless an
/// older one's mode and owner are kept. A link stays, and what it leads to is written.
pub fn write(path: &Path, bytes: &[u8], keep: Option<Attributes>) -> Result<(), Report> {
    if path == Path::new(STANDARD) {
        return terminal::data(bytes).map_err(|error| trouble("write", path, &error));
    }
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder =
        real.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or(PathBuf::from("."), Path::to_owned);
    let written = || -> io::Result<()> {
        // It is made with mode 0600.
        let mut file = tempfile::Builder::new().prefix(".vault-").tempfile_in(&folder)?;
        file.write_all(bytes)?;
        if let Some(Attributes { mode, uid, gid }) = keep {
            let own = fs::metadata(file.path())?;
            if (own.uid(), own.gid()) != (uid, gid) {
                chown(file.path(), Some(uid), Some(gid))?;
            }
            file.as_file().set_permissions(Permissions::from_mode(mode))?;
        }
        file.as_file().sync_all()?;
        file.persist(&real).map_err(|failed| failed.error)?;
        fs::File::open(&folder)?.sync_all()
    };
    written().map_err(|error| trouble("write", path, &error))
}

/// Prints a decrypted text: to a person what a terminal would not obey, to a program what it is.
pub fn show(text: &[u8]) -> Result<(), Report> {
    let shown = match std::str::from_utf8(text) {
        Ok(text) if terminal::read_by_a_person() => terminal::out(text),
        _ => terminal::data(text),
    };
    match shown {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(trouble("write", Path::new(STANDARD), &error)),
        _ => Ok(()),
    }
}
