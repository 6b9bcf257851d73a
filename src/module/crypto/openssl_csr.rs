//! `community.crypto.openssl_csr`: a certificate signing request.
//!
//! <https://docs.ansible.com/ansible/latest/collections/community/crypto/openssl_csr_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use super::openssl_privatekey::Presence;
use crate::{
    fact::{Probe, State},
    module::{
        Context, Described, Failure, Flag, List, Mode, Module, ParameterError, Plan, PlanError, Return, Returns, Text,
        ownership::Attributes,
        returns,
        whole_file::{WholeFile, content, text},
    },
    pki::{Key, Name, Request},
};

/// Parameters of `openssl_csr`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpensslCsr {
    /// Where the request is on the host.
    path: Text,
    /// Where the private key is on the host.
    privatekey_path: Text,
    /// The subject's common name.
    #[serde(alias = "CN", alias = "commonName")]
    #[schemars(extend("x-aliases" = ["CN", "commonName"]))]
    common_name: Option<Text>,
    /// The subject's organization; Kubernetes reads groups from it.
    #[serde(alias = "O", alias = "organizationName")]
    #[schemars(extend("x-aliases" = ["O", "organizationName"]))]
    organization_name: Option<Text>,
    /// The subject's organizational unit.
    #[serde(alias = "OU", alias = "organizationalUnitName")]
    #[schemars(extend("x-aliases" = ["OU", "organizationalUnitName"]))]
    organizational_unit_name: Option<Text>,
    /// The subject's country, two letters.
    #[serde(alias = "C", alias = "countryName")]
    #[schemars(extend("x-aliases" = ["C", "countryName"]))]
    country_name: Option<Text>,
    /// The subject's state or province.
    #[serde(alias = "ST", alias = "stateOrProvinceName")]
    #[schemars(extend("x-aliases" = ["ST", "stateOrProvinceName"]))]
    state_or_province_name: Option<Text>,
    /// The subject's town.
    #[serde(alias = "L", alias = "localityName")]
    #[schemars(extend("x-aliases" = ["L", "localityName"]))]
    locality_name: Option<Text>,
    /// Names the certificate is valid for: `DNS:host`, `IP:10.0.0.1`.
    #[serde(default, alias = "subjectAltName")]
    #[schemars(extend("x-aliases" = ["subjectAltName"]))]
    subject_alt_name: List<Text>,
    /// Whether the common name is a name the certificate is valid for where there are no others.
    #[serde(default = "Flag::yes", alias = "useCommonNameForSAN")]
    #[schemars(extend("x-aliases" = ["useCommonNameForSAN"]))]
    use_common_name_for_san: Flag,
    /// `CA:TRUE`, `CA:FALSE`, `pathlen:N`.
    #[serde(default, alias = "basicConstraints")]
    #[schemars(extend("x-aliases" = ["basicConstraints"]))]
    basic_constraints: List<Text>,
    /// Accepted; the extension is always critical, as RFC 5280 asks of authorities.
    #[serde(default, alias = "basicConstraints_critical")]
    #[schemars(extend("x-aliases" = ["basicConstraints_critical"]))]
    basic_constraints_critical: Flag,
    /// What the key may be used for: `digitalSignature`, `keyCertSign` …
    #[serde(default, alias = "keyUsage")]
    #[schemars(extend("x-aliases" = ["keyUsage"]))]
    key_usage: List<Text>,
    /// Accepted; the extension is always critical, as RFC 5280 asks for.
    #[serde(default, alias = "keyUsage_critical")]
    #[schemars(extend("x-aliases" = ["keyUsage_critical"]))]
    key_usage_critical: Flag,
    /// What the certificate may be used for: `serverAuth`, `clientAuth` …
    #[serde(default, alias = "extKeyUsage", alias = "extendedKeyUsage")]
    #[schemars(extend("x-aliases" = ["extKeyUsage", "extendedKeyUsage"]))]
    extended_key_usage: List<Text>,
    /// Whether it is to be there.
    #[serde(default)]
    state: Presence,
    /// Make a new one in any case.
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

