//! What a change was planned on, checked on the host right before the change is carried out.
//!
//! Between question and change somebody else may have written the file. The change's script begins with a guard then:
//! files must be the same (inode, size, times, mode, owner), directories and links of the same kind, and what was not
//! there must not be there. Otherwise nothing is done, and the task is planned anew.

use std::collections::BTreeMap;

use crate::{
    fact::{FileKind, FileStat, Probe, State},
    sh::quote,
};

/// The exit status of a guard that stops a change.
const STATUS: u8 = 75;

/// What such a guard prints in front of the path.
const SAID: &str = "bringup: moved: ";

/// Changes are planned so often in all; then whatever keeps writing the file is the problem.
const TRIES: usize = 4;

/// Paths are checked by so many at a time, so that no command line grows without bound.
const CHUNK: usize = 100;

/// What a path was when a change of it was planned.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Was {
    Absent,
    Directory,
    /// Anything else: what `stat` prints of it.
    File(String),
}

/// What outstanding changes were planned on: paths, whether links are followed, and what was there.
#[derive(Clone, Debug, Default)]
pub struct Guard(BTreeMap<(bool, String), Was>);

/// `stat -c` arguments for [`Was::File`].
const FORMAT: &str = "%f %u %g %s %i %d %y|%z";

fn printed(stat: &FileStat) -> String {
    let FileStat { raw_mode, uid, gid, size, inode, device, stamps, .. } = stat;
    format!("{raw_mode:x} {uid} {gid} {size} {inode} {device} {stamps}")
}

impl Guard {
    /// What was read of the paths that a task asked for. What is only foreseen cannot be checked: the change it comes
    /// from travels in front of this one.
    pub fn of(state: &State, probes: &[Probe]) -> Guard {
        let mut guard = Guard::default();
        for probe in probes {
            // A link that a change in front of this one makes is not there yet: what it leads to is.
            let Probe::Stat { path, follow } = &state.asked_as(probe.clone()) else { continue };
            if !state.was_read(probe) {
                continue;
            }
            let was = match state.stat(path, *follow) {
                Ok(None) => Was::Absent,
                Ok(Some(stat)) if stat.kind == FileKind::Directory => Was::Directory,
                Ok(Some(stat)) => Was::File(printed(stat)),
                Err(_) => continue,
            };
            guard.0.insert((*follow, path.clone()), was);
        }
        guard
    }

    /// Adds what a further change was planned on.
    pub fn add(&mut self, other: Guard) {
        for (path, was) in other.0 {
            self.0.entry(path).or_insert(was);
        }
    }

    /// The paths it is about.
    fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|(_, path)| path.as_str())
    }

    /// POSIX sh that leaves its shell when something has moved; empty when there is nothing to check.
    pub fn script(&self) -> String {
        let mut script = String::new();
        let mut files: [Vec<(&str, &str)>; 2] = [Vec::new(), Vec::new()];
        for ((follow, path), was) in &self.0 {
            let quoted = quote(path);
            let no_link = if *follow { "" } else { " && [ ! -L \"$1\" ]" };
            let test = match was {
                Was::Absent => format!("[ ! -e \"$1\" ]{no_link}"),
                Was::Directory => format!("[ -d \"$1\" ]{no_link}"),
                Was::File(line) => {
                    files[usize::from(*follow)].push((path, line));
                    continue;
                }
            };
            script.push_str(&format!("set -- {quoted}; {{ {test}; }} || moved \"$@\"\n"));
        }
        for (follow, files) in files.iter().enumerate() {
            for chunk in files.chunks(CHUNK) {
                let flag = if follow == 1 { "-L " } else { "" };
                let paths: Vec<_> = chunk.iter().map(|(path, _)| quote(path)).collect();
                let lines: Vec<_> = chunk.iter().map(|(_, line)| *line).collect();
                script.push_str(&format!(
                    "set -- {}; [ \"$(stat {flag}-c '{FORMAT}' -- \"$@\" 2>/dev/null)\" = '{}' ] || moved \"$@\"\n",
                    paths.join(" "),
                    lines.join("\n")
                ));
            }
        }
        if script.is_empty() {
            return script;
        }
        // Many are compared at once; which of them it was matters to nobody but the reader of the message.
        format!("moved() {{ printf '{SAID}%s' \"$*\"; exit {STATUS}; }}\n{script}set --; unset -f moved\n")
    }
}

