//! `ansible.builtin.fetch`: a file of the host to the workstation.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/fetch_module.html>

use std::{os::unix::fs::PermissionsExt as _, path::PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Algorithm, FileKind, Missing, Probe, State},
    module::{
        Change, Context, Described, Failure, Flag, Folder, Module, ParameterError, Plan, PlanError, Return, Returns,
        Step, StepOutput, Text, local, path,
    },
    playbook::About,
};

/// Up to this length a file comes with the answers and needs no channel of its own.
const SMALL: u64 = 64 * 1024;

/// Parameters of `fetch`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// The file of the host.
    src: Text,
    /// Where to on the workstation: a directory that gets `HOST/path/of/src` in it; with `flat` the file itself, or a
    /// directory where a slash is at its end.
    dest: Text,
    /// Put the file at `dest` without the host's name and its path.
    #[serde(default)]
    flat: Flag,
    /// Whether a missing file fails the task.
    #[serde(default = "Flag::yes")]
    fail_on_missing: Flag,
    /// Compare the checksums behind the transfer.
    #[serde(default = "Flag::yes")]
    validate_checksum: Flag,
}

impl Described for Fetch {
    const NAME: &'static str = "ansible.builtin.fetch";
    const ABOUT: About = About { background: false, ..About::PLAIN };
    const SUMMARY: &'static str = "Fetches a file of the host to the workstation";
    const EXAMPLES: &'static str = "\
- name: the administrator's kubeconfig
  ansible.builtin.fetch:
    src: /etc/kubernetes/admin.conf
    dest: ./admin.conf
    flat: true
";
    const RETURNS: Returns = &[&[
        Return::text("file", "always", "The path on the host"),
        Return::text("dest", "when the file is there", "The path on the workstation"),
        Return::text("checksum", "when the file is there", "The SHA-1 checksum of the file on the workstation"),
        Return::text("remote_checksum", "when the file is there", "The SHA-1 checksum of the file on the host"),
        Return::text("md5sum", "when the file is there", "Its MD5 checksum"),
        Return::text("msg", "when the file is not there", "Why nothing was fetched"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        if self.src.0.is_empty() || self.dest.0.is_empty() {
            return Err(ParameterError::task("src and dest are required"));
        }
        Ok(())
    }
}

impl Fetch {
    /// Where the file goes.
    fn target(&self, context: &Context<'_>, source: &str) -> Result<PathBuf, Failure> {
        let dest = &self.dest.0;
        let rooted = match dest.strip_prefix("~/") {
            Some(rest) => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(rest),
            // A relative name begins where the playbook is.
            None if !dest.starts_with('/') => match context.controller.find(Folder::Files, ".") {
                Ok(folder) if dest.starts_with("files/") => folder.join(dest),
                _ => PathBuf::from(dest),
            },
            None => PathBuf::from(dest),
        };
        if !self.flat.0 {
            // A path may come from the host: it does not lead out of the host's own folder.
            if source.split('/').any(|part| part == "..") {
                let why =
                    format!("`{source}` has `..` in it: its copy would lie outside of the folder of {}", context.host);
                return Err(Failure::new(why).help("name the file by its real path, or give its place with `flat`"));
            }
            return Ok(rooted.join(context.host).join(source.trim_start_matches('/')));
        }
        match dest.ends_with('/') {
            true => {
                let file = rooted.join(path::name(source));
                match file.is_dir() {
                    true => Err(Failure::new(format!(
                        "calculated dest '{}' is an existing directory, use another path that does not point to an existing directory",
                        file.display()
                    ))),
                    false => Ok(file),
                }
            }
            false if rooted.is_dir() => Err(Failure::new(format!(
                "dest is an existing directory, use a trailing slash if you want to fetch src into that directory: {dest}"
            ))),
            false => Ok(rooted),
        }
    }
}

impl Module for Fetch {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        match path::absolute(context, state, &self.src.0) {
            Ok(path) => vec![
                Probe::Stat { path: path.clone(), follow: true },
                Probe::Checksum { path, algorithm: Algorithm::Sha1 },
            ],
            Err(missing) => super::copy::unread(missing),
        }
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let source = path::absolute(context, state, &self.src.0)?;
        let stat = state.stat(&source, true)?;
        let (why, size) = match stat.map(|s| s.kind) {
            None => ("the remote file does not exist, not transferring, ignored", 0),
            Some(FileKind::Directory) => ("remote file is a directory, fetch cannot work on directories", 0),
            Some(_) => ("", stat.map_or(0, |s| s.size)),
        };
        let sum = match state.checksum(&source, Algorithm::Sha1) {
            _ if !why.is_empty() => None,
            Err(Missing::Failed(_)) => None,
            sum => sum?.map(str::to_owned),
        };
        let why = if why.is_empty() && sum.is_none() { "the remote file is not readable, ignored" } else { why };
        let mut result = Map::new();
        result.insert("file".into(), json!(source));
        let Some(sum) = sum else {
            if self.fail_on_missing.0 {
                return Err(Failure::new(why.trim_end_matches(", ignored")).with("file", source).into());
            }
            result.insert("msg".into(), json!(why));
            return Ok(Plan::ok(result));
        };
        let target = self.target(context, &source)?;
        let present = local::of(&target).ok();
        result.insert("dest".into(), json!(target.display().to_string()));
        result.insert("checksum".into(), json!(sum));
        result.insert("remote_checksum".into(), json!(sum));
        let md5 = present.as_ref().filter(|p| p.sha1 == sum).map(|p| p.md5.clone());
        if let Some(md5) = md5 {
            result.insert("md5sum".into(), json!(md5));
            return Ok(Plan::ok(result));
        }
        let step = match size <= SMALL {
            true => match state.content(&source)? {
                Some(bytes) => {
                    result.insert("md5sum".into(), json!(local::digests(bytes).md5));
                    // A secret of the host stays one here, and a file that is there keeps its mode.
                    let new = stat.map_or(0o600, |s| (s.permissions() & 0o644) | 0o600);
                    let mode = std::fs::metadata(&target).map_or(new, |m| m.permissions().mode() & 0o7777);
                    Step::WriteLocal { path: target, content: bytes.into(), mode }
                }
                None => return Err(Failure::new(format!("`{source}` cannot be read")).into()),
            },
            false => Step::Download { path: source.clone(), to: target },
        };
        let mut change = Change::closed(format!("fetch {source}"), step, Vec::new());
        // What it writes is on the workstation, where other tasks may look for it.
        change.closed = false;
        Ok(Plan { changes: vec![change], result, ..Plan::default() })
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let mut result = plan.result.clone();
        let Some(output) = outputs.first() else { return Ok(result) };
        if let Some(error) = &output.error {
            return Err(Failure::new(format!("cannot fetch `{}`: {error}", self.src.0)));
        }
        let text = |field: &str| result.get(field).and_then(Json::as_str).map(str::to_owned).unwrap_or_default();
        if let Ok(digests) = local::of(std::path::Path::new(&text("dest"))) {
            if self.validate_checksum.0 && digests.sha1 != text("remote_checksum") {
                return Err(Failure::new("checksum mismatch").with("file", text("file")).with("dest", text("dest")));
            }
            result.insert("md5sum".into(), json!(digests.md5));
            result.insert("checksum".into(), json!(digests.sha1));
        }
        Ok(result)
    }
}
