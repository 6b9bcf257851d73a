//! `community.general`.

pub mod modprobe;
