//! Which `ansible.cfg` counts: one file alone.
//!
//! Source: <https://docs.ansible.com/ansible/latest/reference_appendices/config.html#the-configuration-file>

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::value::{Place, path};

/// The file's name.
const NAME: &str = "ansible.cfg";

/// Others than its owner and group may write there.
const WORLD_WRITABLE: u32 = 0o002;

/// The file that counts, and what is to be said of those that don't.
pub(super) fn find(named: Option<&str>, here: Option<&Path>, home: Option<&Path>) -> (Option<PathBuf>, Vec<String>) {
    let mut warnings = Vec::new();
    if let Some(named) = named {
        let folder = here.unwrap_or(Path::new("/"));
        let mut file = PathBuf::from(path(named, &Place { folder, file: false }));
        if file.is_dir() {
            file.push(NAME);
        }
        if readable(&file) {
            return (Some(file), warnings);
        }
        warnings.push(format!("ANSIBLE_CONFIG names {}, which is not there or not readable", file.display()));
    }
    let public = here.and_then(|here| fs::metadata(here).ok());
    let public = public.is_some_and(|folder| folder.permissions().mode() & WORLD_WRITABLE != 0);
    let own = here.map(|here| here.join(NAME));
    if let Some(file) = own.as_ref().filter(|file| public && file.exists()) {
        warnings.push(format!(
            "{} is not read: anybody may write to its folder. `chmod o-w` it, or name the file in ANSIBLE_CONFIG",
            file.display()
        ));
    }
    let candidates = [own.filter(|_| !public), home.map(|home| home.join(".ansible.cfg"))];
    let candidates = candidates.into_iter().flatten().chain([Path::new("/etc/ansible").join(NAME)]);
    let found = candidates.into_iter().find(|file| readable(file));
    (found, warnings)
}

fn readable(file: &Path) -> bool {
    fs::File::open(file).is_ok() && file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_counts_and_none_that_anybody_may_write() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["work", "home", "other"] {
            fs::create_dir(at(folder)).unwrap();
        }
        fs::write(at("home/.ansible.cfg"), "").unwrap();
        let found = |named: Option<&str>| find(named, Some(&at("work")), Some(&at("home")));
        assert_eq!(found(None), (Some(at("home/.ansible.cfg")), vec![]));
        fs::write(at("work/ansible.cfg"), "").unwrap();
        assert_eq!(found(None), (Some(at("work/ansible.cfg")), vec![]));
        fs::write(at("other/ansible.cfg"), "").unwrap();
        assert_eq!(found(Some("../other")).0, Some(at("other/ansible.cfg")));
        let (missing, warnings) = found(Some("nothing.cfg"));
        assert!(missing == Some(at("work/ansible.cfg")) && warnings[0].contains("nothing.cfg"));
        fs::set_permissions(at("work"), fs::Permissions::from_mode(0o777)).unwrap();
        let (public, warnings) = found(None);
        assert!(public == Some(at("home/.ansible.cfg")) && warnings[0].contains("anybody may write"));
    }
}
