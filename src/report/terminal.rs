//! The one place that writes to the terminal and asks there. Clippy refuses it elsewhere.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::atomic::{AtomicBool, Ordering},
};

use super::{live::aside, shown};
use crate::vault;

/// Writes composed text to standard output.
pub fn out(text: &str) -> io::Result<()> {
    data(shown::composed(text).as_bytes())
}

/// Writes bytes to standard output as they are: for programs that read them, never for a terminal.
pub fn data(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

/// Writes composed text and a line end to standard error, without what was decrypted. Where that is gone nobody can be told.
pub fn err(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", shown::composed(&vault::mask(text)));
}

/// Whether this process stands in for one of Ansible's commands: scripts look for their words.
static AS_ANSIBLE: AtomicBool = AtomicBool::new(false);

/// Has warnings begin as those of Ansible's commands do.
pub fn speak_as_ansible() {
    AS_ANSIBLE.store(true, Ordering::Relaxed);
}

/// Warns of something. The display must be out of the way.
pub fn warn(message: &str) {
    let word = if AS_ANSIBLE.load(Ordering::Relaxed) { "[WARNING]:" } else { "warning:" };
    err(&format!("{} {}", console::style(word).for_stderr().yellow(), shown::nested(message, 2)));
}

/// Whether a person reads standard output.
pub fn read_by_a_person() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person reads standard error.
pub fn told_to_a_person() -> bool {
    io::stderr().is_terminal()
}

/// Asks a question and waits for a line, the display being out of the way.
pub fn ask(question: &str) -> io::Result<String> {
    aside(|| {
        let mut err = io::stderr().lock();
        write!(err, "{} ", shown::nested(&vault::mask(question), 2)).and_then(|()| err.flush())?;
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        // The answer's own line end is not seen where it comes from elsewhere.
        if !io::stdin().is_terminal() {
            let _ = writeln!(err);
        }
        Ok(line)
    })
}

/// Asks for a line on standard output, as a shell does; nothing at the end of the input.
pub fn line(question: &str) -> io::Result<Option<String>> {
    out(&format!("{} ", shown::nested(&vault::mask(question), 2)))?;
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line)?;
    Ok((read > 0).then_some(line))
}

/// Asks for something that is not shown while it is typed.
///
/// Where there is no terminal, a line of standard input is the answer: scripts pipe passwords in.
pub fn ask_secret(question: &str) -> io::Result<String> {
    aside(|| {
        let question = format!("{} ", shown::nested(&vault::mask(question), 2));
        match rpassword::prompt_password(&question) {
            Err(_) if !io::stdin().is_terminal() => {
                let mut line = String::new();
                if io::stdin().read_line(&mut line)? == 0 {
                    let missing = "there is no terminal, and standard input has no line for it";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, missing));
                }
                Ok(line.trim_end_matches(['\r', '\n']).to_owned())
            }
            answer => answer,
        }
    })
}
