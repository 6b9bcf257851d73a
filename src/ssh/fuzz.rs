//! Entry points for fuzzing what a host or a file says: each takes any bytes, and panics where a promise is broken.

use super::{known_hosts::HostCheck, ssh_config};
use russh::keys::ssh_key::PublicKey;

/// A key that no file holds by chance.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

/// Reads bytes as a `known_hosts` file and judges a key for `h1.example.org` at port 2222 by it: without a line that holds the
/// key, it is never let in.
pub fn known_hosts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let check = HostCheck::of_text(&text, "h1.example.org", 2222);
    assert_eq!(check.algorithms().len(), 6, "algorithms are lost or made up");
    let Ok(key) = PublicKey::from_openssh(KEY) else { return };
    let trusted = check.verify(&key.into()).is_ok();
    let body = KEY.split(' ').nth(1).unwrap_or(KEY);
    assert!(!trusted || text.contains(body), "a key that stands nowhere was let in");
}

/// Reads bytes as a text of ssh_config for the host `h1`.
pub fn ssh_config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(found) = ssh_config::read_text("h1", &text) else { return };
    for key in ["user", "port", "hostname", "proxycommand", "identityfile", "connecttimeout"] {
        let all = found.all(key);
        assert_eq!(found.get(key), all.first().copied(), "the first does not count");
        assert!(all.iter().all(|value| text.contains(value)), "a value that stands nowhere");
        if let Some(value) = found.get(key) {
            let _ = found.seconds(key, value);
            let _ = ssh_config::words(value);
        }
    }
    let _ = found.left_out();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_known_hosts_are_borne(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            known_hosts(&bytes);
        }

        #[test]
        fn lines_like_those_of_known_hosts_are_borne(words in prop::collection::vec(prop_oneof![
            Just("@revoked "), Just("@cert-authority "), Just("*"), Just("!"), Just(","), Just("[h1.example.org]:2222 "), Just("h1.example.org "),
            Just("|1|"), Just("AAAA="), Just("|"), Just("ssh-ed25519 "), Just("ssh-rsa "), Just("AAAAC3NzaC1lZDI1NTE5AAAAI"), Just("\n"), Just("#"),
            Just(KEY), Just("AAAAB3NzaC1yc2EAAAADAQABAAABAQC7vbqajDhA"),
        ], 0..30)) {
            known_hosts(words.concat().as_bytes());
        }

        #[test]
        fn any_ssh_config_is_borne(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            ssh_config(&bytes);
        }

        #[test]
        fn lines_like_those_of_ssh_config_are_borne(words in prop::collection::vec(prop_oneof![
            Just("Host "), Just("h1"), Just("*"), Just("!"), Just("\n"), Just("Match "), Just("exec "), Just("\""), Just("="), Just("User "),
            Just("Port "), Just("ConnectTimeout "), Just("9w99999999999999999999d"), Just("%h"), Just("Include "), Just("'"), Just("\\"), Just(" "),
        ], 0..40)) {
            ssh_config(words.concat().as_bytes());
        }
    }
}
