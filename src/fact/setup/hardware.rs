//! Processors, memory, firmware, disks, mounts, load.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json, json};

use super::told::Told;

/// Adds the facts about the machine.
pub(super) fn gather(told: &Told<'_>, facts: &mut Map<String, Json>) {
    processors(told, facts);
    memory(told, facts);
    firmware(told, facts);
    facts.insert("mounts".into(), mounts(told));
    facts.insert("devices".into(), devices(told));
    if let Some(seconds) = told.line("/proc/uptime").and_then(|l| l.split(['.', ' ']).next()?.parse::<u64>().ok()) {
        facts.insert("uptime_seconds".into(), json!(seconds));
    }
    let load: Vec<f64> =
        told.line("/proc/loadavg").unwrap_or_default().split(' ').take(3).filter_map(|l| l.parse().ok()).collect();
    if let [one, five, fifteen] = load[..] {
        facts.insert("loadavg".into(), json!({ "1m": one, "5m": five, "15m": fifteen }));
    }
}

fn processors(told: &Told<'_>, facts: &mut Map<String, Json>) {
    let mut names = Vec::new();
    let (mut threads, mut sockets, mut cores) = (0_u64, HashSet::new(), HashSet::new());
    let (mut socket, mut nproc) = ("0", None);
    for line in told.section("cpu") {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match key.trim() {
            "processor" => {
                threads += 1;
                names.push(value);
            }
            "vendor_id" | "model name" | "Processor" => names.push(value),
            "physical id" => {
                socket = value;
                sockets.insert(value);
            }
            "core id" => drop(cores.insert((socket, value))),
            "nproc" => nproc = value.parse::<u64>().ok(),
            _ => {}
        }
    }
    // Machines without topology (many ARM boards) tell processors alone.
    let sockets = (sockets.len() as u64).max(if cores.is_empty() { threads } else { 1 }).max(1);
    let per_socket = (cores.len() as u64 / sockets).max(1);
    let per_core = (threads / (sockets * per_socket)).max(1);
    facts.insert("processor".into(), json!(names));
    facts.insert("processor_count".into(), json!(sockets));
    facts.insert("processor_cores".into(), json!(per_socket));
    facts.insert("processor_threads_per_core".into(), json!(per_core));
    facts.insert("processor_vcpus".into(), json!(threads.max(sockets * per_socket * per_core)));
    facts.insert("processor_nproc".into(), json!(nproc.unwrap_or(threads)));
}

fn memory(told: &Told<'_>, facts: &mut Map<String, Json>) {
    let kib: HashMap<&str, u64> = told
        .file("/proc/meminfo")
        .iter()
        .filter_map(|l| {
            let (key, value) = l.split_once(':')?;
            Some((key, value.split_whitespace().next()?.parse().ok()?))
        })
        .collect();
    let of = |key: &str| kib.get(key).copied().unwrap_or(0) / 1024;
    let (total, free) = (of("MemTotal"), of("MemFree"));
    let cached = (kib.get("Cached").unwrap_or(&0) + kib.get("Buffers").unwrap_or(&0)) / 1024;
    facts.insert("memtotal_mb".into(), json!(total));
    facts.insert("memfree_mb".into(), json!(free));
    facts.insert("swaptotal_mb".into(), json!(of("SwapTotal")));
    facts.insert("swapfree_mb".into(), json!(of("SwapFree")));
    let memory = json!({
        "real": { "total": total, "free": free, "used": total.saturating_sub(free) },
        "nocache": { "free": free + cached, "used": total.saturating_sub(free + cached) },
        "swap": {
            "total": of("SwapTotal"), "free": of("SwapFree"), "cached": of("SwapCached"),
            "used": of("SwapTotal").saturating_sub(of("SwapFree")),
        },
    });
    facts.insert("memory_mb".into(), memory);
}

fn firmware(told: &Told<'_>, facts: &mut Map<String, Json>) {
    let names = [
        ("bios_date", "bios_date"),
        ("bios_vendor", "bios_vendor"),
        ("bios_version", "bios_version"),
        ("board_asset_tag", "board_asset_tag"),
        ("board_name", "board_name"),
        ("board_serial", "board_serial"),
        ("board_vendor", "board_vendor"),
        ("board_version", "board_version"),
        ("chassis_asset_tag", "chassis_asset_tag"),
        ("chassis_serial", "chassis_serial"),
        ("chassis_vendor", "chassis_vendor"),
        ("chassis_version", "chassis_version"),
        ("product_name", "product_name"),
        ("product_serial", "product_serial"),
        ("product_uuid", "product_uuid"),
        ("product_version", "product_version"),
        ("system_vendor", "sys_vendor"),
    ];
    for (fact, file) in names {
        let value = told.line(&format!("/sys/class/dmi/id/{file}")).unwrap_or("NA");
        facts.insert(fact.to_owned(), json!(value));
    }
    let form = match told.line("/sys/class/dmi/id/chassis_type").and_then(|t| t.parse::<u64>().ok()) {
        Some(1) => "Other",
        Some(3) => "Desktop",
        Some(4) => "Low Profile Desktop",
        Some(6) => "Mini Tower",
        Some(7) => "Tower",
        Some(8) => "Portable",
        Some(9) => "Laptop",
        Some(10) => "Notebook",
        Some(17) => "Main Server Chassis",
        Some(23) => "Rack Mount Chassis",
        Some(28) => "Blade",
        Some(2) => "Unknown",
        _ => "NA",
    };
    facts.insert("form_factor".into(), json!(form));
}

