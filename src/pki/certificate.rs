//! Certificates: issued, read, and checked against their issuer.

use rcgen::{CertifiedIssuer, SerialNumber, SubjectPublicKeyInfo};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{Key, PkiError, Request, subject::subject};

/// A certificate as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// What it says.
    pub request: Request,
    /// Who signed it, by subject fields.
    pub issuer: Vec<(String, String)>,
    /// The public key it is for, as DER of a SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
    /// Valid from, in seconds since 1970.
    pub not_before: i64,
    /// Valid until, in seconds since 1970.
    pub not_after: i64,
    /// Serial number in upper-case hexadecimal.
    pub serial: String,
    der: Vec<u8>,
}

/// Who signs: an authority with its key, or the key the certificate is for.
pub enum Issuer<'a> {
    /// An authority's certificate in PEM, and its key.
    Authority(&'a str, &'a Key),
    /// The certificate's own key.
    Oneself(&'a Key),
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn from_pem(pem: &str) -> Result<Certificate, PkiError> {
        let unread = |why: String| PkiError::NotRead { what: "certificate", why };
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|e| unread(e.to_string()))?;
        let (_, read) = X509Certificate::from_der(&pem.contents).map_err(|e| unread(e.to_string()))?;
        let mut request = Request { subject: subject(read.subject()), ..Request::default() };
        request.extensions(read.extensions());
        Ok(Certificate {
            request,
            issuer: subject(read.issuer()),
            public_key: read.public_key().raw.to_vec(),
            not_before: read.validity().not_before.timestamp(),
            not_after: read.validity().not_after.timestamp(),
            serial: read.raw_serial().iter().map(|b| format!("{b:02X}")).collect(),
            der: pem.contents.clone(),
        })
    }

    /// Whether the key that belongs to `issuer` signed it.
    pub fn signed_by(&self, issuer: &Certificate) -> bool {
        let read = |der| X509Certificate::from_der(der).map(|(_, read)| read);
        let (Ok(own), Ok(other)) = (read(&self.der), read(&issuer.der)) else { return false };
        self.issuer == issuer.request.subject && own.verify_signature(Some(other.public_key())).is_ok()
    }
}

/// Issues a certificate for a public key (DER of a SubjectPublicKeyInfo), as PEM. Times are seconds since 1970.
///
/// # Errors
/// When a field cannot be written or the issuer's certificate cannot be read.
pub fn issue(
    request: &Request,
    public_key: &[u8],
    issuer: &Issuer<'_>,
    not_before: i64,
    not_after: i64,
) -> Result<String, PkiError> {
    let failed = |e: rcgen::Error| PkiError::NotMade { what: "certificate", why: e.to_string() };
    let mut params = request.parameters()?;
    params.not_before = time(not_before)?;
    params.not_after = time(not_after)?;
    params.serial_number = Some(SerialNumber::from_slice(&serial()));
    match issuer {
        Issuer::Oneself(key) => CertifiedIssuer::self_signed(params, key.pair()).map(|c| c.pem()).map_err(failed),
        Issuer::Authority(pem, key) => {
            params.use_authority_key_identifier_extension = true;
            let issuer = rcgen::Issuer::from_ca_cert_pem(pem, key.pair()).map_err(failed)?;
            let public_key = SubjectPublicKeyInfo::from_der(public_key).map_err(failed)?;
            params.signed_by(&public_key, &issuer).map(|c| c.pem()).map_err(failed)
        }
    }
}

/// A random positive serial number of 20 bytes at most (RFC 5280, 4.1.2.2).
fn serial() -> [u8; 16] {
    let mut bytes: [u8; 16] = rand::random();
    bytes[0] = bytes[0] & 0x7f | 0x40;
    bytes
}

fn time(seconds: i64) -> Result<::time::OffsetDateTime, PkiError> {
    ::time::OffsetDateTime::from_unix_timestamp(seconds).map_err(|e| PkiError::Value {
        what: "date",
        value: seconds.to_string(),
        why: e.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;
    use crate::pki::{Curve, KeyKind, Name};

    fn authority() -> Request {
        let mut request =
            Request { subject: vec![("CN".into(), "test-ca".into())], authority: Some(true), ..Request::default() };
        request.set_usages(&["digitalSignature".into(), "keyCertSign".into(), "cRLSign".into()], &[]).unwrap();
        request
    }

    fn leaf() -> Request {
        let subject = vec![("O".into(), "system:masters".into()), ("CN".into(), "admin".into())];
        let names = vec![Name::parse("DNS:kubernetes.default").unwrap(), Name::parse("IP:10.83.0.1").unwrap()];
        let mut request = Request { subject, names, authority: Some(false), ..Request::default() };
        request.set_usages(&["digitalSignature".into()], &["serverAuth".into(), "clientAuth".into()]).unwrap();
        request
    }

    #[test]
    fn openssl_accepts_what_every_kind_of_key_signs() {
        let now = jiff::Timestamp::now().as_second();
        for kind in [KeyKind::Ecc(Curve::P256), KeyKind::Ecc(Curve::P384), KeyKind::Ed25519, KeyKind::Rsa(2048)] {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str| folder.path().join(name);
            let (ca_key, key) = (Key::generate(kind).unwrap(), Key::generate(KeyKind::Ecc(Curve::P256)).unwrap());
            let ca =
                issue(&authority(), &ca_key.public_der(), &Issuer::Oneself(&ca_key), now - 60, now + 3600).unwrap();
            let csr = leaf().sign(&key).unwrap();
            let (request, public) = Request::from_pem(&csr).unwrap();
            assert_eq!(request, leaf());
            let certificate = issue(&request, &public, &Issuer::Authority(&ca, &ca_key), now - 60, now + 600).unwrap();
            fs::write(path("ca.crt"), &ca).unwrap();
            fs::write(path("leaf.crt"), &certificate).unwrap();
            let verify = Command::new("openssl")
                .args(["verify", "-x509_strict", "-CAfile"])
                .args([path("ca.crt"), path("leaf.crt")])
                .output()
                .unwrap();
            assert!(verify.status.success(), "{kind:?}: {}", String::from_utf8_lossy(&verify.stderr));
            let (ca, read) = (Certificate::from_pem(&ca).unwrap(), Certificate::from_pem(&certificate).unwrap());
            assert_eq!(read.request, leaf());
            assert!(read.signed_by(&ca) && ca.signed_by(&ca) && !ca.signed_by(&read));
            assert_eq!((read.public_key, read.not_after), (key.public_der(), now + 600));
        }
    }

    #[test]
    fn keys_that_openssl_made_are_read() {
        let cases: [(&[&str], KeyKind); 5] = [
            (&["ecparam", "-name", "prime256v1", "-genkey", "-noout"], KeyKind::Ecc(Curve::P256)),
            (&["ecparam", "-name", "secp384r1", "-genkey", "-noout"], KeyKind::Ecc(Curve::P384)),
            (&["genpkey", "-algorithm", "ed25519"], KeyKind::Ed25519),
            (&["genrsa", "2048"], KeyKind::Rsa(2048)),
            (&["genrsa", "-traditional", "2048"], KeyKind::Rsa(2048)),
        ];
        for (arguments, kind) in cases {
            let made = Command::new("openssl").args(arguments).output().unwrap();
            let key = Key::from_pem(&String::from_utf8_lossy(&made.stdout)).unwrap();
            assert_eq!(key.kind(), kind, "{arguments:?}");
        }
        for damaged in [
            "",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
        ] {
            assert!(Key::from_pem(damaged).is_err());
        }
    }
}
