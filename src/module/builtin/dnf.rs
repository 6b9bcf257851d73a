//! `ansible.builtin.dnf` and `ansible.builtin.dnf5`: packages of Fedora, Red Hat and their kin, by dnf's command line.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/dnf_module.html>

mod command;
mod output;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Answer, Probe, ScriptAnswer, State},
    module::{
        Change, Context, Described, Failure, Flag, List, Module, ParameterError, Plan, PlanError, Return, Returns,
        Step, StepOutput, Text, Whole,
    },
};

/// Parameters of `dnf`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dnf {
    /// Packages: `name`, `name-1.0`, `name >= 1.0`, `@group`, the path or URL of an rpm; with `latest`, `*` is all that is installed.
    #[serde(default)]
    #[serde(alias = "name", alias = "pkg")]
    #[schemars(extend("x-aliases" = ["name", "pkg"]))]
    package: List<Text>,
    /// `present`, `absent` or `latest`; with `autoremove` alone what nothing needs goes.
    state: Option<Wanted>,
    /// Only tells: `installed`, `available`, `updates`, `repos`, or a package.
    list: Option<Text>,
    /// Repositories to take too.
    #[serde(default)]
    enablerepo: List<Text>,
    /// Repositories to leave out.
    #[serde(default)]
    disablerepo: List<Text>,
    /// dnf's configuration, on the host.
    conf_file: Option<Text>,
    /// Accept packages without a good signature.
    #[serde(default)]
    disable_gpg_check: Flag,
    /// The folder that is the root of the system to act on.
    installroot: Option<Text>,
    /// The release to take packages from.
    releasever: Option<Text>,
    /// Remove packages that were installed for others alone, and that nothing needs any more.
    #[serde(default)]
    autoremove: Flag,
    /// Packages to leave out.
    #[serde(default)]
    exclude: List<Text>,
    /// Leave out what cannot be had or does not fit.
    #[serde(default)]
    skip_broken: Flag,
    /// Read what the repositories have anew.
    #[serde(default)]
    #[serde(alias = "expire-cache")]
    #[schemars(extend("x-aliases" = ["expire-cache"]))]
    update_cache: Flag,
    /// Only upgrade packages that are there.
    #[serde(default)]
    update_only: Flag,
    /// With `latest`: only what mends security.
    #[serde(default)]
    security: Flag,
    /// With `latest`: only what mends mistakes.
    #[serde(default)]
    bugfix: Flag,
    /// Plugins to use.
    #[serde(default)]
    enable_plugin: List<Text>,
    /// Plugins to leave out.
    #[serde(default)]
    disable_plugin: List<Text>,
    /// Which exclusions of the configuration do not count: `all`, `main` or a repository.
    disable_excludes: Option<Text>,
    /// Whether certificates of addresses of rpms are checked.
    #[serde(default = "Flag::yes")]
    validate_certs: Flag,
    /// Whether certificates of repositories are checked.
    #[serde(default = "Flag::yes")]
    sslverify: Flag,
    /// Accept a lower version than the installed one.
    #[serde(default)]
    allow_downgrade: Flag,
    /// Accepted for Ansible's sake: it does nothing there either.
    #[allow(dead_code)]
    install_repoquery: Option<Flag>,
    /// Only download the packages.
    #[serde(default)]
    download_only: Flag,
    /// Where to; with `download_only`.
    download_dir: Option<Text>,
    /// How many seconds to wait for another dnf to end.
    #[serde(default = "half_minute")]
    lock_timeout: Whole,
    /// Install what packages recommend.
    #[serde(default = "Flag::yes")]
    install_weak_deps: Flag,
    /// Let what is in the way be removed.
    #[serde(default)]
    allowerasing: Flag,
    /// Take a lower version where the newest does not fit; the opposite of `best`.
    nobest: Option<Flag>,
    /// Take the newest version or fail.
    best: Option<Flag>,
    /// Read nothing from the repositories.
    #[serde(default)]
    cacheonly: Flag,
    /// Which dnf: `auto` is the host's `dnf`, `dnf5` the fifth generation.
    use_backend: Option<Text>,
    /// The same.
    #[serde(rename = "use")]
    use_: Option<Text>,
    /// Accepted for Ansible's sake: nothing is needed on the host.
    #[allow(dead_code)]
    auto_install_module_deps: Option<Flag>,
    /// The fifth generation, whatever is named `dnf`.
    #[serde(skip)]
    five: bool,
}

