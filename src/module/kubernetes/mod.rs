//! `kubernetes.core`.

mod access;
pub mod k8s;
pub mod k8s_drain;
pub mod k8s_info;
mod objects;

use super::entry::{Entry, entry};

/// The modules of this collection.
pub(super) fn entries() -> Vec<Entry> {
    vec![entry::<k8s::K8s>(), entry::<k8s_drain::K8sDrain>(), entry::<k8s_info::K8sInfo>()]
}