impl Described for OpensslCsr {
    const NAME: &'static str = "community.crypto.openssl_csr";
    const SUMMARY: &'static str = "Makes a certificate signing request";
    const EXAMPLES: &'static str = "- name: ask for the API server's certificate\n  community.crypto.openssl_csr:\n    path: /etc/kubernetes/pki/apiserver.csr\n    privatekey_path: /etc/kubernetes/pki/apiserver.key\n    common_name: kube-apiserver\n    subject_alt_name: [\"DNS:kubernetes\", \"IP:10.96.0.1\"]\n    extended_key_usage: [serverAuth]\n";
    const RETURNS: Returns =
        &[returns::WRITTEN, &[Return::text("privatekey", "always", "The file of the private key")]];

    fn check(&self) -> Result<(), ParameterError> {
        self.wanted().map(|_| ())
    }
}

impl OpensslCsr {
    fn file(&self) -> WholeFile<'_> {
        let attributes = Attributes::of(self.owner.as_ref(), self.group.as_ref(), self.mode.as_ref());
        WholeFile { path: &self.path.0, attributes, backup: self.backup.0 }
    }

    fn wanted(&self) -> Result<Request, ParameterError> {
        let fields = [
            ("C", &self.country_name),
            ("ST", &self.state_or_province_name),
            ("L", &self.locality_name),
            ("O", &self.organization_name),
            ("OU", &self.organizational_unit_name),
            ("CN", &self.common_name),
        ];
        let subject =
            fields.into_iter().filter_map(|(short, v)| v.as_ref().map(|v| (short.to_owned(), v.0.clone()))).collect();
        let mut request = Request { subject, ..Request::default() };
        let texts = |list: &List<Text>| list.0.iter().map(|t| t.0.clone()).collect::<Vec<_>>();
        for name in &self.subject_alt_name.0 {
            request
                .names
                .push(Name::parse(&name.0).map_err(|e| ParameterError::new("subject_alt_name", e.to_string()))?);
        }
        // rcgen decides these two as RFC 5280 asks for.
        let _ = (self.basic_constraints_critical, self.key_usage_critical);
        if let (true, true, Some(name)) = (request.names.is_empty(), self.use_common_name_for_san.0, &self.common_name)
        {
            request.names.push(Name::Dns(name.0.clone()));
        }
        request.names.sort();
        request.names.dedup();
        for constraint in &self.basic_constraints.0 {
            match constraint.0.split_once(':') {
                Some(("CA", value)) => request.authority = Some(value.eq_ignore_ascii_case("true")),
                Some(("pathlen", length)) if length.parse::<u8>().is_ok() => request.path_length = length.parse().ok(),
                _ => {
                    return Err(ParameterError::new(
                        "basic_constraints",
                        format!("`{}` is not understood", constraint.0),
                    )
                    .help("write CA:TRUE, CA:FALSE or pathlen:0"));
                }
            }
        }
        request
            .set_usages(&texts(&self.key_usage), &texts(&self.extended_key_usage))
            .map_err(|e| ParameterError::task(e.to_string()))?;
        Ok(request)
    }
}

impl Module for OpensslCsr {
    fn probe(&self, context: &Context<'_>, _: &State) -> Vec<Probe> {
        let mut probes = self.file().probes(context);
        if self.state == Presence::Present {
            probes.push(content(&self.privatekey_path.0));
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let file = self.file();
        let result = Map::from_iter([("privatekey".to_owned(), json!(self.privatekey_path.0))]);
        if self.state == Presence::Absent {
            return file.remove(context, state, result);
        }
        let wanted = self.wanted().map_err(|e| Failure::new(e.message))?;
        let secret = text(state, &self.privatekey_path.0)?;
        let secret = secret.ok_or_else(|| {
            Failure::new(format!("there is no private key at {}", self.privatekey_path.0))
                .help("make it with openssl_privatekey in a task before this one")
        })?;
        let key = Key::from_pem(&secret).map_err(|e| Failure::new(format!("{}: {e}", self.privatekey_path.0)))?;
        let fits = match file.text(state)? {
            Some(present) if !self.force.0 => Request::from_pem(&present)
                .is_ok_and(|(request, public)| request == wanted && public == key.public_der()),
            _ => false,
        };
        if fits {
            return file.put(context, state, None, result, "");
        }
        let csr = wanted.sign(&key).map_err(|e| Failure::new(e.to_string()))?;
        file.put(context, state, Some(csr), result, "make the request")
    }
}
