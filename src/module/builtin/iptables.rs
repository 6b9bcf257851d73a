//! `ansible.builtin.iptables`: rules of the kernel's packet filter, each exactly once.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/iptables_module.html>

mod copies;
mod rule;
mod value;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

pub use self::value::{Action, IpVersion, Syn, Table, TcpFlags};
use super::group::Presence;
use crate::{
    fact::{Answer, Probe, Resource, ScriptAnswer, State},
    module::{
        Change, Context, Described, Diff, Failure, Flag, List, Module, ParameterError, Plan, PlanError, Step, Text,
    },
    sh::{quote, words},
};

/// Parameters of `iptables`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Iptables {
    /// `filter`, `nat`, `mangle`, `raw` or `security`.
    #[serde(default)]
    table: Table,
    /// Whether the rule is to be there. With `present` surplus copies of it are removed, with `absent` all of them.
    #[serde(default)]
    state: Presence,
    /// Where a new rule goes: `append` at the chain's end, `insert` at its beginning or at `rule_num`.
    #[serde(default)]
    action: Action,
    /// `ipv4`, `ipv6` or `both`.
    #[serde(default)]
    ip_version: IpVersion,
    /// The chain.
    #[serde(default)]
    chain: Option<Text>,
    /// The number an inserted rule gets.
    #[serde(default)]
    rule_num: Option<Text>,
    /// The protocol; a `!` before it means all others. The same holds for most of what follows.
    #[serde(default)]
    protocol: Option<Text>,
    /// How many seconds to wait for the lock of iptables; 5 by default.
    #[serde(default)]
    wait: Option<Text>,
    /// Where packets come from.
    #[serde(default)]
    source: Option<Text>,
    /// Where they go.
    #[serde(default)]
    destination: Option<Text>,
    /// With `jump: SNAT`: the source they get.
    #[serde(default)]
    to_source: Option<Text>,
    /// With `jump: DNAT`: the destination they get.
    #[serde(default)]
    to_destination: Option<Text>,
    /// Extensions to use.
    #[serde(default, rename = "match")]
    matches: List<Text>,
    /// Flags of TCP: which to look at and which of them must be set.
    #[serde(default)]
    tcp_flags: Option<TcpFlags>,
    /// What becomes of packets that fit.
    #[serde(default)]
    jump: Option<Text>,
    /// With `jump: TEE`: the host to send a copy to.
    #[serde(default)]
    gateway: Option<Text>,
    /// What a log line begins with.
    #[serde(default)]
    log_prefix: Option<Text>,
    /// The level it is logged at.
    #[serde(default)]
    log_level: Option<Text>,
    /// The chain to go on in, without coming back here.
    #[serde(default)]
    goto: Option<Text>,
    /// The interface packets come in by.
    #[serde(default)]
    in_interface: Option<Text>,
    /// The interface packets leave by.
    #[serde(default)]
    out_interface: Option<Text>,
    /// Second and further fragments only.
    #[serde(default)]
    fragment: Option<Text>,
    /// The counters a new rule begins with: packets and bytes.
    #[serde(default)]
    set_counters: Option<Text>,
    /// A source port or a range `first:last`.
    #[serde(default)]
    source_port: Option<Text>,
    /// A destination port or a range.
    #[serde(default)]
    destination_port: Option<Text>,
    /// Several destination ports.
    #[serde(default)]
    destination_ports: List<Text>,
    /// With `jump: REDIRECT` or `MASQUERADE`: the ports.
    #[serde(default)]
    to_ports: Option<Text>,
    /// The DSCP value to set.
    #[serde(default)]
    set_dscp_mark: Option<Text>,
    /// The DSCP class to set.
    #[serde(default)]
    set_dscp_mark_class: Option<Text>,
    /// A remark at the rule.
    #[serde(default)]
    comment: Option<Text>,
    /// States of connections.
    #[serde(default)]
    ctstate: List<Text>,
    /// A range of source addresses.
    #[serde(default)]
    src_range: Option<Text>,
    /// A range of destination addresses.
    #[serde(default)]
    dst_range: Option<Text>,
    /// A set of ipset(8).
    #[serde(default)]
    match_set: Option<Text>,
    /// What of the packet is looked up in that set.
    #[serde(default)]
    match_set_flags: Option<Text>,
    /// How often the rule may fit, such as `3/minute`.
    #[serde(default)]
    limit: Option<Text>,
    /// How many may come at once before the limit holds.
    #[serde(default)]
    limit_burst: Option<Text>,
    /// The user whose packets are meant.
    #[serde(default)]
    uid_owner: Option<Text>,
    /// The group whose packets are meant.
    #[serde(default)]
    gid_owner: Option<Text>,
    /// The error packet of a refusal.
    #[serde(default)]
    reject_with: Option<Text>,
    /// The type of ICMP.
    #[serde(default)]
    icmp_type: Option<Text>,
    /// `match`: packets that begin a TCP connection; `negate`: all but those.
    #[serde(default)]
    syn: Syn,
    /// Drop all rules of the chain, or of the table where none is named.
    #[serde(default)]
    flush: Flag,
    /// What becomes of packets that no rule of the chain fits.
    #[serde(default)]
    policy: Option<Text>,
    /// Without a rule: make or remove the chain itself.
    #[serde(default)]
    chain_management: Flag,
    /// Accepted for Ansible's sake: nothing is ever looked up by name.
    #[serde(default)]
    #[allow(dead_code)]
    numeric: Flag,
}

