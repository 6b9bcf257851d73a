//! `community.general`.
