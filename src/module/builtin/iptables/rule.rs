//! A rule's arguments, in the order Ansible gives them.

use super::{IpVersion, Iptables, List, Syn, Text};

/// The arguments as they grow.
#[derive(Default)]
struct Arguments(Vec<String>);

impl Arguments {
    /// A flag and its value; a `!` before the value goes before the flag.
    fn option(&mut self, flag: &str, value: Option<&Text>) {
        let Some(Text(value)) = value else { return };
        match value.strip_prefix('!') {
            Some(rest) => self.0.extend(["!".to_owned(), flag.to_owned(), rest.trim_start().to_owned()]),
            None => self.0.extend([flag.to_owned(), value.clone()]),
        }
    }

    /// A flag and its values, joined by commas.
    fn joined(&mut self, flag: &str, values: &List<Text>) {
        if !values.0.is_empty() {
            let value = values.0.iter().map(|v| v.0.as_str()).collect::<Vec<_>>().join(",");
            self.option(flag, Some(&Text(value)));
        }
    }

    fn words<const N: usize>(&mut self, words: [&str; N]) {
        self.0.extend(words.map(str::to_owned));
    }
}

impl Iptables {
    fn uses(&self, extension: &str) -> bool {
        self.matches.0.iter().any(|m| m.0 == extension)
    }

    fn jumps_to(&self, target: &str) -> bool {
        self.jump.as_ref().is_some_and(|j| j.0.eq_ignore_ascii_case(target))
    }

    /// The rule's arguments; none when the task is about no rule.
    pub(super) fn rule(&self) -> Vec<String> {
        let mut rule = Arguments::default();
        rule.option("-p", self.protocol.as_ref());
        rule.option("-s", self.source.as_ref());
        rule.option("-d", self.destination.as_ref());
        for extension in &self.matches.0 {
            rule.option("-m", Some(extension));
        }
        if let Some(flags) = &self.tcp_flags {
            let joined = |list: &List<Text>| list.0.iter().map(|t| t.0.as_str()).collect::<Vec<_>>().join(",");
            rule.words(["--tcp-flags", &joined(&flags.flags), &joined(&flags.flags_set)]);
        }
        self.target(&mut rule);
        if !self.destination_ports.0.is_empty() {
            rule.words(["-m", "multiport"]);
            rule.joined("--dports", &self.destination_ports);
        }
        rule.option("--to-source", self.to_source.as_ref());
        rule.option("-g", self.goto.as_ref());
        rule.option("-i", self.in_interface.as_ref());
        rule.option("-o", self.out_interface.as_ref());
        rule.option("-f", self.fragment.as_ref());
        if let Some(counters) = &self.set_counters {
            rule.0.push("-c".to_owned());
            rule.0.extend(counters.0.split([' ', ',']).map(str::to_owned));
        }
        rule.option("--source-port", self.source_port.as_ref());
        rule.option("--destination-port", self.destination_port.as_ref());
        rule.option("--to-ports", self.to_ports.as_ref());
        self.marks(&mut rule);
        match self.syn {
            Syn::Ignore => {}
            Syn::Match => rule.words(["--syn"]),
            Syn::Negate => rule.words(["!", "--syn"]),
        }
        self.extensions(&mut rule);
        if self.jump.is_none() && self.reject_with.is_some() {
            rule.words(["-j", "REJECT"]);
        }
        rule.option("--reject-with", self.reject_with.as_ref());
        let icmp = if self.ip_version == IpVersion::Ipv6 { "--icmpv6-type" } else { "--icmp-type" };
        rule.option(icmp, self.icmp_type.as_ref());
        if let Some(comment) = &self.comment {
            rule.words(["-m", "comment", "--comment", &comment.0]);
        }
        rule.0
    }

    fn target(&self, rule: &mut Arguments) {
        let logs = self.log_prefix.is_some() || self.log_level.is_some();
        let log = Text("LOG".to_owned());
        rule.option("-j", self.jump.as_ref().or(logs.then_some(&log)));
        if self.jumps_to("tee") {
            rule.option("--gateway", self.gateway.as_ref());
        }
        rule.option("--log-prefix", self.log_prefix.as_ref());
        rule.option("--log-level", self.log_level.as_ref());
        rule.option("--to-destination", self.to_destination.as_ref());
    }

    fn marks(&self, rule: &mut Arguments) {
        let marks = self.set_dscp_mark.is_some() || self.set_dscp_mark_class.is_some();
        if marks && !self.jumps_to("dscp") {
            rule.words(["-j", "DSCP"]);
        }
        rule.option("--set-dscp", self.set_dscp_mark.as_ref());
        rule.option("--set-dscp-class", self.set_dscp_mark_class.as_ref());
    }

    fn extensions(&self, rule: &mut Arguments) {
        if self.uses("state") && !self.uses("conntrack") {
            rule.joined("--state", &self.ctstate);
        } else if !self.ctstate.0.is_empty() {
            if !self.uses("conntrack") {
                rule.words(["-m", "conntrack"]);
            }
            rule.joined("--ctstate", &self.ctstate);
        }
        if self.src_range.is_some() || self.dst_range.is_some() {
            if !self.uses("iprange") {
                rule.words(["-m", "iprange"]);
            }
            rule.option("--src-range", self.src_range.as_ref());
            rule.option("--dst-range", self.dst_range.as_ref());
        }
        if let Some(set) = &self.match_set {
            if !self.uses("set") {
                rule.words(["-m", "set"]);
            }
            rule.option("--match-set", Some(set));
            rule.0.extend(self.match_set_flags.iter().map(|f| f.0.clone()));
        }
        if self.limit.is_some() || self.limit_burst.is_some() {
            rule.words(["-m", "limit"]);
            rule.option("--limit", self.limit.as_ref());
            rule.option("--limit-burst", self.limit_burst.as_ref());
        }
        for (flag, owner) in [("--uid-owner", &self.uid_owner), ("--gid-owner", &self.gid_owner)] {
            if owner.is_some() {
                rule.words(["-m", "owner"]);
                rule.option(flag, owner.as_ref());
            }
        }
    }
}
