//! One run per host at a time: a lock that knows whether its holder lives, and what a cut-off run left behind.
//!
//! The lock is a symbolic link whose target tells who holds it: creating one is atomic and needs no second file.
//! Its holder is the remote shell and the connection it hangs on. A shell whose connection is gone still finishes
//! the step it is in (dpkg is never killed); the next run waits for that and then takes over.

use crate::{
    module::Place,
    sh::{self, quote},
};

/// Marks the end of what the opening script prints for people; pending handlers follow.
const PENDING: &str = "pending:";

/// Chooses the folder that stays behind on the host, once for a shell: `/var/lib/bringup`, or `.bringup` in a plain user's
/// home, or where that is none of the user's (`www-data`, `nobody`) one in `/tmp`. Nobody else may write to it.
fn choose() -> &'static str {
    sh::file!("folder.sh")
}

/// Sets `$d` to the folder that was chosen for this shell.
pub const FOLDER: &str = "d=; [ -z \"${__bd-}\" ] || IFS= read -r d 2>/dev/null <\"$__bd/.folder\"\n\
                          [ -n \"$d\" ] || { echo 'no folder was chosen for what stays on the host' >&2; exit 70; }\n";

/// Takes the lock in the name of `who`, removes what a cut-off run left, and prints the handlers it still owed.
///
/// Exit status 75 means that somebody else holds the lock; standard output then says who.
pub fn open(who: &str) -> String {
    let who = quote(&who.replace([':', '\n'], " ")).into_owned();
    format!("who={who} make=1\numask 077\n{}{}", choose(), sh::file!("lock.sh"))
}

/// Prints the handlers that a cut-off run still owes, and takes nothing.
pub fn peek() -> String {
    format!("make=\n{}echo {PENDING}; [ ! -s \"$d/pending\" ] || cat \"$d/pending\"\n", choose())
}

/// Chooses the folder and takes nothing.
pub fn share() -> String {
    format!("make=1\numask 077\n{}", choose())
}

/// What [`open`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Handlers that a cut-off run had notified and not run.
    pub pending: Vec<String>,
    /// Remarks, such as having waited for a dead run's last step.
    pub notes: Vec<String>,
}

impl Opened {
    /// Parses what [`open`] printed on success.
    pub fn parse(stdout: &[u8]) -> Opened {
        let text = String::from_utf8_lossy(stdout);
        let mut opened = Opened::default();
        let mut lines = text.lines();
        for line in lines.by_ref() {
            if line == PENDING {
                break;
            }
            opened.notes.push(line.to_owned());
        }
        for line in lines.filter(|l| !l.is_empty()) {
            if !opened.pending.iter().any(|p| p == line) {
                opened.pending.push(line.to_owned());
            }
        }
        opened
    }
}

/// Gives the lock back.
pub fn close() -> String {
    format!("{FOLDER}l=$(readlink \"$d/lock\" 2>/dev/null) && case $l in $$:*) rm -f \"$d/lock\" ;; esac; :\n")
}

/// Notes that a handler is owed, in front of the change that notifies it.
pub fn owe(handler: &str) -> String {
    let handler = handler.replace('\n', " ");
    // In a shell of its own: what follows keeps its umask and its variables.
    format!("( {FOLDER}umask 077; mkdir -p \"$d\"; printf '%s\\n' {} >>\"$d/pending\" ) || exit 1\n", quote(&handler))
}

/// Notes what is made for a file that is on its way, in front of making it: who comes next removes what is left.
///
/// The first line is the directory, the second the file's own name. Like the rest of the folder nobody else can write it.
pub fn sending(key: &str, place: &Place) -> String {
    format!(
        "( {FOLDER}umask 077; mkdir -p \"$d/sending\" && printf '%s\\n%s' {} {} >\"$d/sending/{key}\" ) || exit 1\n",
        quote(place.real.as_ref().unwrap_or(&place.directory)),
        quote(&place.name)
    )
}

/// Notes which handlers are still owed once some have run.
pub fn settle(left: &[String]) -> String {
    let lines: String = left.iter().map(|h| format!("{}\n", h.replace('\n', " "))).collect();
    format!("{FOLDER}umask 077; [ ! -e \"$d/pending\" ] || printf %s {} >\"$d/pending\"\n", quote(&lines))
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
