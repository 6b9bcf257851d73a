//! `ansible.builtin.git`: a version of a git repository in a folder of the host.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/git_module.html>

mod archive;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, Resource, State},
    module::{
        Change, Context, Described, Diff, Failure, Flag, List, Module, ParameterError, Place, Plan, PlanError, Return,
        Returns, Step, StepOutput, Text, Whole, default_finish, path,
    },
    sh::{self, quote},
};

/// Parameters of `git`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Git {
    /// The repository: an address, or a path on the host.
    #[serde(alias = "name")]
    #[schemars(extend("x-aliases" = ["name"]))]
    repo: Text,
    /// The folder that it is checked out into. It can be left out with `clone: false`.
    dest: Option<Text>,
    /// A branch, a tag, or a commit by its full SHA-1; `HEAD` is the repository's own branch.
    #[serde(default = "head")]
    version: Text,
    /// What the remote is called there.
    #[serde(default = "origin")]
    remote: Text,
    /// Whether a folder that is there already is brought to `version`.
    #[serde(default = "Flag::yes")]
    update: Flag,
    /// Whether one that is not there is cloned; else it is only told what the repository has.
    #[serde(default = "Flag::yes")]
    clone: Flag,
    /// Whether changes that were made there are thrown away; else they fail the task.
    #[serde(default = "no")]
    force: Flag,
    /// Whether submodules come along.
    #[serde(default = "Flag::yes")]
    recursive: Flag,
    /// Whether submodules go to the newest commit of their branch, and not to the one that is written down.
    #[serde(default = "no")]
    track_submodules: Flag,
    /// Whether it is a bare repository, without files checked out.
    #[serde(default = "no")]
    bare: Flag,
    /// How many commits of history to take; all by default.
    depth: Option<Whole>,
    /// Whether history of other branches is left out when it is cloned.
    #[serde(default = "no")]
    single_branch: Flag,
    /// What else to fetch, such as `refs/pull/12/head`.
    refspec: Option<Text>,
    /// A repository of the host that objects may be shared with.
    reference: Option<Text>,
    /// Where the repository's own data goes, apart from the files.
    separate_git_dir: Option<Text>,
    /// The private key on the host that SSH shows.
    key_file: Option<Text>,
    /// More options for ssh.
    ssh_opts: Option<Text>,
    /// Whether any host key is taken, a changed one too.
    #[serde(default = "no")]
    accept_hostkey: Flag,
    /// Whether the key of a host that is not known yet is taken.
    #[serde(default = "no")]
    accept_newhostkey: Flag,
    /// Whether the version must bear a signature that gpg trusts.
    #[serde(default = "no")]
    verify_commit: Flag,
    /// The keys whose signatures count, by their fingerprints; with `verify_commit`.
    #[serde(default, alias = "gpg_whitelist")]
    #[schemars(extend("x-aliases" = ["gpg_whitelist"]))]
    gpg_allowlist: List<Text>,
    /// A file to make an archive of the version in: a `.zip`, `.tar`, `.tar.gz` or `.tgz`.
    archive: Option<Text>,
    /// What goes in front of each path in the archive.
    archive_prefix: Option<Text>,
    /// The program to use.
    executable: Option<Text>,
    /// The umask for what is checked out, as an octal number.
    umask: Option<Text>,
}

fn head() -> Text {
    Text("HEAD".into())
}

fn origin() -> Text {
    Text("origin".into())
}

fn no() -> Flag {
    Flag(false)
}

