//! Where a file is written: the directory, entered once, and a folder of our own in it where others can write too.
//!
//! A directory that belongs to another user, or in which anybody may write, can change under a script at any moment:
//! names become links, directories are moved. So nothing is done by a long path there. The shell enters the directory
//! once and goes on by names relative to it; what is made is made in a folder of mode 0700 with a name that nobody can
//! guess, which no one else can enter or move elsewhere; and a rename puts it in its place, whatever stands there.

use super::{Context, path};
use crate::{
    fact::{FileKind, State},
    sh::{self, quote},
};

/// A path that is to be written, and what is known of the directory it stands in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The directory, as an absolute path.
    pub directory: String,
    /// The name in it.
    pub name: String,
    /// The directory's real path when the write was planned, where that is known.
    pub real: Option<String>,
    /// Whether nobody but root and the acting user can put anything into the directory.
    pub guarded: bool,
    /// Who owns the directory, where that is known.
    pub owner: Option<u32>,
}

/// The part of a scratch name in front of its random part.
pub const SCRATCH: &str = ".bringup-";

/// A part of a name that nobody can guess.
pub fn key() -> String {
    format!("{:020x}", rand::random::<u128>() >> 48)
}

/// Gives a script the key for the names it makes. A plan is the same each time; the key is drawn when it is carried out.
pub fn keyed(script: String) -> String {
    if script.contains("$__k") { format!("__k={}\n{script}", key()) } else { script }
}

impl Place {
    /// A place of which nothing is known: a folder of our own is used.
    pub fn unknown(path: &str) -> Place {
        Place { directory: path::parent(path).to_owned(), name: path::name(path).to_owned(), ..Place::default() }
    }

    /// A place, with what is known of the host.
    pub fn of(context: &Context<'_>, state: &State, path: &str) -> Place {
        let own = match context.user {
            "root" => Some(0),
            user => state.user(user).ok().flatten().map(|entry| entry.uid),
        };
        Place::seen_by(own, state, path)
    }

    fn seen_by(own: Option<u32>, state: &State, path: &str) -> Place {
        let directory = path::parent(path);
        Place {
            real: real(state, directory),
            guarded: guarded(own, state, directory),
            owner: state.stat(directory, true).ok().flatten().map(|stat| stat.uid),
            ..Place::unknown(path)
        }
    }

    /// The same, for a write that needs the file's own name while it is checked, or a folder to work in.
    #[must_use]
    pub fn staged(self) -> Place {
        Place { guarded: false, ..self }
    }

    /// POSIX sh that enters the directory, once.
    pub fn enter(&self) -> String {
        let mut script = format!("cd -P -- {} || exit 1\n", quote(&self.directory));
        if let (Some(real), false) = (&self.real, self.guarded) {
            script.push_str(&format!(
                "[ \"$PWD\" = {} ] || {{ echo {} >&2; exit 1; }}\n",
                quote(real),
                quote(&format!("{} leads somewhere else by now", self.directory))
            ));
        }
        script
    }

    /// POSIX sh that enters the directory and gets ready to make a file: `$t` is where it is made, `$p` what it will
    /// replace; `fail` removes it and ends the script, `leave` removes what else was made. Nothing is at `$t` yet.
    ///
    /// It is for [`keyed`], as all scripts here.
    pub fn open(&self) -> String {
        let mut script = self.enter();
        if self.guarded {
            script.push_str(&format!("p={}\n{}", quote(&format!("./{}", self.name)), sh::file!("place/guarded.sh")));
            return script;
        }
        script.push_str(&self.names());
        script.push_str(MAKE);
        script.push_str(into());
        script
    }

    /// The same for what was made by [`Place::folder`].
    pub fn reopen(&self) -> String {
        format!("{}{}{}", self.enter(), self.names(), into())
    }

    /// POSIX sh that makes the folder alone and prints which it is: a line of its inode and device, and its real path.
    pub fn folder(&self) -> String {
        format!("{}{}{MAKE}{}stat -c '%i %d' . && printf %s \"$PWD\"\n", self.enter(), self.names(), into())
    }

    fn names(&self) -> String {
        format!("name={}\n{}", quote(&self.name), sh::file!("place/names.sh"))
    }

