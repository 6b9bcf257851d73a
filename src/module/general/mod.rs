//! `community.general`.

pub mod ini_file;
pub mod modprobe;
