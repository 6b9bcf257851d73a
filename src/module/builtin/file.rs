//! `ansible.builtin.file`: files, directories, links and their attributes.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/file_module.html>

mod directory;
mod link;
mod stamp;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use self::stamp::{Stamp, Stamps};
pub(in crate::module) use self::{directory::make, link::made as link};
use crate::{
    fact::{FileKind, FileStat, Missing, Probe, State},
    module::{
        Change, Content, Context, Described, Failure, FileWrite, Flag, Mode, Module, ParameterError, Place, Plan,
        PlanError, Return, Returns, Step, Text,
        ownership::{self, Attributes},
        path, put, returns, settle, tree,
    },
    playbook::About,
    sh::quote,
};

/// Parameters of `file`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The path to manage.
    #[serde(alias = "dest", alias = "name")]
    #[schemars(extend("x-aliases" = ["dest", "name"]))]
    path: Text,
    /// What is to be there. By default what is there already, else a directory with `recurse`, else a file.
    /// `file` only sets attributes and fails where there is no file; `touch` creates an empty one.
    state: Option<FileState>,
    /// Whether to tell only if the file looks like no text, for what shows differences.
    #[serde(rename = "_diff_peek")]
    diff_peek: Option<Text>,
    /// Where a link is to point; relative to the link's directory. For a hard link, the file to share.
    src: Option<Text>,
    /// Set owner, group and mode on all below a directory too.
    #[serde(default)]
    recurse: Flag,
    /// Create a link whose target is missing, or in the place of a file or an empty directory.
    #[serde(default)]
    force: Flag,
    /// Whether a link at `path` stands for its target.
    #[serde(default = "Flag::yes")]
    follow: Flag,
    /// Owner, by name or number.
    owner: Option<Text>,
    /// Group, by name or number.
    group: Option<Text>,
    /// Permissions, such as `'0644'` or `u=rw,g=r,o=`.
    mode: Option<Mode>,
    /// `preserve`, `now`, or a time in the given format. By default `now` with `state: touch`, else `preserve`.
    modification_time: Option<Text>,
    /// The format of `modification_time`, as strptime reads it.
    #[serde(default = "stamp::format")]
    modification_time_format: Text,
    /// `preserve`, `now`, or a time in the given format. By default `now` with `state: touch`, else `preserve`.
    access_time: Option<Text>,
    /// The format of `access_time`, as strptime reads it.
    #[serde(default = "stamp::format")]
    access_time_format: Text,
}

/// What is to be at the path.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum FileState {
    /// Nothing; directories are removed with all below them.
    Absent,
    /// A directory; those above it are created too.
    Directory,
    /// A file, which must be there already.
    File,
    /// A further name of the file `src`.
    Hard,
    /// A symbolic link to `src`.
    Link,
    /// A file, created empty if there is nothing; its times are set.
    Touch,
}

impl Described for File {
    const NAME: &'static str = "ansible.builtin.file";
    const ABOUT: About = About { writes_content: false, writes_at: &["path", "dest", "name"], ..About::PLAIN };
    const MANAGES_FILE: bool = true;
    const SUMMARY: &'static str = "Manages files, directories, links and their attributes";
    const EXAMPLES: &'static str = "\
- name: a directory for the configuration
  ansible.builtin.file:
    path: /etc/example.d
    state: directory
    owner: root
    group: root
    mode: '0750'

- name: the current release
  ansible.builtin.file:
    src: releases/7
    dest: /opt/example/current
    state: link

- name: no leftovers
  ansible.builtin.file:
    path: /opt/example/old
    state: absent
";
    const RETURNS: Returns = &[
        returns::FILE,
        &[
            Return::text("path", "with `state` absent, directory or file", "The path"),
            Return::text("dest", "with `state` touch, hard or link", "The path"),
            Return::text("src", "with `state` hard or link", "Where it points, or whose name it shares"),
            Return::flag("appears_binary", "with `_diff_peek`", "Whether the file looks like no text"),
            Return::map("diff", "always", "What differs of the path: `before` and `after`"),
            Return::map("diff.before", "always", "The attributes that differ, as they were"),
            Return::map("diff.after", "always", "The same as they are now"),
        ],
    ];

    fn check(&self) -> Result<(), ParameterError> {
        if self.path.0.is_empty() {
            return Err(ParameterError::new("path", "`path` is empty"));
        }
        if self.recurse.0 && !matches!(self.state, None | Some(FileState::Directory)) {
            return Err(ParameterError::new("recurse", "`recurse` requires `state: directory`"));
        }
        if self.src.is_some() && !matches!(self.state, None | Some(FileState::Link | FileState::Hard)) {
            return Err(ParameterError::new("src", "`src` requires `state: link` or `state: hard`"));
        }
        if self.mode == Some(Mode::Preserve) {
            return Err(ParameterError::new("mode", "there is no source whose mode could be preserved")
                .help("leave `mode` out to keep the present one"));
        }
        self.stamps(FileState::File).map(drop)
    }
}

