//! `bringup.vxlan`: a VXLAN device whose other ends are all known, now and after each boot.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use super::{
    bridge::{check_interface, device},
    unit::{self, BootUnit},
};
use crate::{
    fact::{Answer, Probe, Resource, ScriptAnswer, State},
    module::{
        Change, Context, Described, Diff, Failure, Flag, List, Module, ParameterError, Plan, PlanError, Return,
        Returns, Step, Text, Whole, builtin::group::Presence,
    },
    sh::{self, quote},
};

/// Parameters of `vxlan`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vxlan {
    /// The device's name, at most 15 characters.
    name: Text,
    /// The number of the virtual network (VNI), 1 to 16777215.
    #[serde(default = "one")]
    id: Whole,
    /// The UDP port of all ends.
    #[serde(default = "usual_port")]
    port: Whole,
    /// This host's own address, which the others send to. The device's hardware address is made of it, so that nobody has to be asked for it.
    #[serde(default)]
    local: Option<Text>,
    /// The device's address in the virtual network with the prefix's length, such as `10.10.1.1/32`.
    #[serde(default)]
    address: Option<Text>,
    /// The largest packet it carries: 50 bytes less than the network below.
    #[serde(default)]
    mtu: Option<Whole>,
    /// The other ends. Nobody is learned: whoever is not listed is not sent to.
    #[serde(default)]
    peers: List<Peer>,
    /// Drop what others than the peers send to the port (a chain of iptables' raw table, `bringup-NAME`).
    #[serde(default = "Flag::yes")]
    peers_only: Flag,
    /// Whether the device is to be there.
    #[serde(default)]
    state: Presence,
    /// Make it anew at each boot, by a unit of systemd.
    #[serde(default = "Flag::yes")]
    persistent: Flag,
}

/// One other end.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// The host's own address.
    address: Text,
    /// Its device's address in the virtual network, which routes name as the next host on the way.
    inside: Text,
}

fn one() -> Whole {
    Whole(1)
}

fn usual_port() -> Whole {
    Whole(4789)
}

/// What cannot be changed on a device that is there.
#[derive(Debug, PartialEq, Eq)]
struct Made {
    id: i64,
    port: i64,
    local: String,
    hardware: String,
    learns: bool,
    bound: bool,
}

/// The device as the host tells it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Live {
    made: Option<Made>,
    up: bool,
    mtu: i64,
    addresses: BTreeSet<Ipv4Net>,
    /// Hardware addresses by addresses inside.
    neighbours: BTreeMap<String, String>,
    /// Hardware addresses and the hosts that they are at.
    ends: BTreeSet<(String, String)>,
    rules: Vec<String>,
    jumps: Vec<String>,
}

impl Described for Vxlan {
    const NAME: &'static str = "bringup.vxlan";
    const SUMMARY: &'static str = "Makes a VXLAN device whose other ends are listed, now and for each boot";
    const EXAMPLES: &'static str = "\
- name: Connect the pods of hosts in several networks
  bringup.vxlan:
    name: vxlan-pods
    local: 192.0.2.11
    address: 10.10.1.1/32
    mtu: 1450
    peers:
      - {address: 192.0.2.12, inside: 10.10.2.1}
      - {address: 198.51.100.13, inside: 10.10.3.1}
";
    const RETURNS: Returns =
        &[&[Return::text("name", "always", "The device"), Return::text("state", "always", "`present` or `absent`")]];

