//! Files written one behind the other: all are made under other names, the disk is asked once, then all get their names.
//!
//! To ask for each file by itself would cost more than all the rest of a write.

use std::collections::BTreeSet;

use super::machine::Work;
use crate::{module::Parts, sh::quote};

/// So many files wait for each other at most.
const MANY: usize = 64;

/// Rewrites works that write files and stand side by side, so that the first does it for all. Each of the others tells
/// whether its own file has its name: there are as many works as before, and the first that fails is the same.
pub fn together(all: Vec<Work>) -> Vec<Work> {
    let mut grouped: Vec<Work> = Vec::with_capacity(all.len());
    let mut files: Vec<(Work, Parts)> = Vec::new();
    for mut work in all {
        match work.parts.take().filter(|_| work.timeout.is_none() && work.stop_on_failure) {
            // What is written twice is read in between: its attributes, its old content for a backup.
            Some(parts) if files.len() < MANY && files.iter().all(|(_, of)| of.path != parts.path) => {
                files.push((work, parts));
            }
            parts => {
                close(&mut grouped, &mut files);
                match parts {
                    Some(parts) => files.push((work, parts)),
                    None => grouped.push(work),
                }
            }
        }
    }
    close(&mut grouped, &mut files);
    grouped
}

/// Adds the works of files that stand side by side.
fn close(grouped: &mut Vec<Work>, files: &mut Vec<(Work, Parts)>) {
    if files.len() < 2 {
        grouped.extend(files.drain(..).map(|(work, _)| work));
        return;
    }
    let script = script(&files.iter().map(|(_, parts)| parts).collect::<Vec<_>>());
    for (index, (work, _)) in files.drain(..).enumerate() {
        let script = match index {
            0 => script.clone(),
            // How far the first came, and what was said where it ended.
            _ => format!(
                "read -r c r <\"$__bd/files\"; [ \"$c\" -gt {index} ] || {{ cat \"$__bd/files.o\"; cat \"$__bd/files.e\" >&2; exit \"$r\"; }}\n"
            ),
        };
        grouped.push(Work { script, ..work });
    }
}

/// Makes all up to the first that cannot be made, and gives those their names; how many have them is noted.
fn script(files: &[&Parts]) -> String {
    let mut script = String::from("__n=0 __r=0 __c=0; : >\"$__bd/files.o\"; : >\"$__bd/files.e\"\n");
    for (index, parts) in files.iter().enumerate() {
        let stage = &parts.stage;
        script.push_str(&match index {
            0 => format!("( {stage}) || exit\n__n=1\n"),
            _ => format!(
                "[ $__r != 0 ] || {{ ( {stage}) >\"$__bd/files.o\" 2>\"$__bd/files.e\" && __n={} || __r=$?; }}\n",
                index + 1
            ),
        });
    }
    let folders: BTreeSet<_> = files.iter().map(|parts| quote(&parts.directory)).collect();
    let folders: Vec<_> = folders.iter().map(|folder| folder.as_ref()).collect();
    script.push_str(&format!("sync -f -- {} 2>/dev/null || sync\n", folders.join(" ")));
    for (index, Parts { commit, undo, .. }) in files.iter().enumerate() {
        script.push_str(&match index {
            0 => format!("if {commit}; then __c=1; else __r=1; fi\n"),
            _ => format!(
                "if [ $__n -le {index} ]; then :; elif [ $__c != {index} ]; then {undo}\n\
                 elif {commit} 2>>\"$__bd/files.e\"; then __c={}; else __r=1; fi\n",
                index + 1
            ),
        });
    }
    script.push_str("echo \"$__c $__r\" >\"$__bd/files\"; [ $__c != 0 ]\n");
    script
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;
    use crate::module::{Content, FileWrite};

    fn work(path: &str, text: &str) -> Work {
        let write = FileWrite::new(path, Content::Bytes(text.as_bytes().into()));
        Work { parts: Some(write.parts()), ..Work::new(crate::module::place::keyed(write.script())) }
    }

    /// Runs works one by one, each in a shell of its own, up to the first that fails; how many went through.
    fn run(shell: &[&str], scratch: &str, works: &[Work]) -> (usize, String) {
        for (index, work) in works.iter().enumerate() {
            let mut command = Command::new(shell[0]);
            command.args(&shell[1..]).arg("-c").arg(format!("__bd={scratch}\n{}", work.script));
            let output = command.output().unwrap();
            if !output.status.success() {
                return (index, String::from_utf8_lossy(&output.stderr).into_owned());
            }
        }
        (works.len(), String::new())
    }

    #[test]
    fn files_get_their_names_up_to_the_first_that_cannot_and_nothing_is_left() {
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let dir = tempfile::tempdir().unwrap();
            let scratch = tempfile::tempdir().unwrap();
            let at = |name: &str| dir.path().join(name).display().to_string();
            fs::create_dir(at("taken")).unwrap();
            fs::create_dir(at("sub")).unwrap();
            for (third, said) in [("taken", "directory"), ("none/c", "none")] {
                let works = together(vec![
                    work(&at("a"), "a"),
                    work(&at("sub/b"), "b"),
                    work(&at(third), "c"),
                    work(&at("d"), "d"),
                ]);
                let (done, stderr) = run(shell, &scratch.path().display().to_string(), &works);
                assert_eq!(done, 2, "{shell:?}: {third}: {stderr}");
                assert!(stderr.contains(said), "{shell:?}: {stderr}");
                assert_eq!(fs::read_to_string(at("a")).unwrap() + &fs::read_to_string(at("sub/b")).unwrap(), "ab");
                let mut left: Vec<_> =
                    fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
                left.sort();
                assert_eq!(left, ["a", "sub", "taken"], "{shell:?}");
            }
        }
    }

    #[test]
    fn the_disk_is_asked_once_and_before_the_first_name() {
        let works = together((0..5).map(|i| work(&format!("/d/{i}"), "x")).collect());
        let script = &works[0].script;
        assert_eq!(works.len(), 5);
        assert_eq!(script.matches("sync -f").count(), 1);
        let sync = script.find("sync -f").unwrap();
        assert!(script[..sync].matches("printf %s x").count() == 5 && !script[..sync].contains("mv -f"));
        assert_eq!(script[sync..].matches("mv -f").count(), 5);
    }
}
