//! A kubeconfig of several clusters: one cluster taken in, or out again.
//!
//! What is taken in comes from a host. It is one cluster's access and nothing else: its three entries are made new of the
//! fields that are known, and whatever else it says is refused by its name. No other cluster's entry is touched.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value as Json, json};

const LISTS: [&str; 3] = ["clusters", "contexts", "users"];

/// What may stand in each entry. Names of files would be files of this machine, and of programs run here.
const CLUSTER: [&str; 3] = ["server", "certificate-authority-data", "tls-server-name"];
const CONTEXT: [&str; 3] = ["cluster", "user", "namespace"];
const USER: [&str; 3] = ["client-certificate-data", "client-key-data", "token"];

/// One cluster's access: what a host's kubeconfig may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries {
    name: String,
    user: String,
    cluster: Json,
    context: Map<String, Json>,
    credentials: Json,
}

impl Entries {
    /// Reads a kubeconfig that is `cluster`'s access and nothing else.
    ///
    /// # Errors
    /// What it says beyond that, by name.
    pub fn of(read: &Json, cluster: &str) -> Result<Entries, String> {
        known(
            read,
            "the kubeconfig",
            &["apiVersion", "kind", "preferences", "current-context", "clusters", "contexts", "users"],
        )?;
        if read.get("preferences").is_some_and(|p| !p.is_null() && p.as_object().is_none_or(|p| !p.is_empty())) {
            return Err("the kubeconfig has `preferences`, which are not taken over".to_owned());
        }
        let (_, fields) = only(read, "clusters", "cluster", Some(cluster))?;
        let made = taken(fields, &format!("the cluster `{cluster}`"), &CLUSTER)?;
        let server = made.get("server").and_then(Json::as_str).unwrap_or_default();
        if !server.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.contains(['@', '?', '#'])) {
            return Err(format!("the server of the cluster `{cluster}` is no https URL"));
        }
        if keys(&Json::Object(made.clone())).is_empty() {
            return Err(format!("the cluster `{cluster}` has no certificate in `certificate-authority-data`"));
        }
        let (_, fields) = only(read, "contexts", "context", Some(cluster))?;
        let context = taken(fields, &format!("the context `{cluster}`"), &CONTEXT)?;
        if context.get("cluster").and_then(Json::as_str) != Some(cluster) {
            return Err(format!("the context `{cluster}` leads to another cluster"));
        }
        let (user, fields) = only(read, "users", "user", None)?;
        let credentials = taken(fields, &format!("the user `{user}`"), &USER)?;
        if context.get("user").and_then(Json::as_str) != Some(user) {
            return Err(format!("the context `{cluster}` is for another user than `{user}`"));
        }
        Ok(Entries {
            name: cluster.to_owned(),
            user: user.to_owned(),
            cluster: Json::Object(made),
            context,
            credentials: Json::Object(credentials),
        })
    }

    /// Takes the entries into `old`. Says whether anything differs.
    ///
    /// # Errors
    /// When an entry of one of these names is another cluster's, unless `replace`.
    pub fn into(mut self, old: Option<Json>, set_current: bool, replace: bool) -> Result<(Json, bool), String> {
        let before = old.clone();
        let empty = || json!({"apiVersion": "v1", "kind": "Config", "preferences": {}});
        let mut all = old.filter(Json::is_object).unwrap_or_else(empty);
        self.belongs(&all, replace)?;
        // The namespace that a person has chosen for the context stays.
        let chosen = named(&all, "contexts", &self.name).and_then(|c| c.pointer("/context/namespace")).cloned();
        if let (None, Some(namespace)) = (self.context.get("namespace"), chosen) {
            self.context.insert("namespace".into(), namespace);
        }
        let entries = [
            ("clusters", json!({"name": self.name, "cluster": self.cluster})),
            ("contexts", json!({"name": self.name, "context": self.context})),
            ("users", json!({"name": self.user, "user": self.credentials})),
        ];
        for (list, entry) in entries {
            let Some(map) = all.as_object_mut() else { continue };
            let entries = map.entry(list).or_insert_with(|| json!([]));
            if entries.is_null() {
                *entries = json!([]);
            }
            let Some(entries) = entries.as_array_mut() else { return Err(format!("its `{list}` are no list")) };
            match entries.iter_mut().find(|e| e.get("name") == entry.get("name")) {
                Some(same) => *same = entry,
                None => entries.push(entry),
            }
        }
        let none = all.get("current-context").and_then(Json::as_str).unwrap_or_default().is_empty();
        if set_current || none {
            all["current-context"] = json!(self.name);
        }
        let changed = before.as_ref() != Some(&all);
        Ok((all, changed))
    }

    /// Whether what stands in `old` under these names is this cluster's.
    fn belongs(&self, old: &Json, replace: bool) -> Result<(), String> {
        let name = &self.name;
        if let Some(present) = named(old, "clusters", name).and_then(|c| c.get("cluster")) {
            let (theirs, ours) = (keys(present), keys(&self.cluster));
            if theirs.is_disjoint(&ours) && !replace {
                return Err(format!(
                    "there is a cluster `{name}` already, and it has another authority: another cluster has this name"
                ));
            }
        }
        let leads = |context: &Json| context.pointer("/context/cluster").and_then(Json::as_str) == Some(name);
        if named(old, "contexts", name).is_some_and(|c| !leads(c)) {
            return Err(format!("there is a context `{name}` already, and it leads to another cluster"));
        }
        if named(old, "users", &self.user).is_some() {
            let contexts = list(old, "contexts");
            let mut of_user = contexts
                .iter()
                .filter(|c| c.pointer("/context/user").and_then(Json::as_str) == Some(&self.user))
                .peekable();
            if of_user.peek().is_none() || !of_user.all(leads) {
                return Err(format!("there is a user `{}` already, who is not this cluster's", self.user));
            }
        }
        Ok(())
    }
}

