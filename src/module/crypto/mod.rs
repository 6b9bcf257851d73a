//! `community.crypto`.

mod date;
pub mod openssl_csr;
pub mod openssl_privatekey;
pub mod openssl_publickey;

pub mod x509_certificate;
pub mod x509_certificate_info;
