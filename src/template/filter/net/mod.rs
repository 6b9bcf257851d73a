//! Addresses and networks: the `ipaddr` family, MAC addresses.

mod mac;
mod query;
mod tools;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use minijinja::{Error, Value};

use super::{Entry, on};
use crate::template::value::string;

pub(super) const FILTERS: &[Entry] = &[
    on("cidr_merge", tools::cidr_merge),
    on("hwaddr", mac::hwaddr),
    on("ip4_hex", tools::ip4_hex),
    on("ipaddr", |_, v, a| query::filter(v, a, None)),
    on("ipcut", tools::ipcut),
    on("ipmath", tools::ipmath),
    on("ipsubnet", tools::ipsubnet),
    on("ipv4", |_, v, a| query::filter(v, a, Some(4))),
    on("ipv6", |_, v, a| query::filter(v, a, Some(6))),
    on("ipv6form", tools::ipv6form),
    on("ipwrap", tools::ipwrap),
    on("macaddr", mac::hwaddr),
    on("network_in_network", |_, v, a| tools::within(v, a, false)),
    on("network_in_usable", |_, v, a| tools::within(v, a, true)),
    on("next_nth_usable", |_, v, a| tools::nth_usable(v, a, true)),
    on("nthhost", tools::nthhost),
    on("previous_nth_usable", |_, v, a| tools::nth_usable(v, a, false)),
    on("reduce_on_network", tools::reduce_on_network),
    on("slaac", tools::slaac),
    on("usable_range", tools::usable_range),
];

/// An address within its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Net {
    pub version: u8,
    pub ip: u128,
    pub prefix: u32,
    /// Whether the length of the prefix was written.
    pub written: bool,
}

impl Net {
    pub fn bits(self) -> u32 {
        if self.version == 4 { 32 } else { 128 }
    }

    fn host_mask(self) -> u128 {
        let free = self.bits() - self.prefix;
        if free >= 128 { u128::MAX } else { (1u128 << free) - 1 }
    }

    pub fn first(self) -> u128 {
        self.ip & !self.host_mask()
    }

    pub fn last(self) -> u128 {
        self.ip | self.host_mask()
    }

    /// How many addresses there are; all of IPv6 are one less than there are.
    pub fn size(self) -> u128 {
        self.host_mask().saturating_add(1)
    }

    /// The address for all hosts, which IPv4 networks of one or two addresses lack.
    pub fn broadcast(self) -> Option<u128> {
        (self.version == 6 || self.bits() - self.prefix > 1).then(|| self.last())
    }

    /// The first and last address a host may have.
    pub fn usable(self) -> Option<(u128, u128)> {
        match self.size() {
            0 | 1 => None,
            2 => Some((self.first(), self.last())),
            _ => Some((self.first() + 1, self.last() - 1)),
        }
    }

    pub fn show(self, ip: u128) -> String {
        shown(self.version, ip)
    }

    /// The network with its bits beyond the prefix cleared.
    pub fn cidr(self) -> String {
        format!("{}/{}", self.show(self.first()), self.prefix)
    }

    pub fn with_prefix(self) -> String {
        format!("{}/{}", self.show(self.ip), self.prefix)
    }

    pub fn is_address(self) -> bool {
        self.size() == 1 || self.ip != self.first()
    }
}

/// An address as text.
pub(super) fn shown(version: u8, ip: u128) -> String {
    match u32::try_from(ip) {
        Ok(small) if version == 4 => Ipv4Addr::from(small).to_string(),
        _ => Ipv6Addr::from(ip).to_string(),
    }
}

/// Reads an address, with a prefix length, a net mask or a host mask if there is a slash.
pub(super) fn parse(text: &str) -> Option<Net> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    let ip: IpAddr = address.parse().ok()?;
    let (version, value, bits) = match ip {
        IpAddr::V4(v4) => (4, u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (6, u128::from(v6), 128),
    };
    let length = match prefix {
        None => bits,
        Some(prefix) => match prefix.parse::<u32>() {
            Ok(length) if prefix.bytes().all(|b| b.is_ascii_digit()) => length,
            _ => mask_length(prefix, ip)?,
        },
    };
    (length <= bits).then_some(Net { version, ip: value, prefix: length, written: prefix.is_some() })
}

/// The prefix length a net mask or host mask stands for.
fn mask_length(mask: &str, ip: IpAddr) -> Option<u32> {
    let mask: IpAddr = mask.parse().ok()?;
    let (value, bits) = match (mask, ip) {
        (IpAddr::V4(mask), IpAddr::V4(_)) => (u128::from(u32::from(mask)) << 96, 32),
        (IpAddr::V6(mask), IpAddr::V6(_)) => (u128::from(mask), 128),
        _ => return None,
    };
    let ones = value.leading_ones();
    if value.checked_shl(ones).unwrap_or(0) == 0 {
        return Some(ones.min(bits));
    }
    let zeros = value.leading_zeros();
    let rest = value << zeros;
    (rest.leading_ones() + zeros >= bits).then_some(zeros)
}

/// Reads an address, with or without the length of a prefix.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    let net = parse(text)?;
    u32::try_from(net.ip)
        .ok()
        .filter(|_| net.version == 4)
        .map(|v| IpAddr::V4(v.into()))
        .or(Some(IpAddr::V6(net.ip.into())))
}

/// Whether a network lies within another.
pub(crate) fn within(outer: &str, inner: &str) -> bool {
    match (parse(outer), parse(inner)) {
        (Some(outer), Some(inner)) => {
            outer.version == inner.version && outer.first() <= inner.first() && inner.last() <= outer.last()
        }
        _ => false,
    }
}

/// Whether a value is an address of a kind that `ipaddr` knows by name, or a MAC address.
pub(crate) fn is(value: &Value, kind: &str) -> Result<bool, Error> {
    if kind == "mac" {
        return Ok(mac::parse(&string(value)?).is_some());
    }
    query::ipaddr(value, kind, None).map(|found| found.is_true())
}