/// Refuses what is not among the known fields.
fn known(value: &Json, whose: &str, names: &[&str]) -> Result<(), String> {
    let map = value.as_object().ok_or_else(|| format!("{whose} has no fields"))?;
    match map.keys().find(|k| !names.contains(&k.as_str())) {
        Some(other) => Err(format!("{whose} has `{other}`, which is not taken over from a host")),
        None => Ok(()),
    }
}

/// The known fields, each a text.
fn taken(fields: &Json, whose: &str, names: &[&str]) -> Result<Map<String, Json>, String> {
    known(fields, whose, names)?;
    let mut map = Map::new();
    for name in names {
        match fields.get(name) {
            None => {}
            Some(Json::String(text)) => {
                map.insert((*name).to_owned(), json!(text));
            }
            Some(_) => return Err(format!("`{name}` of {whose} is no text")),
        }
    }
    Ok(map)
}

/// The only entry of a list: its name and fields.
fn only<'j>(read: &'j Json, list: &str, inner: &str, name: Option<&str>) -> Result<(&'j str, &'j Json), String> {
    let entries = read.get(list).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    for entry in entries {
        known(entry, &format!("an entry of `{list}`"), &["name", inner])?;
        let found = entry.get("name").and_then(Json::as_str).unwrap_or_default();
        if name.is_some_and(|n| n != found) {
            return Err(format!("it also has the {inner} `{found}`, which is not asked for"));
        }
    }
    match entries {
        [entry] => {
            let found = entry.get("name").and_then(Json::as_str).filter(|n| !n.is_empty());
            let found = found.ok_or_else(|| format!("the {inner} has no name"))?;
            Ok((found, entry.get(inner).unwrap_or(&Json::Null)))
        }
        [] => Err(format!("it has no {inner}{}", name.map_or_else(String::new, |n| format!(" `{n}`")))),
        _ => Err(format!("it has more than one {inner}")),
    }
}

/// The public keys of a cluster's authorities: a renewed certificate has the same one.
fn keys(cluster: &Json) -> BTreeSet<Vec<u8>> {
    let data = cluster.get("certificate-authority-data").and_then(Json::as_str).unwrap_or_default();
    let packed: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let pem = STANDARD.decode(packed).unwrap_or_default();
    let parsed = x509_parser::pem::Pem::iter_from_buffer(&pem).flatten();
    parsed.filter_map(|p| p.parse_x509().ok().map(|c| c.public_key().raw.to_vec())).collect()
}

fn list(all: &Json, name: &str) -> Vec<Json> {
    all.get(name).and_then(Json::as_array).cloned().unwrap_or_default()
}

fn named<'j>(all: &'j Json, list: &str, name: &str) -> Option<&'j Json> {
    all.get(list)?.as_array()?.iter().find(|e| e.get("name").and_then(Json::as_str) == Some(name))
}

