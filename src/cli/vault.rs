//! `bringup vault`: files and texts that are encrypted for Ansible and bringup alike.

mod editor;
mod file;
mod string;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use miette::{Report, WrapErr as _};

use super::{
    Exit,
    vault_password::{Passwords, fetch},
};
use crate::{
    report::terminal,
    vault::{Keyring, Named, Purpose, Settings},
};

/// Encrypt files and texts, and decrypt, show, change them
#[derive(Args, Debug)]
pub struct Vault {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Write a new file in $EDITOR and encrypt it
    Create(Create),
    /// Encrypt files, or standard input
    Encrypt(Encrypt),
    /// Decrypt files, or standard input
    Decrypt(Decrypt),
    /// Print what is in encrypted files
    View(View),
    /// Change an encrypted file in $EDITOR
    Edit(Edit),
    /// Encrypt files with another password
    Rekey(Rekey),
    /// Encrypt texts, as values to be copied into a file of variables
    #[command(alias = "encrypt_string")]
    EncryptString(string::EncryptString),
}

#[derive(Args, Debug)]
struct Create {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Open the editor though standard output is no terminal
    #[arg(long)]
    skip_tty_check: bool,
    #[command(flatten)]
    with: Encrypting,
}

#[derive(Args, Debug)]
struct Encrypt {
    /// The files; `-` is standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write it there instead; `-` is standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    with: Encrypting,
}

#[derive(Args, Debug)]
struct Decrypt {
    /// The files; `-` is standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write it there instead; `-` is standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    passwords: Passwords,
}

#[derive(Args, Debug)]
struct View {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    passwords: Passwords,
}

#[derive(Args, Debug)]
struct Edit {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    with: Encrypting,
}

#[derive(Args, Debug)]
struct Rekey {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The new password, by its label: a file, a script, or `prompt`
    #[arg(long, value_name = "[LABEL@]SOURCE", conflicts_with = "new_vault_password_file")]
    new_vault_id: Option<String>,
    /// A file with the new password, or a script that prints it
    #[arg(long, value_name = "FILE")]
    new_vault_password_file: Option<String>,
    #[command(flatten)]
    with: Encrypting,
}

/// What encrypts.
#[derive(Args, Clone, Debug)]
struct Encrypting {
    /// Which of several passwords encrypts
    #[arg(long, value_name = "LABEL", help_heading = "Vault")]
    encrypt_vault_id: Option<String>,
    #[command(flatten)]
    passwords: Passwords,
}

impl Vault {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        match &self.action {
            Action::Create(c) => c.run(),
            Action::Encrypt(c) => c.run(),
            Action::Decrypt(c) => c.run(),
            Action::View(c) => c.run(),
            Action::Edit(c) => c.run(),
            Action::Rekey(c) => c.run(),
            Action::EncryptString(c) => c.run(),
        }?;
        Ok(Exit::Ok)
    }
}

/// The passwords of settings; a person is asked where none is spoken of.
fn keyring(mut settings: Settings, purpose: Purpose) -> Result<Keyring, Report> {
    settings.ask |= settings.are_empty();
    fetch(&settings, purpose)
}

impl Encrypting {
    /// The passwords, and the one of them that encrypts.
    fn keyring(&self) -> Result<(Keyring, Named), Report> {
        let settings = self.passwords.settings()?;
        let id = self.encrypt_vault_id.clone().or_else(|| settings.encrypt_identity.clone());
        let keyring = keyring(settings, Purpose::Make)?;
        let named = the_one(&keyring, id.as_deref())?;
        Ok((keyring, named))
    }
}

/// The password that encrypts; several without a choice are too many.
fn the_one(keyring: &Keyring, id: Option<&str>) -> Result<Named, Report> {
    if id.is_none() && keyring.count() > 1 {
        let ids = keyring.ids().iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
        return Err(miette::miette!(
            help = "name one with `--encrypt-vault-id LABEL`",
            "there are several passwords to encrypt with: {ids}"
        ));
    }
    Ok(keyring.to_encrypt(id)?.clone())
}

/// Files that are read one after the other; one place for what is written has room for one.
fn inputs<'a>(files: &'a [PathBuf], output: Option<&PathBuf>) -> Result<Vec<&'a std::path::Path>, Report> {
    if files.len() > 1 && output.is_some() {
        return Err(miette::miette!(
            help = "name one file, or leave out `--output`",
            "`--output` has room for one file, and {} are given",
            files.len()
        ));
    }
    let stdin = std::path::Path::new(file::STANDARD);
    Ok(if files.is_empty() { vec![stdin] } else { files.iter().map(PathBuf::as_path).collect() })
}

