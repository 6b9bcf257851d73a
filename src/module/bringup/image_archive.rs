//! `bringup.image_archive`: a container image out of files on the host, without a registry and without docker.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use crate::{
    fact::{Answer, Probe, Resource, ScriptAnswer, State},
    module::{
        Change, Context, Described, Diff, Failure, List, Mode, Module, ParameterError, Plan, PlanError, Step, Text,
    },
    sh::{quote, words},
};

/// Parameters of `image_archive`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageArchive {
    /// The image's name with its tag.
    name: Text,
    /// Where the archive goes on the host. It can be loaded by `docker load`, `ctr images import` or `bringup.container_image`.
    #[serde(alias = "path")]
    #[schemars(extend("x-aliases" = ["path"]))]
    dest: Text,
    /// What the image holds.
    files: List<File>,
    /// The command a container runs.
    #[serde(default)]
    entrypoint: List<Text>,
    /// Its arguments, where none are given.
    #[serde(default)]
    cmd: List<Text>,
    /// Variables of its environment.
    #[serde(default)]
    env: BTreeMap<String, Text>,
    /// The user it runs as.
    #[serde(default)]
    user: Option<Text>,
    /// The directory it runs in.
    #[serde(default)]
    working_dir: Option<Text>,
    /// Labels.
    #[serde(default)]
    labels: BTreeMap<String, Text>,
    /// The processor's architecture as images name it (`amd64`); the host's own by default.
    #[serde(default)]
    architecture: Option<Text>,
}

/// A file of the image.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where it is on the host; a link is followed.
    src: Text,
    /// Where it goes in the image.
    #[serde(alias = "dest")]
    #[schemars(extend("x-aliases" = ["dest"]))]
    path: Text,
    /// Its permissions; those of `src` by default.
    #[serde(default)]
    mode: Option<Mode>,
}

impl Described for ImageArchive {
    const NAME: &'static str = "bringup.image_archive";
    const SUMMARY: &'static str = "Makes a container image out of files on the host";
    const EXAMPLES: &'static str = "\
- name: Make an image of the API server
  bringup.image_archive:
    name: bringup.local/kube-apiserver:v1.36.3
    dest: /var/lib/bringup/images/kube-apiserver.tar
    entrypoint: [/usr/local/bin/kube-apiserver]
    files:
      - {src: /usr/local/bin/kube-apiserver, path: /usr/local/bin/kube-apiserver}
";

    fn check(&self) -> Result<(), ParameterError> {
        let name = &self.name.0;
        let fine =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/:".contains(c) || c.is_ascii_uppercase();
        let tagged = name.rsplit('/').next().is_some_and(|last| last.contains(':') && !last.ends_with(':'));
        if !name.chars().all(fine) || !tagged || name.starts_with(['-', '/']) {
            return Err(ParameterError::new("name", format!("`{name}` is no image's name with a tag")));
        }
        if !self.dest.0.starts_with('/') || self.dest.0.ends_with('/') {
            return Err(ParameterError::new("dest", "an absolute path of a file is needed"));
        }
        if self.files.0.is_empty() {
            return Err(ParameterError::new("files", "an image without files runs nothing"));
        }
        let mut seen = BTreeSet::new();
        for file in &self.files.0 {
            let path = &file.path.0;
            let clean = path.starts_with('/')
                && !path.ends_with('/')
                && !path.contains('\n')
                && path[1..].split('/').all(|p| !matches!(p, "" | "." | ".."));
            if !clean {
                return Err(ParameterError::new("files", format!("`{path}` is no absolute path of a file")));
            }
            if !file.src.0.starts_with('/') || file.src.0.contains('\n') {
                return Err(ParameterError::new("files", format!("`{}` is no absolute path on the host", file.src.0)));
            }
            if !seen.insert(path) {
                return Err(ParameterError::new("files", format!("`{path}` is there twice")));
            }
            if matches!(file.mode, Some(Mode::Symbolic(_))) {
                return Err(ParameterError::new(
                    "files",
                    format!("the mode of `{path}` must be octal, such as '0755'"),
                ));
            }
        }
        Ok(())
    }
}

