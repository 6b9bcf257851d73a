//! `bringup.routes`: a set of static routes, now and after each boot.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use super::{
    bridge::check_interface,
    unit::{self, BootUnit},
};
use crate::{
    fact::{Answer, Probe, Resource, ScriptAnswer, State},
    module::{
        Change, Context, Described, Diff, Failure, Flag, List, Module, ParameterError, Plan, PlanError, Return,
        Returns, Step, Text, builtin::group::Presence,
    },
};

/// Parameters of `routes`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Routes {
    /// The set's name. Routes of the same set that are no longer listed are removed; other routes are left alone.
    name: Text,
    /// The routes.
    #[serde(default)]
    routes: List<Route>,
    /// Whether they are to be there; `absent` removes the whole set.
    #[serde(default)]
    state: Presence,
    /// Make them anew at each boot, by a unit of systemd, which also remembers what is in the set.
    #[serde(default = "Flag::yes")]
    persistent: Flag,
}

/// One route.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The network, such as `10.10.2.0/24`.
    destination: Text,
    /// The address of the next host on the way.
    #[serde(default)]
    via: Option<Text>,
    /// The interface to leave by, where `via` does not tell.
    #[serde(default)]
    dev: Option<Text>,
    /// The next host is behind `dev`, though no network of this host says so: the end of a tunnel.
    #[serde(default)]
    onlink: Flag,
}

/// How packets for a network go on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    via: Option<IpAddr>,
    dev: Option<String>,
    onlink: bool,
}

impl Way {
    /// Whether a live route is this one; the interface only matters where one is asked for.
    fn is(&self, live: &Way) -> bool {
        self.via == live.via && (self.dev.is_none() || self.dev == live.dev) && self.onlink == live.onlink
    }

    fn words(&self) -> String {
        let via = self.via.map(|v| format!(" via {v}")).unwrap_or_default();
        let dev = self.dev.as_ref().map(|d| format!(" dev {d}")).unwrap_or_default();
        let onlink = if self.onlink { " onlink" } else { "" };
        format!("{via}{dev}{onlink}")
    }
}

impl Described for Routes {
    const NAME: &'static str = "bringup.routes";
    const SUMMARY: &'static str = "Makes static routes, now and for each boot";
    const EXAMPLES: &'static str = "\
- name: Make the routes to the other nodes' pods
  bringup.routes:
    name: pods
    routes:
      - {destination: 10.10.2.0/24, via: 192.0.2.12}
      - {destination: 10.10.3.0/24, via: 192.0.2.13}
";
    const RETURNS: Returns = &[&[
        Return::text("name", "always", "The set of routes"),
        Return::text("state", "always", "`present` or `absent`"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        let fine = self.name.0.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if self.name.0.is_empty() || !fine {
            return Err(ParameterError::new(
                "name",
                format!("`{}` is no name for a set: letters, digits and dashes", self.name.0),
            ));
        }
        let mut seen = BTreeMap::new();
        for route in &self.routes.0 {
            let (destination, way) = route.read()?;
            if let Some(other) = seen.insert(destination, way.clone()).filter(|o| *o != way) {
                return Err(ParameterError::new(
                    "routes",
                    format!("{destination} goes two ways:{} and{}", other.words(), way.words()),
                ));
            }
        }
        Ok(())
    }
}

impl Route {
    fn read(&self) -> Result<(IpNet, Way), ParameterError> {
        let text = &self.destination.0;
        let net = match text.as_str() {
            "default" => Ok(IpNet::default()),
            _ => text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)),
        };
        let net =
            net.map_err(|_| ParameterError::new("routes", format!("`{text}` is no network such as 10.10.2.0/24")))?;
        if net.addr() != net.network() {
            let error = ParameterError::new("routes", format!("`{text}` has bits behind its prefix"));
            return Err(error.help(format!("the network is {}", net.trunc())));
        }
        let via = self.via.as_ref().map(|v| v.0.parse::<IpAddr>()).transpose();
        let via = via.map_err(|_| ParameterError::new("routes", format!("`via` of {net} is no address")))?;
        if via.is_some_and(|v| v.is_ipv4() != net.addr().is_ipv4()) {
            return Err(ParameterError::new("routes", format!("`via` of {net} is of another family")));
        }
        if let Some(dev) = &self.dev {
            check_interface("routes", &dev.0)?;
        }
        if via.is_none() && self.dev.is_none() {
            return Err(ParameterError::new("routes", format!("{net} needs `via` or `dev`")));
        }
        if self.onlink.0 && (via.is_none() || self.dev.is_none()) {
            return Err(ParameterError::new("routes", format!("{net} is `onlink`, and needs `via` and `dev`")));
        }
        Ok((net, Way { via, dev: self.dev.as_ref().map(|d| d.0.clone()), onlink: self.onlink.0 }))
    }
}

