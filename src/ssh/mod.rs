//! SSH sessions: configuration, host keys, authentication, shells, uploads.
