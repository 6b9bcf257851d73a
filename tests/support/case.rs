//! A case of a module, as its file in `tests/module/NAME/` describes it.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bringup::{
    fact::{Answer, GroupEntry, PackageState, Probe, ScriptAnswer, UnitState, UserEntry},
    module::StepOutput,
};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// One case: parameters and a host in, changes and a host out. `/T` is the host's folder, `/L` the workstation's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What is expected, as a sentence.
    pub name: String,
    /// The task's parameters.
    #[serde(default)]
    pub params: Map<String, Json>,
    /// Files of the host before: path below `/T` (a slash at its end: a directory) and what is there.
    #[serde(default)]
    pub before: IndexMap<String, Node>,
    /// Files of the workstation, below `/L`.
    #[serde(default)]
    pub local: IndexMap<String, Node>,
    /// Variables of the task.
    #[serde(default)]
    pub vars: Map<String, Json>,
    /// Commands put into the host's `PATH`: name and script. `$STATE` in them is the host's folder.
    #[serde(default)]
    pub tools: IndexMap<String, String>,
    /// Answers given in the place of the host's own.
    #[serde(default)]
    pub answers: Answers,
    /// Objects of a Kubernetes cluster whose kubeconfig is at `.kube/config` of the host, as `~/.kube/config` is.
    pub cluster: Option<Vec<Json>>,
    /// What its objects have afterwards, by `Kind namespace/name` or `Kind name`; nothing (`null`): there is none.
    #[serde(default)]
    pub cluster_after: IndexMap<String, Json>,
    /// How the steps end that are the runner's own: waiting, connecting, rebooting. Well and with no words, unless given.
    #[serde(default)]
    pub runner: Runner,
    /// The parameters are refused: part of the message.
    pub invalid: Option<String>,
    /// The task fails: part of the message.
    pub fails: Option<String>,
    /// Whether the task counts as changed.
    pub changed: Option<bool>,
    /// What each change says it does; `/T` stands for the host's folder.
    pub changes: Option<Vec<String>>,
    /// Texts that the scripts must contain, all of them.
    #[serde(default)]
    pub scripts: Vec<String>,
    /// Parts of the differences: each must be within the "before" or "after" of one.
    #[serde(default)]
    pub diff: Vec<Side>,
    /// Fields of the result; a text that begins with `~` is a regular expression.
    #[serde(default)]
    pub result: Map<String, Json>,
    /// Files of the host afterwards; nothing (`null`): there is none.
    #[serde(default)]
    pub after: IndexMap<String, Option<Node>>,
    /// Files of the workstation afterwards.
    #[serde(default)]
    pub local_after: IndexMap<String, Option<Node>>,
    /// Remarks for the user: parts of them.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What check mode makes of it: `skip`, or the same as the run (by default).
    pub check: Option<String>,
    /// What the second run does: `ok` (by default) or `changed`; `told` acts and says that nothing changed.
    pub again: Option<String>,
    /// Whether the state predicted by the plan must satisfy the module: yes by default.
    #[serde(default = "yes")]
    pub predicts: bool,
    /// Whether the changes are carried out: yes by default, unless answers are given without tools.
    pub run: Option<bool>,
    /// Needs to own files of other users.
    #[serde(default)]
    pub root: bool,
    /// The host is a system of its own: namespaces over a copy of this machine's files, `before` and `after` below its
    /// root. Needs root.
    #[serde(default)]
    pub system: bool,
    /// What makes the host what it is before: a script, run in the host's folder.
    pub prepare: Option<String>,
    /// What must succeed on the host afterwards: a script likewise.
    pub verify: Option<String>,
    /// Programs of this machine without which the case is skipped.
    #[serde(default)]
    pub needs: Vec<String>,
    /// What is written is made anew each time (keys, serial numbers): check mode comes to the same changes, with other contents.
    #[serde(default)]
    pub random: bool,
    /// Shells it is for; all by default.
    pub shells: Option<Vec<String>>,
}

fn yes() -> bool {
    true
}

/// What comes of a step that the runner does itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Runner {
    /// What a person typed.
    pub typed: String,
    /// What went wrong.
    pub error: Option<String>,
}

/// One side of a difference.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Side {
    pub before: Option<String>,
    pub after: Option<String>,
}

/// A file, directory or link.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Node {
    pub content: Option<String>,
    pub base64: Option<String>,
    /// A content of so many bytes.
    pub size: Option<u64>,
    pub link: Option<String>,
    pub hard: Option<String>,
    pub mode: Option<String>,
    pub owner: Option<u32>,
    pub group: Option<u32>,
    pub mtime: Option<i64>,
}

/// Answers by subject and name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answers {
    pub package: IndexMap<String, Option<Package>>,
    pub unit: IndexMap<String, Unit>,
    pub user: IndexMap<String, Option<User>>,
    pub group: IndexMap<String, Option<Group>>,
    pub script: Vec<Script>,
    pub content: IndexMap<String, Option<String>>,
    pub facts: Option<Json>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    pub version: String,
    #[serde(default)]
    pub held: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Unit {
    pub load: String,
    pub active: String,
    pub sub: String,
    pub file: String,
    pub stale: bool,
    pub properties: IndexMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub group: String,
    pub groups: Vec<String>,
    pub comment: String,
    pub home: String,
    pub shell: String,
    pub password_hash: String,
    pub expires: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Group {
    pub gid: u32,
    pub members: Vec<String>,
}

/// The answer of a script probe whose text matches.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// A regular expression over the probe's script.
    #[serde(rename = "match")]
    pub matches: String,
    #[serde(default)]
    pub status: i32,
    #[serde(default)]
    pub stdout: String,
    #[serde(default)]
    pub stderr: String,
}

