//! `ansible.builtin.hostname`: the host's own name, now and after each boot.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/hostname_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::{
    fact::{Answer, Probe, Resource, ScriptAnswer, State},
    module::{Change, Context, Described, Diff, Module, ParameterError, Plan, PlanError, Step, Text, edit::Edit},
    sh::quote,
};

/// Parameters of `hostname`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hostname {
    /// The name.
    name: Text,
    /// Accepted for Ansible's sake: `/etc/hostname` and the kernel are set on every Linux.
    #[serde(default, rename = "use")]
    #[allow(dead_code)]
    strategy: Option<Text>,
}

const FILE: &str = "/etc/hostname";

impl Described for Hostname {
    const NAME: &'static str = "ansible.builtin.hostname";
    const SUMMARY: &'static str = "Sets the host's name";
    const EXAMPLES: &'static str = "\
- name: Name the host as the inventory does
  ansible.builtin.hostname:
    name: \"{{ inventory_hostname }}\"
";

    fn check(&self) -> Result<(), ParameterError> {
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !l.starts_with('-')
                && !l.ends_with('-')
        };
        if self.name.0.len() > 64 || !self.name.0.split('.').all(label) {
            let error = ParameterError::new("name", format!("`{}` is no host's name", self.name.0));
            return Err(error.help("letters, digits and dashes, in parts separated by dots, 64 at most"));
        }
        Ok(())
    }
}

impl Hostname {
    fn question() -> Probe {
        Probe::Script { script: "uname -n\n".to_owned(), reads: vec![Resource::Kernel("kernel.hostname".to_owned())] }
    }
}

impl Module for Hostname {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        let mut probes = Edit::of(FILE).probe(context, state);
        probes.push(Hostname::question());
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let name = &self.name.0;
        let file = Edit::of(FILE).present(context, state)?;
        let present = state.script(&Hostname::question())?.text().trim().to_owned();
        let (short, domain) = name.split_once('.').unwrap_or((name, ""));
        let facts = [("hostname", short), ("nodename", name), ("fqdn", name), ("domain", domain)];
        let facts = facts.map(|(fact, value)| (format!("ansible_{fact}"), json!(value)));
        let mut plan = Plan::facts(Map::from_iter(facts));
        plan.result.insert("name".into(), json!(name));
        let kept = file.lines()?.map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#'));
        if kept != Some(name) {
            Edit::of(FILE).write(context, state, &file, &format!("{name}\n"))?.add(&mut plan);
        }
        if present != *name {
            let quoted = quote(name);
            let script = format!(
                "if command -v hostname >/dev/null; then hostname {quoted}; else printf %s {quoted} >/proc/sys/kernel/hostname; fi\n"
            );
            let writes = vec![
                Resource::Kernel("kernel.hostname".to_owned()),
                Resource::Path("/proc/sys/kernel/hostname".to_owned()),
            ];
            plan.changes.push(Change::closed(format!("name the host {name}"), Step::Script(script), writes));
            plan.diff.push(Diff {
                before_header: "running kernel".into(),
                after_header: "running kernel".into(),
                before: format!("{present}\n"),
                after: format!("{name}\n"),
            });
            let stdout = format!("{name}\n").into_bytes();
            plan.predictions
                .push((Hostname::question(), Answer::Script(ScriptAnswer { stdout, ..ScriptAnswer::default() })));
        }
        Ok(plan)
    }
}
