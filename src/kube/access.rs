//! What a kubeconfig says about the way to its API server, taken apart field by field.
//!
//! A host's kubeconfig is a host's word. Nothing that it names is run on this machine, and no file of this machine is
//! read for it: what it refers to is read where it lies, as the user who acts there. Only what is known and checked
//! here becomes part of the client. A kubeconfig of this machine is its user's own: there plugins run, as kubectl runs them.
//!
//! Source: <https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/>

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Uri;
use kube::{
    Config,
    config::{AuthInfo, Cluster, ExecAuthCluster},
};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use serde_json::{Map, Value as Json, json};

use super::Transport;

/// Fields of a user that hold what they say.
const PLAIN: [&str; 3] = ["username", "password", "token"];
/// Fields of a user that say in whose name it asks: kubectl sends them as headers.
const IMPERSONATE: [&str; 4] = ["as", "as-uid", "as-groups", "as-user-extra"];
/// Fields of a user that name a program.
const PROGRAMS: [&str; 2] = ["exec", "auth-provider"];

/// Reads a kubeconfig where it lies and makes a client's configuration of one of its contexts.
///
/// # Errors
/// A sentence for the user. Nothing secret is in it.
pub(super) async fn configuration(
    transport: &dyn Transport,
    path: &str,
    context: Option<&str>,
) -> Result<Config, String> {
    let bytes = transport.read(path).await.map_err(|e| format!("cannot read the kubeconfig {path}: {e}"))?;
    let wrong = |why: String| format!("the kubeconfig {path} is not understood: {why}");
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is no UTF-8 text".to_owned()))?;
    let parsed = crate::yaml::load_str(path, &text).map_err(|e| wrong(e.to_string()))?.to_json();
    let made = Source { transport, path }.configuration(&parsed, context).await;
    made.map_err(|why| format!("the kubeconfig {path} cannot be used: {why}"))
}

/// Where a kubeconfig lies.
struct Source<'a> {
    transport: &'a dyn Transport,
    path: &'a str,
}

