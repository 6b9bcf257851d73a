//! The system itself: distribution, kernel, user, time, security, virtualization.

use serde_json::{Map, Value as Json, json};

use super::told::Told;

/// Adds the facts about the system; `None` when even the kernel's name is missing.
pub(super) fn gather(told: &Told<'_>, facts: &mut Map<String, Json>) -> Option<()> {
    kernel(told, facts)?;
    distribution(told, facts);
    date(told, facts);
    user(told, facts);
    security(told, facts);
    virtualization(told, facts);
    command_line(told, facts);
    facts.insert("env".into(), environment(told.section("env")));
    python(told, facts);
    facts.insert("pkg_mgr".into(), json!(package_manager(told)));
    facts.insert("service_mgr".into(), json!(service_manager(told)));
    if let [version, features, ..] = told.section("systemd")
        && let Some(number) = version.split(' ').nth(1).and_then(|word| word.parse::<u32>().ok())
    {
        facts.insert("systemd".into(), json!({ "version": number, "features": features }));
    }
    facts.insert("is_chroot".into(), json!(told.flag("chroot")));
    facts.insert("cgroup_version".into(), json!(if told.flag("cgroup2") { 2 } else { 1 }));
    facts.insert("fips".into(), json!(told.line("/proc/sys/crypto/fips_enabled") == Some("1")));
    if let Some(id) = told.line("/etc/machine-id").or_else(|| told.line("/var/lib/dbus/machine-id")) {
        facts.insert("machine_id".into(), json!(id));
    }
    if let Some(id) = told.line("/proc/sys/kernel/random/boot_id") {
        facts.insert("boot_id".into(), json!(id));
    }
    for kind in ["dsa", "ecdsa", "ed25519", "rsa"] {
        let Some(line) = told.line(&format!("/etc/ssh/ssh_host_{kind}_key.pub")) else { continue };
        let mut words = line.split(' ');
        if let (Some(algorithm), Some(key)) = (words.next(), words.next()) {
            facts.insert(format!("ssh_host_key_{kind}_public"), json!(key));
            facts.insert(format!("ssh_host_key_{kind}_public_keytype"), json!(algorithm));
        }
    }
    Some(())
}

/// The Python that is there; no fact where there is none.
fn python(told: &Told<'_>, facts: &mut Map<String, Json>) {
    let [version, executable, kind, ssl] = told.section("python") else { return };
    let mut words = version.split(' ');
    let mut number = || words.next().and_then(|word| word.parse::<i64>().ok());
    let (Some(major), Some(minor), Some(micro)) = (number(), number(), number()) else { return };
    let (level, serial) = (words.next().unwrap_or("final"), words.next().and_then(|s| s.parse::<i64>().ok()));
    let serial = serial.unwrap_or(0);
    let version = json!({"major": major, "minor": minor, "micro": micro, "releaselevel": level, "serial": serial});
    facts.insert(
        "python".into(),
        json!({
            "version": version, "version_info": [major, minor, micro, level, serial], "executable": executable,
            "has_sslcontext": *ssl == "True", "type": kind,
        }),
    );
    facts.insert("python_version".into(), json!(format!("{major}.{minor}.{micro}")));
}

fn kernel(told: &Told<'_>, facts: &mut Map<String, Json>) -> Option<()> {
    let [system, node, release, version, machine] = told.section("uname") else { return None };
    let short = node.split('.').next().unwrap_or(node);
    let fqdn = fqdn(told, node);
    let domain = fqdn.split_once('.').map_or("", |(_, domain)| domain).to_owned();
    let i386 = machine.len() == 4 && machine.starts_with('i') && machine.ends_with("86");
    let entries = [
        ("system", *system),
        ("nodename", *node),
        ("hostname", short),
        ("kernel", *release),
        ("kernel_version", *version),
        ("machine", *machine),
        ("architecture", if i386 { "i386" } else { *machine }),
        ("userspace_architecture", if i386 { "i386" } else { *machine }),
        ("userspace_bits", if machine.contains("64") || *machine == "s390x" { "64" } else { "32" }),
        ("fqdn", &fqdn),
        ("domain", &domain),
    ];
    facts.extend(entries.map(|(k, v)| (k.to_owned(), json!(v))));
    Some(())
}

/// The first name with a dot that goes with the host's own name, as `getfqdn` finds it.
fn fqdn(told: &Told<'_>, node: &str) -> String {
    if node.contains('.') {
        return node.to_owned();
    }
    for line in told.file("/etc/hosts") {
        let line = line.split('#').next().unwrap_or_default();
        let names: Vec<_> = line.split_whitespace().skip(1).collect();
        if names.contains(&node) {
            if let Some(name) = names.iter().find(|n| n.contains('.') && !n.starts_with("localhost")) {
                return (*name).to_owned();
            }
        }
    }
    let found = told.section("fqdn").first().map(|l| l.trim()).filter(|l| !l.is_empty() && !l.starts_with("localhost"));
    found.unwrap_or(node).to_owned()
}

