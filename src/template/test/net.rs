//! Addresses and networks.

use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::template::args::Args;
use crate::template::filter::{net_address, net_is, net_within};
use crate::template::value::string;

pub(super) const TESTS: &[Entry] = &[
    on("in_any_network", in_any_network),
    on("in_network", |_, v, a| Ok(net_within(&a.text("network")?, &string(v)?))),
    on("ip", |_, v, _| Ok(net_address(&string(v)?).is_some())),
    on("ip_address", |_, v, _| Ok(string(v)?.parse::<std::net::IpAddr>().is_ok())),
    on("ipv4", |_, v, _| Ok(net_address(&string(v)?).is_some_and(|a| a.is_ipv4()))),
    on("ipv4_address", |_, v, _| Ok(string(v)?.parse::<std::net::Ipv4Addr>().is_ok())),
    on("ipv6", |_, v, _| Ok(net_address(&string(v)?).is_some_and(|a| a.is_ipv6()))),
    on("ipv6_address", |_, v, _| Ok(string(v)?.parse::<std::net::Ipv6Addr>().is_ok())),
    on("loopback", |_, v, _| net_is(v, "loopback")),
    on("mac", |_, v, _| net_is(v, "mac")),
    on("multicast", |_, v, _| net_is(v, "multicast")),
    on("private", |_, v, _| net_is(v, "private")),
    on("public", |_, v, _| net_is(v, "public")),
    on("subnet_of", |_, v, a| Ok(net_within(&a.text("network_b")?, &string(v)?))),
    on("supernet_of", |_, v, a| Ok(net_within(&string(v)?, &a.text("network_b")?))),
];

/// The tests of `community.general`.
pub(super) const GENERAL: &[Entry] = &[on("fqdn_valid", fqdn_valid)];

/// Whether a name could be that of a host, as Python's `fqdn` looks at it.
fn fqdn_valid(_: &mut State, value: &Value, args: &mut Args) -> Result<bool, Error> {
    let least = args.count("min_labels", 1)?;
    let underscores = args.flag("allow_underscores", false)?;
    let Some(name) = value.as_str().filter(|name| !name.is_empty()) else {
        return Err(args.wrong("fqdn must be str"));
    };
    let bare = name.strip_suffix('.').unwrap_or(name);
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || (underscores && c == '_');
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(letter) && !label.starts_with('-') && !label.ends_with('-')
    };
    Ok(bare.len() <= 253 && bare.split('.').all(label) && bare.split('.').count() >= least)
}

fn in_any_network(_: &mut State, value: &Value, args: &mut Args) -> Result<bool, Error> {
    let address = string(value)?;
    Ok(args.list("networks")?.iter().any(|network| net_within(&network.to_string(), &address)))
}
