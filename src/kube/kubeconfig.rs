//! Kubeconfig files, written.
//!
//! Source: <https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/>

use serde_json::json;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_yaml_that_kubectl_writes() {
        let config = Kubeconfig {
            cluster: "one".to_owned(),
            server: "https://10.0.0.1:6443".to_owned(),
            user: "one-admin".to_owned(),
            authority: vec![("certificate-authority-data".to_owned(), "QUJD=".to_owned())],
            credentials: vec![("token".to_owned(), "a: b".to_owned())],
        };
        let read = crate::yaml::load_str("test", &config.text()).unwrap().to_json();
        assert_eq!(read["users"][0], json!({"name": "one-admin", "user": {"token": "a: b"}}));
        assert_eq!(read["current-context"], "one");
    }
}
