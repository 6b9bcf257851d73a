//! An ssh key for a user.

use serde_json::{Map, Value as Json, json};

use super::{Change, Step, User, UserEntry, quote};
use crate::{fact::Resource, module::words};

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
        let (key, dir, name) = (quote(&file), quote(&directory), quote(&user.name));
        let script = format!(
            "umask 077; [ -d {dir} ] || {{ mkdir -p -- {dir} && chown \"$(id -u {name}):$(id -g {name})\" {dir}; }} || exit\nrm -f -- {key} {key}.pub\n\
             {} || exit\n\
             chown \"$(id -u {name}):$(id -g {name})\" {key} {key}.pub && chmod 0644 {key}.pub && cat {key}.pub\n",
            make(passphrase, &format!("{} -C {comment} -f {key}", words(make_key))),
        );
        let writes =
            vec![Resource::Path(directory), Resource::Path(file.clone()), Resource::Path(format!("{file}.pub"))];
        Change::closed(format!("make ssh key {file}"), Step::Script(script), writes)
    }
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
