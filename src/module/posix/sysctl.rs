//! `ansible.posix.sysctl`: settings of the kernel, now and after each boot.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/posix/sysctl_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::{
    fact::{Answer, Probe, Resource, State, kernel_path},
    module::{
        Change, Context, Described, Diff, Failure, Flag, Module, ParameterError, Plan, PlanError, Return, Returns,
        Step, Text,
        builtin::group::Presence,
        edit::{self, Edit},
    },
    python::truth::boolean_text,
    sh::quote,
};

/// Parameters of `sysctl`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sysctl {
    /// The setting, such as `net.ipv4.ip_forward`.
    #[serde(alias = "key")]
    #[schemars(extend("x-aliases" = ["key"]))]
    name: Text,
    /// Its value.
    #[serde(default, alias = "val")]
    #[schemars(extend("x-aliases" = ["val"]))]
    value: Option<Text>,
    /// Whether the file is to name it; `absent` leaves the running kernel as it is.
    #[serde(default)]
    state: Presence,
    /// Load the whole file when it or the setting has changed.
    #[serde(default = "Flag::yes")]
    reload: Flag,
    /// Set the running kernel's value too, when it differs.
    #[serde(default)]
    sysctl_set: Flag,
    /// Let settings that the kernel does not know pass.
    #[serde(default)]
    ignoreerrors: Flag,
    /// The file that keeps the setting.
    #[serde(default = "default_file")]
    sysctl_file: Text,
}

fn default_file() -> Text {
    Text("/etc/sysctl.conf".to_owned())
}

impl Described for Sysctl {
    const NAME: &'static str = "ansible.posix.sysctl";
    const SUMMARY: &'static str = "Sets kernel settings, now and for each boot";
    const EXAMPLES: &'static str = "\
- name: Let the kernel forward packets
  ansible.posix.sysctl:
    name: net.ipv4.ip_forward
    value: 1
    sysctl_set: true
    sysctl_file: /etc/sysctl.d/90-forward.conf
";
    const RETURNS: Returns = &[&[Return::text("name", "always", "The setting")]];

    fn check(&self) -> Result<(), ParameterError> {
        let key = &self.name.0;
        if key.is_empty() || key.contains(['=', '\n', '#', ' ']) || key.split(['.', '/']).any(str::is_empty) {
            return Err(ParameterError::new("name", format!("`{key}` is no setting's name")));
        }
        if self.state == Presence::Present && self.value.as_ref().is_none_or(|v| v.0.trim().is_empty()) {
            return Err(ParameterError::new("value", "it is missing: `state: present` needs one"));
        }
        if self.value.as_ref().is_some_and(|v| v.0.contains('\n')) {
            return Err(ParameterError::new("value", "a setting is one line"));
        }
        if !self.sysctl_file.0.starts_with('/') {
            return Err(ParameterError::new("sysctl_file", "an absolute path is needed"));
        }
        Ok(())
    }
}

