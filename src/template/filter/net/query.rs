//! The queries of `ipaddr` (<https://docs.ansible.com/ansible/latest/collections/ansible/utils/docsite/filters_ipaddr.html>).

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::{Net, parse, shown};
use crate::template::args::Args;
use crate::template::error::failed;
use crate::template::value::{items, string};

/// Blocks that no packet crosses the Internet to, and exceptions among them, after IANA's registries.
const NOT_GLOBAL: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.0.170/31",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::1/128",
    "::/128",
    "::ffff:0:0/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
];
const GLOBAL: &[&str] = &[
    "192.0.0.9/32",
    "192.0.0.10/32",
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:20::/28",
    "2001:30::/28",
];

fn inside(version: u8, ip: u128, block: &str) -> bool {
    parse(block).is_some_and(|net| net.version == version && (net.first()..=net.last()).contains(&ip))
}

fn is_global(net: Net) -> bool {
    let any = |blocks: &[&str]| blocks.iter().any(|block| inside(net.version, net.ip, block));
    !any(NOT_GLOBAL) || any(GLOBAL)
}

fn multicast(net: Net) -> bool {
    inside(net.version, net.ip, if net.version == 4 { "224.0.0.0/4" } else { "ff00::/8" })
}

/// A mask has its ones on one side: taken as a number, it or its complement is one less than a power of two.
fn is_mask(net: Net) -> bool {
    let all = if net.version == 4 { u128::from(u32::MAX) } else { u128::MAX };
    let one_side = |value: u128| value == u128::MAX || (value & value.wrapping_add(1)) == 0;
    one_side(net.ip) || one_side(net.ip ^ all)
}

/// The filters `ipaddr`, `ipv4` and `ipv6`.
pub(super) fn filter(value: &Value, args: &mut Args, version: Option<u8>) -> Result<Value, Error> {
    let query = args.some("query").map_or(Ok(String::new()), |v| string(&v))?;
    let version = match args.some("version").and_then(|v| v.as_usize()) {
        Some(wanted) => u8::try_from(wanted).ok(),
        None => version,
    };
    args.some("alias");
    ipaddr(value, &query, version)
}

/// What `ipaddr` makes of a value: `False` for what is no address or does not fit the query.
pub(super) fn ipaddr(value: &Value, query: &str, version: Option<u8>) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let mut out = Vec::new();
            for item in items(value)? {
                let found = ipaddr(&item, query, version)?;
                if found.is_true() {
                    out.push(found);
                }
            }
            return Ok(Value::from(out));
        }
        ValueKind::String | ValueKind::Number => {}
        _ => return Ok(Value::from(false)),
    }
    let given = string(value)?;
    let Some((net, given)) = read(&given, version) else { return Ok(Value::from(false)) };
    if version.is_some_and(|wanted| wanted != net.version) {
        return Ok(Value::from(false));
    }
    answer(net, query, &given)
}

/// Reads an address, a network, a number, or a number with a prefix.
fn read(text: &str, version: Option<u8>) -> Option<(Net, String)> {
    let numeric = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let of = |ip: u128, prefix: Option<u32>| {
        let small = u32::try_from(ip).is_ok() && version != Some(6);
        let version = if small { 4 } else { 6 };
        let bits = if small { 32 } else { 128 };
        let prefix_length = prefix.unwrap_or(bits);
        (prefix_length <= bits).then_some(Net { version, ip, prefix: prefix_length, written: prefix.is_some() })
    };
    if numeric(text) {
        let net = of(text.parse().ok()?, None).filter(|net| net.ip > 0 || text != "0")?;
        return Some((net, net.with_prefix()));
    }
    if let Some(net) = parse(text) {
        return Some((net, text.to_owned()));
    }
    let (ip, prefix) = text.split_once('/')?;
    let net = of(ip.parse().ok().filter(|_| numeric(ip))?, Some(prefix.parse().ok()?))?;
    Some((net, net.with_prefix()))
}

fn none() -> Value {
    Value::from(())
}

fn when(condition: bool, value: impl Into<Value>) -> Value {
    if condition { value.into() } else { none() }
}