    fn check(&self) -> Result<(), ParameterError> {
        check_interface("name", &self.name.0)?;
        let bounds = [("id", self.id.0, 1..=16_777_215), ("port", self.port.0, 1..=65_535)];
        for (name, value, range) in bounds {
            if !range.contains(&value) {
                let text = format!("it must be between {} and {}", range.start(), range.end());
                return Err(ParameterError::new(name, text));
            }
        }
        if self.mtu.is_some_and(|m| !(68..=65_485).contains(&m.0)) {
            return Err(ParameterError::new("mtu", "it must be between 68 and 65485"));
        }
        match &self.local {
            Some(local) => drop(address("local", &local.0)?),
            None if self.state == Presence::Present => {
                return Err(ParameterError::new("local", "it is needed: the others send to it"));
            }
            None => {}
        }
        if let Some(text) = &self.address
            && text.0.parse::<Ipv4Net>().is_err()
        {
            let error = ParameterError::new("address", format!("`{}` is no address with a prefix's length", text.0));
            return Err(error.help("write it like 10.10.1.1/32"));
        }
        let mut seen = BTreeSet::new();
        for peer in &self.peers.0 {
            for text in [&peer.address, &peer.inside] {
                if !seen.insert(address("peers", &text.0)?) {
                    return Err(ParameterError::new("peers", format!("{} is there twice", text.0)));
                }
            }
        }
        Ok(())
    }
}

fn address(parameter: &str, text: &str) -> Result<Ipv4Addr, ParameterError> {
    text.parse().map_err(|_| ParameterError::new(parameter, format!("`{text}` is no IPv4 address")))
}

