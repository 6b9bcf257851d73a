use std::{path::Path, process::Command};

use super::*;

const DEBIAN: &str = include_str!("../../../tests/fact/debian-12.txt");
const BUSYBOX: &str = include_str!("../../../tests/fact/busybox.txt");

fn facts(text: &str) -> Json {
    parse(text.replace("\n@", "\n\u{1}").replacen('@', "\u{1}", 1).as_bytes()).unwrap()
}

#[test]
fn a_debian_host_is_told_as_ansible_tells_it() {
    let facts = facts(DEBIAN);
    let cases = [
        ("ansible_hostname", json!("node1")),
        ("ansible_fqdn", json!("node1.example.org")),
        ("ansible_domain", json!("example.org")),
        ("ansible_distribution", json!("Debian")),
        ("ansible_distribution_version", json!("12.11")),
        ("ansible_distribution_major_version", json!("12")),
        ("ansible_distribution_release", json!("bookworm")),
        ("ansible_os_family", json!("Debian")),
        ("ansible_pkg_mgr", json!("apt")),
        ("ansible_service_mgr", json!("systemd")),
        ("ansible_systemd", json!({"version": 252, "features": "+PAM +AUDIT +SELINUX default-hierarchy=unified"})),
        ("ansible_kernel", json!("6.1.0-44-amd64")),
        ("ansible_architecture", json!("x86_64")),
        ("ansible_processor_vcpus", json!(2)),
        ("ansible_processor_cores", json!(2)),
        ("ansible_processor_count", json!(1)),
        ("ansible_memtotal_mb", json!(24105)),
        ("ansible_swaptotal_mb", json!(0)),
        ("ansible_all_ipv4_addresses", json!(["192.0.2.2"])),
        ("ansible_user_id", json!("root")),
        ("ansible_user_dir", json!("/root")),
        ("ansible_python_version", json!("3.11.2")),
        ("ansible_is_chroot", json!(false)),
        ("ansible_selinux", json!({"status": "disabled"})),
        ("ansible_virtualization_role", json!("guest")),
    ];
    for (name, value) in cases {
        assert_eq!(facts[name], value, "{name}");
    }
    let default = &facts["ansible_default_ipv4"];
    for (key, value) in [
        ("address", json!("192.0.2.2")),
        ("interface", json!("eth0")),
        ("gateway", json!("192.0.2.1")),
        ("netmask", json!("255.255.255.0")),
        ("network", json!("192.0.2.0")),
        ("prefix", json!("24")),
        ("macaddress", json!("02:fc:00:00:00:01")),
        ("mtu", json!(1400)),
        ("type", json!("ether")),
    ] {
        assert_eq!(default[key], value, "default_ipv4.{key}");
    }
    assert_eq!(facts["ansible_lo"]["ipv4"]["netmask"], json!("255.0.0.0"));
    assert_eq!(facts["ansible_eth0"]["ipv6"][0], json!({"address": "fd00::2", "prefix": "64", "scope": "global"}));
    assert_eq!(facts["ansible_env"]["MULTI"], json!("a"), "a line that looks like an assignment is one");
    assert_eq!(facts["ansible_cmdline"]["console"], json!("ttyS0"));
    assert_eq!(facts["ansible_proc_cmdline"]["console"], json!(["tty0", "ttyS0"]));
    assert_eq!(facts["ansible_mounts"][0]["mount"], json!("/"));
    assert_eq!(facts["ansible_mounts"][0]["size_total"], json!(270_553_174_016_u64));
    assert_eq!(facts["ansible_local"]["net"], json!({"rack": 7}));
    assert_eq!(facts["ansible_local"]["site"], json!({"General": {"room": "north"}}));
    assert!(facts["ansible_local"]["broken"].as_str().unwrap().contains("rc: 3"));
}

#[test]
fn a_server_that_does_not_tell_its_size_in_time_is_noted() {
    let first = DEBIAN.lines().find(|line| line.starts_with("/proc/mounts:")).unwrap();
    let text = DEBIAN.replacen(first, &format!("{first}\n/proc/mounts:files:/srv /mnt nfs4 rw 0 0"), 1).replacen(
        "\n@sizes\n",
        "\n@sizes\nlate /mnt\n",
        1,
    );
    let facts = facts(&text);
    let noted: Vec<_> =
        facts["ansible_mounts"].as_array().unwrap().iter().filter(|m| m.get("note").is_some()).collect();
    assert_eq!(noted.len(), 1);
    assert_eq!(noted[0]["mount"], json!("/mnt"));
}

#[test]
fn a_host_with_busybox_alone_tells_the_same() {
    let (busybox, debian) = (facts(BUSYBOX), facts(DEBIAN));
    for name in [
        "ansible_default_ipv4",
        "ansible_default_ipv6",
        "ansible_eth0",
        "ansible_processor",
        "ansible_hostname",
        "ansible_os_family",
    ] {
        assert_eq!(busybox[name], debian[name], "{name}");
    }
    assert_eq!(busybox["ansible_date_time"]["iso8601_micro"].as_str().map(str::len), Some(27));
}

#[test]
fn the_script_runs_in_every_shell() {
    for shell in ["dash", "bash", "busybox"] {
        let mut command = Command::new(shell);
        if shell == "busybox" {
            command.arg("sh");
        }
        let Ok(output) = command.arg("-c").arg(script()).output() else { continue };
        assert!(output.status.success(), "{shell}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell}");
        let facts = parse(&output.stdout).unwrap();
        assert_eq!(facts["ansible_system"], json!("Linux"), "{shell}");
        assert!(facts["ansible_memtotal_mb"].as_u64().unwrap() > 0, "{shell}");
        if Path::new("/sys/class/net/lo").exists() {
            assert_eq!(facts["ansible_lo"]["mtu"], json!(65536), "{shell}");
        }
    }
}

#[test]
fn what_was_cut_off_is_no_answer() {
    assert_eq!(parse(b""), None);
    assert_eq!(parse(b"\x01uname\nLinux\n"), None);
}

#[test]
fn subsets_choose_as_ansible_does() {
    let Json::Object(all) = facts(DEBIAN) else { panic!("facts are an object") };
    let kept = |subset: &[&str], patterns: &[&str]| filter(&all, &Subset::parse(subset).unwrap(), patterns);
    assert_eq!(kept(&[], &[]).len(), all.len());
    let minimal = kept(&["!all"], &[]);
    assert!(minimal.contains_key("ansible_distribution") && !minimal.contains_key("ansible_eth0"));
    assert!(!minimal.contains_key("ansible_mounts"));
    let network = kept(&["!all", "!min", "network"], &[]);
    assert!(network.contains_key("ansible_eth0") && !network.contains_key("ansible_env"));
    let without = kept(&["!hardware"], &[]);
    assert!(!without.contains_key("ansible_memtotal_mb") && without.contains_key("ansible_default_ipv4"));
    let some = kept(&["all"], &["ansible_mem*", "kernel"]);
    assert!(some.contains_key("ansible_memfree_mb") && some.contains_key("ansible_kernel"));
    assert!(!some.contains_key("ansible_env"));
    assert!(Subset::parse(&["harware"]).is_err());
}
