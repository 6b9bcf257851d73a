//! `ansible.builtin.apt_repository`: package repositories of Debian, one line each.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/apt_repository_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use super::{apt::Apt, group::Presence};
use crate::{
    fact::{Probe, Resource, State},
    module::{
        Change, Context, Described, Flag, Mode, Module, ParameterError, Plan, PlanError, Return, Returns, Step, Text,
        Whole, edit::Edit, ownership::Attributes, put,
    },
    sh::quote,
};

const FOLDER: &str = "/etc/apt/sources.list.d";
const KINDS: [&str; 3] = ["deb", "deb-src", "ppa"];

/// Parameters of `apt_repository`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AptRepository {
    /// The line, as in `sources.list`: `deb https://… suite component`.
    repo: Text,
    /// Whether it is to be there.
    #[serde(default)]
    state: Presence,
    /// The file in `/etc/apt/sources.list.d` that a new line goes into; by default named after the address.
    filename: Option<Text>,
    /// Permissions of that file.
    mode: Option<Mode>,
    /// Read the package lists anew after a change.
    #[serde(default = "Flag::yes", alias = "update-cache")]
    #[schemars(extend("x-aliases" = ["update-cache"]))]
    update_cache: Flag,
    /// How often reading the lists is tried again.
    update_cache_retries: Option<Whole>,
    /// The longest pause between two tries, in seconds.
    update_cache_retry_max_delay: Option<Whole>,
    /// Only for `ppa:` lines, which are refused.
    #[allow(dead_code)]
    codename: Option<Text>,
    /// Only for `ppa:` lines, which are refused.
    #[serde(default = "Flag::yes")]
    #[allow(dead_code)]
    validate_certs: Flag,
    /// Accepted for Ansible's sake: nothing is needed on the host.
    #[serde(default = "Flag::yes")]
    #[allow(dead_code)]
    install_python_apt: Flag,
}

