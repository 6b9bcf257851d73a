//! What the playbooks write for a release of Kubernetes is what that release has: its flags, the fields of its configuration files, its objects.
//! `tests/kubernetes` lists those of every release, as its own sources say them (`tests/kubernetes/make`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value as Json;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const MINORS: std::ops::RangeInclusive<u32> = 9..=36;

/// Which releases have a thing: from and to, by their minor number.
type Ranges = Vec<(u32, u32)>;

/// A list: `NAME [OF] FROM-TO [FROM-TO…]`. Of fields, `OF` is the type of what is in it, and `-` where that has no fields of its own.
struct List(BTreeMap<String, Vec<(String, Ranges)>>);

impl List {
    fn read(file: &str) -> List {
        let text = fs::read_to_string(Path::new(ROOT).join("tests/kubernetes").join(file)).unwrap();
        let mut rows: BTreeMap<String, Vec<(String, Ranges)>> = BTreeMap::new();
        for line in text.lines() {
            let (words, ranges): (Vec<&str>, Vec<&str>) =
                line.split(' ').partition(|word| !word.starts_with("1.") && !word.starts_with("3."));
            let minor = |text: &str| text.split_once('.').unwrap().1.parse().unwrap();
            let ranges = ranges.iter().map(|r| r.split_once('-').unwrap()).map(|(a, b)| (minor(a), minor(b))).collect();
            rows.entry(words[0].to_owned()).or_default().push((words.get(1).unwrap_or(&"-").to_string(), ranges));
        }
        assert!(rows.len() > 30, "{file}");
        List(rows)
    }

    /// What this release has by that name: the type of what is in it.
    fn has(&self, name: &str, minor: u32) -> Option<&str> {
        let rows = self.0.get(name)?;
        rows.iter().find(|(_, r)| r.iter().any(|(a, b)| (*a..=*b).contains(&minor))).map(|(of, _)| of.as_str())
    }

    fn has_kind(&self, version: &str, kind: &str, minor: u32) -> bool {
        let rows = self.0.get(version).map(Vec::as_slice).unwrap_or_default();
        rows.iter().any(|(k, r)| k == kind && r.iter().any(|(a, b)| (*a..=*b).contains(&minor)))
    }

    /// Fields in what was rendered that the release does not have.
    fn unknown(&self, of: &str, value: &Json, minor: u32, at: &str, found: &mut BTreeSet<String>) {
        match value {
            Json::Array(items) => items.iter().for_each(|item| self.unknown(of, item, minor, at, found)),
            Json::Object(fields) => {
                for (name, value) in fields {
                    match self.has(&format!("{of}.{name}"), minor) {
                        None => drop(found.insert(format!("{at}: {of} has no `{name}`"))),
                        Some("-") => {}
                        Some(next) => self.unknown(next, value, minor, at, found),
                    }
                }
            }
            _ => {}
        }
    }
}

struct Lists {
    flags: BTreeMap<&'static str, List>,
    kubelet: List,
    proxy: List,
    objects: List,
    served: List,
}

const PARTS: [&str; 6] =
    ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"];

impl Lists {
    fn read() -> Lists {
        Lists {
            flags: PARTS.iter().map(|part| (*part, List::read(&format!("flags/{part}")))).collect(),
            kubelet: List::read("fields/kubelet.config.k8s.io-v1beta1"),
            proxy: List::read("fields/kubeproxy.config.k8s.io-v1alpha1"),
            objects: List::read("fields/objects"),
            served: List::read("served"),
        }
    }

    fn flags(&self, part: &str, minor: u32, words: &[&str], at: &str, found: &mut BTreeSet<String>) {
        let flags: Vec<&str> = words
            .iter()
            .filter_map(|word| word.strip_prefix("--"))
            .map(|flag| flag.split('=').next().unwrap())
            .collect();
        assert!(!flags.is_empty(), "{at}: no flags");
        for flag in flags {
            if self.flags[part].has(flag, minor).is_none() {
                found.insert(format!("{at}: {part} has no --{flag}"));
            }
        }
    }