impl Module for File {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let path = match path::absolute(context, state, &self.path.0) {
            Ok(path) => path,
            Err(Missing::Unread(probe)) => return vec![*probe],
            Err(_) => return Vec::new(),
        };
        let mut probes = self.attributes().probes(context);
        probes.push(path::stat(&path));
        if self.state == Some(FileState::Absent) {
            return vec![path::stat(&path)];
        }
        if matches!(self.state, Some(FileState::Directory)) {
            probes.extend(path::above(&path));
        } else {
            probes.push(Probe::Stat { path: path::parent(&path).to_owned(), follow: true });
        }
        if self.recurse.0 {
            probes.push(tree::probe(&path, false));
        }
        if let (Some(src), Some(FileState::Link)) = (&self.src, self.state) {
            probes.push(Probe::Stat { path: path::resolve(&path, &src.0), follow: true });
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let mut path = path::absolute(context, state, &self.path.0)?;
        if let (Some(src), Some(FileState::Hard)) = (&self.src, self.state) {
            let (_, there) = path::follow(state, &path)?;
            if there.is_some_and(|s| s.kind == FileKind::Directory) {
                path = path::join(&path, path::name(&src.0));
            }
        }
        if self.diff_peek.is_some() {
            return peek(state, &path);
        }
        let stat = state.stat(&path, false)?;
        let wanted = self.state.unwrap_or(match stat.map(|s| s.kind) {
            Some(FileKind::Directory) => FileState::Directory,
            Some(FileKind::Link) => FileState::Link,
            Some(_) => FileState::File,
            None if self.recurse.0 => FileState::Directory,
            None => FileState::File,
        });
        if self.recurse.0 && wanted != FileState::Directory {
            return Err(Failure::new("recurse option requires state to be 'directory'").with("path", path).into());
        }
        if self.src.is_some() && !matches!(wanted, FileState::Link | FileState::Hard) {
            return Err(Failure::new("src option requires state to be 'link' or 'hard'").with("path", path).into());
        }
        let mut warnings = Vec::new();
        if wanted != FileState::Absent {
            match context.check {
                // Whoever is to own it may be made until it counts.
                true => warnings = self.nobody(state),
                false => self.attributes().check(state)?,
            }
        }
        let mut plan = self.arranged(context, state, wanted, &path).map_err(|error| match error {
            PlanError::Failed(failure) if !warnings.is_empty() => failure.with("warnings", json!(warnings)).into(),
            error => error,
        })?;
        plan.warnings.extend(warnings);
        let diff = told(&path, &plan);
        plan.result.insert("diff".into(), diff);
        Ok(plan)
    }
}

impl File {
    /// What is to be done for a state.
    fn arranged(&self, context: &Context<'_>, state: &State, wanted: FileState, path: &str) -> Result<Plan, PlanError> {
        let stat = state.stat(path, false)?;
        match wanted {
            FileState::Absent => self.absent(context, state, path, stat),
            FileState::Directory => self.directory(context, state, path),
            FileState::File => self.file(context, state, path),
            FileState::Touch => self.touch(context, state, path),
            FileState::Link => self.link(context, state, path, stat),
            FileState::Hard => self.hard(context, state, path, stat),
        }
    }

    /// Warnings of an owner and a group that the host lacks.
    fn nobody(&self, state: &State) -> Vec<String> {
        let warning = |what: &str, id: &str, name: &str| {
            let by = if name.bytes().all(|b| b.is_ascii_digit()) { format!(" with {id}") } else { String::new() };
            format!("failed to look up {what}{by} {name}. Create {what} up to this point in real play")
        };
        let owner = self.owner.as_ref().filter(|owner| matches!(state.user(&owner.0), Ok(None)));
        let group = self.group.as_ref().filter(|group| matches!(state.group(&group.0), Ok(None)));
        let owner = owner.map(|owner| warning("user", "uid", &owner.0));
        owner.into_iter().chain(group.map(|group| warning("group", "gid", &group.0))).collect()
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes::of(self.owner.as_ref(), self.group.as_ref(), self.mode.as_ref())
    }

    fn stamps(&self, wanted: FileState) -> Result<Stamps, ParameterError> {
        let default = if wanted == FileState::Touch { Stamp::Now } else { Stamp::Preserve };
        let read = |name: &str, given: &Option<Text>, format: &Text| match given {
            None => Ok(default.clone()),
            Some(text) => Stamp::parse(&text.0, &format.0).map_err(|why| ParameterError::new(name, why)),
        };
        Ok(Stamps {
            modification: read("modification_time", &self.modification_time, &self.modification_time_format)?,
            access: read("access_time", &self.access_time, &self.access_time_format)?,
        })
    }