impl Source<'_> {
    async fn configuration(&self, parsed: &Json, context: Option<&str>) -> Result<Config, String> {
        let current = match context {
            Some(name) => name.to_owned(),
            None => text(parsed.as_object(), "current-context")?
                .filter(|n| !n.is_empty())
                .ok_or("it has no `current-context`: name one with the parameter `context`")?,
        };
        let chosen = entry(parsed, "contexts", "context", &current)?;
        let cluster = text(Some(chosen), "cluster")?.ok_or(format!("the context `{current}` names no cluster"))?;
        let fields = entry(parsed, "clusters", "cluster", &cluster)?;
        let mut config = Config::new(server(fields)?);
        self.cluster(&cluster, fields, &mut config).await?;
        if let Some(namespace) = text(Some(chosen), "namespace")?.filter(|n| !n.is_empty()) {
            config.default_namespace = namespace;
        }
        if let Some(user) = text(Some(chosen), "user")?.filter(|u| !u.is_empty()) {
            config.auth_info = self.user(&user, entry(parsed, "users", "user", &user)?, fields).await?;
        }
        Ok(config)
    }

    /// Whom to believe that it is the API server.
    async fn cluster(&self, name: &str, fields: &Map<String, Json>, config: &mut Config) -> Result<(), String> {
        if text(Some(fields), "proxy-url")?.is_some_and(|p| !p.is_empty()) {
            return Err(format!(
                "the cluster `{name}` has `proxy-url`: the API server is reached from the host itself, past every proxy. Take it out"
            ));
        }
        if let Some(authority) = self.data(fields, "certificate-authority").await? {
            let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&authority).collect();
            let list = list.map_err(|e| format!("`certificate-authority` of the cluster `{name}`: {e}"))?;
            config.root_cert = Some(list.iter().map(|c| c.as_ref().to_vec()).collect());
        }
        config.accept_invalid_certs = flag(fields, "insecure-skip-tls-verify")?;
        config.tls_server_name = text(Some(fields), "tls-server-name")?.filter(|n| !n.is_empty());
        if let Some(name) = &config.tls_server_name {
            ServerName::try_from(name.as_str()).map_err(|_| "`tls-server-name` is no name of a server")?;
        }
        Ok(())
    }

    /// Who asks.
    async fn user(
        &self,
        name: &str,
        fields: &Map<String, Json>,
        cluster: &Map<String, Json>,
    ) -> Result<AuthInfo, String> {
        let mut known = Map::new();
        for field in PLAIN {
            if let Some(value) = text(Some(fields), field)?.filter(|v| !v.is_empty()) {
                known.insert(field.into(), json!(value));
            }
        }
        for field in IMPERSONATE {
            if let Some(value) = fields.get(field).filter(|v| !v.is_null()) {
                known.insert(field.into(), value.clone());
            }
        }
        for field in ["client-certificate", "client-key"] {
            if let Some(bytes) = self.data(fields, field).await? {
                known.insert(format!("{field}-data"), json!(STANDARD.encode(bytes)));
            }
        }
        if known.contains_key("client-certificate-data") != known.contains_key("client-key-data") {
            return Err(format!(
                "the user `{name}` has one of `client-certificate` and `client-key` without the other"
            ));
        }
        // As for kubectl: the file counts before the text.
        if let Some(file) = text(Some(fields), "tokenFile")?.filter(|f| !f.is_empty()) {
            let token = String::from_utf8(self.file(&file).await?).map_err(|_| format!("{file} holds no token"))?;
            known.insert("token".into(), json!(token.trim()));
        }
        for field in PROGRAMS {
            let Some(value) = fields.get(field).filter(|v| !v.is_null()) else { continue };
            if !self.transport.is_own() {
                return Err(format!(
                    "the user `{name}` has `{field}`, which names a command. A command that a host's kubeconfig names is not run \
                     on this machine. Use a user with a certificate or a token, or let the task run on localhost with a kubeconfig of your own"
                ));
            }
            known.insert(field.into(), value.clone());
        }
        let mut auth: AuthInfo =
            serde_json::from_value(Json::Object(known)).map_err(|e| format!("the user `{name}`: {e}"))?;
        if let Some(plugin) = auth.exec.as_mut().filter(|p| p.provide_cluster_info) {
            plugin.cluster = Some(self.told(cluster).await?);
        }
        Ok(auth)
    }

    /// What a plugin that asks for it is told of the cluster.
    async fn told(&self, fields: &Map<String, Json>) -> Result<ExecAuthCluster, String> {
        let mut fields = fields.clone();
        if let Some(authority) = self.data(&fields, "certificate-authority").await? {
            fields.remove("certificate-authority");
            fields.insert("certificate-authority-data".into(), json!(STANDARD.encode(authority)));
        }
        let cluster: Cluster = serde_json::from_value(Json::Object(fields)).map_err(|e| e.to_string())?;
        ExecAuthCluster::try_from(&cluster).map_err(|e| e.to_string())
    }

    /// What a field holds, in its `-data` form or in the file that it names.
    async fn data(&self, fields: &Map<String, Json>, name: &str) -> Result<Option<Vec<u8>>, String> {
        let inline = format!("{name}-data");
        if let Some(data) = text(Some(fields), &inline)?.filter(|d| !d.is_empty()) {
            let packed: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            return STANDARD.decode(packed).map(Some).map_err(|_| format!("`{inline}` is no base64"));
        }
        match text(Some(fields), name)?.filter(|f| !f.is_empty()) {
            Some(file) => self.file(&file).await.map(Some),
            None => Ok(None),
        }
    }

    /// A file that the kubeconfig names, from where the kubeconfig lies.
    async fn file(&self, name: &str) -> Result<Vec<u8>, String> {
        let folder = self.path.rsplit_once('/').map_or(".", |(folder, _)| folder);
        let file = if name.starts_with('/') { name.to_owned() } else { format!("{folder}/{name}") };
        self.transport.read(&file).await.map_err(|e| format!("cannot read {file}, which it names: {e}"))
    }
}