/// `ID` of os-release to Ansible's name of the distribution, where that is not simply capitalized.
const DISTRIBUTIONS: &[(&str, &str, &str)] = &[
    ("debian", "Debian", "Debian"),
    ("ubuntu", "Ubuntu", "Debian"),
    ("raspbian", "Debian", "Debian"),
    ("linuxmint", "Linux Mint", "Debian"),
    ("kali", "Kali", "Debian"),
    ("devuan", "Devuan", "Debian"),
    ("pop", "Pop!_OS", "Debian"),
    ("rhel", "RedHat", "RedHat"),
    ("fedora", "Fedora", "RedHat"),
    ("centos", "CentOS", "RedHat"),
    ("rocky", "Rocky", "RedHat"),
    ("almalinux", "AlmaLinux", "RedHat"),
    ("ol", "OracleLinux", "RedHat"),
    ("amzn", "Amazon", "RedHat"),
    ("openEuler", "openEuler", "RedHat"),
    ("sles", "SLES", "Suse"),
    ("opensuse-leap", "openSUSE Leap", "Suse"),
    ("opensuse-tumbleweed", "openSUSE Tumbleweed", "Suse"),
    ("alpine", "Alpine", "Alpine"),
    ("arch", "Archlinux", "Archlinux"),
    ("manjaro", "Manjaro", "Archlinux"),
    ("gentoo", "Gentoo", "Gentoo"),
];