    /// Nothing is to be there.
    fn absent(
        &self,
        context: &Context<'_>,
        state: &State,
        path: &str,
        stat: Option<&FileStat>,
    ) -> Result<Plan, PlanError> {
        let result = fields([("path", json!(path)), ("state", json!("absent"))]);
        let Some(stat) = stat else { return Ok(Plan::ok(result)) };
        if path == "/" {
            return Err(Failure::new("the root directory is not to be removed").into());
        }
        let mut before = fields([("state", json!(kind_name(stat)))]);
        let directory = stat.kind == FileKind::Directory;
        if directory && context.diff {
            before.insert("path_content".into(), listing(&tree::entries(state, path, false)?));
        }
        let flags = if directory { "-rf" } else { "-f" };
        let place = Place::of(context, state, path);
        let script = match place.guarded {
            true => format!("rm {flags} -- {} || exit 1\n", quote(path)),
            false => format!("{}rm {flags} -- {} || exit 1\n", place.enter(), settle::word(&place.name)),
        };
        let mut change =
            Change::closed(format!("remove {path}"), Step::Script(script), ownership::written(path, Some(stat)));
        // What stood below a directory cannot be named, so nothing may share its script.
        change.closed = !directory;
        Ok(Plan {
            changes: vec![change],
            diff: vec![ownership::attribute_diff(path, before, fields([("state", json!("absent"))]))],
            predictions: put::absent_predictions(path),
            result,
            ..Plan::default()
        })
    }

    /// A file is there already and gets its attributes.
    fn file(&self, context: &Context<'_>, state: &State, path: &str) -> Result<Plan, PlanError> {
        let (path, stat) = self.followed(context, state, path)?;
        let Some(stat) = stat.filter(|s| matches!(s.kind, FileKind::File | FileKind::Other)) else {
            let is = stat.map_or("absent", kind_name);
            return Err(Failure::new(format!("file ({path}) is {is}, cannot continue"))
                .with("path", path)
                .with("state", is)
                .help("`state: touch` creates an empty file, `copy` one with a content")
                .into());
        };
        let mut plan = self.with_attributes(context, state, &path, stat, FileState::File)?;
        plan.result.insert("path".into(), json!(path));
        Ok(plan)
    }

    /// A file is created empty where there is nothing, and gets attributes and times.
    fn touch(&self, context: &Context<'_>, state: &State, given: &str) -> Result<Plan, PlanError> {
        let (path, stat) = self.followed(context, state, given)?;
        let link = state.stat(given, false)?.filter(|stat| stat.kind == FileKind::Link);
        let mut plan = match stat {
            Some(stat) => self.with_attributes(context, state, &path, stat, FileState::Touch)?,
            None if link.is_some() => {
                return Err(Failure::new(format!(
                    "Error, could not touch target: the link `{given}` leads to `{path}`, which is not there"
                ))
                .with("path", given)
                .into());
            }
            None => {
                let parent = existing_parent(state, &path)?;
                let after = self.attributes().created(context, state, FileKind::File, 0o644, Some(parent));
                let empty = Content::Bytes(Vec::new().into());
                let write = FileWrite {
                    ownership: self.attributes().ownership(0o644),
                    ids: self.attributes().ids(state),
                    place: Place::of(context, state, &path),
                    ..FileWrite::new(&path, empty.clone())
                };
                let stamps = self.stamps_of(FileState::Touch).script(state, "\"$t\"", &after, true)?;
                let script = format!("{}{stamps}{}", write.staged(), write.place.close_new());
                let mut plan = Plan {
                    changes: vec![Change::closed(
                        format!("create {path}"),
                        Step::Script(script),
                        ownership::written(&path, None),
                    )],
                    diff: vec![created_diff(&path, "touch")],
                    predictions: ownership::predictions(&path, Some(after.clone())).to_vec(),
                    ..Plan::default()
                };
                plan.predictions.extend(put::content_predictions(context.check, &path, &empty));
                put::add_stat(&mut plan.result, Some(&after));
                plan
            }
        };
        // The result tells of the name that was given.
        plan.result.insert("dest".into(), json!(given));
        put::add_stat(&mut plan.result, link);
        Ok(plan)
    }

