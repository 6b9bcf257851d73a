//! `ansible.builtin.unarchive`: an archive unpacked on the host.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/unarchive_module.html>

mod listing;
mod staging;

use std::{collections::HashSet, path::Path};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use self::{
    listing::{listed, member_stat, names, not_through},
    staging::{Lists, SAME, Staging},
};
use super::copy::unread;
use crate::{
    fact::{Answer, FileKind, Missing, Probe, Resource, State},
    module::{
        Change, Content, Context, Described, Failure, Flag, Folder, List, Mode, Module, ParameterError, Place, Plan,
        PlanError, Return, Returns, Step, StepOutput, Text, Whole,
        archive::{Kind, Member, Selection, members},
        held, http, local,
        ownership::{self, Attributes},
        path,
        process::Guard,
        put, returns,
    },
    playbook::{About, LocalFile, SearchKind},
    sh::quote,
};

/// Parameters of `unarchive`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unarchive {
    /// The archive: a file of the workstation, looked for in `files/` of the role and beside the playbook; with
    /// `remote_src` one of the host, or a URL.
    src: Text,
    /// The directory to unpack it into; it must be there.
    dest: Text,
    /// Whether `src` is on the host.
    #[serde(default)]
    remote_src: Flag,
    /// The opposite of `remote_src`.
    copy: Option<Flag>,
    /// A file whose presence means that it is unpacked already.
    creates: Option<Text>,
    /// Return the names in the archive as `files`.
    #[serde(default)]
    list_files: Flag,
    /// Do not replace files that are newer than the archive's.
    #[serde(default)]
    keep_newer: Flag,
    /// Accepted for Ansible's sake: how much of an archive its Python reads at once.
    #[serde(default)]
    #[allow(dead_code)]
    io_buffer_size: Option<Whole>,
    /// Names to leave out.
    #[serde(default)]
    exclude: List<Text>,
    /// Names to take alone.
    #[serde(default)]
    include: List<Text>,
    /// Further options for tar or unzip.
    #[serde(default)]
    extra_opts: List<Text>,
    /// Whether the server's certificate is checked where `src` is a URL.
    #[serde(default = "Flag::yes")]
    validate_certs: Flag,
    /// Whether an archive encrypted by `vault` is decrypted on the way.
    #[serde(default = "Flag::yes")]
    decrypt: Flag,
    /// Owner of all that is unpacked, by name or number.
    owner: Option<Text>,
    /// Group of all that is unpacked, by name or number.
    group: Option<Text>,
    /// Permissions of all that is unpacked.
    mode: Option<Mode>,
}

impl Described for Unarchive {
    const NAME: &'static str = "ansible.builtin.unarchive";
    const ABOUT: About = About {
        background: false,
        file: Some(LocalFile {
            parameter: "src",
            folder: SearchKind::Files,
            template: None,
            remote: &[("remote_src", true), ("copy", false)],
        }),
        ..About::PLAIN
    };
    const MANAGES_FILE: bool = true;
    const SUMMARY: &'static str = "Unpacks an archive on the host";
    const EXAMPLES: &'static str = "\
- name: the release from the workstation
  ansible.builtin.unarchive:
    src: example-1.2.tar.gz
    dest: /opt/example
    extra_opts: [--strip-components=1]

- name: one that is on the host already
  ansible.builtin.unarchive:
    src: /var/cache/example-1.2.zip
    dest: /opt/example
    remote_src: true
    creates: /opt/example/bin/example
";
    const RETURNS: Returns = &[
        returns::FILE,
        &[
            Return::text("dest", "always", "The directory on the host, which the fields about a file are about"),
            Return::text("src", "always", "The archive"),
            Return::text("handler", "when it was looked into", "How it was unpacked: `TgzArchive`, `ZipArchive` …"),
            Return::list("files", "with `list_files`", "The paths in the archive"),
            Return::text("msg", "when `creates` is there", "Why it was not unpacked"),
        ],
    ];

