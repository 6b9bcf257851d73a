//! One place that a password comes from.
//!
//! Source: <https://docs.ansible.com/ansible/latest/vault_guide/vault_managing_passwords.html>

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use secrecy::{ExposeSecret as _, SecretSlice};
use zeroize::Zeroizing;

use super::{Keyring, Named, Secret, SourceError, is_encrypted};

/// Asks a person for something that is not shown while it is typed.
pub type Ask<'a> = dyn Fn(&str) -> Result<Secret, SourceError> + 'a;

/// What a password is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To decrypt what there is.
    Open,
    /// To encrypt: a person is asked twice.
    Make,
}

/// `[LABEL@]SOURCE`, taken apart.
#[derive(Debug)]
pub(super) struct Source {
    /// The vault id.
    pub label: String,
    /// Whether a person is asked.
    pub asks: bool,
    /// Whether the question leaves out the label, as that of `-J` does.
    plain_question: bool,
    /// Whether the label was written down; a client script is told of no other.
    labelled: bool,
    path: String,
}

const FILE_HELP: &str = "name a file that holds the password, or a script that prints it";

impl Source {
    /// Reads `[LABEL@]SOURCE`; `unnamed` is the label of one without.
    pub fn parse(text: &str, unnamed: &str) -> Result<Source, SourceError> {
        let (label, path) = text.split_once('@').map_or((None, text), |(label, path)| (Some(label), path));
        let label = label.filter(|label| !label.is_empty());
        if text.contains(';') {
            let message = format!("`{text}` is no vault id: a `;` cannot stand in it");
            return Err(SourceError::new(message, "write `LABEL@FILE`"));
        }
        if path.is_empty() {
            let help = "write `LABEL@FILE`, or `LABEL@prompt` to be asked";
            return Err(SourceError::new(format!("`--vault-id {text}` does not say where the password is"), help));
        }
        Ok(Source {
            label: label.unwrap_or(unnamed).to_owned(),
            asks: matches!(path, "prompt" | "prompt_ask_vault_pass"),
            plain_question: path == "prompt_ask_vault_pass",
            labelled: label.is_some(),
            path: path.to_owned(),
        })
    }

    /// A file or script, whatever its name is.
    pub fn file(path: &str, label: &str) -> Source {
        Source { label: label.to_owned(), asks: false, plain_question: false, labelled: true, path: path.to_owned() }
    }

    /// `-J`.
    pub fn asking(label: &str) -> Source {
        Source { asks: true, plain_question: true, ..Source::file("", label) }
    }

    /// Fetches the password; those before it decrypt an encrypted file.
    pub fn fetch(&self, purpose: Purpose, ask: &Ask<'_>, before: &[Named]) -> Result<Secret, SourceError> {
        if self.asks {
            return self.ask(purpose, ask);
        }
        let path = expanded(&self.path);
        let shown = path.display();
        let metadata = std::fs::metadata(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                SourceError::new(format!("there is no vault password file `{shown}`"), FILE_HELP)
            }
            _ => SourceError::new(format!("cannot read the vault password file `{shown}`: {error}"), FILE_HELP),
        })?;
        if metadata.is_dir() {
            return Err(SourceError::new(format!("the vault password file `{shown}` is a folder"), FILE_HELP));
        }
        let password = match metadata.permissions().mode() & 0o111 != 0 {
            true => self.run(&path)?,
            false => read(&path, before)?,
        };
        let password = trimmed(&password, |b| matches!(b, b'\r' | b'\n'));
        if password.is_empty() {
            return Err(SourceError::new(format!("the vault password of `{shown}` is empty"), "write one into it"));
        }
        Ok(SecretSlice::from(password.to_vec()))
    }

    fn ask(&self, purpose: Purpose, ask: &Ask<'_>) -> Result<Secret, SourceError> {
        let label = &self.label;
        let questions: &[String] = &match (purpose, self.plain_question) {
            (Purpose::Open, true) => vec!["Vault password:".to_owned()],
            (Purpose::Open, false) => vec![format!("Vault password ({label}):")],
            (Purpose::Make, true) => vec!["New Vault password:".to_owned(), "Confirm New Vault password:".to_owned()],
            (Purpose::Make, false) => {
                vec![format!("New vault password ({label}):"), format!("Confirm new vault password ({label}):")]
            }
        };
        let mut first: Option<Secret> = None;
        for question in questions {
            let answer = ask(question)?;
            let answer = SecretSlice::from(answer.expose_secret().trim_ascii().to_vec());
            if answer.expose_secret().is_empty() {
                return Err(SourceError::new("the vault password that was typed is empty", "type one"));
            }
            match &first {
                None => first = Some(answer),
                Some(first) if first.expose_secret() == answer.expose_secret() => {}
                Some(_) => return Err(SourceError::new("the two vault passwords differ", "type the same one twice")),
            }
        }
        first.ok_or_else(|| SourceError::new("no vault password was typed", "type one"))
    }

    /// Runs a script. Its questions reach the person: standard error is left alone, but for a client, whose words are told.
    fn run(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>, SourceError> {
        let shown = path.display();
        let client = path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("-client"));
        let mut command = Command::new(path);
        if client && self.labelled {
            command.args(["--vault-id", &self.label]);
        }
        command.stdin(Stdio::inherit()).stderr(if client { Stdio::piped() } else { Stdio::inherit() });
        let output = command.output().map_err(|error| {
            let help = format!("if it is no script: `chmod a-x {shown}`");
            SourceError::new(format!("the vault password script `{shown}` cannot be run: {error}"), help)
        })?;
        let password = Zeroizing::new(output.stdout);
        if output.status.success() {
            return Ok(password);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = if said.trim().is_empty() { String::new() } else { format!(": {}", said.trim()) };
        let message = match (client, output.status.code()) {
            (true, Some(2)) => format!("`{shown}` knows no password for the vault id `{}`{said}", self.label),
            (_, Some(code)) => format!("the vault password script `{shown}` ended with status {code}{said}"),
            (_, None) => format!("the vault password script `{shown}` was killed{said}"),
        };
        Err(SourceError::new(message, "run it by hand; it must print the password and end with status 0"))
    }
}

/// Reads a password file, decrypting an encrypted one.
fn read(path: &Path, before: &[Named]) -> Result<Zeroizing<Vec<u8>>, SourceError> {
    let shown = path.display();
    let content = std::fs::read(path).map(Zeroizing::new).map_err(|error| {
        SourceError::new(format!("cannot read the vault password file `{shown}`: {error}"), FILE_HELP)
    })?;
    let content = Zeroizing::new(content.trim_ascii().to_vec());
    if !is_encrypted(&content) {
        return Ok(content);
    }
    let opened = Keyring::new(before.to_vec()).open(&content);
    opened.map(|opened| opened.text).map_err(|error| {
        let help = "name the password that decrypts it before it";
        SourceError::new(format!("the vault password file `{shown}` cannot be read: {error}"), help)
    })
}

fn trimmed(text: &[u8], drop: impl Fn(u8) -> bool) -> &[u8] {
    let start = text.iter().position(|b| !drop(*b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !drop(*b)).map_or(start, |at| at + 1);
    text.get(start..end).unwrap_or_default()
}

/// The path with the home folder in the place of `~`; whole, for a script finds what lies beside it.
fn expanded(path: &str) -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let path = match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    };
    std::path::absolute(&path).unwrap_or(path)
}
