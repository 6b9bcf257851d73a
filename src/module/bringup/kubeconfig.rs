//! `bringup.kubeconfig`: a kubeconfig for one cluster and one user, written on the host.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Map;

use crate::{
    fact::{Probe, State},
    kube::Kubeconfig as File,
    module::{
        Context, Described, Failure, Flag, Mode, Module, ParameterError, Plan, PlanError, Returns, Text,
        ownership::Attributes,
        returns,
        whole_file::{WholeFile, content, text},
    },
};

/// Parameters of `kubeconfig`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kubeconfig {
    /// Where the file is on the host.
    path: Text,
    /// The cluster's name, which the context carries too.
    cluster_name: Text,
    /// The API server's URL.
    server: Text,
    /// The user's name.
    user: Text,
    /// The authority's certificate on the host.
    ca_path: Option<Text>,
    /// The user's certificate on the host.
    client_certificate_path: Option<Text>,
    /// The user's private key on the host.
    client_key_path: Option<Text>,
    /// The user's token, in the place of a certificate.
    token: Option<Text>,
    /// Put the contents of these files into it, so that it can leave the host; else it names their paths.
    #[serde(default = "Flag::yes")]
    embed: Flag,
    /// Keep a replaced file.
    #[serde(default)]
    backup: Flag,
    /// Who owns the file.
    owner: Option<Text>,
    /// The file's group.
    group: Option<Text>,
    /// The file's mode; 0600 unless given.
    mode: Option<Mode>,
}

impl Described for Kubeconfig {
    const NAME: &'static str = "bringup.kubeconfig";
    const SUMMARY: &'static str = "Writes a kubeconfig on the host";
    const EXAMPLES: &'static str = "- name: the administrator's kubeconfig\n  bringup.kubeconfig:\n    path: /etc/kubernetes/admin.conf\n    cluster_name: shop\n    server: https://10.0.0.1:6443\n    user: shop-admin\n    ca_path: /etc/kubernetes/pki/ca.crt\n    client_certificate_path: /etc/kubernetes/pki/admin.crt\n    client_key_path: /etc/kubernetes/pki/admin.key\n";
    const RETURNS: Returns = &[returns::WRITTEN];

    fn check(&self) -> Result<(), ParameterError> {
        if self.client_certificate_path.is_some() != self.client_key_path.is_some() {
            return Err(ParameterError::new(
                "client_key_path",
                "client_certificate_path and client_key_path go together",
            ));
        }
        if !self.server.0.starts_with("https://") && !self.server.0.starts_with("http://") {
            return Err(ParameterError::new("server", format!("`{}` is no URL", self.server.0))
                .help("write https://ADDRESS:6443"));
        }
        Ok(())
    }
}

impl Kubeconfig {
    fn file(&self) -> WholeFile<'_> {
        const SECRET: Mode = Mode::Bits(0o600);
        let mode = self.mode.as_ref().or(Some(&SECRET));
        WholeFile {
            path: &self.path.0,
            attributes: Attributes::of(self.owner.as_ref(), self.group.as_ref(), mode),
            backup: self.backup.0,
        }
    }

    fn named(&self) -> [(&'static str, &Option<Text>); 3] {
        [
            ("certificate-authority", &self.ca_path),
            ("client-certificate", &self.client_certificate_path),
            ("client-key", &self.client_key_path),
        ]
    }

    fn wanted(&self, state: &State) -> Result<String, PlanError> {
        let mut file = File {
            cluster: self.cluster_name.0.clone(),
            server: self.server.0.clone(),
            user: self.user.0.clone(),
            ..File::default()
        };
        for (field, path) in self.named() {
            let Some(path) = path else { continue };
            let entry = if self.embed.0 {
                let pem = text(state, &path.0)?;
                let pem =
                    pem.ok_or_else(|| Failure::new(format!("there is no file {} to put into the kubeconfig", path.0)))?;
                (format!("{field}-data"), STANDARD.encode(pem))
            } else {
                (field.to_owned(), path.0.clone())
            };
            if field.starts_with("client") { file.credentials.push(entry) } else { file.authority.push(entry) }
        }
        if let Some(token) = &self.token {
            file.credentials.push(("token".to_owned(), token.0.clone()));
        }
        Ok(file.text())
    }
}

impl Module for Kubeconfig {
    fn probe(&self, context: &Context<'_>, _: &State) -> Vec<Probe> {
        let mut probes = self.file().probes(context);
        if self.embed.0 {
            probes.extend(self.named().into_iter().filter_map(|(_, path)| path.as_ref()).map(|p| content(&p.0)));
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let file = self.file();
        let wanted = self.wanted(state)?;
        let differs = file.text(state)?.is_none_or(|present| present != wanted);
        file.put(context, state, differs.then_some(wanted), Map::new(), "write the kubeconfig")
    }
}
