//! `ansible.posix.authorized_key`: who may log in by ssh key.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/posix/authorized_key_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::{
    fact::{Answer, FileKind, FileStat, Probe, State, UserEntry},
    module::{
        Change, Content, Context, Described, Failure, Flag, Mode, Module, ParameterError, Plan, PlanError, Return,
        Returns, Text,
        builtin::{file::make, group::Presence},
        edit,
        ownership::{self, Attributes},
        path,
        put::{self, Put},
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
    /// Make the directory and set its owner and mode. A directory named by `path` that is there is left as it is.
    #[serde(default = "Flag::yes")]
    manage_dir: Flag,
    /// Whether the keys are to be there.
    #[serde(default)]
    state: Presence,
    /// Options in front of each key, such as `no-pty`, in the place of those written in `key`. A key has these and no others.
    #[serde(default)]
    key_options: Option<Text>,
    /// Remove all other lines, remarks too. In a loop only the last item's key would remain: give all keys in one task.
    #[serde(default)]
    exclusive: Flag,
    /// The comment behind each key, in the place of its own.
    #[serde(default)]
    comment: Option<Text>,
    /// Accepted for Ansible's sake: keys are not fetched from addresses.
    #[serde(default)]
    #[allow(dead_code)]
    validate_certs: Option<Flag>,
    /// Whether a link at the file's place stands for its target; otherwise a file of its own takes the link's place. Where a
    /// link leads to what is not the user's, nothing is read or written.
    #[serde(default)]
    follow: Flag,
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

    /// The options one by one, in an order that depends on nothing but them.
    fn sorted_options(&self) -> Vec<&str> {
        let (mut quoted, mut escaped) = (false, false);
        let mut options: Vec<&str> = self
            .options
            .split(|c| {
                match c {
                    '"' if !escaped => quoted = !quoted,
                    _ => {}
                }
                escaped = c == '\\' && !escaped;
                c == ',' && !quoted
            })
            .filter(|o| !o.is_empty())
            .collect();
        // Of several `permitopen` the order stays: whoever reads it may care.
        options.sort_by_key(|o| o.split('=').next());
        options
    }

    /// Whether both lines let the same person in to do the same.
    fn same_as(&self, other: &Key) -> bool {
        let words = |key: &Key| key.comment.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        (&self.kind, &self.data) == (&other.kind, &other.data)
            && self.sorted_options() == other.sorted_options()
            && words(self) == words(other)
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
    const RETURNS: Returns = &[&[
        Return::text("user", "always", "The user"),
        Return::text("keyfile", "always", "The file of the keys"),
        Return::text("key", "always", "The keys as they were given"),
        Return::text("state", "always", "`present` or `absent`"),
        Return::flag("exclusive", "always", "Whether other keys are removed"),
        Return::flag("manage_dir", "always", "Whether the directory is made too"),
    ]];

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
            // As with Ansible the last word about a key counts.
            keys.retain(|k| k.data != key.data);
            keys.push(key);
        }
        keys
    }

    /// The file's lines as they are to be: a key that differs goes to the end, with those that are new.
    fn lines(&self, before: &str) -> Vec<String> {
        let wanted = self.wanted();
        let present: Vec<Key> = before.lines().filter_map(Key::parse).collect();
        let add = self.state == Presence::Present;
        // sshd takes the first line of a key: a second one with other options would decide in its place.
        let right = |want: &Key| {
            let mut lines = present.iter().filter(|key| key.data == want.data).peekable();
            lines.peek().is_some() && lines.all(|key| key.same_as(want))
        };
        let kept = |line: &&str| match Key::parse(line) {
            Some(key) => match wanted.iter().find(|want| want.data == key.data) {
                Some(want) => add && right(want),
                None => !(add && self.exclusive.0),
            },
            None => !(add && self.exclusive.0),
        };
        let mut lines: Vec<String> = before.lines().filter(kept).map(str::to_owned).collect();
        if add {
            lines.extend(wanted.iter().filter(|want| !right(want)).map(Key::line));
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

/// The file and the directory it stands in, as they are.
struct Place<'s> {
    /// The path that is written: behind a link only where that is wanted.
    path: String,
    /// Where the keys are now.
    real: String,
    stat: Option<&'s FileStat>,
    directory: Option<&'s FileStat>,
}

impl AuthorizedKey {
    /// Looks where the file is. What a link leads to must be the user's: it is his to make, and whoever acts here may read and write
    /// more than he does.
    fn place<'s>(&self, state: &'s State, written: &str, user: &UserEntry) -> Result<Place<'s>, PlanError> {
        let (real, stat) = path::follow(state, written)?;
        let parent = path::parent(written);
        let directory = state.stat(parent, true)?;
        let by_link = real != written
            || state.stat(parent, false)?.is_some_and(|s| s.kind == FileKind::Link || path::real(parent, s).is_some());
        let foreign = |stat: Option<&FileStat>| stat.is_some_and(|s| s.uid != user.uid);
        if by_link && (foreign(stat) || foreign(directory) || (stat.is_none() && directory.is_none())) {
            return Err(Failure::new(format!("`{written}` leads by a link to `{real}`, which is not {}'s", user.name))
                .help("name the file itself in `path` if it is meant")
                .into());
        }
        if stat.is_some_and(|s| s.kind != FileKind::File) {
            return Err(Failure::new(format!("`{real}` is no regular file, it is left alone")).into());
        }
        let path = if self.follow.0 { real.clone() } else { written.to_owned() };
        Ok(Place { path, real, stat, directory })
    }

    /// The change that makes the directory, or its owner and mode right, and what it will be then.
    fn folder(
        &self,
        context: &Context<'_>,
        state: &State,
        directory: &str,
        there: Option<&FileStat>,
        user: &UserEntry,
    ) -> Result<Option<(Change, FileStat)>, PlanError> {
        let right = there.is_some_and(|d| d.uid == user.uid && d.permissions() & 0o077 == 0);
        let managed = self.manage_dir.0 && self.path.is_none();
        if self.state != Presence::Present || (there.is_some() && (right || !managed)) {
            return Ok(None);
        }
        let own = Mode::Bits(0o700);
        let wanted = match self.manage_dir.0 {
            true => Attributes { owner: Some(&user.name), group: Some(&user.group), mode: Some(&own) },
            false => Attributes::default(),
        };
        let change = match there {
            None => Some(make(context, state, directory, &wanted, &Default::default())?.change),
            Some(stat) => put::attributes(context, state, directory, stat, &wanted).change,
        };
        let mut stat =
            there.cloned().unwrap_or_else(|| FileStat::new(FileKind::Directory, 0o755, context.user, context.user));
        if self.manage_dir.0 {
            (stat.uid, stat.gid, stat.owner, stat.group) = (user.uid, user.gid, user.name.clone(), user.group.clone());
            stat.raw_mode = (stat.raw_mode & !0o7777) | 0o700;
        }
        Ok(change.map(|change| (Change { what: format!("make directory {directory}"), ..change }, stat)))
    }

    /// The text of the file; empty where there is none.
    fn text(state: &State, place: &Place<'_>) -> Result<String, PlanError> {
        let Some(_) = place.stat else { return Ok(String::new()) };
        let bytes = state.content(&place.real)?;
        let bytes = bytes.ok_or_else(|| Failure::new(format!("`{}` cannot be read", place.real)))?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(Failure::new(format!("`{}` is no UTF-8 text, it is left alone", place.real)).into()),
        }
    }
}