impl Described for Git {
    const NAME: &'static str = "ansible.builtin.git";
    const SUMMARY: &'static str = "Brings a git repository into a folder";
    const EXAMPLES: &'static str = "\
- name: Have the site as it is tagged
  ansible.builtin.git:
    repo: https://git.example.org/site.git
    dest: /srv/site
    version: v1.4
";
    const RETURNS: Returns = &[&[
        Return::text("before", "always", "The commit that was checked out; null where nothing was"),
        Return::text("after", "always", "The commit that is"),
        Return::flag("remote_url_changed", "where it was there", "Whether the remote had another address"),
        Return::flag("submodules_changed", "where submodules moved", "True"),
        Return::text("msg", "where changes were thrown away", "Which folder had them"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        if self.dest.is_none() && self.clone.0 {
            let error = ParameterError::new("dest", "it is missing");
            return Err(error.help("only with `clone: false` can it be left out"));
        }
        for (name, value) in [("version", &self.version), ("remote", &self.remote), ("repo", &self.repo)] {
            if value.0.is_empty() || value.0.starts_with('-') || value.0.contains(['\n', '\0']) {
                return Err(ParameterError::new(name, format!("`{}` is none", value.0.escape_debug())));
            }
        }
        if self.separate_git_dir.is_some() && self.bare.0 {
            return Err(ParameterError::new("separate_git_dir", "a bare repository has no files to be apart from"));
        }
        if self.archive_prefix.is_some() && self.archive.is_none() {
            return Err(ParameterError::new("archive_prefix", "it needs an `archive`"));
        }
        let octal = |t: &Text| t.0.bytes().all(|b| (b'0'..=b'7').contains(&b)) && (3..=4).contains(&t.0.len());
        if self.umask.as_ref().is_some_and(|u| !octal(u)) {
            return Err(ParameterError::new("umask", "it is an octal number, such as \"0022\""));
        }
        Ok(())
    }
}

/// What the host and the repository said.
#[derive(Default)]
struct Found {
    there: bool,
    full: bool,
    mods: bool,
    before: Option<String>,
    url: String,
    branch: String,
    have: Option<String>,
    refs: Vec<(String, String)>,
}

/// What a version is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Head,
    Branch,
    Commit,
}

impl Found {
    fn read(text: &str) -> Found {
        let mut found = Found::default();
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "there" => found.there = true,
                "full" => found.full = true,
                "mods" => found.mods = true,
                "before" => found.before = Some(rest.to_owned()).filter(|r| !r.is_empty()),
                "url" => rest.clone_into(&mut found.url),
                "branch" => rest.clone_into(&mut found.branch),
                "have" => found.have = Some(rest.to_owned()),
                "ref" => found.refs.extend(rest.split_once(' ').map(|(c, n)| (c.to_owned(), n.to_owned()))),
                _ => {}
            }
        }
        found
    }

    fn named(&self, name: &str) -> Option<String> {
        self.refs.iter().find(|(_, n)| n == name).map(|(commit, _)| commit.clone())
    }

    /// What `version` is, and at which commit, where that can be told before anything is fetched.
    fn wanted(&self, version: &str) -> (Kind, Option<String>) {
        if version == "HEAD" {
            return (Kind::Head, self.named("HEAD"));
        }
        if let Some(commit) = self.named(&format!("refs/heads/{version}")) {
            return (Kind::Branch, Some(commit));
        }
        let tag = [format!("refs/tags/{version}^{{}}"), format!("refs/tags/{version}"), version.to_owned()];
        let full = version.len() == 40 && version.bytes().all(|b| b.is_ascii_hexdigit());
        let commit = tag.iter().find_map(|name| self.named(name)).or_else(|| self.have.clone());
        (Kind::Commit, commit.or_else(|| full.then(|| version.to_owned())))
    }
}

impl Git {
    fn environment(&self) -> String {
        let mut ssh = String::from("ssh -o BatchMode=yes");
        if self.accept_hostkey.0 {
            ssh.push_str(" -o StrictHostKeyChecking=no");
        } else if self.accept_newhostkey.0 {
            ssh.push_str(" -o StrictHostKeyChecking=accept-new");
        }
        if let Some(key) = &self.key_file {
            ssh.push_str(&format!(" -o IdentitiesOnly=yes -i {}", quote(&key.0)));
        }
        if let Some(options) = &self.ssh_opts {
            ssh.push_str(&format!(" {}", options.0));
        }
        let mut script = format!("export LC_ALL=C GIT_TERMINAL_PROMPT=0 GIT_SSH_COMMAND={}\n", quote(&ssh));
        if let Some(program) = &self.executable {
            script.push_str(&format!("git() {{ {} \"$@\"; }}\n", quote(&program.0)));
        }
        script
    }