impl Described for Iptables {
    const NAME: &'static str = "ansible.builtin.iptables";
    const SUMMARY: &'static str = "Keeps rules of the packet filter, each exactly once";
    const EXAMPLES: &'static str = "\
- name: Rewrite the source of what predictions the cluster
  ansible.builtin.iptables:
    table: nat
    chain: POSTROUTING
    source: 10.10.0.0/16
    destination: \"!10.10.0.0/16\"
    jump: MASQUERADE
";

    fn check(&self) -> Result<(), ParameterError> {
        if self.flush.0 && self.policy.is_some() {
            return Err(ParameterError::task("`flush` and `policy` exclude each other"));
        }
        match &self.chain {
            None if !self.flush.0 => return Err(ParameterError::new("chain", "it is missing")),
            Some(chain) if chain.0.is_empty() || chain.0.starts_with('-') || chain.0.contains(char::is_whitespace) => {
                return Err(ParameterError::new("chain", format!("`{}` is no chain's name", chain.0)));
            }
            _ => {}
        }
        if self.set_dscp_mark.is_some() && self.set_dscp_mark_class.is_some() {
            return Err(ParameterError::task("`set_dscp_mark` and `set_dscp_mark_class` exclude each other"));
        }
        if self.jump.as_ref().is_some_and(|j| j.0.eq_ignore_ascii_case("tee")) && self.gateway.is_none() {
            return Err(ParameterError::new("gateway", "it is missing: `jump: TEE` needs one"));
        }
        let logs = self.log_prefix.is_some() || self.log_level.is_some();
        if logs && self.jump.as_ref().is_some_and(|j| j.0 != "LOG") {
            return Err(ParameterError::new("jump", "Logging options can only be used with the LOG jump target."));
        }
        let policy = self.policy.as_ref().map(|p| p.0.as_str());
        if policy.is_some_and(|p| !["ACCEPT", "DROP", "QUEUE", "RETURN"].contains(&p)) {
            return Err(ParameterError::new("policy", "it is one of ACCEPT, DROP, QUEUE, RETURN"));
        }
        if self.rule_num.as_ref().is_some_and(|n| n.0.parse::<u32>().is_err()) {
            return Err(ParameterError::new("rule_num", "it is a number"));
        }
        if !self.flush.0 && policy.is_none() && self.rule().is_empty() && !self.chain_management.0 {
            let error = ParameterError::task("there is no rule, and nothing else to do");
            return Err(error.help("`chain_management: true` makes or removes the chain itself"));
        }
        Ok(())
    }
}

impl Iptables {
    fn chain(&self) -> &str {
        self.chain.as_ref().map_or("", |c| &c.0)
    }

