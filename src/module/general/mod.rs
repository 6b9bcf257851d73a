//! `community.general`.

pub mod ini_file;
pub mod modprobe;

use super::entry::{Entry, entry};

/// The modules of this collection.
pub(super) fn entries() -> Vec<Entry> {
    vec![entry::<ini_file::IniFile>(), entry::<modprobe::Modprobe>()]
}
