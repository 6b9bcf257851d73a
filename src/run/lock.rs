//! One run per host at a time: a lock that knows whether its holder lives, and what a cut-off run left behind.
//!
//! The lock is a symbolic link whose target tells who holds it: creating one is atomic and needs no second file.
//! Its holder is the remote shell and the connection it hangs on. A shell whose connection is gone still finishes
//! the step it is in (dpkg is never killed); the next run waits for that and then takes over.

use std::{fs, os::unix::fs::MetadataExt as _, sync::LazyLock};

use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
};

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

/// This process as its own workstation tells it from all others, now and later: its [`system`], its number and its start, in ticks since the
/// boot. Empty where there is no `/proc` that tells.
static PROCESS: LazyLock<String> = LazyLock::new(|| process().unwrap_or_default());

fn process() -> Option<String> {
    let pid = std::process::id();
    Some(format!("{}/{pid}/{}", system()?, look(pid)?.1))
}

/// What numbers and starts of processes mean something within: the boot, and the namespaces of process numbers and of time. Nothing where
/// `/proc` shows other processes than this one's.
fn system() -> Option<String> {
    let own = fs::read_link("/proc/self").ok()?;
    if own.to_str() != Some(&std::process::id().to_string()) {
        return None;
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    // Older kernels have no time but one.
    let time = fs::metadata("/proc/self/ns/time").map_or(0, |m| m.ino());
    Some(format!("{}/{}/{time}", boot.trim(), fs::metadata("/proc/self/ns/pid").ok()?.ino()))
}

/// A process's state and start.
fn look(pid: u32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name, in brackets, may hold anything.
    let mut words = stat.rsplit_once(')')?.1.split_whitespace();
    Some((words.next()?.chars().next()?, words.nth(18)?.parse().ok()?))
}

/// Whether the run that holds a lock was one of this workstation, and has ended.
fn has_ended(held: &str) -> bool {
    let tell = || {
        let process = held.splitn(8, ':').nth(7)?;
        let (rest, start) = process.rsplit_once('/')?;
        let (system_then, pid) = rest.rsplit_once('/')?;
        let (pid, start) = (pid.parse::<u32>().ok()?, start.parse::<u64>().ok()?);
        if system_then != system()? {
            return None;
        }
        // `/proc` may hide the processes of others; the kernel does not deny that they are there.
        let absent = test_kill_process(Pid::from_raw(pid.try_into().ok()?)?) == Err(Errno::SRCH);
        Some(absent || look(pid).is_some_and(|(state, now)| now != start || matches!(state, 'Z' | 'X')))
    };
    tell().unwrap_or_default()
}

/// Who holds a lock that another run wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// For the user: who, since when, and by which process of the host.
    pub told: String,
    /// What the lock says, if its run was one of this workstation and has ended. [`open`] ends its connection then.
    pub ended: Option<String>,
}

impl Holder {
    /// Parses what [`open`] printed as it ended with 75.
    pub fn parse(stdout: &[u8]) -> Holder {
        let text = String::from_utf8_lossy(stdout);
        let (told, held) = text.trim().rsplit_once('\n').unwrap_or((text.trim(), ""));
        Holder { told: told.to_owned(), ended: has_ended(held).then(|| held.to_owned()) }
    }
}

/// Takes the lock in the name of `who`, removes what a cut-off run left, and prints the handlers it still owed.
///
/// Exit status 75 means that somebody else holds the lock; standard output is for [`Holder::parse`] then. The connection of
/// the holder that `ended` names is ended.
pub fn open(who: &str, ended: Option<&str>) -> String {
    let who = quote(&who.replace([':', '\n'], " ")).into_owned();
    let gone = quote(ended.unwrap_or_default()).into_owned();
    format!("who={who} run={} gone={gone} make=1\numask 077\n{}{}", *PROCESS, choose(), sh::file!("lock.sh"))
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
    /// Parses what [`open`] printed on success, for a host by its name in the inventory: other names of the same machine are owed their own.
    pub fn parse(stdout: &[u8], host: &str) -> Opened {
        let host = one_line(host);
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
            // A line without a name is of a version that knew none.
            let line = match line.split_once('\t') {
                Some((name, handler)) if name == host => handler,
                Some(_) => continue,
                None => line,
            };
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

/// A name as a field of a line.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\t'], " ")
}

/// Notes that a handler is owed to a host, in front of the change that notifies it.
pub fn owe(host: &str, handler: &str) -> String {
    let line = format!("{}\t{}", one_line(host), one_line(handler));
    // In a shell of its own: what follows keeps its umask and its variables.
    format!(
        "( {FOLDER}umask 077; mkdir -p \"$d\"; exec 9>>\"$d/pending\"; {ALONE}; printf '%s\\n' {} >&9 ) || exit 1\n",
        quote(&line)
    )
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

/// Lets nobody else write what is open as descriptor 9, where there is `flock`. Who is killed lets go of it.
const ALONE: &str = "if command -v flock >/dev/null; then flock -w 5 9; fi";

/// Notes which handlers are still owed to a host once some have run. What is owed to other names of the machine stays: where there is
/// `flock` one of them writes the file at a time, and who was killed over it holds nobody up.
pub fn settle(host: &str, left: &[String]) -> String {
    let host = one_line(host);
    let lines: String = left.iter().map(|handler| format!("{host}\t{}\n", one_line(handler))).collect();
    format!(
        "{FOLDER}umask 077; h={} t=$(printf '\\t')\n\
         if [ -e \"$d/pending\" ]; then (\n\
         exec 9>>\"$d/pending\" || exit 1\n\
         {ALONE}\n\
         k=$(while IFS= read -r l; do case $l in \"$h$t\"*) ;; *\"$t\"*) printf '%s\\n' \"$l\" ;; esac; done <\"$d/pending\")\n\
         printf '%s%s' \"${{k:+$k\n}}\" {} >\"$d/pending\"\n\
         ); fi\n",
        quote(&host),
        quote(&lines)
    )
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