/// The mounted file systems that stand on a device or a server, with their sizes where asking is safe.
fn mounts(told: &Told<'_>) -> Json {
    let mut sizes = HashMap::new();
    let mut late = Vec::new();
    for line in told.section("sizes") {
        late.extend(line.strip_prefix("late "));
        let words: Vec<_> = line.splitn(6, ' ').collect();
        if let [size, total, available, inodes, free_inodes, path] = words[..] {
            let numbers = [size, total, available, inodes, free_inodes].map(|n| n.parse::<u64>().unwrap_or(0));
            sizes.insert(path, numbers);
        }
    }
    let mut all = Vec::new();
    for line in told.file("/proc/mounts") {
        let words: Vec<_> = line.split(' ').collect();
        let [device, path, kind, options, dump, passno] = words[..] else { continue };
        if !(device.starts_with('/') || device.contains(":/")) || kind == "none" {
            continue;
        }
        let path = unescape(path);
        let mut mount = Map::new();
        for (key, value) in [
            ("device", unescape(device)),
            ("mount", path.clone()),
            ("fstype", kind.to_owned()),
            ("options", options.to_owned()),
        ] {
            mount.insert(key.to_owned(), json!(value));
        }
        mount.insert("dump".into(), json!(dump.parse::<u64>().unwrap_or(0)));
        mount.insert("passno".into(), json!(passno.parse::<u64>().unwrap_or(0)));
        if let Some([size, total, available, inodes, free]) = sizes.get(path.as_str()) {
            let numbers = [
                ("block_size", *size),
                ("block_total", *total),
                ("block_available", *available),
                ("block_used", total.saturating_sub(*available)),
                ("size_total", size * total),
                ("size_available", size * available),
                ("inode_total", *inodes),
                ("inode_available", *free),
                ("inode_used", inodes.saturating_sub(*free)),
            ];
            mount.extend(numbers.map(|(k, v)| (k.to_owned(), json!(v))));
        } else if late.iter().any(|late| unescape(late) == path) {
            mount.insert("note".into(), json!("Could not get extra information due to timeout"));
        }
        all.push(Json::Object(mount));
    }
    json!(all)
}

/// Undoes the octal escapes of /proc/mounts: `\040` is a space.
fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        match rest.get(at + 1..at + 4).and_then(|octal| u8::from_str_radix(octal, 8).ok()) {
            Some(byte) => {
                plain.push(char::from(byte));
                rest = &rest[at + 4..];
            }
            None => {
                plain.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    plain + rest
}

fn devices(told: &Told<'_>) -> Json {
    let mut all = Map::new();
    for name in told.below("/sys/block", "size") {
        let of = |leaf: &str| told.line(&format!("/sys/block/{name}/{leaf}"));
        let sectors = of("size").and_then(|s| s.parse::<u64>().ok()).unwrap_or(0);
        if sectors == 0 {
            continue;
        }
        let partitions = partitions(told, name);
        let device = json!({
            "model": of("device/model"), "vendor": of("device/vendor"),
            "removable": of("removable").unwrap_or("0"), "rotational": of("queue/rotational").unwrap_or("0"),
            "sectors": sectors, "sectorsize": of("queue/logical_block_size").unwrap_or("512"),
            "size": human(sectors * 512), "partitions": partitions,
        });
        all.insert(name.to_owned(), device);
    }
    Json::Object(all)
}

fn partitions(told: &Told<'_>, disk: &str) -> Json {
    let base = format!("/sys/block/{disk}");
    let mut all = Map::new();
    for part in told.below(&base, "partition") {
        let of = |leaf: &str| told.line(&format!("{base}/{part}/{leaf}")).unwrap_or("0");
        let sectors = of("size").parse::<u64>().unwrap_or(0);
        all.insert(part.to_owned(), json!({ "sectors": sectors, "start": of("start"), "size": human(sectors * 512) }));
    }
    Json::Object(all)
}

/// A size as Ansible prints it: `20.00 GB`.
fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["Bytes", "KB", "MB", "GB", "TB"] {
        if value < 1024.0 {
            return format!("{value:.2} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.2} PB")
}