impl Module for AuthorizedKey {
    fn probe(&self, _: &Context<'_>, state: &State) -> Vec<Probe> {
        let mut probes = vec![Probe::User { name: self.user.0.clone() }];
        if let Ok((path, _)) = self.file(state) {
            let real = path::follow(state, &path).map_or_else(|_| path.clone(), |(real, _)| real);
            let directory = path::parent(&path).to_owned();
            probes.extend([path::stat(&path), Probe::Content { path: real }, path::stat(&directory)]);
            probes.push(Probe::Stat { path: directory, follow: true });
            probes.extend(path::above(&path));
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let (written, user) = self.file(state)?;
        let (uid, gid) = (user.uid, user.gid);
        let mode = Mode::Bits(0o600);
        let place = self.place(state, &written, &user)?;
        let directory = path::parent(&written).to_owned();
        let made = self.folder(context, state, &directory, place.directory, &user)?;
        let mut result = Map::new();
        for (key, value) in [
            ("user", json!(self.user.0)),
            ("keyfile", json!(place.path)),
            ("key", json!(self.key.0)),
            ("state", json!(self.state.word())),
            ("exclusive", json!(self.exclusive.0)),
            ("manage_dir", json!(self.manage_dir.0)),
        ] {
            result.insert(key.to_owned(), value);
        }
        let text = AuthorizedKey::text(state, &place)?;
        let after = edit::joined(&self.lines(&text));
        let unchanged = after == text || (text.is_empty() && after.is_empty());
        if unchanged && made.is_none() {
            return Ok(Plan::ok(result));
        }
        let mut plan = Plan::default();
        let mut folder = place.directory.cloned();
        if let Some((change, stat)) = made {
            plan.changes.push(change);
            plan.predictions.extend(ownership::predictions(&directory, Some(stat.clone())));
            folder = Some(stat);
        }
        if !unchanged {
            let outcome = put::put(
                context,
                state,
                Put {
                    path: &place.path,
                    stat: if place.path == place.real { place.stat } else { state.stat(&place.path, false)? },
                    parent: folder.as_ref(),
                    content: Some(Content::Bytes(after.as_bytes().into())),
                    attributes: Attributes { owner: Some(&user.name), group: Some(&user.group), mode: Some(&mode) },
                    backup: false,
                    validate: None,
                },
            )?;
            if context.diff {
                let before = place.stat.map(|_| text.as_bytes());
                plan.diff.push(put::text_diff(&written, &place.path, before, Some(after.as_bytes())));
            }
            plan.changes.extend(outcome.change);
            plan.predictions.extend(outcome.predictions.into_iter().map(|(probe, answer)| match answer {
                // The account's numbers are known, whoever else has been asked.
                Answer::Stat(Some(stat)) => (probe, Answer::Stat(Some(FileStat { uid, gid, ..stat }))),
                answer => (probe, answer),
            }));
        }
        plan.result = result;
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(key: &str, options: Option<&str>, exclusive: bool, before: &str) -> Vec<String> {
        let mut parameters = json!({"user": "alice", "key": key, "exclusive": exclusive});
        if let Some(options) = options {
            parameters["key_options"] = json!(options);
        }
        serde_json::from_value::<AuthorizedKey>(parameters).unwrap().lines(before)
    }

    #[test]
    fn a_key_is_compared_with_its_options() {
        let k = "ssh-ed25519 AAAAC3 alice@a";
        let restricted = format!("restrict,command=\"/bin/a b,c\" {k}");
        let other = "ssh-rsa AAAAB3 bob";
        // Options written in the key, options of the parameter, and none at all: each is the whole truth.
        assert_eq!(lines(&restricted, None, false, &format!("{k}\n{other}\n")), [other, &restricted]);
        assert_eq!(lines(k, None, false, &format!("{restricted}\n")), [k]);
        assert_eq!(lines(&restricted, Some("no-pty"), false, k), [format!("no-pty {k}")]);
        assert_eq!(lines(&restricted, Some(""), false, &restricted), [k]);
        // Their order says nothing.
        let turned = format!("command=\"/bin/a b,c\",restrict {k}");
        assert_eq!(lines(&restricted, None, false, &turned), [turned.as_str()]);
        let two = "permitopen=\"a:1\",permitopen=\"b:1\" ssh-rsa A b";
        assert_eq!(lines(two, None, false, "permitopen=\"b:1\" ssh-rsa A b"), [two]);
        // sshd takes the first line of a key: one that allows more does not stay in front of the right one.
        assert_eq!(lines(&restricted, None, false, &format!("{k}\n{restricted}\n")), [restricted.as_str()]);
        // The comment counts, a remark is left alone unless nothing else is to be there.
        assert_eq!(
            lines("ssh-ed25519 AAAAC3", None, false, &format!("# mine\n{k}\n")),
            ["# mine", "ssh-ed25519 AAAAC3"]
        );
        assert_eq!(lines(k, None, true, &format!("# mine\n{other}\n{k}\n")), [k]);
        // Several keys: what is right stays where it is.
        assert_eq!(
            lines(&format!("{other}\n{restricted}"), None, false, &format!("{k}\n{other}\n")),
            [other, &restricted]
        );
    }
}
