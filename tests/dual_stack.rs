//! What a cluster of two stacks is made of, out of the playbooks' variables and templates; no host is asked.

use std::{fs, path::Path, process::Command};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const HOSTS: &str = "\
all:
  vars: {ansible_connection: local}
  children:
    control_plane: {hosts: {a: {ansible_host: 192.0.2.11, node_address6: 'fd00:1::11'}}}
    workers: {hosts: {b: {ansible_host: 192.0.2.21, node_address6: 'fd00:1::21'}}}
";

/// Everything that names a range or an address, for the host `a`.
const PLAY: &str = "\
- hosts: all
  gather_facts: false
  vars_files:
    - roles/kubeadm_config/defaults/main.yml
    - roles/kubeadm_config/vars/main.yml
    - roles/cluster/defaults/main.yml
    - roles/cluster/vars/main.yml
    - roles/layout/vars/main.yml
    - roles/layout/defaults/main.yml
    - roles/network/defaults/main.yml
    - roles/network/vars/main.yml
    - roles/base/defaults/main.yml
    - roles/control_plane_parts/defaults/main.yml
    - roles/control_plane_parts/vars/main.yml
    - roles/kubelet/defaults/main.yml
    - roles/kubelet/vars/main.yml
    - roles/kube_proxy/defaults/main.yml
    - roles/kube_proxy/vars/main.yml
    - roles/dns/defaults/main.yml
    - roles/pki/vars/main.yml
  vars:
    cluster_remembered: {}
    cluster_is_new: true
    cluster_guests: {}
    cluster_departed: {}
    layout_left_out: {results: []}
    layout_guest_comes: {}
    layout_here: {}
    node_etcd_began: ''
    node_etcd_state: ''
    pki_external: []
    said:
      nodes: '{{ nodes }}'
      remembered: '{{ layout_belongs | combine({\"pod_ranges6\": pod_ranges6} if cluster_dual_stack else {}) }}'
      service_range: '{{ layout_made_with.service_range }}'
      no_proxy: '{{ cluster_no_proxy }}'
      addresses: '{{ [api_service_address, dns_address] + ([dns_second_address] if cluster_dual_stack else []) }}'
      bridge: '{{ network_bridge_addresses }}'
      routes: '{{ network_routes }}'
      rules: '{{ network_rules }}'
      api_server: '{{ control_plane_api_server_args | dict2items | selectattr(\"key\", \"in\", [\"advertise-address\", \"service-cluster-ip-range\"]) | list | items2dict }}'
      kube_proxy: '{{ kube_proxy_config.clusterCIDR }}'
      api_names: '{{ pki_api_names }}'
      kubelet_names: '{{ pki_leaves | selectattr(\"file\", \"equalto\", \"nodes/a/kubelet\") | map(attribute=\"names\") | first }}'
  tasks:
    - set_fact:
        nodes: '{{ layout_nodes }}'
        node: '{{ layout_nodes[inventory_hostname] }}'
        pod_ranges: '{{ layout_ranges }}'
        pod_ranges6: '{{ layout_ranges6 }}'
    # Said, and written nowhere: other tests are at work on this machine.
    - debug: {msg: '{{ said | to_nice_yaml }}'}
      when: inventory_hostname == 'a'
    - debug: {msg: '{{ lookup(\"template\", \"roles/\" ~ item ~ \".j2\") }}'}
      loop:
        - network/templates/10-cbr0.conflist
        - network/templates/kubernetes-rules.service
        - network/templates/keep-routes
        - kubelet/templates/10-node.conf
      when: inventory_hostname == 'a'
";

