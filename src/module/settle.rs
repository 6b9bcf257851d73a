//! Changing owner, mode or times of what is there already, and of nothing else.
//!
//! Where others can write in the directory, a name may lead somewhere else the moment after it was looked at. A directory is
//! entered then, and changed as `.`. Anything else gets a second name, a hard link, in a folder of our own: what has that
//! name cannot be exchanged any more, is compared with what the change was planned on, and only then changed.

use super::{
    Place,
    place::{self, MAKE},
};
use crate::{
    fact::{FileKind, FileStat},
    sh::{self, quote},
};

/// One thing in a directory, and the shell lines that change it.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its name in the directory.
    pub name: &'a str,
    /// What was there when this was planned.
    pub before: &'a FileStat,
    /// The lines, about the shell word they were made for: that of [`word`].
    pub lines: String,
}

/// The word by which lines call a thing that is not called by its path.
pub fn word(name: &str) -> String {
    quote(&format!("./{name}")).into_owned()
}

/// POSIX sh that changes what is at a place. `lines` makes the lines for a shell word; they end by `exit` where they fail.
pub fn at(place: &Place, before: &FileStat, lines: impl Fn(&str) -> String) -> String {
    if place.guarded || place.name.is_empty() {
        return lines(&quote(&super::path::join(&place.directory, &place.name)));
    }
    let changed = lines(&word(&place.name));
    match (changed.is_empty(), before.kind) {
        (true, _) => changed,
        (false, FileKind::Directory) => directory(place, before, &lines(".")),
        (false, _) => pinned(place, &[Entry { name: &place.name, before, lines: changed }]),
    }
}

/// POSIX sh that enters the directory at a place and runs lines about `.` in it, if it is what it was.
pub fn directory(place: &Place, before: &FileStat, lines: &str) -> String {
    let same = match before.inode {
        // Foreseen only: it must be a directory and no link.
        0 => String::new(),
        _ => format!(
            "[ \"$(stat -c '%i %d' .)\" = '{} {}' ] || {{ {}; exit 1; }}\n",
            before.inode,
            before.device,
            moved(place, &place.name)
        ),
    };
    format!(
        "( {}w=${{PWD%/}}; cd -P -- {} || exit 1\n[ \"$PWD\" = \"$w/\"{} ] || {{ {}; exit 1; }}\n{same}{lines}) || exit 1\n",
        place.enter(),
        word(&place.name),
        quote(&place.name),
        moved(place, &place.name),
    )
}