/// Takes out a cluster, the contexts that lead to it and the users that only those use.
pub fn remove(old: &Json, cluster: &str) -> (Json, bool) {
    let mut all = old.clone();
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

    /// An authority's certificate; another one for each key.
    fn authority(key: &rcgen::KeyPair) -> String {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        STANDARD.encode(params.self_signed(key).unwrap().pem())
    }

    fn config(name: &str, key: &rcgen::KeyPair) -> Json {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": "https://10.0.0.1:6443", "certificate-authority-data": authority(key)}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": format!("{name}-admin")}}],
            "users": [{"name": format!("{name}-admin"), "user": {"client-certificate-data": "QUJD", "client-key-data": "QUJD"}}],
        })
    }

    fn key() -> rcgen::KeyPair {
        rcgen::KeyPair::generate().unwrap()
    }

    fn merged(old: Option<Json>, new: &Json, name: &str) -> (Json, bool) {
        Entries::of(new, name).unwrap().into(old, false, false).unwrap()
    }

    #[test]
    fn several_clusters_live_side_by_side_and_go_again() {
        let (first, second) = (config("one", &key()), config("two", &key()));
        let (one, changed) = merged(None, &first, "one");
        assert!(changed && one["current-context"] == "one");
        let (both, _) = merged(Some(one), &second, "two");
        assert_eq!(both["current-context"], "one");
        assert_eq!(both["clusters"].as_array().unwrap().len(), 2);
        let (same, changed) = merged(Some(both.clone()), &second, "two");
        assert!(!changed && same == both);
        let (left, changed) = remove(&both, "one");
        assert!(changed && left["current-context"] == "two" && left["users"].as_array().unwrap().len() == 1);
        assert!(!remove(&left, "one").1);
    }

    #[test]
    fn nothing_but_the_cluster_asked_for_is_taken() {
        let good = config("one", &key());
        assert!(Entries::of(&good, "one").is_ok());
        assert!(Entries::of(&good, "two").is_err());
        let exec = json!({"exec": {"command": "touch"}});
        let edits: [(&str, &str, Json); 17] = [
            ("also has the cluster `prod`", "/clusters/-", json!({"name": "prod", "cluster": {}})),
            ("also has the context `prod`", "/contexts/-", json!({"name": "prod", "context": {}})),
            ("more than one user", "/users/-", json!({"name": "prod-admin", "user": exec})),
            ("`exec`", "/users/0/user/exec", exec["exec"].clone()),
            ("`auth-provider`", "/users/0/user/auth-provider", json!({})),
            ("`tokenFile`", "/users/0/user/tokenFile", json!("/root/token")),
            ("`client-key`", "/users/0/user/client-key", json!("/root/.ssh/id")),
            ("`as`", "/users/0/user/as", json!("carol")),
            ("is no text", "/users/0/user/token", json!(["t"])),
            ("`certificate-authority`", "/clusters/0/cluster/certificate-authority", json!("/etc/ca.crt")),
            ("`proxy-url`", "/clusters/0/cluster/proxy-url", json!("http://192.0.2.9")),
            ("`insecure-skip-tls-verify`", "/clusters/0/cluster/insecure-skip-tls-verify", json!(true)),
            ("no https URL", "/clusters/0/cluster/server", json!("http://192.0.2.9")),
            ("no certificate", "/clusters/0/cluster/certificate-authority-data", json!("QUJD")),
            ("leads to another cluster", "/contexts/0/context/cluster", json!("prod")),
            ("for another user", "/contexts/0/context/user", json!("prod-admin")),
            ("`extensions`", "/extensions", json!([])),
        ];
        for (why, place, value) in edits {
            let mut bad = good.clone();
            let (parent, last) = place.rsplit_once('/').unwrap();
            match bad.pointer_mut(parent).unwrap() {
                Json::Array(items) => items.push(value),
                parent => parent[last] = value,
            }
            let refused = Entries::of(&bad, "one").unwrap_err();
            assert!(refused.contains(why), "{place}: {refused}");
        }
    }

    #[test]
    fn what_is_another_clusters_is_not_replaced() {
        let own = key();
        let (old, _) = merged(None, &config("one", &own), "one");
        // The same authority with a new certificate, and another address: the same cluster.
        let mut moved = config("one", &own);
        moved["clusters"][0]["cluster"]["server"] = json!("https://10.0.0.2:6443");
        assert_eq!(merged(Some(old.clone()), &moved, "one").0["clusters"], moved["clusters"]);
        // Another authority: only when it is said.
        let anew = Entries::of(&config("one", &key()), "one").unwrap();
        let refused = anew.clone().into(Some(old.clone()), false, false).unwrap_err();
        assert!(refused.contains("another authority"), "{refused}");
        assert!(anew.into(Some(old.clone()), false, true).is_ok());
        // A user's name that another cluster's context, or nobody's, has.
        let mut thief = config("two", &key());
        thief["users"][0]["name"] = json!("one-admin");
        thief["contexts"][0]["context"]["user"] = json!("one-admin");
        let mut alone = old.clone();
        alone["contexts"] = json!([]);
        for old in [old.clone(), alone] {
            let refused = Entries::of(&thief, "two").unwrap().into(Some(old), false, true).unwrap_err();
            assert!(refused.contains("a user `one-admin`"), "{refused}");
        }
        let mut other = old.clone();
        other["contexts"][0]["name"] = json!("two");
        let refused = Entries::of(&config("two", &key()), "two").unwrap().into(Some(other), false, true).unwrap_err();
        assert!(refused.contains("leads to another cluster"), "{refused}");
    }

    #[test]
    fn the_namespace_that_a_person_chose_stays() {
        let new = config("one", &key());
        let (mut old, _) = merged(None, &new, "one");
        old["contexts"][0]["context"]["namespace"] = json!("shop");
        let (again, changed) = merged(Some(old.clone()), &new, "one");
        assert!(!changed && again == old);
    }
}
