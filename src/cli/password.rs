//! Passwords and passphrases, asked on the terminal.

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

/// Asks for the login password (`-k`) and that of `become` (`-K`).
pub fn ask(login: bool, becoming: bool) -> Result<(Option<Secret>, Option<Secret>), Report> {
    let prompt = |question: &str| -> Result<Secret, Report> {
        let answer = terminal::ask_secret(&format!("{question}:"));
        answer
            .map(Secret::new)
            .map_err(|e| miette::miette!(help = "run it on a terminal", "cannot ask for a password: {e}"))
    };
    let password = if login { Some(prompt("SSH password")?) } else { None };
    let become_password = match (becoming, &password) {
        (false, _) => None,
        (true, None) => Some(prompt("BECOME password")?),
        (true, Some(same)) => {
            let given = prompt("BECOME password [defaults to SSH password]")?;
            Some(if given.is_empty() { same.clone() } else { given })
        }
    };
    Ok((password, become_password))
}