    fn commands(&self) -> &'static [&'static str] {
        match self.ip_version {
            IpVersion::Ipv4 => &["iptables"],
            IpVersion::Ipv6 => &["ip6tables"],
            IpVersion::Both => &["iptables", "ip6tables"],
        }
    }

    /// A call on the task's table. The lock is waited for.
    fn call(&self, command: &str, action: &str, arguments: &[String]) -> String {
        let wait = self.wait.as_ref().map_or("5", |w| &w.0);
        let mut call = format!("{command} -w {} -t {} {action}", quote(wait), self.table.word());
        if !arguments.is_empty() {
            call.push(' ');
            call.push_str(&words(arguments));
        }
        call
    }

    /// The same on the task's chain.
    fn on_chain(&self, command: &str, action: &str, arguments: &[String]) -> String {
        let mut all = vec![self.chain().to_owned()];
        all.extend_from_slice(arguments);
        self.call(command, action, &all)
    }

    fn reads(&self) -> Vec<Resource> {
        vec![Resource::Path("/proc/net/iptables".into())]
    }

    /// All rules of the table: the same question for each of its rules.
    fn table_question(&self, command: &str) -> Probe {
        let script = format!(
            "PATH=$PATH:/usr/sbin:/sbin; command -v {command} >/dev/null || {{ echo '{command} is not there: install iptables' >&2; exit 9; }}\n{}\n",
            self.call(command, "-S", &[])
        );
        Probe::Script { script, reads: self.reads() }
    }

    /// Whether the rule is there: iptables itself knows best how a rule may be written.
    fn rule_question(&self, command: &str) -> Probe {
        let script = format!("PATH=$PATH:/usr/sbin:/sbin\n{}\n", self.on_chain(command, "-C", &self.rule()));
        Probe::Script { script, reads: self.reads() }
    }

    fn dump(&self, state: &State, command: &str) -> Result<Vec<String>, PlanError> {
        let answer = state.script(&self.table_question(command))?;
        if answer.status != 0 {
            let told = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            return Err(Failure::new(format!("cannot read the rules of table {}: {told}", self.table.word())).into());
        }
        Ok(answer.text().lines().map(str::to_owned).collect())
    }

    fn has_rule(&self, state: &State, command: &str) -> Result<bool, PlanError> {
        let answer = state.script(&self.rule_question(command))?;
        let told = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
        // 1 is "not there", which is also said of a chain or set that is not there; 2 and more mean a wrong rule.
        match answer.status {
            0 => Ok(true),
            1 if !told.contains("Permission denied") && !told.contains("you must be root") => Ok(false),
            status => Err(Failure::new(format!("the rule is refused: {told}")).with("rc", status).into()),
        }
    }

    fn change(&self, what: String, script: &str) -> Change {
        let step = Step::Script(format!("PATH=$PATH:/usr/sbin:/sbin\n{script}\n"));
        Change { what, step, writes: self.reads(), closed: false }
    }

    /// One packet filter's part of the plan.
    fn plan_for(&self, command: &str, state: &State, plan: &mut Plan) -> Result<(), PlanError> {
        let dump = self.dump(state, command)?;
        let (table, chain) = (self.table.word(), self.chain());
        let here = |line: &&String| line.starts_with(&format!("-A {chain} "));
        let chain_there = dump.iter().any(|l| *l == format!("-N {chain}") || l.starts_with(&format!("-P {chain} ")));
        let mut after = dump.clone();
        let place = if chain.is_empty() { format!("table {table}") } else { format!("{table}/{chain}") };
        if self.flush.0 {
            let drops = |line: &String| line.starts_with("-A ") && (chain.is_empty() || here(&line));
            if dump.iter().any(drops) {
                let arguments: Vec<_> = self.chain.iter().map(|c| c.0.clone()).collect();
                plan.changes
                    .push(self.change(format!("drop all rules of {place}"), &self.call(command, "-F", &arguments)));
                after.retain(|l| !drops(l));
            }
        } else if let Some(policy) = &self.policy {
            let start = format!("-P {chain} ");
            let present = dump.iter().find_map(|l| l.strip_prefix(&start)?.split(' ').next());
            let Some(present) = present else {
                return Err(
                    Failure::new(format!("chain {place} has no policy: only the built-in chains have one")).into()
                );
            };
            if present != policy.0 {
                let script = self.on_chain(command, "-P", std::slice::from_ref(&policy.0));
                plan.changes.push(self.change(format!("set the policy of {place} to {}", policy.0), &script));
                after = after
                    .into_iter()
                    .map(|l| if l.starts_with(&start) { format!("{start}{}", policy.0) } else { l })
                    .collect();
            }
        } else if self.rule().is_empty() {
            match (self.state, chain_there) {
                (Presence::Present, false) => {
                    plan.changes.push(self.change(format!("make chain {place}"), &self.on_chain(command, "-N", &[])));
                    after.push(format!("-N {chain}"));
                }
                (Presence::Absent, true) => {
                    plan.changes.push(self.change(format!("remove chain {place}"), &self.on_chain(command, "-X", &[])));
                    after.retain(|l| *l != format!("-N {chain}"));
                }
                _ => {}
            }
        } else {
            return self.plan_rule(command, state, plan, dump);
        }
        self.leave(command, plan, &dump, &after);
        Ok(())
    }

    fn leave(&self, command: &str, plan: &mut Plan, before: &[String], after: &[String]) {
        if before == after {
            return;
        }
        let text = |lines: &[String]| lines.iter().map(|l| format!("{l}\n")).collect::<String>();
        let stdout = text(after).into_bytes();
        plan.predictions
            .push((self.table_question(command), Answer::Script(ScriptAnswer { stdout, ..ScriptAnswer::default() })));
        let header = format!("{command} -t {}", self.table.word());
        plan.diff.push(Diff {
            before: text(before),
            after: text(after),
            before_header: header.clone(),
            after_header: header,
        });
    }

    fn plan_rule(&self, command: &str, state: &State, plan: &mut Plan, dump: Vec<String>) -> Result<(), PlanError> {
        let rule = self.rule();
        // `-C` goes by the order of a rule's parts, which changes nothing about what it does.
        let copies = copies::of(self.chain(), &rule, &dump);
        let there = self.has_rule(state, command)? || !copies.is_empty();
        let place = format!("{}/{}", self.table.word(), self.chain());
        let shown = rule.join(" ");
        let mut after = dump.clone();
        let check = self.on_chain(command, "-C", &rule);
        let left = |status| Answer::Script(ScriptAnswer { status, ..ScriptAnswer::default() });
        match (self.state, there) {
            (Presence::Present, false) => {
                let (verb, number) = match self.action {
                    Action::Append => ("-A", None),
                    Action::Insert => ("-I", self.rule_num.as_ref().map(|n| n.0.clone())),
                };
                let arguments: Vec<String> = number.into_iter().chain(rule.clone()).collect();
                // Looked at once more: another program may have set it meanwhile.
                let script = format!("{check} 2>/dev/null || {}", self.on_chain(command, verb, &arguments));
                plan.changes.push(self.change(format!("add rule to {place}: {shown}"), &script));
                let line = format!("-A {} {shown}", self.chain());
                match self.action {
                    Action::Append => after.push(line),
                    Action::Insert => {
                        let first = after
                            .iter()
                            .position(|l| l.starts_with(&format!("-A {} ", self.chain())))
                            .unwrap_or(after.len());
                        after.insert(first, line);
                    }
                }
                plan.predictions.push((self.rule_question(command), left(0)));
            }
            (Presence::Present, true) => {
                if copies.len() < 2 {
                    return Ok(());
                }
                let surplus = copies.len() - 1;
                let noun = if surplus == 1 { "copy" } else { "copies" };
                let what = format!("remove {surplus} surplus {noun} of a rule in {place}: {shown}");
                // The first one keeps its place.
                plan.changes.push(self.change(what, &self.delete_lines(command, &copies, "sed 1d")));
                let mut seen = false;
                after.retain(|l| !copies.contains(l) || !std::mem::replace(&mut seen, true));
            }
            (Presence::Absent, true) => {
                let mut script =
                    format!("while {check} 2>/dev/null; do {} || exit; done\n", self.on_chain(command, "-D", &rule));
                if !copies.is_empty() {
                    script.push_str(&self.delete_lines(command, &copies, "cat"));
                }
                plan.changes.push(self.change(format!("remove rule from {place}: {shown}"), &script));
                after.retain(|l| !copies.contains(l));
                plan.predictions.push((self.rule_question(command), left(1)));
            }
            (Presence::Absent, false) => {}
        }
        self.leave(command, plan, &dump, &after);
        Ok(())
    }

    /// Deletes rules by what `-S` prints for them, by number and from behind; `which` is a filter for the numbers.
    fn delete_lines(&self, command: &str, lines: &[String], which: &str) -> String {
        let patterns: BTreeSet<_> = lines.iter().map(|l| format!("-e {}", quote(l))).collect();
        let patterns = patterns.into_iter().collect::<Vec<_>>().join(" ");
        format!(
            "l=$({} | grep '^-A ' | grep -nxF {patterns} | cut -d: -f1 | {which} | sort -rn)\nfor n in $l; do {} $n || exit; done",
            self.on_chain(command, "-S", &[]),
            self.on_chain(command, "-D", &[])
        )
    }

    fn result(&self) -> Map<String, Json> {
        let version = match self.ip_version {
            IpVersion::Ipv4 => "ipv4",
            IpVersion::Ipv6 => "ipv6",
            IpVersion::Both => "both",
        };
        let fields = [
            ("ip_version", json!(version)),
            ("table", json!(self.table.word())),
            ("chain", json!(self.chain.as_ref().map(|c| &c.0))),
            ("flush", json!(self.flush.0)),
            ("rule", json!(self.rule().join(" "))),
            ("state", json!(self.state.word())),
            ("chain_management", json!(self.chain_management.0)),
            ("wait", json!(self.wait.as_ref().map(|w| &w.0))),
        ];
        fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
    }
}

impl Module for Iptables {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        let rule = !self.flush.0 && self.policy.is_none() && !self.rule().is_empty();
        let mut probes = Vec::new();
        for command in self.commands() {
            probes.push(self.table_question(command));
            if rule {
                probes.push(self.rule_question(command));
            }
        }
        probes
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let mut plan = Plan::ok(self.result());
        for command in self.commands() {
            self.plan_for(command, state, &mut plan)?;
        }
        Ok(plan)
    }
}