fn not_a_network() -> Error {
    failed("ipaddr: this query needs a network, not an address")
}

#[allow(clippy::too_many_lines, reason = "a table: a line for each query")]
fn answer(net: Net, query: &str, given: &str) -> Result<Value, Error> {
    let ip = net.show(net.ip);
    let at_network = net.ip == net.first();
    let edge = net.size() > 2 && (at_network || net.broadcast() == Some(net.ip));
    Ok(match query {
        "" => Value::from(if net.written { net.with_prefix() } else { ip }),
        "address" | "ip" => when(net.size() == 1 || !at_network || net.broadcast().is_none() || net.version == 6, ip),
        "address/prefix" | "gateway" | "gw" | "host/prefix" | "hostnet" | "router" => {
            if edge {
                Value::from(false)
            } else {
                Value::from(net.with_prefix())
            }
        }
        "bool" => Value::from(true),
        "broadcast" => when(net.size() > 2, net.show(net.last())),
        "cidr" => Value::from(net.with_prefix()),
        "host" => when(net.size() == 1 || !at_network || net.broadcast().is_none(), net.with_prefix()),
        "hostmask" | "wildcard" => Value::from(net.show(net.last() - net.first())),
        "int" if net.written => Value::from(format!("{}/{}", net.ip, net.prefix)),
        "int" => number(net.ip),
        "ip/prefix" => when(net.size() == 2 || (net.size() > 1 && !at_network), net.with_prefix()),
        "ip_netmask" => when(net.size() == 2 || (net.size() > 1 && !at_network), format!("{ip} {}", netmask(net))),
        "ipv4" | "v4" => to_v4(net, given),
        "ipv6" | "v6" => to_v6(net, given),
        "link-local" => {
            when(inside(net.version, net.ip, if net.version == 4 { "169.254.0.0/16" } else { "fe80::/10" }), given)
        }
        "lo" | "loopback" => {
            when(inside(net.version, net.ip, if net.version == 4 { "127.0.0.0/8" } else { "::1/128" }), given)
        }
        "multicast" => when(multicast(net), given),
        "unicast" => when(!multicast(net), given),
        "private" => when(!is_global(net), given),
        "public" => {
            let loopback = inside(net.version, net.ip, "127.0.0.0/8") || (net.version == 6 && net.ip == 1);
            when(!multicast(net) && is_global(net) && !loopback && !is_mask(net), given)
        }
        "net" => when(net.size() > 1 && at_network, net.with_prefix()),
        "netmask" => Value::from(netmask(net)),
        "network" | "network_id" => Value::from(net.show(net.first())),
        "network/prefix" | "subnet" => Value::from(net.cidr()),
        "network_netmask" => Value::from(format!("{} {}", net.show(net.first()), netmask(net))),
        "network_wildcard" => Value::from(format!("{} {}", net.show(net.first()), net.show(net.last() - net.first()))),
        "prefix" => Value::from(net.prefix),
        "revdns" => Value::from(reverse_dns(net)),
        "size" => number(net.size()),
        "size_usable" => number(match net.size() {
            1 => 0,
            2 => 2,
            size => size - 2,
        }),
        "type" => Value::from(if net.is_address() { "address" } else { "network" }),
        "version" => Value::from(net.version),
        "wrap" if net.version == 4 => Value::from(given),
        "wrap" => Value::from(if net.written { format!("[{ip}]/{}", net.prefix) } else { format!("[{ip}]") }),
        "6to4" => six_to_four(net, given),
        "first_usable" | "last_usable" | "next_usable" | "previous_usable" | "range_usable" | "peer" => {
            if !net.written {
                return Err(not_a_network());
            }
            usable(net, query)?
        }
        other => return by_place(net, other, given),
    })
}

fn netmask(net: Net) -> String {
    let all = if net.version == 4 { u128::from(u32::MAX) } else { u128::MAX };
    net.show(all ^ (net.last() - net.first()))
}

fn number(value: u128) -> Value {
    i64::try_from(value).map_or_else(|_| Value::from(value), Value::from)
}

