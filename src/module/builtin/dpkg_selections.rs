//! `ansible.builtin.dpkg_selections`: holds packages back from upgrades, and lets them go.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/dpkg_selections_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::{
    fact::{Answer, Probe, Resource, ScriptAnswer, State},
    module::{Change, Context, Described, Diff, Failure, Module, ParameterError, Plan, PlanError, Step, Text},
    sh::quote,
};

/// Parameters of `dpkg_selections`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DpkgSelections {
    /// The package.
    name: Text,
    /// `hold` keeps its version, `install` lets it go again.
    selection: Selection,
}

/// What dpkg has in mind for a package.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Selection {
    /// It is installed and upgraded.
    Install,
    /// It is kept as it is.
    Hold,
    /// It is to be removed.
    Deinstall,
    /// It is to be removed with its configuration.
    Purge,
}

impl Selection {
    fn word(self) -> &'static str {
        match self {
            Selection::Install => "install",
            Selection::Hold => "hold",
            Selection::Deinstall => "deinstall",
            Selection::Purge => "purge",
        }
    }
}

impl Described for DpkgSelections {
    const NAME: &'static str = "ansible.builtin.dpkg_selections";
    const SUMMARY: &'static str = "Holds Debian packages back from upgrades";
    const EXAMPLES: &'static str = "\
- name: Keep the container runtime's version
  ansible.builtin.dpkg_selections:
    name: containerd
    selection: hold
";

    fn check(&self) -> Result<(), ParameterError> {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.:".contains(c);
        match self.name.0.chars().all(fine) && self.name.0.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            true => Ok(()),
            false => Err(ParameterError::new("name", format!("`{}` is no name of a Debian package", self.name.0))),
        }
    }
}

impl DpkgSelections {
    fn question(&self) -> Probe {
        let script = format!("LC_ALL=C dpkg --get-selections -- {}\n", quote(&self.name.0));
        Probe::Script { script, reads: vec![Resource::Package(self.name.0.clone())] }
    }
}

impl Module for DpkgSelections {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![self.question()]
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let (name, wanted) = (&self.name.0, self.selection.word());
        let text = state.script(&self.question())?.text();
        let present = text.split_whitespace().nth(1).map(str::to_owned);
        let Some(present) = present else {
            return Err(
                Failure::new(format!("Failed to find package '{name}' to perform selection '{wanted}'.")).into()
            );
        };
        let result = Map::from_iter([("before".to_owned(), json!(present)), ("after".to_owned(), json!(wanted))]);
        let mut plan = Plan::ok(result);
        if present != wanted {
            let line = |selection: &str| format!("{name} {selection}\n");
            let script = format!("printf '%s\\n' {} | dpkg --set-selections\n", quote(&format!("{name} {wanted}")));
            let writes = vec![Resource::Package(name.clone()), Resource::Path("/var/lib/dpkg".to_owned())];
            plan.changes.push(Change::closed(format!("select {wanted} for {name}"), Step::Script(script), writes));
            plan.diff.push(Diff {
                before: line(&present),
                after: line(wanted),
                before_header: "selections".into(),
                after_header: "selections".into(),
            });
            let stdout = format!("{name}\t{wanted}\n").into_bytes();
            plan.predictions
                .push((self.question(), Answer::Script(ScriptAnswer { stdout, ..ScriptAnswer::default() })));
        }
        Ok(plan)
    }
}
