//! From what stands behind `-i` to hosts and groups.

use std::{
    ffi::OsStr,
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Expressions, Inventory, InventoryError, Rules, Vars,
    constructed::Constructed,
    folder::{Kind, VarsFolder},
    generator::Generator,
    ini,
    model::Origin,
    plugin, range, script, toml_file, yaml_file,
};
use crate::python::regex::{Fault, Flags, Place, Regex};
use crate::vault;
use crate::yaml::{self, Node, Source, Span, Value};

/// What a folder of inventories may hold besides inventories, by Ansible's list.
const IGNORED_SUFFIXES: [&str; 11] = ["pyc", "pyo", "swp", "bak", "rpm", "md", "txt", "rst", "orig", "cfg", "retry"];

/// A file that makes hosts, variables or groups by expressions.
#[derive(Clone, Debug)]
pub(super) enum Made {
    /// Of what is there before it.
    Constructed(Constructed),
    /// Of layers of its own.
    Generator(Generator),
}

impl Inventory {
    /// Reads inventories in their order: files (INI, YAML, JSON, TOML), folders of files, scripts, and lists (`h1,h2,`), then the
    /// variables beside them and beside the playbooks. What the plugins `constructed` and `generator` make is made with `expressions`.
    ///
    /// # Errors
    /// When one of them is missing, wrong, or contradicts another.
    pub fn load<S: AsRef<str>>(
        sources: &[S],
        playbook_dirs: &[PathBuf],
        made_with: (&dyn Expressions, &Vars),
    ) -> Result<Self, InventoryError> {
        Self::load_by(Rules::default(), sources, playbook_dirs, made_with)
    }

    /// The same by the rules of a configuration.
    ///
    /// # Errors
    /// As [`Inventory::load`].
    pub fn load_by<S: AsRef<str>>(
        rules: Rules,
        sources: &[S],
        playbook_dirs: &[PathBuf],
        (expressions, extra_vars): (&dyn Expressions, &Vars),
    ) -> Result<Self, InventoryError> {
        let mut inventory = Self::default();
        inventory.rules = rules;
        inventory.look_for_vars_plugins(playbook_dirs);
        for source in sources {
            inventory.add_source(source.as_ref())?;
            for made in std::mem::take(&mut inventory.made) {
                match made {
                    Made::Generator(generator) => generator.apply(&mut inventory, expressions)?,
                    Made::Constructed(constructed) => {
                        inventory.reconcile()?;
                        if constructed.reads_folders() {
                            inventory.read_folders()?;
                        }
                        constructed.apply(&mut inventory, expressions, extra_vars)?;
                    }
                }
            }
        }
        inventory.reconcile()?;
        inventory.warn_of_shared_names();
        inventory.read_folders()?;
        for folder in playbook_dirs {
            inventory.add_playbook_dir(folder)?;
        }
        Ok(inventory)
    }

    /// Reads the variables beside a playbook; the same folder is read once.
    ///
    /// # Errors
    /// When a file there is wrong.
    pub fn add_playbook_dir(&mut self, folder: &Path) -> Result<(), InventoryError> {
        let path = canonical(folder);
        if !self.playbook_folders.contains_key(&path) {
            let at = self.open_folder(&path)?;
            self.playbook_folders.insert(path, at);
            self.read_folder(at)?;
        }
        Ok(())
    }

    fn add_source(&mut self, source: &str) -> Result<(), InventoryError> {
        let path = Path::new(source);
        if path.exists() {
            let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let at = self.open_folder(&canonical(folder))?;
            if !self.inventory_folders.contains(&at) {
                self.inventory_folders.push(at);
            }
            return self.add_path(path);
        }
        if source.contains(',') {
            return self.add_list(source);
        }
        let help = if source.contains('/') || path.extension().is_some() {
            "check the path behind `-i`".into()
        } else {
            format!("check the path behind `-i`; a host without a file is written with a comma: `-i {source},`")
        };
        Err(InventoryError::Missing { inventory: source.into(), help })
    }

