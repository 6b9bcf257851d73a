//! Large files of this machine while they are sent: each is read once, however many hosts are getting it.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
};

use super::lock;
use crate::connection::SharedFile;

/// Files that are being sent.
#[derive(Default)]
pub struct SharedFiles(Mutex<HashMap<PathBuf, Weak<SharedFile>>>);

impl SharedFiles {
    /// A file to be sent; the same one that other hosts are getting at the moment.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&self, path: &Path) -> std::io::Result<Arc<SharedFile>> {
        let mut files = lock(&self.0);
        if let Some(file) = files.get(path).and_then(Weak::upgrade) {
            return Ok(file);
        }
        let file = Arc::new(SharedFile::open(path)?);
        files.insert(path.to_owned(), Arc::downgrade(&file));
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_shared_as_long_as_somebody_gets_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large");
        std::fs::write(&path, "content").unwrap();
        let files = SharedFiles::default();
        let first = files.open(&path).unwrap();
        assert!(Arc::ptr_eq(&first, &files.open(&path).unwrap()));
        drop(first);
        assert!(files.open(&path).is_ok());
        assert!(files.open(&dir.path().join("absent")).is_err());
    }
}
