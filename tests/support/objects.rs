//! What the API server of a case knows of Kubernetes: the kinds, reading, merge patches, server-side apply, evictions.
//!
//! Its controllers are done at once, but for containers whose image is `nowhere/…`: those never start.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

/// API version, kind, its plural, whether it lives in namespaces.
const KINDS: [(&str, &str, &str, bool); 7] = [
    ("v1", "Namespace", "namespaces", false),
    ("v1", "Node", "nodes", false),
    ("v1", "Pod", "pods", true),
    ("v1", "ConfigMap", "configmaps", true),
    ("v1", "Secret", "secrets", true),
    ("apps/v1", "Deployment", "deployments", true),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", true),
];

/// Status code and content.
pub struct Answer(pub u16, pub Json);

/// What the server says when it does not do what it is asked.
pub fn refusal(code: u16, message: impl Into<String>) -> Answer {
    let reason = match code {
        400 => "BadRequest",
        401 => "Unauthorized",
        404 => "NotFound",
        409 => "Conflict",
        429 => "TooManyRequests",
        _ => "MethodNotAllowed",
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message.into(), "reason": reason, "code": code});
    Answer(code, status)
}

/// Plural, namespace, name.
type Key = (&'static str, String, String);

struct Stored {
    object: Json,
    /// The fields that each manager has applied, as JSON pointers.
    managers: BTreeMap<String, BTreeSet<String>>,
}

/// All objects of a cluster.
pub struct Objects {
    all: BTreeMap<Key, Stored>,
    revision: u64,
}

/// A request to one kind.
struct Call<'a> {
    kind: &'static (&'static str, &'static str, &'static str, bool),
    namespace: String,
    name: Option<&'a str>,
    subresource: Option<&'a str>,
    query: BTreeMap<String, String>,
    body: Json,
}

impl Call<'_> {
    fn key(&self, name: &str) -> Key {
        (self.kind.2, self.namespace.clone(), name.to_owned())
    }

    fn missing(&self, name: &str) -> Answer {
        refusal(404, format!("{} \"{name}\" not found", self.kind.2))
    }

    fn manager(&self) -> String {
        self.query.get("fieldManager").cloned().unwrap_or_else(|| "unknown".to_owned())
    }

    fn is_dry(&self) -> bool {
        self.query.get("dryRun").is_some_and(|d| d == "All")
    }
}

