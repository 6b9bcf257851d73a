//! `ansible.builtin.subversion`: a revision of a Subversion repository in a folder of the host.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/subversion_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, Resource, State},
    module::{
        Change, Context, Described, Diff, Failure, Flag, Module, ParameterError, Place, Plan, PlanError, Return,
        Returns, Step, StepOutput, Text, default_finish, path,
    },
    sh::{self, print, quote},
};

/// Parameters of `subversion`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subversion {
    /// The repository's URL.
    #[serde(alias = "name", alias = "repository")]
    #[schemars(extend("x-aliases" = ["name", "repository"]))]
    repo: Text,
    /// The folder. It can be left out with `checkout`, `update` and `export` all false.
    dest: Option<Text>,
    /// The revision.
    #[serde(default = "head", alias = "rev", alias = "version")]
    #[schemars(extend("x-aliases" = ["rev", "version"]))]
    revision: Text,
    /// Whether changes that were made there are thrown away; else they fail the task. With `export`, whether files that are in the way go.
    #[serde(default)]
    force: Flag,
    /// Whether a folder that is there, and no working copy, becomes one.
    #[serde(default)]
    in_place: Flag,
    /// A user's name.
    username: Option<Text>,
    /// The password for it; svn must be 1.10 or newer.
    password: Option<Text>,
    /// The program to use.
    executable: Option<Text>,
    /// Whether a folder that is not there is checked out.
    #[serde(default = "Flag::yes")]
    checkout: Flag,
    /// Whether one that is there is brought to `revision`.
    #[serde(default = "Flag::yes")]
    update: Flag,
    /// Whether the files come alone, without a working copy's data.
    #[serde(default)]
    export: Flag,
    /// Whether a working copy of another address is switched to this one.
    #[serde(default = "Flag::yes")]
    switch: Flag,
    /// Whether the server's certificate is checked.
    #[serde(default)]
    validate_certs: Flag,
}

fn head() -> Text {
    Text("HEAD".into())
}

impl Described for Subversion {
    const NAME: &'static str = "ansible.builtin.subversion";
    const SUMMARY: &'static str = "Brings a Subversion repository into a folder";
    const EXAMPLES: &'static str = "\
- name: Have the site as it was at revision 42
  ansible.builtin.subversion:
    repo: https://svn.example.org/site/trunk
    dest: /srv/site
    revision: 42
    validate_certs: true
";
    const RETURNS: Returns = &[&[
        Return::list("before", "for a working copy", "Revision and URL as they were; null where nothing was"),
        Return::any(
            "after",
            "for a working copy, or with nothing to be done",
            "Revision and URL as they are; with `checkout`, `update` and `export` all false the repository's revision",
        ),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        if self.dest.is_none() && !self.only_tells() {
            let message = "the destination directory must be specified unless checkout=no, update=no, and export=no";
            return Err(ParameterError::new("dest", message));
        }
        for (name, value) in [("revision", &self.revision), ("repo", &self.repo)] {
            if value.0.is_empty() || value.0.starts_with('-') || value.0.contains(['\n', '\0']) {
                return Err(ParameterError::new(name, format!("`{}` is none", value.0.escape_debug())));
            }
        }
        if self.password.as_ref().is_some_and(|p| p.0.contains(['\n', '\0'])) {
            return Err(ParameterError::new("password", "a line's end cannot be part of it"));
        }
        Ok(())
    }
}

/// What the host and the repository said.
#[derive(Default)]
struct Found {
    absent: bool,
    copy: bool,
    mods: bool,
    revision: String,
    url: String,
    there: String,
}

impl Found {
    fn read(text: &str) -> Found {
        let mut found = Found::default();
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "absent" => found.absent = true,
                "copy" => found.copy = true,
                "mods" => found.mods = true,
                "revision" => rest.clone_into(&mut found.revision),
                "url" => rest.clone_into(&mut found.url),
                "there" => rest.clone_into(&mut found.there),
                _ => {}
            }
        }
        if found.revision.is_empty() {
            found.revision = "Unable to get revision".to_owned();
        }
        if found.url.is_empty() {
            found.url = "Unable to get URL".to_owned();
        }
        found
    }

    fn shown(&self) -> Json {
        json!([self.revision, self.url])
    }
}

impl Subversion {
    /// Whether it only asks the repository.
    fn only_tells(&self) -> bool {
        !self.checkout.0 && !self.update.0 && !self.export.0
    }

    /// The shell function `s`: svn with all options. A password goes through a pipe.
    fn svn(&self) -> String {
        let program = self.executable.as_ref().map_or("svn", |program| &program.0);
        let program = quote(program);
        let mut options = String::from("--non-interactive --no-auth-cache");
        if !self.validate_certs.0 {
            options.push_str(" --trust-server-cert");
        }
        if let Some(user) = &self.username {
            options.push_str(&format!(" --username {}", quote(&user.0)));
        }
        let mut script = format!(
            "command -v {program} >/dev/null || {{ echo 'the host has no svn: install it first (`ansible.builtin.package: name=subversion`)' >&2; exit 90; }}\n"
        );
        match &self.password {
            Some(password) => script.push_str(&format!(
                "case $({program} --version --quiet) in 0.* | 1.[0-9].*) echo 'this svn takes a password on its command line alone, where everybody could read it: 1.10 or newer is needed' >&2; exit 90 ;; esac\n\
                 s() {{ {} | {program} {options} --password-from-stdin \"$@\"; }}\n",
                print(password.0.as_bytes())
            )),
            None => script.push_str(&format!("s() {{ {program} {options} \"$@\" </dev/null; }}\n")),
        }
        script
    }