/// The image's configuration, in the order its specification gives.
/// <https://github.com/opencontainers/image-spec/blob/main/config.md>
#[derive(Serialize)]
struct Config<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'a str,
    config: serde_json::Value,
    rootfs: serde_json::Value,
}

/// Stand-ins that the host replaces: it alone knows its architecture and the layer's checksum.
const ARCHITECTURE: &str = "@ARCHITECTURE@";
const LAYER: &str = "@LAYER@";

impl File {
    fn bits(&self) -> Option<u32> {
        self.mode.as_ref().and_then(|m| m.bits(0, false))
    }

    /// The path within the archive.
    fn member(&self) -> &str {
        self.path.0.trim_start_matches('/')
    }
}

impl ImageArchive {
    /// The configuration, with stand-ins.
    fn config(&self) -> String {
        let mut run = Map::new();
        let mut texts = |key: &str, list: Vec<String>| {
            if !list.is_empty() {
                run.insert(key.to_owned(), json!(list));
            }
        };
        texts("Env", self.env.iter().map(|(k, v)| format!("{k}={}", v.0)).collect());
        texts("Entrypoint", self.entrypoint.0.iter().map(|t| t.0.clone()).collect());
        texts("Cmd", self.cmd.0.iter().map(|t| t.0.clone()).collect());
        for (key, value) in [("User", &self.user), ("WorkingDir", &self.working_dir)] {
            if let Some(value) = value {
                run.insert(key.to_owned(), json!(value.0));
            }
        }
        if !self.labels.is_empty() {
            let labels: Map<_, _> = self.labels.iter().map(|(k, v)| (k.clone(), json!(v.0))).collect();
            run.insert("Labels".into(), json!(labels));
        }
        let config = Config {
            created: "1970-01-01T00:00:00Z",
            architecture: self.architecture.as_ref().map_or(ARCHITECTURE, |a| &a.0),
            os: "linux",
            config: json!(run),
            rootfs: json!({ "type": "layers", "diff_ids": [format!("sha256:{LAYER}")] }),
        };
        serde_json::to_string(&config).unwrap_or_default()
    }

    /// What the archive is made from, as far as the task tells.
    fn recipe(&self) -> String {
        let files: Vec<_> = self.files.0.iter().map(|f| json!([f.src.0, f.path.0, f.bits()])).collect();
        json!({ "format": 1, "name": self.name.0, "config": self.config(), "files": files }).to_string()
    }

    fn record(&self) -> String {
        format!("{}.made-from", self.dest.0)
    }

    /// A line per source: what tells whether its content may have changed, without reading it.
    fn sources(&self) -> String {
        let sources: BTreeSet<_> = self.files.0.iter().map(|f| f.src.0.as_str()).collect();
        format!("stat -L -c '%i %s %Y %Z %a %n' {}", words(sources))
    }

    fn question(&self) -> Probe {
        let (dest, record) = (quote(&self.dest.0), quote(&self.record()).into_owned());
        let script = format!(
            "export LC_ALL=C\n{} || exit 3\nprintf '\\001\\n'\n[ -s {dest} ] && [ -r {record} ] && cat {record}\n:\n",
            self.sources()
        );
        let mut reads: Vec<_> = self.files.0.iter().map(|f| Resource::Path(f.src.0.clone())).collect();
        reads.extend([self.dest.0.clone(), self.record()].map(Resource::Path));
        Probe::Script { script, reads }
    }

    /// All directories of the image, those above first.
    fn directories(&self) -> BTreeSet<&str> {
        let above = |file: &'_ File| -> Vec<usize> { file.member().match_indices('/').map(|(at, _)| at).collect() };
        self.files.0.iter().flat_map(|f| above(f).into_iter().map(|at| &f.member()[..at])).collect()
    }