    fn question(&self, context: &Context<'_>, dest: &str) -> Probe {
        let set = |flag: Flag| if flag.0 { "yes" } else { "" };
        let script = format!(
            "{}{}dest={} repo={} version={} remote={} bare={} update={}\n{}",
            context.environment,
            self.environment(),
            quote(dest),
            quote(&self.repo.0),
            quote(&self.version.0),
            quote(&self.remote.0),
            set(self.bare),
            set(self.update),
            sh::file!("git/look.sh"),
        );
        Probe::Script { script, reads: vec![Resource::Path(dest.to_owned()), Resource::Anything] }
    }

    /// The script that clones or fetches.
    fn bring(&self, place: &Place, found: &Found, kind: Kind) -> String {
        let set = |flag: bool| if flag { "yes" } else { "" };
        let mut options = Vec::new();
        let mut shallow = String::new();
        if let Some(depth) = &self.depth {
            // A commit that no branch leads to is not reached by a part of the history.
            if kind != Kind::Commit || !found.refs.is_empty() || self.refspec.is_some() {
                shallow = format!("--depth {}", depth.0);
            }
        }
        let named = kind == Kind::Branch || (kind == Kind::Commit && !found.refs.is_empty());
        if (self.single_branch.0 || !shallow.is_empty()) && named && self.refspec.is_none() {
            options.push(format!("--branch {}", quote(&self.version.0)));
        }
        if self.single_branch.0 {
            options.push("--single-branch".to_owned());
        }
        options.extend(self.reference.as_ref().map(|r| format!("--reference {}", quote(&r.0))));
        options.extend(self.separate_git_dir.as_ref().map(|d| format!("--separate-git-dir={}", quote(&d.0))));
        let umask = self.umask.as_ref().map_or(String::new(), |u| format!("umask {}\n", u.0));
        format!(
            "{umask}{}{}name={} repo={} version={} remote={} refspec={} new={} moved={} force={} verify={} allowed={} recursive={} bare={} tracked={} kind={}\nshallow={}\nset --{}\n{}",
            self.environment(),
            place.enter(),
            quote(&place.name),
            quote(&self.repo.0),
            quote(&self.version.0),
            quote(&self.remote.0),
            quote(self.refspec.as_ref().map_or("", |r| r.0.as_str())),
            set(!found.there),
            set(found.url != self.repo.0),
            set(self.force.0),
            set(self.verify_commit.0),
            quote(&self.gpg_allowlist.0.iter().map(|key| key.0.as_str()).collect::<Vec<_>>().join(" ")),
            set(self.recursive.0),
            if self.bare.0 { "--bare" } else { "" },
            if self.track_submodules.0 { "--remote" } else { "" },
            match kind {
                Kind::Head => "head",
                Kind::Branch => "branch",
                Kind::Commit => "commit",
            },
            quote(&shallow),
            options.iter().map(|option| format!(" {option}")).collect::<String>(),
            sh::file!("git/bring.sh"),
        )
    }

    fn result(before: Option<&String>, after: Option<&String>) -> Map<String, Json> {
        Map::from_iter([("before".to_owned(), json!(before)), ("after".to_owned(), json!(after))])
    }
}

impl Module for Git {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let Some(dest) = &self.dest else { return vec![self.question(context, "")] };
        match path::absolute(context, state, &dest.0) {
            Ok(dest) => {
                let own = vec![path::stat(&dest), self.question(context, &dest)];
                [path::above(&dest), own, self.archive_probes(context, state)].concat()
            }
            Err(_) => vec![Probe::User { name: context.user.to_owned() }],
        }
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let dest = match &self.dest {
            Some(dest) => path::absolute(context, state, &dest.0)?,
            None => String::new(),
        };
        let answer = state.script(&self.question(context, &dest))?;
        if answer.status != 0 {
            return Err(Failure::said(answer).with("rc", answer.status).into());
        }
        let found = Found::read(&answer.text());
        let (kind, wanted) = found.wanted(&self.version.0);
        if found.refs.is_empty() && wanted.is_none() && self.refspec.is_none() && (self.update.0 || !found.there) {
            let message = format!("{} has neither a branch nor a tag `{}`", self.repo.0, self.version.0);
            let help = "a commit is given by its full SHA-1, and what else there is by `refspec`";
            return Err(Failure::new(message).help(help).into());
        }
        let mut plan = match found.there {
            true => self.update_it(context, state, &dest, &found, kind, wanted)?,
            false => self.clone_it(context, state, &dest, &found, kind, wanted)?,
        };
        if let Some(archive) = self.archive.as_ref().filter(|_| found.there || self.clone.0) {
            self.add_archive(context, state, &mut plan, &dest, archive)?;
        }
        Ok(plan)
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let mut result = default_finish(plan, outputs)?;
        for line in outputs
            .iter()
            .flat_map(|o| String::from_utf8_lossy(&o.stdout).lines().map(str::to_owned).collect::<Vec<_>>())
        {
            if let Some(commit) = line.strip_prefix("after ") {
                result.insert("after".into(), json!(commit));
            } else if line == "submodules" {
                result.insert("submodules_changed".into(), json!(true));
            }
        }
        Ok(result)
    }

    fn changed(&self, plan: &Plan, outputs: &[StepOutput]) -> bool {
        plan.would_change() || outputs.iter().any(|o| o.stdout.split(|b| *b == b'\n').any(|line| line == b"submodules"))
    }
}

