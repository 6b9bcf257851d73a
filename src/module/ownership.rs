//! Owner, group and mode: what must change at a path, by which script, and what is there afterwards.

use serde_json::{Map, Value as Json, json};

use super::{Context, Diff, Failure, Mode, Ownership, Place, Text, path, settle};
use crate::{
    fact::{Answer, FileKind, FileStat, Probe, Resource, State},
    sh::quote,
};

/// Owner, group and mode as a task asks for them; `None` leaves them as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// Name or number.
    pub owner: Option<&'a str>,
    /// Name or number.
    pub group: Option<&'a str>,
    /// Permissions.
    pub mode: Option<&'a Mode>,
}

impl<'a> Attributes<'a> {
    /// Collects the parameters that many modules have.
    pub fn of(owner: Option<&'a Text>, group: Option<&'a Text>, mode: Option<&'a Mode>) -> Attributes<'a> {
        let text = |t: &'a Text| t.0.as_str();
        Attributes { owner: owner.map(text), group: group.map(text), mode }
    }

    /// Asks whether the named owner and group are there, and for the user's own group, which new files get.
    pub fn probes(&self, context: &Context<'_>) -> Vec<Probe> {
        let mut probes = Vec::new();
        for owner in self.owner.into_iter().chain([context.user]).filter(|o| !well_known(o)) {
            probes.push(Probe::User { name: owner.to_owned() });
        }
        if let Some(group) = self.group.filter(|g| !well_known(g)) {
            probes.push(Probe::Group { name: group.to_owned() });
        }
        probes
    }

    /// Fails when the host is known to lack the owner or group. One that a task not carried out may create passes.
    ///
    /// # Errors
    /// Names who is missing.
    pub fn check(&self, state: &State) -> Result<(), Failure> {
        let numeric = |name: &str| name.parse::<u32>().is_ok();
        if let Some(owner) = self.owner.filter(|o| !well_known(o) && !numeric(o)) {
            if let Ok(None) = state.user(owner) {
                return Err(Failure::new(format!("failed to look up user {owner}"))
                    .help("create the user in a task before this one"));
            }
        }
        if let Some(group) = self.group.filter(|g| !well_known(g) && !numeric(g)) {
            if let Ok(None) = state.group(group) {
                return Err(Failure::new(format!("failed to look up group {group}"))
                    .help("create the group in a task before this one"));
            }
        }
        Ok(())
    }

    /// What is to be there, given what is; equal when nothing is to be done.
    pub fn applied(&self, state: &State, before: &FileStat) -> FileStat {
        let mut after = before.clone();
        if let Some(owner) = self.owner.filter(|o| !before.owned_by(o)) {
            (after.owner, after.uid) = user(state, owner);
        }
        if let Some(group) = self.group.filter(|g| !before.in_group(g)) {
            (after.group, after.gid) = group_of(state, group);
        }
        let moved = (after.uid, &after.owner, after.gid, &after.group)
            != (before.uid, &before.owner, before.gid, &before.group);
        if moved && before.kind == FileKind::File && self.mode.is_none() {
            // Linux takes set-id bits away with the owner: a program of root's must not become one of bob's.
            after.raw_mode &= !0o6000;
        }
        // A link's own mode cannot be set on Linux.
        if before.kind != FileKind::Link {
            let directory = before.kind == FileKind::Directory;
            if let Some(mode) = self.mode.and_then(|m| m.bits(before.permissions(), directory)) {
                after.raw_mode = (after.raw_mode & !0o7777) | mode;
            }
        }
        after
    }

    /// What a new file, directory or link made by the task's user in the directory `parent` will be.
    pub fn created(
        &self,
        context: &Context<'_>,
        state: &State,
        kind: FileKind,
        default: u32,
        parent: Option<&FileStat>,
    ) -> FileStat {
        let own_group = match state.user(context.user) {
            Ok(Some(entry)) => entry.group.clone(),
            _ => context.user.to_owned(),
        };
        let mut new = FileStat::new(kind, default, "", "");
        (new.owner, new.uid) = user(state, context.user);
        (new.group, new.gid) = group_of(state, &own_group);
        if let Ok(Some(entry)) = state.user(context.user) {
            new.gid = entry.gid;
        }
        if let Some(parent) = parent.filter(|p| p.permissions() & 0o2000 != 0) {
            (new.group, new.gid) = (parent.group.clone(), parent.gid);
            new.raw_mode |= if kind == FileKind::Directory { 0o2000 } else { 0 };
        }
        self.applied(state, &new)
    }

    /// What [`super::FileWrite`] is to be told for a file that has, or would by default have, these permissions.
    pub fn ownership(&self, present: u32) -> Ownership {
        Ownership {
            owner: self.owner.map(str::to_owned),
            group: self.group.map(str::to_owned),
            mode: self.mode.and_then(|m| m.bits(present, false)),
        }
    }
}

impl Attributes<'_> {
    /// The numbers of the named owner and group, as far as they are known.
    pub fn ids(&self, state: &State) -> (Option<u32>, Option<u32>) {
        let uid = |name| state.user(name).ok().flatten().map(|entry| entry.uid);
        let gid = |name| state.group(name).ok().flatten().map(|entry| entry.gid);
        (self.owner.and_then(uid), self.group.and_then(gid))
    }
}

