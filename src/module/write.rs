//! Putting a file in its place: all of it, with owner and mode, or nothing.

use super::{Content, Ownership, Place, path};
use crate::{
    fact::{FileKind, FileStat},
    sh::{self, print, quote},
};

/// A file to be written.
///
/// The content is made under another name in the directory, where nobody else can reach it, gets owner and mode there,
/// and is on the disk before it is renamed: nobody ever sees half a file, and no link is followed. Of an existing file
/// owner, group and mode are kept where [`Ownership`] does not name them, access lists and extended attributes always.
#[derive(Clone, Debug)]
pub struct FileWrite {
    /// The absolute path; a link there is followed by the module that plans, not by the script.
    pub path: String,
    /// The bytes.
    pub content: Content,
    /// Owner, group, mode of the new file.
    pub ownership: Ownership,
    /// Numbers of the named owner and group, where they are known.
    pub ids: (Option<u32>, Option<u32>),
    /// Mode of a file that is new and for which none is named; Ansible's is 0666 less the umask.
    pub new_mode: u32,
    /// The regular file that gives way.
    pub replaces: Option<FileStat>,
    /// Keep the old file under this path, in the same directory.
    pub backup: Option<String>,
    /// A command that checks the new file before it takes its place; `%s` is the temporary file.
    pub validate: Option<String>,
    /// The directory and what is known of it.
    pub place: Place,
    /// Write into the file that is there, where it cannot be replaced.
    pub in_place: bool,
}

/// A write in parts, for several of which the host's disk is asked to be up to date once. Each runs in a shell of its own.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The path that is written.
    pub path: String,
    /// Makes the file, complete, under another name.
    pub stage: String,
    /// Where it is.
    pub directory: String,
    /// Gives it its name, in one command.
    pub commit: String,
    /// Takes it away instead.
    pub undo: String,
}

impl FileWrite {
    /// A new file with a content; more is set by its fields.
    pub fn new(path: &str, content: Content) -> FileWrite {
        FileWrite {
            path: path.to_owned(),
            content,
            ownership: Ownership::default(),
            ids: (None, None),
            new_mode: 0o644,
            replaces: None,
            backup: None,
            validate: None,
            place: Place::unknown(path),
            in_place: false,
        }
    }

    /// The script that writes a content which it carries itself. It is for [`keyed`](super::place::keyed), as the others.
    pub fn script(&self) -> String {
        let whole = format!("{}{}{}", self.staged(), self.sync(), self.placed().close());
        match self.in_place && self.kept().is_some() {
            true => format!("( {whole}) && exit 0\n{}", self.direct()),
            false => whole,
        }
    }

    /// Writes into the file itself, which half of it may be seen of. Where others can write in the directory it is left alone.
    fn direct(&self) -> String {
        if !self.place.guarded {
            let why = format!("others can write above {}: it is not written in place", self.path);
            return format!("echo {} >&2; exit 1\n", quote(&why));
        }
        let bytes: &[u8] = match &self.content {
            Content::Bytes(bytes) => bytes,
            Content::File { .. } => return "exit 1\n".to_owned(),
        };
        let attributes = self.attributes().replace("|| fail", "|| exit 1").replace("\"$t\"", "\"$p\"");
        format!(
            "echo 'it cannot be replaced and is written in place' >&2\np={}\n[ -f \"$p\" ] && [ ! -L \"$p\" ] || exit 1\n\
             {} >\"$p\" || exit 1\nset -- $(stat -c '%s %a %u %g' -- \"$p\")\n{attributes}",
            quote(&self.path),
            print(bytes),
        )
    }

    /// The same in parts.
    pub fn parts(&self) -> Parts {
        let (place, key) = (self.placed(), super::place::key());
        let at = |name: &str| quote(&path::join(&place.directory, name)).into_owned();
        let (commit, undo) = match place.guarded {
            true => {
                let (made, path) = (at(&format!("{}{key}", super::place::SCRATCH)), at(&place.name));
                let full = quote(&format!("{} is a directory", self.path)).into_owned();
                (
                    format!("{{ [ ! -d {path} ] || {{ echo {full} >&2; false; }}; }} && mv -f -- {made} {path}"),
                    format!("rm -f -- {made}"),
                )
            }
            false => {
                let open = format!("__k={key}\n{}", place.reopen());
                (format!("( {open}{})", place.close()), format!("( {open}rm -f -- \"$t\"; leave\n)"))
            }
        };
        Parts {
            path: self.path.clone(),
            stage: format!("__k={key}\n{}", self.staged()),
            directory: place.directory,
            commit,
            undo,
        }
    }

