//! `bringup.kubeconfig_merge`: takes a cluster into a kubeconfig that holds several, or out of it.
//!
//! Meant for the workstation (`delegate_to: localhost`), where several clusters live side by side in one file. What is
//! taken in comes from a host: only the entries of the cluster that the task names, made new of what is known. All else is refused.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::{
    fact::{Missing, Probe, State},
    kube::{Entries, remove},
    module::{
        Context, Described, Failure, Flag, Mode, Module, ParameterError, Plan, PlanError, Returns, Text,
        ownership::Attributes, path, returns, whole_file::WholeFile,
    },
};

/// Parameters of `kubeconfig_merge`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KubeconfigMerge {
    /// The kubeconfig that holds several clusters; `~` is the home directory.
    path: Text,
    /// The kubeconfig to take in, as text. It holds the access to this one cluster and nothing else.
    content: Option<Text>,
    /// The cluster to take in or out; its context is called so too.
    cluster_name: Text,
    /// Whether the cluster is to be in it.
    #[serde(default)]
    state: Presence,
    /// Make the new context the current one even where there is one.
    #[serde(default)]
    set_current: Flag,
    /// Replace an entry of that name though another authority signs for it: the cluster was made anew.
    #[serde(default)]
    replace: Flag,
    /// Keep a replaced file.
    #[serde(default)]
    backup: Flag,
    /// The file's mode; 0600 unless given.
    mode: Option<Mode>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Presence {
    #[default]
    Present,
    Absent,
}

impl Described for KubeconfigMerge {
    const NAME: &'static str = "bringup.kubeconfig_merge";
    const SUMMARY: &'static str = "Takes a cluster into a kubeconfig that holds several, or out of it";
    const EXAMPLES: &'static str = "- name: use the cluster from here\n  bringup.kubeconfig_merge:\n    path: ~/.kube/config\n    cluster_name: shop\n    content: \"{{ fetched.content | b64decode }}\"\n  delegate_to: localhost\n  no_log: true\n";
    const RETURNS: Returns = &[returns::WRITTEN];

    fn check(&self) -> Result<(), ParameterError> {
        if self.state == Presence::Present && self.content.is_none() {
            return Err(ParameterError::new("content", "is needed to take a cluster in"));
        }
        Ok(())
    }
}

impl KubeconfigMerge {
    /// The file that is written: where `path` leads. A link of somebody who does not own what it leads to is not followed.
    fn target(&self, context: &Context<'_>, state: &State) -> Result<String, PlanError> {
        let path = path::absolute(context, state, &self.path.0)?;
        let link = state.stat(&path, false)?;
        let (real, stat) = path::follow(state, &path)?;
        if real == path {
            return Ok(path);
        }
        let owner = match stat {
            Some(stat) => Some(stat.uid),
            None => state.stat(path::parent(&real), false)?.map(|s| s.uid),
        };
        match link {
            Some(link) if link.uid != 0 && Some(link.uid) != owner => Err(Failure::new(format!(
                "{path} is a link of {} to {real}, which belongs to somebody else: it is not followed",
                link.owner
            ))
            .into()),
            _ => Ok(real),
        }
    }

    fn file<'a>(&'a self, path: &'a str) -> WholeFile<'a> {
        const SECRET: Mode = Mode::Bits(0o600);
        let mode = self.mode.as_ref().or(Some(&SECRET));
        WholeFile { path, attributes: Attributes::of(None, None, mode), backup: self.backup.0 }
    }

    /// The whole file as it should be; nothing where it is so already.
    fn wanted(&self, path: &str, present: Option<&str>) -> Result<Option<String>, Failure> {
        let read = |name: &str, text: &str| {
            let tree =
                crate::yaml::load_str(name, text).map_err(|e| Failure::new(format!("{name} is no kubeconfig: {e}")))?;
            Ok::<Json, Failure>(tree.to_json())
        };
        let old = present.filter(|t| !t.trim().is_empty()).map(|t| read(path, t)).transpose()?.filter(|o| !o.is_null());
        if old.as_ref().is_some_and(|o| !o.is_object()) {
            return Err(Failure::new(format!("{path} is no kubeconfig, and is left as it is")));
        }
        let name = &self.cluster_name.0;
        let (all, changed) = match (self.state, &self.content, old) {
            (Presence::Present, Some(content), old) => {
                let entries = Entries::of(&read("content", &content.0)?, name).map_err(|why| {
                    Failure::new(format!("the kubeconfig to take in is refused: {why}"))
                        .help(format!("it may hold the access to `{name}` and nothing else"))
                })?;
                entries.into(old, self.set_current.0, self.replace.0).map_err(|why| {
                    Failure::new(format!("{path} is left as it is: {why}")).help(format!(
                        "take the old one out with `state: absent`, or set `replace: true` if `{name}` was made anew"
                    ))
                })?
            }
            (Presence::Absent, _, Some(old)) => remove(&old, name),
            _ => return Ok(None),
        };
        let text = serde_yaml::to_string(&all).map_err(|e| Failure::new(format!("cannot write {path}: {e}")))?;
        Ok(changed.then_some(text))
    }
}

impl Module for KubeconfigMerge {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        match self.target(context, state) {
            Ok(path) => self.file(&path).probes(context),
            Err(PlanError::Missing(Missing::Unread(probe))) => vec![*probe],
            Err(_) => Vec::new(),
        }
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let path = self.target(context, state)?;
        let file = self.file(&path);
        let present = file.text(state)?;
        let wanted = self.wanted(&path, present.as_deref())?;
        if present.is_none() && wanted.is_none() {
            return Ok(Plan::default());
        }
        file.put(context, state, wanted, Map::new(), "write the kubeconfig")
    }
}