fn well_known(name: &str) -> bool {
    matches!(name, "root" | "0")
}

/// Name and number of a user as far as they are known.
fn user(state: &State, name: &str) -> (String, u32) {
    match (name, state.user(name)) {
        ("root" | "0", _) => ("root".to_owned(), 0),
        (_, Ok(Some(entry))) => (entry.name.clone(), entry.uid),
        _ => (name.to_owned(), name.parse().unwrap_or(0)),
    }
}

/// Name and number of a group as far as they are known.
fn group_of(state: &State, name: &str) -> (String, u32) {
    match (name, state.group(name)) {
        ("root" | "0", _) => ("root".to_owned(), 0),
        (_, Ok(Some(entry))) => (entry.name.clone(), entry.gid),
        _ => (name.to_owned(), name.parse().unwrap_or(0)),
    }
}

/// The shell lines that turn owner, group and mode of what is at `place` from `before` into `after`.
pub fn script(place: &Place, before: &FileStat, after: &FileStat) -> String {
    settle::at(place, before, |word| script_for(word, before, after, false))
}

/// The same for a path that is a shell word already (`"$d"`). `all` sets each attribute that could differ.
pub fn script_for(word: &str, before: &FileStat, after: &FileStat, all: bool) -> String {
    let mut script = String::new();
    let flag = if before.kind == FileKind::Link { "-h " } else { "" };
    let owner = (all || before.uid != after.uid || before.owner != after.owner).then(|| quote(&after.owner));
    let group = (all || before.gid != after.gid || before.group != after.group).then(|| quote(&after.group));
    let chowned = owner.is_some() || group.is_some();
    match (owner, group) {
        (Some(owner), Some(group)) => script.push_str(&format!("chown {flag}-- {owner}:{group} {word} || exit 1\n")),
        (Some(owner), None) => script.push_str(&format!("chown {flag}-- {owner} {word} || exit 1\n")),
        (None, Some(group)) => script.push_str(&format!("chgrp {flag}-- {group} {word} || exit 1\n")),
        (None, None) => {}
    }
    let mode = after.permissions();
    // chown(1) takes set-id bits away from files.
    let lost = chowned && mode & 0o6000 != 0;
    if before.kind != FileKind::Link && (all || lost || before.permissions() != mode) {
        script.push_str(&chmod(word, mode, before));
    }
    script
}

/// `chmod` with an octal mode; a directory keeps set-id bits unless they are cleared by name.
fn chmod(word: &str, mode: u32, before: &FileStat) -> String {
    let kept = before.permissions() & 0o6000 & !mode;
    let clear = match (before.kind == FileKind::Directory, kept) {
        (true, 0o4000) => "u-s,",
        (true, 0o2000) => "g-s,",
        (true, 0o6000) => "ug-s,",
        _ => "",
    };
    if clear.is_empty() {
        format!("chmod {mode:04o} {word} || exit 1\n")
    } else {
        format!("chmod {} {word} && chmod {mode:04o} {word} || exit 1\n", clear.trim_end_matches(','))
    }
}