    /// The script that makes the file under another name.
    pub fn staged(&self) -> String {
        let place = self.placed();
        let bytes: &[u8] = match &self.content {
            Content::Bytes(bytes) => bytes,
            Content::File { .. } => &[],
        };
        let umask = self.umask(&place);
        format!(
            "{}umask {umask:03o}; set -C; {} >\"$t\" || fail\nset +C; umask 077\n{}",
            place.open(),
            print(bytes),
            self.dressed(&place, Some(self.content.size()))
        )
    }

    /// The script for a content that commands of the host make: `cp`, `curl`, `tar`.
    ///
    /// They run in a folder that is nobody else's, with umask 077, and write `"$t"`, which is not there yet; `"$p"` is
    /// what they will replace, and `fail` ends the script behind a message of theirs. To end it with nothing to be
    /// written they call `leave` behind `rm -f -- "$t"`. Only `"$t"` may be left in the folder. `size` is how long the
    /// file must be, where that is known; the content of `self` is not looked at.
    pub fn made_by(&self, commands: &str, size: Option<u64>) -> String {
        let place = self.place.clone().staged();
        format!(
            "{}umask 077\n{}[ -f \"$t\" ] && [ ! -L \"$t\" ] || {{ echo 'no file came of it' >&2; fail; }}\n{}{}{}",
            place.open(),
            ended(commands),
            self.dressed(&place, size),
            self.sync(),
            place.close()
        )
    }

