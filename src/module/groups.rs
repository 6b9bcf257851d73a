//! Groups of modules that are known without any collection on the disk.

/// The groups that Ansible itself has: all that the groups of collections have.
static SHIPPED: &[(&str, &[&str])] = &[
    ("acme", &["community.crypto.acme"]),
    ("aws", &["amazon.aws.aws", "community.aws.aws"]),
    ("azure", &["azure.azcollection.azure"]),
    ("cpm", &["wti.remote.cpm"]),
    ("docker", &["community.general.docker", "community.docker.docker"]),
    ("gcp", &["google.cloud.gcp"]),
    (
        "k8s",
        &[
            "community.kubernetes.k8s",
            "community.general.k8s",
            "community.kubevirt.k8s",
            "community.okd.k8s",
            "kubernetes.core.k8s",
        ],
    ),
    ("os", &["openstack.cloud.os"]),
    ("ovirt", &["ovirt.ovirt.ovirt", "community.general.ovirt"]),
    ("vmware", &["community.vmware.vmware"]),
];

/// Groups of collections that need not be on the disk, for their modules are here.
static HERE: &[(&str, &[&str])] = &[("kubernetes.core.k8s", &["k8s", "k8s_drain", "k8s_info"])];

fn find(table: &'static [(&str, &[&str])], name: &str) -> Option<&'static [&'static str]> {
    table.iter().find(|(group, _)| *group == name).map(|(_, members)| *members)
}

/// The groups that one of Ansible's own is made of.
pub fn of_groups(name: &str) -> Option<&'static [&'static str]> {
    find(SHIPPED, name)
}

/// The modules of a collection's group that are here.
pub fn of_modules(full_name: &str) -> Option<&'static [&'static str]> {
    find(HERE, full_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::Registry;

    #[test]
    fn the_modules_of_groups_are_all_that_are_here() {
        for (group, modules) in HERE {
            let (collection, _) = group.rsplit_once('.').unwrap_or_default();
            let of =
                |name: &str| name.strip_prefix(collection).and_then(|rest| rest.strip_prefix('.')).map(str::to_owned);
            let mut here: Vec<String> = Registry::get().entries().iter().filter_map(|entry| of(entry.name)).collect();
            here.sort();
            assert_eq!(here, *modules);
        }
        assert!(
            of_groups("k8s").is_some_and(|groups| groups.contains(&"kubernetes.core.k8s")) && of_groups("x").is_none()
        );
    }
}