/// The hardware address of the device of a host: one that nobody was given, made of the host's own address.
fn hardware(address: &str) -> String {
    let [a, b, c, d] = address.parse::<Ipv4Addr>().unwrap_or(Ipv4Addr::UNSPECIFIED).octets();
    format!("0e:76:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// The word behind another one.
fn behind<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words.iter().position(|w| *w == key).and_then(|i| words.get(i + 1)).copied()
}

/// Reads the host's answer.
fn read(answer: &ScriptAnswer) -> Result<(bool, Live), Failure> {
    if answer.status != 0 {
        return Err(Failure::said(answer));
    }
    let (mut live, mut there) = (Live::default(), false);
    for line in answer.text().lines() {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<_> = rest.split_whitespace().collect();
        match kind {
            "link" => {
                there = true;
                live.up = words.iter().any(|w| w.trim_matches(['<', '>']).split(',').any(|f| f == "UP"));
                live.mtu = behind(&words, "mtu").and_then(|w| w.parse().ok()).unwrap_or(0);
                let kind = words.iter().position(|w| *w == "vxlan").and_then(|i| words.get(i..));
                live.made = kind.map(|its| Made {
                    id: behind(its, "id").and_then(|w| w.parse().ok()).unwrap_or(0),
                    port: behind(its, "dstport").and_then(|w| w.parse().ok()).unwrap_or(0),
                    local: behind(its, "local").unwrap_or_default().to_owned(),
                    hardware: behind(&words, "link/ether").unwrap_or_default().to_owned(),
                    learns: !its.contains(&"nolearning"),
                    bound: its.contains(&"dev") || its.contains(&"remote") || its.contains(&"group"),
                });
            }
            "address" => live.addresses.extend(rest.parse::<Ipv4Net>()),
            "neighbour" => {
                if let (Some(inside), Some(hardware)) = (words.first(), behind(&words, "lladdr")) {
                    live.neighbours.insert((*inside).to_owned(), hardware.to_owned());
                }
            }
            "fdb" => {
                if let (Some(hardware), Some(host)) = (words.first(), behind(&words, "dst")) {
                    live.ends.insert(((*hardware).to_owned(), host.to_owned()));
                }
            }
            "rule" if !rest.starts_with("-N ") => live.rules.push(rest.to_owned()),
            "jump" => live.jumps.push(rest.to_owned()),
            _ => {}
        }
    }
    Ok((there, live))
}

/// How a rule is written by whoever lists it.
fn listed(rule: &str) -> String {
    rule.replace(" -m udp", "").replace("/32 ", " ")
}

impl Vxlan {
    fn unit_name(&self) -> String {
        format!("bringup-vxlan-{}.service", self.name.0)
    }

    fn chain(&self) -> String {
        format!("bringup-{}", self.name.0)
    }

    fn local(&self) -> &str {
        self.local.as_ref().map_or("", |l| &l.0)
    }

    fn question(&self) -> Probe {
        let script = format!("name={}\nchain={}\n{}", quote(&self.name.0), quote(&self.chain()), sh::file!("vxlan.sh"));
        let device = Resource::Path(format!("/sys/class/net/{}", self.name.0));
        Probe::Script { script, reads: vec![Resource::Path("/sys/class/net".into()), device] }
    }

    fn made(&self) -> Made {
        let local = self.local();
        Made {
            id: self.id.0,
            port: self.port.0,
            local: local.to_owned(),
            hardware: hardware(local),
            learns: false,
            bound: false,
        }
    }

    /// What the device shall be; what is not asked for stays as it is.
    fn wanted(&self, live: Option<&Live>) -> Live {
        let peers = || self.peers.0.iter().map(|p| (p.address.0.clone(), p.inside.0.clone(), hardware(&p.address.0)));
        let chain = self.chain();
        let (mut rules, mut jumps) = (Vec::new(), Vec::new());
        if self.peers_only.0 {
            rules.extend(peers().map(|(host, ..)| format!("-A {chain} -s {host} -j RETURN")));
            rules.push(format!("-A {chain} -j DROP"));
            jumps.push(format!("-A PREROUTING -p udp --dport {} -j {chain}", self.port.0));
        }
        Live {
            made: Some(self.made()),
            up: true,
            mtu: self.mtu.map_or(live.map_or(1450, |l| l.mtu), |m| m.0),
            addresses: self.address.iter().filter_map(|a| a.0.parse().ok()).collect(),
            neighbours: peers().map(|(_, inside, hardware)| (inside, hardware)).collect(),
            ends: peers().map(|(host, _, hardware)| (hardware, host)).collect(),
            rules,
            jumps,
        }
    }

    /// The commands that make the device, each of which may run again.
    fn commands(&self) -> Vec<String> {
        let (name, local, chain) = (&self.name.0, self.local(), self.chain());
        let (id, port) = (self.id.0, self.port.0);
        // It is bound to no interface: one that is made anew would take it along.
        let mut commands = vec![format!(
            "ip link show dev {name} >/dev/null 2>&1 || ip link add name {name} address {} type vxlan id {id} local {local} dstport {port} nolearning",
            hardware(local)
        )];
        let mtu = self.mtu.map(|m| format!(" mtu {}", m.0)).unwrap_or_default();
        commands.push(format!("ip link set dev {name}{mtu} up"));
        commands.extend(self.address.iter().map(|a| format!("ip address replace {} dev {name}", a.0)));
        for peer in &self.peers.0 {
            let hardware = hardware(&peer.address.0);
            commands.push(format!("ip neighbour replace {} lladdr {hardware} dev {name} nud permanent", peer.inside.0));
            commands.push(format!("bridge fdb replace {hardware} dev {name} dst {}", peer.address.0));
        }
        if self.peers_only.0 {
            commands.push(format!("iptables -w -t raw -N {chain} 2>/dev/null; iptables -w -t raw -F {chain}"));
            let wanted = self.wanted(None);
            commands.extend(wanted.rules.iter().map(|rule| format!("iptables -w -t raw {rule}")));
            commands.extend(wanted.jumps.iter().map(|jump| {
                let check = jump.replacen("-A ", "-C ", 1);
                format!("iptables -w -t raw {check} 2>/dev/null || iptables -w -t raw {jump}")
            }));
        }
        commands
    }

    /// What differs on the running host, as sentences, and the script for it.
    fn differences(&self, there: bool, live: &Live, wanted: &Live) -> (Vec<String>, String) {
        let name = &self.name.0;
        let (mut what, mut script) = (Vec::new(), String::new());
        let anew = there && live.made != wanted.made;
        if !there {
            what.push(format!("make VXLAN {name}"));
        } else if anew {
            what.push(format!("make VXLAN {name} anew"));
            script.push_str(&format!("ip link del dev {name} || exit\n"));
        } else {
            self.drifted(live, wanted, &mut what, &mut script);
        }
        if live.rules.iter().map(|r| listed(r)).ne(wanted.rules.iter().cloned())
            || live.jumps.iter().map(|j| listed(j)).ne(wanted.jumps.iter().cloned())
        {
            script.push_str(&self.let_everybody_in(live));
            if self.peers_only.0 {
                what.push(format!("let nobody but the peers send to UDP {}", self.port.0));
            } else {
                what.push(format!("let everybody send to UDP {}", self.port.0));
            }
        }
        if !what.is_empty() {
            script.push_str(&(self.commands().join(" || exit\n") + "\n"));
        }
        (what, script)
    }

    /// The same for a device that need not be made anew.
    fn drifted(&self, live: &Live, wanted: &Live, what: &mut Vec<String>, script: &mut String) {
        let name = &self.name.0;
        for net in live.addresses.difference(&wanted.addresses) {
            what.push(format!("take address {net} from {name}"));
            script.push_str(&format!("ip address del {net} dev {name} || exit\n"));
        }
        for net in wanted.addresses.difference(&live.addresses) {
            what.push(format!("give address {net} to {name}"));
        }
        if live.mtu != wanted.mtu {
            what.push(format!("set the MTU of {name} to {}", wanted.mtu));
        }
        if !live.up {
            what.push(format!("set {name} up"));
        }
        for (hardware, host) in live.ends.difference(&wanted.ends) {
            what.push(format!("forget {host} on {name}"));
            script.push_str(&format!("bridge fdb del {} dev {name} dst {} || exit\n", quote(hardware), quote(host)));
        }
        for inside in live.neighbours.keys().filter(|i| !wanted.neighbours.contains_key(*i)) {
            // It has gone already with the last address of the device.
            script.push_str(&format!("ip neighbour del {} dev {name} 2>/dev/null\n", quote(inside)));
            if wanted.ends == live.ends {
                what.push(format!("forget {inside} on {name}"));
            }
        }
        for (inside, hardware) in &wanted.neighbours {
            let hosts = wanted.at(hardware);
            if live.neighbours.get(inside) != Some(hardware) || live.at(hardware) != hosts {
                what.push(format!("reach {inside} by {hosts} on {name}"));
            }
        }
    }

    /// The script that takes the rules away that are there.
    fn let_everybody_in(&self, live: &Live) -> String {
        let chain = self.chain();
        let mut script = String::new();
        for jump in live.jumps.iter().filter(|j| !self.peers_only.0 || !self.wanted(None).jumps.contains(&listed(j))) {
            // As iptables itself listed it: words without quotes.
            script.push_str(&format!("iptables -w -t raw {} || exit\n", jump.replacen("-A ", "-D ", 1)));
        }
        if !self.peers_only.0 && !live.rules.is_empty() {
            script.push_str(&format!("iptables -w -t raw -F {chain} && iptables -w -t raw -X {chain} || exit\n"));
        }
        script
    }

    fn absent(&self, context: &Context<'_>, state: &State, there: bool, live: &Live) -> Result<Plan, PlanError> {
        let mut plan = Plan::default();
        if there || !live.rules.is_empty() || !live.jumps.is_empty() {
            let everybody = Self { peers_only: Flag(false), ..self.bare() };
            let mut script = format!("PATH=$PATH:/usr/sbin:/sbin\n{}", everybody.let_everybody_in(live));
            if there {
                script.push_str(&format!("ip link del dev {}\n", quote(&self.name.0)));
            }
            plan.changes.push(Change {
                what: format!("remove VXLAN {}", self.name.0),
                step: Step::Script(script),
                writes: device(&self.name.0),
                closed: false,
            });
            plan.predictions.push((self.question(), Answer::Script(ScriptAnswer::default())));
        }
        if self.persistent.0 {
            unit::drop_unit(context, state, &self.unit_name(), &mut plan)?;
        }
        Ok(plan)
    }

    /// The name alone.
    fn bare(&self) -> Self {
        Self {
            name: self.name.clone(),
            id: self.id,
            port: self.port,
            local: None,
            address: None,
            mtu: None,
            peers: List(Vec::new()),
            peers_only: Flag(true),
            state: self.state,
            persistent: Flag(false),
        }
    }

    fn present(&self, context: &Context<'_>, state: &State, there: bool, live: &Live) -> Result<Plan, PlanError> {
        let mut plan = Plan::default();
        let wanted = self.wanted(there.then_some(live));
        let (what, script) = self.differences(there, live, &wanted);
        if !what.is_empty() {
            plan.changes.push(Change {
                what: what.join(", "),
                step: Step::Script(format!("PATH=$PATH:/usr/sbin:/sbin\n{script}")),
                writes: device(&self.name.0),
                closed: false,
            });
            let header = format!("VXLAN {}", self.name.0);
            plan.diff.push(Diff {
                before: if there { text(live) } else { String::new() },
                after: text(&wanted),
                before_header: header.clone(),
                after_header: header,
            });
            plan.predictions.push((self.question(), settled(&wanted)));
        }
        if self.persistent.0 {
            let unit = BootUnit {
                name: self.unit_name(),
                description: format!("VXLAN {}", self.name.0),
                order: "Wants=network-pre.target\nAfter=network-pre.target systemd-sysctl.service systemd-modules-load.service\n\
                        Before=network.target containerd.service docker.service kubelet.service\n",
                commands: self.commands(),
                go_on: false,
            };
            unit.keep(context, state, &mut plan)?;
        }
        Ok(plan)
    }
}

impl Live {
    /// The hosts that a hardware address is at.
    fn at(&self, hardware: &str) -> String {
        self.ends.iter().filter(|(h, _)| h == hardware).map(|(_, host)| host.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// The device for people.
fn text(live: &Live) -> String {
    let addresses: Vec<_> = live.addresses.iter().map(ToString::to_string).collect();
    let mut text = format!("addresses: {}\nmtu: {}\nup: {}\n", addresses.join(", "), live.mtu, live.up);
    for (inside, hardware) in &live.neighbours {
        text.push_str(&format!("{inside} is at {}\n", live.at(hardware)));
    }
    text
}

/// What the same question gets once the device is as described.
fn settled(wanted: &Live) -> Answer {
    let mut text = String::new();
    if let Some(made) = &wanted.made {
        text.push_str(&format!(
            "link <UP> mtu {} link/ether {} vxlan id {} local {} dstport {} nolearning\n",
            wanted.mtu, made.hardware, made.id, made.local, made.port
        ));
    }
    text.extend(wanted.addresses.iter().map(|net| format!("address {net}\n")));
    text.extend(wanted.neighbours.iter().map(|(inside, mac)| format!("neighbour {inside} lladdr {mac}\n")));
    text.extend(wanted.ends.iter().map(|(mac, host)| format!("fdb {mac} dst {host}\n")));
    text.extend(wanted.rules.iter().map(|rule| format!("rule {rule}\n")));
    text.extend(wanted.jumps.iter().map(|jump| format!("jump {jump}\n")));
    Answer::Script(ScriptAnswer { stdout: text.into_bytes(), ..ScriptAnswer::default() })
}

impl Module for Vxlan {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let mut probes = vec![self.question()];
        if self.persistent.0 {
            probes.extend(unit::probes(context, state, &self.unit_name()));
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let (there, live) = read(state.script(&self.question())?)?;
        if there && live.made.is_none() {
            let failure = Failure::new(format!("`{}` is there and no VXLAN", self.name.0));
            return Err(failure.help("choose another name, or remove the interface").into());
        }
        let mut plan = if self.state == Presence::Absent {
            self.absent(context, state, there, &live)?
        } else {
            self.present(context, state, there, &live)?
        };
        plan.result =
            Map::from_iter([("name".to_owned(), json!(self.name.0)), ("state".to_owned(), json!(self.state.word()))]);
        Ok(plan)
    }
}
