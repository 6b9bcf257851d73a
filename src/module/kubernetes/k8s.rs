//! `kubernetes.core.k8s`: objects of the cluster, through the API.
//!
//! <https://docs.ansible.com/ansible/latest/collections/kubernetes/core/k8s_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{access::Access, objects};
use crate::{
    fact::{Probe, State},
    kube::{Reference, Request, WaitFor, differs},
    module::{
        Change, Context, Described, Diff, Failure, Flag, Module, ParameterError, Plan, PlanError, Return, Returns,
        StepOutput, Text, Whole,
    },
};

/// Parameters of `k8s`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct K8s {
    /// The objects: a mapping, a list of them, or YAML text with any number of documents.
    #[serde(alias = "resource_definition", alias = "inline")]
    #[schemars(extend("x-aliases" = ["resource_definition", "inline"]))]
    definition: Option<Json>,
    /// A file of the workstation with the objects.
    src: Option<Text>,
    /// A template of the workstation with the objects; a path, or a mapping with `path`.
    template: Option<Json>,
    /// The object's API version, where the definition does not say it.
    #[serde(alias = "api", alias = "version")]
    #[schemars(extend("x-aliases" = ["api", "version"]))]
    api_version: Option<Text>,
    /// The object's kind, where the definition does not say it.
    kind: Option<Text>,
    /// The object's name, where the definition does not say it.
    name: Option<Text>,
    /// The object's namespace, where the definition does not say it.
    namespace: Option<Text>,
    /// `present`, `absent`, or `patched`: changed only where it exists.
    #[serde(default)]
    state: Wanted,
    /// Apply as `kubectl apply --server-side` does: fields that are no longer given go away.
    #[serde(default)]
    apply: Flag,
    /// How to apply: `field_manager` and `force_conflicts`.
    server_side_apply: Option<ServerSideApply>,
    /// The kubeconfig on the host; `~/.kube/config` unless given.
    kubeconfig: Option<Text>,
    /// The context in the kubeconfig.
    context: Option<Text>,
    /// Wait until the objects are as wanted.
    #[serde(default)]
    wait: Flag,
    /// Seconds to wait at most.
    #[serde(default = "two_minutes")]
    wait_timeout: Whole,
    /// Seconds between two looks.
    #[serde(default = "one")]
    wait_sleep: Whole,
    /// The condition to wait for, instead of what the kind calls done.
    wait_condition: Option<WaitCondition>,
}

fn two_minutes() -> Whole {
    Whole(120)
}

