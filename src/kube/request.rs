//! What can be asked of the API: plain data that travels in a probe or a change.

use std::time::Duration;

use kube::{
    Api, Client, Error,
    api::{DeleteParams, DynamicObject, EvictParams, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
    discovery::{self, Scope},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// Which object or objects are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// `v1`, `apps/v1` …
    pub api_version: String,
    /// `Pod`, `Deployment` …
    pub kind: String,
    /// The namespace; `None` is the default one for namespaced kinds, or all when listing.
    pub namespace: Option<String>,
    /// The name; `None` lists.
    pub name: Option<String>,
    /// Labels that must match, each `key=value`, `key`, `!key` …
    #[serde(default)]
    pub label_selectors: Vec<String>,
    /// Fields that must match, each `path=value`.
    #[serde(default)]
    pub field_selectors: Vec<String>,
}

/// What an object is waited for to become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitFor {
    /// A condition's type; `None` waits for what the kind calls done.
    pub condition: Option<String>,
    /// The condition's status.
    pub status: String,
    /// The condition's reason.
    pub reason: Option<String>,
    /// Seconds at most.
    pub timeout: u64,
    /// Seconds between looks.
    pub sleep: u64,
    /// Wait until it is gone instead.
    pub gone: bool,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    /// Reads objects: `{"resources": […], "api_found": bool}`.
    Get {
        /// Which.
        object: Reference,
    },
    /// Reads an object and what the server would make of it: `{"present": …, "applied": …, "why": …}`.
    Compare {
        /// The object as wanted.
        object: Json,
        /// Who manages its fields.
        manager: String,
        /// Take fields over from other managers.
        force: bool,
        /// By a merge patch instead of server-side apply.
        merge: bool,
    },
    /// Brings an object about; returns it.
    Apply {
        /// The object as wanted.
        object: Json,
        /// Who manages its fields.
        manager: String,
        /// Take fields over from other managers.
        force: bool,
        /// By a merge patch instead of server-side apply.
        merge: bool,
    },
    /// Deletes an object; one that is not there is no error.
    Delete {
        /// Which.
        object: Reference,
    },
    /// Waits for an object; returns it.
    Wait {
        /// Which.
        object: Reference,
        /// What for.
        until: WaitFor,
    },
    /// Evicts a pod; one that is not there is no error. A disruption budget may refuse that for a while.
    Evict {
        /// Which.
        object: Reference,
        /// Its grace period in seconds.
        grace: Option<u32>,
        /// How many seconds to try.
        timeout: u64,
        /// Seconds between two tries.
        sleep: u64,
    },
}

impl Request {
    /// Whether it only reads.
    pub fn reads(&self) -> bool {
        matches!(self, Request::Get { .. } | Request::Compare { .. } | Request::Wait { .. })
    }

    /// Carries it out.
    pub(super) async fn send(&self, client: &Client) -> Result<Json, Error> {
        match self {
            Request::Get { object } => get(client, object).await,
            Request::Compare { object, manager, force, merge } => {
                compare(client, object, manager, *force, *merge).await
            }
            Request::Apply { object, manager, force, merge } => {
                apply(client, object, manager, *force, *merge, false).await
            }
            Request::Delete { object } => delete(client, object).await,
            Request::Wait { object, until } => wait(client, object, until).await,
            Request::Evict { object, grace, timeout, sleep } => {
                let patience = [*timeout, (*sleep).max(1)].map(Duration::from_secs);
                evict(client, object, *grace, patience).await
            }
        }
    }
}

impl Reference {
    /// The reference to an object.
    pub fn of(object: &Json) -> Reference {
        let text = |path: &str| object.pointer(path).and_then(Json::as_str).map(str::to_owned);
        Reference {
            api_version: text("/apiVersion").unwrap_or_default(),
            kind: text("/kind").unwrap_or_default(),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            ..Reference::default()
        }
    }

    fn gvk(&self) -> GroupVersionKind {
        let (group, version) = self.api_version.split_once('/').unwrap_or(("", &self.api_version));
        GroupVersionKind::gvk(group, version, &self.kind)
    }
}

async fn api(client: &Client, object: &Reference) -> Result<(Api<DynamicObject>, ApiResource), Error> {
    let (resource, capabilities) = discovery::pinned_kind(client, &object.gvk()).await?;
    let api = match (capabilities.scope, &object.namespace, &object.name) {
        (Scope::Cluster, ..) => Api::all_with(client.clone(), &resource),
        (Scope::Namespaced, Some(namespace), _) => Api::namespaced_with(client.clone(), namespace, &resource),
        (Scope::Namespaced, None, None) => Api::all_with(client.clone(), &resource),
        (Scope::Namespaced, None, Some(_)) => Api::default_namespaced_with(client.clone(), &resource),
    };
    Ok((api, resource))
}

