//! `bringup.container_image`: images in a container runtime, loaded or pulled once.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::{
    fact::{Answer, Probe, Resource, ScriptAnswer, State},
    module::{
        Change, Context, Described, Diff, Failure, Flag, List, Module, ParameterError, Plan, PlanError, Return,
        Returns, Step, Text, builtin::group::Presence,
    },
    sh::{quote, words},
};

/// Parameters of `container_image`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContainerImage {
    /// The images, such as `registry.k8s.io/pause:3.10`; without a registry Docker Hub's is meant, without a tag `latest`.
    #[serde(alias = "image")]
    #[schemars(extend("x-aliases" = ["image"]))]
    name: List<Text>,
    /// An archive on the host that holds them, as `docker save` and `bringup.image_archive` make it.
    #[serde(default, alias = "archive", alias = "path")]
    #[schemars(extend("x-aliases" = ["archive", "path"]))]
    src: Option<Text>,
    /// Give the archive's image this name, whatever the archive calls it: in those of Kubernetes' releases names tell the architecture too.
    #[serde(default)]
    rename: Flag,
    /// Pull what is missing from its registry. An image that is there is never pulled again.
    #[serde(default)]
    pull: Flag,
    /// The container runtime: `containerd` or `docker`.
    #[serde(default)]
    runtime: Runtime,
    /// containerd's namespace; the kubelet's is `k8s.io`.
    #[serde(default = "default_namespace")]
    namespace: Text,
    /// With containerd: keep the kubelet from removing the images when the disk fills up.
    #[serde(default = "Flag::yes")]
    pinned: Flag,
    /// With containerd: speak plain HTTP with the registry.
    #[serde(default)]
    plain_http: Flag,
    /// Whether the images are to be there.
    #[serde(default)]
    state: Presence,
}

/// A container runtime.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// containerd, by `ctr`.
    #[default]
    Containerd,
    /// Docker, by `docker`.
    Docker,
}

/// Gives the one image of an archive the name `@NAME@`, and takes from the runtime those that the archive has for it.
const NAMES: &str = r#"m=$(tar -xOf @SRC@ manifest.json | tr -d ' \n\t' | sed 's/"RepoTags":/\n&/g' | grep '^"RepoTags"')
case $(printf '%s\n' "$m" | wc -l) in 1) ;; *) echo @SRC@' holds several images: which one is meant is not known' >&2; exit 1 ;; esac
n=$(printf '%s\n' "$m" | sed -n 's/^"RepoTags":\[\([^]]*\)\].*/\1/p' | tr ',' '\n' | sed -n 's/^"\([A-Za-z0-9][A-Za-z0-9._/:-]*\)"$/\1/p')
[ -n "$n" ] || { echo @SRC@' holds no image that has a name' >&2; exit 1; }
printf '%s\n' "$n" | grep -qxF @NAME@ || @TAG@ "$(printf '%s\n' "$n" | head -n 1)" @NAME@ >/dev/null || exit
for o in $n; do [ "$o" = @NAME@ ] || @REMOVE@ "$o" >/dev/null || exit; done
"#;

fn default_namespace() -> Text {
    Text("k8s.io".to_owned())
}

impl Described for ContainerImage {
    const NAME: &'static str = "bringup.container_image";
    const SUMMARY: &'static str = "Loads images into a container runtime, or pulls them, once";
    const EXAMPLES: &'static str = "\
- name: Load the image that every pod begins with
  bringup.container_image:
    name: registry.k8s.io/pause:3.10
    src: /var/lib/bringup/images/pause.tar

- name: Pull the cluster's DNS server unless it is there
  bringup.container_image:
    name: registry.k8s.io/coredns/coredns:v1.12.0
    pull: true
    runtime: docker
";
    const RETURNS: Returns =
        &[&[Return::list("images", "always", "The images"), Return::text("state", "always", "`present` or `absent`")]];

    fn check(&self) -> Result<(), ParameterError> {
        if self.name.0.is_empty() {
            return Err(ParameterError::new("name", "it is missing"));
        }
        for name in &self.name.0 {
            let fine = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
            if name.0.is_empty()
                || !name.0.chars().all(fine)
                || name.0.starts_with(['-', '/'])
                || name.0.ends_with([':', '@', '/'])
            {
                return Err(ParameterError::new("name", format!("`{}` is no image's name", name.0)));
            }
        }
        if self.src.is_some() && self.pull.0 {
            return Err(ParameterError::task("`src` and `pull` exclude each other"));
        }
        if self.state == Presence::Present && self.src.is_none() && !self.pull.0 {
            return Err(ParameterError::task("where from? `src` names an archive, or `pull: true` asks the registry"));
        }
        if self.rename.0 && (self.src.is_none() || self.name.0.len() != 1) {
            return Err(ParameterError::new("rename", "it takes `src` and a single name"));
        }
        if self.src.as_ref().is_some_and(|s| !s.0.starts_with('/')) {
            return Err(ParameterError::new("src", "an absolute path on the host is needed"));
        }
        Ok(())
    }
}

