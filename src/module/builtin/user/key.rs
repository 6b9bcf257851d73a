//! An ssh key for a user.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::{Change, Step, User, UserEntry};
use crate::sh::quote;
use crate::{
    fact::Resource,
    module::{Place, path},
    sh::words,
};

impl User {
    fn key_type(&self) -> &str {
        self.ssh_key_type.as_ref().map_or("rsa", |t| &t.0)
    }

    /// The private key's path.
    pub(super) fn key_file(&self, home: &str) -> String {
        match &self.ssh_key_file {
            Some(file) if file.0.starts_with('/') => file.0.clone(),
            Some(file) => format!("{home}/{}", file.0),
            None => format!("{home}/.ssh/id_{}", self.key_type()),
        }
    }

    /// Makes the key as the user will own it; tells its path in the result.
    pub(super) fn key_change(&self, user: &UserEntry, result: &mut Map<String, Json>) -> Change {
        let file = self.key_file(&user.home);
        let directory = file.rsplit_once('/').map_or("/", |(d, _)| d).to_owned();
        result.insert("ssh_key_file".into(), json!(file));
        let comment = match &self.ssh_key_comment {
            Some(comment) => quote(&comment.0).into_owned(),
            None => "\"ansible-generated on $(uname -n)\"".to_owned(),
        };
        let mut make_key = vec!["ssh-keygen".to_owned(), "-q".into(), "-t".into(), self.key_type().to_owned()];
        if let Some(bits) = self.ssh_key_bits.filter(|b| b.0 > 0) {
            make_key.extend(["-b".to_owned(), bits.0.to_string()]);
        }
        let passphrase = self.ssh_key_passphrase.as_ref().map_or("", |p| &p.0);
        let name = quote(&user.name);
        let mut script = format!("umask 077; u=$(id -u {name}) g=$(id -g {name}) || exit 1\n");
        script.push_str(&enter(&user.home, &directory));
        let place = Place { directory: ".".to_owned(), name: path::name(&file).to_owned(), ..Place::default() };
        script.push_str(&place.open());
        script.push_str(&format!(
            "b=$t.pub\n{} || fail\nchown -- \"$u:$g\" \"$t\" \"$b\" && chmod 0644 \"$b\" && cat -- \"$b\" || fail\n\
             mv -f -- \"$t\" \"$b\" .. || fail\nleave\n",
            make(passphrase, &format!("{} -C {comment} -f \"$t\"", words(make_key))),
        ));
        let writes =
            vec![Resource::Path(directory), Resource::Path(file.clone()), Resource::Path(format!("{file}.pub"))];
        Change::closed(format!("make ssh key {file}"), Step::Script(script), writes)
    }
}

/// The fingerprint of a public key, as `ssh-keygen -l` writes it.
pub(super) fn fingerprint(public: &str) -> Option<String> {
    let mut words = public.splitn(3, ' ');
    let (kind, blob) = (words.next()?, STANDARD.decode(words.next()?).ok()?);
    let comment = words.next().filter(|comment| !comment.is_empty()).unwrap_or("no comment");
    let (name, bits) = match kind {
        "ssh-rsa" => ("RSA", bits_of_rsa(&blob)?),
        "ssh-ed25519" => ("ED25519", 256),
        "ecdsa-sha2-nistp256" => ("ECDSA", 256),
        "ecdsa-sha2-nistp384" => ("ECDSA", 384),
        "ecdsa-sha2-nistp521" => ("ECDSA", 521),
        _ => return None,
    };
    Some(format!("{bits} SHA256:{} {comment} ({name})", STANDARD_NO_PAD.encode(Sha256::digest(&blob))))
}

/// The length of an RSA key's modulus, the third of its fields.
fn bits_of_rsa(blob: &[u8]) -> Option<usize> {
    let mut rest = blob;
    let mut modulus: &[u8] = &[];
    for _ in 0..3 {
        let (length, behind) = rest.split_at_checked(4)?;
        let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
        (modulus, rest) = behind.split_at_checked(length)?;
    }
    let first = modulus.iter().position(|byte| *byte != 0)?;
    let digits = modulus.get(first..)?;
    Some(digits.len() * 8 - digits.first()?.leading_zeros() as usize)
}