    fn object(&self, object: &Json, minor: u32, at: &str, found: &mut BTreeSet<String>) {
        let (version, kind) = (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
        if !self.served.has_kind(version, kind, minor) {
            found.insert(format!("{at}: {version} {kind} is not served"));
        }
        if ["Pod", "DaemonSet", "Deployment", "Service"].contains(&kind) {
            self.objects.unknown(&format!("{kind}Spec"), &object["spec"], minor, at, found);
        }
    }

    /// What was written for one host of `render.yml`, held against its release.
    fn check(&self, written: &Json, minor: u32, host: &str, found: &mut BTreeSet<String>) {
        for (what, it) in written.as_object().unwrap() {
            let at = format!("1.{minor} {what} ({host})");
            match what.split_once('.').unwrap_or((what, "")) {
                ("pod", part) => {
                    self.object(it, minor, &at, found);
                    let command = it["spec"]["containers"][0]["command"].as_array().unwrap();
                    let words: Vec<&str> = command.iter().map(|word| word.as_str().unwrap()).collect();
                    assert_eq!(words[0], part);
                    let etcd = written["release"]["etcd"].as_str().unwrap().split('.').nth(1).unwrap().parse().unwrap();
                    self.flags(part, if part == "etcd" { etcd } else { minor }, &words, &at, found);
                }
                ("args", part) => {
                    let lines = it.as_str().unwrap().lines();
                    let lines = lines.filter(|l| l.starts_with("Environment=") || l.starts_with("ExecStart="));
                    let words: Vec<&str> = lines
                        .flat_map(|line| line.split([' ', '"']))
                        .map(|word| word.split_once("=--").map_or(word, |(name, _)| &word[name.len() + 1..]))
                        .map(|word| if word.starts_with("KUBELET_") { "" } else { word })
                        .collect();
                    self.flags(part, minor, &words, &at, found);
                }
                ("config", "kubelet") if it.as_object().unwrap().is_empty() => assert!(minor < 10, "{at}"),
                ("config", part) => {
                    let mut config = it.clone();
                    let fields = config.as_object_mut().unwrap();
                    let kind = fields.remove("kind").unwrap();
                    let (list, version) = match part {
                        "kubelet" => (&self.kubelet, "kubelet.config.k8s.io/v1beta1"),
                        _ => (&self.proxy, "kubeproxy.config.k8s.io/v1alpha1"),
                    };
                    assert_eq!(fields.remove("apiVersion").unwrap(), version);
                    list.unknown(kind.as_str().unwrap(), &config, minor, &at, found);
                }
                ("object", _) if it.is_array() => {
                    it.as_array().unwrap().iter().for_each(|object| self.object(object, minor, &at, found));
                }
                ("object", _) => self.object(it, minor, &at, found),
                _ => {}
            }
        }
    }
}

/// Two clusters of each release: one with what is so by default, one with all that it can have.
fn inventory() -> String {
    let mut hosts = String::new();
    for minor in MINORS {
        let runtime = if minor < 23 { "docker" } else { "containerd" };
        writeln!(hosts, "        r{minor}: {{kubernetes_version: 1.{minor}.3, container_runtime: {runtime}}}").unwrap();
        let mut all = vec![
            format!("kubernetes_version: 1.{minor}.3"),
            "api_tokens: [{user: a, groups: [b]}]".to_owned(),
            "feature_gates: {APIListChunking: true}".to_owned(),
            "api_server_shutdown_delay: 9".to_owned(),
            "pod_range_per_node: 26".to_owned(),
        ];
        let mut when = |has: bool, text: &str| {
            if has {
                all.push(text.to_owned())
            }
        };
        when(minor < 24, "container_runtime: docker, pod_network: kubenet");
        when(minor >= 24, "container_runtime: containerd, pod_network: manifest, pod_network_manifest: /m.yml");
        when(minor < 19, "api_passwords: [{user: a}]");
        when(minor < 20, "api_security: http, api_http_behind_firewall: true");
        when(minor >= 20, "kubelet_credentials: bootstrap");
        when(minor < 31, "cloud_provider: gce, cloud_config: /etc/kubernetes/cloud.conf");
        when(minor >= 31, "cloud_provider: external, allow_cgroup_v1: true");
        writeln!(hosts, "        all{minor}: {{{}}}", all.join(", ")).unwrap();
    }
    format!(
        "all:\n  children:\n    control_plane: {{hosts: {{master: {{node_address: 192.0.2.11}}}}}}\n    workers: {{hosts: {{node1: \
         {{node_address: 192.0.2.21}}}}}}\n    releases:\n      hosts:\n{hosts}"
    )
}

#[test]
fn what_is_written_for_a_release_is_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts.yml");
    let out = folder.path().join("out");
    fs::write(&hosts, inventory()).unwrap();
    fs::create_dir(&out).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bringup"));
    command.args(["apply", "--no-lock", "-f", "8", "-i"]).arg(&hosts).arg("-e").arg(format!("out={}", out.display()));
    command.arg("tests/kubernetes/render.yml").current_dir(ROOT);
    let run = command.env("ANSIBLE_ROLES_PATH", Path::new(ROOT).join("playbooks/roles")).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{}", &said[said.len().saturating_sub(4000)..]);

    let lists = Lists::read();
    let mut found = BTreeSet::new();
    for minor in MINORS {
        for host in [format!("r{minor}"), format!("all{minor}")] {
            let written: Json = serde_json::from_str(&fs::read_to_string(out.join(&host)).unwrap()).unwrap();
            assert!(written.as_object().unwrap().len() >= 13, "{host}");
            lists.check(&written, minor, &host, &mut found);
        }
    }
    assert!(found.is_empty(), "{}", found.into_iter().collect::<Vec<_>>().join("\n"));
}