/// What the variables come to, and lines of the files that are made of them.
fn made_of(variables: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("hosts.yml"), HOSTS).unwrap();
    std::os::unix::fs::symlink(Path::new(ROOT).join("playbooks/roles"), path("roles")).unwrap();
    fs::write(path("play.yml"), PLAY).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bringup"));
    command.args([
        "apply",
        "--no-lock",
        "-i",
        &path("hosts.yml"),
        "-e",
        variables,
        "--output",
        "json",
        &path("play.yml"),
    ]);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let said: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|event| event["host"] == "a")
        .filter_map(|event| event["result"]["msg"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(said.len(), 5, "{text}");
    const WORDS: [&str; 6] =
        ["\"ranges\"", "\"routes\"", "ExecStart", "pods.service\" |", "monitor route", "--node-ip="];
    let lines = said[1..].iter().flat_map(|file| file.lines()).filter(|l| WORDS.iter().any(|w| l.contains(w)));
    said[0].lines().chain(["----"]).chain(lines).map(|line| format!("{line}\n")).collect()
}

const FOUR_FIRST: &str = r#"{"pod_range": "10.244.0.0/16,fd00:10:244::/56", "service_range": ["10.96.0.0/16", "fd00:10:96::/112"], "network_open_firewall": true}"#;
const SIX_FIRST: &str =
    r#"{"pod_range": ["fd00:10:244::/56", "10.244.0.0/16"], "service_range": "fd00:10:96::/112, 10.96.0.0/16"}"#;

#[test]
fn a_cluster_of_one_stack_says_nothing_of_the_other() {
    let said = made_of(r#"{"network_open_firewall": true}"#);
    assert!(!said.contains("fd00") && !said.contains("ip6tables") && !said.contains("::1"), "{said}");
    insta::assert_snapshot!("one_stack", said);
}

#[test]
fn a_cluster_of_two_stacks_has_each_of_both() {
    insta::assert_snapshot!("ipv4_first", made_of(FOUR_FIRST));
}

#[test]
fn the_first_range_comes_first_everywhere() {
    insta::assert_snapshot!("ipv6_first", made_of(SIX_FIRST));
}

/// `site.yml` on hosts that are not there, and what it says.
fn refused(inventory: &str, variables: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts.yml").display().to_string();
    fs::write(&file, inventory).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bringup"));
    command.args(["apply", "-i", &file, "-T", "5", "-e", variables, "playbooks/site.yml"]).current_dir(ROOT);
    let output = command.env("NO_COLOR", "1").output().unwrap();
    let text = [output.stdout, output.stderr].map(|t| String::from_utf8_lossy(&t).into_owned()).concat();
    assert_eq!(output.status.code(), Some(2), "{variables}: {text}");
    assert!(!text.contains("PLAY [Look at the hosts]"), "{variables}: {text}");
    text.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

#[test]
fn what_two_stacks_cannot_be_is_refused_before_a_host_is_touched() {
    const TWO: &str =
        r#""pod_range": "10.244.0.0/16,fd00:10:244::/56", "service_range": "10.96.0.0/16,fd00:10:96::/112""#;
    let both = |more: &str| format!("{{{TWO}{more}}}");
    let ranges = |pods: &str, services: &str| format!(r#"{{"pod_range": "{pods}", "service_range": "{services}"}}"#);
    let cases = [
        (ranges("fd00:10:244::/56", "fd00:10:96::/112"), "A cluster of IPv6 alone is not made"),
        (ranges("10.244.0.0/16,10.245.0.0/16", "10.96.0.0/16"), "or two, one of IPv4 and one of IPv6"),
        (ranges("10.244.0.0/16,fd00:10:244::/56", "10.96.0.0/16"), "or both two, of IPv4 and IPv6, in the same order"),
        (
            ranges("10.244.0.0/16,fd00:10:244::/56", "fd00:10:96::/112,10.96.0.0/16"),
            "or both two, of IPv4 and IPv6, in the same order",
        ),
        (
            ranges("10.244.0.0/16,fd00:10:244:1::/56", "10.96.0.0/16,fd00:10:96::/112"),
            "`fd00:10:244:1::/56`, which is not a network in the form fd00:10:244::/56",
        ),
        (ranges("10.244.0.0/16,fd00:10::/48", "10.96.0.0/16,fd00:10:0:1::/112"), "fd00:10:0:1::/112 overlap"),
        (ranges("10.244.0.0/16,fd00:10:244::/65", "10.96.0.0/16,fd00:10:96::/112"), "cannot be cut into a /64"),
        (ranges("10.244.0.0/16,fd00::/32", "10.96.0.0/16,fd01::/112"), "or is cut into more than 65536"),
        (
            ranges("10.244.0.0/16,fd00:10:244::/56", "10.96.0.0/16,fd00:10:96::/64"),
            "the API server takes a /108 at most",
        ),
        (both(r#", "kubernetes_version": "1.22.17", "container_runtime": "docker""#), "ready for everyone since 1.23"),
        (
            both(r#", "kubernetes_version": "1.23.17", "container_runtime": "docker""#),
            "plugs pods into a bridge with one range",
        ),
        (both(r#", "pod_network": "vxlan""#), "`pod_network: vxlan` is made for IPv4 alone"),
        (
            both(r#", "pod_network": "manifest", "pod_network_manifest": "x""#),
            "`pod_network: manifest` is made for IPv4 alone",
        ),
        (both(r#", "kubelet_credentials": "bootstrap""#), "they ask for two. Set `kubelet_credentials: issued`"),
        (both(r#", "pod_range_per_node6": "x""#), "`pod_range_per_node6` is `x`"),
        (both(r#", "api_address": "fd00:1::11""#), "The API is asked by IPv4"),
    ];
    for (variables, message) in cases {
        let said = refused(HOSTS, &variables);
        assert!(said.contains(message), "{variables}: {said}");
    }
    for (was, is) in [
        (", node_address6: 'fd00:1::21'", ""),
        ("fd00:1::21", "fd00:1::11"),
        ("fd00:1::21", "fd00:10:244::21"),
        ("fd00:1::21", "fe80::21"),
        ("fd00:1::21", "192.0.2.99"),
        ("fd00:1::21", "fd00:1:0:0::21"),
    ] {
        let said = refused(&HOSTS.replace(was, is), &both(""));
        assert!(said.contains("`node_address6` of b is `"), "{is}: {said}");
    }
}
