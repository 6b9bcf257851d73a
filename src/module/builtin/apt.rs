//! `ansible.builtin.apt`: packages of Debian and its kin.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/apt_module.html>

mod names;
mod questions;
mod script;

use names::Wish;
use questions::Cache;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Answer, PackageState, Probe, State},
    module::{
        Change, Context, Described, Diff, Failure, Flag, List, Module, ParameterError, Plan, PlanError, Return,
        Returns, Step, StepOutput, Text, Whole, default_finish,
    },
};

/// Parameters of `apt`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Apt {
    /// Packages; `lib?x*` stands for all that fit, `name=1.2*` is a version, `name:arm64` an architecture, `-` behind a name removes it.
    #[serde(default, alias = "name", alias = "pkg")]
    #[schemars(extend("x-aliases" = ["name", "pkg"]))]
    package: List<Text>,
    /// `present`, `absent`, `latest`, `build-dep` (what the packages need to be built), or `fixed` (mends broken dependencies).
    #[serde(default)]
    state: Wanted,
    /// Read the package lists anew before installing; with `state: present` only when a package is missing.
    #[serde(default, alias = "update-cache")]
    #[schemars(extend("x-aliases" = ["update-cache"]))]
    update_cache: Option<Flag>,
    /// How many seconds the package lists stay good; implies `update_cache`.
    #[serde(default)]
    cache_valid_time: Whole,
    /// How often reading the lists is tried again.
    #[serde(default)]
    update_cache_retries: Option<Whole>,
    /// The longest pause between two tries, in seconds.
    #[serde(default)]
    update_cache_retry_max_delay: Option<Whole>,
    /// Remove configuration files along with packages.
    #[serde(default)]
    purge: Flag,
    /// Remove packages that nothing needs any more.
    #[serde(default)]
    autoremove: Flag,
    /// Drop archives of packages that can no longer be fetched.
    #[serde(default)]
    autoclean: Flag,
    /// Drop all fetched archives.
    #[serde(default)]
    clean: Flag,
    /// A `.deb` file on the host to install, or the URL of one, which the host fetches.
    #[serde(default)]
    deb: Option<Text>,
    /// The release to take packages from, such as `bookworm-backports`.
    #[serde(default, alias = "default-release")]
    #[schemars(extend("x-aliases" = ["default-release"]))]
    default_release: Option<Text>,
    /// Install recommended packages too; the host's own setting by default.
    #[serde(default, alias = "install-recommends")]
    #[schemars(extend("x-aliases" = ["install-recommends"]))]
    install_recommends: Option<Flag>,
    /// Allow downgrades, removals of essential packages, changes of held ones, and unauthenticated packages: dangerous.
    #[serde(default)]
    force: Flag,
    /// Upgrade all packages: `safe` or `yes` removes none, `full` or `dist` may.
    #[serde(default)]
    upgrade: Upgrade,
    /// Options for dpkg, separated by commas, each without its dashes.
    #[serde(default = "dpkg_options")]
    dpkg_options: Text,
    /// Only upgrade packages that are there.
    #[serde(default)]
    only_upgrade: Flag,
    /// Fail when packages would be removed along the way.
    #[serde(default)]
    fail_on_autoremove: Flag,
    /// Accept packages without a good signature.
    #[serde(default, alias = "allow-unauthenticated")]
    #[schemars(extend("x-aliases" = ["allow-unauthenticated"]))]
    allow_unauthenticated: Flag,
    /// Accept a lower version than the installed one.
    #[serde(default, alias = "allow-downgrade", alias = "allow_downgrades", alias = "allow-downgrades")]
    #[schemars(extend("x-aliases" = ["allow-downgrade", "allow_downgrades", "allow-downgrades"]))]
    allow_downgrade: Flag,
    /// Change packages that are on hold.
    #[serde(default)]
    allow_change_held_packages: Flag,
    /// How many seconds to wait for another package manager to end.
    #[serde(default)]
    lock_timeout: Option<Whole>,
    /// What `policy-rc.d` answers meanwhile; 101 keeps services from being started.
    #[serde(default)]
    policy_rc_d: Option<Whole>,
    /// Accepted for Ansible's sake: it is always apt-get that acts.
    #[serde(default)]
    #[allow(dead_code)]
    force_apt_get: Flag,
    /// Accepted for Ansible's sake: nothing is needed on the host.
    #[serde(default)]
    #[allow(dead_code)]
    auto_install_module_deps: Flag,
}

