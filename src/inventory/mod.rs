//! Hosts, groups, patterns and variables.
