//! The product's own playbooks: they load, and what cannot work is refused before a host is touched.

use std::{fs, path::Path, process::Command};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Addresses for documentation: nobody answers there, so that a test that reaches for a host fails late and loudly.
const HOSTS: &str = "\
all:
  children:
    control_plane: {hosts: {master: {ansible_host: 192.0.2.11}}}
    workers: {hosts: {node1: {ansible_host: 192.0.2.21}, node2: {ansible_host: 192.0.2.22}}}
";

struct Run {
    code: i32,
    output: String,
}

fn bringup(args: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bringup"));
    command.args(args).current_dir(ROOT).env("NO_COLOR", "1").env_remove("BRINGUP_INVENTORY");
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|t| String::from_utf8_lossy(&t).into_owned()).concat();
    // As one line: where a message is wrapped depends on the terminal.
    let words = text.split_whitespace().filter(|word| *word != "│" && *word != "|");
    Run { code: output.status.code().unwrap(), output: words.collect::<Vec<_>>().join(" ") }
}

/// Runs a playbook on hosts that are not there, with these variables.
fn play(playbook: &str, inventory: &str, variables: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.yml");
    fs::write(&file, inventory).unwrap();
    let file = file.display().to_string();
    bringup(&["apply", "-i", &file, "-T", "5", "-e", variables, &format!("playbooks/{playbook}")])
}

fn site(inventory: &str, variables: &str) -> Run {
    play("site.yml", inventory, variables)
}