/// What is to become of packages.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// Installed, in whatever version.
    #[default]
    #[serde(alias = "installed")]
    Present,
    /// Not installed.
    #[serde(alias = "removed")]
    Absent,
    /// Installed in the newest version.
    Latest,
    /// What they need to be built is installed.
    BuildDep,
    /// No dependency is broken.
    Fixed,
}

/// Which kind of upgrade.
#[derive(Clone, Copy, Debug, Default, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Upgrade {
    /// None.
    #[default]
    No,
    /// All packages, removing none.
    Safe,
    /// All packages, removing what is in the way.
    Full,
}

impl<'de> Deserialize<'de> for Upgrade {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // `yes` and `no` without quotes arrive as truth values.
        match Text::deserialize(from)?.0.as_str() {
            "no" | "False" | "false" => Ok(Upgrade::No),
            "yes" | "safe" | "True" | "true" => Ok(Upgrade::Safe),
            "full" | "dist" => Ok(Upgrade::Full),
            other => Err(serde::de::Error::custom(format!("`{other}` is none of no, yes, safe, full, dist"))),
        }
    }
}

fn dpkg_options() -> Text {
    Text("force-confdef,force-confold".to_owned())
}

impl Described for Apt {
    const NAME: &'static str = "ansible.builtin.apt";
    const ALIASES: &'static [&'static str] = &["apt-get", "ansible.builtin.apt-get"];
    const SUMMARY: &'static str = "Installs, upgrades and removes Debian packages";
    const EXAMPLES: &'static str = "\
- name: Install the container runtime
  ansible.builtin.apt:
    name: [containerd, runc]
    state: present
    update_cache: true
    cache_valid_time: 3600
    install_recommends: false
