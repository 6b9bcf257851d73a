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

fn in_any_network(_: &mut State, value: &Value, args: &mut Args) -> Result<bool, Error> {
    let address = string(value)?;
    Ok(args.list("networks")?.iter().any(|network| net_within(&network.to_string(), &address)))
}
