//! Which modules `async` is not for.

/// Modules that Ansible refuses to leave behind, for a part of what they do is done on the workstation.
const ATTENDED: &[&str] = &[
    "add_host",
    "assemble",
    "assert",
    "async_status",
    "copy",
    "debug",
    "fail",
    "fetch",
    "gather_facts",
    "group_by",
    "include_vars",
    "pause",
    "raw",
    "reboot",
    "script",
    "set_fact",
    "set_stats",
    "template",
    "unarchive",
    "validate_argument_spec",
    "wait_for_connection",
];

/// Whether a module, by its full name, is done only while somebody looks on: there is no `async` for it.
pub fn is_attended(module: &str) -> bool {
    module.strip_prefix("ansible.builtin.").is_some_and(|short| ATTENDED.contains(&short))
}
