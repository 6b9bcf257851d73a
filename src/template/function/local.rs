//! This machine, as lookups see it: files, environment, commands.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ansible_cfg::{self, Configuration};
use crate::template::bound;

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link that was not followed.
    Link,
    /// Anything else.
    Other,
}

/// This machine, as lookups and path filters see it. Tests put a made-up one in its place.
pub trait Local: Send + Sync {
    /// Finds a file by the name a playbook gives: absolute, or in `kind` (`files`, `templates`, `vars`) of the role and
    /// the playbook's folder.
    fn find(&self, kind: &str, name: &str) -> Option<String>;

    /// The same in any of several `kinds`, the first preferred; what is nearer goes first.
    fn find_nearest(&self, kinds: &[&str], name: &str) -> Option<String> {
        kinds.iter().find_map(|kind| self.find(kind, name))
    }

    /// The folders in which files of a kind are looked for, in their order.
    fn folders(&self, kind: &str) -> Vec<String> {
        self.find(kind, ".").into_iter().collect()
    }

    /// The folders where files of all kinds are looked for, the nearest first.
    fn search_path(&self) -> Vec<String> {
        Vec::new()
    }

    /// Reads a file.
    fn read(&self, path: &str) -> std::io::Result<Vec<u8>>;

    /// Writes a file that only its owner may read, and the folders it needs, which are the owner's alone too (`lookup('password')`).
    fn write_private(&self, path: &str, content: &[u8]) -> std::io::Result<()>;

    /// Paths that match a shell pattern, sorted.
    fn glob(&self, pattern: &str) -> Vec<String>;

    /// What a path is, links followed or not.
    fn kind(&self, path: &str, follow: bool) -> Option<FileKind>;

    /// The path with all links resolved.
    fn real_path(&self, path: &str) -> Option<String>;

    /// Whether something is mounted at a path.
    fn is_mount(&self, _: &str) -> bool {
        false
    }

    /// An environment variable.
    fn env(&self, name: &str) -> Option<String>;

    /// The folder commands run in.
    fn current_dir(&self) -> String;

    /// Runs a command in a shell; gives its status (none if it was killed), standard output and standard error.
    fn run(&self, command: &str) -> std::io::Result<(Option<i32>, Vec<u8>, Vec<u8>)>;

    /// The same for a script that may hold secrets: no list of processes shows it.
    fn run_hidden(&self, script: &str) -> std::io::Result<(Option<i32>, Vec<u8>, Vec<u8>)> {
        let _ = script;
        Err(std::io::ErrorKind::PermissionDenied.into())
    }

    /// What Ansible is configured to do.
    fn configuration(&self) -> &Configuration {
        ansible_cfg::current()
    }

    /// Tells the user of something that is no error.
    fn warn(&self, message: &str) {
        let _ = message;
    }
}

/// No machine at all: for checks that must not look at one.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLocal;

impl Local for NoLocal {
    fn find(&self, _: &str, _: &str) -> Option<String> {
        None
    }
    fn read(&self, _: &str) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
    fn write_private(&self, _: &str, _: &[u8]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::PermissionDenied.into())
    }
    fn glob(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
    fn kind(&self, _: &str, _: bool) -> Option<FileKind> {
        None
    }
    fn real_path(&self, _: &str) -> Option<String> {
        None
    }
    fn env(&self, _: &str) -> Option<String> {
        None
    }
    fn current_dir(&self) -> String {
        "/".to_owned()
    }
    fn run(&self, _: &str) -> std::io::Result<(Option<i32>, Vec<u8>, Vec<u8>)> {
        Err(std::io::ErrorKind::PermissionDenied.into())
    }
}

/// Takes what the user is to be told.
type Tell = dyn Fn(&str) + Send + Sync;

/// The real machine, with the folders a playbook's files are looked for in.
#[derive(Clone, Default)]
pub struct System {
    /// The role's folder first if there is one, then the folder of the task file, then the playbook's.
    pub folders: Vec<PathBuf>,
    tell: Option<Arc<Tell>>,
}

impl std::fmt::Debug for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("System").field("folders", &self.folders).finish_non_exhaustive()
    }
}

impl System {
    /// The machine seen from some folders, the first preferred.
    pub fn new(folders: Vec<PathBuf>) -> System {
        // What is found in them is read by its path alone, wherever that path would lead from.
        let whole = |folder: PathBuf| std::path::absolute(&folder).unwrap_or(folder);
        System { folders: folders.into_iter().map(whole).collect(), tell: None }
    }

    /// The same, with somebody who is told of what is no error.
    #[must_use]
    pub fn telling(self, tell: impl Fn(&str) + Send + Sync + 'static) -> System {
        System { tell: Some(Arc::new(tell)), ..self }
    }

    fn resolve(&self, path: &str) -> PathBuf {
        let path = match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
            (Some(rest), Some(home)) => Path::new(&home).join(rest),
            _ => PathBuf::from(path),
        };
        match self.folders.last() {
            Some(folder) if path.is_relative() => folder.join(path),
            _ => path,
        }
    }
}

