//! `group_vars/` and `host_vars/` of one folder.
//!
//! For a name the first of `NAME`, `NAME.yml`, `NAME.yaml`, `NAME.json` counts; when that is a folder, all files inside, sorted.
//! Source: <https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html#organizing-host-and-group-variables>

use std::{
    collections::{BTreeSet, HashMap},
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{InventoryError, Vars, warning::Warnings};
use crate::yaml::{self, Node, Value};

/// What a file of variables may end with; nothing is allowed too.
const SUFFIXES: [&str; 3] = ["yml", "yaml", "json"];

/// So many files of unknown hosts are still looked at for slips.
const MAX_STRANGERS: usize = 20;

/// What variables may belong to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Group,
    Host,
}

impl Kind {
    fn folder(self) -> &'static str {
        match self {
            Kind::Group => "group_vars",
            Kind::Host => "host_vars",
        }
    }
}

/// `group_vars/` and `host_vars/` of one folder: what is there, and what has been read of it.
#[derive(Clone, Debug)]
pub(super) struct VarsFolder {
    base: PathBuf,
    groups: Entries,
    hosts: Entries,
}

#[derive(Clone, Debug, Default)]
struct Entries {
    /// What lies in the folder.
    present: BTreeSet<String>,
    /// What has been read, in the order in which it counts.
    read: HashMap<String, Arc<Vars>>,
}

impl VarsFolder {
    /// Looks what is there, without reading it.
    pub(super) fn open(base: &Path) -> Result<Self, InventoryError> {
        let entries = |kind: Kind| -> Result<Entries, InventoryError> {
            let path = base.join(kind.folder());
            let present = match list(&path) {
                Ok(names) => names.into_iter().collect(),
                Err(reason) if reason.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
                Err(reason) => return Err(InventoryError::Read { path, reason }),
            };
            Ok(Entries { present, read: HashMap::new() })
        };
        Ok(Self { base: base.to_owned(), groups: entries(Kind::Group)?, hosts: entries(Kind::Host)? })
    }

    /// The folder itself.
    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    fn entries(&self, kind: Kind) -> &Entries {
        match kind {
            Kind::Group => &self.groups,
            Kind::Host => &self.hosts,
        }
    }

    /// The variables of a group or host that have been read.
    pub(super) fn get(&self, kind: Kind, name: &str) -> Option<&Arc<Vars>> {
        self.entries(kind).read.get(name)
    }

    /// Reads the variables of a group or host, once.
    pub(super) fn read(&mut self, kind: Kind, name: &str, warnings: &mut Warnings) -> Result<(), InventoryError> {
        let entries = self.entries(kind);
        // A name with a slash (a chroot) is no file name.
        if entries.present.is_empty() || entries.read.contains_key(name) || name.contains('/') {
            return Ok(());
        }
        let folder = self.base.join(kind.folder());
        let candidates = std::iter::once(name.to_owned()).chain(SUFFIXES.iter().map(|s| format!("{name}.{s}")));
        let found: Vec<String> = candidates.filter(|c| entries.present.contains(c)).collect();
        let Some(first) = found.first() else { return Ok(()) };
        for other in &found[1..] {
            warnings.say(format!(
                "`{}` is not read: `{}` stands for the same {} and comes first; merge the two",
                folder.join(other).display(),
                folder.join(first).display(),
                if kind == Kind::Group { "group" } else { "host" },
            ));
        }
        let mut vars = Vars::new();
        collect(&folder.join(first), true, &mut vars)?;
        let entries = if kind == Kind::Group { &mut self.groups } else { &mut self.hosts };
        entries.read.insert(name.to_owned(), Arc::new(vars));
        Ok(())
    }

    /// Puts variables below and above those of files.
    pub(super) fn surround(&mut self, kind: Kind, name: &str, below: Vars, above: Vars) {
        let entries = if kind == Kind::Group { &mut self.groups } else { &mut self.hosts };
        let mut all = below;
        if let Some(files) = entries.read.get(name) {
            all.extend(files.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        all.extend(above);
        entries.read.insert(name.to_owned(), Arc::new(all));
    }

    /// Files whose name is no group or host, but close to one.
    pub(super) fn misspelt<'n>(
        &self,
        kind: Kind,
        known: impl Fn(&str) -> bool,
        suggest: impl Fn(&str) -> Option<&'n str>,
    ) -> Vec<String> {
        let stem = |file: &String| -> String {
            SUFFIXES.iter().find_map(|s| file.strip_suffix(s)?.strip_suffix('.')).unwrap_or(file).to_owned()
        };
        let files = self.entries(kind).present.iter().map(|file| (file, stem(file)));
        let unknown: Vec<_> = files.filter(|(file, stem)| !known(stem) && !ignored(file)).collect();
        // Many strangers belong to another inventory that shares the folder: no slips.
        if unknown.len() > MAX_STRANGERS {
            return Vec::new();
        }
        let mut warnings = Vec::new();
        for (file, stem) in unknown {
            if let Some(similar) = suggest(&stem) {
                let what = if kind == Kind::Group { "group" } else { "host" };
                warnings.push(format!(
                    "`{}` belongs to no {what}; did you mean `{similar}`?",
                    self.base.join(kind.folder()).join(file).display(),
                ));
            }
        }
        warnings
    }
}

fn list(path: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()
}

fn ignored(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~')
}

/// Reads a file, or all files of a folder in the order of their names.
fn collect(path: &Path, named: bool, vars: &mut Vars) -> Result<(), InventoryError> {
    if !path.is_dir() {
        return file(path, vars);
    }
    // Below the first level a folder with a suffix is something else (`x.d`).
    if !named && path.extension().is_some() {
        return Ok(());
    }
    let mut names = list(path).map_err(|reason| InventoryError::Read { path: path.to_owned(), reason })?;
    names.sort();
    for name in names.iter().filter(|name| !ignored(name)) {
        let inner = path.join(name);
        let suffix = inner.extension().and_then(OsStr::to_str);
        if inner.is_dir() || suffix.is_none_or(|s| SUFFIXES.contains(&s)) {
            collect(&inner, false, vars)?;
        }
    }
    Ok(())
}

fn file(path: &Path, vars: &mut Vars) -> Result<(), InventoryError> {
    let node = yaml::load(path)?;
    merge(&node, vars)
}

/// Takes the variables out of a file's mapping.
///
/// # Errors
/// When the node is no mapping, or a name is no text.
pub(super) fn merge(node: &Node, vars: &mut Vars) -> Result<(), InventoryError> {
    if let Value::Vault(_) = &node.value {
        return Err(super::load::no_password(node));
    }
    if node.is_null() {
        return Ok(());
    }
    let entries = node.as_map().ok_or_else(|| {
        let mut error = node.unexpected("a mapping of variables");
        error.help.get_or_insert_with(|| "write one `name: value` per line".into());
        error
    })?;
    for (key, value) in entries {
        let name = key.as_str().ok_or_else(|| key.unexpected("a text as the name of a variable"))?;
        vars.insert(name.to_owned(), value.clone().into());
    }
    Ok(())
}