    /// POSIX sh that gives what is at `$t` its name if nothing has it yet.
    pub fn close_new(&self) -> String {
        let up = if self.guarded { "\"$p\"" } else { ".." };
        format!("[ -e \"$p\" ] || mv -n -- \"$t\" {up} || fail\nrm -f -- \"$t\"; leave || :\n")
    }

    /// POSIX sh that gives what is at `$t` its name, in place of what has it. A directory stays.
    pub fn close(&self) -> &'static str {
        match self.guarded {
            // A link to a directory would be entered; nobody else can put one there.
            true => {
                "[ ! -d \"$p\" ] || { echo \"$PWD/${p#./} is a directory\" >&2; fail; }\nmv -f -- \"$t\" \"$p\" || fail\n"
            }
            // Moved into the directory above, under its own name: a link there is replaced, never entered.
            // A folder that was taken away meanwhile is empty, and no reason to do again what is done.
            false => "mv -f -- \"$t\" .. || fail\nleave || :\n",
        }
    }
}

/// Makes the folder `$s`: by us, or not at all.
pub(super) const MAKE: &str = "umask 077; mkdir -m 700 \"./$s\" || exit 1\n";

/// Enters the folder `$s`, and makes sure that it is ours and stands where it was made.
pub(super) fn into() -> &'static str {
    sh::file!("place/into.sh")
}

/// Where a directory really is or will be, if it is no link itself.
fn real(state: &State, directory: &str) -> Option<String> {
    if directory == "/" {
        return Some("/".to_owned());
    }
    let above = match state.stat(directory, false).ok()? {
        Some(stat) if stat.kind != FileKind::Directory => return None,
        Some(stat) if !stat.real_parent.is_empty() => stat.real_parent.clone(),
        // Made by a change before, or foreseen only: a directory, where the one above it leads.
        _ => real(state, path::parent(directory))?,
    };
    Some(path::join(&above, path::name(directory)))
}

/// Whether only root and the acting user can write in a directory and in all above it, as far as that was read.
///
/// In a directory with the sticky bit others cannot move what is not theirs, so it does no harm above.
fn guarded(own: Option<u32>, state: &State, directory: &str) -> bool {
    let mut directory = directory.to_owned();
    'links: for _ in 0..8 {
        let ends = directory.char_indices().skip(1).filter(|(_, c)| *c == '/').map(|(at, _)| at);
        for end in ends.chain([directory.len()]).collect::<Vec<_>>() {
            let path = &directory[..end];
            if path == "/" {
                continue;
            }
            let Ok(Some(stat)) = state.stat(path, false) else { return false };
            if stat.uid != 0 && Some(stat.uid) != own {
                return false;
            }
            match stat.kind {
                FileKind::Link => {
                    directory =
                        path::join(&path::resolve(path, &stat.target), directory[end..].trim_start_matches('/'));
                    continue 'links;
                }
                FileKind::Directory => {}
                _ => return false,
            }
            let sticky = stat.permissions() & 0o1000 != 0 && end < directory.len();
            if stat.permissions() & 0o022 != 0 && !sticky {
                return false;
            }
        }
        return true;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Answer, FileStat};

    #[test]
    fn a_directory_that_is_made_before_has_a_real_path_too() {
        let known = |kind, real: &str| {
            let stat = FileStat { real_parent: real.to_owned(), ..FileStat::new(kind, 0o755, "alice", "alice") };
            Answer::Stat(Some(stat))
        };
        let state = State::of([
            (path::stat("/home/alice"), known(FileKind::Directory, "/data")),
            (path::stat("/home/alice/new"), known(FileKind::Directory, "")),
            (path::stat("/home/alice/new/in"), Answer::Stat(None)),
            (path::stat("/home/alice/link"), known(FileKind::Link, "")),
            (path::stat("/home/alice/link/in"), known(FileKind::Directory, "")),
        ]);
        assert_eq!(real(&state, "/home/alice/new/in").as_deref(), Some("/data/alice/new/in"));
        assert_eq!(real(&state, "/home/alice/link/in"), None);
        let place = Place::seen_by(None, &state, "/home/alice/new/in/deep");
        assert!(place.enter().contains("leads somewhere else"), "{}", place.enter());
    }
}