impl Local for System {
    fn find(&self, kind: &str, name: &str) -> Option<String> {
        let given = Path::new(name);
        if given.is_absolute() || name.starts_with("~/") {
            let path = self.resolve(name);
            return path.exists().then(|| path.to_string_lossy().into_owned());
        }
        self.folders
            .iter()
            .flat_map(|folder| [folder.join(kind).join(given), folder.join(given)])
            .find(|path| path.exists())
            .map(|path| path.to_string_lossy().into_owned())
    }

    fn find_nearest(&self, kinds: &[&str], name: &str) -> Option<String> {
        self.folders.iter().find_map(|folder| {
            let one = System { folders: vec![folder.clone()], tell: None };
            kinds.iter().find_map(|kind| one.find(kind, name))
        })
    }

    fn folders(&self, kind: &str) -> Vec<String> {
        let all = self.folders.iter().flat_map(|folder| [folder.join(kind), folder.clone()]);
        all.map(|folder| folder.to_string_lossy().into_owned()).collect()
    }

    fn search_path(&self) -> Vec<String> {
        self.folders.iter().map(|folder| folder.to_string_lossy().into_owned()).collect()
    }

    fn read(&self, path: &str) -> std::io::Result<Vec<u8>> {
        use std::io::Read as _;
        // Not every file ends: devices do not.
        let limit = bound::MAX_BYTES as u64;
        let mut content = Vec::new();
        std::fs::File::open(self.resolve(path))?.take(limit + 1).read_to_end(&mut content)?;
        if content.len() as u64 > limit {
            return Err(std::io::Error::other(format!("it is larger than {} MiB", limit >> 20)));
        }
        Ok(content)
    }

    fn write_private(&self, path: &str, content: &[u8]) -> std::io::Result<()> {
        use std::io::Write as _;
        let path = self.resolve(path);
        if let Some(folder) = path.parent() {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(folder)?;
        }
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path)?.write_all(content)
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let pattern = self.resolve(pattern);
        let found = crate::python::glob::glob(&pattern.to_string_lossy());
        found.into_iter().filter(|path| Path::new(path).is_file()).collect()
    }

    fn kind(&self, path: &str, follow: bool) -> Option<FileKind> {
        let path = self.resolve(path);
        let meta = if follow { std::fs::metadata(path) } else { std::fs::symlink_metadata(path) }.ok()?;
        Some(match meta.file_type() {
            t if t.is_file() => FileKind::File,
            t if t.is_dir() => FileKind::Directory,
            t if t.is_symlink() => FileKind::Link,
            _ => FileKind::Other,
        })
    }

    fn real_path(&self, path: &str) -> Option<String> {
        std::fs::canonicalize(self.resolve(path)).ok().map(|p| p.to_string_lossy().into_owned())
    }

    fn is_mount(&self, path: &str) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let path = self.resolve(path);
        let (Ok(own), Ok(above)) = (std::fs::symlink_metadata(&path), std::fs::canonicalize(path.join(".."))) else {
            return false;
        };
        let Ok(above) = std::fs::symlink_metadata(above) else { return false };
        // The root is above itself; a link is never one, whatever it leads to.
        own.is_dir() && (own.dev() != above.dev() || own.ino() == above.ino())
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn current_dir(&self) -> String {
        let here = self.folders.last().cloned().or_else(|| std::env::current_dir().ok());
        here.map_or_else(|| "/".to_owned(), |p| p.to_string_lossy().into_owned())
    }

    fn run(&self, command: &str) -> std::io::Result<(Option<i32>, Vec<u8>, Vec<u8>)> {
        let mut shell = std::process::Command::new("/bin/sh");
        shell.arg("-c").arg(command).stdin(std::process::Stdio::null());
        if let Some(folder) = self.folders.last().filter(|f| f.is_dir()) {
            shell.current_dir(folder);
        }
        let output = shell.output()?;
        Ok((output.status.code(), output.stdout, output.stderr))
    }

    fn run_hidden(&self, script: &str) -> std::io::Result<(Option<i32>, Vec<u8>, Vec<u8>)> {
        use std::io::{Read as _, Write as _};
        let mut shell = std::process::Command::new("/bin/sh");
        let piped = std::process::Stdio::piped;
        shell.stdin(piped()).stdout(piped()).stderr(piped());
        let mut running = shell.spawn()?;
        let (input, output, errors) = (running.stdin.take(), running.stdout.take(), running.stderr.take());
        // Read as a whole before anything of it is done, so that no command can read on in it.
        let script = format!("{{\n{script}\n}} </dev/null\n");
        let limit = bound::MAX_BYTES as u64;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let result = std::thread::scope(|scope| {
            let errors = errors.map(|errors| scope.spawn(|| errors.take(1 << 20).read_to_end(&mut err)));
            let written = input.map_or(Ok(()), |mut input| input.write_all(script.as_bytes()));
            let read = output.map_or(Ok(0), |output| output.take(limit + 1).read_to_end(&mut out));
            if read.is_err() || out.len() as u64 > limit {
                let _ = running.kill();
            }
            let status = running.wait();
            let _ = errors.map(std::thread::ScopedJoinHandle::join);
            written.and(read).and(status)
        });
        if out.len() as u64 > limit {
            return Err(std::io::Error::other(format!("it is larger than {} MiB", limit >> 20)));
        }
        Ok((result?.code(), out, err))
    }

    fn warn(&self, message: &str) {
        if let Some(tell) = &self.tell {
            tell(message);
        }
    }
}