/// The same for every set: the whole main table.
fn question() -> Probe {
    let script = "PATH=$PATH:/usr/sbin:/sbin; command -v ip >/dev/null || { echo 'ip is not there: install iproute2' >&2; exit 9; }\n\
                  ip -4 route show table main; ip -6 route show table main 2>/dev/null\n:\n";
    Probe::Script {
        script: script.to_owned(),
        reads: vec![Resource::Path("/proc/net/route".into()), Resource::Path("/sys/class/net".into())],
    }
}

/// A destination and the way to it, from words as `ip route` prints and takes them.
fn parse(line: &str) -> Option<(IpNet, Way)> {
    let mut words = line.split_whitespace().peekable();
    // `unreachable 10.0.0.0/8` and its like begin with their kind.
    while words.next_if(|w| matches!(*w, "unicast" | "unreachable" | "blackhole" | "prohibit" | "throw")).is_some() {}
    let first = words.next()?;
    let rest: Vec<_> = words.collect();
    let behind = |key: &str| rest.iter().position(|w| *w == key).and_then(|i| rest.get(i + 1)).copied();
    let via: Option<IpAddr> = behind("via").filter(|v| *v != "inet6").and_then(|v| v.parse().ok());
    let net = match first {
        "default" => Some(if via.is_some_and(|v| v.is_ipv6()) { "::/0".parse().ok()? } else { IpNet::default() }),
        _ => first.parse::<IpNet>().ok().or_else(|| first.parse::<IpAddr>().ok().map(IpNet::from)),
    }?;
    Some((net, Way { via, dev: behind("dev").map(str::to_owned), onlink: rest.contains(&"onlink") }))
}

/// The routes that a unit's file holds.
fn recorded(text: &str) -> BTreeMap<IpNet, Way> {
    let command = |line: &str| {
        let inner = line.strip_prefix("ExecStart=-/bin/sh -c \"")?.strip_suffix('"')?;
        parse(inner.strip_prefix("ip route replace ").or_else(|| inner.strip_prefix("ip -6 route replace "))?)
    };
    text.lines().filter_map(command).collect()
}

fn replace(net: &IpNet, way: &Way) -> String {
    let six = if net.addr().is_ipv6() { "-6 " } else { "" };
    format!("ip {six}route replace {net}{}", way.words())
}

fn delete(net: &IpNet, way: &Way) -> String {
    let six = if net.addr().is_ipv6() { "-6 " } else { "" };
    format!("ip {six}route del {net}{}", way.words())
}

impl Routes {
    fn unit_name(&self) -> String {
        format!("bringup-routes-{}.service", self.name.0)
    }

    fn wanted(&self) -> Result<BTreeMap<IpNet, Way>, Failure> {
        let read = self.routes.0.iter().map(Route::read).collect::<Result<_, _>>();
        read.map_err(|e| Failure::new(e.message))
    }