    fn check(&self) -> Result<(), ParameterError> {
        if !self.include.0.is_empty() && !self.exclude.0.is_empty() {
            return Err(ParameterError::task("include and exclude are mutually exclusive"));
        }
        if self.src.0.contains("://") && !self.remote() {
            return Err(ParameterError::new("src", "a URL needs `remote_src: true`"));
        }
        if self.kind() == Kind::Zip && self.extra_opts.0.iter().any(|o| o.0.trim_start_matches('-') == "f") {
            return Err(ParameterError::new("extra_opts", "`-f` is not supported: name what is wanted with `include`"));
        }
        if self.mode == Some(Mode::Preserve) {
            return Err(ParameterError::new("mode", "the archive's modes are kept where `mode` is left out"));
        }
        Ok(())
    }
}

/// Where the archive is.
enum Source {
    Host(String),
    Url(String),
    Workstation(std::path::PathBuf, local::LocalFile),
}

impl Unarchive {
    fn remote(&self) -> bool {
        self.remote_src.0 || self.copy.is_some_and(|c| !c.0)
    }

    fn lists(&self) -> Lists {
        let texts = |list: &List<Text>| list.0.iter().map(|t| t.0.clone()).collect();
        Lists { extra: texts(&self.extra_opts), exclude: texts(&self.exclude), include: texts(&self.include) }
    }

    fn kind(&self) -> Kind {
        Kind::of(self.src.0.split(['?', '#']).next().unwrap_or_default())
    }

