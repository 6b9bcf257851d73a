//! What is not native: modules and plugins of Python, which the Ansible of this machine knows.
//!
//! One long-lived Python of this machine ([`workstation`]) has ansible-core as a library: it finds a module as Ansible does, reads its
//! documentation and makes what hosts are sent for it. Nothing here is started, nor is a file read, as long as no playbook names what is
//! not native.

mod catalog;
mod inventory;
mod module;
mod plugins;
mod result;
pub mod spec;
mod value;
pub mod workstation;

pub use catalog::{find, of_file, prepare};
pub use plugins::PythonPlugins;
pub use workstation::{Fault, Python, Talk};
