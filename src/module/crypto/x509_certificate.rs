//! `community.crypto.x509_certificate`: a certificate issued by an authority of one's own, or by itself.
//!
//! <https://docs.ansible.com/ansible/latest/collections/community/crypto/x509_certificate_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use super::{date, openssl_privatekey::Presence};
use crate::{
    fact::{Missing, Probe, State},
    module::{
        Context, Described, Failure, Flag, Mode, Module, ParameterError, Plan, PlanError, Text,
        ownership::Attributes,
        whole_file::{WholeFile, content, text},
    },
    pki::{Certificate, Issuer, Key, Request, issue},
};

/// Parameters of `x509_certificate`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct X509Certificate {
    /// Where the certificate is on the host.
    path: Text,
    /// Where the signing request is on the host.
    csr_path: Option<Text>,
    /// The signing request itself.
    csr_content: Option<Text>,
    /// The certificate's own private key on the host, for `selfsigned`.
    privatekey_path: Option<Text>,
    /// Who signs. Needed unless the certificate is to be absent.
    provider: Option<Provider>,
    /// The authority's certificate on the host.
    ownca_path: Option<Text>,
    /// The authority's certificate itself.
    ownca_content: Option<Text>,
    /// The authority's private key on the host; read only when a certificate has to be issued.
    ownca_privatekey_path: Option<Text>,
    /// Valid from, under `ownca`.
    #[serde(default = "now")]
    ownca_not_before: Text,
    /// Valid until, under `ownca`.
    #[serde(default = "ten_years")]
    ownca_not_after: Text,
    /// Valid from, under `selfsigned`.
    #[serde(default = "now", alias = "selfsigned_notBefore")]
    #[schemars(extend("x-aliases" = ["selfsigned_notBefore"]))]
    selfsigned_not_before: Text,
    /// Valid until, under `selfsigned`.
    #[serde(default = "ten_years", alias = "selfsigned_notAfter")]
    #[schemars(extend("x-aliases" = ["selfsigned_notAfter"]))]
    selfsigned_not_after: Text,
    /// Whether it is to be there.
    #[serde(default)]
    state: Presence,
    /// Issue a new one in any case.
    #[serde(default)]
    force: Flag,
    /// Keep a replaced file.
    #[serde(default)]
    backup: Flag,
    /// Who owns the file.
    owner: Option<Text>,
    /// The file's group.
    group: Option<Text>,
    /// The file's mode.
    mode: Option<Mode>,
}

fn now() -> Text {
    Text("+0s".to_owned())
}

