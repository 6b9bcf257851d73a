//! Who a certificate is for and what it may be used for; and certificate signing requests (RFC 2986).

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType,
};
use x509_parser::{
    certification_request::X509CertificationRequest,
    extensions::{GeneralName, ParsedExtension},
    prelude::{FromDer, X509Extension},
    x509::X509Name,
};

use super::{Key, PkiError};

/// One of the names that a certificate is valid for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A DNS name.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
    /// A URI.
    Uri(String),
    /// A mail address.
    Email(String),
}

impl Name {
    /// Reads OpenSSL's way of writing it: `DNS:host`, `IP:10.0.0.1`, `URI:…`, `email:…`.
    ///
    /// # Errors
    /// When the kind is unknown or the address is none.
    pub fn parse(text: &str) -> Result<Name, PkiError> {
        let wrong =
            |why: &str| PkiError::Value { what: "subject_alt_name", value: text.to_owned(), why: why.to_owned() };
        let (kind, value) = text.split_once(':').ok_or_else(|| wrong("has no kind: write `DNS:…` or `IP:…`"))?;
        match kind {
            "DNS" => Ok(Name::Dns(value.to_owned())),
            "IP" | "IP Address" => value.parse().map(Name::Ip).map_err(|_| wrong("is no IP address")),
            "URI" => Ok(Name::Uri(value.to_owned())),
            "email" => Ok(Name::Email(value.to_owned())),
            _ => Err(wrong("is of an unknown kind: there are DNS, IP, URI and email")),
        }
    }

    /// Writes it as OpenSSL does.
    pub fn text(&self) -> String {
        match self {
            Name::Dns(name) => format!("DNS:{name}"),
            Name::Ip(address) => format!("IP:{address}"),
            Name::Uri(uri) => format!("URI:{uri}"),
            Name::Email(address) => format!("email:{address}"),
        }
    }
}

/// What a key may be used for: OpenSSL's name of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usage(pub String);

const KEY_USAGES: [(&str, KeyUsagePurpose); 9] = [
    ("digitalSignature", KeyUsagePurpose::DigitalSignature),
    ("nonRepudiation", KeyUsagePurpose::ContentCommitment),
    ("keyEncipherment", KeyUsagePurpose::KeyEncipherment),
    ("dataEncipherment", KeyUsagePurpose::DataEncipherment),
    ("keyAgreement", KeyUsagePurpose::KeyAgreement),
    ("keyCertSign", KeyUsagePurpose::KeyCertSign),
    ("cRLSign", KeyUsagePurpose::CrlSign),
    ("encipherOnly", KeyUsagePurpose::EncipherOnly),
    ("decipherOnly", KeyUsagePurpose::DecipherOnly),
];

const EXTENDED_USAGES: [(&str, ExtendedKeyUsagePurpose); 6] = [
    ("serverAuth", ExtendedKeyUsagePurpose::ServerAuth),
    ("clientAuth", ExtendedKeyUsagePurpose::ClientAuth),
    ("codeSigning", ExtendedKeyUsagePurpose::CodeSigning),
    ("emailProtection", ExtendedKeyUsagePurpose::EmailProtection),
    ("timeStamping", ExtendedKeyUsagePurpose::TimeStamping),
    ("OCSPSigning", ExtendedKeyUsagePurpose::OcspSigning),
];

/// The short names OpenSSL knows subject fields by.
const FIELDS: [(&str, &str); 6] =
    [("C", "2.5.4.6"), ("ST", "2.5.4.8"), ("L", "2.5.4.7"), ("O", "2.5.4.10"), ("OU", "2.5.4.11"), ("CN", "2.5.4.3")];

/// What a certificate is to say, its key and validity aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Subject fields in order, by short name (`O`, `CN` …).
    pub subject: Vec<(String, String)>,
    /// The names it is valid for, sorted.
    pub names: Vec<Name>,
    /// Key usages, sorted.
    pub usages: Vec<Usage>,
    /// Extended key usages, sorted.
    pub extended: Vec<Usage>,
    /// Whether it is a certificate authority; `None` leaves the extension out.
    pub authority: Option<bool>,
    /// How many authorities may follow below it.
    pub path_length: Option<u8>,
}

