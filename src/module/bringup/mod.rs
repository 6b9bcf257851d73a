//! `bringup`: modules that nobody else has.

pub mod bridge;
pub mod container_image;
pub mod image_archive;
pub mod kubeconfig;
pub mod kubeconfig_merge;
pub mod routes;
mod unit;
