//! `bringup.bridge`: a bridge for pods or containers, now and after each boot.

use std::collections::BTreeSet;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use super::unit::{self, BootUnit};
use crate::{
    fact::{Answer, Probe, Resource, ScriptAnswer, State},
    module::{
        Change, Context, Described, Diff, Failure, Flag, List, Module, ParameterError, Plan, PlanError, Return,
        Returns, Step, Text, Whole, builtin::group::Presence,
    },
    sh::{self, quote},
};

/// Parameters of `bridge`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    /// The bridge's name, at most 15 characters.
    name: Text,
    /// Its addresses with the prefix's length, such as `10.10.1.1/24`. Other addresses of the same family are taken away.
    #[serde(default)]
    address: List<Text>,
    /// The largest packet it carries.
    #[serde(default)]
    mtu: Option<Whole>,
    /// Interfaces to plug in, by name or shell pattern; those that belong to another bridge are left there.
    #[serde(default)]
    ports: List<Text>,
    /// Whether the bridge is to be there.
    #[serde(default)]
    state: Presence,
    /// Make it anew at each boot, by a unit of systemd.
    #[serde(default = "Flag::yes")]
    persistent: Flag,
}

impl Described for Bridge {
    const NAME: &'static str = "bringup.bridge";
    const SUMMARY: &'static str = "Makes a network bridge, now and for each boot";
    const EXAMPLES: &'static str = "\
- name: Make the bridge that the pods are plugged into
  bringup.bridge:
    name: cbr0
    address: 10.10.1.1/24
    mtu: 1460
";
    const RETURNS: Returns =
        &[&[Return::text("name", "always", "The bridge"), Return::text("state", "always", "`present` or `absent`")]];

    fn check(&self) -> Result<(), ParameterError> {
        check_interface("name", &self.name.0)?;
        for address in &self.address.0 {
            if address.0.parse::<IpNet>().is_err() {
                let error =
                    ParameterError::new("address", format!("`{}` is no address with a prefix's length", address.0));
                return Err(error.help("write it like 10.10.1.1/24"));
            }
        }
        if self.mtu.is_some_and(|m| !(68..=65_535).contains(&m.0)) {
            return Err(ParameterError::new("mtu", "it must be between 68 and 65535"));
        }
        for port in &self.ports.0 {
            let fine = |c: char| c.is_ascii_alphanumeric() || "._-*?".contains(c);
            if port.0.is_empty() || !port.0.chars().all(fine) || port.0.starts_with(['-', '.']) {
                return Err(ParameterError::new("ports", format!("`{}` is no interface's name or pattern", port.0)));
            }
        }
        Ok(())
    }
}

/// Refuses what the kernel would not take for an interface's name.
///
/// # Errors
/// Says so.
pub(super) fn check_interface(parameter: &str, name: &str) -> Result<(), ParameterError> {
    let fine = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) && !name.starts_with(['-', '.']);
    if fine && (1..=15).contains(&name.len()) {
        return Ok(());
    }
    Err(ParameterError::new(
        parameter,
        format!("`{name}` is no interface's name: at most 15 letters, digits, dots and dashes"),
    ))
}

/// What is another one where a network device is made, changed or removed.
pub(super) fn device(name: &str) -> Vec<Resource> {
    let device = Resource::Path(format!("/sys/class/net/{name}"));
    vec![device, Resource::Path("/proc/net".into()), Resource::Kernel(String::new())]
}

/// The bridge as the host tells it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Live {
    bridge: bool,
    up: bool,
    /// Its hardware address was set, so it does not change with the ports.
    fixed: bool,
    mtu: i64,
    addresses: BTreeSet<IpNet>,
    /// Interfaces that fit `ports` and belong to no bridge.
    loose: Vec<String>,
}

impl Bridge {
    fn unit_name(&self) -> String {
        format!("bringup-bridge-{}.service", self.name.0)
    }

    fn addresses(&self) -> BTreeSet<IpNet> {
        self.address.0.iter().filter_map(|a| a.0.parse().ok()).collect()
    }

