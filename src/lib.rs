//! bringup reads an inventory and Ansible-style playbooks and brings hosts to the described state over SSH.
//!
//! The folders stand in the order the data takes:
//! `yaml` → `inventory`, `playbook` → `template` → `module` → `run` → `report`.
//! `sh` (how values get into scripts), `http` (requests as scripts), `python` (what Python's words mean) and `vault` (encrypted texts) stand below them all, `suggest` beside them says
//! what a wrong name was meant to be; `connection` stands on `ssh` and knows nothing of playbooks; `module` knows nothing of either.
#![cfg_attr(test, allow(clippy::disallowed_macros, clippy::disallowed_methods))]

pub mod ansible_cfg;
pub mod http;
pub mod python;
pub mod sh;
pub mod suggest;

pub mod vault;

pub mod yaml;

pub mod inventory;
pub mod playbook;

pub mod template;

pub mod foreign;

pub mod fact;
pub mod kube;
pub mod module;
pub mod pki;

pub mod ssh;

pub mod connection;

pub mod run;

pub mod report;

pub mod cli;

#[cfg(any(test, fuzzing))]
pub mod fuzz;
