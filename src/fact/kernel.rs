//! Kernel settings: many keys, one script that starts no process.

use std::borrow::Cow;

use super::stat::{Found, existing, found};

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

/// Prints a flag for each setting, then `PATH:LINE` for each line of those that can be read.
///
/// The kernel gives a setting to the first read alone, so a shell's own `read`, which takes byte after byte, gets only
/// the first digit.
pub(super) fn script(keys: &[&str]) -> String {
    let paths: Vec<String> = keys.iter().map(|k| path(k)).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    format!("{}[ $# = 0 ] || grep '' /dev/null \"$@\"\n:\n", existing("[ -f \"$p\" ] && [ -r \"$p\" ]", &paths))
}

/// Parses what [`script`] printed.
pub(super) fn parse(keys: &[&str], stdout: &[u8], stderr: &[u8]) -> Option<Vec<Found<String>>> {
    let text = String::from_utf8_lossy(stdout);
    let (flags, text) = text.split_once('\n')?;
    let said = String::from_utf8_lossy(stderr);
    let mut keys_left = keys.iter().zip(flags.bytes()).filter(|(_, flag)| *flag == b'1').map(|(key, _)| path(key));
    let paths: Vec<String> = keys.iter().map(|k| path(k)).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    found(&paths, flags, stderr, |_| {
        let path = keys_left.next()?;
        let start = format!("{path}:");
        let lines: Vec<_> = text.lines().filter_map(|l| l.strip_prefix(&start)).collect();
        // An empty setting has no line, one that the kernel does not give has none either but is complained of.
        let refused = said.lines().find_map(|l| l.split_once(&start).map(|(_, why)| why.trim().to_owned()));
        Some(match refused.filter(|_| lines.is_empty()) {
            Some(why) => Found::Unknown(format!("`{path}` cannot be read: {why}")),
            None if lines.is_empty() => Found::Nothing,
            None => Found::There(lines.join(" ")),
        })
    })
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
            let values = parse(&keys, &output.stdout, &output.stderr).unwrap();
            assert_eq!(values[..2], [Found::There("Linux".to_owned()), Found::Nothing], "{shell:?}");
            assert!(matches!(&values[2], Found::There(v) if v.contains('\t')), "{shell:?}: {values:?}");
        }
    }
}