fn whole(object: DynamicObject) -> Json {
    serde_json::to_value(object).unwrap_or(Json::Null)
}

fn missing(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 404)
}

async fn get(client: &Client, object: &Reference) -> Result<Json, Error> {
    let api = match api(client, object).await {
        Ok((api, _)) => api,
        Err(error) if missing(&error) || matches!(error, Error::Discovery(_)) => {
            return Ok(json!({"resources": [], "api_found": false}));
        }
        Err(error) => return Err(error),
    };
    let resources: Vec<Json> = match &object.name {
        Some(name) => api.get_opt(name).await?.map(whole).into_iter().collect(),
        None => {
            let mut params = ListParams::default();
            if !object.label_selectors.is_empty() {
                params = params.labels(&object.label_selectors.join(","));
            }
            if !object.field_selectors.is_empty() {
                params = params.fields(&object.field_selectors.join(","));
            }
            let list = api.list(&params).await?;
            let types = json!({"apiVersion": object.api_version, "kind": object.kind});
            list.items
                .into_iter()
                .map(|item| {
                    let mut item = whole(item);
                    for field in ["apiVersion", "kind"] {
                        if item.get(field).is_none_or(Json::is_null) {
                            item[field] = types[field].clone();
                        }
                    }
                    item
                })
                .collect()
        }
    };
    Ok(json!({"resources": resources, "api_found": true}))
}

async fn compare(client: &Client, object: &Json, manager: &str, force: bool, merge: bool) -> Result<Json, Error> {
    let reference = Reference::of(object);
    let api = match api(client, &reference).await {
        Ok((api, _)) => api,
        // Its kind may be defined by an object that comes before it.
        Err(error) if missing(&error) || matches!(error, Error::Discovery(_)) => {
            return Ok(
                json!({"present": null, "applied": object, "why": format!("the cluster does not know {} yet", reference.kind)}),
            );
        }
        Err(error) => return Err(error),
    };
    let name = reference.name.clone().unwrap_or_default();
    let present = api.get_opt(&name).await?.map(whole);
    if present.is_none() && merge {
        return Ok(json!({"present": null, "applied": object}));
    }
    if let (true, Some(present)) = (merge, &present) {
        let minor = minor(client).await;
        // Before the server applied objects itself: a merge replaces lists, and with them what the server has put into their items, such as
        // a service's port on nodes. What is there already is left alone.
        if minor < 18 && covers(present, object) {
            return Ok(json!({"present": present, "applied": present}));
        }
        // Before 1.13 it does not say what it would make of an object; the two oldest of those take the question for an order.
        if minor < 13 {
            return Ok(json!({"present": present, "applied": merged(present.clone(), object)}));
        }
    }
    match apply(client, object, manager, force, merge, true).await {
        Ok(applied) => Ok(json!({"present": present, "applied": applied})),
        // Its namespace may be made by an object that comes before it.
        Err(error) if present.is_none() && missing(&error) => {
            Ok(json!({"present": null, "applied": object, "why": error.to_string()}))
        }
        Err(error) => Err(error),
    }
}

/// The minor number of the server's release; of one that does not say it, the newest.
async fn minor(client: &Client) -> u32 {
    let version = client.apiserver_version().await.ok().filter(|version| version.major == "1");
    let digits = |text: String| text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok();
    version.and_then(|version| digits(version.minor)).unwrap_or(u32::MAX)
}

/// Whether all that is wanted is there already. What the server has put beside it counts for nothing, in items of lists too.
fn covers(present: &Json, wanted: &Json) -> bool {
    match (present, wanted) {
        (Json::Object(present), Json::Object(wanted)) => {
            wanted.iter().all(|(name, value)| covers(present.get(name).unwrap_or(&Json::Null), value))
        }
        (Json::Array(present), Json::Array(wanted)) => {
            present.len() == wanted.len() && present.iter().zip(wanted).all(|(present, wanted)| covers(present, wanted))
        }
        (Json::Null, Json::Object(wanted)) => wanted.values().all(Json::is_null),
        (Json::Null, Json::Array(wanted)) => wanted.is_empty(),
        _ => present == wanted,
    }
}

/// An object after a merge patch (RFC 7386).
fn merged(present: Json, patch: &Json) -> Json {
    let Json::Object(patch) = patch else { return patch.clone() };
    let mut fields = if let Json::Object(fields) = present { fields } else { serde_json::Map::new() };
    for (name, value) in patch {
        let now = fields.remove(name).unwrap_or(Json::Null);
        if !value.is_null() {
            fields.insert(name.clone(), merged(now, value));
        }
    }
    Json::Object(fields)
}