/// An image's full name: with registry, `library/` and tag, as containerd keeps it.
fn full_name(name: &str) -> String {
    let (name, digest) = name.split_once('@').map_or((name, None), |(n, d)| (n, Some(d)));
    let first = name.split('/').next().unwrap_or_default();
    let has_registry = name.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let mut full = match (has_registry, name.contains('/')) {
        (true, _) => name.to_owned(),
        (false, true) => format!("docker.io/{name}"),
        (false, false) => format!("docker.io/library/{name}"),
    };
    full = full.replacen("index.docker.io/", "docker.io/", 1);
    let last = full.rsplit('/').next().unwrap_or_default();
    match digest {
        Some(digest) => {
            let bare = last.split(':').next().unwrap_or_default().len();
            full.truncate(full.len() - last.len() + bare);
            format!("{full}@{digest}")
        }
        None if !last.contains(':') => format!("{full}:latest"),
        None => full,
    }
}

impl ContainerImage {
    fn ctr(&self) -> String {
        format!("ctr -n {}", quote(&self.namespace.0))
    }

    /// All images of the runtime: the same question for each of them. What ctr says on stderr is no part of the answer.
    fn question(&self) -> Probe {
        let script = match self.runtime {
            Runtime::Containerd => format!(
                "PATH=$PATH:/usr/local/bin:/usr/local/sbin\ncommand -v ctr >/dev/null || {{ echo 'ctr is not there: install containerd' >&2; exit 9; }}\n{} images ls -q\n",
                self.ctr()
            ),
            Runtime::Docker => "PATH=$PATH:/usr/local/bin\ncommand -v docker >/dev/null || { echo 'docker is not there' >&2; exit 9; }\n\
                 docker image ls --digests --format '{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}'\n"
                .to_owned(),
        };
        Probe::Script { script, reads: vec![self.resource()] }
    }

    fn resource(&self) -> Resource {
        let path = if self.runtime == Runtime::Docker { "/var/lib/docker" } else { "/var/lib/containerd" };
        Resource::Path(path.to_owned())
    }

    fn there(&self, answer: &ScriptAnswer) -> Result<Vec<String>, Failure> {
        if answer.status != 0 {
            let told = String::from_utf8_lossy(&answer.stderr);
            // The last line is the error; what stands before it are notices.
            let told = told.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("no reason given");
            return Err(Failure::new(format!("cannot list the images: {told}")).help("does the runtime run?"));
        }
        let text = answer.text();
        Ok(text.split_whitespace().filter(|n| !n.contains("<none>")).map(full_name).collect())
    }

    fn load(&self, src: &str, missing: &[String]) -> String {
        let src = quote(src);
        let mut script = format!("[ -r {src} ] || {{ echo {src}' is not there' >&2; exit 1; }}\n");
        match self.runtime {
            Runtime::Containerd => {
                // containerd 2 streams the archive to itself by default, at half the speed.
                script.push_str("l=; case $(ctr images import --help 2>/dev/null) in *--local*) l=--local ;; esac\n");
                script.push_str(&format!("{} images import $l {src} || exit\n", self.ctr()));
                script.push_str(&self.renamed(&src, missing));
                script.push_str(&self.verify(&format!("{} images ls -q", self.ctr()), missing));
                script.push_str(&self.pin(missing));
            }
            Runtime::Docker => {
                script.push_str(&format!("docker load -i {src} || exit\n"));
                script.push_str(&self.renamed(&src, missing));
                for name in missing {
                    script.push_str(&format!(
                        "docker image inspect {0} >/dev/null 2>&1 || {{ echo 'the archive holds no image named '{0} >&2; exit 1; }}\n",
                        quote(name)
                    ));
                }
            }
        }
        script
    }

    /// The name that is wanted instead of those that the archive has: its own word, so only what can be a name is taken of it.
    fn renamed(&self, src: &str, missing: &[String]) -> String {
        let ([name], true) = (missing, self.rename.0) else { return String::new() };
        let name = quote(name);
        let (tag, remove) = match self.runtime {
            Runtime::Containerd => (format!("{} images tag --force", self.ctr()), format!("{} images rm", self.ctr())),
            Runtime::Docker => ("docker tag".to_owned(), "docker image rm".to_owned()),
        };
        NAMES.replace("@SRC@", src).replace("@NAME@", &name).replace("@TAG@", &tag).replace("@REMOVE@", &remove)
    }

