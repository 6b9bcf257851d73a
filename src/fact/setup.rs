//! The facts that `setup` gathers: one script, one parser for each subject.
//!
//! Names and shapes are those of Ansible's fact collectors:
//! <https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_vars_facts.html>

mod hardware;
mod network;
mod subset;
mod system;
mod told;

use crate::sh::{self, quote};
use serde_json::{Map, Value as Json, json};
use told::Told;

pub(crate) use subset::fnmatch;
pub use subset::{Subset, filter};

/// Where hosts keep facts of their own, as Ansible has it.
pub const OWN_FACTS: &str = "/etc/ansible/facts.d";

/// What all of them have in common.
fn body() -> &'static str {
    sh::file!("setup.sh")
}

/// POSIX sh that prints what [`parse`] reads.
pub fn script() -> String {
    script_with(OWN_FACTS, None)
}

/// The same with another folder of the hosts' own facts, and with the seconds that a server may take to tell the size of a
/// file system of its.
pub fn script_with(own: &str, patience: Option<u64>) -> String {
    let patience = patience.map(|seconds| seconds.to_string()).unwrap_or_default();
    format!("own={} patience={patience}\n{}", quote(own), body())
}

/// Whether a script is one of these.
pub fn is_script(script: &str) -> bool {
    script.ends_with(body())
}

/// Parses what [`script`] printed into `ansible_…` facts; `None` when that is cut off.
pub fn parse(stdout: &[u8]) -> Option<Json> {
    let text = String::from_utf8_lossy(stdout);
    let told = Told::read(&text);
    let mut facts = Map::new();
    system::gather(&told, &mut facts)?;
    network::gather(&told, &mut facts);
    hardware::gather(&told, &mut facts);
    let mut named: Map<String, Json> = facts.into_iter().map(|(k, v)| (format!("ansible_{k}"), v)).collect();
    named.insert("ansible_local".to_owned(), told.local_facts());
    named.insert("gather_subset".to_owned(), json!(["all"]));
    named.insert("module_setup".to_owned(), json!(true));
    Some(Json::Object(named))
}

#[cfg(test)]
mod tests;