";
    const RETURNS: Returns = &[&[
        Return::flag("cache_updated", "always", "Whether the lists of packages were read anew"),
        Return::whole("cache_update_time", "when it is known", "When they were read last, in seconds since 1970"),
        Return::text("stdout", "when packages changed", "What apt printed"),
        Return::text("stderr", "when packages changed", "What apt printed as errors"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        let given = [!self.package.0.is_empty(), self.deb.is_some(), self.upgrade != Upgrade::No];
        if given.iter().filter(|g| **g).count() > 1 {
            return Err(ParameterError::task("`deb`, `package` and `upgrade` exclude each other"));
        }
        if !given.contains(&true)
            && !self.wants_lists()
            && !self.autoremove.0
            && !self.autoclean.0
            && !self.clean.0
            && self.state != Wanted::Fixed
        {
            return Err(ParameterError::task(
                "there is nothing to do: `name`, `deb`, `upgrade`, `update_cache` or `autoremove` is needed",
            ));
        }
        let known = |deb: &str| {
            deb.starts_with('/') || ["http://", "https://", "ftp://", "file://"].iter().any(|s| deb.starts_with(s))
        };
        if let Some(deb) = self.deb.as_ref().filter(|d| !known(&d.0)) {
            let error =
                ParameterError::new("deb", format!("`{}` is neither an absolute path on the host nor a URL", deb.0));
            return Err(error.help("fetch it with `ansible.builtin.get_url` first"));
        }
        for name in &self.package.0 {
            Wish::parse(&name.0).map_err(|why| ParameterError::new("name", why))?;
        }
        Ok(())
    }
}

impl Apt {
    /// The packages as they are written.
    fn written(&self) -> Vec<Wish> {
        self.package.0.iter().filter_map(|n| Wish::parse(&n.0).ok()).collect()
    }

    /// The packages by their names, each once.
    fn wishes(&self, state: &State) -> Result<Vec<Wish>, PlanError> {
        let mut wishes: Vec<Wish> = Vec::new();
        for wish in self.written() {
            match wish.is_pattern() {
                true => wishes.extend(questions::names(state, &wish.name)?.iter().map(|name| Wish::named(name))),
                false => wishes.push(wish),
            }
        }
        let mut seen = std::collections::HashSet::new();
        wishes.retain(|wish| seen.insert(wish.written.clone()));
        Ok(wishes)
    }

    fn wants_lists(&self) -> bool {
        self.update_cache.map_or(self.cache_valid_time.0 > 0, |u| u.0)
    }

    /// Whether the lists are to be read anew now.
    fn lists_are_due(&self, state: &State) -> Result<(bool, Option<Cache>), PlanError> {
        if !self.wants_lists() {
            return Ok((false, None));
        }
        let cache = questions::cache(state)?;
        let due = self.cache_valid_time.0 <= 0 || cache.read_at + self.cache_valid_time.0 < cache.now;
        Ok((due, Some(cache)))
    }

    /// What is asked of each named package.
    fn named(&self, state: &State) -> Result<Vec<(Wish, Option<PackageState>)>, PlanError> {
        let mut all = Vec::new();
        for wish in self.wishes(state)? {
            let found = state.package(&wish.name)?.cloned();
            all.push((wish, found));
        }
        Ok(all)
    }

    /// The packages to hand to apt-get, the lists being fresh enough to judge.
    fn to_do(&self, state: &State, lists_due: bool) -> Result<Vec<Wish>, PlanError> {
        let named = self.named(state)?;
        let mut wishes = Vec::new();
        match self.state {
            Wanted::Absent => {
                for (wish, found) in named {
                    let leftovers = self.purge.0 && found.is_none() && questions::has_leftovers(state, &wish.name)?;
                    if found.is_some() || leftovers {
                        wishes.push(wish);
                    }
                }
            }
            Wanted::Present | Wanted::Fixed => {
                for (wish, found) in named {
                    let right = match &found {
                        Some(package) => wish.accepts(&package.version) && !wish.remove,
                        None if wish.remove => true,
                        // Somebody else may provide it: then it counts as installed.
                        None => {
                            self.only_upgrade.0 || (wish.version.is_none() && questions::provided(state, &wish.name)?)
                        }
                    };
                    if !right {
                        wishes.push(wish);
                    }
                }
            }
            Wanted::Latest if lists_due => wishes = self.wishes(state)?,
            Wanted::Latest => {
                for (wish, found) in named {
                    let newest = questions::candidate(state, &wish.name, self.default_release.as_ref())?;
                    let right = match (&found, &newest) {
                        (Some(package), Some(newest)) => {
                            package.version == *newest || (wish.version.is_some() && wish.accepts(&package.version))
                        }
                        (Some(_), None) => true,
                        (None, _) => self.only_upgrade.0 || questions::provided(state, &wish.name)?,
                    };
                    if !right {
                        wishes.push(wish);
                    }
                }
            }
            Wanted::BuildDep => {
                let all = self.wishes(state)?;
                if lists_due || questions::would_change(state, &self.simulation(&all))? {
                    wishes = all;
                }
            }
        }
        Ok(wishes)
    }

    /// Refuses what apt-get would refuse, in words.
    fn refuse(&self, state: &State, wishes: &[Wish]) -> Result<(), PlanError> {
        for wish in wishes {
            let Some(package) = state.package(&wish.name)? else { continue };
            if package.held && !self.allow_change_held_packages.0 && !self.force.0 {
                let why = format!("package {} is on hold at {}", wish.name, package.version);
                return Err(Failure::new(why)
                    .help("`allow_change_held_packages: true` changes it all the same")
                    .into());
            }
        }
        Ok(())
    }

    /// The packages' states afterwards, as far as they can be told.
    fn left(&self, context: &Context<'_>, state: &State, wishes: &[Wish]) -> Vec<(Probe, Answer)> {
        let mut predictions = Vec::new();
        for wish in wishes {
            let probe = Probe::Package { name: wish.name.clone() };
            if self.state == Wanted::Absent || wish.remove {
                predictions.push((probe, Answer::Package(None)));
            } else if context.check && self.state != Wanted::BuildDep {
                let candidate =
                    || questions::candidate(state, &wish.name, self.default_release.as_ref()).ok().flatten();
                let version = wish.version.clone().filter(|v| !v.contains(['*', '?', '['])).or_else(candidate);
                let version = version.unwrap_or_else(|| "(newest)".to_owned());
                predictions.push((probe, Answer::Package(Some(PackageState { version, held: false }))));
            }
        }
        predictions
    }

    fn diff(&self, state: &State, wishes: &[Wish]) -> Diff {
        let (mut before, mut after) = (String::new(), String::new());
        for wish in wishes {
            if let Ok(Some(package)) = state.package(&wish.name) {
                before.push_str(&format!("{} {}\n", wish.name, package.version));
            }
            if self.state != Wanted::Absent && !wish.remove {
                after.push_str(&format!("{} {}\n", wish.name, wish.version.as_deref().unwrap_or("(newest)")));
            }
        }
        Diff { before_header: "packages".into(), after_header: "packages".into(), before, after }
    }

    /// What else than named packages is to be done.
    fn others(
        &self,
        context: &Context<'_>,
        state: &State,
        lists_due: bool,
    ) -> Result<Vec<(String, String)>, PlanError> {
        let mut all = Vec::new();
        if self.upgrade != Upgrade::No {
            let simulation = self.simulation(&[]);
            if lists_due || questions::would_change(state, &simulation)? {
                all.push(("upgrade packages".to_owned(), self.upgrade_command()));
            }
        }
        if let Some(deb) = &self.deb {
            let (name, version) = questions::archive(context, state, &deb.0)?;
            let installed = state.package(&name)?;
            if installed.is_none_or(|p| p.version != version) {
                all.push((format!("install {name} {version} from {}", deb.0), self.deb_command(&deb.0)));
            }
        }
        if self.state == Wanted::Fixed && self.package.0.is_empty() {
            let simulation = self.simulation(&[]);
            if questions::would_change(state, &simulation)? {
                all.push(("mend broken dependencies".to_owned(), self.fix_command()));
            }
        }
        let alone = self.package.0.is_empty() && self.deb.is_none() && self.upgrade == Upgrade::No;
        if self.autoremove.0 && alone && questions::would_change(state, &self.autoremove_simulation())? {
            all.push(("remove packages that nothing needs".to_owned(), self.autoremove_command()));
        }
        for (wanted, verb) in [(self.clean.0, "clean"), (self.autoclean.0, "autoclean")] {
            if wanted && questions::has_archives(state, verb)? {
                all.push((format!("{verb} the archives"), format!("run {verb} || exit\n")));
            }
        }
        Ok(all)
    }
}

impl Module for Apt {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let written = self.written();
        let patterns = written.iter().filter(|w| w.is_pattern());
        let mut probes: Vec<_> = patterns.map(|w| questions::names_question(&w.name)).collect();
        let wishes = self.wishes(state).unwrap_or_default();
        probes.extend(wishes.iter().map(|w| Probe::Package { name: w.name.clone() }));
        if self.wants_lists() {
            probes.push(questions::cache_question());
        }
        if let Some(deb) = &self.deb {
            probes.push(questions::archive_question(context, &deb.0));
        }
        let missing = wishes.iter().any(|w| matches!(state.package(&w.name), Ok(None)));
        if missing && matches!(self.state, Wanted::Present | Wanted::Latest | Wanted::Fixed) {
            probes.push(questions::provides_question());
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let (due, cache) = self.lists_are_due(state)?;
        let wishes = self.to_do(state, due)?;
        self.refuse(state, &wishes)?;
        let others = self.others(context, state, due)?;
        let named_only = !self.package.0.is_empty() && self.state == Wanted::Present
            || self.state == Wanted::Absent && !self.package.0.is_empty();
        // With all packages there, fresh lists would change nothing.
        let read_lists = due && !(named_only && wishes.is_empty() && others.is_empty());
        let mut plan = Plan::default();
        plan.result.insert("cache_updated".into(), json!(read_lists));
        if let Some(cache) = cache {
            plan.result.insert("cache_update_time".into(), json!(if read_lists { cache.now } else { cache.read_at }));
        }
        if !read_lists && wishes.is_empty() && others.is_empty() {
            return Ok(plan);
        }
        let (mut script, mut what) = (self.prelude(), Vec::new());
        if read_lists {
            script.push_str(&self.update_command());
            what.push("read the package lists".to_owned());
        }
        if !wishes.is_empty() {
            script.push_str(&self.packages_command(&wishes));
            let names: Vec<_> = wishes.iter().map(|w| w.written.as_str()).collect();
            let verb = match self.state {
                Wanted::Absent => "remove",
                Wanted::BuildDep => "install what is needed to build",
                _ => "install",
            };
            what.push(format!("{verb} {}", names.join(" ")));
            plan.diff.push(self.diff(state, &wishes));
            plan.predictions = self.left(context, state, &wishes);
        }
        for (does, command) in &others {
            what.push(does.clone());
            script.push_str(command);
        }
        // Fresh lists count when they are all that was asked for.
        let only_lists = wishes.is_empty() && others.is_empty();
        let lists_alone = self.package.0.is_empty() && self.deb.is_none() && self.upgrade == Upgrade::No;
        plan.changed = Some(!only_lists || lists_alone);
        plan.changes.push(Change::open(what.join(", "), Step::Script(script)));
        Ok(plan)
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let mut result = default_finish(plan, outputs).map_err(script::explain)?;
        if let Some(output) = outputs.last() {
            for (key, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
                result.insert(key.to_owned(), json!(String::from_utf8_lossy(bytes).trim_end()));
            }
        }
        Ok(result)
    }
}