    /// An archive may hold other images than its name says.
    fn verify(&self, list: &str, names: &[String]) -> String {
        let checks = names.iter().map(|name| {
            format!("case \"$l\" in *\" {name} \"*) ;; *) echo 'the archive holds no image named {name}; there are:' \"$l\" >&2; exit 1 ;; esac\n")
        });
        format!("l=\" $({list} 2>/dev/null | tr '\\n' ' ')\"\n{}", checks.collect::<String>())
    }

    /// The label is set by itself: older versions of `ctr images import` take none.
    fn pin(&self, names: &[String]) -> String {
        if !self.pinned.0 {
            return String::new();
        }
        names
            .iter()
            .map(|n| {
                format!("{} images label {} io.cri-containerd.pinned=pinned >/dev/null || exit\n", self.ctr(), quote(n))
            })
            .collect()
    }

    fn pull(&self, missing: &[String]) -> String {
        let mut script = String::new();
        match self.runtime {
            Runtime::Containerd => {
                let plain = if self.plain_http.0 { " --plain-http" } else { "" };
                // The mirrors that the kubelet's pulls would take.
                script.push_str("h=; [ ! -d /etc/containerd/certs.d ] || h='--hosts-dir /etc/containerd/certs.d'\n");
                for name in missing {
                    script.push_str(&format!(
                        "{} images pull{plain} $h {} >/dev/null || exit\n",
                        self.ctr(),
                        quote(name)
                    ));
                }
                script.push_str(&self.pin(missing));
            }
            Runtime::Docker => {
                for name in missing {
                    script.push_str(&format!("docker pull --quiet {} || exit\n", quote(name)));
                }
            }
        }
        script
    }

    fn remove(&self, there: &[String]) -> String {
        match self.runtime {
            Runtime::Containerd => format!("{} images rm {}\n", self.ctr(), words(there)),
            Runtime::Docker => format!("docker image rm {}\n", words(there)),
        }
    }
}

impl Module for ContainerImage {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![self.question()]
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let there = self.there(state.script(&self.question())?)?;
        let wanted: Vec<_> = self.name.0.iter().map(|n| full_name(&n.0)).collect();
        let (present, missing): (Vec<_>, Vec<_>) = wanted.iter().cloned().partition(|n| there.contains(n));
        let mut result = Map::new();
        result.insert("images".into(), json!(wanted));
        result.insert("state".into(), json!(self.state.word()));
        let mut plan = Plan::ok(result);
        let mut after = there.clone();
        let (verb, names, script) = match (self.state, &self.src) {
            (Presence::Present, _) if missing.is_empty() => return Ok(plan),
            (Presence::Absent, _) if present.is_empty() => return Ok(plan),
            (Presence::Absent, _) => ("remove", &present, self.remove(&present)),
            (Presence::Present, Some(src)) => ("load", &missing, self.load(&src.0, &missing)),
            (Presence::Present, None) => ("pull", &missing, self.pull(&missing)),
        };
        match self.state {
            Presence::Present => after.extend(missing.iter().cloned()),
            Presence::Absent => after.retain(|n| !present.contains(n)),
        }
        let lines = |names: &[String]| names.iter().map(|n| format!("{n}\n")).collect::<String>();
        let mine = |names: &[String]| lines(&names.iter().filter(|n| wanted.contains(n)).cloned().collect::<Vec<_>>());
        plan.diff.push(Diff {
            before: mine(&there),
            after: mine(&after),
            before_header: "images".into(),
            after_header: "images".into(),
        });
        plan.changes.push(Change {
            what: format!("{verb} {}", names.join(", ")),
            step: Step::Script(format!("PATH=$PATH:/usr/local/bin:/usr/local/sbin\n{script}")),
            writes: vec![self.resource()],
            closed: false,
        });
        let stdout = lines(&after).into_bytes();
        plan.predictions.push((self.question(), Answer::Script(ScriptAnswer { stdout, ..ScriptAnswer::default() })));
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::full_name;

    #[test]
    fn names_are_made_full_as_docker_does() {
        for (name, full) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("flannel/flannel:v1", "docker.io/flannel/flannel:v1"),
            ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
            ("localhost/x", "localhost/x:latest"),
            ("10.77.0.1:5077/x", "10.77.0.1:5077/x:latest"),
            ("lab.local/a/b:1@sha256:ab", "lab.local/a/b@sha256:ab"),
            ("index.docker.io/a/b:1", "docker.io/a/b:1"),
        ] {
            assert_eq!(full_name(name), full);
            assert_eq!(full_name(full), full);
        }
    }
}