    fn guard(&self) -> Guard<'_> {
        Guard { creates: self.creates.as_ref().map(|t| t.0.as_str()), removes: None, chdir: None }
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes::of(self.owner.as_ref(), self.group.as_ref(), self.mode.as_ref())
    }

    fn source(&self, context: &Context<'_>, state: &State) -> Result<Source, PlanError> {
        if !self.remote() {
            let found = context.controller.find(Folder::Files, &self.src.0)?;
            let file = local::load(context, &found, self.decrypt.0)?;
            return Ok(Source::Workstation(found, file));
        }
        if self.src.0.contains("://") {
            return Ok(Source::Url(self.src.0.clone()));
        }
        Ok(Source::Host(path::absolute(context, state, &self.src.0)?))
    }

    fn selection<'a>(&self, lists: &'a Lists) -> Selection<'a> {
        Selection { kind: self.kind(), extra: &lists.extra, exclude: &lists.exclude, include: &lists.include }
    }

    /// The question for what is in an archive of the host.
    fn question(&self, archive: &str) -> Probe {
        let lists = self.lists();
        let script = held::reading(archive, None, &self.selection(&lists).list(held::HELD), "exit 1");
        Probe::Script { script, reads: vec![Resource::Path(archive.to_owned())] }
    }

    /// The same for an archive of a web server, which is downloaded for that and forgotten.
    fn question_of_url(&self, context: &Context<'_>, url: &str) -> Probe {
        let lists = self.lists();
        let list = self.selection(&lists).list("\"$s/archive\"");
        // A proxy that the task names is one for its questions too.
        let script = format!(
            "{}s=$(mktemp -d) || exit 1\ntrap 'rm -rf -- \"$s\"' EXIT\n{}{list}",
            context.environment,
            self.fetch(url)
        );
        Probe::Script { script, reads: vec![Resource::Anything] }
    }

    /// Shell that downloads into `$s/archive`.
    fn fetch(&self, url: &str) -> String {
        let request = http::Request {
            url: url.to_owned(),
            method: "GET".to_owned(),
            timeout: std::time::Duration::from_secs(30),
            validate_certs: self.validate_certs.0,
            follow: true,
            use_proxy: true,
            ..Default::default()
        };
        // wget tells the headers on standard error.
        let fetch = request.script(Some("\"$s/archive\"")).replace("wget \"$@\"", "wget \"$@\" 2>&1");
        format!(
            "h=$( {fetch} ) || exit 1\nc=$(printf '%s\\n' \"$h\" | sed -n 's/^ *HTTP[^ ]* \\([0-9]*\\).*/\\1/p' | tail -n 1)\n\
             case ${{c:-200}} in 200) ;; *) echo \"Failure downloading {}, the server answered with status $c\" >&2; exit 1 ;; esac\n",
            url.replace(['"', '$', '`', '\\', '\n'], "")
        )
    }

    /// What is in the archive; `None` when that is not known before it is there.
    fn members(&self, context: &Context<'_>, state: &State, source: &Source) -> Result<Option<Vec<Member>>, PlanError> {
        let failed = |why: &[u8]| {
            let why = String::from_utf8_lossy(why).trim().to_owned();
            Failure::new(format!("Failed to find handler for \"{}\". The listing failed: {why}", self.src.0))
        };
        let read = |listing: &[u8]| members(self.kind(), listing).map(Some).map_err(|why| Failure::new(why).into());
        match source {
            // It is downloaded once: what it changed is told when it is done.
            Source::Url(_) if !context.check => Ok(None),
            Source::Url(url) => {
                let answer = state.script(&self.question_of_url(context, url))?;
                let said = String::from_utf8_lossy(&answer.stderr);
                if answer.status == 1 && said.contains("Failure downloading") {
                    return Err(Failure::new(said.trim()).into());
                }
                if answer.status != 0 {
                    return Err(failed(&answer.stderr).into());
                }
                read(&answer.stdout)
            }
            Source::Host(archive) => {
                match state.stat(archive, true)? {
                    None => return Err(Failure::new(format!("Source '{archive}' does not exist")).into()),
                    Some(stat) if stat.kind != FileKind::File => {
                        return Err(Failure::new(format!("Invalid archive '{archive}', it is no regular file")).into());
                    }
                    Some(stat) if stat.size == 0 && stat.inode != 0 => {
                        return Err(Failure::new(format!("Invalid archive '{archive}', the file is 0 bytes")).into());
                    }
                    Some(_) => {}
                }
                let answer = state.script(&self.question(archive))?;
                if answer.status != 0 {
                    return Err(failed(&answer.stderr).into());
                }
                read(&answer.stdout)
            }
            // The guard says that it is not unpacked, and nobody asks what is in it: reading it would take seconds.
            Source::Workstation(..) if self.creates.is_some() && !self.list_files.0 && !self.settles() => Ok(None),
            Source::Workstation(found, file) => {
                let lists = self.lists();
                let script = |path: &Path| self.selection(&lists).list(&quote(&path.display().to_string()));
                let plain = match &file.content {
                    Content::Bytes(bytes) if file.decrypted => Some(&**bytes),
                    _ => None,
                };
                let listing = listed(found, plain, &script)?;
                match (&listing.bytes, listing.status) {
                    (Some(bytes), _) => read(bytes),
                    // A tool that only the host has will tell there.
                    (None, Some(90)) => Ok(None),
                    (None, _) => Err(failed(&listing.stderr).into()),
                }
            }
        }
    }

    /// Whether owner, group or mode of the members are given.
    fn settles(&self) -> bool {
        let wanted = self.attributes();
        wanted.owner.is_some() || wanted.group.is_some() || wanted.mode.is_some()
    }

    /// What makes owner, group and mode of members that are there as wanted.
    fn settle(
        &self,
        context: &Context<'_>,
        state: &State,
        dest: &str,
        members: &[Member],
    ) -> Result<String, PlanError> {
        let wanted = self.attributes();
        let mut script = String::new();
        if !self.settles() {
            return Ok(script);
        }
        for member in members {
            let Some(stat) = member_stat(state, dest, &member.name)? else { continue };
            // The directory itself may be named by a link to it.
            let path = match member.name.as_str() {
                "" => path::follow(state, dest)?.0,
                name => path::join(dest, name),
            };
            let place = Place::of(context, state, &path);
            script.push_str(&ownership::script(&place, stat, &wanted.applied(state, stat)));
        }
        Ok(script)
    }

    /// How it is unpacked.
    fn staging<'a>(
        &'a self,
        state: &State,
        dest: &'a str,
        lists: &'a Lists,
        members: Option<&[Member]>,
    ) -> Result<Staging<'a>, PlanError> {
        let mut directories = Vec::new();
        for member in members.unwrap_or_default().iter().filter(|m| m.kind == FileKind::Directory && self.settles()) {
            if member_stat(state, dest, &member.name)?.is_some() {
                directories.push(if member.name.is_empty() { String::new() } else { format!("{}/", member.name) });
            }
        }
        let asked = |m: &Member| lists.include.iter().any(|name| path::clean(name) == path::clean(&m.name));
        let devices =
            members.is_some_and(|all| all.iter().any(|m| m.device) && all.iter().all(|m| !m.device || asked(m)));
        Ok(Staging {
            dest,
            selection: self.selection(lists),
            attributes: self.attributes(),
            directories: members.map(|_| directories),
            devices,
            keep_newer: self.keep_newer.0,
            // What is unpacked already is known of all others.
            compare: members.is_none(),
        })
    }

    fn result(&self, dest: &str, members: Option<&[Member]>) -> Map<String, Json> {
        let handler = match self.kind() {
            Kind::Zip => "ZipArchive",
            Kind::Tar("-z") => "TgzArchive",
            Kind::Tar("-j") => "TarBzipArchive",
            Kind::Tar("-J") => "TarXzArchive",
            Kind::Tar("--zstd") => "TarZstdArchive",
            Kind::Tar(_) => "TarArchive",
        };
        let mut result = Map::new();
        result.insert("dest".into(), json!(dest));
        result.insert("src".into(), json!(self.src.0));
        result.insert("handler".into(), json!(handler));
        if let (true, Some(members)) = (self.list_files.0, members) {
            result.insert("files".into(), names(members));
        }
        result
    }

    /// What unpacks the archive, wherever it is.
    fn unpack(&self, source: Source, staging: &Staging<'_>) -> Step {
        match source {
            Source::Host(archive) => Step::Script(staging.script(&held::open(&archive), held::HELD)),
            Source::Workstation(_, file) => {
                Step::Upload { content: file.content, then: staging.script("", "\"$upload\"") }
            }
            Source::Url(url) => {
                let mut fetch = self.fetch(&url);
                if self.list_files.0 {
                    fetch.push_str(&format!("( {} ) || exit 1\n", staging.selection.list("\"$s/archive\"")));
                }
                Step::Script(staging.script(&fetch, "\"$s/archive\""))
            }
        }
    }
}