    fn patterns(&self) -> String {
        // The characters were checked: nothing but the pattern itself is left to the shell.
        self.ports.0.iter().map(|p| format!("/sys/class/net/{}", p.0)).collect::<Vec<_>>().join(" ")
    }

    fn question(&self) -> Probe {
        let name = quote(&self.name.0);
        let ports = if self.ports.0.is_empty() {
            String::new()
        } else {
            format!(
                "for p in {}; do [ -e \"$p\" ] && [ ! -e \"$p/master\" ] && [ ! -d \"$p/bridge\" ] && echo \"loose ${{p##*/}}\"; done\n",
                self.patterns()
            )
        };
        let script = format!("{ports}name={name}\n{}", sh::file!("bridge.sh"));
        Probe::Script {
            script,
            reads: vec![
                Resource::Path("/sys/class/net".into()),
                Resource::Path(format!("/sys/class/net/{}", self.name.0)),
            ],
        }
    }

    /// Reads the host's answer; `None` when there is no such interface.
    fn live(&self, answer: &ScriptAnswer) -> Result<Option<Live>, Failure> {
        if answer.status != 0 {
            return Err(Failure::said(answer));
        }
        let mut live = Live::default();
        let mut there = false;
        for line in answer.text().lines() {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("bridge", _) => (there, live.bridge) = (true, true),
                ("other", _) => there = true,
                ("mtu", value) => live.mtu = value.parse().unwrap_or(0),
                ("flags", value) => {
                    live.up = u32::from_str_radix(value.trim_start_matches("0x"), 16).unwrap_or(0) & 1 == 1
                }
                ("assigned", value) => live.fixed = value == "3",
                ("address", value) => live.addresses.extend(value.parse::<IpNet>()),
                ("loose", value) => live.loose.push(value.to_owned()),
                _ => {}
            }
        }
        if there && !live.bridge {
            return Err(Failure::new(format!("`{}` is there and no bridge", self.name.0))
                .help("choose another name, or remove the interface"));
        }
        if !there && !live.loose.is_empty() {
            // Ports are plugged in when the bridge is there: the script asks for them itself.
            live.loose.clear();
        }
        Ok(there.then_some(live))
    }

    /// The commands that make the bridge, each of which may run again.
    fn commands(&self) -> Vec<String> {
        let name = &self.name.0;
        let mut commands = vec![
            format!("ip link show dev {name} >/dev/null 2>&1 || ip link add name {name} type bridge"),
            // A set hardware address stays; else it would change with each port, and pods would lose their gateway.
            format!("read -r a </sys/class/net/{name}/address && ip link set dev {name} address $a"),
        ];
        let mtu = self.mtu.map(|m| format!(" mtu {}", m.0)).unwrap_or_default();
        commands.push(format!("ip link set dev {name}{mtu} up"));
        for address in self.addresses() {
            commands.push(format!("ip address replace {address} dev {name}"));
        }
        if !self.ports.0.is_empty() {
            let patterns = self.patterns();
            commands.push(format!(
                "for p in {patterns}; do [ -e $p ] && [ ! -e $p/master ] && [ ! -d $p/bridge ] && ip link set dev ${{p##*/}} master {name}; done; true"
            ));
        }
        commands
    }

    /// What differs on the running host, as sentences, and the script for it.
    fn differences(&self, live: Option<&Live>) -> (Vec<String>, String) {
        let name = &self.name.0;
        let Some(live) = live else {
            return (vec![format!("make bridge {name}")], self.commands().join(" || exit\n") + "\n");
        };
        let wanted = self.addresses();
        let (mut what, mut script) = (Vec::new(), String::new());
        let family = |net: &IpNet| {
            wanted.iter().any(|w| matches!((w, net), (IpNet::V4(_), IpNet::V4(_)) | (IpNet::V6(_), IpNet::V6(_))))
        };
        for net in live.addresses.iter().filter(|net| !wanted.contains(net) && family(net)) {
            what.push(format!("take address {net} from {name}"));
            script.push_str(&format!("ip address del {net} dev {name} || exit\n"));
        }
        for net in wanted.difference(&live.addresses) {
            what.push(format!("give address {net} to {name}"));
        }
        if let Some(mtu) = self.mtu.filter(|m| m.0 != live.mtu) {
            what.push(format!("set the MTU of {name} to {}", mtu.0));
        }
        if !live.up {
            what.push(format!("set {name} up"));
        }
        if !live.fixed {
            what.push(format!("keep the hardware address of {name}"));
        }
        if !live.loose.is_empty() {
            what.push(format!("plug {} into {name}", live.loose.join(", ")));
        }
        if !what.is_empty() {
            script.push_str(&(self.commands().join(" || exit\n") + "\n"));
        }
        (what, script)
    }

    fn text(&self, live: Option<&Live>) -> String {
        live.map_or_else(String::new, |l| {
            let addresses: Vec<_> = l.addresses.iter().map(ToString::to_string).collect();
            format!("addresses: {}\nmtu: {}\nup: {}\n", addresses.join(", "), l.mtu, l.up)
        })
    }

    /// What the same question gets once the bridge is as described.
    fn settled(&self, live: Option<&Live>) -> Answer {
        let mut text = String::from("bridge\nflags 0x1003\nassigned 3\n");
        text.push_str(&format!("mtu {}\n", self.mtu.map_or(live.map_or(1500, |l| l.mtu), |m| m.0)));
        let wanted = self.addresses();
        let mut all = wanted.clone();
        for net in live.into_iter().flat_map(|l| &l.addresses) {
            let replaced = wanted.iter().any(|w| w.addr().is_ipv4() == net.addr().is_ipv4());
            if !replaced {
                all.insert(*net);
            }
        }
        for net in all {
            text.push_str(&format!("address {net}\n"));
        }
        Answer::Script(ScriptAnswer { stdout: text.into_bytes(), ..ScriptAnswer::default() })
    }

    fn absent(&self, context: &Context<'_>, state: &State, live: Option<&Live>) -> Result<Plan, PlanError> {
        let mut plan = Plan::default();
        if live.is_some() {
            let script = format!("PATH=$PATH:/usr/sbin:/sbin; ip link del dev {}\n", quote(&self.name.0));
            plan.changes.push(Change {
                what: format!("remove bridge {}", self.name.0),
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
}

impl Module for Bridge {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let mut probes = vec![self.question()];
        if self.persistent.0 {
            probes.extend(unit::probes(context, state, &self.unit_name()));
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let live = self.live(state.script(&self.question())?)?;
        let mut plan = if self.state == Presence::Absent {
            self.absent(context, state, live.as_ref())?
        } else {
            let mut plan = Plan::default();
            let (what, script) = self.differences(live.as_ref());
            if !what.is_empty() {
                let script = format!("PATH=$PATH:/usr/sbin:/sbin\n{script}");
                plan.changes.push(Change {
                    what: what.join(", "),
                    step: Step::Script(script),
                    writes: device(&self.name.0),
                    closed: false,
                });
                let settled = self.settled(live.as_ref());
                if let Answer::Script(answer) = &settled {
                    let after = self.live(answer)?;
                    let header = format!("bridge {}", self.name.0);
                    plan.diff.push(Diff {
                        before: self.text(live.as_ref()),
                        after: self.text(after.as_ref()),
                        before_header: header.clone(),
                        after_header: header,
                    });
                }
                plan.predictions.push((self.question(), settled));
            }
            if self.persistent.0 {
                let unit = BootUnit {
                    name: self.unit_name(),
                    description: format!("Bridge {}", self.name.0),
                    order: "Wants=network-pre.target\nAfter=network-pre.target systemd-sysctl.service systemd-modules-load.service\n\
                            Before=network.target containerd.service docker.service kubelet.service\n",
                    commands: self.commands(),
                    go_on: false,
                };
                unit.keep(context, state, &mut plan)?;
            }
            plan
        };
        plan.result =
            Map::from_iter([("name".to_owned(), json!(self.name.0)), ("state".to_owned(), json!(self.state.word()))]);
        Ok(plan)
    }
}