impl Runner {
    pub fn output(&self) -> StepOutput {
        StepOutput { stdout: self.typed.clone().into_bytes(), error: self.error.clone(), ..StepOutput::default() }
    }
}

impl Answers {
    pub fn is_empty(&self) -> bool {
        self.package.is_empty()
            && self.unit.is_empty()
            && self.user.is_empty()
            && self.group.is_empty()
            && self.script.is_empty()
            && self.content.is_empty()
            && self.facts.is_none()
    }

    /// The given answer to a probe.
    pub fn to(&self, probe: &Probe) -> Option<Answer> {
        Some(match probe {
            Probe::Package { name } => Answer::Package(
                self.package.get(name)?.clone().map(|p| PackageState { version: p.version, held: p.held }),
            ),
            Probe::Unit { name } => {
                let unit = self.unit.get(name)?.clone();
                Answer::Unit(UnitState {
                    load: unit.load,
                    active: unit.active,
                    sub: unit.sub,
                    file: unit.file,
                    stale: unit.stale,
                    properties: unit.properties.into_iter().collect(),
                })
            }
            Probe::User { name } => Answer::User(self.user.get(name)?.clone().map(|u| user(name, u))),
            Probe::Group { name } => Answer::Group(self.group.get(name)?.clone().map(|g| GroupEntry {
                name: name.clone(),
                gid: g.gid,
                members: g.members,
            })),
            Probe::Content { path } => Answer::Content(self.content.get(path)?.clone().map(String::into_bytes)),
            Probe::Script { script, .. } => {
                let matches = |s: &&Script| regex::Regex::new(&s.matches).unwrap().is_match(script);
                let found = self.script.iter().find(matches)?;
                Answer::Script(ScriptAnswer {
                    status: found.status,
                    stdout: found.stdout.clone().into_bytes(),
                    stderr: found.stderr.clone().into_bytes(),
                })
            }
            Probe::Facts => Answer::Facts(self.facts.clone()?),
            _ => return None,
        })
    }
}

fn user(name: &str, user: User) -> UserEntry {
    UserEntry {
        name: name.to_owned(),
        uid: user.uid,
        gid: user.gid,
        group: user.group,
        groups: user.groups,
        comment: user.comment,
        home: user.home,
        shell: user.shell,
        password_hash: user.password_hash,
        expires: user.expires,
    }
}

impl Node {
    fn bytes(&self) -> Vec<u8> {
        match (&self.content, &self.base64, self.size) {
            (Some(text), _, _) => text.clone().into_bytes(),
            (_, Some(text), _) => STANDARD.decode(text).unwrap(),
            (_, _, Some(size)) => (0..size).map(|n| (n % 251) as u8).collect(),
            _ => Vec::new(),
        }
    }

    /// Puts it there.
    pub fn create(&self, top: &Path, name: &str) {
        let path = top.join(name.trim_end_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if let Some(target) = &self.link {
            symlink(target, &path).unwrap();
            return;
        }
        if let Some(other) = &self.hard {
            fs::hard_link(top.join(other), &path).unwrap();
        } else if name.ends_with('/') {
            fs::create_dir_all(&path).unwrap();
        } else {
            fs::write(&path, self.bytes()).unwrap();
        }
        let default = if name.ends_with('/') { 0o755 } else { 0o644 };
        let mode = self.mode.as_ref().map_or(default, |m| u32::from_str_radix(m, 8).unwrap());
        if self.owner.is_some() || self.group.is_some() {
            std::os::unix::fs::chown(&path, self.owner, self.group).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        if let Some(seconds) = self.mtime {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds as u64);
            fs::File::open(&path).unwrap().set_modified(time).unwrap();
        }
    }

    /// Compares with what is there.
    pub fn compare(&self, top: &Path, name: &str) {
        let path = top.join(name.trim_end_matches('/'));
        let found = fs::symlink_metadata(&path).unwrap_or_else(|e| panic!("{name} is to be there: {e}"));
        if let Some(target) = &self.link {
            assert!(found.is_symlink(), "{name} is to be a link");
            assert_eq!(fs::read_link(&path).unwrap().to_string_lossy(), *target, "target of {name}");
        } else if name.ends_with('/') {
            assert!(found.is_dir(), "{name} is to be a directory");
        } else {
            assert!(found.is_file(), "{name} is to be a regular file");
        }
        if let Some(other) = &self.hard {
            assert_eq!(
                found.ino(),
                fs::metadata(top.join(other)).unwrap().ino(),
                "{name} shares its inode with {other}"
            );
        }
        if self.content.is_some() || self.base64.is_some() || self.size.is_some() {
            let bytes = fs::read(&path).unwrap();
            let shown = |b: &[u8]| String::from_utf8_lossy(b).chars().take(2000).collect::<String>();
            assert!(
                bytes == self.bytes(),
                "content of {name}:\n{}\nexpected:\n{}",
                shown(&bytes),
                shown(&self.bytes())
            );
        }
        if let Some(mode) = &self.mode {
            assert_eq!(format!("{:04o}", found.mode() & 0o7777), *mode, "mode of {name}");
        }
        if let Some(owner) = self.owner {
            assert_eq!(found.uid(), owner, "owner of {name}");
        }
        if let Some(group) = self.group {
            assert_eq!(found.gid(), group, "group of {name}");
        }
        if let Some(mtime) = self.mtime {
            assert_eq!(found.mtime(), mtime, "modification time of {name}");
        }
    }
}
