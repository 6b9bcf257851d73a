//! `ansible.builtin.pip`: packages of Python on the host.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/pip_module.html>

mod requirement;

use requirement::{Requirement, installed};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, Resource, State},
    module::{
        Change, Context, Described, Failure, Flag, List, Module, ParameterError, Plan, PlanError, Return, Returns,
        Step, StepOutput, Text, default_finish, path,
    },
    python::shlex,
    sh::{self, quote, words},
};

/// Parameters of `pip`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pip {
    /// Packages, each with its wanted versions (`django>=4.2,<5`) or an address.
    name: Option<List<Text>>,
    /// The version of the one package in `name`.
    version: Option<Text>,
    /// A file on the host that lists packages.
    requirements: Option<Text>,
    /// `present`, `absent`, `latest`, or `forcereinstall`.
    #[serde(default)]
    state: Wanted,
    /// The folder of a virtual environment, which is made if it is not there.
    virtualenv: Option<Text>,
    /// The command that makes it. Where `virtualenv` is not there, `python3 -m venv` is taken.
    #[serde(default = "virtualenv")]
    virtualenv_command: Text,
    /// The Python that it gets.
    virtualenv_python: Option<Text>,
    /// Whether it sees the packages of the system.
    #[serde(default = "no")]
    virtualenv_site_packages: Flag,
    /// More arguments for pip.
    extra_args: Option<Text>,
    /// Whether packages are used from where they lie.
    #[serde(default = "no")]
    editable: Flag,
    /// The folder that pip runs in.
    chdir: Option<Text>,
    /// The pip to use.
    executable: Option<Text>,
    /// The umask for what is installed, as an octal number.
    umask: Option<Text>,
    /// Whether packages may be put beside those that the system manages itself.
    #[serde(default = "no")]
    break_system_packages: Flag,
}

/// What is to become of packages.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// Installed.
    #[default]
    Present,
    /// Not installed.
    Absent,
    /// Installed in the newest version.
    Latest,
    /// Installed anew, whatever is there.
    ForceReinstall,
}

fn virtualenv() -> Text {
    Text("virtualenv".into())
}

fn no() -> Flag {
    Flag(false)
}

