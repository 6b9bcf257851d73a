//! `kubernetes.core.k8s_drain`: empties a node, or lets pods onto it again.
//!
//! <https://docs.ansible.com/ansible/latest/collections/kubernetes/core/k8s_drain_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::access::Access;
use crate::{
    fact::{Probe, State},
    kube::{Reference, Request, WaitFor},
    module::{Context, Described, Failure, Flag, Module, Plan, PlanError, Return, Returns, Text, Whole},
};

/// Parameters of `k8s_drain`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct K8sDrain {
    /// The node.
    name: Text,
    /// `drain`, `cordon` or `uncordon`.
    #[serde(default)]
    state: Wanted,
    /// What is evicted, and how.
    #[serde(default)]
    delete_options: DeleteOptions,
    /// The kubeconfig on the host; `~/.kube/config` unless given.
    kubeconfig: Option<Text>,
    /// The context in the kubeconfig.
    context: Option<Text>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    Cordon,
    #[default]
    Drain,
    Uncordon,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeleteOptions {
    /// Evict pods that nobody brings back.
    #[serde(default)]
    force: Flag,
    /// Go on though there are pods of DaemonSets, which stay.
    #[serde(default)]
    ignore_daemonsets: Flag,
    /// Go on though pods lose data in `emptyDir`.
    #[serde(default)]
    delete_emptydir_data: Flag,
    /// Seconds each pod has to end.
    terminate_grace_period: Option<Whole>,
    /// Seconds to wait for the pods to be gone, and to try evictions that a disruption budget refuses; 0 does not wait.
    #[serde(default)]
    wait_timeout: Whole,
    /// Seconds between two looks.
    #[serde(default)]
    wait_sleep: Whole,
}

impl Described for K8sDrain {
    const NAME: &'static str = "kubernetes.core.k8s_drain";
    const SUMMARY: &'static str = "Empties a node, or lets pods onto it again";
    const EXAMPLES: &'static str = "- name: empty the node\n  kubernetes.core.k8s_drain:\n    kubeconfig: /etc/kubernetes/admin.conf\n    name: worker1\n    delete_options:\n      ignore_daemonsets: true\n      wait_timeout: 120\n";
    const RETURNS: Returns = &[&[Return::text("result", "always", "What was done, in words for people")]];
}

impl K8sDrain {
    fn access(&self) -> Access<'_> {
        Access { kubeconfig: self.kubeconfig.as_ref(), context: self.context.as_ref() }
    }

    fn node(&self) -> Request {
        Request::Get {
            object: Reference {
                api_version: "v1".into(),
                kind: "Node".into(),
                name: Some(self.name.0.clone()),
                ..Reference::default()
            },
        }
    }

    fn pods(&self) -> Request {
        let field_selectors = vec![format!("spec.nodeName={}", self.name.0)];
        Request::Get {
            object: Reference { api_version: "v1".into(), kind: "Pod".into(), field_selectors, ..Reference::default() },
        }
    }

    /// The pods to evict, or why they cannot be.
    fn victims(&self, pods: &[Json]) -> Result<Vec<Reference>, Failure> {
        let mut victims = Vec::new();
        let (mut daemons, mut alone, mut data) = (Vec::new(), Vec::new(), Vec::new());
        for pod in pods {
            let mut reference = Reference::of(pod);
            (reference.api_version, reference.kind) = ("v1".into(), "Pod".into());
            let name = format!(
                "{}/{}",
                reference.namespace.as_deref().unwrap_or_default(),
                reference.name.as_deref().unwrap_or_default()
            );
            let finished = matches!(pod.pointer("/status/phase").and_then(Json::as_str), Some("Succeeded" | "Failed"));
            if pod.pointer("/metadata/annotations/kubernetes.io~1config.mirror").is_some() {
                continue;
            }
            let owner = pod.pointer("/metadata/ownerReferences/0/kind").and_then(Json::as_str);
            if owner == Some("DaemonSet") && !finished {
                daemons.push(name);
                continue;
            }
            if owner.is_none() && !finished {
                alone.push(name.clone());
            }
            let volumes = pod.pointer("/spec/volumes").and_then(Json::as_array);
            if volumes.into_iter().flatten().any(|v| v.get("emptyDir").is_some()) && !finished {
                data.push(name);
            }
            victims.push(reference);
        }
        let options = &self.delete_options;
        for (names, allowed, what, parameter) in [
            (daemons, options.ignore_daemonsets.0, "belong to DaemonSets", "ignore_daemonsets"),
            (alone, options.force.0, "belong to nobody who brings them back", "force"),
            (data, options.delete_emptydir_data.0, "keep data in emptyDir", "delete_emptydir_data"),
        ] {
            if !names.is_empty() && !allowed {
                return Err(Failure::new(format!("these pods {what}: {}", names.join(", ")))
                    .help(format!("set `delete_options.{parameter}: true` to go on")));
            }
        }
        Ok(victims)
    }
}

impl Module for K8sDrain {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        let mut probes = vec![self.access().probe(&self.node())];
        if self.state == Wanted::Drain {
            probes.push(self.access().probe(&self.pods()));
        }
        probes
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let access = self.access();
        let node = access.answer(state, &self.node())?.pointer("/resources/0").cloned();
        let node = node.ok_or_else(|| Failure::new(format!("the cluster has no node {}", self.name.0)))?;
        let cordoned = node.pointer("/spec/unschedulable").and_then(Json::as_bool).unwrap_or(false);
        let wanted = self.state != Wanted::Uncordon;
        let mut plan = Plan::default();
        if cordoned != wanted {
            let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name.0}, "spec": {"unschedulable": wanted}});
            let request = Request::Apply { object, manager: "bringup".into(), force: true, merge: true };
            let verb = if wanted { "cordon" } else { "uncordon" };
            plan.changes.push(access.change(format!("{verb} node {}", self.name.0), &request));
        }
        if self.state == Wanted::Drain {
            let pods = access
                .answer(state, &self.pods())?
                .get("resources")
                .and_then(Json::as_array)
                .cloned()
                .unwrap_or_default();
            let victims = self.victims(&pods)?;
            let grace = self.delete_options.terminate_grace_period.and_then(|g| u32::try_from(g.0).ok());
            let timeout = u64::try_from(self.delete_options.wait_timeout.0).unwrap_or(0);
            let sleep = u64::try_from(self.delete_options.wait_sleep.0).unwrap_or(1);
            for victim in &victims {
                let what = format!("evict {}", victim.name.as_deref().unwrap_or_default());
                let request = Request::Evict { object: victim.clone(), grace, timeout, sleep };
                plan.changes.push(access.change(what, &request));
            }
            for victim in victims.iter().filter(|_| timeout > 0) {
                let until =
                    WaitFor { condition: None, status: String::new(), reason: None, timeout, sleep, gone: true };
                let what = format!("wait for {} to be gone", victim.name.as_deref().unwrap_or_default());
                plan.changes.push(access.change(what, &Request::Wait { object: victim.clone(), until }));
            }
        }
        plan.result.insert(
            "result".into(),
            json!(format!("node {} is {}", self.name.0, if wanted { "cordoned" } else { "open for pods" })),
        );
        Ok(plan)
    }
}
