//! Which facts may become variables of their own: never one that says how a host is reached, or that the run itself sets.
//!
//! A host chooses the names of some of its facts: those of its network interfaces are `ansible_NAME`. What is left out here is in
//! `ansible_facts` all the same, where it means nothing to the run.
//!
//! Source: `clean_facts` of ansible-core, to which the names are added that bringup itself asks for.

use super::connection;
use crate::playbook::MAGIC;

/// Settings of connections and of `become` that Ansible has besides those of our own kinds of connections; for those of a family
/// [`FAMILIES`] stands.
const SETTINGS: &[&str] = &[
    "ansible_become",
    "ansible_connection",
    "ansible_connection_user",
    "ansible_host",
    "ansible_host_key_checking",
    "ansible_module_compression",
    "ansible_network_os",
    "ansible_password",
    "ansible_pipelining",
    "ansible_port",
    "ansible_private_key_file",
    "ansible_remote_tmp",
    "ansible_async_dir",
    "ansible_scp_extra_args",
    "ansible_sftp_extra_args",
    "ansible_timeout",
    "ansible_user",
];

/// Beginnings of names that are settings.
const FAMILIES: &[&str] = &[
    "ansible_become_",
    "ansible_doas_",
    "ansible_docker_",
    "ansible_local_",
    "ansible_paramiko_",
    "ansible_psrp_",
    "ansible_shell_",
    "ansible_ssh_",
    "ansible_su_",
    "ansible_sudo_",
    "ansible_winrm_",
];

/// What the run itself sets besides [`MAGIC`], `add_host` and its like included.
const OWN: &[&str] = &[
    "add_group",
    "add_host",
    "ansible_check_mode",
    "ansible_collection_name",
    "ansible_config_file",
    "ansible_delegated_vars",
    "ansible_dependent_role_names",
    "ansible_diff_mode",
    "ansible_facts",
    "ansible_failed_result",
    "ansible_failed_task",
    "ansible_forks",
    "ansible_index_var",
    "ansible_inventory_sources",
    "ansible_limit",
    "ansible_loop",
    "ansible_loop_var",
    "ansible_managed",
    "ansible_parent_role_names",
    "ansible_parent_role_paths",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "ansible_play_name",
    "ansible_play_role_names",
    "ansible_playbook_python",
    "ansible_role_name",
    "ansible_rsync_path",
    "ansible_run_tags",
    "ansible_search_path",
    "ansible_skip_tags",
    "ansible_verbosity",
    "ansible_version",
    "bringup_version",
    "omit",
];

/// The keys of a host's own sshd, which facts tell: `ansible_ssh_host_key_rsa_public` and its like.
const HOST_KEYS: &[&str] = &["_public", "_public_keytype"];

/// Whether a name belongs to a connection or to `become`.
pub fn is_setting(name: &str) -> bool {
    if name.strip_prefix("ansible_ssh_host_key_").is_some_and(|rest| HOST_KEYS.iter().any(|end| rest.ends_with(end))) {
        return false;
    }
    let family = FAMILIES.iter().any(|family| name.starts_with(family));
    // Containers and virtual machines make such interfaces.
    let bridge = name.ends_with("_bridge") || name.ends_with("_gwbridge");
    let interpreter = name.starts_with("ansible_") && name.ends_with("_interpreter");
    let known = SETTINGS.contains(&name) || connection::NAMES.contains(&name);
    known || interpreter || (family && (!bridge || name.starts_with("ansible_become_")))
}

/// Whether a fact may be a variable of its own.
pub fn may_be_variable(name: &str) -> bool {
    !is_setting(name) && !OWN.contains(&name) && !MAGIC.contains(&name) && !name.starts_with("_ansible_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_fact_says_how_its_host_is_reached() {
        let settings = super::super::connection::NAMES.iter().chain(super::super::keyword::NAMES);
        for name in settings {
            assert!(!may_be_variable(name), "{name}");
        }
        for name in ["ansible_ssh_host_key_checking", "ansible_python_interpreter", "ansible_become_x_bridge", "groups"]
        {
            assert!(!may_be_variable(name), "{name}");
        }
        for name in ["ansible_eth0", "ansible_ssh_host_key_rsa_public", "ansible_docker_gwbridge", "ansible_hostname"] {
            assert!(may_be_variable(name), "{name}");
        }
        for name in ["ansible_local", "ansible_user_id", "ansible_become0", "services", "getent_passwd"] {
            assert!(may_be_variable(name), "{name}");
        }
    }
}
