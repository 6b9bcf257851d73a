//! Passwords and passphrases: asked on the terminal, or read from files and programs.

use std::{
    fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use miette::Report;

use crate::{
    connection::{Prompter, Secret},
    report::terminal,
};

/// Asks the person at the terminal.
pub struct Terminal;

impl Prompter for Terminal {
    fn ask(&self, question: &str) -> Option<Secret> {
        if !console::user_attended_stderr() {
            return None;
        }
        terminal::ask_secret(question).ok().map(Secret::new)
    }
}

/// Where a password is to come from; asking wins.
pub struct Source<'a> {
    /// Ask for it.
    pub ask: bool,
    /// The file that has it.
    pub file: Option<&'a Path>,
}

/// Gets the login password (`-k`) and that of `become` (`-K`).
pub fn get(login: Source<'_>, becoming: Source<'_>) -> Result<(Option<Secret>, Option<Secret>), Report> {
    let prompt = |question: &str, flag: &str| -> Result<Secret, Report> {
        let answer = terminal::ask_secret(&format!("{question}:"));
        answer.map(Secret::new).map_err(|e| {
            miette::miette!(
                help =
                    format!("run it on a terminal, pipe the password in, or name a file with `--{flag}-password-file`"),
                "cannot ask for a password: {e}"
            )
        })
    };
    let password = match login {
        Source { ask: true, .. } => Some(prompt("SSH password", "connection")?),
        Source { file, .. } => file.map(from_file).transpose()?,
    };
    let become_password = match (becoming, &password) {
        (Source { ask: true, .. }, Some(same)) if login.ask => {
            let given = prompt("BECOME password [defaults to SSH password]", "become")?;
            Some(if given.is_empty() { same.clone() } else { given })
        }
        (Source { ask: true, .. }, _) => Some(prompt("BECOME password", "become")?),
        (Source { file, .. }, _) => file.map(from_file).transpose()?,
    };
    Ok((password, become_password))
}

/// The password in a file, or the one that a program prints; that of standard input where the name is `-`.
fn from_file(path: &Path) -> Result<Secret, Report> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| {
        miette::miette!(help = "check its path and its mode", "cannot read the password file {shown}: {error}")
    };
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map_err(unreadable)?;
        bytes
    } else if fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o111 != 0 {
        printed(path)?
    } else {
        fs::read(path).map_err(unreadable)?.trim_ascii().to_vec()
    };
    let text = String::from_utf8(bytes)
        .map_err(|_| miette::miette!(help = "write it as UTF-8", "the password of {shown} is no text"))?;
    let text = text.trim_matches(['\r', '\n']);
    match text.is_empty() {
        true => {
            Err(miette::miette!(help = "write the password into its first line", "there is no password in {shown}"))
        }
        false => Ok(Secret::new(text.to_owned())),
    }
}

fn printed(path: &Path) -> Result<Vec<u8>, Report> {
    let shown = path.display();
    let help = "if it is no program, take away its mode to be executed: `chmod a-x`";
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let output = Command::new(whole).stdin(Stdio::inherit()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|e| miette::miette!(help = help, "cannot run the password program {shown}: {e}"))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(miette::miette!(help = help, "the password program {shown} failed ({})", output.status)),
    }
}