    /// The path itself, or where a link there leads.
    fn followed<'s>(
        &self,
        context: &Context<'_>,
        state: &'s State,
        path: &str,
    ) -> Result<(String, Option<&'s FileStat>), PlanError> {
        match self.follow.0 {
            true => path::follow_to_write(context, state, path),
            false => Ok((path.to_owned(), state.stat(path, false)?)),
        }
    }

    /// The parameters were checked: a time that cannot be read does not get here.
    fn stamps_of(&self, wanted: FileState) -> Stamps {
        self.stamps(wanted).unwrap_or(Stamps { modification: Stamp::Preserve, access: Stamp::Preserve })
    }

    /// An existing path gets owner, group, mode and times.
    fn with_attributes(
        &self,
        context: &Context<'_>,
        state: &State,
        path: &str,
        stat: &FileStat,
        wanted: FileState,
    ) -> Result<Plan, PlanError> {
        let outcome = put::attributes(context, state, path, stat, &self.attributes());
        let after = outcome.stat.clone().unwrap_or_else(|| stat.clone());
        let mut plan = Plan {
            changes: outcome.change.into_iter().collect(),
            diff: outcome.diff.into_iter().collect(),
            predictions: outcome.predictions,
            ..Plan::default()
        };
        put::add_stat(&mut plan.result, Some(&after));
        self.add_stamps(context, state, path, (stat, &after), wanted, &mut plan)?;
        Ok(plan)
    }

    /// Adds the change of times to a plan for a path that is there.
    fn add_stamps(
        &self,
        context: &Context<'_>,
        state: &State,
        path: &str,
        (before, after): (&FileStat, &FileStat),
        wanted: FileState,
        plan: &mut Plan,
    ) -> Result<(), PlanError> {
        let stamps = self.stamps_of(wanted);
        if !stamps.script(state, "x", after, false)?.is_empty() {
            // The change before has settled the rest.
            let now = FileStat { inode: before.inode, device: before.device, ..after.clone() };
            let lines = |word: &str| stamps.script(state, word, after, false).unwrap_or_default();
            let script = settle::at(&Place::of(context, state, path), &now, lines);
            let change = Change::closed(
                format!("set times of {path}"),
                Step::Script(script),
                ownership::written(path, Some(after)),
            );
            plan.changes.push(change);
            let mut timed = after.clone();
            self.stamps_of(wanted).applied(state, &mut timed)?;
            plan.diff.extend(stamps.difference(path, after, &timed));
            plan.predictions.extend(ownership::predictions(path, Some(timed)));
            plan.predictions.extend(put::kept_content(state, path));
        }
        Ok(())
    }
}

/// The directory that a path to be created stands in.
fn existing_parent<'s>(state: &'s State, path: &str) -> Result<&'s FileStat, PlanError> {
    let parent = path::parent(path);
    match state.stat(parent, true)? {
        Some(stat) if stat.kind == FileKind::Directory => Ok(stat),
        Some(_) => Err(Failure::new(format!("`{parent}` is no directory, `{path}` cannot be created in it")).into()),
        None => Err(Failure::new(format!("the directory `{parent}` does not exist"))
            .with("path", path)
            .help("create it first with `file: state=directory`")
            .into()),
    }
}

fn created_diff(path: &str, state: &str) -> crate::module::Diff {
    ownership::attribute_diff(path, fields([("state", json!("absent"))]), fields([("state", json!(state))]))
}

/// Whether a file looks like no text, and nothing else.
fn peek(state: &State, path: &str) -> Result<Plan, PlanError> {
    let bytes = match state.content(path) {
        Err(Missing::Failed(_)) => None,
        bytes => bytes?,
    };
    let binary = bytes.is_some_and(|bytes| bytes.iter().take(8192).any(|b| *b == 0));
    Ok(Plan::ok(fields([("path", json!(path)), ("appears_binary", json!(binary))])))
}

/// The field `diff`: what differs of the path by names of attributes, whether differences are asked for or not.
fn told(path: &str, plan: &Plan) -> Json {
    // A difference of attributes is written as JSON, for people to read.
    let read = |text: &str| serde_json::from_str::<Map<String, Json>>(text).unwrap_or_default();
    let side = |text: fn(&crate::module::Diff) -> &str| {
        let mut side = fields([("path", json!(path))]);
        plan.diff.iter().for_each(|diff| side.extend(read(text(diff))));
        Json::Object(side)
    };
    json!({ "before": side(|diff| &diff.before), "after": side(|diff| &diff.after) })
}

/// What Ansible calls the thing at a path.
fn kind_name(stat: &FileStat) -> &'static str {
    match stat.kind {
        FileKind::Directory => "directory",
        FileKind::Link => "link",
        _ if stat.links > 1 => "hard",
        _ => "file",
    }
}

fn listing(entries: &[tree::Entry]) -> Json {
    let of = |directory: bool| -> Vec<&str> {
        entries.iter().filter(|e| (e.stat.kind == FileKind::Directory) == directory).map(|e| e.path.as_str()).collect()
    };
    json!({ "directories": of(true), "files": of(false) })
}

fn fields<const N: usize>(pairs: [(&str, Json); N]) -> Map<String, Json> {
    pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}
