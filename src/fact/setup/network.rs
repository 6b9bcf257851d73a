//! Interfaces, addresses, the ways out, name servers.

use std::net::Ipv4Addr;

use serde_json::{Map, Value as Json, json};

use super::told::Told;

/// One line of `ip -o addr`.
struct Address<'a> {
    interface: &'a str,
    six: bool,
    address: &'a str,
    prefix: u8,
    broadcast: &'a str,
    scope: &'a str,
}

/// Adds the facts about the network.
pub(super) fn gather(told: &Told<'_>, facts: &mut Map<String, Json>) {
    let addresses: Vec<_> = told.section("addresses").iter().filter_map(|l| address(l)).collect();
    let names = told.below("/sys/class/net", "mtu");
    for name in &names {
        facts.insert(name.replace('-', "_"), interface(told, name, &addresses));
    }
    facts.insert("interfaces".into(), json!(names));
    let all = |six: bool| -> Vec<&str> {
        let wanted = |a: &&Address<'_>| a.six == six && !a.address.starts_with("127.") && a.address != "::1";
        addresses.iter().filter(wanted).map(|a| a.address).collect()
    };
    facts.insert("all_ipv4_addresses".into(), json!(all(false)));
    facts.insert("all_ipv6_addresses".into(), json!(all(true)));
    let four = default_route(facts, told.section("route4"), false, &addresses);
    let six = default_route(facts, told.section("route6"), true, &addresses);
    facts.insert("default_ipv4".into(), four);
    facts.insert("default_ipv6".into(), six);
    facts.insert("dns".into(), dns(told.file("/etc/resolv.conf")));
}

fn address(line: &str) -> Option<Address<'_>> {
    let words: Vec<_> = line.split_whitespace().collect();
    let interface = words.get(1)?.split('@').next()?;
    let six = match *words.get(2)? {
        "inet" => false,
        "inet6" => true,
        _ => return None,
    };
    let given = *words.get(3)?;
    let (address, prefix) = given.split_once('/').unwrap_or((given, if six { "128" } else { "32" }));
    let behind =
        |key: &str| words.iter().position(|w| *w == key).and_then(|i| words.get(i + 1)).copied().unwrap_or_default();
    Some(Address {
        interface,
        six,
        address,
        prefix: prefix.parse().ok()?,
        broadcast: behind("brd"),
        scope: behind("scope"),
    })
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn ipv4(address: &Address<'_>) -> Json {
    let mask = mask(address.prefix.min(32));
    let network = address.address.parse::<Ipv4Addr>().map(|a| Ipv4Addr::from_bits(a.to_bits() & mask).to_string());
    json!({
        "address": address.address,
        "broadcast": address.broadcast,
        "netmask": Ipv4Addr::from_bits(mask).to_string(),
        "network": network.unwrap_or_default(),
        "prefix": address.prefix.to_string(),
    })
}

fn interface(told: &Told<'_>, name: &str, addresses: &[Address<'_>]) -> Json {
    let of = |leaf: &str| told.line(&format!("/sys/class/net/{name}/{leaf}"));
    let bridge = told.flag(&format!("bridge {name}"));
    let bond = of("bonding/mode");
    let mut facts = Map::new();
    facts.insert("device".into(), json!(name));
    facts.insert("active".into(), json!(of("operstate") != Some("down")));
    let kind = match of("type") {
        _ if bridge => "bridge",
        _ if bond.is_some() => "bonding",
        Some("1") => "ether",
        Some("772") => "loopback",
        Some("32") => "infiniband",
        Some("512") => "ppp",
        Some("65534") => "tunnel",
        _ => "unknown",
    };
    facts.insert("type".into(), json!(kind));
    if let Some(mtu) = of("mtu").and_then(|m| m.parse::<u64>().ok()) {
        facts.insert("mtu".into(), json!(mtu));
    }
    if let Some(mac) = of("address").filter(|m| *m != "00:00:00:00:00:00") {
        facts.insert("macaddress".into(), json!(mac));
    }
    if let Some(speed) = of("speed").and_then(|s| s.parse::<i64>().ok()) {
        facts.insert("speed".into(), json!(speed));
    }
    let flags = of("flags").and_then(|f| u32::from_str_radix(f.trim_start_matches("0x"), 16).ok()).unwrap_or(0);
    facts.insert("promisc".into(), json!(flags & 0x100 != 0));
    if bridge {
        facts.extend(of_bridge(told, name));
    }
    if let Some(mode) = bond {
        facts.extend(of_bond(told, name, mode));
    }
    facts.extend(of_addresses(name, addresses));
    Json::Object(facts)
}

