//! Kernel settings: many keys, one script that starts no process.

use std::borrow::Cow;

use crate::module::quote;

/// The file of a setting below `/proc/sys`.
///
/// As in sysctl(8), the separator that comes first in the key is the separator: `net.ipv4.conf.eth0/1.forwarding` is
/// about the interface `eth0.1`, and so is `net/ipv4/conf/eth0.1/forwarding`.
pub fn path(key: &str) -> String {
    let swapped: Cow<'_, str> = match key.find(['.', '/']).map(|at| key.as_bytes()[at]) {
        Some(b'.') => key
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect::<String>()
            .into(),
        _ => key.into(),
    };
    format!("/proc/sys/{swapped}")
}

/// Prints `PATH:LINE` for each line of each setting that can be read.
///
/// The kernel gives a setting to the first read alone, so a shell's own `read`, which takes byte after byte, gets only
/// the first digit.
pub(super) fn script(keys: &[&str]) -> String {
    let paths: Vec<_> = keys.iter().map(|k| quote(&path(k)).into_owned()).collect();
    format!("grep -s '' /dev/null {}\n:\n", paths.join(" "))
}

/// Parses what [`script`] printed.
pub(super) fn parse(keys: &[&str], stdout: &[u8]) -> Option<Vec<Option<String>>> {
    let text = String::from_utf8_lossy(stdout);
    let value = |key: &&str| {
        let start = format!("{}:", path(key));
        let lines: Vec<_> = text.lines().filter_map(|l| l.strip_prefix(&start)).collect();
        (!lines.is_empty()).then(|| lines.join(" "))
    };
    Some(keys.iter().map(value).collect())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_first_separator_counts() {
        for (key, expected) in [
            ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
            ("net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"),
            ("net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ] {
            assert_eq!(path(key), format!("/proc/sys/{expected}"));
        }
    }

    #[test]
    fn values_are_read_in_every_shell() {
        let keys = ["kernel.ostype", "no.such.key", "net.ipv4.ip_local_port_range"];
        let script = script(&keys);
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let Ok(output) = Command::new(shell[0]).args(&shell[1..]).arg("-c").arg(&script).output() else { continue };
            let values = parse(&keys, &output.stdout).unwrap();
            assert_eq!(values[0].as_deref(), Some("Linux"), "{shell:?}");
            assert_eq!(values[1], None, "{shell:?}");
            assert!(values[2].as_ref().is_some_and(|v| v.contains('\t')), "{shell:?}: {values:?}");
        }
    }
}
