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
        let mut make = vec!["ssh-keygen".to_owned(), "-q".into(), "-t".into(), self.key_type().to_owned()];
        if let Some(bits) = self.ssh_key_bits.filter(|b| b.0 > 0) {
            make.extend(["-b".to_owned(), bits.0.to_string()]);
        }
        let passphrase = self.ssh_key_passphrase.as_ref().map_or("", |p| &p.0);
        let (key, dir, name) = (quote(&file), quote(&directory), quote(&user.name));
        let script = format!(
            "umask 077; [ -d {dir} ] || {{ mkdir -p -- {dir} && chown \"$(id -u {name}):$(id -g {name})\" {dir}; }} || exit\nrm -f -- {key} {key}.pub\n\
             {} -N {} -C {comment} -f {key} </dev/null || exit\n\
             chown \"$(id -u {name}):$(id -g {name})\" {key} {key}.pub && chmod 0644 {key}.pub && cat {key}.pub\n",
            words(make),
            quote(passphrase),
        );
        let writes =
            vec![Resource::Path(directory), Resource::Path(file.clone()), Resource::Path(format!("{file}.pub"))];
        Change::closed(format!("make ssh key {file}"), Step::Script(script), writes)
    }
}
