//! `bringup`: modules that nobody else has.

pub mod bridge;
pub mod container_image;
pub mod image_archive;
pub mod kubeconfig;
pub mod kubeconfig_merge;
pub mod routes;
mod unit;
pub mod vxlan;

use super::entry::{Entry, entry};

/// The modules of this collection.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry::<bridge::Bridge>(),
        entry::<container_image::ContainerImage>(),
        entry::<image_archive::ImageArchive>(),
        entry::<kubeconfig::Kubeconfig>(),
        entry::<kubeconfig_merge::KubeconfigMerge>(),
        entry::<routes::Routes>(),
        entry::<vxlan::Vxlan>(),
    ]
}