impl Objects {
    /// Those of a case, which `kubectl` has applied unless they name another manager.
    pub fn new(given: &[Json]) -> Objects {
        let mut objects = Objects { all: BTreeMap::new(), revision: 0 };
        let spaces = ["default", "kube-system"];
        let spaces = spaces.map(|n| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}}));
        for object in spaces.iter().chain(given) {
            let text = |path: &str| object.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned();
            let kind = KINDS.iter().find(|k| k.1 == text("/kind")).unwrap_or_else(|| panic!("no kind: {object}"));
            let mut object = object.clone();
            let named = object["metadata"].as_object_mut().and_then(|m| m.remove("managedFields"));
            let manager = named.as_ref().and_then(|f| f.pointer("/0/manager")).and_then(Json::as_str);
            let managers = BTreeMap::from([(manager.unwrap_or("kubectl").to_owned(), leaves(&object))]);
            let key = (kind.2, text("/metadata/namespace"), text("/metadata/name"));
            objects.store(key, object, managers);
        }
        objects
    }

    /// The object of a title: `Kind namespace/name` or `Kind name`.
    pub fn titled(&self, title: &str) -> Option<Json> {
        let (kind, name) = title.split_once(' ').unwrap();
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let plural = KINDS.iter().find(|k| k.1 == kind).unwrap().2;
        self.all.get(&(plural, namespace.to_owned(), name.to_owned())).map(|s| s.object.clone())
    }

    /// Answers one request.
    pub fn answer(&mut self, method: &str, path: &str, query: &str, content_type: &str, body: &[u8]) -> Answer {
        let unknown = || refusal(404, "the server could not find the requested resource");
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ((*version).to_owned(), rest),
            ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), rest),
            _ => return unknown(),
        };
        if rest.is_empty() {
            return discovery(&version).unwrap_or_else(unknown);
        }
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            _ => ("", rest),
        };
        let Some(kind) = KINDS.iter().find(|k| k.0 == version && rest.first() == Some(&k.2)) else { return unknown() };
        let call = Call {
            kind,
            namespace: namespace.to_owned(),
            name: rest.get(1).copied(),
            subresource: rest.get(2).copied(),
            query: query.split('&').filter_map(|p| p.split_once('=')).map(|(k, v)| (decoded(k), decoded(v))).collect(),
            body: serde_json::from_slice(body).unwrap_or(Json::Null),
        };
        match (method, call.name, call.subresource) {
            ("GET", None, _) => self.list(&call),
            ("GET", Some(name), None) => match self.all.get(&call.key(name)) {
                Some(stored) => Answer(200, stored.object.clone()),
                None => call.missing(name),
            },
            ("POST", None, _) => self.create(&call),
            ("PATCH", Some(name), None) if content_type.contains("apply-patch") => self.apply(&call, name),
            ("PATCH", Some(name), None) => self.merge(&call, name),
            ("DELETE", Some(name), None) => match self.all.remove(&call.key(name)) {
                Some(stored) => Answer(200, stored.object),
                None => call.missing(name),
            },
            ("POST", Some(name), Some("eviction")) => self.evict(&call, name),
            _ => refusal(405, "the server does not allow this method on the requested resource"),
        }
    }

    fn list(&self, call: &Call<'_>) -> Answer {
        let given = |name: &str| call.query.get(name).cloned().unwrap_or_default();
        let (labels, fields) = (given("labelSelector"), given("fieldSelector"));
        let wanted = |key: &Key, object: &Json| {
            let label = |name: &str| object["metadata"]["labels"].get(name).and_then(Json::as_str).map(str::to_owned);
            let field = |path: &str| {
                let found = object.pointer(&format!("/{}", path.replace('.', "/"))).and_then(Json::as_str);
                Some(found.unwrap_or_default().to_owned())
            };
            key.0 == call.kind.2
                && (call.namespace.is_empty() || key.1 == call.namespace)
                && selected(&labels, label)
                && selected(&fields, field)
        };
        // As from the real one: the objects of a list do not say what kind they are.
        let bare = |stored: &Stored| {
            let mut object = stored.object.clone();
            for field in ["apiVersion", "kind"] {
                object.as_object_mut().unwrap().remove(field);
            }
            object
        };
        let items: Vec<_> = self.all.iter().filter(|(k, s)| wanted(k, &s.object)).map(|(_, s)| bare(s)).collect();
        let kind = format!("{}List", call.kind.1);
        Answer(200, json!({"apiVersion": call.kind.0, "kind": kind, "metadata": {}, "items": items}))
    }

    /// What is wrong with an object that is to be stored.
    fn wrong(&self, call: &Call<'_>, object: &Json) -> Option<Answer> {
        let space = ("namespaces", String::new(), call.namespace.clone());
        if call.kind.3 && !self.all.contains_key(&space) {
            return Some(refusal(404, format!("namespaces \"{}\" not found", call.namespace)));
        }
        let texts = |map: &Map<String, Json>| map.values().all(Json::is_string);
        if call.kind.1 == "ConfigMap" && !object["data"].as_object().is_none_or(texts) {
            let why = "cannot unmarshal number into Go struct field ConfigMap.data of type string";
            return Some(refusal(
                400,
                format!("ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: {why}"),
            ));
        }
        None
    }

    fn create(&mut self, call: &Call<'_>) -> Answer {
        let mut object = call.body.clone();
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if call.kind.3 {
            object["metadata"]["namespace"] = json!(call.namespace);
        }
        if self.all.contains_key(&call.key(&name)) {
            return refusal(409, format!("{} \"{name}\" already exists", call.kind.2));
        }
        let managers = BTreeMap::from([(call.manager(), leaves(&object))]);
        self.change(call, &name, object, managers)
    }

    fn merge(&mut self, call: &Call<'_>, name: &str) -> Answer {
        let Some(stored) = self.all.get(&call.key(name)) else { return call.missing(name) };
        let (mut object, managers) = (stored.object.clone(), stored.managers.clone());
        patch(&mut object, &call.body);
        self.change(call, name, object, managers)
    }

    fn apply(&mut self, call: &Call<'_>, name: &str) -> Answer {
        let stored = self.all.get(&call.key(name));
        let begin = json!({"apiVersion": call.kind.0, "kind": call.kind.1, "metadata": {"name": name}});
        let mut object = stored.map_or(begin, |s| s.object.clone());
        let mut managers = stored.map(|s| s.managers.clone()).unwrap_or_default();
        let (manager, wanted) = (call.manager(), leaves(&call.body));
        let force = call.query.get("force").is_some_and(|f| f == "true");
        for (other, fields) in managers.iter_mut().filter(|(m, _)| **m != manager) {
            let differs = |f: &&String| object.pointer(f) != call.body.pointer(f);
            let taken: Vec<String> = fields.intersection(&wanted).filter(differs).cloned().collect();
            if let (Some(first), false) = (taken.first(), force) {
                let (count, field) = (taken.len(), first.replace('/', "."));
                return refusal(409, format!("Apply failed with {count} conflict: conflict with \"{other}\": {field}"));
            }
            fields.retain(|f| !taken.contains(f));
        }
        let before = managers.insert(manager.clone(), wanted.clone()).unwrap_or_default();
        for gone in before.difference(&wanted).filter(|f| !managers.values().any(|m| m.contains(*f))) {
            let (parent, field) = gone.rsplit_once('/').unwrap();
            object.pointer_mut(parent).and_then(Json::as_object_mut).map(|o| o.remove(&unescaped(field)));
        }
        patch(&mut object, &call.body);
        self.change(call, name, object, managers)
    }

    fn evict(&mut self, call: &Call<'_>, name: &str) -> Answer {
        let Some(pod) = self.all.get(&call.key(name)) else { return call.missing(name) };
        let labels = pod.object["metadata"]["labels"].clone();
        let holds = |(key, stored): (&Key, &Stored)| {
            let budget = &stored.object;
            let mut wanted = budget["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
            key.0 == "poddisruptionbudgets"
                && key.1 == call.namespace
                && budget["status"]["disruptionsAllowed"] == 0
                && wanted.all(|(name, value)| labels.get(name) == Some(value))
        };
        if self.all.iter().any(holds) {
            return refusal(429, "Cannot evict pod as it would violate the pod's disruption budget.");
        }
        self.all.remove(&call.key(name));
        Answer(201, json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}))
    }

    /// Stores what a request makes of an object, unless it only asks what that would be.
    fn change(
        &mut self,
        call: &Call<'_>,
        name: &str,
        object: Json,
        managers: BTreeMap<String, BTreeSet<String>>,
    ) -> Answer {
        if let Some(refused) = self.wrong(call, &object) {
            return refused;
        }
        let key = call.key(name);
        if call.is_dry() {
            return Answer(200, object);
        }
        Answer(200, self.store(key, object, managers))
    }

    fn store(&mut self, key: Key, mut object: Json, managers: BTreeMap<String, BTreeSet<String>>) -> Json {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        object["metadata"]["generation"] = json!(self.revision);
        if key.0 == "deployments" {
            let wanted = object["spec"].get("replicas").and_then(Json::as_i64).unwrap_or(1);
            let ready = if object.to_string().contains("nowhere/") { 0 } else { wanted };
            object["status"] = json!({
                "observedGeneration": self.revision, "replicas": wanted, "updatedReplicas": wanted,
                "availableReplicas": ready, "unavailableReplicas": wanted - ready,
                "conditions": [{"type": "Available", "status": if ready == wanted { "True" } else { "False" }}],
            });
        }
        self.all.insert(key, Stored { object: object.clone(), managers });
        object
    }
}

