//! Who runs this.

use std::path::{Path, PathBuf};

/// Expands a leading `~/`.
pub(crate) fn expand_home(path: &str, home: &Path) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => PathBuf::from(path),
    }
}

/// The home folder of who runs this.
pub(crate) fn home() -> PathBuf {
    std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"))
}

/// The login name of who runs this.
pub(crate) fn login_name() -> String {
    use std::os::unix::fs::MetadataExt as _;
    let uid = std::fs::metadata("/proc/self").map(|meta| meta.uid().to_string());
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let by_uid = uid.ok().and_then(|uid| {
        let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(uid.as_str()))?;
        line.split(':').next().map(str::to_owned)
    });
    let from_environment = || ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    by_uid.or_else(from_environment).unwrap_or_else(|| "root".into())
}