fn ten_years() -> Text {
    Text("+3650d".to_owned())
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Provider {
    Ownca,
    Selfsigned,
}

impl Described for X509Certificate {
    const NAME: &'static str = "community.crypto.x509_certificate";
    const SUMMARY: &'static str = "Issues a certificate, once, and anew when what it must say has changed";
    const EXAMPLES: &'static str = "- name: the API server's certificate\n  community.crypto.x509_certificate:\n    path: /etc/kubernetes/pki/apiserver.crt\n    csr_path: /etc/kubernetes/pki/apiserver.csr\n    provider: ownca\n    ownca_path: /etc/kubernetes/pki/ca.crt\n    ownca_privatekey_path: /etc/kubernetes/pki/ca.key\n    ownca_not_after: +365d\n";

    fn check(&self) -> Result<(), ParameterError> {
        if self.state == Presence::Absent {
            return Ok(());
        }
        if self.csr_path.is_some() == self.csr_content.is_some() {
            return Err(ParameterError::new("csr_path", "one of csr_path and csr_content is needed"));
        }
        match self.provider {
            None => Err(ParameterError::new("provider", "is needed").help("use ownca or selfsigned")),
            Some(Provider::Selfsigned) if self.privatekey_path.is_none() => {
                Err(ParameterError::new("privatekey_path", "is needed by the provider selfsigned"))
            }
            Some(Provider::Ownca) if self.ownca_path.is_none() && self.ownca_content.is_none() => {
                Err(ParameterError::new("ownca_path", "is needed by the provider ownca"))
            }
            Some(Provider::Ownca) if self.ownca_privatekey_path.is_none() => {
                Err(ParameterError::new("ownca_privatekey_path", "is needed by the provider ownca"))
            }
            Some(_) => Ok(()),
        }
    }
}

impl X509Certificate {
    fn file(&self) -> WholeFile<'_> {
        let attributes = Attributes::of(self.owner.as_ref(), self.group.as_ref(), self.mode.as_ref());
        WholeFile { path: &self.path.0, attributes, backup: self.backup.0 }
    }

    /// The text given, or that of the file named.
    fn given(
        &self,
        state: &State,
        content: Option<&Text>,
        path: Option<&Text>,
        what: &str,
    ) -> Result<String, PlanError> {
        if let Some(content) = content {
            return Ok(content.0.clone());
        }
        let path = path.map_or("", |p| p.0.as_str());
        text(state, path)?.ok_or_else(|| Failure::new(format!("there is no {what} at {path}")).into())
    }

    fn request(&self, state: &State) -> Result<(Request, Vec<u8>), PlanError> {
        let csr = self.given(state, self.csr_content.as_ref(), self.csr_path.as_ref(), "signing request")?;
        Request::from_pem(&csr).map_err(|e| Failure::new(e.to_string()).into())
    }

    fn secret(&self, state: &State, path: Option<&Text>) -> Result<Key, PlanError> {
        let secret = self.given(state, None, path, "private key")?;
        let path = path.map_or("", |p| p.0.as_str());
        Key::from_pem(&secret).map_err(|e| Failure::new(format!("{path}: {e}")).into())
    }

    /// Whether the certificate that is there says what it should and is signed by whom it should be.
    fn fits(&self, present: &str, request: &Request, public: &[u8], authority: Option<&Certificate>) -> bool {
        let Ok(certificate) = Certificate::from_pem(present) else { return false };
        let signed = match authority {
            Some(authority) => certificate.signed_by(authority),
            None => certificate.signed_by(&certificate),
        };
        signed && certificate.request == *request && certificate.public_key == public
    }

    fn issue(
        &self,
        state: &State,
        request: &Request,
        public: &[u8],
        authority: Option<&str>,
    ) -> Result<String, PlanError> {
        let now = jiff::Timestamp::now().as_second();
        let (from, until) = match authority {
            Some(_) => (&self.ownca_not_before, &self.ownca_not_after),
            None => (&self.selfsigned_not_before, &self.selfsigned_not_after),
        };
        let (from, until) = (date::seconds(&from.0, now)?, date::seconds(&until.0, now)?);
        if until <= from {
            return Err(Failure::new("the certificate would end before it begins").into());
        }
        let key = match authority {
            Some(_) => self.secret(state, self.ownca_privatekey_path.as_ref())?,
            None => self.secret(state, self.privatekey_path.as_ref())?,
        };
        let issuer = match authority {
            Some(pem) => Issuer::Authority(pem, &key),
            None => Issuer::Oneself(&key),
        };
        issue(request, public, &issuer, from, until).map_err(|e| Failure::new(e.to_string()).into())
    }
}

impl Module for X509Certificate {
    fn probe(&self, context: &Context<'_>, _: &State) -> Vec<Probe> {
        let mut probes = self.file().probes(context);
        if self.state == Presence::Present {
            let paths = [&self.csr_path, &self.ownca_path].into_iter().flatten();
            probes.extend(paths.map(|p| content(&p.0)));
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let file = self.file();
        if self.state == Presence::Absent {
            return file.remove(context, state, Map::new());
        }
        let (request, public) = self.request(state)?;
        let authority = match self.provider {
            Some(Provider::Ownca) => Some(self.given(
                state,
                self.ownca_content.as_ref(),
                self.ownca_path.as_ref(),
                "authority's certificate",
            )?),
            _ => None,
        };
        let parsed = match &authority {
            Some(pem) => Some(
                Certificate::from_pem(pem).map_err(|e| Failure::new(format!("the authority's certificate: {e}")))?,
            ),
            None => None,
        };
        let result = Map::from_iter([("csr".to_owned(), json!(self.csr_path.as_ref().map(|p| &p.0)))]);
        let present: Result<Option<String>, Missing> = file.text(state);
        if let (Some(present), false) = (present?, self.force.0)
            && self.fits(&present, &request, &public, parsed.as_ref())
        {
            return file.put(context, state, None, result, "");
        }
        let certificate = self.issue(state, &request, &public, authority.as_deref())?;
        file.put(context, state, Some(certificate), result, "issue the certificate")
    }
}