impl Git {
    fn update_it(
        &self,
        context: &Context<'_>,
        state: &State,
        dest: &str,
        found: &Found,
        kind: Kind,
        wanted: Option<String>,
    ) -> Result<Plan, PlanError> {
        let mut plan = Plan::ok(Git::result(found.before.as_ref(), found.before.as_ref()));
        if !self.update.0 {
            return Ok(plan);
        }
        if found.mods && !self.force.0 {
            let message = format!("Local modifications exist in the destination: {dest} (force=no).");
            return Err(Failure::new(message).help("`force: true` throws them away").into());
        }
        let moved = found.url != self.repo.0;
        plan.result.insert("remote_url_changed".into(), json!(moved));
        if found.mods {
            plan.result.insert("msg".into(), json!(format!("Local modifications exist in the destination: {dest}")));
        }
        let changed = found.mods || moved || wanted.is_none() || wanted != found.before;
        // The same commit by another name: it is checked out, and Ansible counts that as nothing.
        let renamed = !self.bare.0 && kind == Kind::Branch && found.branch != self.version.0;
        if changed || renamed || self.track_submodules.0 {
            // Below the folder itself, so that it is entered once.
            let script = self.bring(&Place::of(context, state, &path::join(dest, ".git")), found, kind);
            self.add(&mut plan, dest, format!("bring {dest} to {}", self.version.0), script, wanted);
            plan.changed = Some(changed);
        }
        Ok(plan)
    }

    fn clone_it(
        &self,
        context: &Context<'_>,
        state: &State,
        dest: &str,
        found: &Found,
        kind: Kind,
        wanted: Option<String>,
    ) -> Result<Plan, PlanError> {
        let mut plan = Plan::ok(Git::result(None, wanted.as_ref()));
        if !self.clone.0 {
            plan.changed = Some(true);
            return Ok(plan);
        }
        if found.full {
            let message = format!("{dest} is there, is not empty, and is no repository of git");
            return Err(Failure::new(message).help("clear it, or choose another `dest`").into());
        }
        let parent = path::parent(dest);
        if state.stat(parent, true)?.is_none() {
            let script = format!("umask 022; mkdir -p -- {}\n", quote(parent));
            let writes = vec![Resource::Path(parent.to_owned())];
            plan.changes.push(Change::closed(format!("create directory {parent}"), Step::Script(script), writes));
        }
        let script = self.bring(&Place::of(context, state, dest), found, kind);
        self.add(&mut plan, dest, format!("clone {} into {dest}", self.repo.0), script, wanted);
        Ok(plan)
    }

    fn add(&self, plan: &mut Plan, dest: &str, what: String, script: String, wanted: Option<String>) {
        let before = plan.result.get("before").and_then(Json::as_str).map(str::to_owned);
        let line = |commit: Option<&String>| commit.map_or(String::new(), |c| format!("{c}\n"));
        plan.diff.push(Diff {
            before: line(before.as_ref()),
            after: line(wanted.as_ref()),
            before_header: dest.to_owned(),
            after_header: dest.to_owned(),
        });
        plan.result.insert("after".into(), json!(wanted.or(before)));
        plan.changes.push(Change::open(what, Step::Script(script)));
    }
}