/// What is to become of packages.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// Installed, in whatever version.
    #[serde(alias = "installed")]
    Present,
    /// Not installed.
    #[serde(alias = "removed")]
    Absent,
    /// Installed in the newest version.
    Latest,
}

fn half_minute() -> Whole {
    Whole(30)
}

/// What dnf is to do.
#[derive(Clone, Debug, Default)]
struct Work {
    /// Packages that are installed, or removed.
    install: Vec<String>,
    /// Packages that are there and may have a newer version.
    upgrade: Vec<String>,
    /// Packages that are not there and are not to be installed.
    left: Vec<String>,
    /// No package is named: all that are there, or all that nothing needs.
    all: bool,
    /// dnf alone can tell whether there is anything to do.
    open: bool,
}

/// `dnf5`, which is `dnf` of the fifth generation.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Dnf")]
pub struct Dnf5(Dnf);

impl JsonSchema for Dnf5 {
    fn schema_name() -> Cow<'static, str> {
        "Dnf5".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Dnf::json_schema(generator)
    }
}

impl From<Dnf> for Dnf5 {
    fn from(dnf: Dnf) -> Dnf5 {
        Dnf5(Dnf { five: true, ..dnf })
    }
}

impl Described for Dnf {
    const NAME: &'static str = "ansible.builtin.dnf";
    const ALIASES: &'static [&'static str] = &["ansible.builtin.yum", "yum"];
    const SUMMARY: &'static str = "Installs, upgrades and removes packages of Fedora, Red Hat and their kin";
    const EXAMPLES: &'static str = "\
- name: Install the container runtime
  ansible.builtin.dnf:
    name: [containerd, runc]
    state: present
    install_weak_deps: false
";
    const RETURNS: Returns = RETURNED;

    fn check(&self) -> Result<(), ParameterError> {
        let wrong = |name: &&Text| name.0.trim().is_empty() || name.0.starts_with('-') || name.0.contains('\n');
        if let Some(name) = self.package.0.iter().find(wrong) {
            return Err(ParameterError::new("name", format!("`{}` is no package's name", name.0.escape_debug())));
        }
        if self.best.is_some() && self.nobest.is_some() {
            return Err(ParameterError::task("parameters are mutually exclusive: best|nobest"));
        }
        if self.use_.is_some() && self.use_backend.is_some() {
            return Err(ParameterError::task("parameters are mutually exclusive: use|use_backend"));
        }
        if self.autoremove.0 && !matches!(self.state, None | Some(Wanted::Absent)) {
            return Err(ParameterError::new("autoremove", "Autoremove should be used alone or with state=absent"));
        }
        if self.list.is_some() && !self.package.0.is_empty() {
            return Err(ParameterError::task("parameters are mutually exclusive: name|list"));
        }
        if self.package.0.is_empty() && self.list.is_none() && !self.autoremove.0 && !self.update_cache.0 {
            return Err(ParameterError::task(
                "there is nothing to do: `name`, `list`, `autoremove` or `update_cache` is needed",
            ));
        }
        if let Some(other) = [&self.use_, &self.use_backend]
            .into_iter()
            .flatten()
            .find(|backend| !matches!(backend.0.as_str(), "auto" | "yum" | "yum4" | "dnf" | "dnf4" | "dnf5"))
        {
            return Err(ParameterError::new("use_backend", format!("`{}` is no dnf", other.0)));
        }
        Ok(())
    }
}

const RETURNED: Returns = &[&[
    Return::list("results", "always", "What was done, package by package; with `list` the packages"),
    Return::text("results[].name", "with `list`", "A package's name"),
    Return::text("results[].arch", "with `list`", "Its architecture"),
    Return::text("results[].epoch", "with `list`", "Its epoch"),
    Return::text("results[].release", "with `list`", "Its release"),
    Return::text("results[].version", "with `list`", "Its version"),
    Return::text("results[].repo", "with `list`", "The repository that has it"),
    Return::text("results[].envra", "with `list`", "All of it: `EPOCH:NAME-VERSION-RELEASE.ARCH`"),
    Return::text("results[].nevra", "with `list`", "The same"),
    Return::text("results[].yumstate", "with `list`", "`installed` or `available`"),
    Return::text("results[].repoid", "with `list: repos`", "A repository"),
    Return::text("results[].state", "with `list: repos`", "`enabled`"),
    Return::list("failures", "when packages are not there", "What is not there"),
    Return::text("msg", "always", "What happened"),
    Return::whole("rc", "always", "dnf's exit status"),
]];