/// How often changes met something that had moved.
#[derive(Debug, Default)]
pub struct Moved(BTreeMap<String, usize>);

impl Moved {
    /// What had moved, when this is the output of a guard that stopped a change.
    pub fn seen(status: i32, stdout: &[u8]) -> Option<String> {
        let said = (status == i32::from(STATUS)).then(|| String::from_utf8_lossy(stdout).into_owned())?;
        said.strip_prefix(SAID).map(str::to_owned)
    }

    /// Counts one more time.
    pub fn note(&mut self, what: &str) {
        *self.0.entry(what.to_owned()).or_default() += 1;
    }

    /// What a change depends on that has moved too often for another try.
    pub fn hopeless(&self, guard: &Guard) -> Option<&str> {
        let often = self.0.iter().filter(|(_, times)| **times >= TRIES);
        let mut often = often.flat_map(|(what, _)| guard.paths().find(|p| what.contains(p)).map(|_| what.as_str()));
        often.next()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;
    use crate::fact::{Batch, Reply, batch};

    /// Asks this machine.
    fn asked(probes: &[Probe]) -> State {
        let answer = |batch: Batch| {
            let output = Command::new("sh").arg("-c").arg(&batch.script).output().unwrap();
            batch.answers(Reply { status: output.status.code(), stdout: &output.stdout, stderr: &output.stderr })
        };
        State::of(batch(probes).into_iter().flat_map(answer))
    }

    #[test]
    fn a_guard_holds_until_something_moves() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let names = ["a file's \"name\"", "link", "directory", "absent", "loose"];
        fs::write(path(names[0]), "one").unwrap();
        std::os::unix::fs::symlink(path(names[0]), path("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("loose")).unwrap();
        fs::create_dir(path("directory")).unwrap();
        let probe = |name: &&str, follow| Probe::Stat { path: path(name), follow };
        let probes: Vec<Probe> = names.iter().flat_map(|n| [probe(n, false), probe(n, true)]).collect();
        let state = asked(&probes);
        let moves: &[(&str, &str)] = &[
            ("a file's \"name\"", "printf two! >\"$1\""),
            ("a file's \"name\"", "printf owt >\"$1\""),
            ("a file's \"name\"", "chmod 600 \"$1\""),
            ("link", "ln -sfn elsewhere \"$1\""),
            ("directory", "rmdir \"$1\"; : >\"$1\""),
            ("absent", "ln -s x \"$1\""),
        ];
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let script = Guard::of(&state, &probes).script();
            let run = |script: &str| {
                let mut command = Command::new(shell[0]);
                command.args(&shell[1..]).arg("-c").arg(script).output()
            };
            let Ok(output) = run(&format!("{script}echo \"held $#\"")) else { continue };
            assert_eq!(String::from_utf8_lossy(&output.stdout), "held 0\n", "{shell:?}\n{script}");
        }
        for (name, change) in moves {
            let changed = Command::new("sh").args(["-c", change, "sh"]).arg(path(name)).status().unwrap();
            assert!(changed.success());
            let fresh = Guard::of(&state, &[probe(name, false)]).script();
            let output = Command::new("sh").arg("-c").arg(format!("{fresh}echo held")).output().unwrap();
            assert_eq!(output.status.code(), Some(i32::from(STATUS)), "{change}");
            assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{SAID}{}", path(name)));
        }
    }

    #[test]
    fn what_is_foreseen_is_not_checked() {
        let mut state = State::default();
        let probe = Probe::Stat { path: "/x".into(), follow: false };
        state.predict(probe.clone(), crate::fact::Answer::Stat(None));
        assert_eq!(Guard::of(&state, &[probe]).script(), "");
    }

    #[test]
    fn behind_a_link_that_is_yet_to_be_made_the_real_file_is_checked() {
        let answer = |kind, target: &str| {
            let mut stat = FileStat::new(kind, 0o644, "root", "root");
            target.clone_into(&mut stat.target);
            crate::fact::Answer::Stat(Some(stat))
        };
        let probe = |path: &str| Probe::Stat { path: path.into(), follow: false };
        let mut state = State::of([(probe("/d/f"), answer(FileKind::File, ""))]);
        state.predict(probe("/new"), answer(FileKind::Link, "/d"));
        let script = Guard::of(&state, &[probe("/new/f")]).script();
        assert!(script.contains("/d/f") && !script.contains("/new/f"), "{script}");
    }
}
