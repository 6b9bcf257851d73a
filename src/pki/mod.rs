//! Private keys, certificates and certificate authorities.
