//! `ansible.builtin.stat`: what is at a path.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/stat_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Algorithm, Answer, Describer, FileKind, FileStat, Missing, Probe, State},
    module::{
        Context, Described, Failure, Flag, Module, ParameterError, Plan, PlanError, Return, Returns, Text,
        ownership::octal, path,
    },
    playbook::About,
};

/// Parameters of `stat`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stat {
    /// The path to look at.
    #[serde(alias = "dest", alias = "name")]
    #[schemars(extend("x-aliases" = ["dest", "name"]))]
    path: Text,
    /// Whether a link stands for its target.
    #[serde(default)]
    follow: Flag,
    /// Whether to compute the file's checksum.
    #[serde(default = "Flag::yes")]
    get_checksum: Flag,
    /// Which checksum: `md5`, `sha1`, `sha224`, `sha256`, `sha384` or `sha512`.
    #[serde(default = "sha1", alias = "checksum", alias = "checksum_algo")]
    #[schemars(extend("x-aliases" = ["checksum", "checksum_algo"]))]
    checksum_algorithm: Text,
    /// Ask `file` for type and encoding, where the host has it.
    #[serde(default = "Flag::yes", alias = "mime", alias = "mime_type", alias = "mime-type")]
    #[schemars(extend("x-aliases" = ["mime", "mime_type", "mime-type"]))]
    get_mime: Flag,
    /// Ask `lsattr` for attributes, where the host has it.
    #[serde(default = "Flag::yes", alias = "attr", alias = "attributes")]
    #[schemars(extend("x-aliases" = ["attr", "attributes"]))]
    get_attributes: Flag,
}

fn sha1() -> Text {
    Text("sha1".to_owned())
}

