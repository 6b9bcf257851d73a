//! Which kind of connection a name means, and what all of them read.

use super::{
    KINDS,
    kind::{Kind, Role},
    local, ssh,
};
use std::sync::LazyLock;

/// The variable that names the kind.
pub const CONNECTION: &str = "ansible_connection";

/// The variables that any kind reads.
pub static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut names = vec![CONNECTION];
    for name in KINDS.iter().flat_map(|kind| kind.names()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
});

/// The variables that say where a host is, whatever its kind.
pub static ADDRESSES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| KINDS.iter().flat_map(|kind| kind.role(Role::Address)).copied().collect());

/// Finds a kind by Ansible's name for it, or by another it goes by.
pub fn find(name: &str) -> Option<&'static Kind> {
    let builtin = name.strip_prefix("ansible.builtin.");
    let is = |kind: &Kind| match builtin {
        Some(short) if kind.name.starts_with("ansible.builtin.") => {
            kind.short() == short || kind.aliases.contains(&short)
        }
        _ => kind.name == name || kind.short() == name || kind.aliases.contains(&name),
    };
    KINDS.iter().copied().find(|kind| is(kind))
}

/// Tells whether the value of a variable decides what runs on this machine, or whom it trusts: no host may choose it.
pub fn decides_here(name: &str, value: &str) -> bool {
    if name == CONNECTION {
        return find(value).is_some_and(|kind| kind.here);
    }
    KINDS.iter().any(|kind| kind.decides(name, value))
}

/// The kind where nothing is said: of this machine itself, or of another host.
pub fn usual(this_machine: bool) -> &'static Kind {
    if this_machine { &local::KIND } else { &ssh::KIND }
}

/// The names of all kinds, as a list in a sentence.
pub fn names() -> String {
    let names: Vec<String> = KINDS.iter().map(|kind| format!("`{}`", kind.short())).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// What to write instead of a kind that is not there.
pub fn hint() -> String {
    format!("hosts are reached by {}; connection plugins of Python do not run here", names())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_ansibles_names_and_no_name_means_two() {
        for name in ["ssh", "smart", "ansible.builtin.ssh", "paramiko", "paramiko_ssh"] {
            assert_eq!(find(name).unwrap().name, "ansible.builtin.ssh", "{name}");
        }
        assert_eq!(find("ansible.builtin.local").unwrap().short(), "local");
        assert_eq!(find("community.general.docker").unwrap().short(), "docker");
        assert!(find("ansible.builtin.docker").is_none());
        assert!(find("winrm").is_none() && find("ansible.builtin.winrm").is_none() && find("").is_none());
        let mut names: Vec<&str> =
            KINDS.iter().flat_map(|kind| kind.aliases.iter().copied().chain([kind.short()])).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{names:?}");
    }
}