/// A network the address must be in, or the number of an address within the network.
fn by_place(net: Net, query: &str, given: &str) -> Result<Value, Error> {
    if let Ok(index) = query.parse::<i128>() {
        if net.size() == 1 {
            return Ok(Value::from(if net.written { net.with_prefix() } else { net.show(net.ip) }));
        }
        let at = if index < 0 {
            net.last().checked_sub(index.unsigned_abs() - 1)
        } else {
            net.first().checked_add(index.unsigned_abs())
        };
        return Ok(match at.filter(|at| (net.first()..=net.last()).contains(at)) {
            Some(at) => Value::from(format!("{}/{}", net.show(at), net.prefix)),
            None => Value::from(false),
        });
    }
    let Some(block) = parse(query) else {
        return Err(failed(format!("ipaddr: there is no query `{query}`")));
    };
    let contained = block.version == net.version && block.first() <= net.first() && net.last() <= block.last();
    // A host within its network counts by its own address.
    let contained =
        contained || (block.version == net.version && net.size() == 1 && inside(net.version, net.ip, query));
    Ok(when(contained, given))
}

fn usable(net: Net, query: &str) -> Result<Value, Error> {
    if query == "peer" {
        return peer(net);
    }
    let Some((first, last)) = net.usable() else { return Ok(none()) };
    Ok(match query {
        "first_usable" => Value::from(net.show(first)),
        "last_usable" => Value::from(net.show(last)),
        "next_usable" => when((first..=last).contains(&net.ip.wrapping_add(1)), net.show(net.ip.wrapping_add(1))),
        "previous_usable" => {
            let before = net.ip.checked_sub(1).filter(|before| (first..=last).contains(before));
            before.map_or_else(none, |before| Value::from(net.show(before)))
        }
        _ => Value::from(format!("{}-{}", net.show(first), net.show(last))),
    })
}

/// The other end of a link with two hosts.
fn peer(net: Net) -> Result<Value, Error> {
    match net.size() {
        2 => Ok(Value::from(net.show(net.ip ^ 1))),
        4 if net.ip.is_multiple_of(4) => Err(failed("ipaddr: the network address of a /30 has no peer")),
        4 if net.ip % 4 == 3 => Err(failed("ipaddr: the broadcast address of a /30 has no peer")),
        4 => Ok(Value::from(net.show(net.ip ^ 3))),
        _ => Err(failed("ipaddr: this is not a point-to-point network")),
    }
}

fn to_v4(net: Net, given: &str) -> Value {
    if net.version == 4 {
        return Value::from(given);
    }
    let mapped = net.ip >> 32 == 0xffff || net.ip >> 32 == 0;
    if !mapped || net.prefix < 96 {
        return Value::from(false);
    }
    Value::from(format!("{}/{}", shown(4, net.ip & 0xffff_ffff), net.prefix - 96))
}

fn to_v6(net: Net, given: &str) -> Value {
    if net.version == 6 {
        return Value::from(given);
    }
    let mapped = 0xffff_0000_0000 | net.ip;
    Value::from(format!("{}/{}", shown(6, mapped), net.prefix + 96))
}

fn six_to_four(net: Net, given: &str) -> Value {
    if net.version == 6 {
        return if inside(6, net.ip, "2002::/16") { Value::from(given) } else { Value::from(false) };
    }
    // An address for many hosts has no place there.
    if (net.size() > 1 && net.ip == net.first()) || (is_global(net) && (multicast(net) || is_mask(net))) {
        return Value::from(false);
    }
    Value::from(format!("2002:{:04x}:{:04x}::1/48", net.ip >> 16, net.ip & 0xffff))
}

fn reverse_dns(net: Net) -> String {
    if net.version == 4 {
        let mut parts: Vec<String> = net.show(net.ip).split('.').map(str::to_owned).collect();
        parts.reverse();
        return format!("{}.in-addr.arpa.", parts.join("."));
    }
    let digits: Vec<String> = format!("{:032x}", net.ip).chars().rev().map(String::from).collect();
    format!("{}.ip6.arpa.", digits.join("."))
}
