//! The keywords that plays, roles, blocks and tasks share.

use super::VarMap;
use crate::yaml::Node;

/// Keywords that hold for everything inside, as written; each may be a template.
///
/// Source: <https://docs.ansible.com/ansible/latest/reference_appendices/playbooks_keywords.html>
#[derive(Clone, Debug, Default)]
pub struct Keywords {
    /// Conditions, all of which must hold.
    pub when: Vec<Node>,
    /// Tags: one node for each, texts with commas taken apart.
    pub tags: Vec<Node>,
    /// Variables.
    pub vars: Option<VarMap>,
    /// Whether to become another user.
    pub become_: Option<Node>,
    /// The user to become.
    pub become_user: Option<Node>,
    /// How to become it.
    pub become_method: Option<Node>,
    /// Flags for the program that does it.
    pub become_flags: Option<Node>,
    /// The program that does it.
    pub become_exe: Option<Node>,
    /// Environment variables of remote steps: a mapping, a list of mappings or a template.
    pub environment: Option<Node>,
    /// Whether a failed task lets the host go on.
    pub ignore_errors: Option<Node>,
    /// Whether an unreachable host is tried again at the next task.
    pub ignore_unreachable: Option<Node>,
    /// Whether results are kept out of every output.
    pub no_log: Option<Node>,
    /// Forces check mode on or off.
    pub check_mode: Option<Node>,
    /// Forces diffs on or off.
    pub diff: Option<Node>,
    /// Whether a failure on one host ends the play for all.
    pub any_errors_fatal: Option<Node>,
    /// Whether one host stands for all.
    pub run_once: Option<Node>,
    /// The host that acts in the place of the current one.
    pub delegate_to: Option<Node>,
    /// Whether facts go to the delegated host.
    pub delegate_facts: Option<Node>,
    /// At most so many hosts at once.
    pub throttle: Option<Node>,
    /// Seconds after which a task is given up.
    pub timeout: Option<Node>,
    /// The connection plugin.
    pub connection: Option<Node>,
    /// The user to log in as.
    pub remote_user: Option<Node>,
    /// The port to connect to.
    pub port: Option<Node>,
    /// Collections in which short names are looked for.
    pub collections: Option<Node>,
    /// Defaults of module parameters: module or `group/…` → parameters.
    pub module_defaults: Option<Node>,
    /// When Ansible's task debugger starts; accepted and without effect here.
    pub debugger: Option<Node>,
}