async fn apply(
    client: &Client,
    object: &Json,
    manager: &str,
    force: bool,
    merge: bool,
    dry_run: bool,
) -> Result<Json, Error> {
    let reference = Reference::of(object);
    let (api, resource) = api(client, &reference).await?;
    let name = reference.name.clone().unwrap_or_default();
    let mut params = PatchParams { dry_run, field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    if !merge {
        params.force = force;
        return api.patch(&name, &params, &Patch::Apply(object)).await.map(whole);
    }
    if api.get_opt(&name).await?.is_some() {
        return api.patch(&name, &params, &Patch::Merge(object)).await.map(whole);
    }
    let new: DynamicObject =
        serde_json::from_value(object.clone()).unwrap_or_else(|_| DynamicObject::new(&name, &resource));
    let params = PostParams { dry_run, field_manager: Some(manager.to_owned()) };
    api.create(&params, &new).await.map(whole)
}

async fn delete(client: &Client, object: &Reference) -> Result<Json, Error> {
    let api = match api(client, object).await {
        Ok((api, _)) => api,
        Err(error) if missing(&error) || matches!(error, Error::Discovery(_)) => return Ok(Json::Null),
        Err(error) => return Err(error),
    };
    match api.delete(&object.name.clone().unwrap_or_default(), &DeleteParams::background()).await {
        Ok(_) => Ok(Json::Null),
        Err(error) if missing(&error) => Ok(Json::Null),
        Err(error) => Err(error),
    }
}

/// So long from now; a year is for ever.
fn later(time: Duration) -> tokio::time::Instant {
    tokio::time::Instant::now() + time.min(Duration::from_secs(365 * 86400))
}

async fn evict(
    client: &Client,
    object: &Reference,
    grace: Option<u32>,
    [timeout, sleep]: [Duration; 2],
) -> Result<Json, Error> {
    let end = later(timeout);
    let pods: Api<k8s_openapi::api::core::v1::Pod> = match &object.namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::default_namespaced(client.clone()),
    };
    let delete_options = Some(DeleteParams { grace_period_seconds: grace, ..DeleteParams::default() });
    let params = EvictParams { delete_options, ..EvictParams::default() };
    loop {
        match pods.evict(&object.name.clone().unwrap_or_default(), &params).await {
            Ok(_) => return Ok(Json::Null),
            Err(error) if missing(&error) => return Ok(Json::Null),
            // The budget allows it once another pod has taken over.
            Err(Error::Api(status)) if status.code == 429 && later(sleep) <= end => {
                tokio::time::sleep(sleep).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn wait(client: &Client, object: &Reference, until: &WaitFor) -> Result<Json, Error> {
    let end = later(Duration::from_secs(until.timeout));
    loop {
        let found = match api(client, object).await {
            Ok((api, _)) => api.get_opt(&object.name.clone().unwrap_or_default()).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(None) if until.gone => return Ok(Json::Null),
            Ok(Some(object)) if !until.gone => {
                let object = whole(object);
                if is_as_wanted(&object, until) {
                    return Ok(object);
                }
            }
            // An API server that restarts meanwhile is waited for too.
            Ok(_) | Err(_) => {}
        }
        if tokio::time::Instant::now() >= end {
            return Ok(json!({"timed_out": true}));
        }
        tokio::time::sleep(Duration::from_secs(until.sleep.max(1)).min(Duration::from_secs(5))).await;
    }
}

/// Whether an object has the condition, or is done as its kind means it (what `kubernetes.core.k8s` waits for).
fn is_as_wanted(object: &Json, until: &WaitFor) -> bool {
    let number = |path: &str| object.pointer(path).and_then(Json::as_i64).unwrap_or(0);
    let conditions = object.pointer("/status/conditions").and_then(Json::as_array).cloned().unwrap_or_default();
    let has = |kind: &str, status: &str, reason: Option<&str>| {
        conditions.iter().any(|c| {
            c.get("type").and_then(Json::as_str) == Some(kind)
                && c.get("status").and_then(Json::as_str) == Some(status)
                && reason.is_none_or(|r| c.get("reason").and_then(Json::as_str) == Some(r))
        })
    };
    if let Some(kind) = &until.condition {
        return has(kind, &until.status, until.reason.as_deref());
    }
    let seen = number("/status/observedGeneration") >= number("/metadata/generation");
    match object.get("kind").and_then(Json::as_str) {
        Some("Deployment") => {
            let wanted = object.pointer("/spec/replicas").and_then(Json::as_i64).unwrap_or(1);
            seen && number("/status/updatedReplicas") >= wanted
                && number("/status/availableReplicas") >= wanted
                && number("/status/unavailableReplicas") == 0
        }
        Some("DaemonSet") => {
            let wanted = number("/status/desiredNumberScheduled");
            seen && object.pointer("/status/desiredNumberScheduled").is_some()
                && number("/status/updatedNumberScheduled") == wanted
                && number("/status/numberReady") == wanted
                && number("/status/numberUnavailable") == 0
        }
        Some("StatefulSet") => {
            let wanted = object.pointer("/spec/replicas").and_then(Json::as_i64).unwrap_or(1);
            seen && number("/status/readyReplicas") == wanted && number("/status/updatedReplicas") == wanted
        }
        Some("Pod") => has("Ready", "True", None),
        Some("Job") => has("Complete", "True", None),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use kube::client::Body;

    use super::*;

    /// A client of an API server that answers so: the status, and what it says.
    fn client(answer: impl Fn(&http::Request<Body>) -> (u16, Json) + Send + 'static) -> Client {
        let service = tower::service_fn(move |request| {
            let (code, answer) = answer(&request);
            let body = Body::from(serde_json::to_vec(&answer).unwrap());
            std::future::ready(Ok::<_, std::convert::Infallible>(
                http::Response::builder().status(code).body(body).unwrap(),
            ))
        });
        Client::new(service, "default")
    }

    #[test]
    fn what_is_there_covers_what_is_wanted_of_it() {
        let present = json!({"spec": {"replicas": 2, "list": [{"name": "a", "policy": "Always"}]}, "status": {}});
        for (covered, wanted) in [
            (true, json!({"spec": {"list": [{"name": "a"}], "empty": {}, "none": []}})),
            (true, json!({"spec": {"gone": null}})),
            (false, json!({"spec": {"replicas": null}})),
            (false, json!({"spec": {"replicas": 3}})),
            (false, json!({"spec": {"list": []}})),
            (false, json!({"spec": {"list": [{"name": "a"}, {"name": "b"}]}})),
        ] {
            assert_eq!(covers(&present, &wanted), covered, "{wanted}");
        }
        let patch = json!({"spec": {"replicas": null, "list": [1], "new": {"a": null, "b": 1}}});
        assert_eq!(merged(present, &patch), json!({"spec": {"list": [1], "new": {"b": 1}}, "status": {}}));
    }

    /// An API server that knows no dry run: what it is asked to change, it changes.
    fn of_release(minor: &'static str, changes: Arc<AtomicUsize>) -> Client {
        client(move |request| {
            if request.method() != http::Method::GET {
                changes.fetch_add(1, Ordering::SeqCst);
            }
            let answer = match request.uri().path() {
                "/version" => json!({"major": "1", "minor": minor, "gitVersion": "", "gitCommit": "",
                    "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": ""}),
                "/api/v1" => json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
                    {"name": "namespaces", "singularName": "", "namespaced": false, "kind": "Namespace", "verbs": ["get"]}]}),
                _ => json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "uid": "1"}}),
            };
            (200, answer)
        })
    }

    #[tokio::test]
    async fn a_server_without_dry_runs_is_not_asked_for_one() {
        for (minor, asked) in [("10", 0), ("12+", 0), ("13", 1), ("36", 1)] {
            let changes = Arc::new(AtomicUsize::new(0));
            let client = of_release(minor, changes.clone());
            let object =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"b": "c"}}});
            let request = Request::Compare { object, manager: "m".into(), force: true, merge: true };
            let compared = request.send(&client).await.unwrap();
            assert_eq!(changes.load(Ordering::SeqCst), asked, "{minor}: {compared}");
            assert_eq!(compared["applied"]["metadata"]["labels"].is_null(), asked == 1, "{compared}");
        }
    }

    /// Asks for an eviction where a budget refuses so many of them.
    async fn evicted(refusals: usize, timeout: u64) -> (Result<Json, Error>, usize) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let client = client(move |_| {
            let refused = counted.fetch_add(1, Ordering::SeqCst) < refusals;
            let (code, status) = if refused { (429, "Failure") } else { (201, "Success") };
            let answer = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": status,
                "code": code, "reason": "TooManyRequests", "message": "budget"});
            (code, answer)
        });
        let object = Reference { name: Some("web".into()), namespace: Some("default".into()), ..Reference::default() };
        let request = Request::Evict { object, grace: None, timeout, sleep: 1 };
        (request.send(&client).await, asked.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn an_eviction_that_a_budget_refuses_is_tried_until_its_time_is_over() {
        let (done, asked) = evicted(1, 30).await;
        assert!(done.is_ok(), "{done:?}");
        assert_eq!(asked, 2);
        let (refused, asked) = evicted(usize::MAX, 0).await;
        assert!(matches!(refused, Err(Error::Api(status)) if status.code == 429));
        assert_eq!(asked, 1);
    }
}
