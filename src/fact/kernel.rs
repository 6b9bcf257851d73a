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

/// Prints for each key `1` and its value's lines joined by blanks, or `0`.
pub(super) fn script(keys: &[&str]) -> String {
    let paths: Vec<_> = keys.iter().map(|k| quote(&path(k)).into_owned()).collect();
    format!(
        "for f in {}; do if v= && {{ while IFS= read -r l || [ -n \"$l\" ]; do v=\"$v${{v:+ }}$l\"; done <\"$f\"; }} 2>/dev/null; \
         then printf '1%s\\n' \"$v\"; else echo 0; fi; done\n",
        paths.join(" ")
    )
}

/// Parses what [`script`] printed.
pub(super) fn parse(keys: usize, stdout: &[u8]) -> Option<Vec<Option<String>>> {
    let text = String::from_utf8_lossy(stdout);
    let value = |line: &str| match line.split_at_checked(1)? {
        ("1", value) => Some(Some(value.to_owned())),
        ("0", "") => Some(None),
        _ => None,
    };
    let values: Vec<_> = text.lines().map(value).collect::<Option<_>>()?;
    (values.len() == keys).then_some(values)
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
        let script = script(&["kernel.ostype", "no.such.key", "net.ipv4.ip_local_port_range"]);
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let Ok(output) = Command::new(shell[0]).args(&shell[1..]).arg("-c").arg(&script).output() else { continue };
            let values = parse(3, &output.stdout).unwrap();
            assert_eq!(values[0].as_deref(), Some("Linux"), "{shell:?}");
            assert_eq!(values[1], None, "{shell:?}");
            assert!(values[2].as_ref().is_some_and(|v| v.contains('\t')), "{shell:?}: {values:?}");
        }
    }
}
