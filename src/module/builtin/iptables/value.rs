//! The values that parameters of `iptables` take.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::module::{List, Text};

/// A table of the packet filter.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Table {
    #[default]
    Filter,
    Nat,
    Mangle,
    Raw,
    Security,
}

impl Table {
    pub(super) fn word(self) -> &'static str {
        match self {
            Table::Filter => "filter",
            Table::Nat => "nat",
            Table::Mangle => "mangle",
            Table::Raw => "raw",
            Table::Security => "security",
        }
    }
}

/// Where a new rule goes.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Behind all others.
    #[default]
    Append,
    /// Before others.
    Insert,
}

/// Which packet filter.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum IpVersion {
    #[default]
    Ipv4,
    Ipv6,
    Both,
}

/// Whether packets that begin a connection are meant.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Syn {
    /// All are.
    #[default]
    Ignore,
    /// Only those.
    Match,
    /// All but those.
    Negate,
}

/// Flags of TCP.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TcpFlags {
    /// Those to look at.
    #[serde(default)]
    pub(super) flags: List<Text>,
    /// Those of them that must be set.
    #[serde(default)]
    pub(super) flags_set: List<Text>,
}