fn one() -> Whole {
    Whole(1)
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    #[default]
    Present,
    Absent,
    Patched,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ServerSideApply {
    /// Who manages the fields.
    field_manager: Text,
    /// Take fields over from other managers.
    #[serde(default)]
    force_conflicts: Flag,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WaitCondition {
    /// The condition's type.
    #[serde(rename = "type")]
    kind: Text,
    /// The condition's status.
    #[serde(default = "truth")]
    status: Text,
    /// The condition's reason.
    reason: Option<Text>,
}

fn truth() -> Text {
    Text("True".to_owned())
}

impl Described for K8s {
    const NAME: &'static str = "kubernetes.core.k8s";
    const SUMMARY: &'static str = "Brings objects of a cluster about, through the API";
    const EXAMPLES: &'static str = "- name: a namespace for the shop\n  kubernetes.core.k8s:\n    kubeconfig: /etc/kubernetes/admin.conf\n    apply: true\n    definition:\n      apiVersion: v1\n      kind: Namespace\n      metadata: {name: shop}\n";
    const RETURNS: Returns = &[&[Return::map(
        "result",
        "always",
        "The object as the API server has it; of several, a list of them as its `results`",
    )]];

    fn check(&self) -> Result<(), ParameterError> {
        let sources = [self.definition.is_some(), self.src.is_some(), self.template.is_some()]
            .into_iter()
            .filter(|given| *given)
            .count();
        if sources > 1 {
            return Err(ParameterError::task("only one of definition, src and template can be given"));
        }
        if sources == 0 && (self.kind.is_none() || self.name.is_none()) {
            return Err(ParameterError::task("one of definition, src and template is needed, or kind and name"));
        }
        if self.server_side_apply.is_some() && !self.apply.0 {
            return Err(ParameterError::new("server_side_apply", "needs `apply: true`"));
        }
        Ok(())
    }
}

impl K8s {
    fn access(&self) -> Access<'_> {
        Access { kubeconfig: self.kubeconfig.as_ref(), context: self.context.as_ref() }
    }

    fn objects(&self, context: &Context<'_>) -> Result<Vec<Json>, Failure> {
        let given = match (&self.definition, &self.src, &self.template) {
            (Some(Json::String(text)), ..) => objects::parse("definition", text)?,
            (Some(value), ..) => objects::flatten(value.clone()),
            (_, Some(src), _) => objects::from_file(context, &src.0)?,
            (.., Some(template)) => objects::from_template(context, template)?,
            _ => vec![json!({})],
        };
        let complete = |object| {
            objects::complete(
                object,
                self.api_version.as_ref(),
                self.kind.as_ref(),
                self.name.as_ref(),
                self.namespace.as_ref(),
            )
        };
        // One that names no version is a core object.
        let with_version = |mut object: Json| {
            if object.is_object() && object.get("apiVersion").is_none() && self.api_version.is_none() {
                object["apiVersion"] = json!("v1");
            }
            object
        };
        given.into_iter().map(with_version).map(complete).collect()
    }

    fn manager(&self) -> (String, bool) {
        match &self.server_side_apply {
            Some(apply) => (apply.field_manager.0.clone(), apply.force_conflicts.0),
            None => ("bringup".to_owned(), false),
        }
    }

    fn compare(&self, object: &Json) -> Request {
        let (manager, force) = self.manager();
        Request::Compare { object: object.clone(), manager, force, merge: !self.apply.0 }
    }

    fn wait_for(&self, object: &Json) -> Request {
        let condition = self.wait_condition.as_ref();
        Request::Wait {
            object: Reference::of(object),
            until: WaitFor {
                condition: condition.map(|c| c.kind.0.clone()),
                status: condition.map_or_else(|| "True".to_owned(), |c| c.status.0.clone()),
                reason: condition.and_then(|c| c.reason.as_ref()).map(|r| r.0.clone()),
                timeout: u64::try_from(self.wait_timeout.0).unwrap_or(0),
                sleep: u64::try_from(self.wait_sleep.0).unwrap_or(1),
                gone: self.state == Wanted::Absent,
            },
        }
    }

    /// The change one object needs, and the difference.
    fn change(&self, state: &State, object: &Json) -> Result<Option<(Change, Diff)>, PlanError> {
        let reference = Reference::of(object);
        let title = objects::title(&reference);
        let diff = |before: &Json, after: &Json| Diff {
            before_header: title.clone(),
            after_header: title.clone(),
            before: objects::shown(before),
            after: objects::shown(after),
        };
        if self.state == Wanted::Absent {
            let answer = self.access().answer(state, &Request::Get { object: reference.clone() })?;
            let present = answer.pointer("/resources/0").cloned();
            return Ok(present.map(|present| {
                (
                    self.access().change(format!("delete {title}"), &Request::Delete { object: reference }),
                    diff(&present, &Json::Null),
                )
            }));
        }
        let answer = self.access().answer(state, &self.compare(object))?;
        let (present, applied) = (&answer["present"], &answer["applied"]);
        if (present.is_null() && self.state == Wanted::Patched) || (!present.is_null() && !differs(present, applied)) {
            return Ok(None);
        }
        let (manager, force) = self.manager();
        let request = Request::Apply { object: object.clone(), manager, force, merge: !self.apply.0 };
        let verb = if present.is_null() { "create" } else { "change" };
        Ok(Some((self.access().change(format!("{verb} {title}"), &request), diff(present, applied))))
    }
}

impl Module for K8s {
    fn probe(&self, context: &Context<'_>, _: &State) -> Vec<Probe> {
        let objects = self.objects(context).unwrap_or_default();
        let question = |object: &Json| match self.state {
            Wanted::Absent => Request::Get { object: Reference::of(object) },
            _ => self.compare(object),
        };
        objects.iter().map(|o| self.access().probe(&question(o))).collect()
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let mut plan = Plan::default();
        let objects = self.objects(context)?;
        let mut changed = false;
        for object in &objects {
            if let Some((change, diff)) = self.change(state, object)? {
                plan.changes.push(change);
                plan.diff.push(diff);
                changed = true;
            }
        }
        if self.wait.0 && !context.check {
            let what = |object: &Json| format!("wait for {}", objects::title(&Reference::of(object)));
            plan.changes.extend(objects.iter().map(|o| {
                let mut wait = self.access().change(what(o), &self.wait_for(o));
                wait.writes.clear();
                wait
            }));
        }
        plan.changed = Some(changed);
        Ok(plan)
    }

    fn finish(&self, context: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let mut results = Vec::new();
        for (change, output) in plan.changes.iter().zip(outputs) {
            if let Some(error) = &output.error {
                return Err(Failure::new(format!("cannot {}: {error}", change.what)));
            }
            let answer: Json = serde_json::from_slice(&output.stdout).unwrap_or(Json::Null);
            if answer.get("timed_out").is_some() {
                let why = format!("{} took more than {} seconds", change.what, self.wait_timeout.0);
                return Err(Failure::new(why).help("look at the object's status and its pods' events"));
            }
            if !answer.is_null() && !change.what.starts_with("wait") {
                results.push(answer);
            }
        }
        if results.is_empty() && plan.changes.is_empty() {
            results = self.objects(context)?;
        }
        let mut result = Map::new();
        result
            .insert("result".into(), if results.len() == 1 { results.remove(0) } else { json!({"results": results}) });
        Ok(result)
    }
}