/// The differences in owner, group and mode, as Ansible shows them.
pub fn differences(before: &FileStat, after: &FileStat) -> (Map<String, Json>, Map<String, Json>) {
    let (mut old, mut new) = (Map::new(), Map::new());
    let mut add = |field: &str, b: String, a: String| {
        if a != b {
            old.insert(field.to_owned(), json!(b));
            new.insert(field.to_owned(), json!(a));
        }
    };
    add("owner", before.owner.clone(), after.owner.clone());
    add("group", before.group.clone(), after.group.clone());
    add("mode", octal(before.permissions()), octal(after.permissions()));
    (old, new)
}

/// Puts attributes side by side as a difference to show.
pub fn attribute_diff(path: &str, mut before: Map<String, Json>, mut after: Map<String, Json>) -> Diff {
    before.insert("path".into(), json!(path));
    after.insert("path".into(), json!(path));
    let text = |mut map: Map<String, Json>| {
        map.sort_keys();
        serde_json::to_string_pretty(&map).map(|t| t + "\n").unwrap_or_default()
    };
    let header = format!("{path} (file attributes)");
    Diff { before_header: header.clone(), after_header: header, before: text(before), after: text(after) }
}

/// Permissions as Ansible writes them: `0644`.
pub fn octal(permissions: u32) -> String {
    format!("{permissions:04o}")
}

/// The returned fields about a path that every file module adds.
pub fn result(stat: &FileStat) -> Map<String, Json> {
    let state = match stat.kind {
        FileKind::Directory => "directory",
        FileKind::Link => "link",
        _ if stat.links > 1 => "hard",
        _ => "file",
    };
    let mut result = Map::from_iter([
        ("owner".to_owned(), json!(stat.owner)),
        ("group".to_owned(), json!(stat.group)),
        ("uid".to_owned(), json!(stat.uid)),
        ("gid".to_owned(), json!(stat.gid)),
        // With a nought in front however long it is, as Ansible's file modules have it; `stat` has not.
        ("mode".to_owned(), json!(format!("0{:03o}", stat.permissions()))),
        ("state".to_owned(), json!(state)),
    ]);
    // Nobody knows the size of a directory before its file system has made it.
    if stat.kind != FileKind::Directory || stat.inode != 0 {
        result.insert("size".to_owned(), json!(stat.size));
    }
    result
}

/// The resources a change at `path` writes, its real path included where a directory above it is a link.
pub fn written(path: &str, stat: Option<&FileStat>) -> Vec<Resource> {
    let real = stat.and_then(|s| path::real(path, s));
    std::iter::once(path.to_owned()).chain(real).map(Resource::Path).collect()
}

/// Both stats of a path that is no link.
pub fn predictions(path: &str, stat: Option<FileStat>) -> [(Probe, Answer); 2] {
    let answer = Answer::Stat(stat);
    let probe = |follow| Probe::Stat { path: path.to_owned(), follow };
    [(probe(false), answer.clone()), (probe(true), answer)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_changed() {
        let before = FileStat::new(FileKind::File, 0o644, "root", "root");
        let mode = Mode::Symbolic("u+x".into());
        let wanted = Attributes { owner: Some("0"), group: Some("adm"), mode: Some(&mode) };
        let after = wanted.applied(&State::default(), &before);
        assert_eq!((after.owner.as_str(), after.group.as_str(), after.permissions()), ("root", "adm", 0o744));
        assert_eq!(script_for("/x", &before, &after, false), "chgrp -- adm /x || exit 1\nchmod 0744 /x || exit 1\n");
        assert_eq!(script_for("/x", &after, &after, false), "");
    }

    #[test]
    fn an_owner_the_host_lacks_is_refused_and_an_undecided_one_is_not() {
        let missing = State::of([(Probe::User { name: "bob".into() }, Answer::User(None))]);
        let wanted = Attributes { owner: Some("bob"), ..Attributes::default() };
        assert!(wanted.check(&missing).unwrap_err().message.contains("bob"));
        assert!(wanted.check(&State::default()).is_ok());
    }

    #[test]
    fn set_id_bits_survive_a_change_of_owner_only_when_asked_for() {
        let before = FileStat::new(FileKind::File, 0o4755, "root", "root");
        let mode = Mode::Bits(0o4755);
        let mut wanted = Attributes { owner: Some("bob"), ..Attributes::default() };
        assert_eq!(wanted.applied(&State::default(), &before).permissions(), 0o755);
        wanted.mode = Some(&mode);
        let after = wanted.applied(&State::default(), &before);
        assert!(script_for("/x", &before, &after, false).contains("chmod 4755"));
    }
}
