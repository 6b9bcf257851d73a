//! Addresses and networks.

use std::net::IpAddr;

use super::Entry;

pub(super) const FILTERS: &[Entry] = &[];

/// Reads an address, with or without the length of a prefix.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    text.split_once('/').map_or(text, |(a, _)| a).parse().ok()
}