/// The API server's address.
fn server(cluster: &Map<String, Json>) -> Result<Uri, String> {
    let server = text(Some(cluster), "server")?.ok_or("the cluster has no `server`")?;
    let uri: Uri = server.parse().map_err(|_| format!("`server` is `{server}`, which is no URL"))?;
    if uri.scheme_str() != Some("https") {
        return Err(format!("`server` is `{server}`: plain HTTP is not supported; use an https URL"));
    }
    let authority = uri.authority().map_or("", |a| a.as_str());
    if authority.contains('@') || uri.query().is_some() || uri.host().is_none_or(str::is_empty) {
        return Err("`server` shall be https://ADDRESS:PORT, without a user or a query".to_owned());
    }
    Ok(uri)
}

/// The fields of the one entry of this name.
fn entry<'j>(parsed: &'j Json, list: &str, inner: &str, name: &str) -> Result<&'j Map<String, Json>, String> {
    let entries = parsed.get(list).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let mut found = entries.iter().filter(|e| e.get("name").and_then(Json::as_str) == Some(name));
    let first = found.next().ok_or_else(|| format!("it has no {inner} `{name}`"))?;
    if found.next().is_some() {
        return Err(format!("it has two of the {inner} `{name}`"));
    }
    first.get(inner).and_then(Json::as_object).ok_or_else(|| format!("the {inner} `{name}` has no fields"))
}