    /// A condition for the commands of [`made_by`](FileWrite::made_by): whether what they made is in the file already.
    ///
    /// Where others could put a pipe in its place, which would never end, the file gets a second name first, in our folder.
    /// Where it cannot have one the answer is no.
    pub fn same(&self) -> &'static str {
        match (self.kept(), self.place.guarded) {
            (None, _) => "false",
            (Some(_), true) => "cmp -s -- \"$t\" \"$p\"",
            (Some(_), false) => {
                "{ ln -- \"$p\" ./.bringup-same && [ -f ./.bringup-same ] && [ ! -L ./.bringup-same ] && \
                 cmp -s -- \"$t\" ./.bringup-same; x=$?; rm -f -- ./.bringup-same; [ $x = 0 ]; } 2>/dev/null"
            }
        }
    }

    /// The script that makes the folder an upload goes to, and prints which it is: a line of inode and device, and its path.
    pub fn folder(&self) -> String {
        self.place.clone().staged().folder()
    }

    /// The script behind an upload that failed, which is to have the same key: nothing is left.
    pub fn given_up(&self) -> String {
        format!("{}rm -f -- \"$t\"; leave\n", self.place.clone().staged().reopen())
    }

    /// The script behind the upload, which is to have the same key.
    pub fn received(&self) -> String {
        let place = self.place.clone().staged();
        let dressed = self.dressed(&place, Some(self.content.size()));
        format!("{}umask 077\n{dressed}{}{}", place.reopen(), self.sync(), place.close())
    }

    /// Puts the file on the disk. Where the host's `sync` takes no names it puts everything there.
    fn sync(&self) -> &'static str {
        match self.mode() & 0o600 {
            // Not even its owner may open it.
            0 => "sync -f . 2>/dev/null || sync || fail\n",
            _ => "sync -- \"$t\" || fail\n",
        }
    }

    /// A link gives way only to a rename that does not look where it leads, and a checker may want the file's own name.
    fn placed(&self) -> Place {
        let place = self.place.clone();
        if self.validate.is_some() || self.replaces.as_ref().is_some_and(|s| s.kind != FileKind::File) {
            return place.staged();
        }
        place
    }

    /// The umask that gives a new file its mode at once, where nobody gets to read it who must not.
    fn umask(&self, place: &Place) -> u32 {
        let mode = self.mode();
        // Until it has its group, members of the acting user's could read it.
        let group = self.ownership.group.is_some() && (mode >> 3) & 0o7 != mode & 0o7;
        match self.kept().is_some() || (place.guarded && group) {
            true => 0o077,
            // Who writes it must be able to open it until then.
            false => !mode & 0o177,
        }
    }

    /// The mode it will have.
    fn mode(&self) -> u32 {
        let kept = || self.kept().map_or(self.new_mode, FileStat::permissions);
        self.ownership.mode.unwrap_or_else(kept)
    }

    fn kept(&self) -> Option<&FileStat> {
        self.replaces.as_ref().filter(|s| s.kind == FileKind::File)
    }

    /// Gives the file all but its name. A process is spent only on what is not as it must be already.
    fn dressed(&self, place: &Place, size: Option<u64>) -> String {
        let mut script = String::new();
        if let Some(kept) = self.kept() {
            script.push_str(&keep(kept));
            if !place.guarded {
                // `cp` was told a name that others can exchange, and not every `cp` leaves a file alone for what is none.
                script.push_str("[ -f \"$t\" ] && [ ! -L \"$t\" ] || fail\n");
            }
        }
        let dot = if place.guarded { "" } else { " ." };
        script.push_str(&format!("set -- $(stat -c '%s %a %u %g' -- \"$t\"{dot})\n"));
        if let Some(size) = size {
            script.push_str(&format!(
                "[ \"$1\" = {size} ] || {{ echo 'the file did not arrive whole: is the disk full?' >&2; fail; }}\n"
            ));
        }
        if !place.guarded {
            script.push_str("case $6 in 700|2700) ;; *) echo \"others can write in $PWD\" >&2; fail ;; esac\n");
        }
        if let Some(kept) = self.kept().filter(|s| s.inode != 0) {
            let (FileStat { uid, gid, .. }, mode) = (kept, kept.permissions());
            // Who is not root and replaces another's file cannot give it to that one: it is theirs then.
            script.push_str(&format!(
                "[ \"$2 $3 $4\" = '{mode:o} {uid} {gid}' ] || {{ u=$(id -u); [ \"$u\" != 0 ] && [ \"$u\" != {uid} ] && [ \"$2 $3\" = \"{mode:o} $u\" ]; }} || \
                 {{ echo {} >&2; fail; }}\n",
                quote(&format!("{} has become another file meanwhile", self.path))
            ));
        }
        script.push_str(&self.attributes());
        if let Some(validate) = &self.validate {
            let command = validate.replace("%s", "\"$v\"");
            // Checkers may take a relative name for one below a directory of theirs.
            script.push_str(&format!(
                "v=$PWD/${{t#./}}; ( cd / && {command} ) </dev/null || {{ echo 'the new file was refused by: '{} >&2; fail; }}\n",
                quote(validate)
            ));
        }
        if let Some(backup) = &self.backup {
            let copy = match &self.replaces {
                // Other names lead to it too, which will be written on.
                Some(stat) if stat.links > 1 => "",
                _ => "ln -- \"$p\" \"$b\" 2>/dev/null || ",
            };
            let up = if place.guarded { "" } else { "mv -f -- \"$b\" .. || fail; b=\n" };
            script.push_str(&format!(
                "b={}; if [ -e \"$p\" ]; then {copy}cp -a -- \"$p\" \"$b\" || fail\n{up}fi\n",
                quote(&format!("./{}", path::name(backup)))
            ));
        }
        script
    }

    /// Owner before mode: `chown` drops set-uid bits.
    fn attributes(&self) -> String {
        let Ownership { owner, group, .. } = &self.ownership;
        let known = |name: &Option<String>, id: Option<u32>| match name.as_deref() {
            Some("root") => Some(0),
            Some(name) => name.parse().ok().or(id),
            None => None,
        };
        let (uid, gid) = (known(owner, self.ids.0), known(group, self.ids.1));
        let mut script = String::new();
        let is =
            |now: &str, wanted: Option<u32>| wanted.map_or(String::new(), |id| format!("[ \"{now}\" = {id} ] || "));
        let chown = match (owner, group) {
            (Some(owner), Some(group)) => {
                let same = match (uid, gid) {
                    (Some(uid), Some(gid)) => format!("[ \"$3:$4\" = {uid}:{gid} ] || "),
                    _ => String::new(),
                };
                Some((same, format!("chown -- {}:{}", quote(owner), quote(group))))
            }
            (Some(owner), None) => Some((is("$3", uid), format!("chown -- {}", quote(owner)))),
            (None, Some(group)) => Some((is("$4", gid), format!("chgrp -- {}", quote(group)))),
            (None, None) => None,
        };
        let mode = self.mode();
        let lost = chown.is_some() && mode & 0o6000 != 0;
        if let Some((same, chown)) = chown {
            script.push_str(&format!("{same}{chown} \"$t\" || fail\n"));
        }
        let same = if lost { String::new() } else { format!("[ \"$2\" = {mode:o} ] || ") };
        script.push_str(&format!("{same}chmod {mode:04o} -- \"$t\" || fail\n"));
        script
    }
}

/// Gives `$t` owner, group, mode, access lists and extended attributes of `$p`.
///
/// One process where the host's `cp` can do it. Otherwise what can be seen of lists and attributes is carried over by
/// the tools for them; where that fails the write fails, for they would be lost.
fn keep(kept: &FileStat) -> String {
    let (owner, group) = match kept.inode {
        // Foreseen by a task before, which knows the names for sure.
        0 => (kept.owner.clone(), kept.group.clone()),
        _ => (kept.uid.to_string(), kept.gid.to_string()),
    };
    let owner = quote(&format!("{owner}:{group}")).into_owned();
    format!("own={owner} mode={:04o}\n{}", kept.permissions(), sh::file!("write/keep.sh"))
}

/// Commands with a line end behind them.
fn ended(commands: &str) -> String {
    format!("{}\n", commands.trim_end_matches('\n'))
}
