//! How an archive is unpacked: into a new directory that nobody else may enter, and from there into its place, name by name.
//!
//! Whoever made the archive, and whoever owns the directory it goes to, may try to lead a `chown` or a write elsewhere by links. In
//! the new directory there is nothing but what the archive brought, and no one who could change it: owner and mode are set there.
//! Then each name is moved, and no link is followed on the way: one that stands where the archive has a directory gives way to it.

use crate::{
    fact::FileStat,
    module::{
        Failure, Mode,
        archive::{Kind, Member, Selection},
        ownership::Attributes,
    },
    sh::{self, quote},
};

/// What the script prints where nothing was to be changed.
pub(super) const SAME: &str = "bringup: same\n";

/// The parameters that select, as plain texts.
pub(super) struct Lists {
    pub(super) extra: Vec<String>,
    pub(super) exclude: Vec<String>,
    pub(super) include: Vec<String>,
}

/// One unpacking.
pub(super) struct Staging<'a> {
    /// Where to.
    pub(super) dest: &'a str,
    /// What of the archive.
    pub(super) selection: Selection<'a>,
    /// Owner, group and mode of everything.
    pub(super) attributes: Attributes<'a>,
    /// The directories that the archive names, with a slash at their ends, as far as they are there already; `None` where nobody knows.
    pub(super) directories: Option<Vec<String>>,
    /// Whether devices were asked for.
    pub(super) devices: bool,
    /// Whether files that are newer stay.
    pub(super) keep_newer: bool,
    /// Whether it is not known yet that anything differs.
    pub(super) compare: bool,
}