    /// `h1,h2,`: hosts without a file.
    fn add_list(&mut self, text: &str) -> Result<(), InventoryError> {
        let source = Source::new("-i", text);
        let origin = Origin { file: text.into(), folder: None };
        let mut start = 0;
        for part in text.split(',') {
            let name = part.trim();
            let at = start + (part.len() - part.trim_start().len());
            start += part.len() + 1;
            if name.is_empty() {
                continue;
            }
            let (names, port) = range::expand_at(&source, (at, at + name.len()), name)?;
            let span = Span::new(&source, at, at + name.len());
            self.count_names(names.len(), &span)?;
            names.iter().for_each(|name| self.put_host(name, super::model::UNGROUPED, &span, &origin, port));
        }
        Ok(())
    }

    fn add_path(&mut self, path: &Path) -> Result<(), InventoryError> {
        if !path.is_dir() {
            return self.add_file(path);
        }
        let read = |reason| InventoryError::Read { path: path.to_owned(), reason };
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(read)? {
            names.push(entry.map_err(read)?.file_name());
        }
        names.sort();
        let mut found = false;
        let ignored = self.rules.ignored(path)?;
        for name in names.iter().filter(|name| !ignored(name)) {
            found = true;
            self.add_path(&path.join(name))?;
        }
        if found {
            return Ok(());
        }
        Err(InventoryError::Missing {
            inventory: path.display().to_string(),
            help: "the folder holds no inventory file; put one there, such as `hosts.yml`".into(),
        })
    }

    fn add_file(&mut self, path: &Path) -> Result<(), InventoryError> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = absolute.parent().map(|folder| folder.display().to_string());
        let origin = Origin { file: absolute.display().to_string(), folder };
        let suffix = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        if is_program(path) {
            return script::read(self, path, &origin);
        }
        self.add_text(&yaml::read_source(path)?, suffix, &origin)
    }

    /// The text of a file; its suffix, and where that does not tell its first line, say in which form it is written.
    fn add_text(&mut self, source: &Arc<Source>, suffix: &str, origin: &Origin) -> Result<(), InventoryError> {
        if vault::is_encrypted(source.text.as_bytes()) {
            return Err(no_password(&Node::new(Value::Vault(source.text.clone()), Span::whole(source))));
        }
        if suffix == "toml" {
            return toml_file::read(self, source, origin);
        }
        let yaml = matches!(suffix, "yml" | "yaml" | "json") || (suffix != "ini" && looks_like_yaml(&source.text));
        if yaml {
            let root = yaml::load_source(source)?;
            if let Some(named) = yaml_file::plugin(&root).filter(|(name, _)| !yaml_file::is_here(name)) {
                return plugin::read(self, named, Path::new(&origin.file), origin);
            }
            return yaml_file::read(self, &root, origin);
        }
        if vault::is_hidden_source(&source.name) {
            vault::conceal_assigned(&source.text);
        }
        ini::read(self, source, origin)
    }

    /// An inventory of one text, for what feeds it with texts that nobody would write.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of_text(name: &str, text: &str) -> Result<Self, InventoryError> {
        let mut inventory = Self::default();
        let suffix = Path::new(name).extension().and_then(OsStr::to_str).unwrap_or_default();
        inventory.add_text(&Source::new(name, text), suffix, &Origin { file: name.into(), folder: None })?;
        inventory.reconcile()?;
        Ok(inventory)
    }

    fn open_folder(&mut self, path: &Path) -> Result<usize, InventoryError> {
        if let Some(at) = self.folders.iter().position(|folder| folder.base() == path) {
            return Ok(at);
        }
        self.folders.push(VarsFolder::open(path)?);
        Ok(self.folders.len() - 1)
    }

    /// Reads the variables beside inventories.
    fn read_folders(&mut self) -> Result<(), InventoryError> {
        self.inventory_folders.clone().into_iter().try_for_each(|at| self.read_folder(at))
    }

    /// Reads a folder's variables for all groups and hosts.
    fn read_folder(&mut self, at: usize) -> Result<(), InventoryError> {
        let Self { folders, groups, hosts, warnings, .. } = self;
        let Some(folder) = folders.get_mut(at) else { return Ok(()) };
        for group in groups.keys() {
            folder.read(Kind::Group, group, warnings)?;
        }
        for host in hosts.keys().map(String::as_str).chain(super::model::LOCALHOST) {
            folder.read(Kind::Host, host, warnings)?;
        }
        let group_names = || groups.keys().map(String::as_str);
        let host_names = || hosts.keys().map(String::as_str);
        let suggest_host = |name: &str| crate::suggest::near(name, host_names());
        let groups_files = folder.misspelt(
            Kind::Group,
            |name| groups.contains_key(name),
            |name| crate::suggest::near(name, group_names()),
        );
        let known_host = |name: &str| hosts.contains_key(name) || super::is_localhost(name);
        let hosts_files = folder.misspelt(Kind::Host, known_host, suggest_host);
        groups_files.into_iter().chain(hosts_files).for_each(|text| warnings.say(text));
        self.read_vars_plugins(at)
    }

    fn warn_of_shared_names(&mut self) {
        let shared = self.groups.keys().filter(|name| self.hosts.contains_key(*name));
        let warnings: Vec<String> =
            shared.map(|name| format!("`{name}` is the name of both a group and a host")).collect();
        warnings.into_iter().for_each(|text| self.warnings.say(text));
    }
}