impl Module for Unarchive {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let guard = match self.guard().probe(context, state) {
            Ok(probes) => probes,
            Err(missing) => return unread(missing),
        };
        // The archive is not even looked at where the guard says that it was unpacked.
        match self.guard().satisfied(context, state, &Json::Null) {
            Ok(Some(_)) | Err(PlanError::Failed(_)) => return guard,
            Err(PlanError::Missing(Missing::Unread(_))) => return guard,
            _ => {}
        }
        let dest = match path::absolute(context, state, &self.dest.0) {
            Ok(dest) => dest,
            Err(missing) => return unread(missing),
        };
        let mut probes = guard;
        probes.extend(self.attributes().probes(context));
        probes.push(Probe::Stat { path: dest.clone(), follow: true });
        if self.settles() {
            probes.push(path::stat(&dest));
        }
        let Ok(source) = self.source(context, state) else { return probes };
        match &source {
            Source::Host(archive) => {
                probes.push(Probe::Stat { path: archive.clone(), follow: true });
                probes.push(self.question(archive));
            }
            Source::Url(url) if context.check => probes.push(self.question_of_url(context, url)),
            _ => {}
        }
        if let Ok(Some(members)) = self.members(context, state, &source) {
            let mut asked = HashSet::new();
            for member in members.iter().filter(|m| !m.name.is_empty()) {
                let ends = member.name.match_indices('/').map(|(at, _)| at).chain([member.name.len()]);
                for end in ends {
                    if asked.insert(member.name[..end].to_owned()) {
                        probes.push(path::stat(&path::join(&dest, &member.name[..end])));
                    }
                }
            }
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        if let Some(mut result) = self.guard().satisfied(context, state, &Json::Null)? {
            result.retain(|k, _| k == "msg" || k == "stdout");
            return Ok(Plan::ok(result));
        }
        self.attributes().check(state)?;
        let dest = path::absolute(context, state, &self.dest.0)?;
        let directory = state.stat(&dest, true)?.filter(|s| s.kind == FileKind::Directory);
        if directory.is_none() {
            return Err(Failure::new(format!("Destination '{dest}' is not a directory"))
                .help("create it before with `ansible.builtin.file: state=directory`")
                .into());
        }
        let source = self.source(context, state)?;
        let members = self.members(context, state, &source)?;
        let lists = self.lists();
        let staging = self.staging(state, &dest, &lists, members.as_deref())?;
        let mut plan = Plan { result: self.result(&dest, members.as_deref()), ..Plan::default() };
        put::add_stat(&mut plan.result, directory);
        // Whatever comes into it, it stays the directory that it was: check mode plans on, though it may be one that is yet to be made.
        if self.owner.is_none() && self.group.is_none() && self.mode.is_none() {
            plan.predictions.push((Probe::Stat { path: dest.clone(), follow: true }, Answer::Stat(directory.cloned())));
        }
        let touched = self.extra_opts.0.iter().any(|o| matches!(o.0.as_str(), "-m" | "--touch" | "-DD"));
        let mut complete = members.is_some();
        let listed: HashSet<&str> = members.iter().flatten().map(|m| m.name.as_str()).collect();
        for member in members.iter().flatten() {
            if !staging.follows() {
                not_through(state, &dest, &member.name, &listed)?;
            }
            let stat = if staging.follows() {
                state.stat(&path::join(&dest, &member.name), member.kind == FileKind::Directory)?
            } else {
                member_stat(state, &dest, &member.name)?
            };
            let newer = self.keep_newer.0 && stat.zip(member.mtime).is_some_and(|(s, m)| s.mtime >= m);
            complete &= newer || staging.kept(stat) || member.matches(stat, !touched);
            staging.refuse_device(member)?;
            if member.set_id && !staging.set_id() && self.mode.is_none() && !member.matches(stat, !touched) {
                plan.warnings.push(format!(
                    "`{}` would run as its owner or group; it is unpacked without that: `mode`, or `-p` in `extra_opts`, asks for it",
                    member.name
                ));
            }
        }
        let writes = vec![Resource::Path(dest.clone())];
        let mut add = |what: String, step: Step| {
            let mut change = Change::closed(what, step, writes.clone());
            // It is long, and what it leaves is told by no list of paths.
            change.closed = false;
            plan.changes.push(change);
        };
        if complete {
            let settle = self.settle(context, state, &dest, members.as_deref().unwrap_or_default())?;
            if !settle.is_empty() {
                add(format!("set attributes of what was unpacked into {dest}"), Step::Script(settle));
            }
            return Ok(plan);
        }
        let what = format!("unpack {} into {dest}", path::name(&self.src.0));
        add(what, self.unpack(source, &staging));
        Ok(plan)
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        if let Some(output) = outputs.iter().find(|o| o.status != 0 || o.error.is_some()) {
            let told =
                output.error.clone().unwrap_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_owned());
            let dest = plan.result.get("dest").and_then(Json::as_str).unwrap_or_default();
            return Err(
                Failure::new(format!("failed to unpack {} to {dest}: {told}", self.src.0)).with("rc", output.status)
            );
        }
        let mut result = plan.result.clone();
        let Some(output) = outputs.first() else { return Ok(result) };
        let (listing, same) = match output.stdout.strip_suffix(SAME.as_bytes()) {
            Some(listing) => (listing, true),
            None => (output.stdout.as_slice(), false),
        };
        if same {
            result.insert("changed".into(), json!(false));
        }
        if self.list_files.0 && !result.contains_key("files") && !listing.is_empty() {
            let members = members(self.kind(), listing).map_err(Failure::new)?;
            result.insert("files".into(), names(&members));
        }
        Ok(result)
    }

    fn changed(&self, plan: &Plan, outputs: &[StepOutput]) -> bool {
        plan.would_change() && !outputs.first().is_some_and(|o| o.stdout.ends_with(SAME.as_bytes()))
    }
}
