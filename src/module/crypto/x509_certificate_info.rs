//! `community.crypto.x509_certificate_info`: what a certificate says.
//!
//! <https://docs.ansible.com/ansible/latest/collections/community/crypto/x509_certificate_info_module.html>

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use sha2::Digest as _;

use super::date;
use crate::{
    fact::{Probe, State},
    module::{
        Context, Described, Failure, Module, ParameterError, Plan, PlanError, Return, Returns, Text,
        whole_file::{content, text},
    },
    pki::Certificate,
    playbook::About,
};

/// Parameters of `x509_certificate_info`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct X509CertificateInfo {
    /// Where the certificate is on the host.
    path: Option<Text>,
    /// The certificate itself.
    content: Option<Text>,
    /// Points in time by a name of one's own; the result says for each whether the certificate is valid then.
    #[serde(default)]
    valid_at: BTreeMap<String, Text>,
}

impl Described for X509CertificateInfo {
    const NAME: &'static str = "community.crypto.x509_certificate_info";
    const ABOUT: About = About::TELLS;
    const SUMMARY: &'static str = "Tells what a certificate says";
    const EXAMPLES: &'static str = "- name: when does it end?\n  community.crypto.x509_certificate_info:\n    path: /etc/kubernetes/pki/apiserver.crt\n    valid_at:\n      in_a_month: +30d\n  register: certificate\n";
    const RETURNS: Returns = &[&[
        Return::map("subject", "always", "Whom it is for, by long names: `commonName`"),
        Return::map("issuer", "always", "Who signed it, by long names"),
        Return::list("subject_alt_name", "always", "Further names: `DNS:example.org`, `IP:10.0.0.1`"),
        Return::list("key_usage", "always", "What the key may be used for"),
        Return::list("extended_key_usage", "always", "What the certificate may be used for"),
        Return::list("basic_constraints", "when it says so", "`CA:TRUE` or `CA:FALSE`"),
        Return::any("serial_number", "always", "Its number"),
        Return::text("not_before", "always", "From when it is valid: `20301231235959Z`"),
        Return::text("not_after", "always", "Until when it is valid"),
        Return::flag("expired", "always", "Whether that is over"),
        Return::map("public_key_fingerprints", "always", "Hashes of the public key, in pairs of digits: `sha256`"),
        Return::map("valid_at", "always", "Whether it is valid at the given times, by their names"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        match self.path.is_some() == self.content.is_some() {
            true => Err(ParameterError::new("path", "one of path and content is needed")),
            false => Ok(()),
        }
    }
}

impl Module for X509CertificateInfo {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        self.path.iter().map(|p| content(&p.0)).collect()
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let pem = match (&self.content, &self.path) {
            (Some(given), _) => given.0.clone(),
            (None, Some(path)) => {
                text(state, &path.0)?.ok_or_else(|| Failure::new(format!("there is no certificate at {}", path.0)))?
            }
            (None, None) => return Err(Failure::new("one of path and content is needed").into()),
        };
        let certificate = Certificate::from_pem(&pem).map_err(|e| Failure::new(e.to_string()))?;
        let now = jiff::Timestamp::now().as_second();
        let valid = |at: i64| certificate.not_before <= at && at <= certificate.not_after;
        let mut valid_at = Map::new();
        for (name, at) in &self.valid_at {
            valid_at.insert(name.clone(), json!(valid(date::seconds(&at.0, now)?)));
        }
        let fields = |subject: &[(String, String)]| {
            subject.iter().map(|(k, v)| (long(k).to_owned(), json!(v))).collect::<Map<String, Json>>()
        };
        let request = &certificate.request;
        let usages = |list: &[crate::pki::Usage]| list.iter().map(|u| u.0.clone()).collect::<Vec<_>>();
        let mut result = Map::new();
        result.insert("subject".into(), Json::Object(fields(&request.subject)));
        result.insert("issuer".into(), Json::Object(fields(&certificate.issuer)));
        result.insert(
            "subject_alt_name".into(),
            json!(request.names.iter().map(crate::pki::Name::text).collect::<Vec<_>>()),
        );
        result.insert("key_usage".into(), json!(usages(&request.usages)));
        result.insert("extended_key_usage".into(), json!(usages(&request.extended)));
        result.insert(
            "basic_constraints".into(),
            json!(request.authority.map(|ca| vec![if ca { "CA:TRUE" } else { "CA:FALSE" }])),
        );
        result.insert("serial_number".into(), json!(certificate.serial));
        result.insert("not_before".into(), json!(date::text(certificate.not_before)));
        result.insert("not_after".into(), json!(date::text(certificate.not_after)));
        result.insert("expired".into(), json!(certificate.not_after < now));
        let pairs: Vec<String> =
            sha2::Sha256::digest(&certificate.public_key).iter().map(|b| format!("{b:02x}")).collect();
        result.insert("public_key_fingerprints".into(), json!({"sha256": pairs.join(":")}));
        result.insert("valid_at".into(), Json::Object(valid_at));
        Ok(Plan::ok(result))
    }
}

/// The long names of subject fields, as the module returns them.
fn long(short: &str) -> &str {
    match short {
        "C" => "countryName",
        "ST" => "stateOrProvinceName",
        "L" => "localityName",
        "O" => "organizationName",
        "OU" => "organizationalUnitName",
        "CN" => "commonName",
        other => other,
    }
}