fn of_bridge(told: &Told<'_>, name: &str) -> Map<String, Json> {
    let of = |leaf: &str| told.line(&format!("/sys/class/net/{name}/bridge/{leaf}"));
    let ports = told.section("flags").iter().filter_map(|f| f.strip_prefix("port ")?.split_once(' '));
    let ports: Vec<_> = ports.filter(|(_, of)| *of == name).map(|(port, _)| port).collect();
    Map::from_iter([
        ("interfaces".into(), json!(ports)),
        ("id".into(), json!(of("bridge_id").unwrap_or_default())),
        ("stp".into(), json!(of("stp_state") == Some("1"))),
    ])
}

fn of_bond(told: &Told<'_>, name: &str, mode: &str) -> Map<String, Json> {
    let of = |leaf: &str| told.line(&format!("/sys/class/net/{name}/bonding/{leaf}")).unwrap_or_default();
    Map::from_iter([
        ("mode".into(), json!(mode.split(' ').next())),
        ("miimon".into(), json!(of("miimon"))),
        ("lacp_rate".into(), json!(of("lacp_rate").split(' ').next().unwrap_or_default())),
        ("slaves".into(), json!(of("slaves").split_whitespace().collect::<Vec<_>>())),
    ])
}

fn of_addresses(name: &str, addresses: &[Address<'_>]) -> Map<String, Json> {
    let mut facts = Map::new();
    let mine = |six: bool| addresses.iter().filter(move |a| a.interface == name && a.six == six);
    let mut fours = mine(false).map(ipv4);
    if let Some(first) = fours.next() {
        facts.insert("ipv4".into(), first);
    }
    let others: Vec<_> = fours.collect();
    if !others.is_empty() {
        facts.insert("ipv4_secondaries".into(), json!(others));
    }
    let sixes: Vec<_> =
        mine(true).map(|a| json!({ "address": a.address, "prefix": a.prefix.to_string(), "scope": a.scope })).collect();
    if !sixes.is_empty() {
        facts.insert("ipv6".into(), json!(sixes));
    }
    facts
}

/// What `ip route get` says of the way to the outside.
fn default_route(facts: &Map<String, Json>, route: &[&str], six: bool, addresses: &[Address<'_>]) -> Json {
    let words: Vec<_> = route.first().map(|l| l.split_whitespace().collect()).unwrap_or_default();
    let behind = |key: &str| words.iter().position(|w| *w == key).and_then(|i| words.get(i + 1)).copied();
    let (Some(name), Some(gateway)) = (behind("dev"), behind("via")) else { return json!({}) };
    let source = behind("src").unwrap_or_default();
    let mut default = Map::new();
    default.insert("interface".into(), json!(name));
    default.insert("gateway".into(), json!(gateway));
    default.insert("address".into(), json!(source));
    if let Some(address) = addresses.iter().find(|a| a.six == six && a.address == source && a.interface == name) {
        if six {
            default.insert("prefix".into(), json!(address.prefix.to_string()));
            default.insert("scope".into(), json!(address.scope));
        } else if let Json::Object(more) = ipv4(address) {
            default.extend(more);
            default.insert("alias".into(), json!(name));
        }
    }
    if let Some(Json::Object(interface)) = facts.get(&name.replace('-', "_")) {
        for key in ["macaddress", "mtu", "type"] {
            if let Some(value) = interface.get(key) {
                default.insert(key.to_owned(), value.clone());
            }
        }
    }
    Json::Object(default)
}

fn dns(lines: &[&str]) -> Json {
    let mut dns = Map::new();
    let mut servers = Vec::new();
    for line in lines {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["nameserver", server, ..] => servers.push(server),
            ["domain", domain, ..] => drop(dns.insert("domain".into(), json!(domain))),
            ["search", ref names @ ..] => drop(dns.insert("search".into(), json!(names))),
            ["sortlist", ref pairs @ ..] => drop(dns.insert("sortlist".into(), json!(pairs))),
            ["options", ref options @ ..] => {
                let option = |o: &&str| {
                    let (key, value) = o.split_once(':').map_or((*o, json!(true)), |(k, v)| (k, json!(v)));
                    (key.to_owned(), value)
                };
                dns.insert("options".into(), Json::Object(options.iter().map(option).collect()));
            }
            _ => {}
        }
    }
    if !servers.is_empty() {
        dns.insert("nameservers".into(), json!(servers));
    }
    Json::Object(dns)
}
