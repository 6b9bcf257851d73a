//! The flags that say where vault passwords come from.

use std::fs::File;

use clap::Args;
use miette::Report;

use super::configured;
use crate::{
    report::terminal,
    vault::{self, Keyring, Purpose, Secret, Settings, SourceError},
};

/// Where vault passwords come from.
#[derive(Args, Clone, Debug, Default)]
pub struct Passwords {
    /// A vault password, by its label: a file, a script that prints it, or `prompt`; may be given several times
    #[arg(long = "vault-id", value_name = "[LABEL@]SOURCE", help_heading = "Vault")]
    pub vault_ids: Vec<String>,
    /// A file with a vault password, or a script that prints it; may be given several times
    #[arg(long = "vault-password-file", alias = "vault-pass-file", value_name = "FILE", help_heading = "Vault")]
    pub vault_password_files: Vec<String>,
    /// Ask for the vault password
    #[arg(short = 'J', long = "ask-vault-password", alias = "ask-vault-pass", help_heading = "Vault")]
    pub ask_vault_password: bool,
}

impl Passwords {
    /// What is configured without flags: by `ANSIBLE_…` variables, else by `ansible.cfg`.
    pub fn configured() -> Result<Settings, Report> {
        Ok(Settings::read(configured::vault)?)
    }

    /// The same with what the flags add.
    pub fn settings(&self) -> Result<Settings, Report> {
        let settings = Passwords::configured()?;
        Ok(settings.with_flags(&self.vault_ids, &self.vault_password_files, self.ask_vault_password))
    }

    /// Fetches the passwords, if any were spoken of, and gives them to the process.
    pub fn unlock(&self) -> Result<(), Report> {
        let settings = self.settings()?;
        if !settings.are_empty() {
            vault::unlock(fetch(&settings, Purpose::Open)?);
        }
        Ok(())
    }
}

/// Fetches the passwords of settings; what fails though others do not is a warning.
pub fn fetch(settings: &Settings, purpose: Purpose) -> Result<Keyring, Report> {
    let mut warn = |error: &SourceError| terminal::warn(&format!("{error}; {}", error.help));
    Ok(settings.keyring(purpose, &ask, &mut warn)?)
}

/// Asks on the terminal, and says so where there is none.
fn ask(question: &str) -> Result<Secret, SourceError> {
    const HELP: &str = "give it with `--vault-password-file FILE` or `--vault-id LABEL@FILE`";
    if !has_terminal() {
        let what = question.trim_end_matches(':').to_lowercase();
        return Err(SourceError::new(format!("cannot ask for the {what}: there is no terminal"), HELP));
    }
    let answer = terminal::ask_secret(question);
    answer
        .map(|answer| Secret::from(answer.into_bytes()))
        .map_err(|error| SourceError::new(format!("cannot ask for the vault password: {error}"), HELP))
}

/// Whether a person can be asked, wherever standard input and output lead to.
pub fn has_terminal() -> bool {
    File::options().read(true).write(true).open("/dev/tty").is_ok()
}