impl Dnf {
    fn state(&self) -> Wanted {
        self.state.unwrap_or(Wanted::Present)
    }

    /// Whether all that is installed is meant.
    fn everything(&self) -> bool {
        self.state() == Wanted::Latest && matches!(&self.package.0[..], [all] if all.0.trim() == "*")
    }

    /// The packages to hand to dnf.
    fn to_do(&self, state: &State) -> Result<Work, PlanError> {
        let names: Vec<String> = self.package.0.iter().map(|name| name.0.trim().to_owned()).collect();
        if names.is_empty() || self.everything() {
            return Ok(Work { all: true, open: true, ..Work::default() });
        }
        let answer = state.script(&self.look())?;
        if answer.status != 0 {
            return Err(Failure::said(answer).into());
        }
        let told = answer.text();
        let known = |name: &str| !(name.starts_with('@') || name.ends_with(".rpm") || name.contains("://"));
        let mut work = Work::default();
        for (at, name) in names.into_iter().enumerate() {
            let there = told.lines().any(|line| line == format!("there {}", at + 1));
            let file = !known(&name) && !name.starts_with('@');
            work.open |= !known(&name) || name.contains(['*', '?', '[']);
            match self.state() {
                Wanted::Absent if file => {
                    let failure = Failure::new("Cannot remove paths -- please specify package name.");
                    return Err(failure.with("results", json!([])).help(format!("`{name}` is a file")).into());
                }
                Wanted::Absent if there || !known(&name) => work.install.push(name),
                Wanted::Absent => {}
                Wanted::Latest if there => work.upgrade.push(name),
                Wanted::Present if there => {}
                _ if self.update_only.0 && known(&name) => work.left.push(name),
                _ => {
                    // An older version than the one that is there may be meant.
                    work.open |= name.contains('-') && !self.allow_downgrade.0;
                    work.install.push(name);
                }
            }
        }
        work.open |= !work.upgrade.is_empty();
        Ok(work)
    }

    /// The results of a transaction that is not carried out; nothing where there is none.
    fn foretold(&self, state: &State, work: &Work) -> Result<Option<Vec<String>>, PlanError> {
        let text = state.script(&self.simulation(work))?.text();
        match output::would_act(&text) {
            Some(false) => Ok(None),
            // An older version than the one that is there is not asked for.
            Some(true) if self.state() != Wanted::Absent && !self.allow_downgrade.0 && output::downgrades(&text) => {
                Ok(None)
            }
            Some(true) => Ok(Some(output::results(&text, self.download_only.0))),
            None => Err(Dnf::failed(&text, 1).into()),
        }
    }

    fn failed(text: &str, status: i32) -> Failure {
        let failures = output::failures(text);
        let message = match failures.is_empty() {
            true => output::why(text),
            false => format!("Failed to install some of the specified packages: {}", failures.join(" ")),
        };
        Failure::new(message).with("failures", failures).with("results", json!([])).with("rc", status)
    }