impl Request {
    /// Checks and sorts usages by OpenSSL's names.
    ///
    /// # Errors
    /// Names the first unknown one.
    pub fn set_usages(&mut self, usages: &[String], extended: &[String]) -> Result<(), PkiError> {
        let known = |what: &'static str, name: &String, all: &[&str]| match all.contains(&name.as_str()) {
            true => Ok(Usage(name.clone())),
            false => Err(PkiError::Value {
                what,
                value: name.clone(),
                why: format!("is unknown: there are {}", all.join(", ")),
            }),
        };
        let keys: Vec<&str> = KEY_USAGES.iter().map(|(n, _)| *n).collect();
        let extended_names: Vec<&str> = EXTENDED_USAGES.iter().map(|(n, _)| *n).collect();
        self.usages = usages.iter().map(|u| known("key_usage", u, &keys)).collect::<Result<_, _>>()?;
        self.extended =
            extended.iter().map(|u| known("extended_key_usage", u, &extended_names)).collect::<Result<_, _>>()?;
        self.usages.sort();
        self.extended.sort();
        Ok(())
    }

    /// Signs it with the key it is for, as PEM.
    ///
    /// # Errors
    /// When a field cannot be written.
    pub fn sign(&self, key: &Key) -> Result<String, PkiError> {
        let failed = |e: rcgen::Error| PkiError::NotMade { what: "request", why: e.to_string() };
        self.parameters()?.serialize_request(key.pair()).and_then(|r| r.pem()).map_err(failed)
    }

    /// The parameters rcgen needs.
    pub(super) fn parameters(&self) -> Result<CertificateParams, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (field, value) in &self.subject {
            let kind = match field.as_str() {
                "C" => DnType::CountryName,
                "ST" => DnType::StateOrProvinceName,
                "L" => DnType::LocalityName,
                "O" => DnType::OrganizationName,
                "OU" => DnType::OrganizationalUnitName,
                "CN" => DnType::CommonName,
                other => {
                    return Err(PkiError::Value {
                        what: "subject",
                        value: other.to_owned(),
                        why: "is no field known here".to_owned(),
                    });
                }
            };
            params.distinguished_name.push(kind, value.as_str());
        }
        for name in &self.names {
            let odd = |text: &str| PkiError::Value {
                what: "subject_alt_name",
                value: text.to_owned(),
                why: "is not plain ASCII".to_owned(),
            };
            params.subject_alt_names.push(match name {
                Name::Dns(text) => SanType::DnsName(text.as_str().try_into().map_err(|_| odd(text))?),
                Name::Uri(text) => SanType::URI(text.as_str().try_into().map_err(|_| odd(text))?),
                Name::Email(text) => SanType::Rfc822Name(text.as_str().try_into().map_err(|_| odd(text))?),
                Name::Ip(address) => SanType::IpAddress(*address),
            });
        }
        let pick = |usage: &Usage| KEY_USAGES.iter().find(|(n, _)| *n == usage.0).map(|(_, p)| *p);
        params.key_usages = self.usages.iter().filter_map(pick).collect();
        let pick = |usage: &Usage| EXTENDED_USAGES.iter().find(|(n, _)| *n == usage.0).map(|(_, p)| p.clone());
        params.extended_key_usages = self.extended.iter().filter_map(pick).collect();
        params.is_ca = match (self.authority, self.path_length) {
            (None, _) => IsCa::NoCa,
            (Some(false), _) => IsCa::ExplicitNoCa,
            (Some(true), None) => IsCa::Ca(BasicConstraints::Unconstrained),
            (Some(true), Some(length)) => IsCa::Ca(BasicConstraints::Constrained(length)),
        };
        Ok(params)
    }

    /// Reads a request and the public key (SubjectPublicKeyInfo in DER) that it is for, checking its signature.
    ///
    /// # Errors
    /// When it is damaged or not signed by its own key.
    pub fn from_pem(pem: &str) -> Result<(Request, Vec<u8>), PkiError> {
        let unread = |why: String| PkiError::NotRead { what: "certificate signing request", why };
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|e| unread(e.to_string()))?;
        // rcgen checks the signature.
        CertificateSigningRequestParams::from_der(&pem.contents.as_slice().into())
            .map_err(|e| unread(e.to_string()))?;
        let (_, csr) = X509CertificationRequest::from_der(&pem.contents).map_err(|e| unread(e.to_string()))?;
        let info = &csr.certification_request_info;
        let mut request = Request { subject: subject(&info.subject), ..Request::default() };
        for extension in csr.requested_extensions().into_iter().flatten() {
            request.extension(extension);
        }
        request.sort();
        Ok((request, info.subject_pki.raw.to_vec()))
    }

    /// Takes in what a certificate's extensions say.
    pub(super) fn extensions(&mut self, extensions: &[X509Extension<'_>]) {
        extensions.iter().for_each(|e| self.extension(e.parsed_extension()));
        self.sort();
    }

    fn sort(&mut self) {
        self.names.sort();
        self.usages.sort();
        self.extended.sort();
    }

    fn extension(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                self.names = names.general_names.iter().filter_map(general_name).collect()
            }
            ParsedExtension::BasicConstraints(constraints) => {
                self.authority = Some(constraints.ca);
                self.path_length = constraints.path_len_constraint.and_then(|l| u8::try_from(l).ok());
            }
            ParsedExtension::KeyUsage(usage) => {
                let bits = KEY_USAGES.iter().enumerate().filter(|(bit, _)| usage.flags >> bit & 1 == 1);
                self.usages = bits.map(|(_, (name, _))| Usage((*name).to_owned())).collect();
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let all = [
                    ("serverAuth", usage.server_auth),
                    ("clientAuth", usage.client_auth),
                    ("codeSigning", usage.code_signing),
                    ("emailProtection", usage.email_protection),
                    ("timeStamping", usage.time_stamping),
                    ("OCSPSigning", usage.ocsp_signing),
                ];
                self.extended = all.into_iter().filter(|(_, on)| *on).map(|(name, _)| Usage(name.to_owned())).collect();
                self.extended.extend(usage.other.iter().map(|oid| Usage(oid.to_id_string())));
            }
            _ => {}
        }
    }
}

fn general_name(name: &GeneralName<'_>) -> Option<Name> {
    Some(match name {
        GeneralName::DNSName(text) => Name::Dns((*text).to_owned()),
        GeneralName::URI(text) => Name::Uri((*text).to_owned()),
        GeneralName::RFC822Name(text) => Name::Email((*text).to_owned()),
        GeneralName::IPAddress(bytes) => Name::Ip(match <[u8; 4]>::try_from(*bytes) {
            Ok(four) => IpAddr::from(four),
            Err(_) => IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?),
        }),
        _ => return None,
    })
}

/// A name's fields in order, by OpenSSL's short names where there is one.
pub(super) fn subject(name: &X509Name<'_>) -> Vec<(String, String)> {
    let field = |oid: String| FIELDS.iter().find(|(_, id)| *id == oid).map_or(oid, |(short, _)| (*short).to_owned());
    name.iter_attributes()
        .map(|a| (field(a.attr_type().to_id_string()), a.as_str().unwrap_or_default().to_owned()))
        .collect()
}