    /// What is to be done to the live table: sentences, commands, and the table's lines afterwards.
    fn live_changes(
        &self,
        live: &[(IpNet, Way)],
        wanted: &BTreeMap<IpNet, Way>,
        ours: &BTreeMap<IpNet, Way>,
    ) -> (Vec<String>, String) {
        let (mut what, mut script) = (Vec::new(), String::new());
        let mut act = |sentence: String, command: String| {
            what.push(sentence);
            script.push_str(&command);
            script.push_str(" || exit\n");
        };
        let present = self.state == Presence::Present;
        for (net, way) in wanted.iter().filter(|_| present) {
            let there: Vec<_> = live.iter().filter(|(n, _)| n == net).map(|(_, w)| w).collect();
            if there.iter().any(|w| way.is(w)) {
                // The way is there; others for the same network would compete with it.
                for other in there.into_iter().filter(|w| !way.is(w)) {
                    act(format!("remove the route to {net}{}", other.words()), delete(net, other));
                }
            } else {
                for other in there {
                    act(format!("remove the route to {net}{}", other.words()), delete(net, other));
                }
                act(format!("make the route to {net}{}", way.words()), replace(net, way));
            }
        }
        for (net, way) in ours.iter().filter(|(net, _)| !present || !wanted.contains_key(*net)) {
            if live.iter().any(|(n, w)| n == net && way.is(w)) {
                act(format!("remove the route to {net}{}", way.words()), delete(net, way));
            }
        }
        (what, script)
    }

    fn table(
        &self,
        live: &[(IpNet, Way)],
        wanted: &BTreeMap<IpNet, Way>,
        ours: &BTreeMap<IpNet, Way>,
    ) -> Vec<(IpNet, Way)> {
        let touched = |net: &IpNet| wanted.contains_key(net) || ours.contains_key(net);
        let mut after: Vec<_> = live.iter().filter(|(net, _)| !touched(net)).cloned().collect();
        if self.state == Presence::Present {
            after.extend(wanted.iter().map(|(n, w)| (*n, w.clone())));
        }
        after
    }
}

/// Lines of a table, for people and for predictions.
fn lines<'a>(routes: impl IntoIterator<Item = (&'a IpNet, &'a Way)>) -> String {
    routes.into_iter().map(|(net, way)| format!("{net}{}\n", way.words())).collect()
}

impl Module for Routes {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let mut probes = vec![question()];
        if self.persistent.0 {
            probes.extend(unit::probes(context, state, &self.unit_name()));
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let answer = state.script(&question())?;
        if answer.status != 0 {
            return Err(Failure::said(answer).into());
        }
        let live: Vec<_> = answer.text().lines().filter_map(parse).collect();
        let wanted = self.wanted()?;
        let mut ours = if self.persistent.0 {
            recorded(unit::text(context, state, &self.unit_name())?.unwrap_or_default())
        } else {
            BTreeMap::new()
        };
        if self.state == Presence::Absent {
            ours.extend(wanted.clone());
        }
        let mut plan = Plan::default();
        let (what, script) = self.live_changes(&live, &wanted, &ours);
        if !what.is_empty() {
            let script = format!("PATH=$PATH:/usr/sbin:/sbin\n{script}");
            let writes = vec![Resource::Path("/proc/net/route".into())];
            plan.changes.push(Change { what: what.join(", "), step: Step::Script(script), writes, closed: false });
            let after = self.table(&live, &wanted, &ours);
            let mine = |routes: &[(IpNet, Way)]| {
                lines(
                    routes.iter().filter(|(n, _)| wanted.contains_key(n) || ours.contains_key(n)).map(|(n, w)| (n, w)),
                )
            };
            let header = format!("routes {}", self.name.0);
            plan.diff.push(Diff {
                before: mine(&live),
                after: mine(&after),
                before_header: header.clone(),
                after_header: header,
            });
            let stdout = lines(after.iter().map(|(n, w)| (n, w))).into_bytes();
            plan.predictions.push((question(), Answer::Script(ScriptAnswer { stdout, ..ScriptAnswer::default() })));
        }
        if self.persistent.0 {
            if self.state == Presence::Present {
                let unit = BootUnit {
                    name: self.unit_name(),
                    description: format!("Routes {}", self.name.0),
                    order: "Wants=network-online.target\nAfter=network-online.target\nBefore=kubelet.service\n",
                    commands: wanted.iter().map(|(n, w)| replace(n, w)).collect(),
                    // A node that is out of reach must not keep the ways to the others from being made.
                    go_on: true,
                };
                unit.keep(context, state, &mut plan)?;
            } else {
                unit::drop_unit(context, state, &self.unit_name(), &mut plan)?;
            }
        }
        plan.result =
            Map::from_iter([("name".to_owned(), json!(self.name.0)), ("state".to_owned(), json!(self.state.word()))]);
        Ok(plan)
    }
}