    /// What `list` asks for.
    fn listed(&self, state: &State, what: &str) -> Result<Plan, PlanError> {
        let text = state.script(&self.listing(what))?.text();
        let package = |line: &str| {
            let (state, rest) = line.split_once(' ')?;
            if state == "repo" {
                return Some(json!({ "repoid": rest, "state": "enabled" }));
            }
            let fields: Vec<&str> = rest.split('|').collect();
            let [name, arch, epoch, release, version, repo] = fields[..] else { return None };
            let whole = format!("{epoch}:{name}-{version}-{release}.{arch}");
            Some(json!({
                "name": name, "arch": arch, "epoch": epoch, "release": release, "version": version, "repo": repo,
                "envra": whole, "nevra": whole, "yumstate": state,
            }))
        };
        let results: Vec<Json> = text.lines().filter_map(package).collect();
        let fields = [("results", json!(results)), ("msg", json!("")), ("rc", json!(0))];
        Ok(Plan::ok(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
    }

    /// What is done, in a few words.
    fn what(&self, work: &Work) -> String {
        let verb = match self.state() {
            _ if work.all && !self.everything() => return "remove what nothing needs".to_owned(),
            _ if work.all => return "upgrade all packages".to_owned(),
            Wanted::Absent => "remove",
            _ if self.download_only.0 => "download",
            _ => "install",
        };
        let part = |verb: &str, names: &[String]| (!names.is_empty()).then(|| format!("{verb} {}", names.join(" ")));
        let parts = [part("upgrade", &work.upgrade), part(verb, &work.install)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn outcome(results: &[String], message: &str) -> Map<String, Json> {
        let fields = [("results", json!(results)), ("msg", json!(message)), ("rc", json!(0))];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Module for Dnf {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        match &self.list {
            Some(what) => vec![self.listing(&what.0)],
            None if self.package.0.is_empty() || self.everything() => Vec::new(),
            None => vec![self.look()],
        }
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        if let Some(what) = &self.list {
            return self.listed(state, &what.0);
        }
        if self.package.0.is_empty() && !self.autoremove.0 {
            let step = Step::Script(format!("{}d -q makecache >&2 </dev/null\n", self.tools()));
            let changes = vec![Change::open("read what the repositories have", step)];
            return Ok(Plan {
                changes,
                changed: Some(false),
                result: Dnf::outcome(&[], "Cache updated"),
                ..Plan::default()
            });
        }
        let work = self.to_do(state)?;
        let nothing = !work.all && work.install.is_empty() && work.upgrade.is_empty();
        let foretold = match nothing {
            true => None,
            false if work.open || context.check => self.foretold(state, &work)?,
            false => Some(Vec::new()),
        };
        let left = |name: &String| format!("Packages providing {name} not installed due to update_only specified");
        let mut results: Vec<String> = work.left.iter().map(left).collect();
        let Some(foretold) = foretold else { return Ok(Plan::ok(Dnf::outcome(&results, "Nothing to do"))) };
        results.extend(foretold);
        let message =
            if context.check { "Check mode: No changes made, but would have if not in check mode" } else { "" };
        let mut plan = Plan::ok(Dnf::outcome(&results, message));
        plan.changes.push(Change::open(self.what(&work), Step::Script(self.transaction(&work))));
        if work.open || context.check {
            let stdout = b"Nothing to do.\n".to_vec();
            let answer = Answer::Script(ScriptAnswer { stdout, ..ScriptAnswer::default() });
            plan.predictions.push((self.simulation(&work), answer));
        }
        Ok(plan)
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let Some(output) = outputs.last() else { return Ok(plan.result.clone()) };
        if let Some(error) = &output.error {
            return Err(Failure::new(error));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        if output.status != 0 {
            return Err(Dnf::failed(&format!("{text}{}", String::from_utf8_lossy(&output.stderr)), output.status));
        }
        let mut result = plan.result.clone();
        if plan.changed.is_none() {
            result.insert("results".into(), json!(output::results(&text, self.download_only.0)));
        }
        Ok(result)
    }

    fn changed(&self, plan: &Plan, outputs: &[StepOutput]) -> bool {
        let nothing = |output: &StepOutput| output::would_act(&String::from_utf8_lossy(&output.stdout)) == Some(false);
        plan.would_change() && !outputs.iter().any(nothing)
    }
}

impl Described for Dnf5 {
    const NAME: &'static str = "ansible.builtin.dnf5";
    const SUMMARY: &'static str = "Installs, upgrades and removes packages by dnf's fifth generation";
    const EXAMPLES: &'static str = "\
- name: Upgrade all packages
  ansible.builtin.dnf5:
    name: '*'
    state: latest
";
    const RETURNS: Returns = RETURNED;

    fn check(&self) -> Result<(), ParameterError> {
        self.0.check()
    }
}

impl Module for Dnf5 {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        self.0.probe(context, state)
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        self.0.plan(context, state)
    }

    fn finish(&self, context: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        self.0.finish(context, plan, outputs)
    }

    fn changed(&self, plan: &Plan, outputs: &[StepOutput]) -> bool {
        self.0.changed(plan, outputs)
    }
}