impl Staging<'_> {
    /// Refuses a device of the archive that nobody has asked for by name.
    pub(super) fn refuse_device(&self, member: &Member) -> Result<(), Failure> {
        if !member.device || self.devices {
            return Ok(());
        }
        let why = format!("the archive holds the device `{}`", member.name);
        let help = "devices are made only where `include` names them, and can be left out with `exclude`";
        Err(Failure::new(why).help(help))
    }

    /// Whether what is there stays whatever it is.
    pub(super) fn kept(&self, stat: Option<&FileStat>) -> bool {
        stat.is_some() && self.keeps()
    }

    fn keeps(&self) -> bool {
        match self.selection.kind {
            Kind::Zip => self.selection.has(&[], 'n'),
            Kind::Tar(_) => self.selection.has(&["--skip-old-files", "--keep-old-files"], 'k'),
        }
    }

    /// Whether programs that run as their owner were asked for.
    pub(super) fn set_id(&self) -> bool {
        match self.selection.kind {
            Kind::Zip => self.selection.has(&[], 'K'),
            Kind::Tar(_) => self.selection.has(&["--preserve-permissions", "--same-permissions"], 'p'),
        }
    }

    /// The script: `fetch` may bring the archive, whose path is a shell word, into `$s`.
    pub(super) fn script(&self, fetch: &str, archive: &str) -> String {
        let follow = self.follows();
        let newer = self.keep_newer || (self.selection.kind == Kind::Zip && self.selection.has(&[], 'u'));
        let stays = match (self.keeps(), newer) {
            (true, _) => "[ -e \"$n\" ] || [ -L \"$n\" ]",
            (false, true) => "[ -e \"$n\" ] && [ ! \"$f\" -nt \"$n\" ]",
            (false, false) => "false",
        };
        let mut script = self.selection.kind.needs();
        script.push_str(&format!("export LC_ALL=C\ncd -P -- {} && r=$(env pwd -P) || exit 1\n", quote(self.dest)));
        script.push_str(sh::file!("place.sh"));
        script.push_str(&format!("{fetch}( {} ) || exit 1\n", self.selection.unpack(archive).trim_end()));
        script.push_str(&self.checked());
        script.push_str(&self.owned(archive));
        script.push_str(sh::file!("move.sh"));
        script.push_str(&format!(
            "stays() {{ {stays}; }}\nlinked() {{ {}; }}\n",
            if follow { "[ -d \"$n\" ]" } else { "false" }
        ));
        script.push_str(&format!("there() {{ {}; }}\n", if follow { ":" } else { "[ \"$(env pwd -P)\" = \"$1\" ]" }));
        let go = |what: &str| {
            format!(
                "( cd -P -- \"$r\" && [ \"$(env pwd -P)\" = \"$r\" ] && own '' && each \"$s/new\" \"$r\" '' {what} )"
            )
        };
        if self.compare {
            script.push_str(&format!(
                "a={} t=1; {}\ncase $? in 0) printf '{}\\n'; exit 0 ;; 7) ;; *) exit 1 ;; esac\n",
                quote(&self.told()),
                go("look"),
                SAME.trim_end()
            ));
        }
        script.push_str(&format!("t=; {} || exit 1\n", go("put")));
        script
    }

    /// Whether links to directories that are there stand for these.
    pub(super) fn follows(&self) -> bool {
        self.selection.extra.iter().any(|o| o == "--keep-directory-symlink")
    }

    /// Shell that refuses what was not asked for in the new directory.
    fn checked(&self) -> String {
        let mut script = String::new();
        if !self.devices {
            script.push_str(
                "o=$(find . \\( -type b -o -type c \\) -print | head -n 1)\n\
                 [ -z \"$o\" ] || { echo \"the archive holds the device ${o#./}: name it in include, or leave it out with exclude\" >&2; exit 1; }\n",
            );
        }
        if !self.set_id() {
            script.push_str("find . -type f \\( -perm -4000 -o -perm -2000 \\) -exec chmod ug-s -- {} + || exit 1\n");
        }
        // A name of a file elsewhere would get the owner and mode that are meant for the archive's.
        script.push_str(
            "find . -type f -links +1 -exec stat -c '%d:%i %h' -- {} + | sort | uniq -c | while read -r o i l; do [ \"$o\" = \"$l\" ] || exit 1; done ||\n\
             { echo 'the archive holds another name of a file that lies outside of it' >&2; exit 1; }\n",
        );
        script
    }

    /// Shell that sets owner, group and mode of all that is new, and makes the function `own NAME` for a directory that was there: it
    /// gets them too where the archive names it itself. One above that is only on the way may be anybody's.
    fn owned(&self, archive: &str) -> String {
        let Attributes { owner, group, mode } = self.attributes;
        let chown = match (owner, group) {
            (Some(owner), Some(group)) => Some(format!("chown -h -- {}:{}", quote(owner), quote(group))),
            (Some(owner), None) => Some(format!("chown -h -- {}", quote(owner))),
            (None, Some(group)) => Some(format!("chgrp -h -- {}", quote(group))),
            (None, None) => None,
        };
        let chmod = match mode {
            Some(Mode::Bits(bits)) => Some(format!("chmod -- {bits:04o}")),
            Some(Mode::Symbolic(text)) => Some(format!("chmod -- {}", quote(text))),
            _ => None,
        };
        let mut script = String::new();
        if let Some(chown) = &chown {
            script.push_str(&format!("find . -mindepth 1 -exec {chown} {{}} + || exit 1\n"));
        }
        if let Some(chmod) = &chmod {
            script.push_str(&format!("find . -depth -mindepth 1 ! -type l -exec {chmod} {{}} + || exit 1\n"));
        }
        if chown.is_none() && chmod.is_none() {
            return script + "own() { :; }\n";
        }
        let named = match &self.directories {
            Some(names) if names.is_empty() => "false".to_owned(),
            Some(names) => {
                let names: Vec<_> = names.iter().map(|n| quote(n).into_owned()).collect();
                format!("case $1 in {}) ;; *) false ;; esac", names.join("|"))
            }
            None => {
                script.push_str(&format!(
                    "( {} ) | sed 's,^\\./,,' >\"$s/names\"\n",
                    self.selection.names(archive).trim_end()
                ));
                "grep -qxF -e \"$1\" -- \"$s/names\"".to_owned()
            }
        };
        let set: Vec<String> = [chown, chmod].into_iter().flatten().map(|command| format!("{command} .")).collect();
        script.push_str(&format!(
            "own() {{\n{named} || return 0\nb=$(stat -c '%u %g %a' .)\n{} || exit 1\n\
             [ -z \"$t\" ] || [ \"$b\" = \"$(stat -c '%u %g %a' .)\" ] || exit 7\n}}\n",
            set.join(" && ")
        ));
        script
    }

    /// What of a member's attributes is compared.
    fn told(&self) -> String {
        let Attributes { owner, group, mode } = self.attributes;
        let fields = [owner.map(|_| "%u"), group.map(|_| "%g"), mode.map(|_| "%a")];
        fields.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}