fn distribution(told: &Told<'_>, facts: &mut Map<String, Json>) {
    let release = assignments(told.file("/etc/os-release"));
    let of = |key: &str| release.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    let id = of("ID").unwrap_or("Linux");
    let known = DISTRIBUTIONS.iter().find(|(i, ..)| *i == id);
    let capitalized = || {
        let mut letters = id.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    let name = known.map_or_else(capitalized, |(_, name, _)| (*name).to_owned());
    let like = || {
        let of_like =
            of("ID_LIKE").unwrap_or_default().split(' ').find_map(|l| DISTRIBUTIONS.iter().find(|(i, ..)| *i == l));
        of_like.map_or_else(|| name.clone(), |(_, _, family)| (*family).to_owned())
    };
    let family = known.map_or_else(like, |(_, _, family)| (*family).to_owned());
    // Debian's own file knows the point release; a name such as `trixie/sid` there is no version.
    let point =
        told.line("/etc/debian_version").filter(|v| id == "debian" && v.starts_with(|c: char| c.is_ascii_digit()));
    let point = point.or_else(|| told.line("/etc/alpine-release"));
    let version = point.or_else(|| of("VERSION_ID")).unwrap_or("NA");
    let codename = of("VERSION_CODENAME").or_else(|| of("UBUNTU_CODENAME"));
    let codename =
        codename.map(str::to_owned).or_else(|| in_parentheses(of("VERSION")?)).unwrap_or_else(|| "NA".into());
    let mut parts = version.splitn(2, '.');
    facts.insert("distribution_major_version".into(), json!(parts.next().unwrap_or(version)));
    if let Some(minor) = parts.next() {
        facts.insert("distribution_minor_version".into(), json!(minor));
    }
    facts.insert("distribution".into(), json!(name));
    facts.insert("distribution_version".into(), json!(version));
    facts.insert("distribution_release".into(), json!(codename));
    facts.insert("distribution_file_parsed".into(), json!(true));
    facts.insert("distribution_file_path".into(), json!("/etc/os-release"));
    facts.insert("distribution_file_variety".into(), json!(family));
    let lsb = assignments(told.file("/etc/lsb-release"));
    let lsb_of = |key: &str| lsb.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    let lsb_release = lsb_of("DISTRIB_RELEASE").or_else(|| of("VERSION_ID")).unwrap_or("NA");
    let lsb_facts = json!({
        "id": lsb_of("DISTRIB_ID").unwrap_or(&name),
        "release": lsb_release,
        "major_release": lsb_release.split('.').next(),
        "codename": lsb_of("DISTRIB_CODENAME").unwrap_or(&codename),
        "description": lsb_of("DISTRIB_DESCRIPTION").or_else(|| of("PRETTY_NAME")).unwrap_or(&name),
    });
    facts.insert("lsb".into(), lsb_facts);
    facts.insert("os_family".into(), json!(family));
}

fn in_parentheses(text: &str) -> Option<String> {
    let inner = text.split_once('(')?.1.split_once(')')?.0;
    Some(inner.to_lowercase().split(' ').next()?.to_owned())
}

/// `KEY="value"` lines, as in os-release(5).
fn assignments(lines: &[&str]) -> Vec<(String, String)> {
    let entry = |line: &&str| {
        let (key, value) = line.trim().split_once('=')?;
        let words = crate::python::shlex::split(value).ok()?;
        Some((key.to_owned(), words.join(" ")))
    };
    lines.iter().filter(|l| !l.trim_start().starts_with('#')).filter_map(entry).collect()
}

/// `env`'s lines; a value may go on over several lines.
fn environment(lines: &[&str]) -> Json {
    let mut all: Vec<(String, String)> = Vec::new();
    let name = |key: &str| {
        !key.is_empty()
            && !key.starts_with(|c: char| c.is_ascii_digit())
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    for line in lines {
        match (line.split_once('='), all.last_mut()) {
            (Some((key, value)), _) if name(key) => all.push((key.to_owned(), value.to_owned())),
            (_, Some((_, value))) => {
                value.push('\n');
                value.push_str(line);
            }
            _ => {}
        }
    }
    Json::Object(all.into_iter().map(|(k, v)| (k, json!(v))).collect())
}

fn date(told: &Told<'_>, facts: &mut Map<String, Json>) {
    let [local, utc] = told.section("date") else { return };
    let local: Vec<_> = local.split(' ').collect();
    let [year, month, day, hour, minute, second, epoch, zone, offset, weekday, number, week, nano] = local[..] else {
        return;
    };
    let Ok([uy, um, ud, uh, umin, us]) = <[&str; 6]>::try_from(utc.split(' ').collect::<Vec<_>>()) else { return };
    // busybox's date knows no %N.
    let micro = if nano.len() == 9 && nano.bytes().all(|b| b.is_ascii_digit()) { &nano[..6] } else { "000000" };
    let date = json!({
        "year": year, "month": month, "day": day, "hour": hour, "minute": minute, "second": second,
        "weekday": weekday, "weekday_number": number, "weeknumber": week,
        "epoch": epoch, "epoch_int": epoch,
        "date": format!("{year}-{month}-{day}"), "time": format!("{hour}:{minute}:{second}"),
        "tz": zone, "tz_dst": zone, "tz_offset": offset,
        "iso8601": format!("{uy}-{um}-{ud}T{uh}:{umin}:{us}Z"),
        "iso8601_micro": format!("{uy}-{um}-{ud}T{uh}:{umin}:{us}.{micro}Z"),
        "iso8601_basic": format!("{year}{month}{day}T{hour}{minute}{second}{micro}"),
        "iso8601_basic_short": format!("{year}{month}{day}T{hour}{minute}{second}"),
    });
    facts.insert("date_time".into(), date);
}

fn user(told: &Told<'_>, facts: &mut Map<String, Json>) {
    let id = told.section("id");
    let number = |text: &str, key: &str| -> Option<u64> {
        let rest = &text[text.find(key)? + key.len()..];
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    if let [effective, uid, gid] = id {
        facts.insert("effective_user_id".into(), json!(number(effective, "uid=")));
        facts.insert("effective_group_id".into(), json!(number(effective, "gid=")));
        facts.insert("real_user_id".into(), json!(uid.parse::<u64>().ok()));
        facts.insert("real_group_id".into(), json!(gid.parse::<u64>().ok()));
    }
    let Some(passwd) = told.section("passwd").first() else { return };
    let fields: Vec<_> = passwd.split(':').collect();
    let [name, _, uid, gid, gecos, home, shell] = fields[..] else { return };
    facts.insert("user_id".into(), json!(name));
    facts.insert("user_uid".into(), json!(uid.parse::<u64>().ok()));
    facts.insert("user_gid".into(), json!(gid.parse::<u64>().ok()));
    facts.insert("user_gecos".into(), json!(gecos));
    facts.insert("user_dir".into(), json!(home));
    facts.insert("user_shell".into(), json!(shell));
}

fn security(told: &Told<'_>, facts: &mut Map<String, Json>) {
    let apparmor = if told.flag("apparmor") { "enabled" } else { "disabled" };
    facts.insert("apparmor".into(), json!({ "status": apparmor }));
    facts.insert("selinux_python_present".into(), json!(true));
    if !told.flag("selinux") {
        facts.insert("selinux".into(), json!({ "status": "disabled" }));
        return;
    }
    let config = assignments(told.file("/etc/selinux/config"));
    let of = |key: &str| config.iter().find(|(k, _)| k == key).map_or("unknown", |(_, v)| v);
    let mode = if told.line("/sys/fs/selinux/enforce") == Some("1") { "enforcing" } else { "permissive" };
    let version = told.line("/sys/fs/selinux/policyvers").and_then(|v| v.parse::<u64>().ok());
    let selinux = json!({
        "status": "enabled", "mode": mode, "config_mode": of("SELINUX"), "type": of("SELINUXTYPE"), "policyvers": version,
    });
    facts.insert("selinux".into(), selinux);
}

fn package_manager(told: &Told<'_>) -> &'static str {
    let found = told.section("flags").iter().find_map(|f| f.strip_prefix("pkg_mgr "));
    match found {
        Some("apt-get") => "apt",
        Some("dnf5") => "dnf5",
        Some("dnf") => "dnf",
        Some("yum") => "yum",
        Some("apk") => "apk",
        Some("pacman") => "pacman",
        Some("zypper") => "zypper",
        Some("xbps-install") => "xbps",
        Some("emerge") => "portage",
        Some("opkg") => "opkg",
        Some("swupd") => "swupd",
        _ => "unknown",
    }
}

fn service_manager<'a>(told: &Told<'a>) -> &'a str {
    match told.line("/proc/1/comm") {
        _ if told.flag("systemd") => "systemd",
        Some("init") if told.line("/etc/alpine-release").is_some() => "openrc",
        Some("runit-init") => "runit",
        Some("init") | None => "service",
        Some(other) => other,
    }
}

fn command_line(told: &Told<'_>, facts: &mut Map<String, Json>) {
    let Some(line) = told.line("/proc/cmdline") else { return };
    let words = crate::python::shlex::split(line).unwrap_or_else(|_| line.split(' ').map(str::to_owned).collect());
    let (mut single, mut all) = (Map::new(), Map::new());
    for word in words {
        let (key, value) = word.split_once('=').map_or((word.as_str(), json!(true)), |(k, v)| (k, json!(v)));
        single.insert(key.to_owned(), value.clone());
        match all.get_mut(key) {
            None => {
                all.insert(key.to_owned(), value);
            }
            Some(Json::Array(values)) => values.push(value),
            Some(first) => *first = json!([first.take(), value]),
        }
    }
    facts.insert("cmdline".into(), Json::Object(single));
    facts.insert("proc_cmdline".into(), Json::Object(all));
}

/// Kind and role, from the most telling sign down.
fn virtualization(told: &Told<'_>, facts: &mut Map<String, Json>) {
    let dmi = |key: &str| told.line(&format!("/sys/class/dmi/id/{key}")).unwrap_or_default();
    let (product, vendor, bios) = (dmi("product_name"), dmi("sys_vendor"), dmi("bios_vendor"));
    let hypervisor = told.section("cpu").contains(&"hypervisor:1");
    let guest = if told.flag("docker") {
        Some("docker")
    } else if told.flag("podman") {
        Some("podman")
    } else if let Some(container) = told.line("/run/systemd/container") {
        Some(container)
    } else if told.flag("openvz") {
        Some("openvz")
    } else if ["KVM", "KVM Server", "Bochs", "AHV"].contains(&product) || vendor == "QEMU" || vendor == "Amazon EC2" {
        Some("kvm")
    } else if product.starts_with("VMware") {
        Some("VMware")
    } else if bios == "innotek GmbH" || product == "VirtualBox" {
        Some("virtualbox")
    } else if bios == "Xen"
        || (told.flag("xen") && !told.file("/proc/xen/capabilities").iter().any(|l| l.contains("control_d")))
    {
        Some("xen")
    } else if product.starts_with("OpenStack") || vendor == "OpenStack Foundation" {
        Some("openstack")
    } else if vendor == "Microsoft Corporation" && product == "Virtual Machine" {
        Some("VirtualPC")
    } else if vendor.starts_with("Parallels") {
        Some("parallels")
    } else if ["Google", "DigitalOcean", "Hetzner", "Nutanix"].contains(&vendor) || hypervisor {
        Some("kvm")
    } else {
        None
    };
    let (kind, role) = match guest {
        Some(kind) => (kind, "guest"),
        None if told.flag("kvm") => ("kvm", "host"),
        None => ("NA", "NA"),
    };
    facts.insert("virtualization_type".into(), json!(kind));
    facts.insert("virtualization_role".into(), json!(role));
    facts.insert("virtualization_tech_guest".into(), json!(guest.into_iter().collect::<Vec<_>>()));
    facts.insert("virtualization_tech_host".into(), json!(if told.flag("kvm") { vec!["kvm"] } else { vec![] }));
}