/// A field's text.
fn text(fields: Option<&Map<String, Json>>, name: &str) -> Result<Option<String>, String> {
    match fields.and_then(|f| f.get(name)) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{name}` is no text")),
    }
}

fn flag(fields: &Map<String, Json>, name: &str) -> Result<bool, String> {
    match fields.get(name) {
        None | Some(Json::Null) => Ok(false),
        Some(Json::Bool(value)) => Ok(*value),
        Some(_) => Err(format!("`{name}` is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use futures::future::BoxFuture;
    use kube::client::ConfigExt as _;

    use super::*;
    use crate::kube::Stream;

    /// A host with files, or this machine.
    struct Files {
        own: bool,
        files: HashMap<String, Vec<u8>>,
    }

    impl Transport for Files {
        fn read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<u8>, String>> {
            Box::pin(async move { self.files.get(path).cloned().ok_or_else(|| "there is no such file".to_owned()) })
        }

        fn connect<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, String>> {
            Box::pin(async { Err("nobody listens".to_owned()) })
        }

        fn is_own(&self) -> bool {
            self.own
        }

        fn actor(&self) -> String {
            String::new()
        }
    }

    const CLUSTER: &str = "server: https://192.0.2.1:6443";

    async fn config(own: bool, cluster: &str, user: &str, files: &[(&str, &str)]) -> Result<Config, String> {
        let text = format!(
            "clusters:\n- name: c\n  cluster: {{{cluster}}}\n- name: other\n  cluster: {{certificate-authority: /nowhere}}\n\
             contexts:\n- name: x\n  context: {{cluster: c, user: u, namespace: shop}}\ncurrent-context: x\n\
             users:\n- name: u\n  user: {{{user}}}\n- name: other\n  user: {{exec: {{command: 'false'}}}}\n"
        );
        let mut all: HashMap<String, Vec<u8>> =
            files.iter().map(|(p, c)| ((*p).to_owned(), c.as_bytes().to_vec())).collect();
        all.insert("/k/config".to_owned(), text.into_bytes());
        configuration(&Files { own, files: all }, "/k/config", None).await
    }

    fn fields(config: &Config) -> Json {
        // Tokens are shown by serialization alone.
        serde_json::to_value(&config.auth_info).unwrap()
    }

    #[tokio::test]
    async fn nothing_that_a_hosts_kubeconfig_names_runs_here() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("ran");
        let touch = mark.display();
        let plugins = [
            format!(
                "exec: {{apiVersion: client.authentication.k8s.io/v1, command: touch, args: ['{touch}'], interactiveMode: Never}}"
            ),
            format!("auth-provider: {{name: gcp, config: {{cmd-path: touch, cmd-args: '{touch}'}}}}"),
            // Beside a certificate or token it is refused as well.
            format!(
                "token: t, exec: {{apiVersion: client.authentication.k8s.io/v1, command: touch, args: ['{touch}']}}"
            ),
        ];
        for plugin in &plugins {
            let refused = config(false, CLUSTER, plugin, &[]).await.unwrap_err();
            assert!(refused.contains("is not run on this machine"), "{refused}");
            assert!(refused.contains("`exec`") || refused.contains("`auth-provider`"), "{refused}");
            assert!(!mark.exists(), "{plugin}");
        }
        // What is the person's own runs, as kubectl runs it.
        let own = config(true, CLUSTER, &plugins[0], &[]).await.unwrap();
        let _ = own.auth_layer();
        assert!(mark.exists());
        let asks = "exec: {apiVersion: client.authentication.k8s.io/v1, command: 'true', provideClusterInfo: true}";
        let told = config(true, CLUSTER, asks, &[]).await.unwrap().auth_info.exec.unwrap().cluster.unwrap();
        assert_eq!(told.server.as_deref(), Some("https://192.0.2.1:6443"));
    }

    #[tokio::test]
    async fn files_are_read_where_the_kubeconfig_lies() {
        let here = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(here.path(), "a secret of this machine").unwrap();
        let name = here.path().to_str().unwrap();
        for field in ["tokenFile", "client-key", "client-certificate"] {
            let why = config(false, CLUSTER, &format!("{field}: {name}"), &[]).await.unwrap_err();
            assert!(why.contains(&format!("cannot read {name}, which it names")), "{field}: {why}");
        }
        let why = config(false, &format!("{CLUSTER}, certificate-authority: {name}"), "", &[]).await.unwrap_err();
        assert!(why.contains("which it names"), "{why}");
        let there = config(false, CLUSTER, &format!("tokenFile: {name}"), &[(name, "a token of the host\n")]).await;
        let there = there.unwrap();
        assert_eq!(fields(&there), json!({"token": "a token of the host"}));
        // Beside the kubeconfig.
        let beside = config(false, CLUSTER, "tokenFile: token", &[("/k/token", "beside")]).await.unwrap();
        assert_eq!(fields(&beside)["token"], "beside");
        assert!(beside.auth_info.token_file.is_none() && beside.root_cert_file.is_none());
    }

    #[tokio::test]
    async fn every_field_is_followed_or_refused_by_name() {
        let cluster = format!("{CLUSTER}, tls-server-name: kubernetes, insecure-skip-tls-verify: true");
        let user = "username: u, password: p, as: carol, as-groups: [g], as-uid: '7', as-user-extra: {a: [b]}";
        let whole = config(false, &cluster, user, &[]).await.unwrap();
        assert_eq!(
            (whole.tls_server_name.as_deref(), whole.accept_invalid_certs, whole.default_namespace.as_str()),
            (Some("kubernetes"), true, "shop")
        );
        assert_eq!(whole.auth_info.impersonate.as_deref(), Some("carol"));
        assert_eq!(whole.auth_info.impersonate_groups, Some(vec!["g".to_owned()]));
        assert!(whole.proxy_url.is_none());
        for (cluster, user, named) in [
            ("server: https://192.0.2.1:6443, proxy-url: 'http://192.0.2.9:3128'", "", "`proxy-url`"),
            ("server: http://192.0.2.1:6443", "", "plain HTTP is not supported"),
            ("server: https://u:p@192.0.2.1:6443", "", "without a user"),
            ("server: [1]", "", "`server` is no text"),
            (CLUSTER, "token: 7", "`token` is no text"),
            (CLUSTER, "client-key-data: QUJD", "without the other"),
            (CLUSTER, "client-key-data: '*'", "no base64"),
            ("server: https://192.0.2.1:6443, tls-server-name: 'a b'", "", "`tls-server-name`"),
            ("server: https://192.0.2.1:6443, insecure-skip-tls-verify: 'yes'", "", "neither true nor false"),
        ] {
            let why = config(false, cluster, user, &[]).await.unwrap_err();
            assert!(why.contains(named), "{cluster} {user}: {why}");
        }
    }
}