/// A value with its blanks made single: the kernel prints tabs where people write spaces.
fn squeezed(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The setting and value of a line; comments and everything else have none. A leading `-` lets errors pass.
fn setting(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (key, value) = line.split_once('=')?;
    Some((key.trim().trim_start_matches('-').trim_end(), value.trim()))
}

impl Sysctl {
    /// The value as Ansible takes it: truth values become numbers.
    fn wanted(&self) -> String {
        let value = self.value.as_ref().map(|v| v.0.trim()).unwrap_or_default();
        match boolean_text(value) {
            Some(truth) => if truth { "1" } else { "0" }.to_owned(),
            None => value.to_owned(),
        }
    }

    fn is_mine(&self, key: &str) -> bool {
        kernel_path(key) == kernel_path(&self.name.0)
    }

    /// The file's text as it is to be; `None` when it is right.
    fn edited(&self, text: &str) -> Option<String> {
        let wanted = self.wanted();
        let mine = |line: &str| setting(line).filter(|(key, _)| self.is_mine(key)).map(|(_, value)| squeezed(value));
        let present: Vec<String> = text.lines().filter_map(mine).collect();
        let last_is_right = present.last().is_some_and(|v| *v == squeezed(&wanted));
        match self.state {
            Presence::Present if last_is_right => return None,
            Presence::Absent if present.is_empty() => return None,
            _ => {}
        }
        let mut lines: Vec<String> = Vec::new();
        let mut placed = self.state == Presence::Absent;
        for line in text.lines() {
            if mine(line).is_none() {
                lines.push(line.to_owned());
            } else if !placed {
                lines.push(format!("{}={wanted}", self.name.0));
                placed = true;
            }
        }
        if !placed {
            lines.push(format!("{}={wanted}", self.name.0));
        }
        Some(edit::joined(&lines))
    }

    /// Sets the running kernel's value, without the sysctl command.
    fn set_change(&self, wanted: &str) -> Change {
        let path = kernel_path(&self.name.0);
        let script = format!(
            "f={}\n[ -e \"$f\" ] || {{ echo \"the kernel has no setting {}: is its module loaded?\" >&2; exit 1; }}\n\
             printf '%s\\n' {} >\"$f\"\n",
            quote(&path),
            self.name.0.replace(['"', '$', '`', '\\'], ""),
            quote(wanted)
        );
        let writes = vec![Resource::Kernel(self.name.0.clone()), Resource::Path(path)];
        Change::closed(format!("set {} to {wanted}", self.name.0), Step::Script(script), writes)
    }

    fn reload_change(&self) -> Change {
        let flag = if self.ignoreerrors.0 { "-e " } else { "" };
        let script = format!("sysctl {flag}-p {} </dev/null\n", quote(&self.sysctl_file.0));
        let mut change = Change::closed(
            format!("load the settings of {}", self.sysctl_file.0),
            Step::Script(script),
            vec![Resource::Kernel(String::new()), Resource::Path("/proc/sys".to_owned())],
        );
        change.closed = false;
        change
    }
}

impl Module for Sysctl {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let mut probes = Edit::of(&self.sysctl_file.0).probe(context, state);
        if self.sysctl_set.0 && self.state == Presence::Present {
            probes.push(Probe::Kernel { key: self.name.0.clone() });
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let edit = Edit::of(&self.sysctl_file.0);
        let file = edit.present(context, state)?;
        let wanted = self.wanted();
        let mut plan = Plan { result: Map::from_iter([("name".to_owned(), json!(self.name.0))]), ..Plan::default() };
        let mut later = Vec::new();
        if self.sysctl_set.0 && self.state == Presence::Present {
            let present = state.kernel(&self.name.0)?;
            if present.is_none() && !self.ignoreerrors.0 {
                let why = format!("the kernel has no setting `{}`", self.name.0);
                return Err(Failure::new(why)
                    .help("is the module that brings it loaded? `ignoreerrors: true` lets it pass")
                    .into());
            }
            if let Some(present) = present.map(squeezed).filter(|p| *p != squeezed(&wanted)) {
                plan.changes.push(self.set_change(&wanted));
                let line = |value: &str| format!("{} = {value}\n", self.name.0);
                plan.diff.push(Diff {
                    before_header: "running kernel".to_owned(),
                    after_header: "running kernel".to_owned(),
                    before: line(&present),
                    after: line(&wanted),
                });
                later.push((Probe::Kernel { key: self.name.0.clone() }, Answer::Kernel(Some(wanted.clone()))));
            }
        }
        if let Some(after) = self.edited(file.text()?.unwrap_or_default()) {
            edit.write(context, state, &file, &after)?.add(&mut plan);
        }
        if !plan.changes.is_empty() && self.reload.0 {
            plan.changes.push(self.reload_change());
            if self.state == Presence::Present {
                later.push((Probe::Kernel { key: self.name.0.clone() }, Answer::Kernel(Some(wanted))));
            }
        }
        plan.predictions.extend(later);
        Ok(plan)
    }
}
