//! `ansible.posix.authorized_key`: who may log in by ssh key.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/posix/authorized_key_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::{
    fact::{Answer, FileKind, FileStat, Probe, State, UserEntry},
    module::{
        Change, Context, Described, Failure, Flag, Mode, Module, Ownership, ParameterError, Plan, PlanError, Text,
        builtin::{file::make, group::Presence},
        edit,
        ownership::Attributes,
        put,
        textfile::Edit,
    },
};

/// Parameters of `authorized_key`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorizedKey {
    /// The user on the host.
    user: Text,
    /// One or more public keys, each a line.
    key: Text,
    /// The file; `~/.ssh/authorized_keys` of the user by default.
    #[serde(default)]
    path: Option<Text>,
    /// Make the directory and set its owner and mode.
    #[serde(default = "yes")]
    manage_dir: Flag,
    /// Whether the keys are to be there.
    #[serde(default)]
    state: Presence,
    /// Options in front of each key, such as `no-pty`.
    #[serde(default)]
    key_options: Option<Text>,
    /// Remove all other keys. In a loop only the last item's would remain: give all keys in one task.
    #[serde(default)]
    exclusive: Flag,
    /// The comment behind each key, in the place of its own.
    #[serde(default)]
    comment: Option<Text>,
    /// Accepted for Ansible's sake: keys are not fetched from addresses.
    #[serde(default)]
    #[allow(dead_code)]
    validate_certs: Option<Flag>,
    /// Accepted for Ansible's sake: a link is always followed.
    #[serde(default)]
    #[allow(dead_code)]
    follow: Flag,
}

fn yes() -> Flag {
    Flag(true)
}

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    options: String,
    kind: String,
    data: String,
    comment: String,
}

/// Key types of OpenSSH, and those that begin like them.
fn is_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| word.starts_with(start))
}

