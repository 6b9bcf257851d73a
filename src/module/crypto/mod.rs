//! `community.crypto`.

mod date;
pub mod openssl_csr;
pub mod openssl_privatekey;
pub mod openssl_publickey;

pub mod x509_certificate;
pub mod x509_certificate_info;

use super::entry::{Entry, entry};

/// The modules of this collection.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry::<openssl_csr::OpensslCsr>(),
        entry::<openssl_privatekey::OpensslPrivatekey>(),
        entry::<openssl_publickey::OpensslPublickey>(),
        entry::<x509_certificate::X509Certificate>(),
        entry::<x509_certificate_info::X509CertificateInfo>(),
    ]
}
