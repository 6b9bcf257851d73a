//! An ssh key for a user.

use serde_json::{Map, Value as Json, json};

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
