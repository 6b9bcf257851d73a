//! Kubeconfig files: written, merged, taken apart.
//!
//! Source: <https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/>

use serde_json::{Map, Value as Json, json};

/// What a kubeconfig for one cluster and one user says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kubeconfig {
    /// The cluster's and the context's name.
    pub cluster: String,
    /// The API server's URL.
    pub server: String,
    /// The user's name.
    pub user: String,
    /// Fields of the cluster: `certificate-authority` or `certificate-authority-data`.
    pub authority: Vec<(String, String)>,
    /// Fields of the user: `client-certificate`, `client-key`, their `-data` forms, `token`.
    pub credentials: Vec<(String, String)>,
}

impl Kubeconfig {
    /// The file's text, as YAML (JSON is YAML: this is written by hand in kubectl's own layout).
    pub fn text(&self) -> String {
        let fields = |list: &[(String, String)]| {
            list.iter().map(|(k, v)| format!("    {k}: {}\n", quoted(v))).collect::<String>()
        };
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: {cluster}\n  cluster:\n    server: {server}\n{authority}\
             contexts:\n- name: {cluster}\n  context:\n    cluster: {cluster}\n    user: {user}\n\
             current-context: {cluster}\nusers:\n- name: {user}\n  user:\n{credentials}",
            cluster = quoted(&self.cluster),
            server = quoted(&self.server),
            user = quoted(&self.user),
            authority = fields(&self.authority),
            credentials = fields(&self.credentials),
        )
    }
}

/// A text as a YAML scalar.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@+=".contains(c))
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && !text.ends_with(':')
        && !["true", "false", "null", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { json!(text).to_string() }
}

const LISTS: [&str; 3] = ["clusters", "contexts", "users"];

/// Takes all entries of `new` into `old`, replacing those of the same name. Says whether anything differs.
pub fn merge(old: Option<Json>, new: &Json, set_current: bool) -> (Json, bool) {
    let before = old.clone();
    let mut all =
        old.filter(Json::is_object).unwrap_or_else(|| json!({"apiVersion": "v1", "kind": "Config", "preferences": {}}));
    for list in LISTS {
        let added = new.get(list).and_then(Json::as_array).cloned().unwrap_or_default();
        let Some(map) = all.as_object_mut() else { continue };
        let entries = map.entry(list).or_insert_with(|| json!([]));
        if !entries.is_array() {
            *entries = json!([]);
        }
        let Some(entries) = entries.as_array_mut() else { continue };
        for entry in added {
            match entries.iter_mut().find(|e| e.get("name") == entry.get("name")) {
                Some(same) => *same = entry,
                None => entries.push(entry),
            }
        }
    }
    let none = all.get("current-context").and_then(Json::as_str).unwrap_or_default().is_empty();
    if set_current || none {
        all["current-context"] = new.get("current-context").cloned().unwrap_or(Json::Null);
    }
    let changed = before.as_ref() != Some(&all);
    (all, changed)
}

/// Takes out a cluster, the contexts that lead to it and the users that only those use.
pub fn remove(old: &Json, cluster: &str) -> (Json, bool) {
    let mut all = old.clone();
    let list = |all: &Json, name: &str| all.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
    let leads = |context: &Json| context.pointer("/context/cluster").and_then(Json::as_str) == Some(cluster);
    let user = |context: &Json| context.pointer("/context/user").and_then(Json::as_str).map(str::to_owned);
    let (gone, kept): (Vec<Json>, Vec<Json>) = list(&all, "contexts").into_iter().partition(leads);
    let used: Vec<String> = kept.iter().filter_map(user).collect();
    let unused: Vec<String> = gone.iter().filter_map(user).filter(|u| !used.contains(u)).collect();
    let name = |entry: &Json| entry.get("name").and_then(Json::as_str).unwrap_or_default().to_owned();
    let current = all.get("current-context").and_then(Json::as_str).unwrap_or_default().to_owned();
    let clusters: Vec<Json> = list(&all, "clusters").into_iter().filter(|c| name(c) != cluster).collect();
    let users: Vec<Json> = list(&all, "users").into_iter().filter(|u| !unused.contains(&name(u))).collect();
    let mut lists = Map::new();
    lists.insert("clusters".into(), json!(clusters));
    lists.insert("contexts".into(), json!(kept));
    lists.insert("users".into(), json!(users));
    if let Some(map) = all.as_object_mut() {
        let present: Vec<&str> = LISTS.into_iter().filter(|l| map.contains_key(*l)).collect();
        for list in present {
            map.insert(list.to_owned(), lists.get(list).cloned().unwrap_or(Json::Null));
        }
        if gone.iter().any(|c| name(c) == current) {
            let first = kept.first().map(name).unwrap_or_default();
            map.insert("current-context".into(), json!(first));
        }
    }
    let changed = all != *old;
    (all, changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str) -> Json {
        let config = Kubeconfig {
            cluster: name.to_owned(),
            server: "https://10.0.0.1:6443".to_owned(),
            user: format!("{name}-admin"),
            authority: vec![("certificate-authority-data".to_owned(), "QUJD=".to_owned())],
            credentials: vec![("token".to_owned(), "a: b".to_owned())],
        };
        crate::yaml::load_str("test", &config.text()).unwrap().to_json()
    }

    #[test]
    fn several_clusters_live_side_by_side_and_go_again() {
        let (one, changed) = merge(None, &config("one"), false);
        assert!(changed && one["current-context"] == "one");
        let (both, _) = merge(Some(one.clone()), &config("two"), false);
        assert_eq!(both["current-context"], "one");
        assert_eq!(both["clusters"].as_array().unwrap().len(), 2);
        let (same, changed) = merge(Some(both.clone()), &config("two"), false);
        assert!(!changed && same == both);
        let (left, changed) = remove(&both, "one");
        assert!(changed && left["current-context"] == "two" && left["users"].as_array().unwrap().len() == 1);
        assert!(!remove(&left, "one").1);
        assert_eq!(one["users"][0]["user"]["token"], "a: b");
    }
}