impl Described for Pip {
    const NAME: &'static str = "ansible.builtin.pip";
    const SUMMARY: &'static str = "Installs packages of Python";
    const EXAMPLES: &'static str = "\
- name: Have the site's packages in an environment of their own
  ansible.builtin.pip:
    requirements: /srv/site/requirements.txt
    virtualenv: /srv/site/env
    virtualenv_command: python3 -m venv
";
    const RETURNS: Returns = &[&[
        Return::list("cmd", "always", "What is run"),
        Return::any("name", "always", "The packages; null with `requirements`"),
        Return::text("requirements", "always", "The file that lists them; null with `name`"),
        Return::text("version", "always", "The version that was asked for, or null"),
        Return::text("state", "always", "As it was asked for"),
        Return::text("virtualenv", "always", "The environment, or null"),
        Return::text("stdout", "always", "What pip said"),
        Return::text("stderr", "always", "What it said of trouble"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        let names = self.names();
        match (names.is_empty(), &self.requirements) {
            (true, None) => return Err(ParameterError::task("one of `name` and `requirements` is needed")),
            (false, Some(_)) => return Err(ParameterError::task("`name` and `requirements` do not go together")),
            _ => {}
        }
        if self.executable.is_some() && self.virtualenv.is_some() {
            return Err(ParameterError::task("`executable` and `virtualenv` do not go together"));
        }
        if self.version.is_some() {
            if self.state == Wanted::Latest {
                return Err(ParameterError::new("version", "version is incompatible with state=latest"));
            }
            if names.len() > 1 {
                return Err(ParameterError::new(
                    "version",
                    "it belongs to one package: write it behind each name instead",
                ));
            }
            if names.first().is_some_and(|n| n.contains(['=', '<', '>', '~', '!'])) {
                return Err(ParameterError::new("version", "the name has one already"));
            }
        }
        let octal = |t: &Text| !t.0.is_empty() && t.0.len() <= 4 && t.0.bytes().all(|b| (b'0'..=b'7').contains(&b));
        match self.umask.as_ref().is_some_and(|u| !octal(u)) {
            true => Err(ParameterError::new("umask", "umask must be an octal integer")),
            false => Ok(()),
        }
    }
}

impl Pip {
    fn names(&self) -> Vec<String> {
        let list = self.name.as_ref().map_or(&[][..], |names| &names.0);
        // A comma may part packages, and versions of one.
        let mut names: Vec<String> = Vec::new();
        for part in list.iter().flat_map(|name| name.0.split(',')).map(str::trim).filter(|part| !part.is_empty()) {
            match names.last_mut() {
                Some(last) if part.starts_with(['=', '<', '>', '~', '!']) => last.push_str(&format!(",{part}")),
                _ => names.push(part.to_owned()),
            }
        }
        names
    }

    /// The names with the version in its place.
    fn wanted(&self) -> Vec<String> {
        let mut names = self.names();
        if let (Some(version), Some(first)) = (&self.version, names.first_mut()) {
            let has_operator = version.0.starts_with(['=', '<', '>', '~', '!']);
            first.push_str(if has_operator { "" } else { "==" });
            first.push_str(&version.0);
        }
        names
    }

    fn environment(&self, context: &Context<'_>, state: &State) -> Result<Option<String>, PlanError> {
        let Some(env) = &self.virtualenv else { return Ok(None) };
        let below = match (&self.chdir, env.0.starts_with(['/', '~'])) {
            (Some(chdir), false) => path::join(&chdir.0, &env.0),
            _ => env.0.clone(),
        };
        Ok(Some(path::absolute(context, state, &below)?))
    }

    /// Defines `pip`, or leaves it undefined and `$none` set.
    fn define(&self, env: Option<&str>) -> String {
        // From a folder that nobody else writes to: Python would take modules that lie where it is started.
        let mut script = String::from("cd / || exit 1\nexport LC_ALL=C.UTF-8 PIP_DISABLE_PIP_VERSION_CHECK=1 none=\n");
        if self.break_system_packages.0 {
            script.push_str("export PIP_BREAK_SYSTEM_PACKAGES=1\n");
        }
        match (env, &self.executable) {
            (Some(env), _) => {
                let bin = format!("{env}/bin");
                let (bin, env) = (quote(&bin), quote(env));
                script.push_str(&format!(
                    "PATH={bin}:$PATH; if [ -x {env}/bin/pip ]; then pip() {{ {env}/bin/pip \"$@\"; }}; else none=yes; fi\n"
                ));
            }
            (None, Some(executable)) if executable.0.contains('/') => {
                script.push_str(&format!("pip() {{ {} \"$@\"; }}\n", quote(&executable.0)));
            }
            (None, Some(executable)) => {
                script.push_str(&format!("pip() {{ command {} \"$@\"; }}\n", quote(&executable.0)))
            }
            (None, None) => script.push_str(sh::file!("pip/find.sh")),
        }
        script
    }

    fn question(&self, context: &Context<'_>, env: Option<&str>) -> Probe {
        let script = format!(
            "{}{}[ -z \"$none\" ] || {{ echo none; exit 0; }}\npip list --format=freeze 2>/dev/null || pip freeze --all || exit 91\n",
            context.environment,
            self.define(env)
        );
        let reads = env.map_or(Resource::Anything, |env| Resource::Path(env.to_owned()));
        Probe::Script { script, reads: vec![reads, Resource::Anything] }
    }

    /// What pip says it would install, for check mode: of a list, an address or the newest versions nobody else can tell.
    fn foretold(&self, context: &Context<'_>, env: Option<&str>, chdir: Option<&str>) -> Probe {
        let mut arguments = self.arguments();
        arguments.insert(1, "--dry-run".into());
        let script = format!(
            "{}{}cd -- {} && pip {} 2>/dev/null\n",
            context.environment,
            self.define(env),
            chdir.map_or_else(|| "/".into(), quote),
            words(arguments)
        );
        Probe::Script { script, reads: vec![Resource::Anything] }
    }

    fn directory(&self, context: &Context<'_>, state: &State) -> Result<Option<String>, PlanError> {
        Ok(self.chdir.as_ref().map(|chdir| path::absolute(context, state, &chdir.0)).transpose()?)
    }

    /// Whether check mode has to ask pip itself.
    fn is_asked(&self, context: &Context<'_>, listed: &str) -> bool {
        let foretells = matches!(self.state, Wanted::Present | Wanted::Latest) && listed.trim() != "none";
        context.check && foretells && self.settled(listed).is_none()
    }

    /// pip's arguments.
    fn arguments(&self) -> Vec<String> {
        let verb: &[&str] = match self.state {
            Wanted::Present => &["install"],
            Wanted::Absent => &["uninstall", "-y"],
            Wanted::Latest => &["install", "-U"],
            Wanted::ForceReinstall => &["install", "-U", "--force-reinstall"],
        };
        let mut arguments: Vec<String> = verb.iter().map(|word| (*word).to_owned()).collect();
        let extra = self.extra_args.as_ref().map_or("", |e| e.0.as_str());
        arguments.extend(shlex::split(extra).unwrap_or_else(|_| vec![extra.to_owned()]));
        if self.editable.0 && !arguments.iter().any(|a| a == "-e") {
            arguments.push("-e".into());
        }
        match &self.requirements {
            Some(file) => arguments.extend(["-r".to_owned(), file.0.clone()]),
            None => arguments.extend(self.wanted()),
        }
        arguments
    }

    /// Whether all is as it should be already, where names and versions tell; `None` where pip alone knows.
    fn settled(&self, listed: &str) -> Option<bool> {
        let told = self.extra_args.is_some() || self.editable.0 || self.requirements.is_some();
        if told || !matches!(self.state, Wanted::Present | Wanted::Absent) {
            return None;
        }
        let packages = installed(listed);
        let mut all = Some(true);
        for name in self.wanted() {
            let wanted = Requirement::parse(&name);
            match wanted.and_then(|wanted| wanted.satisfied_by(packages.get(&wanted.name).map(String::as_str))) {
                Some(there) if there == (self.state == Wanted::Present) => {}
                Some(_) => return Some(false),
                None => all = None,
            }
        }
        all
    }

    /// The line that makes the virtual environment.
    fn make(&self, env: &str) -> String {
        let mut options = String::new();
        if self.virtualenv_site_packages.0 {
            options.push_str(" --system-site-packages");
        }
        let written = &self.virtualenv_command.0;
        let parts = shlex::split(written).unwrap_or_else(|_| vec![written.clone()]);
        let is_venv = parts.iter().any(|part| part == "venv" || part.ends_with("pyvenv"));
        if let (Some(python), false) = (&self.virtualenv_python, is_venv) {
            options.push_str(&format!(" -p{}", quote(&python.0)));
        }
        let python = self.virtualenv_python.as_ref().map_or("python3", |p| p.0.as_str());
        let first = parts.first().map_or("virtualenv", String::as_str);
        format!(
            "if command -v {} >/dev/null; then {}{options} {env}; else {} -m venv{} {env}; fi >&2 || exit 1\n",
            quote(first),
            words(&parts),
            quote(python),
            if self.virtualenv_site_packages.0 { " --system-site-packages" } else { "" },
            env = quote(env),
        )
    }

    fn script(&self, env: Option<&str>, new: bool, chdir: Option<&str>) -> String {
        let umask = self.umask.as_ref().map_or(String::new(), |u| format!("umask {}\n", u.0));
        let mut script = format!("{umask}cd / || exit 1\n");
        if let (Some(env), true) = (env, new) {
            script.push_str(&self.make(env));
        }
        script.push_str(&self.define(env));
        script.push_str("[ -z \"$none\" ] || { echo 'the host has no pip: install `python3-pip` (or as its system calls it) first' >&2; exit 90; }\n");
        if let Some(chdir) = chdir {
            script.push_str(&format!("cd -- {} || exit 1\n", quote(chdir)));
        }
        script.push_str("before=$(pip freeze 2>/dev/null)\n");
        script.push_str(&format!("pip {}; status=$?\n", words(self.arguments())));
        script.push_str("[ \"$before\" = \"$(pip freeze 2>/dev/null)\" ] && echo bringup:same || echo bringup:other\nexit $status\n");
        script
    }
}

impl Module for Pip {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        match self.environment(context, state) {
            Ok(env) => {
                let activate = env.as_ref().map(|env| path::stat(&format!("{env}/bin/activate")));
                let question = self.question(context, env.as_deref());
                let mut probes: Vec<Probe> = activate.into_iter().collect();
                if let (Ok(answer), Ok(chdir)) = (state.script(&question), self.directory(context, state)) {
                    let listed = answer.text();
                    if self.is_asked(context, &listed) {
                        probes.push(self.foretold(context, env.as_deref(), chdir.as_deref()));
                    }
                }
                probes.push(question);
                probes
            }
            Err(_) => vec![Probe::User { name: context.user.to_owned() }],
        }
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let env = self.environment(context, state)?;
        let new = match &env {
            Some(env) => state.stat(&format!("{env}/bin/activate"), true)?.is_none(),
            None => false,
        };
        let answer = state.script(&self.question(context, env.as_deref()))?;
        if answer.status != 0 {
            let told = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            return Err(Failure::new(format!("cannot list the packages of Python: {told}"))
                .with("rc", answer.status)
                .into());
        }
        let listed = answer.text();
        let program = env.as_ref().map_or_else(|| "pip".to_owned(), |env| format!("{env}/bin/pip"));
        let cmd: Vec<String> = std::iter::once(program).chain(self.arguments()).collect();
        let name = self.name.as_ref().map(|names| names.0.iter().map(|n| n.0.clone()).collect::<Vec<_>>());
        let text = |t: &Option<Text>| t.as_ref().map(|t| t.0.clone());
        let state_word = match self.state {
            Wanted::Present => "present",
            Wanted::Absent => "absent",
            Wanted::Latest => "latest",
            Wanted::ForceReinstall => "forcereinstall",
        };
        let mut plan = Plan::ok(Map::from_iter([
            ("cmd".to_owned(), json!(cmd)),
            ("name".to_owned(), json!(name)),
            ("version".to_owned(), json!(text(&self.version))),
            ("requirements".to_owned(), json!(text(&self.requirements))),
            ("state".to_owned(), json!(state_word)),
            ("virtualenv".to_owned(), json!(env)),
            ("stdout".to_owned(), json!("")),
            ("stderr".to_owned(), json!("")),
        ]));
        if new || listed.trim() == "none" || self.settled(&listed) != Some(true) {
            let chdir = self.directory(context, state)?;
            if !new && self.is_asked(context, &listed) {
                let foretold = state.script(&self.foretold(context, env.as_deref(), chdir.as_deref()))?;
                // An older pip does not know the question.
                if foretold.status == 0 && !foretold.text().contains("Would install") {
                    return Ok(plan);
                }
            }
            let script = self.script(env.as_deref(), new, chdir.as_deref());
            let what = format!("run pip {}", self.arguments().join(" "));
            plan.changes.push(Change::open(what, Step::Script(script)));
            plan.output_in_result = true;
            plan.changed = new.then_some(true);
        }
        Ok(plan)
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let mut result = default_finish(plan, outputs)?;
        if let Some(output) = outputs.first() {
            let stdout = String::from_utf8_lossy(&output.stdout);
            let said: Vec<&str> = stdout.lines().filter(|line| !line.starts_with("bringup:")).collect();
            result.insert("stdout".into(), json!(said.join("\n")));
            result.insert("stderr".into(), json!(String::from_utf8_lossy(&output.stderr).trim_end()));
        }
        Ok(result)
    }

    fn changed(&self, plan: &Plan, outputs: &[StepOutput]) -> bool {
        let Some(output) = outputs.first() else { return plan.would_change() };
        let stdout = String::from_utf8_lossy(&output.stdout);
        match self.state {
            Wanted::ForceReinstall => stdout.contains("Successfully installed"),
            _ => plan.changed == Some(true) || stdout.lines().any(|line| line == "bringup:other"),
        }
    }
}