impl Described for AptRepository {
    const NAME: &'static str = "ansible.builtin.apt_repository";
    const SUMMARY: &'static str = "Adds and removes lines of Debian's package repositories";
    const EXAMPLES: &'static str = "\
- name: Take packages from the company's mirror
  ansible.builtin.apt_repository:
    repo: deb [signed-by=/etc/apt/keyrings/mirror.asc] https://mirror.example.org/debian bookworm main
    filename: mirror
";
    const RETURNS: Returns = &[&[
        Return::text("repo", "always", "The line"),
        Return::text("state", "always", "`present` or `absent`"),
        Return::list("sources_added", "always", "Files that have come"),
        Return::list("sources_removed", "always", "Files that have gone"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        if self.repo.0.trim().starts_with("ppa:") {
            let error = ParameterError::new("repo", "a PPA's address and key are not looked up");
            return Err(error.help("write its line (`deb [signed-by=KEY] https://ppa.launchpadcontent.net/OWNER/NAME/ubuntu SUITE main`) and bring its key by `get_url`"));
        }
        let line = self.line();
        let kind = line.split(' ').next().unwrap_or_default();
        if !KINDS.contains(&kind) || self.repo.0.trim().contains('\n') || self.parts().len() < 2 {
            let error =
                ParameterError::new("repo", format!("Invalid repository string: {}", self.repo.0.escape_debug()));
            return Err(error.help("it is a line such as `deb https://mirror.example.org/debian bookworm main`"));
        }
        // Elsewhere somebody else could lead the name to another file.
        let outside = |f: &str| f.contains('/') && (!f.starts_with("/etc/apt/") || f.contains("/../"));
        if self.filename.as_ref().is_some_and(|f| f.0.is_empty() || f.0.contains(['\n', '\0']) || outside(&f.0)) {
            return Err(ParameterError::new("filename", "it is no file's name, nor a path below /etc/apt"));
        }
        Ok(())
    }
}

/// A line of a file that names a repository.
struct Source {
    enabled: bool,
    text: String,
}

/// What a line of a `sources.list` says; `None` where it is a remark or nothing.
fn source(line: &str) -> Option<Source> {
    let line = line.trim();
    let (enabled, rest) = line.strip_prefix('#').map_or((true, line), |rest| (false, rest));
    let rest = match rest.find('#') {
        Some(at) if at > 0 => &rest[..at],
        _ => rest,
    };
    let text = rest.split_whitespace().collect::<Vec<_>>().join(" ");
    KINDS.iter().any(|kind| text.split(' ').next() == Some(kind)).then_some(Source { enabled, text })
}

impl AptRepository {
    fn line(&self) -> String {
        self.repo.0.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What stands behind the options: address, suite, components.
    fn parts(&self) -> Vec<String> {
        let line = self.line();
        let bare = match (line.find('['), line.find(']')) {
            (Some(from), Some(to)) if from < to => format!("{}{}", &line[..from], &line[to + 1..]),
            _ => line,
        };
        bare.split_whitespace().filter(|part| !KINDS.contains(part)).map(str::to_owned).collect()
    }

    /// The file for a new line.
    fn file(&self) -> String {
        let name = match &self.filename {
            Some(name) => name.0.clone(),
            None => {
                let parts = self.parts();
                let address = parts.first().map_or("", String::as_str);
                let address = address.split_once("://").map_or(address, |(_, rest)| rest);
                let address = address.split_once('@').map_or(address, |(_, rest)| rest);
                let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { ' ' };
                address.chars().map(plain).collect::<String>().split_whitespace().collect::<Vec<_>>().join("_")
            }
        };
        let name = if name.ends_with(".list") { name } else { format!("{name}.list") };
        if name.starts_with('/') { name } else { format!("{FOLDER}/{name}") }
    }

    /// All files that there are, each with its lines.
    fn question() -> Probe {
        let script = format!(
            "for f in /etc/apt/sources.list {FOLDER}/*.list; do [ -f \"$f\" ] || continue; echo \"F $f\"; sed 's/^/L /' <\"$f\"; done\n:\n"
        );
        let reads = vec![Resource::Path("/etc/apt/sources.list".to_owned()), Resource::Path(FOLDER.to_owned())];
        Probe::Script { script, reads }
    }

    fn files(state: &State) -> Result<Vec<(String, Vec<String>)>, PlanError> {
        let mut files: Vec<(String, Vec<String>)> = Vec::new();
        for line in state.script(&AptRepository::question())?.text().lines() {
            match (line.strip_prefix("F "), line.strip_prefix("L "), files.last_mut()) {
                (Some(file), ..) => files.push((file.to_owned(), Vec::new())),
                (_, Some(line), Some((_, lines))) => lines.push(line.to_owned()),
                _ => {}
            }
        }
        Ok(files)
    }

    /// The files that this line is in, or goes into.
    fn touched(&self, files: &[(String, Vec<String>)]) -> Vec<String> {
        let wanted = self.line();
        let has = |lines: &[String]| lines.iter().any(|line| source(line).is_some_and(|s| s.text == wanted));
        let mut touched: Vec<String> =
            files.iter().filter(|(_, lines)| has(lines)).map(|(file, _)| file.clone()).collect();
        if touched.is_empty() && self.state == Presence::Present {
            touched.push(self.file());
        }
        touched
    }

    /// A file's text with the line as it is wanted; `None` where nothing is left.
    fn edited(&self, lines: &[String]) -> Option<String> {
        let wanted = self.line();
        let is = |line: &str| source(line).filter(|s| s.text == wanted);
        let mut after: Vec<String> = match self.state {
            Presence::Absent => lines.iter().filter(|line| is(line).is_none_or(|s| !s.enabled)).cloned().collect(),
            Presence::Present => {
                let turn_on = |line: &String| {
                    is(line).map_or_else(|| line.clone(), |s| if s.enabled { line.clone() } else { s.text })
                };
                lines.iter().map(turn_on).collect()
            }
        };
        if self.state == Presence::Present && !after.iter().any(|line| is(line).is_some()) {
            after.push(wanted);
        }
        (!after.is_empty()).then(|| after.iter().map(|line| format!("{line}\n")).collect())
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes { mode: self.mode.as_ref(), ..Attributes::default() }
    }

    /// Reads the lists, and takes the change back where they cannot be read: else the next run would find all in place.
    fn update(&self, undo: &str) -> Change {
        let reading = Apt::reading(self.update_cache_retries, self.update_cache_retry_max_delay);
        let script = format!("(\n{reading}\n) || {{ s=$?; {undo}exit $s; }}\n");
        Change::open("read the package lists", Step::Script(script))
    }
}

impl Module for AptRepository {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let mut probes = vec![AptRepository::question()];
        if let Ok(files) = AptRepository::files(state) {
            for file in self.touched(&files) {
                let edit = Edit { path: &file, attributes: self.attributes(), backup: false, validate: None };
                probes.extend(edit.probe(context, state));
            }
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let files = AptRepository::files(state)?;
        let mut plan = Plan::default();
        let (mut added, mut removed, mut undo) = (Vec::new(), Vec::new(), String::new());
        for file in self.touched(&files) {
            let lines = files.iter().find(|(name, _)| *name == file).map_or(&[][..], |(_, lines)| lines);
            let new = Mode::Bits(0o644);
            let mode = self.mode.as_ref().or((!files.iter().any(|(name, _)| *name == file)).then_some(&new));
            let edit = Edit {
                path: &file,
                attributes: Attributes { mode, ..Attributes::default() },
                backup: false,
                validate: None,
            };
            let present = edit.present(context, state)?;
            let after = self.edited(lines);
            if present.bytes.is_some()
                && after.as_deref().is_some_and(|text| text.lines().eq(lines.iter().map(String::as_str)))
            {
                continue;
            }
            match (&after, present.bytes) {
                (None, None) => continue,
                (None, Some(bytes)) => {
                    let script = format!("rm -f -- {}\n", quote(&present.path));
                    let writes = vec![Resource::Path(present.path.clone()), Resource::Path(FOLDER.to_owned())];
                    plan.changes.push(Change::closed(format!("remove {file}"), Step::Script(script), writes));
                    plan.diff.push(put::text_diff(&file, "/dev/null", Some(bytes), None));
                    removed.push(file.clone());
                }
                (Some(text), bytes) => {
                    edit.write(context, state, &present, text)?.add(&mut plan);
                    if bytes.is_none() {
                        added.push(file.clone());
                    }
                }
            }
            undo.push_str(&match present.text()? {
                Some(text) => format!("printf %s {} >{}; ", quote(text), quote(&present.path)),
                None => format!("rm -f -- {}; ", quote(&present.path)),
            });
        }
        // What comes of the files is told by none of the answers that are kept.
        plan.predictions.clear();
        if !plan.changes.is_empty() && self.update_cache.0 {
            plan.changes.push(self.update(&undo));
        }
        plan.result = Map::from_iter([
            ("repo".to_owned(), json!(self.repo.0)),
            ("state".to_owned(), json!(self.state.word())),
            ("sources_added".to_owned(), json!(added)),
            ("sources_removed".to_owned(), json!(removed)),
        ]);
        Ok(plan)
    }
}