/// The kinds of an API version.
fn discovery(version: &str) -> Option<Answer> {
    let kinds: Vec<_> = KINDS.iter().filter(|k| k.0 == version).collect();
    let resource = |(_, kind, plural, namespaced): &(&str, &str, &str, bool)| {
        let singular = kind.to_lowercase();
        json!({"name": plural, "singularName": singular, "namespaced": namespaced, "kind": kind, "verbs": ["get", "list", "create", "patch", "delete"]})
    };
    let resources: Vec<_> = kinds.iter().map(|k| resource(k)).collect();
    let list = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources});
    (!kinds.is_empty()).then_some(Answer(200, list))
}

/// A merge patch as RFC 7396 has it.
fn patch(object: &mut Json, with: &Json) {
    let Json::Object(fields) = with else {
        *object = with.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    let Some(map) = object.as_object_mut() else { return };
    for (name, value) in fields {
        match value.is_null() {
            true => drop(map.remove(name)),
            false => patch(map.entry(name.clone()).or_insert(Json::Null), value),
        }
    }
}

/// The pointers to all that somebody decided about an object; a list is one.
fn leaves(object: &Json) -> BTreeSet<String> {
    fn walk(at: &str, value: &Json, found: &mut BTreeSet<String>) {
        match value.as_object() {
            Some(map) if !map.is_empty() => {
                let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
                map.iter().for_each(|(name, value)| walk(&format!("{at}/{}", escaped(name)), value, found));
            }
            _ => drop(found.insert(at.to_owned())),
        }
    }
    let mut found = BTreeSet::new();
    walk("", object, &mut found);
    for fixed in ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"] {
        found.remove(fixed);
    }
    found.retain(|f| !f.starts_with("/status"));
    found
}

fn unescaped(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}

/// Whether an object has all of `a=b,c!=d,e,!f`.
fn selected(selectors: &str, value: impl Fn(&str) -> Option<String>) -> bool {
    selectors.split(',').filter(|s| !s.is_empty()).all(|selector| {
        if let Some((name, wrong)) = selector.split_once("!=") {
            return value(name).as_deref() != Some(wrong);
        }
        if let Some((name, wanted)) = selector.split_once('=') {
            return value(name).as_deref() == Some(wanted.trim_start_matches('='));
        }
        match selector.strip_prefix('!') {
            Some(name) => value(name).is_none(),
            None => value(selector).is_some(),
        }
    })
}

/// A part of a query as it was before it was made one.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).and_then(|c| u8::from_str_radix(c, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(byte)) => {
                found.push(byte);
                at += 2;
            }
            (b'+', _) => found.push(b' '),
            (byte, _) => found.push(byte),
        }
        at += 1;
    }
    String::from_utf8(found).unwrap()
}
