//! A text in the person's editor. It lies in a private folder that is gone afterwards, whatever ended the editor.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic as _, Report, WrapErr as _};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

/// A folder for one text, readable by its owner alone. Editors put their swap files beside what they edit.
struct Private {
    folder: tempfile::TempDir,
    file: PathBuf,
}

impl Private {
    fn new(name: &Path, text: &[u8]) -> std::io::Result<Private> {
        // What lies there is in memory alone.
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_dir());
        let base = runtime.unwrap_or_else(std::env::temp_dir);
        let mut builder = tempfile::Builder::new();
        builder.prefix("vault-").permissions(fs::Permissions::from_mode(0o700));
        let folder = builder.tempdir_in(&base).or_else(|_| builder.tempdir())?;
        // The suffix tells editors what it is.
        let suffix = name.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
        let file = folder.path().join(format!("text{suffix}"));
        let private = Private { folder, file };
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&private.file)?.write_all(text)?;
        Ok(private)
    }

    fn read(&self) -> std::io::Result<Zeroizing<Vec<u8>>> {
        fs::read(&self.file).map(Zeroizing::new)
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // Files of a disk are overwritten first, as far as that helps there.
        for entry in fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            let length = entry.metadata().map_or(0, |found| found.len());
            if let Ok(mut file) = fs::OpenOptions::new().write(true).open(entry.path()) {
                let zeros = vec![0; usize::try_from(length).unwrap_or_default()];
                let _ = file.write_all(&zeros).and_then(|()| file.sync_all());
            }
        }
    }
}

/// Lets a person change a text; `name` is the file that it is meant for.
pub fn edit(name: &Path, text: &[u8]) -> Result<Zeroizing<Vec<u8>>, Report> {
    let editor = std::env::var("EDITOR").ok().filter(|editor| !editor.trim().is_empty());
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    let words = shell_words::split(&editor)
        .map_err(|error| miette::miette!(help = "set EDITOR to a command", "EDITOR is `{editor}`: {error}"))?;
    let private = Private::new(name, text).into_diagnostic().wrap_err("cannot make a private file for the editor")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
    runtime.block_on(run(&words, &editor, &private.file))?;
    private.read().map_err(|error| {
        miette::miette!(help = "save it where the editor opened it", "the editor left nothing to read: {error}")
    })
}

/// Runs the editor. An interrupt is the editor's; what ends this program ends the editor and leaves the file as it was.
async fn run(words: &[String], editor: &str, file: &Path) -> Result<(), Report> {
    let program = words.first().map_or("vi", String::as_str);
    let mut interrupt = signal(SignalKind::interrupt()).into_diagnostic()?;
    let mut terminate = signal(SignalKind::terminate()).into_diagnostic()?;
    let mut hangup = signal(SignalKind::hangup()).into_diagnostic()?;
    let mut command = tokio::process::Command::new(program);
    command.args(words.iter().skip(1)).arg(file).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| {
        miette::miette!(help = "set EDITOR to the editor you want", "cannot run the editor `{editor}`: {error}")
    })?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.into_diagnostic()?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => return Err(ended()),
            _ = hangup.recv() => return Err(ended()),
        }
    };
    match status.success() {
        true => Ok(()),
        false => Err(miette::miette!(
            help = "nothing was saved; leave the editor without an error to save",
            "the editor `{editor}` ended with {status}"
        )),
    }
}

fn ended() -> Report {
    miette::miette!(help = "the file is as it was", "the program was ended while the editor was open")
}
