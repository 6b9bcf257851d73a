//! `kubernetes.core.k8s_info`: reads objects of the cluster.
//!
//! <https://docs.ansible.com/ansible/latest/collections/kubernetes/core/k8s_info_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::access::Access;
use crate::{
    fact::{Probe, State},
    kube::{Reference, Request},
    module::{Context, Described, List, Module, Plan, PlanError, Text},
    playbook::About,
};

/// Parameters of `k8s_info`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct K8sInfo {
    /// The kind of the objects.
    kind: Text,
    /// Their API version.
    #[serde(default = "core", alias = "api", alias = "version")]
    #[schemars(extend("x-aliases" = ["api", "version"]))]
    api_version: Text,
    /// The name of one object.
    name: Option<Text>,
    /// Their namespace; all where there is none.
    namespace: Option<Text>,
    /// Labels that must match: `key=value`, `key`, `!key`.
    #[serde(default)]
    label_selectors: List<Text>,
    /// Fields that must match: `status.phase=Running`.
    #[serde(default)]
    field_selectors: List<Text>,
    /// The kubeconfig on the host; `~/.kube/config` unless given.
    kubeconfig: Option<Text>,
    /// The context in the kubeconfig.
    context: Option<Text>,
}

fn core() -> Text {
    Text("v1".to_owned())
}

impl Described for K8sInfo {
    const NAME: &'static str = "kubernetes.core.k8s_info";
    const ABOUT: About = About::TELLS;
    const SUMMARY: &'static str = "Reads objects of a cluster";
    const EXAMPLES: &'static str = "- name: read the nodes\n  kubernetes.core.k8s_info:\n    kubeconfig: /etc/kubernetes/admin.conf\n    kind: Node\n  register: nodes\n";
}

impl K8sInfo {
    fn access(&self) -> Access<'_> {
        Access { kubeconfig: self.kubeconfig.as_ref(), context: self.context.as_ref() }
    }

    fn request(&self) -> Request {
        let texts = |list: &List<Text>| list.0.iter().map(|t| t.0.clone()).collect();
        Request::Get {
            object: Reference {
                api_version: self.api_version.0.clone(),
                kind: self.kind.0.clone(),
                namespace: self.namespace.as_ref().map(|n| n.0.clone()),
                name: self.name.as_ref().map(|n| n.0.clone()),
                label_selectors: texts(&self.label_selectors),
                field_selectors: texts(&self.field_selectors),
            },
        }
    }
}

impl Module for K8sInfo {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![self.access().probe(&self.request())]
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let answer = self.access().answer(state, &self.request())?;
        let mut result = answer.as_object().cloned().unwrap_or_default();
        result.entry("resources").or_insert_with(|| json!([]));
        if result.get("api_found").and_then(Json::as_bool) == Some(false) {
            let note = format!("the cluster knows no {} in {}", self.kind.0, self.api_version.0);
            result.insert("msg".into(), json!(note));
        }
        Ok(Plan::ok(result))
    }
}
