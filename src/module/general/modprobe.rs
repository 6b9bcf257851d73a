//! `community.general.modprobe`: modules of the kernel, now and after each boot.
//!
//! <https://docs.ansible.com/ansible/latest/collections/community/general/modprobe_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    fact::{Probe, Resource, State},
    module::{
        Change, Context, Described, Failure, Module, ParameterError, Plan, PlanError, Return, Returns, Step, Text,
        builtin::group::Presence,
        edit::{self, Edit},
    },
    sh::{self, quote, words},
};

/// Parameters of `modprobe`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Modprobe {
    /// The module's name.
    name: Text,
    /// Whether it is to be loaded.
    #[serde(default)]
    state: Presence,
    /// Parameters for the module, separated by blanks.
    #[serde(default)]
    params: Option<Text>,
    /// Whether each boot is to load it, by a file in `/etc/modules-load.d`; `disabled` leaves that as it is.
    #[serde(default)]
    persistent: Persistent,
}

/// What is to happen to the files that boots read.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Persistent {
    /// Nothing.
    #[default]
    Disabled,
    /// They name the module.
    Present,
    /// They don't name it.
    Absent,
}

/// Modules that can be built into a kernel without a trace in `/sys/module`, and where else they show.
const SIGNS: &[(&str, &str)] = &[
    ("br_netfilter", "/proc/sys/net/bridge"),
    ("bridge", "/sys/module/bridge"),
    ("nf_conntrack", "/proc/sys/net/netfilter"),
    ("ip_tables", "/proc/net/ip_tables_names"),
    ("ip6_tables", "/proc/net/ip6_tables_names"),
    ("ip_vs", "/proc/net/ip_vs"),
    ("8021q", "/proc/net/vlan"),
    ("tun", "/sys/class/misc/tun"),
    ("fuse", "/sys/class/misc/fuse"),
    ("kvm", "/sys/class/misc/kvm"),
    ("bonding", "/proc/net/bonding"),
];