/// The error for a file that is encrypted as a whole where there is no password.
pub(super) fn no_password(node: &Node) -> InventoryError {
    let envelope = vault::Envelope::parse(node.vault_text().unwrap_or_default().as_bytes()).ok();
    let reason = vault::VaultError::NoPassword { label: envelope.and_then(|envelope| envelope.label) };
    let help = miette::Diagnostic::help(&reason).map(|help| help.to_string()).unwrap_or_default();
    let message = format!("failed to decrypt `{}`: {reason}", node.span.source.name);
    InventoryError::Variable { message, span: node.span.clone(), help }
}

fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

impl Rules {
    /// Tells what a folder may hold besides inventories.
    fn ignored(&self, folder: &Path) -> Result<impl Fn(&OsStr) -> bool + use<>, InventoryError> {
        let compile = |pattern: &String| Regex::at(pattern, Flags::default(), Place::Anywhere);
        let patterns: Result<Vec<Regex>, Fault> = self.ignored_patterns.iter().map(compile).collect();
        let patterns = patterns.map_err(|fault| InventoryError::Kind {
            path: folder.to_owned(),
            message: format!("what is to be left out of it is no regular expression: {fault}"),
            help: "check `ignore_patterns` of `[inventory]`".into(),
        })?;
        let endings = self.ignored_endings.clone();
        Ok(move |name: &OsStr| {
            let text = name.to_string_lossy();
            let suffix = Path::new(name).extension().and_then(OsStr::to_str).unwrap_or_default();
            let ends = match &endings {
                Some(endings) => endings.iter().any(|end| text.ends_with(end.as_str())),
                None => text.ends_with('~') || IGNORED_SUFFIXES.contains(&suffix),
            };
            let named = matches!(&*text, "group_vars" | "host_vars" | "vars_plugins");
            text.starts_with('.') || named || ends || patterns.iter().any(|p| p.is_match(&text).unwrap_or(false))
        })
    }
}

/// Whether the file is executable and a program indeed: an INI file with a wrong mode is none.
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let executable = fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    let mut start = [0_u8; 4];
    let begins = |start: &mut [u8]| fs::File::open(path).and_then(|mut file| file.read(start)).unwrap_or(0);
    executable && begins(&mut start) >= 2 && (start.starts_with(b"#!") || start == *b"\x7fELF")
}

/// Whether a file without a telling suffix is YAML: by its first line that is no comment.
fn looks_like_yaml(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    first.is_some_and(|line| {
        let key = line.split_once('#').map_or(line, |(key, _)| key).trim_end();
        let begins = ["---", "{", "- ", "plugin: "].iter().any(|start| line.starts_with(start));
        begins || { key.strip_suffix(':').is_some_and(|key| !key.is_empty() && !key.contains(char::is_whitespace)) }
    })
}