impl Described for Stat {
    const NAME: &'static str = "ansible.builtin.stat";
    const ABOUT: About = About::TELLS;
    const SUMMARY: &'static str = "Tells what is at a path";
    const EXAMPLES: &'static str = "\
- name: is it initialised
  ansible.builtin.stat:
    path: /var/lib/example/ready
  register: ready

- name: initialise it
  ansible.builtin.command: /usr/bin/initialise
  when: not ready.stat.exists
";
    const RETURNS: Returns = &[&[
        Return::map("stat", "always", "What is at the path"),
        Return::flag("stat.exists", "always", "Whether there is anything; nothing else is told where there is not"),
        Return::text("stat.path", "when it exists", "The path"),
        Return::text("stat.mode", "when it exists", "The permissions as octal digits"),
        Return::flag("stat.isreg", "when it exists", "Whether it is a file"),
        Return::flag("stat.isdir", "when it exists", "Whether it is a directory"),
        Return::flag("stat.islnk", "when it exists", "Whether it is a symbolic link"),
        Return::flag("stat.isfifo", "when it exists", "Whether it is a named pipe"),
        Return::flag("stat.issock", "when it exists", "Whether it is a socket"),
        Return::flag("stat.ischr", "when it exists", "Whether it is a character device"),
        Return::flag("stat.isblk", "when it exists", "Whether it is a block device"),
        Return::whole("stat.uid", "when it exists", "The owner's number"),
        Return::whole("stat.gid", "when it exists", "The group's number"),
        Return::text("stat.pw_name", "when it exists", "The owner's name"),
        Return::text("stat.gr_name", "when it exists", "The group's name"),
        Return::whole("stat.size", "when it exists", "The length in bytes"),
        Return::whole("stat.inode", "when it exists", "The number of the inode"),
        Return::whole("stat.dev", "when it exists", "The number of the device it is on"),
        Return::whole("stat.nlink", "when it exists", "How many names it has"),
        Return::number("stat.atime", "when it exists", "When it was read last, in seconds since 1970"),
        Return::number("stat.mtime", "when it exists", "When it was written last"),
        Return::number("stat.ctime", "when it exists", "When anything about it changed last"),
        Return::flag(
            "stat.{bit}",
            "when it exists",
            "The permissions one by one: `rusr`, `wusr`, `xusr`, `rgrp`, `wgrp`, `xgrp`, `roth`, `woth`, `xoth`, `isuid`, `isgid`",
        ),
        Return::flag("stat.readable", "when it exists", "Whether the task's user may read it"),
        Return::flag("stat.writeable", "when it exists", "Whether the task's user may write it"),
        Return::flag("stat.executable", "when it exists", "Whether the task's user may execute it"),
        Return::text("stat.lnk_target", "of a link", "Where it points, as it says so"),
        Return::text("stat.lnk_source", "of a link", "Where it points, from the root"),
        Return::text("stat.checksum", "with `get_checksum`, of a file that can be read", "The checksum"),
        Return::text("stat.mimetype", "with `get_mime`", "The type, as `file` tells it"),
        Return::text("stat.charset", "with `get_mime`", "The encoding, as `file` tells it"),
        Return::text(
            "stat.version",
            "with `get_attributes`, where the host has `lsattr`",
            "The version, as `lsattr` tells it",
        ),
        Return::text(
            "stat.attr_flags",
            "with `get_attributes`, where the host has `lsattr`",
            "The attributes as letters",
        ),
        Return::list(
            "stat.attributes",
            "with `get_attributes`, where the host has `lsattr`",
            "The attributes as words",
        ),
        Return::text("path", "when it cannot be looked at", "The path"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        match Algorithm::parse(&self.checksum_algorithm.0) {
            Some(_) => Ok(()),
            None => Err(ParameterError::new("checksum_algorithm", format!("`{}` is none", self.checksum_algorithm.0))
                .help("it may be md5, sha1, sha224, sha256, sha384 or sha512")),
        }
    }
}

impl Stat {
    fn algorithm(&self) -> Algorithm {
        Algorithm::parse(&self.checksum_algorithm.0).unwrap_or(Algorithm::Sha1)
    }

    fn probes(&self, path: &str, context: &Context<'_>) -> Vec<Probe> {
        let mut probes = vec![Probe::Stat { path: path.to_owned(), follow: self.follow.0 }];
        if self.get_checksum.0 {
            probes.push(Probe::Checksum { path: path.to_owned(), algorithm: self.algorithm() });
        }
        if context.user != "root" {
            probes.push(Probe::User { name: context.user.to_owned() });
        }
        probes.extend(self.get_mime.0.then(|| self.mime(path)));
        probes.extend(self.get_attributes.0.then(|| attributes(path)));
        probes
    }

    fn mime(&self, path: &str) -> Probe {
        Probe::Described { path: path.to_owned(), by: Describer::Mime { follow: self.follow.0 } }
    }
}

fn attributes(path: &str) -> Probe {
    Probe::Described { path: path.to_owned(), by: Describer::Attributes }
}

impl Module for Stat {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        match path::absolute(context, state, &self.path.0) {
            Ok(path) => self.probes(&path, context),
            Err(missing) => super::copy::unread(missing),
        }
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let path = path::absolute(context, state, &self.path.0)?;
        let probe = Probe::Stat { path: path.clone(), follow: self.follow.0 };
        if !context.check && state.get(&probe).is_ok() && !state.was_read(&probe) {
            // Times, inode and the like of what an earlier task left cannot be foreseen.
            // By the name that the earlier task knew it by: an answer to another one would not replace what was foreseen.
            return Err(Missing::Unread(Box::new(state.asked_as(probe))).into());
        }
        if let Answer::Nowhere(why) = state.get(&probe)? {
            return Err(Failure::new(why.as_str()).with("path", path).into());
        }
        let found = match state.stat(&path, self.follow.0)? {
            None => Map::from_iter([("exists".to_owned(), json!(false))]),
            Some(stat) => self.found(context, state, &path, stat)?,
        };
        Ok(Plan::ok(Map::from_iter([("stat".to_owned(), Json::Object(found))])))
    }
}

impl Stat {
    fn found(
        &self,
        context: &Context<'_>,
        state: &State,
        path: &str,
        stat: &FileStat,
    ) -> Result<Map<String, Json>, PlanError> {
        let mut found = fields(path, stat);
        // Who may use a link is what it leads to's affair.
        let used = match state.stat(path, true) {
            _ if stat.kind != FileKind::Link => Some(stat),
            Err(Missing::Failed(_)) => None,
            used => used?,
        };
        let (readable, writeable, executable) = used.map_or((false, false, false), |stat| access(context, state, stat));
        found.insert("readable".into(), json!(readable));
        found.insert("writeable".into(), json!(writeable));
        found.insert("executable".into(), json!(executable));
        if stat.kind == FileKind::Link {
            found.insert("lnk_target".into(), json!(stat.target));
            found.insert("lnk_source".into(), json!(path::resolve(path, &stat.target)));
        }
        if self.get_checksum.0 && stat.kind == FileKind::File {
            match state.checksum(path, self.algorithm()) {
                // As with Ansible a file that may not be read has none.
                Err(Missing::Failed(why)) if why.ends_with("Permission denied") => {}
                sum => drop(sum?.map(|sum| found.insert("checksum".into(), json!(sum)))),
            }
        }
        if self.get_mime.0 {
            let answer = told(state, &self.mime(path))?;
            let (kind, charset) = answer.trim().split_once("; charset=").unwrap_or(("unknown", "unknown"));
            found.insert("mimetype".into(), json!(kind));
            found.insert("charset".into(), json!(charset));
        }
        if self.get_attributes.0 {
            let answer = told(state, &attributes(path))?;
            let mut words = answer.split_whitespace();
            // Where `lsattr` is missing, or the file system knows of no attributes, there are none to tell.
            if let (Some(version), Some(flags)) = (words.next(), words.next()) {
                let flags = flags.replace('-', "");
                found.insert("version".into(), json!(version));
                found.insert("attributes".into(), json!(flags.chars().map(attribute).collect::<Vec<_>>()));
                found.insert("attr_flags".into(), json!(flags));
            }
        }
        Ok(found)
    }
}

/// What a program says about the path; nothing where an earlier task, not carried out, may have changed it.
fn told(state: &State, probe: &Probe) -> Result<String, Missing> {
    match state.script(probe) {
        Err(missing @ Missing::Unread(_)) => Err(missing),
        Err(_) => Ok(String::new()),
        Ok(answer) => Ok(answer.text()),
    }
}

/// The fields that need nothing but `stat`.
pub(super) fn fields(path: &str, stat: &FileStat) -> Map<String, Json> {
    let kind = stat.raw_mode & 0o170_000;
    let mut stamps = stat.stamps.split('|');
    let mut found = Map::from_iter([
        ("exists".to_owned(), json!(true)),
        ("path".to_owned(), json!(path)),
        ("mode".to_owned(), json!(octal(stat.permissions()))),
        ("isdir".to_owned(), json!(stat.kind == FileKind::Directory)),
        ("ischr".to_owned(), json!(kind == 0o020_000)),
        ("isblk".to_owned(), json!(kind == 0o060_000)),
        ("isreg".to_owned(), json!(stat.kind == FileKind::File)),
        ("isfifo".to_owned(), json!(kind == 0o010_000)),
        ("islnk".to_owned(), json!(stat.kind == FileKind::Link)),
        ("issock".to_owned(), json!(kind == 0o140_000)),
        ("uid".to_owned(), json!(stat.uid)),
        ("gid".to_owned(), json!(stat.gid)),
        ("pw_name".to_owned(), json!(stat.owner)),
        ("gr_name".to_owned(), json!(stat.group)),
        ("size".to_owned(), json!(stat.size)),
        ("inode".to_owned(), json!(stat.inode)),
        ("dev".to_owned(), json!(stat.device)),
        ("nlink".to_owned(), json!(stat.links)),
        ("atime".to_owned(), json!(exact(stat.atime, Some(&stat.accessed)))),
        ("mtime".to_owned(), json!(exact(stat.mtime, stamps.next()))),
        ("ctime".to_owned(), json!(exact(stat.ctime, stamps.next()))),
    ]);
    let bits = [
        ("wusr", 0o200),
        ("rusr", 0o400),
        ("xusr", 0o100),
        ("wgrp", 0o020),
        ("rgrp", 0o040),
        ("xgrp", 0o010),
        ("woth", 0o002),
        ("roth", 0o004),
        ("xoth", 0o001),
        ("isuid", 0o4000),
        ("isgid", 0o2000),
    ];
    found.extend(bits.map(|(name, bit)| (name.to_owned(), json!(stat.raw_mode & bit != 0))));
    found
}

/// A time with the fraction of a second that its words tell: `2026-01-31 09:00:00.123456789 +0000`.
fn exact(seconds: i64, words: Option<&str>) -> f64 {
    let fraction = words.and_then(|words| words.split_once('.')).map(|(_, rest)| rest);
    let digits = fraction.map(|rest| rest.split(' ').next().unwrap_or_default());
    let fraction = digits.and_then(|digits| format!("0.{digits}").parse::<f64>().ok()).unwrap_or_default();
    seconds as f64 + fraction
}

/// Whether the task's user may read, write and execute the path.
fn access(context: &Context<'_>, state: &State, stat: &FileStat) -> (bool, bool, bool) {
    let mode = stat.permissions();
    if context.user == "root" {
        return (true, true, mode & 0o111 != 0 || stat.kind == FileKind::Directory);
    }
    let entry = state.user(context.user).ok().flatten();
    let bits = match entry {
        Some(user) if user.uid == 0 => 7,
        Some(user) if user.uid == stat.uid => mode >> 6,
        Some(user) if user.gid == stat.gid || user.groups.contains(&stat.group) => mode >> 3,
        _ => mode,
    };
    (bits & 4 != 0, bits & 2 != 0, bits & 1 != 0)
}

/// The name of a flag of `lsattr`.
fn attribute(flag: char) -> String {
    let name = match flag {
        'A' => "noatime",
        'a' => "append",
        'c' => "compressed",
        'C' => "nocow",
        'd' => "nodump",
        'D' => "dirsync",
        'e' => "extents",
        'E' => "encrypted",
        'h' => "blocksize",
        'i' => "immutable",
        'I' => "indexed",
        'j' => "journalled",
        'N' => "inline",
        's' => "zero",
        'S' => "synchronous",
        't' => "notail",
        'T' => "blockroot",
        'u' => "undelete",
        'X' => "compressedraw",
        'Z' => "compresseddirty",
        other => return other.to_string(),
    };
    name.to_owned()
}