#[test]
fn every_playbook_loads() {
    let mut names: Vec<String> = fs::read_dir(Path::new(ROOT).join("playbooks"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yml"))
        .map(|name| format!("playbooks/{name}"))
        .collect();
    names.sort();
    assert!(names.len() > 10, "{names:?}");
    let mut args = vec!["lint"];
    args.extend(names.iter().map(String::as_str));
    let run = bringup(&args);
    assert_eq!(run.code, 0, "{}", run.output);
}

#[test]
fn the_example_inventory_has_the_groups_of_the_playbooks() {
    let run = bringup(&["inventory", "-i", "inventory.example", "--graph"]);
    assert_eq!(run.code, 0, "{}", run.output);
    assert!(run.output.contains("@control_plane:") && run.output.contains("@workers:"), "{}", run.output);
}

#[test]
fn what_cannot_work_is_refused_before_a_host_is_touched() {
    let cases = [
        (r#"{"container_runtime": "docker"}"#, "lost its docker shim in 1.24. Set `container_runtime: containerd`"),
        (
            r#"{"kubelet_credentials": "token"}"#,
            "`kubelet_credentials` is `token`. It can be one of: issued, by_role, shared, bootstrap.",
        ),
        (r#"{"cluster_manifests": [{"name": "a b", "file": "/nowhere"}]}"#, "It takes a `name` of letters, digits"),
        (
            r#"{"cluster_manifests": [{"name": "a", "file": "/nowhere"}]}"#,
            "names /nowhere, and the workstation has no such",
        ),
        (
            r#"{"container_runtime": "rkt"}"#,
            "`container_runtime` is `rkt`. It can be one of: containerd, docker, other.",
        ),
        (
            r#"{"container_runtime": "other"}"#,
            "`runtime_endpoint` is ``. With `container_runtime: other` it is the socket",
        ),
        (
            r#"{"runtime_endpoint": "unix:///run/crio/crio.sock"}"#,
            "Set `container_runtime: other`, or leave `runtime_endpoint` out",
        ),
        (
            r#"{"container_runtime": "other", "runtime_endpoint": "unix:///run/crio/crio.sock", "images_from": "release"}"#,
            "nothing is known of how images get into it, and `images_from: release` makes some",
        ),
        (r#"{"runtime_image_load": "load {file}"}"#, "`runtime_image_load` and `runtime_image_there` belong together"),
        (r#"{"pod_network": "kubenet"}"#, "Set `pod_network: routes`, which took its seat"),
        (r#"{"pod_range": "fd00::/64"}"#, "A cluster of IPv6 alone is not made"),
        (r#"{"cluster_name": "My Cluster"}"#, "`cluster_name` is `My Cluster`. Use small letters"),
        (r#"{"pod_range": "10.244.1.0/16"}"#, "`pod_range` is `10.244.1.0/16`, which is not a network"),
        (r#"{"service_range": "10.244.128.0/17"}"#, "`service_range` 10.244.128.0/17 overlap"),
        (r#"{"pod_range": "192.0.2.0/24"}"#, "The address of master is `192.0.2.11`"),
        (r#"{"pod_range_per_node": 17}"#, "cannot be cut into a /17 for each of 3 nodes"),
        (r#"{"dns_address": "10.1.0.10"}"#, "`dns_address` 10.1.0.10 is not inside `service_range`"),
        (r#"{"pod_network": "manifest"}"#, "needs `pod_network_manifest`"),
        (r#"{"images_from": "release"}"#, "nothing to make it of"),
        (r#"{"http_proxy": "proxy:3128"}"#, "`http_proxy` is `proxy:3128`. Write the proxy as http://HOST:PORT"),
        (r#"{"https_proxy": "http://a:s3cret@b c"}"#, "`https_proxy` is `http://…@b c`. Write the proxy"),
    ];
    refused(&cases);
}

/// With each of these variables `site.yml` says the words and asks no host.
fn refused(cases: &[(&str, &str)]) {
    for (variables, message) in cases {
        let run = site(HOSTS, variables);
        assert_eq!(run.code, 2, "{variables}: {}", run.output);
        assert!(run.output.contains(message), "{variables}: {}", run.output);
        assert!(!run.output.contains("PLAY [Look at the hosts]"), "{variables}: {}", run.output);
    }
}

#[test]
fn what_a_release_does_not_have_is_refused_before_a_host_is_touched() {
    refused(&[
        (r#"{"api_security": "http"}"#, "Take `api_security: http` out"),
        (r#"{"kubernetes_version": "1.36"}"#, "Give all three numbers"),
        (r#"{"kubernetes_version": "1.8.15"}"#, "1.9 is the oldest"),
        (
            r#"{"kubernetes_version": "1.15.12", "container_runtime": "docker", "api_security": "http"}"#,
            "whoever reaches port 8080 of master may do everything in the cluster",
        ),
        (
            r#"{"kubernetes_version": "1.18.20", "container_runtime": "docker", "kubelet_credentials": "bootstrap"}"#,
            "certificates.k8s.io/v1 since 1.19. Set `kubelet_credentials: issued`",
        ),
        (
            r#"{"kubernetes_version": "1.9.11", "container_runtime": "docker", "kubelet_extra_config": {"maxPods": 9}}"#,
            "no configuration file that `kubelet_extra_config` could go into: it came in 1.10",
        ),
        (
            r#"{"kubernetes_version": "1.9.11", "container_runtime": "docker", "etcd_version": "3.1.11"}"#,
            "3.3 is the oldest that tells of its health",
        ),
        (r#"{"kubernetes_version": "1.15.12"}"#, "speaks CRI v1alpha2 alone"),
        (
            r#"{"api_passwords": [{"user": "a"}]}"#,
            "`--basic-auth-file` left in 1.19. Put the rows of `api_passwords` into `api_tokens`",
        ),
    ]);
}

/// What a release lacks for a playbook is said before a host is asked, with what takes its seat.
#[test]
fn what_a_release_cannot_do_is_refused_by_its_name() {
    for (playbook, version, message) in [
        ("pivot.yml", "1.19.16", "leave the control plane as static pods"),
        ("upgrade.yml", "1.19.16", "These playbooks do not upgrade clusters to Kubernetes 1.19.16"),
        ("token.yml", "1.18.20", "put the host into the inventory, and playbooks/site.yml lets it join"),
    ] {
        let version = format!(r#"{{"kubernetes_version": "{version}", "container_runtime": "docker"}}"#);
        let run = play(playbook, HOSTS, &version);
        assert_eq!(run.code, 2, "{playbook}: {}", run.output);
        assert!(run.output.contains(message), "{playbook}: {}", run.output);
        assert!(!run.output.contains("PLAY [Look at the hosts]"), "{playbook}: {}", run.output);
    }
}

#[test]
fn an_inventory_that_makes_no_cluster_is_refused() {
    let cases = [
        ("all: {children: {workers: {hosts: {n: {ansible_host: 192.0.2.1}}}}}", "no host in the group `control_plane`"),
        ("all: {children: {control_plane: {hosts: {a.example: }}}}", "The address of a.example is `a.example`"),
        (
            "all: {children: {control_plane: {hosts: {a: {ansible_host: 192.0.2.1}, b: {ansible_host: 192.0.2.1}}}}}",
            "unlike every other node's",
        ),
        (
            "all: {children: {control_plane: {hosts: {a: {ansible_host: 192.0.2.1}, b: {ansible_host: 192.0.2.2}}}}}",
            "etcd needs 1, 3 or 5",
        ),
    ];
    for (inventory, message) in cases {
        let run = site(inventory, "{}");
        assert_eq!(run.code, 2, "{inventory}: {}", run.output);
        assert!(run.output.contains(message), "{inventory}: {}", run.output);
    }
}

fn role(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join("playbooks/roles").join(path)).unwrap()
}

#[test]
fn check_pods_run_nothing_for_whoever_reaches_them() {
    let pods = role("validate/templates/check-pods.yaml.j2");
    assert!(pods.contains("httpd -f -p 8080 -h /www"), "{pods}");
    // busybox runs what lies in `cgi-bin` of the folder it serves.
    assert!(!pods.contains("cgi") && !role("validate/templates/check.sh.j2").contains("QUERY_STRING"), "{pods}");
    for part in ["automountServiceAccountToken: false", "runAsNonRoot: true", "drop: [ALL]"] {
        assert!(pods.contains(part), "{part}");
    }
}

#[test]
fn the_guard_may_read_what_it_reads_and_no_more() {
    let rights = role("standby/templates/rights.yaml.j2");
    let rules: Vec<&str> = rights.lines().map(str::trim).filter(|l| l.contains("verbs:")).collect();
    assert!(rules.len() >= 4, "{rights}");
    for rule in rules {
        assert!(rule.contains("verbs: [get]") || rule.contains("verbs: [get, list]"), "{rule}");
        let named = rule.contains("resourceNames:") || rule.contains("nonResourceURLs:");
        assert!(named || rule.contains("resources: [pods]"), "{rule}");
    }
    // And every call that it makes is such a one.
    let program = role("standby/files/bringup-standby");
    let calls: Vec<&str> = program.lines().filter(|l| l.contains("api -n ") || l.contains("api get")).collect();
    assert!(calls.len() >= 7, "{calls:?}");
    assert!(calls.iter().all(|l| l.contains("api get --raw") || l.contains("api -n kube-system get ")), "{calls:?}");
    let access = role("standby/tasks/access.yml");
    assert!(!access.contains("admin.crt") && !access.contains("admin.key"), "{access}");
}

/// A tree whose `uname` says that the processor is another one.
fn processor(folder: &Path, name: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let bin = folder.join(name);
    fs::create_dir(&bin).unwrap();
    let uname = bin.join("uname");
    fs::write(&uname, format!("#!/bin/sh\ncase $1 in -m) echo {name} ;; *) exec /bin/uname \"$@\" ;; esac\n")).unwrap();
    fs::set_permissions(&uname, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", bin.display())
}

#[test]
fn each_host_takes_the_files_of_its_own_processor() {
    let folder = tempfile::tempdir().unwrap();
    let (amd, arm) = (processor(folder.path(), "x86_64"), processor(folder.path(), "aarch64"));
    let inventory = format!(
        "all:\n  vars: {{ansible_connection: local, ansible_become: false}}\n  children:\n    \
         control_plane: {{hosts: {{a: {{node_address: 192.0.2.1, path: '{amd}'}}}}}}\n    \
         workers: {{hosts: {{b: {{node_address: 192.0.2.2, path: '{arm}'}}}}}}\n"
    );
    let play = "\
- hosts: all
  gather_facts: true
  environment: {PATH: '{{ path }}'}
  vars: {node: {control_plane: \"{{ inventory_hostname == 'a' }}\"}}
  tasks:
    - ansible.builtin.import_role: {name: images, tasks_from: look.yml}
    - ansible.builtin.import_role: {name: releases, tasks_from: look.yml}
";
    fs::write(folder.path().join("hosts.yml"), inventory).unwrap();
    fs::write(folder.path().join("look.yml"), play).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bringup"));
    command.args(["apply", "--no-lock", "-i", "hosts.yml", "look.yml", "--output", "json"]);
    for nowhere in ["bundle", "software_folder", "images_folder"] {
        command.args(["-e", &format!("{nowhere}=/nowhere")]);
    }
    command.current_dir(folder.path());
    command.env("ANSIBLE_ROLES_PATH", Path::new(ROOT).join("playbooks/roles"));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let mut files: Vec<&str> = text
        .split("/nowhere/")
        .skip(1)
        .filter_map(|rest| rest.split_once(" does not exist").map(|(file, _)| file))
        .collect();
    files.sort_unstable();
    files.dedup();
    let wanted = [
        "cni-plugins-1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz",
        "cni-plugins-1.9.1/cni-plugins-linux-arm64-v1.9.1.tgz",
        "containerd-2.3.7/containerd-2.3.7-linux-amd64.tar.gz",
        "containerd-2.3.7/containerd-2.3.7-linux-arm64.tar.gz",
        "etcd-3.6.8/etcd-v3.6.8-linux-amd64.tar.gz",
        "images/registry.k8s.io_coredns_coredns_v1.14.2_amd64.tar",
        "images/registry.k8s.io_coredns_coredns_v1.14.2_arm64.tar",
        "images/registry.k8s.io_e2e-test-images_busybox_1.36.1-1_amd64.tar",
        "images/registry.k8s.io_e2e-test-images_busybox_1.36.1-1_arm64.tar",
        "images/registry.k8s.io_etcd_3.6.8-0_amd64.tar",
        "images/registry.k8s.io_kube-apiserver_v1.36.3_amd64.tar",
        "images/registry.k8s.io_kube-controller-manager_v1.36.3_amd64.tar",
        "images/registry.k8s.io_kube-scheduler_v1.36.3_amd64.tar",
        "images/registry.k8s.io_pause_3.10.2_amd64.tar",
        "images/registry.k8s.io_pause_3.10.2_arm64.tar",
        "kubernetes-1.36.3/kubernetes-node-linux-arm64.tar.gz",
        "kubernetes-1.36.3/kubernetes-server-linux-amd64.tar.gz",
        "runc-1.4.3/runc.amd64",
        "runc-1.4.3/runc.arm64",
    ];
    assert_eq!(files, wanted, "{text}{}", String::from_utf8_lossy(&output.stderr));
}

/// What a role's script prints.
fn says(script: &str, words: &[&str]) -> Vec<String> {
    let script = Path::new(ROOT).join("playbooks/roles").join(script);
    let output = Command::new("sh").arg(script).args(words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn programs_and_images_of_another_processor_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    // The first bytes of a program in ELF: its kind is in the 19th and 20th.
    for (name, kind) in [("ours", 0xb7), ("theirs", 0x3e), ("nobodys", 0xf3)] {
        let mut head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
        head.extend([kind, 0, 1, 0]);
        fs::create_dir_all(folder.path().join("bin")).unwrap();
        fs::write(folder.path().join("bin").join(name), head).unwrap();
    }
    fs::write(place("bin/script"), "#!/bin/sh\n").unwrap();
    fs::write(place("bin/empty"), "").unwrap();
    let named = says("releases/files/processors.sh", &["arm64", &place("bin")]);
    assert_eq!(named, [format!("amd64 {}", place("bin/theirs")), format!("other {}", place("bin/nobodys"))]);

    for architecture in ["amd64", "arm64"] {
        fs::write(place("manifest.json"), r#"[{"Config": "config.json", "RepoTags": ["a:1"], "Layers": []}]"#).unwrap();
        fs::write(place("config.json"), format!(r#"{{"os": "linux", "architecture": "{architecture}"}}"#)).unwrap();
        let mut tar = Command::new("tar");
        tar.args(["-cf", &place(architecture), "-C", &place("."), "manifest.json", "config.json"]);
        assert!(tar.status().unwrap().success());
    }
    // What an archive says is a name, and no word to tar.
    let touched = place("touched");
    let config = format!("--checkpoint-action=exec=touch${{IFS}}{touched}");
    fs::write(place("layer.tar"), [0; 300_000]).unwrap();
    fs::write(place("manifest.json"), format!(r#"[{{"Config": "{config}"}}]"#)).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["-cf", &place("evil"), "-C", &place("."), "manifest.json", "layer.tar"]);
    assert!(tar.status().unwrap().success());
    let (amd, arm, none, evil) = (place("amd64"), place("arm64"), place("bin/script"), place("evil"));
    let named = says("images/files/processors.sh", &["arm64", &amd, &arm, &none, &evil]);
    assert_eq!(named, [format!("amd64 {amd}")]);
    assert!(!Path::new(&touched).exists());
}

#[test]
fn a_bundle_that_cannot_be_is_refused() {
    for (variables, message) in [
        (r#"{"kubernetes_version": "1.36.3"}"#, "The bundle needs a folder: -e bundle=FOLDER."),
        (r#"{"bundle": "/nowhere", "bundle_architectures": ["s390"]}"#, "It can hold: amd64, arm64."),
        (r#"{"bundle": "/nowhere", "kubernetes_version": "1.99.0"}"#, "is the newest that these roles know"),
    ] {
        let run = bringup(&["plan", "-i", "localhost,", "-e", variables, "playbooks/bundle.yml"]);
        assert_eq!(run.code, 2, "{variables}: {}", run.output);
        assert!(run.output.contains(message), "{variables}: {}", run.output);
    }
}

/// What a role's variables come to with these variables given, by a play on one host that is not asked.
fn comes_to(expression: &str, variables: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let hosts = write("hosts.yml", HOSTS);
    let play = format!(
        "- hosts: control_plane[0]\n  gather_facts: false\n  roles: [cluster]\n  tasks:\n    - copy: {{content: \"{{{{ {expression} | to_nice_yaml }}}}\", dest: {}}}\n      delegate_to: localhost\n",
        folder.path().join("out").display()
    );
    let play = write("play.yml", &play);
    let mut command = Command::new(env!("CARGO_BIN_EXE_bringup"));
    command
        .args(["apply", "--no-lock", "-i", &hosts, "-e", variables, "-e", "ansible_connection=local", &play])
        .current_dir(ROOT);
    let output = command.env("ANSIBLE_ROLES_PATH", Path::new(ROOT).join("playbooks/roles")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    fs::read_to_string(folder.path().join("out")).unwrap()
}

#[test]
fn what_a_file_of_kubeadms_says_is_said_by_variables() {
    for version in ["v1alpha1", "v1beta4"] {
        let said = comes_to("kubeadm", &format!(r#"{{"kubeadm_config": "tests/kubeadm/{version}.yml"}}"#));
        insta::assert_snapshot!(format!("kubeadm_{version}"), said);
    }
    assert_eq!(comes_to("kubeadm", "{}"), "{}\n");
    let both = r#"{"kubeadm_config": "tests/kubeadm/v1beta4.yml", "pod_range": "10.9.0.0/16"}"#;
    let values = "[pod_range, service_range, kubernetes_version, api_port, etcd_image, dns_image]";
    insta::assert_snapshot!("kubeadm_and_variables", comes_to(values, both));
}

#[test]
fn what_of_kubeadms_has_no_seat_is_refused_by_name() {
    let cases = [
        ("ClusterConfiguration", "certificatesDir: /data/pki", "`certificatesDir` of `kubeadm_config` is `/data/pki`"),
        ("ClusterConfiguration", "controlPlaneEndpoint: api.example.org:8443", "API servers listen on port 6443"),
        (
            "ClusterConfiguration",
            "apiServer: {extraEnvs: [{name: A, value: b}]}",
            "`apiServer.extraEnvs.name` of the ClusterConfiguration",
        ),
        (
            "ClusterConfiguration",
            "featureGates: {RootlessControlPlane: true}",
            "`RootlessControlPlane: true`, a gate of kubeadm's own",
        ),
        ("ClusterConfiguration", "proxy: {disabled: true}", "`proxy.disabled` of `kubeadm_config` is true"),
        ("ClusterConfiguration", "certificateValidityPeriod: 90m", "none of whole hours, at least 24: 90m"),
        ("ClusterConfiguration", "encryptionAlgorithm: ECDSA-P521", "Keys can be: RSA-2048"),
        ("InitConfiguration", "nodeRegistration: {name: other}", "The node's name in `kubeadm_config` is `other`"),
        ("InitConfiguration", "nodeRegistration: {ignorePreflightErrors: [Nonsense]}", "`nonsense`, which is no check"),
        (
            "InitConfiguration",
            "localAPIEndpoint: {advertiseAddress: 192.0.2.99}",
            "`advertiseAddress` of `kubeadm_config` is `192.0.2.99`",
        ),
        ("InitConfiguration", "patches: {directory: /x}", "`patches.directory` of the InitConfiguration"),
        ("MasterConfiguration", "selfHosted: true", "The control plane is self-hosted by pivot.yml"),
        ("MasterConfiguration", "apiServerExtraEnv: {}\nwindows: yes please", "`windows` of the MasterConfiguration"),
        ("ResetConfiguration", "force: true", "of the kind `ResetConfiguration`"),
        ("KubeletConfiguration", "staticPodPath: /x", "`staticPodPath` of the KubeletConfiguration"),
        ("Deployment", "spec: {}", "no configuration of kubeadm's"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (kind, text, message) in cases {
        let file = folder.path().join("kubeadm.yml");
        fs::write(&file, format!("apiVersion: kubeadm.k8s.io/v1beta4\nkind: {kind}\n{text}\n")).unwrap();
        let run = site(HOSTS, &format!(r#"{{"kubeadm_config": "{}"}}"#, file.display()));
        assert_eq!(run.code, 2, "{text}: {}", run.output);
        assert!(run.output.contains(message), "{text}: {}", run.output);
        assert!(!run.output.contains("PLAY [Look at the hosts]"), "{text}: {}", run.output);
    }
}

#[test]
fn to_take_a_cluster_over_says_all_that_it_has_to_be_told() {
    let run = play("adopt.yml", HOSTS, "{}");
    assert_eq!(run.code, 2, "{}", run.output);
    for words in [
        "Which cluster is meant?",
        "`kubeadm_config` is not set.",
        "`pod_network` is `routes`. Pods keep the network that they have",
        "`container_runtime` is `containerd`. The runtime that runs the pods is used and left alone",
    ] {
        assert!(run.output.contains(words), "{words}: {}", run.output);
    }
    assert!(!run.output.contains("PLAY [Read what the cluster says of itself]"), "{}", run.output);
}