impl Described for Modprobe {
    const NAME: &'static str = "community.general.modprobe";
    const SUMMARY: &'static str = "Loads and unloads kernel modules, now and for each boot";
    const EXAMPLES: &'static str = "\
- name: Let bridged packets pass the firewall's rules
  community.general.modprobe:
    name: br_netfilter
    persistent: present
";
    const RETURNS: Returns = &[&[
        Return::text("name", "always", "The kernel module"),
        Return::text("params", "always", "Its parameters"),
        Return::text("state", "always", "`present` or `absent`"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        let name = &self.name.0;
        if name.is_empty()
            || name.starts_with('-')
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        {
            return Err(ParameterError::new("name", format!("`{name}` is no module's name")));
        }
        if self.params.as_ref().is_some_and(|p| p.0.contains('\n')) {
            return Err(ParameterError::new("params", "they stand in one line"));
        }
        Ok(())
    }
}

/// The kernel takes `-` and `_` in module names for the same.
fn same(name: &str) -> String {
    name.replace('-', "_")
}

/// What the host knows of modules.
struct Modules {
    /// Loaded or built in.
    there: Vec<String>,
    /// Signs of built-in ones.
    signs: Vec<String>,
    /// File systems the kernel knows, each a module or built in.
    file_systems: Vec<String>,
    /// Whether this kernel can load modules.
    loads: bool,
    /// Lines of the files that boots read.
    files: Vec<(String, String)>,
}

impl Modprobe {
    /// The same for every module, so that a role's whole list costs one question.
    fn question() -> Probe {
        let signs: Vec<_> = SIGNS.iter().map(|(_, path)| *path).collect();
        let script = format!("set -- {}\n{}", words(signs), sh::file!("modprobe.sh"));
        let paths = ["/etc/modules", "/etc/modules-load.d", "/etc/modprobe.d"].map(|p| Resource::Path(p.to_owned()));
        Probe::Script { script, reads: [vec![Resource::Kernel("modules".to_owned())], paths.to_vec()].concat() }
    }

    fn modules(state: &State) -> Result<Modules, PlanError> {
        let text = state.script(&Modprobe::question())?.text();
        let mut modules =
            Modules { there: Vec::new(), signs: Vec::new(), file_systems: Vec::new(), loads: false, files: Vec::new() };
        for line in text.lines() {
            match line.split_once(' ') {
                None if line == "L" => modules.loads = true,
                Some(("M", name)) => modules.there.push(same(name)),
                Some(("S", path)) => modules.signs.push(path.to_owned()),
                Some(("F", name)) => modules.file_systems.push(same(name)),
                Some(("C", found)) => {
                    if let Some((file, line)) = found.split_once(':') {
                        modules.files.push((file.to_owned(), line.trim().to_owned()));
                    }
                }
                _ => {}
            }
        }
        Ok(modules)
    }

    fn is_there(&self, modules: &Modules) -> bool {
        let name = same(&self.name.0);
        let sign = SIGNS.iter().find(|(module, _)| *module == name).map(|(_, path)| *path);
        modules.there.contains(&name)
            || modules.file_systems.contains(&name)
            || sign.is_some_and(|path| modules.signs.iter().any(|s| s == path))
    }

    fn load(&self, modules: &Modules, plan: &mut Plan) -> Result<(), PlanError> {
        let name = &self.name.0;
        let is_there = self.is_there(modules);
        let (verb, flag) = match (self.state, is_there) {
            (Presence::Present, false) => ("load", ""),
            (Presence::Absent, true) => ("unload", "-r "),
            _ => return Ok(()),
        };
        if !modules.loads {
            let why = format!(
                "the kernel of this host loads no modules, and `{name}` is {}",
                if is_there { "built in" } else { "not built in as far as can be seen" }
            );
            return Err(Failure::new(why).into());
        }
        let params = self
            .params
            .as_ref()
            .map(|p| p.0.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .unwrap_or_default();
        let params = if self.state == Presence::Present { format!(" {}", words(params)) } else { String::new() };
        let script = format!("PATH=$PATH:/sbin:/usr/sbin; modprobe {flag}-- {}{params}\n", quote(name));
        // A module brings settings and devices along.
        let writes = vec![
            Resource::Kernel(String::new()),
            Resource::Path("/proc".into()),
            Resource::Path("/sys".into()),
            Resource::Path("/dev".into()),
        ];
        let change =
            Change { what: format!("{verb} module {name}"), step: Step::Script(script), writes, closed: false };
        plan.changes.push(change);
        Ok(())
    }

    fn persist(
        &self,
        context: &Context<'_>,
        state: &State,
        modules: &Modules,
        plan: &mut Plan,
    ) -> Result<(), PlanError> {
        let name = same(&self.name.0);
        let in_list = |(file, line): &&(String, String)| {
            !file.starts_with("/etc/modprobe.d/") && line.split_whitespace().next().map(same).as_deref() == Some(&name)
        };
        let is_option = |line: &str| {
            let mut words = line.split_whitespace();
            words.next() == Some("options") && words.next().map(same).as_deref() == Some(&name)
        };
        let listed: Vec<&str> = modules.files.iter().filter(in_list).map(|(file, _)| file.as_str()).collect();
        match self.persistent {
            Persistent::Disabled => {}
            Persistent::Present => {
                if listed.is_empty() {
                    let path = format!("/etc/modules-load.d/{}.conf", self.name.0);
                    add(context, state, plan, &path, &format!("{}\n", self.name.0))?;
                }
                if let Some(params) = self.params.as_ref().filter(|p| !p.0.trim().is_empty()) {
                    let wanted = squeezed(&format!("options {} {}", self.name.0, params.0));
                    let present: Vec<_> = modules.files.iter().filter(|(_, line)| is_option(line)).collect();
                    if !matches!(present.as_slice(), [(_, line)] if squeezed(line) == wanted) {
                        for (file, _) in &present {
                            comment(context, state, plan, file, &is_option)?;
                        }
                        add(
                            context,
                            state,
                            plan,
                            &format!("/etc/modprobe.d/{}.conf", self.name.0),
                            &format!("{wanted}\n"),
                        )?;
                    }
                }
            }
            Persistent::Absent => {
                for file in listed {
                    comment(context, state, plan, file, &|line: &str| {
                        line.split_whitespace().next().map(same).as_deref() == Some(&name)
                    })?;
                }
                for (file, _) in
                    modules.files.iter().filter(|(file, line)| file.starts_with("/etc/modprobe.d/") && is_option(line))
                {
                    comment(context, state, plan, file, &is_option)?;
                }
            }
        }
        Ok(())
    }
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Adds a line to a file that may be there already.
fn add(context: &Context<'_>, state: &State, plan: &mut Plan, path: &str, line: &str) -> Result<(), PlanError> {
    let directory = path.rsplit_once('/').map_or("/", |(directory, _)| directory);
    if state.stat(directory, true)?.is_none() {
        let script = format!("umask 022; mkdir -p -- {}\n", quote(directory));
        let writes = vec![Resource::Path(directory.to_owned())];
        plan.changes.push(Change::closed(format!("create directory {directory}"), Step::Script(script), writes));
    }
    let edit = Edit::of(path);
    let file = edit.present(context, state)?;
    let mut text = file.text()?.unwrap_or_default().to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(line);
    edit.write(context, state, &file, &text)?.add(plan);
    Ok(())
}

/// Turns the lines that fit into comments, as Ansible does.
fn comment(
    context: &Context<'_>,
    state: &State,
    plan: &mut Plan,
    path: &str,
    fits: &dyn Fn(&str) -> bool,
) -> Result<(), PlanError> {
    let edit = Edit::of(path);
    let file = edit.present(context, state)?;
    let lines: Vec<_> = file.lines()?.map(|l| if fits(l.trim()) { format!("#{l}") } else { l.to_owned() }).collect();
    let text = edit::joined(&lines);
    edit.write(context, state, &file, &text)?.add(plan);
    Ok(())
}

impl Module for Modprobe {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![Modprobe::question()]
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let modules = Modprobe::modules(state)?;
        let mut result = Map::new();
        let params = self.params.as_ref().map(|p| p.0.clone()).unwrap_or_default();
        for (key, value) in
            [("name", json!(self.name.0)), ("params", json!(params)), ("state", json!(self.state.word()))]
        {
            result.insert(key.to_owned(), Json::clone(&value));
        }
        let mut plan = Plan::ok(result);
        self.load(&modules, &mut plan)?;
        self.persist(context, state, &modules, &mut plan)?;
        Ok(plan)
    }
}