fn done(what: &str) {
    if terminal::read_by_a_person() {
        terminal::err(what);
    }
}

impl Create {
    fn run(&self) -> Result<(), Report> {
        let file = &self.file;
        if file.symlink_metadata().is_ok() {
            return Err(miette::miette!(help = "change it with `bringup vault edit`", "`{}` exists", file.display()));
        }
        if !terminal::read_by_a_person() && !self.skip_tty_check {
            return Err(miette::miette!(
                help = "pipe the text into `bringup vault encrypt --output FILE`, or give `--skip-tty-check`",
                "there is no terminal for an editor"
            ));
        }
        let (keyring, named) = self.with.keyring()?;
        file::make_folder(file)?;
        let text = editor::edit(file, b"")?;
        let sealed = keyring.seal(&text, &named.secret, Some(&named.id))?;
        file::write(file, sealed.as_bytes(), None)
    }
}

impl Encrypt {
    fn run(&self) -> Result<(), Report> {
        let inputs = inputs(&self.files, self.output.as_ref())?;
        let (keyring, named) = self.with.keyring()?;
        // All of them are read before one is written.
        let mut ready = Vec::new();
        for input in inputs {
            let text = file::read(input)?;
            let sealed = keyring.seal(&text, &named.secret, Some(&named.id));
            let sealed = sealed.wrap_err_with(|| format!("failed to encrypt `{}`", input.display()))?;
            ready.push((self.output.as_deref().unwrap_or(input), sealed));
        }
        for (output, sealed) in ready {
            file::write(output, sealed.as_bytes(), None)?;
        }
        done("encrypted");
        Ok(())
    }
}

impl Decrypt {
    fn run(&self) -> Result<(), Report> {
        let inputs = inputs(&self.files, self.output.as_ref())?;
        let keyring = keyring(self.passwords.settings()?, Purpose::Open)?;
        let mut ready = Vec::new();
        for input in inputs {
            let opened = file::open(&keyring, input)?;
            ready.push((self.output.as_deref().unwrap_or(input), opened.text));
        }
        for (output, text) in ready {
            file::write(output, &text, None)?;
        }
        done("decrypted");
        Ok(())
    }
}

impl View {
    fn run(&self) -> Result<(), Report> {
        let keyring = keyring(self.passwords.settings()?, Purpose::Open)?;
        for path in &self.files {
            let opened = file::open(&keyring, path)?;
            file::show(&opened.text)?;
        }
        Ok(())
    }
}

impl Edit {
    fn run(&self) -> Result<(), Report> {
        let keyring = keyring(self.with.passwords.settings()?, Purpose::Open)?;
        for path in &self.files {
            let opened = file::open(&keyring, path)?;
            let text = editor::edit(path, &opened.text)?;
            if *text == *opened.text {
                continue;
            }
            // The vault id stays what it was, as does the password, unless another is asked for.
            let (secret, label) = match &self.with.encrypt_vault_id {
                Some(id) => keyring.to_encrypt(Some(id)).map(|named| (named.secret.clone(), Some(id.clone())))?,
                None => (opened.used.secret, opened.label),
            };
            let sealed = keyring.seal(&text, &secret, label.as_deref());
            let sealed = sealed.wrap_err_with(|| format!("failed to encrypt `{}`", path.display()))?;
            file::write(path, sealed.as_bytes(), file::attributes(path))?;
        }
        Ok(())
    }
}

impl Rekey {
    fn run(&self) -> Result<(), Report> {
        let old = self.with.passwords.settings()?;
        let id = self.with.encrypt_vault_id.clone().or_else(|| old.encrypt_identity.clone());
        let before = keyring(old.clone(), Purpose::Open)?;
        // All are decrypted before the new password is asked for.
        let opened = self.files.iter().map(|path| file::open(&before, path));
        let opened: Vec<_> = opened.collect::<Result<_, _>>()?;
        let configured = if id.is_some() { Passwords::configured()?.ids } else { Vec::new() };
        let new = Settings {
            ids: configured.into_iter().chain(self.new_vault_id.clone()).collect(),
            password_files: self.new_vault_password_file.clone().into_iter().collect(),
            ask: false,
            ..old
        };
        let after = keyring(new, Purpose::Make)?;
        let named = the_one(&after, id.as_deref())?;
        let mut ready = Vec::new();
        for (path, opened) in self.files.iter().zip(&opened) {
            ready.push((path, after.seal(&opened.text, &named.secret, Some(&named.id))?));
        }
        for (path, sealed) in ready {
            file::write(path, sealed.as_bytes(), file::attributes(path))?;
        }
        done("encrypted with the new password");
        Ok(())
    }
}
