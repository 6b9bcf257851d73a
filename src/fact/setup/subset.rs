//! Choosing among facts: `gather_subset` and `filter`.

use serde_json::{Map, Value as Json};

use crate::python::fnmatch::fnmatch;

/// The collectors that run whatever is asked for, unless `!min` is.
const MINIMAL: &[&str] = &[
    "apparmor",
    "cmdline",
    "date_time",
    "distribution",
    "dns",
    "env",
    "fips",
    "local",
    "lsb",
    "pkg_mgr",
    "platform",
    "python",
    "selinux",
    "service_mgr",
    "ssh_pub_keys",
    "user",
];

/// Collectors beside the minimal ones, and those of Ansible that have nothing here.
const OTHERS: &[&str] = &[
    "hardware",
    "network",
    "virtual",
    "chroot",
    "loadavg",
    "caps",
    "facter",
    "ohai",
    "iscsi",
    "nvme",
    "fibre_channel_wwn",
    "systemd",
];

/// Which facts are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subset {
    wanted: Vec<String>,
    refused: Vec<String>,
}

impl Subset {
    /// Reads `gather_subset`.
    ///
    /// # Errors
    /// Names a subset that does not exist.
    pub fn parse<T: AsRef<str>>(names: &[T]) -> Result<Subset, String> {
        let mut subset = Subset { wanted: Vec::new(), refused: Vec::new() };
        for name in names.iter().map(|n| n.as_ref().trim()).filter(|n| !n.is_empty()) {
            let bare = name.trim_start_matches('!');
            if !known(bare) {
                return Err(format!("there is no subset of facts named `{bare}`"));
            }
            if bare == name { &mut subset.wanted } else { &mut subset.refused }.push(bare.to_owned());
        }
        if subset.wanted.is_empty() && !subset.refuses("all") {
            subset.wanted.push("all".to_owned());
        }
        Ok(subset)
    }

    fn refuses(&self, name: &str) -> bool {
        self.refused.iter().any(|r| r == name)
    }

    fn wants(&self, name: &str) -> bool {
        self.wanted.iter().any(|w| w == name)
    }

    /// Whether a fact, named without `ansible_`, belongs to what was asked for.
    pub fn holds(&self, fact: &str) -> bool {
        let collector = collector(fact);
        if self.wants(collector) || self.wants(fact) {
            return true;
        }
        if self.refuses(collector) || self.refuses(fact) {
            return false;
        }
        let minimal = MINIMAL.contains(&collector);
        (minimal && !self.refuses("min")) || (self.wants("all") && !(self.refuses("all")))
    }
}

/// Whether `gather_subset` may name it: a collector, a group of them, or one of the facts they make.
fn known(name: &str) -> bool {
    matches!(name, "all" | "min")
        || MINIMAL.contains(&name)
        || OTHERS.contains(&name)
        || FACTS.iter().any(|(f, _)| *f == name)
}

/// Facts whose names do not tell their collector.
const FACTS: &[(&str, &str)] = &[
    ("architecture", "platform"),
    ("cgroup_version", "platform"),
    ("boot_id", "platform"),
    ("domain", "platform"),
    ("fqdn", "platform"),
    ("hostname", "platform"),
    ("kernel", "platform"),
    ("kernel_version", "platform"),
    ("machine", "platform"),
    ("machine_id", "platform"),
    ("nodename", "platform"),
    ("system", "platform"),
    ("userspace_architecture", "platform"),
    ("userspace_bits", "platform"),
    ("os_family", "distribution"),
    ("distribution_version", "distribution"),
    ("distribution_release", "distribution"),
    ("distribution_major_version", "distribution"),
    ("is_chroot", "chroot"),
    ("proc_cmdline", "cmdline"),
    ("ssh_host_pub_keys", "ssh_pub_keys"),
    ("ssh_host_key_dsa_public", "ssh_pub_keys"),
    ("ssh_host_key_ecdsa_public", "ssh_pub_keys"),
    ("ssh_host_key_ed25519_public", "ssh_pub_keys"),
    ("ssh_host_key_rsa_public", "ssh_pub_keys"),
    ("effective_user_id", "user"),
    ("effective_group_id", "user"),
    ("effective_group_ids", "user"),
    ("real_user_id", "user"),
    ("real_group_id", "user"),
    ("user_dir", "user"),
    ("user_gecos", "user"),
    ("user_gid", "user"),
    ("user_id", "user"),
    ("user_shell", "user"),
    ("user_uid", "user"),
    ("selinux_python_present", "selinux"),
    ("virtualization_type", "virtual"),
    ("virtualization_role", "virtual"),
    ("virtualization_tech_guest", "virtual"),
    ("virtualization_tech_host", "virtual"),
    ("all_ipv4_addresses", "network"),
    ("all_ipv6_addresses", "network"),
    ("default_ipv4", "network"),
    ("default_ipv6", "network"),
    ("interfaces", "network"),
    ("devices", "hardware"),
    ("mounts", "hardware"),
    ("processor", "hardware"),
    ("processor_cores", "hardware"),
    ("processor_count", "hardware"),
    ("memory_mb", "hardware"),
    ("uptime_seconds", "hardware"),
    ("form_factor", "hardware"),
    ("system_vendor", "hardware"),
    ("python_version", "python"),
    ("system_capabilities", "caps"),
    ("system_capabilities_enforced", "caps"),
];

fn collector(fact: &str) -> &str {
    if let Some((_, collector)) = FACTS.iter().find(|(f, _)| *f == fact) {
        return collector;
    }
    if let Some(own) = MINIMAL.iter().chain(OTHERS).find(|c| **c == fact) {
        return own;
    }
    let prefixes = [
        ("distribution_", "distribution"),
        ("ssh_host_key_", "ssh_pub_keys"),
        ("processor_", "hardware"),
        ("mem", "hardware"),
        ("swap", "hardware"),
        ("bios_", "hardware"),
        ("board_", "hardware"),
        ("chassis_", "hardware"),
        ("product_", "hardware"),
    ];
    // What is left are the interfaces, each a fact of its own name.
    prefixes.iter().find(|(p, _)| fact.starts_with(p)).map_or("network", |(_, c)| c)
}

/// Keeps the facts of a subset whose names fit one of the shell patterns; no pattern keeps all.
///
/// A pattern may be written with or without `ansible_`.
pub fn filter<T: AsRef<str>>(facts: &Map<String, Json>, subset: &Subset, patterns: &[T]) -> Map<String, Json> {
    let wanted = |name: &str| {
        let bare = name.strip_prefix("ansible_").unwrap_or(name);
        if matches!(name, "gather_subset" | "module_setup") {
            return true;
        }
        let fits = |p: &T| fnmatch(p.as_ref(), name) || fnmatch(p.as_ref(), bare);
        subset.holds(bare) && (patterns.is_empty() || patterns.iter().any(fits))
    };
    facts.iter().filter(|(name, _)| wanted(name)).map(|(k, v)| (k.clone(), v.clone())).collect()
}
