//! Facts that outlive a run: `fact_caching = jsonfile`, one file per host in a folder.
//!
//! What stands there is data: it was said by hosts.
//!
//! Source: <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/jsonfile_cache.html>

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use serde_json::{Map, Value as Json};

/// Its owner writes, its group reads.
const MODE: u32 = 0o640;

/// A folder of facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactCache {
    /// The folder; it is made where it is not there.
    pub folder: PathBuf,
    /// What the names of files begin with.
    pub prefix: String,
    /// How old facts may be; any age where this is zero.
    pub lifetime: Duration,
}

impl FactCache {
    /// The file of a host. A name that leads out of the folder has none: a task may have made it of what a host said.
    fn file(&self, host: &str) -> Option<PathBuf> {
        let plain = !host.is_empty() && !host.contains(['/', '\0']) && !matches!(host, "." | "..");
        plain.then(|| self.folder.join(format!("{}{host}", self.prefix)))
    }

    /// The facts of a host that are young enough.
    ///
    /// # Errors
    /// When its file cannot be read, or is none.
    pub(super) fn load(&self, host: &str) -> io::Result<Option<Map<String, Json>>> {
        let Some(file) = self.file(host) else { return Ok(None) };
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let age = SystemTime::now().duration_since(fs::metadata(&file)?.modified()?).unwrap_or_default();
        if !self.lifetime.is_zero() && age > self.lifetime {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&text)?))
    }

    /// Writes the facts of a host in the place of those that were there.
    ///
    /// # Errors
    /// When the folder takes no file.
    pub(super) fn store(&self, host: &str, facts: &Map<String, Json>) -> io::Result<()> {
        let Some(file) = self.file(host) else { return Ok(()) };
        fs::create_dir_all(&self.folder)?;
        let mut sorted = facts.clone();
        sorted.sort_keys();
        let mut new = tempfile::NamedTempFile::new_in(&self.folder)?;
        let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        serde::Serialize::serialize(&sorted, &mut serde_json::Serializer::with_formatter(&mut new, format))?;
        new.flush()?;
        new.as_file().set_permissions(fs::Permissions::from_mode(MODE))?;
        new.persist(file)?;
        Ok(())
    }

    /// Removes what is known of a host.
    ///
    /// # Errors
    /// When its file is there and stays.
    pub fn forget(&self, host: &str) -> io::Result<()> {
        match self.file(host).map(fs::remove_file) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_back_while_they_are_young_and_no_name_leads_out() {
        let dir = tempfile::tempdir().unwrap();
        let cache = |seconds| FactCache {
            folder: dir.path().join("facts"),
            prefix: "p_".into(),
            lifetime: Duration::from_secs(seconds),
        };
        let facts = serde_json::json!({"ansible_b": 1, "ansible_a": ["x"]}).as_object().unwrap().clone();
        cache(60).store("h1", &facts).unwrap();
        let file = dir.path().join("facts/p_h1");
        assert!(fs::read_to_string(&file).unwrap().starts_with("{\n    \"ansible_a\": ["));
        assert_eq!(cache(60).load("h1").unwrap(), Some(facts.clone()));
        let old = SystemTime::now() - Duration::from_secs(120);
        fs::File::open(&file).unwrap().set_modified(old).unwrap();
        assert_eq!(cache(60).load("h1").unwrap(), None);
        assert_eq!(cache(0).load("h1").unwrap(), Some(facts.clone()));
        cache(0).store("../out", &facts).unwrap();
        assert!(!dir.path().join("out").exists() && !dir.path().join("p_../out").exists());
        cache(0).forget("h1").unwrap();
        cache(0).forget("h1").unwrap();
        assert_eq!(cache(0).load("h1").unwrap(), None);
    }
}
