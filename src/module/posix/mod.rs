//! `ansible.posix`.

pub mod authorized_key;
pub mod mount;
pub mod sysctl;

use super::entry::{Entry, entry};

/// The modules of this collection.
pub(super) fn entries() -> Vec<Entry> {
    vec![entry::<authorized_key::AuthorizedKey>(), entry::<mount::Mount>(), entry::<sysctl::Sysctl>()]
}