    fn script(&self) -> String {
        let (dest, record) = (quote(&self.dest.0), quote(&self.record()).into_owned());
        let mut script = format!(
            "export LC_ALL=C\numask 022\nd={dest}\nt=$d.making.$$\nrm -rf -- \"$d\".making.*\nmkdir -p -- \"$t/root\" || exit\n\
             trap 'rm -rf -- \"$t\"' EXIT\ntrap 'exit 1' HUP INT TERM\ncd \"$t/root\" || exit\n"
        );
        let directories = self.directories();
        if !directories.is_empty() {
            script.push_str(&format!("mkdir -p -- {} || exit\n", words(&directories)));
        }
        let mut files: Vec<_> = self.files.0.iter().collect();
        files.sort_by_key(|f| f.member());
        for file in &files {
            let (src, member) = (quote(&file.src.0).into_owned(), quote(file.member()));
            match file.bits() {
                // A link is enough where the file is taken as it is: tar follows it, and nothing is copied twice.
                None => script.push_str(&format!("ln -s -- {src} {member} || exit\n")),
                Some(bits) => script.push_str(&format!(
                    "if [ \"$(stat -L -c %a -- {src})\" = {bits:o} ]; then ln -s -- {src} {member}; \
                     else cp -- {src} {member} && chmod {bits:04o} {member}; fi || exit\n"
                )),
            }
        }
        let members: Vec<_> =
            directories.into_iter().map(str::to_owned).chain(files.iter().map(|f| f.member().to_owned())).collect();
        // The same files make the same bytes: no times, no names of users, in a fixed order.
        script.push_str(&format!(
            "o=; if tar --version 2>/dev/null | grep -q GNU; then o='--format=gnu --mtime=@0 --owner=0 --group=0 --numeric-owner'; fi\n\
             tar -c -h $o --no-recursion -f ../layer.tar -- {} || exit\ncd .. && rm -rf root || exit\n\
             h=$(sha256sum layer.tar) && h=${{h%% *}} || exit\n",
            words(members)
        ));
        script.push_str(
            "case $(uname -m) in x86_64) a=amd64 ;; aarch64) a=arm64 ;; armv7*) a=arm ;; i?86) a=386 ;; *) a=$(uname -m) ;; esac\n",
        );
        let config = quote(&self.config()).into_owned();
        let config = config.replace(ARCHITECTURE, "'\"$a\"'").replace(LAYER, "'\"$h\"'");
        let manifest =
            json!([{ "Config": "@CONFIG@.json", "RepoTags": [self.name.0], "Layers": ["layer.tar"] }]).to_string();
        let manifest = quote(&manifest).replace("@CONFIG@", "'\"$c\"'");
        script.push_str(&format!(
            "printf %s {config} >config || exit\nc=$(sha256sum config) && c=${{c%% *}} && mv config \"$c.json\" || exit\nprintf %s {manifest} >manifest.json || exit\n\
             tar -c $o -f image.tar manifest.json \"$c.json\" layer.tar || exit\n\
             {{ printf '%s\\n' {}; {}; }} >made-from || exit\n\
             rm -f -- {record}\nmv -f image.tar \"$d\" && mv -f made-from {record}\n",
            quote(&self.recipe()),
            self.sources()
        ));
        script
    }
}

impl Module for ImageArchive {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![self.question()]
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let answer = state.script(&self.question())?;
        if answer.status != 0 {
            let told = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            return Err(Failure::new(format!("a file of the image cannot be read: {told}")).into());
        }
        let text = answer.text();
        let (sources, record) = text.split_once("\u{1}\n").unwrap_or((&text, ""));
        let wanted = format!("{}\n{sources}", self.recipe());
        let mut result = Map::new();
        result.insert("name".into(), json!(self.name.0));
        result.insert("dest".into(), json!(self.dest.0));
        let mut plan = Plan::ok(result);
        if record == wanted {
            return Ok(plan);
        }
        let writes = vec![Resource::Path(self.dest.0.clone()), Resource::Path(self.record())];
        plan.changes.push(Change::closed(
            format!("make image {} in {}", self.name.0, self.dest.0),
            Step::Script(self.script()),
            writes,
        ));
        plan.diff.push(Diff {
            before: record.to_owned(),
            after: wanted.clone(),
            before_header: self.record(),
            after_header: self.record(),
        });
        let stdout = format!("{sources}\u{1}\n{wanted}").into_bytes();
        plan.predictions.push((self.question(), Answer::Script(ScriptAnswer { stdout, ..ScriptAnswer::default() })));
        Ok(plan)
    }
}
