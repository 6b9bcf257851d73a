//! `kubernetes.core`.

mod access;
pub mod k8s;
pub mod k8s_drain;
pub mod k8s_info;
mod objects;