    fn question(&self, context: &Context<'_>, dest: &str) -> Probe {
        let set = |flag: bool| if flag { "yes" } else { "" };
        let script = format!(
            "{}{}dest={} repo={} revision={} only={} update={}\n{}",
            context.environment,
            self.svn(),
            quote(dest),
            quote(&self.repo.0),
            quote(&self.revision.0),
            set(self.only_tells()),
            set(self.update.0 && !self.export.0),
            sh::file!("subversion/look.sh"),
        );
        Probe::Script { script, reads: vec![Resource::Path(dest.to_owned()), Resource::Anything] }
    }

    fn act(&self, act: &str, place: &Place, found: &Found) -> Step {
        let set = |flag: bool| if flag { "yes" } else { "" };
        // In the working copy itself, or beside what is to be one.
        let dest = if act == "update" { ".".to_owned() } else { format!("./{}", place.name) };
        Step::Script(format!(
            "{}{}dest={} repo={} revision={} act={act} force={} switch={} mods={}\n{}",
            self.svn(),
            place.enter(),
            quote(&dest),
            quote(&self.repo.0),
            quote(&self.revision.0),
            if self.force.0 { "--force" } else { "" },
            set(self.switch.0),
            set(found.mods),
            sh::file!("subversion/bring.sh"),
        ))
    }

    /// A working copy that is there.
    fn update_it(&self, context: &Context<'_>, state: &State, dest: &str, found: &Found) -> Result<Plan, PlanError> {
        if !self.update.0 {
            return Ok(Plan::default());
        }
        if found.mods && !self.force.0 {
            let failure = Failure::new("ERROR: modified files exist in the repository.");
            return Err(failure.help("`force: true` throws the changes away").into());
        }
        let mut plan =
            Plan::ok(Map::from_iter([("before".to_owned(), found.shown()), ("after".to_owned(), found.shown())]));
        let moved = self.switch.0 && found.url != format!("URL: {}", self.repo.0);
        if !(found.mods || moved || found.there != found.revision) {
            return Ok(plan);
        }
        let place = Place::of(context, state, &path::join(dest, ".svn"));
        let step = self.act("update", &place, found);
        plan.changes.push(Change::open(format!("bring {dest} to {}", self.revision.0), step));
        let after = if moved { format!("URL: {}", self.repo.0) } else { found.url.clone() };
        plan.result.insert("after".into(), json!([found.there, after]));
        plan.diff.push(Diff {
            before: format!("{}\n{}\n", found.revision, found.url),
            after: format!("{}\n{after}\n", found.there),
            before_header: dest.to_owned(),
            after_header: dest.to_owned(),
        });
        Ok(plan)
    }

    /// A folder that is to be made, or to become a working copy.
    fn make_it(&self, context: &Context<'_>, state: &State, dest: &str, found: &Found) -> Result<Plan, PlanError> {
        let (act, what) = match (self.export.0, found.absent) {
            (true, _) => ("export", "export"),
            (false, true) if !self.checkout.0 => return Ok(Plan::default()),
            (false, true) => ("checkout", "check out"),
            (false, false) if self.in_place.0 => ("place", "check out"),
            (false, false) => {
                let why = format!("ERROR: {dest} folder already exists, but its not a subversion repository.");
                return Err(Failure::new(why)
                    .help("clear it, choose another `dest`, or let it be one by `in_place: true`")
                    .into());
            }
        };
        let mut plan = Plan::default();
        if !self.export.0 {
            plan.result.insert("before".into(), Json::Null);
        }
        let parent = path::parent(dest);
        if state.stat(parent, true)?.is_none() {
            let script = format!("umask 022; mkdir -p -- {}\n", quote(parent));
            let writes = vec![Resource::Path(parent.to_owned())];
            plan.changes.push(Change::closed(format!("create directory {parent}"), Step::Script(script), writes));
        }
        let step = self.act(act, &Place::of(context, state, dest), found);
        plan.changes.push(Change::open(format!("{what} {} into {dest}", self.repo.0), step));
        plan.output_in_result = !self.export.0;
        Ok(plan)
    }
}

impl Module for Subversion {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let Some(dest) = &self.dest else { return vec![self.question(context, "")] };
        match path::absolute(context, state, &dest.0) {
            Ok(dest) => {
                let parent = path::stat(path::parent(&dest));
                [path::above(&dest), vec![parent, path::stat(&dest), self.question(context, &dest)]].concat()
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
        if self.only_tells() {
            return Ok(Plan::ok(Map::from_iter([("after".to_owned(), json!(found.there))])));
        }
        match found.copy && !self.export.0 {
            true => self.update_it(context, state, &dest, &found),
            false => self.make_it(context, state, &dest, &found),
        }
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let mut result = default_finish(plan, outputs)?;
        if let Some(output) = outputs.last().filter(|_| !self.export.0) {
            result.insert("after".into(), Found::read(&String::from_utf8_lossy(&output.stdout)).shown());
        }
        Ok(result)
    }

    fn changed(&self, plan: &Plan, outputs: &[StepOutput]) -> bool {
        let told = |output: &StepOutput| String::from_utf8_lossy(&output.stdout).lines().any(|line| line == "changed");
        // An update of a copy without changes of its own is one where it brings something.
        let quiet = plan.result.get("before").is_some_and(Json::is_array) && !outputs.is_empty();
        plan.would_change() && (!quiet || self.reverts(plan) || outputs.iter().any(told))
    }
}

impl Subversion {
    /// Whether a plan throws changes away, which is one.
    fn reverts(&self, plan: &Plan) -> bool {
        plan.changes.iter().any(|change| matches!(&change.step, Step::Script(script) if script.contains("mods=yes\n")))
    }
}