/// POSIX sh that changes things other than directories which stand in the directory of `place`.
pub fn pinned(place: &Place, entries: &[Entry<'_>]) -> String {
    for entry in entries {
        let FileStat { kind, links, uid, .. } = entry.before;
        if *kind == FileKind::File && *links > 1 && place.owner.is_some_and(|owner| owner != *uid) {
            // Who owns the directory may have made the link, to have somebody else's file given to him.
            let why = format!(
                "{}/{} has other names, and does not belong to the owner of the directory: it is left alone",
                place.directory, entry.name
            );
            return format!("echo {} >&2; exit 1\n", quote(&why));
        }
    }
    let names = |prefix: &str| {
        let names = entries.iter().map(|e| quote(&format!("{prefix}{}", e.name)).into_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    let expected: Vec<String> = entries.iter().map(|e| looks(e.before)).collect();
    let expected = expected.join("\"$n\"");
    let lines: String = entries.iter().map(|e| e.lines.as_str()).collect();
    format!(
        "( {enter}w=${{PWD%/}} s={scratch}$__k n='\n'\nleave() {{ rm -f -- {own}; cd -P .. && rmdir \"./$s\"; }}\n\
         {MAKE}{into}trap leave EXIT\nln -- {there} . || exit 1\n\
         x=$(stat -c '%i %d %f %u %g %U:%G' -- {own} .)\n\
         case $x in {expected}\"$n\"*\" 41c0 \"*|{expected}\"$n\"*\" 45c0 \"*) ;; *) {moved}; exit 1 ;; esac\n\
         {lines}) || exit 1\n",
        enter = place.enter(),
        scratch = place::SCRATCH,
        own = names("./"),
        there = names("../"),
        into = place::into(),
        moved = moved(place, entries.first().map_or("", |e| e.name)),
    )
}

/// The word for what [`through`] has pinned.
pub const PINNED: &str = "./f";

/// POSIX sh that changes what a path leads to through links, if that is what it was: `lines` are about [`PINNED`], `inside`
/// about `.` in a directory.
pub fn through(path: &str, before: &FileStat, lines: &str, inside: &str) -> String {
    let moved = format!("echo {} >&2; exit 1", quote(&format!("{path} has become something else meanwhile")));
    let FileStat { inode, device, .. } = before;
    if before.kind == FileKind::Directory {
        return format!(
            "( cd -P -- {} || exit 1\n[ \"$(stat -c '%i %d' .)\" = '{inode} {device}' ] || {{ {moved}; }}\n{inside}) || exit 1\n",
            quote(path)
        );
    }
    format!(
        "( f={}\n{}{MAKE}{}trap leave EXIT\nln -- \"../$f\" {PINNED} || exit 1\n\
         x=$(stat -c '%i %d %f %u %g %U:%G' -- {PINNED} .)\n\
         case $x in {}*\" 41c0 \"*|{}*\" 45c0 \"*) ;; *) {moved} ;; esac\n{lines}) || exit 1\n",
        quote(path),
        sh::file!("settle/link.sh"),
        place::into(),
        looks(before),
        looks(before)
    )
}

/// A shell pattern for the line that `stat` prints of what was seen.
fn looks(stat: &FileStat) -> String {
    let FileStat { inode, device, raw_mode, uid, gid, owner, group, .. } = stat;
    let name = |name: &str| if name.parse::<u32>().is_ok() { "*".to_owned() } else { quote(name).into_owned() };
    match inode {
        // Foreseen by a task before, which knows the names for sure.
        0 => format!("*' {raw_mode:x} '*' '*' '{}:{}", name(owner), name(group)),
        _ => format!("'{inode} {device} {raw_mode:x} {uid} {gid} '*"),
    }
}

fn moved(place: &Place, name: &str) -> String {
    let path = super::path::join(&place.directory, name);
    format!("echo {} >&2", quote(&format!("{path} has become something else meanwhile")))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

    use super::*;
    use crate::{
        fact::{Probe, Reply, State, batch},
        module::{Content, FileWrite},
    };

    fn stat(path: &str) -> FileStat {
        let probe = Probe::Stat { path: path.into(), follow: false };
        let state = State::of(batch(std::slice::from_ref(&probe)).into_iter().flat_map(|batch| {
            let output = Command::new("sh").arg("-c").arg(&batch.script).output().unwrap();
            batch.answers(Reply { status: output.status.code(), stdout: &output.stdout, stderr: &output.stderr })
        }));
        state.stat(path, false).unwrap().unwrap().clone()
    }

    /// Runs a script in each shell.
    fn each(script: &str, check: impl Fn(bool, &str)) {
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let mut command = Command::new(shell[0]);
            let output = command.args(&shell[1..]).arg("-c").arg(place::keyed(script.to_owned())).output().unwrap();
            check(output.status.success(), &format!("{shell:?}: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }

    #[test]
    fn what_took_the_place_of_a_thing_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;
        let chmod = |name: &str, before: &FileStat| {
            super::at(&Place::unknown(&at(name)), before, |word| format!("chmod 0601 {word} || exit 1\n"))
        };
        fs::write(at("victim"), "").unwrap();
        fs::create_dir(at("house")).unwrap();
        let victims = (mode("victim"), mode("house"));
        for name in ["file", "d"] {
            match name {
                "d" => fs::create_dir(at(name)).unwrap(),
                _ => fs::write(at(name), "").unwrap(),
            }
            let script = chmod(name, &stat(&at(name)));
            let old = fs::metadata(at(name)).unwrap().permissions();
            each(&script, |done, said| {
                assert!(done, "{said}\n{script}");
                assert_eq!(mode(name), 0o601);
                fs::set_permissions(at(name), old.clone()).unwrap();
            });
            let script = chmod(name, &stat(&at(name)));
            fs::rename(at(name), at(&format!("{name} away"))).unwrap();
            for swap in ["ln -s", "ln"] {
                let target = match (name, swap) {
                    ("d", "ln") => continue,
                    ("d", _) => "house",
                    _ => "victim",
                };
                let made = Command::new("sh").arg("-c").arg(format!("{swap} '{}' '{}'", at(target), at(name))).status();
                assert!(made.unwrap().success());
                each(&script, |done, said| assert!(!done, "{said}"));
                fs::remove_file(at(name)).unwrap();
            }
            assert_eq!((mode("victim"), mode("house")), victims);
        }
        let left = fs::read_dir(dir.path())
            .unwrap()
            .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with(place::SCRATCH));
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn a_second_name_of_another_owners_file_is_refused() {
        let before = FileStat { links: 2, inode: 7, ..FileStat::new(FileKind::File, 0o640, "root", "root") };
        let place = Place { owner: Some(1000), ..Place::unknown("/home/bob/x") };
        let script = super::at(&place, &before, |word| format!("chown bob {word}\n"));
        assert!(script.contains("has other names") && !script.contains("chown"), "{script}");
    }

    #[test]
    fn a_write_replaces_a_link_to_a_directory_and_keeps_lists_and_attributes() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let sh = |script: String| Command::new("sh").arg("-c").arg(script).output().unwrap();
        fs::create_dir(at("house")).unwrap();
        let write = |name: &str| FileWrite::new(&at(name), Content::Bytes(b"new".as_slice().into()));
        each(&write("link").script(), |done, said| {
            assert!(done, "{said}");
            fs::remove_file(at("link")).unwrap();
            std::os::unix::fs::symlink(at("house"), at("link")).unwrap();
        });
        assert_eq!(fs::read_dir(at("house")).unwrap().count(), 0);
        fs::write(at("file"), "old").unwrap();
        if !sh(format!("setfacl -m u:1:rw '{0}' && setfattr -n user.x -v y '{0}'", at("file"))).status.success() {
            eprintln!("no access lists or attributes here: not tested");
            return;
        }
        let told = || sh(format!("getfacl -cp '{0}'; getfattr -d '{0}'", at("file"))).stdout;
        let before = told();
        for guarded in [false, true] {
            let mut write = write("file");
            write.place.guarded = guarded;
            write.replaces = Some(stat(&at("file")));
            each(&write.script(), |done, said| assert!(done, "{said}"));
            assert_eq!(String::from_utf8_lossy(&told()), String::from_utf8_lossy(&before));
            assert_eq!(fs::read(at("file")).unwrap(), b"new");
        }
    }
}