/// POSIX sh that enters the directory of the key, which is made where it is missing. What stands in a user's home is the user's: no
/// link is followed there, and what is made gets its owner before anybody else can reach it.
fn enter(home: &str, directory: &str) -> String {
    let below = directory.strip_prefix(home).filter(|rest| rest.is_empty() || rest.starts_with('/') || home == "/");
    let (top, names) = match below {
        Some(rest) => (home, rest.trim_matches('/')),
        None => (path::parent(directory), path::name(directory)),
    };
    let missing = quote(&format!("the directory {top} does not exist, the key would be below it")).into_owned();
    let mut script = format!("cd -P -- {} || {{ echo {missing} >&2; exit 1; }}\n", quote(top));
    for name in names.split('/').filter(|n| !matches!(*n, "" | ".")) {
        let place = Place { directory: ".".to_owned(), name: name.to_owned(), ..Place::default() };
        let word = quote(&format!("./{name}")).into_owned();
        script.push_str(&format!(
            "w=${{PWD%/}}\n[ -e {word} ] || [ -L {word} ] || {{\n{}\
             mkdir -- \"$t\" && chown -- \"$u:$g\" \"$t\" && mv -f -- \"$t\" .. || {{ rmdir -- \"$t\"; fail; }}\nleave\n}}\n\
             cd -P -- {word} && [ \"$PWD\" = \"$w/\"{} ] || {{ echo \"$w/\"{}' is no directory or a link: no key is put there' >&2; exit 1; }}\n",
            place.open(),
            quote(name),
            quote(name),
        ));
    }
    if below.is_some() {
        script.push_str(
            "case $(stat -c %u .) in \"$u\"|0) ;; *) echo \"$PWD belongs to another user: no key is put there\" >&2; exit 1 ;; esac\n",
        );
    }
    script
}

/// The command that makes the key. A passphrase goes by standard input, for every user can read a command line; without a
/// terminal and without a program to ask by, ssh-keygen reads it there, twice.
fn make(passphrase: &str, command: &str) -> String {
    if passphrase.is_empty() {
        return format!("{command} -N '' </dev/null");
    }
    let word = quote(passphrase);
    format!(
        "printf '%s\\n%s\\n' {word} {word} | ( unset DISPLAY; export SSH_ASKPASS_REQUIRE=never; \
         exec $(command -v setsid) {command} >/dev/null )"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_those_of_ssh_keygen() {
        let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCzKFJHUZbKc09GU33krF8AN7E7iql/s3fhVPlFQRzPF4Z9Lo8ftm0pIDXhwrWPjPOH3543fiZxnyrvu0vzLOrpLnmuepZMdsRK1jC0rrSlnNNC7Dvedp3OeWL1Y5uNjgMp8wJ8Ulz12TD8AZqxgR6zsu/zhkSY4mUcOU21HIpoWc2bx+O7QieIVRMOoeutI3DeY8rH/T6Oh6chmbv9zX8Qhm7piGHECHlKbhz4FaEi/Hmz11OYWlU9RXs2p2p+HaB3pwLgeZ6hEsff1NZPNoWaMlSHqVmkzMUB7ttcHmXNfXSdZDlstl3AMMar/EQeplFktxXnD4VT3WK+jmGCI8MT a b";
        let cases = [
            (rsa, Some("2048 SHA256:5BrebstUCbGcXVAwtRh2oK56zHHnsLBlxrgWTsp9fBc a b (RSA)")),
            (
                "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAFyTCe1j+C7L7IhpDVztCTq2n+Nmznl6ML+GFxX5bpAbG7ZeE6E33ENy7PaBrAkeLEgyulN4/O6cSeqCMOV7Hs9gQHf1K3HHr31zlJZnf1sThfTsIqMxKdKyW6VyoxSKZgridE3LDpcs6j6Bf40DVK2ZN+1mTkicNw4ySnaC38x9L8W/g== c",
                Some("521 SHA256:pEzTk1N4Qt+xHhCkbIyLMgxKD0DWykQbeoy4eVi5cXo c (ECDSA)"),
            ),
            (
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAyLSh18A/hJ7hh5rjtVrfCPalR7dIWueq/+anmQF/5W d",
                Some("256 SHA256:koMZi2KyFXFhDE9l8nE+dTurG2E+ys6v1rktcZYAEHY d (ED25519)"),
            ),
            ("ssh-rsa AAAA", None),
            ("ssh-rsa", None),
            ("", None),
        ];
        for (public, expected) in cases {
            assert_eq!(fingerprint(public).as_deref(), expected, "{public}");
        }
    }
}