impl Key {
    /// Reads a line; options may hold blanks within quotes.
    fn parse(line: &str) -> Option<Key> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (options, rest) = if line.split_whitespace().next().is_some_and(is_kind) {
            ("", line)
        } else {
            let mut quoted = false;
            let end = line.char_indices().find(|(i, c)| {
                if *c == '"' && !line[..*i].ends_with('\\') {
                    quoted = !quoted;
                }
                c.is_whitespace() && !quoted
            });
            line.split_at(end?.0)
        };
        let mut words = rest.trim_start().splitn(3, char::is_whitespace);
        let kind = words.next().filter(|k| is_kind(k))?;
        let data = words.next().filter(|d| !d.is_empty())?;
        Some(Key {
            options: options.to_owned(),
            kind: kind.to_owned(),
            data: data.to_owned(),
            comment: words.next().unwrap_or_default().trim().to_owned(),
        })
    }

    fn line(&self) -> String {
        let parts = [&self.options, &self.kind, &self.data, &self.comment];
        parts.into_iter().filter(|p| !p.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

impl Described for AuthorizedKey {
    const NAME: &'static str = "ansible.posix.authorized_key";
    const SUMMARY: &'static str = "Adds and removes the ssh keys that may log in as a user";
    const EXAMPLES: &'static str = "\
- name: Let the administrators in
  ansible.posix.authorized_key:
    user: admin
    key: \"{{ lookup('file', 'keys/alice.pub') }}\"
";

    fn check(&self) -> Result<(), ParameterError> {
        if self.key.0.starts_with("http://") || self.key.0.starts_with("https://") {
            let error = ParameterError::new("key", "keys are not fetched from addresses");
            return Err(error.help("`{{ lookup('url', …) }}` reads them on the workstation"));
        }
        for line in self.key.0.lines().filter(|l| !l.trim().is_empty() && !l.trim().starts_with('#')) {
            if Key::parse(line).is_none() {
                let shown: String = line.chars().take(30).collect();
                return Err(ParameterError::new("key", format!("invalid key specified: {shown}…")));
            }
        }
        if self.key_options.as_ref().is_some_and(|o| o.0.contains('\n'))
            || self.comment.as_ref().is_some_and(|c| c.0.contains('\n'))
        {
            return Err(ParameterError::task("options and comment stand in one line"));
        }
        if self.path.as_ref().is_some_and(|p| !p.0.starts_with(['/', '~'])) {
            return Err(ParameterError::new("path", "an absolute path is needed"));
        }
        Ok(())
    }
}

impl AuthorizedKey {
    fn wanted(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = Vec::new();
        for mut key in self.key.0.lines().filter_map(Key::parse) {
            if let Some(options) = &self.key_options {
                key.options.clone_from(&options.0);
            }
            if let Some(comment) = &self.comment {
                key.comment.clone_from(&comment.0);
            }
            if !keys.iter().any(|k| k.data == key.data) {
                keys.push(key);
            }
        }
        keys
    }

    /// The file's lines as they are to be.
    fn lines(&self, before: &str) -> Vec<String> {
        let wanted = self.wanted();
        let of = |key: &Key| wanted.iter().find(|w| w.data == key.data && w.kind == key.kind);
        let mut seen: Vec<&Key> = Vec::new();
        let mut lines = Vec::new();
        for line in before.lines() {
            match (Key::parse(line), self.state) {
                (Some(key), Presence::Present) => match of(&key) {
                    Some(want) if !seen.contains(&want) => {
                        seen.push(want);
                        // Options that the task does not name are the host's own matter.
                        let own = Key {
                            options: if self.key_options.is_some() {
                                want.options.clone()
                            } else {
                                key.options.clone()
                            },
                            ..want.clone()
                        };
                        let same = own.options == key.options && (own.comment == key.comment);
                        lines.push(if same { line.to_owned() } else { own.line() });
                    }
                    Some(_) => {}
                    None if self.exclusive.0 => {}
                    None => lines.push(line.to_owned()),
                },
                (Some(key), Presence::Absent) if of(&key).is_some() => {}
                (None, _)
                    if self.exclusive.0
                        && self.state == Presence::Present
                        && !line.trim().starts_with('#')
                        && !line.trim().is_empty() => {}
                _ => lines.push(line.to_owned()),
            }
        }
        if self.state == Presence::Present {
            lines.extend(wanted.iter().filter(|w| !seen.contains(w)).map(Key::line));
        }
        lines
    }

    fn file(&self, state: &State) -> Result<(String, UserEntry), PlanError> {
        let user = state.user(&self.user.0)?;
        let Some(user) = user else {
            return Err(Failure::new(format!("Failed to lookup user {}", self.user.0))
                .help("let a task before make it: `ansible.builtin.user`")
                .into());
        };
        let default = format!("{}/.ssh/authorized_keys", user.home.trim_end_matches('/'));
        let path = self.path.as_ref().map_or(default, |p| p.0.replacen('~', &user.home, 1));
        Ok((path, user.clone()))
    }
}

impl Module for AuthorizedKey {
    fn probe(&self, _: &Context<'_>, state: &State) -> Vec<Probe> {
        let mut probes = vec![Probe::User { name: self.user.0.clone() }];
        if let Ok((path, _)) = self.file(state) {
            probes.extend(edit::probes(&path));
            probes.extend(crate::module::path::above(&path));
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let (path, user) = self.file(state)?;
        let (uid, gid) = (user.uid, user.gid);
        let (owner, group, mode) = (uid.to_string(), gid.to_string(), Mode::Bits(0o600));
        let directory = path.rsplit_once('/').map_or("/", |(d, _)| d).to_owned();
        let there = state.stat(&directory, true)?;
        let mut before_changes = Vec::new();
        let right = there.is_some_and(|d| d.uid == uid && d.permissions() & 0o077 == 0);
        let managed = self.manage_dir.0 && self.path.is_none();
        if self.state == Presence::Present && (there.is_none() || managed && !right) {
            let own = Mode::Bits(0o700);
            let wanted = Attributes { owner: Some(&owner), group: Some(&group), mode: Some(&own) };
            let change = match there {
                None => Some(make(context, state, &directory, &wanted, &Default::default())?.change),
                Some(stat) => put::attributes(context, state, &directory, stat, &wanted).change,
            };
            before_changes.extend(change.map(|c| Change { what: format!("make directory {directory}"), ..c }));
        }
        let attributes = Attributes { owner: Some(&owner), group: Some(&group), mode: Some(&mode) };
        let edit = Edit { path: &path, attributes, backup: false, validate: None };
        let mut result = Map::new();
        for (key, value) in [
            ("user", json!(self.user.0)),
            ("keyfile", json!(path)),
            ("key", json!(self.key.0)),
            ("state", json!(self.state.word())),
            ("exclusive", json!(self.exclusive.0)),
            ("manage_dir", json!(self.manage_dir.0)),
        ] {
            result.insert(key.to_owned(), value);
        }
        let text = match state.content(&path)? {
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            None => String::new(),
        };
        let after = edit::joined(&self.lines(&text));
        let unchanged = after == text || (text.is_empty() && after.is_empty());
        if unchanged && before_changes.is_empty() {
            return Ok(Plan::ok(result));
        }
        let mut plan = if unchanged {
            Plan::default()
        } else if there.is_none() {
            // The directory is made by the change before.
            let file = edit::TextFile::read(state, &path)?;
            let ownership = Ownership { owner: Some(owner.clone()), group: Some(group.clone()), mode: Some(0o600) };
            let edited = file.write(after, ownership, 0o600, None);
            Plan { changes: vec![edited.change], diff: vec![edited.diff], leaves: edited.leaves, ..Plan::default() }
        } else {
            let present = edit.present(context, state)?;
            edit.plan(context, state, &present, after.as_bytes(), "")?
        };
        before_changes.append(&mut plan.changes);
        if let Some(stat) = there.filter(|_| before_changes.len() > 1 || unchanged) {
            let mut stat = stat.clone();
            (stat.uid, stat.gid, stat.owner, stat.group) = (uid, gid, user.name.clone(), user.group.clone());
            stat.raw_mode = (stat.raw_mode & !0o7777) | 0o700;
            plan.leaves.push((Probe::Stat { path: directory, follow: true }, Answer::Stat(Some(stat))));
        } else if there.is_none() {
            let mut stat = FileStat::new(FileKind::Directory, 0o700, &user.name, &user.group);
            (stat.uid, stat.gid) = (uid, gid);
            plan.leaves.push((Probe::Stat { path: directory, follow: true }, Answer::Stat(Some(stat))));
        }
        plan.changes = before_changes;
        plan.result = result;
        Ok(plan)
    }
}
