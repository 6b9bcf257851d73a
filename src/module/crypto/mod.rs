//! `community.crypto`.
