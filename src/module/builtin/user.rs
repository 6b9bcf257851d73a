//! `ansible.builtin.user`: users of the host.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/user_module.html>

mod aging;
mod create;
mod key;
mod modify;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::group::{Presence, account_files, check_account_name, shown_number, with_files};
use crate::{
    fact::{Answer, FileKind, FileStat, Missing, Probe, Resource, State, UserEntry},
    module::{
        Change, Context, Described, Diff, Failure, Flag, List, Module, ParameterError, Plan, PlanError, Return,
        Returns, Step, StepOutput, Text, Whole, default_finish, path,
    },
    sh::quote,
};

/// Parameters of `user`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The login name.
    #[serde(alias = "user")]
    #[schemars(extend("x-aliases" = ["user"]))]
    name: Text,
    /// Whether the user is to exist.
    #[serde(default)]
    state: Presence,
    /// The user's number.
    #[serde(default)]
    uid: Option<Whole>,
    /// Let several users have the same number.
    #[serde(default)]
    non_unique: Flag,
    /// The primary group, by name or number.
    #[serde(default)]
    group: Option<Text>,
    /// Further groups; an empty list takes the user out of all of them, unless `append` is true.
    #[serde(default)]
    groups: Option<List<Text>>,
    /// Only add to `groups`, take the user out of none.
    #[serde(default)]
    append: Flag,
    /// The comment (GECOS).
    #[serde(default)]
    comment: Option<Text>,
    /// The home directory.
    #[serde(default)]
    home: Option<Text>,
    /// Make the home directory where it is missing.
    #[serde(default = "Flag::yes", alias = "createhome")]
    #[schemars(extend("x-aliases" = ["createhome"]))]
    create_home: Flag,
    /// Move the old home directory's content when `home` changes.
    #[serde(default)]
    move_home: Flag,
    /// A directory whose content a new home directory gets; needs `create_home`.
    #[serde(default)]
    skeleton: Option<Text>,
    /// The umask a new home directory is made with; needs `create_home`.
    #[serde(default)]
    umask: Option<Text>,
    /// The login shell.
    #[serde(default)]
    shell: Option<Text>,
    /// The password's hash as crypt(3) makes it; `!` or `*` locks the password. Never shown.
    #[serde(default)]
    password: Option<Text>,
    /// `always` sets a differing password, `on_create` only that of a new user.
    #[serde(default)]
    update_password: UpdatePassword,
    /// Lock or unlock the password.
    #[serde(default)]
    password_lock: Option<Flag>,
    /// When the account ends, in seconds since 1970; negative: never.
    #[serde(default)]
    expires: Option<Seconds>,
    /// How many days a password lasts.
    #[serde(default)]
    password_expire_max: Option<Whole>,
    /// How many days pass before a password may be changed again.
    #[serde(default)]
    password_expire_min: Option<Whole>,
    /// How many days before its end a password's user is warned.
    #[serde(default)]
    password_expire_warn: Option<Whole>,
    /// How many days behind its password's end an account is locked.
    #[serde(default)]
    password_expire_account_disable: Option<Whole>,
    /// The user of SELinux.
    #[serde(default)]
    seuser: Option<Text>,
    /// Make a new user a system user.
    #[serde(default)]
    system: Flag,
    /// Lowest number for a new user.
    #[serde(default)]
    uid_min: Option<Whole>,
    /// Highest number for a new user.
    #[serde(default)]
    uid_max: Option<Whole>,
    /// With `state: absent`: remove the home directory and the mail too.
    #[serde(default)]
    remove: Flag,
    /// With `state: absent`: remove the user even when logged in. With `generate_ssh_key`: replace an existing key.
    #[serde(default)]
    force: Flag,
    /// Make an ssh key for the user, unless there is one.
    #[serde(default)]
    generate_ssh_key: Flag,
    /// The key's length in bits; what ssh-keygen takes by default.
    #[serde(default)]
    ssh_key_bits: Option<Whole>,
    /// The key's kind.
    #[serde(default)]
    ssh_key_type: Option<Text>,
    /// Where the key goes, relative to the home directory; `.ssh/id_TYPE` by default.
    #[serde(default)]
    ssh_key_file: Option<Text>,
    /// The key's comment; `ansible-generated on HOSTNAME` by default.
    #[serde(default)]
    ssh_key_comment: Option<Text>,
    /// The key's passphrase. Never shown.
    #[serde(default)]
    ssh_key_passphrase: Option<Text>,
    /// Accepted for Ansible's sake: only the host's own files are ever changed.
    #[serde(default)]
    #[allow(dead_code)]
    local: Flag,
    /// Accepted for Ansible's sake: Solaris alone has it.
    #[serde(default)]
    #[allow(dead_code)]
    authorization: Option<Text>,
    /// Accepted for Ansible's sake: macOS alone has it.
    #[serde(default)]
    #[allow(dead_code)]
    hidden: Option<Flag>,
    /// Accepted for Ansible's sake: the BSDs alone have it.
    #[serde(default)]
    #[allow(dead_code)]
    login_class: Option<Text>,
    /// Accepted for Ansible's sake: Solaris alone has it.
    #[serde(default)]
    #[allow(dead_code)]
    profile: Option<Text>,
    /// Accepted for Ansible's sake: Solaris alone has it.
    #[serde(default)]
    #[allow(dead_code)]
    role: Option<Text>,
}

/// When a differing password is set.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum UpdatePassword {
    /// Whenever it differs.
    #[default]
    Always,
    /// Only for a new user.
    OnCreate,
}

/// A point in time in seconds, also with a fraction or as a text.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema)]
pub struct Seconds(f64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(from)?;
        text.0.trim().parse().map(Seconds).map_err(|_| serde::de::Error::custom(format!("{} is no number", text.0)))
    }
}

impl Described for User {
    const NAME: &'static str = "ansible.builtin.user";
    const SUMMARY: &'static str = "Adds, changes or removes users";
    const EXAMPLES: &'static str = "\
- name: Let the user of etcd be there
  ansible.builtin.user:
    name: etcd
    system: true
    home: /var/lib/etcd
    shell: /usr/sbin/nologin
";
    const RETURNS: Returns = &[&[
        Return::text("name", "always", "The user"),
        Return::text("state", "always", "`present` or `absent`"),
        Return::whole("uid", "when the user exists", "The user's number"),
        Return::whole("group", "when the user exists", "The number of the user's own group"),
        Return::text("groups", "with `groups`", "Further groups, with commas between them"),
        Return::text("comment", "when the user exists", "The user's real name, or whatever stands there"),
        Return::text("home", "when the user exists", "The home directory"),
        Return::text("shell", "when the user exists", "The login shell"),
        Return::flag("append", "when the user existed", "Whether other groups are left as they are"),
        Return::flag("move_home", "when the user existed", "Whether the home directory was to be moved"),
        Return::flag("create_home", "when the user is new", "Whether a home directory was to be made"),
        Return::flag("system", "when the user is new", "Whether it was to be a user of the system"),
        Return::flag("force", "with `state: absent`, when the user existed", "Whether it was to go in any case"),
        Return::flag(
            "remove",
            "with `state: absent`, when the user existed",
            "Whether the home directory was to go too",
        ),
        Return::text("password", "with `password`", "`NOT_LOGGING_PASSWORD`"),
        Return::text("ssh_key_file", "with `generate_ssh_key`", "The file of the private key"),
        Return::text("ssh_public_key", "with `generate_ssh_key`", "The public key"),
        Return::text("ssh_fingerprint", "with `generate_ssh_key`", "Its fingerprint, as `ssh-keygen -l` writes it"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        check_account_name("name", &self.name.0)?;
        for group in self.groups.iter().flat_map(|g| &g.0) {
            check_account_name("groups", &group.0)?;
        }
        if self.non_unique.0 && self.uid.is_none() {
            return Err(ParameterError::new("non_unique", "it needs a `uid`"));
        }
        if self.ssh_key_passphrase.as_ref().is_some_and(|p| p.0.contains(['\n', '\r', '\0'])) {
            return Err(ParameterError::new("ssh_key_passphrase", "a line's end cannot be part of it"));
        }
        for (parameter, value) in
            [("comment", &self.comment), ("home", &self.home), ("shell", &self.shell), ("password", &self.password)]
        {
            if value.as_ref().is_some_and(|v| v.0.contains([':', '\n'])) {
                return Err(ParameterError::new(parameter, "a colon or a line's end cannot be part of it"));
            }
        }
        if self.skeleton.is_some() && !self.create_home.0 {
            return Err(ParameterError::new("skeleton", "it needs `create_home`"));
        }
        let mask =
            self.umask.as_ref().is_some_and(|u| u.0.is_empty() || !u.0.bytes().all(|b| (b'0'..=b'7').contains(&b)));
        if mask {
            return Err(ParameterError::new("umask", "it must be octal, such as '077'"));
        }
        Ok(())
    }
}

impl User {
    /// The same with `~` of the paths expanded, which is the acting user's.
    fn expanded(&self, context: &Context<'_>, state: &State) -> Result<User, Missing> {
        let path = |text: &Option<Text>| match text {
            Some(text) if text.0.starts_with('~') => {
                path::absolute(context, state, &text.0).map(|path| Some(Text(path)))
            }
            other => Ok(other.clone()),
        };
        Ok(User { home: path(&self.home)?, shell: path(&self.shell)?, ..self.clone() })
    }

    fn question(&self) -> Probe {
        Probe::User { name: self.name.0.clone() }
    }

    fn probes(&self, state: &State) -> Vec<Probe> {
        let mut probes = vec![self.question()];
        if let Some(group) = &self.group {
            probes.push(Probe::Group { name: group.0.clone() });
        } else {
            probes.push(Probe::Group { name: self.name.0.clone() });
        }
        if self.state == Presence::Present {
            let known = state.user(&self.name.0).ok().flatten();
            probes.extend(self.aging_question().filter(|_| known.is_some()));
            if known.is_some() || self.home.is_some() {
                probes.extend(self.home_probes(known));
            }
        }
        probes
    }

    /// The home directory as it will be.
    fn home_of(&self, user: Option<&UserEntry>) -> String {
        match (&self.home, user) {
            (Some(home), _) => home.0.clone(),
            (None, Some(user)) => user.home.clone(),
            (None, None) => format!("/home/{}", self.name.0),
        }
    }

    fn wanted_uid(&self) -> Result<Option<u32>, Failure> {
        let wanted =
            |n: Whole| u32::try_from(n.0).map_err(|_| Failure::new(format!("uid {} is no number of a user", n.0)));
        self.uid.map(wanted).transpose()
    }

    fn result(&self, user: &UserEntry) -> Map<String, Json> {
        let mut result = Map::new();
        result.insert("name".into(), json!(user.name));
        result.insert("state".into(), json!("present"));
        if user.uid != u32::MAX {
            result.insert("uid".into(), json!(user.uid));
        }
        if user.gid != u32::MAX {
            result.insert("group".into(), json!(user.gid));
        }
        for (key, value) in [("home", &user.home), ("shell", &user.shell), ("comment", &user.comment)] {
            result.insert(key.to_owned(), json!(value));
        }
        result.insert("append".into(), json!(self.append.0));
        result.insert("move_home".into(), json!(self.move_home.0));
        if let Some(groups) = &self.groups {
            result.insert(
                "groups".into(),
                json!(
                    groups
                        .0
                        .iter()
                        .map(|g| &g.0)
                        .collect::<Vec<_>>()
                        .iter()
                        .map(|s| s.as_str())
                        .collect::<Vec<_>>()
                        .join(",")
                ),
            );
        }
        if self.password.is_some() {
            result.insert("password".into(), json!("NOT_LOGGING_PASSWORD"));
        }
        result
    }

    fn absent(&self, user: Option<&UserEntry>) -> Plan {
        let mut result = Map::new();
        result.insert("name".into(), json!(self.name.0));
        result.insert("state".into(), json!("absent"));
        let Some(user) = user else { return Plan::ok(result) };
        result.insert("force".into(), json!(self.force.0));
        result.insert("remove".into(), json!(self.remove.0));
        let name = quote(&self.name.0);
        let (force, remove) = (if self.force.0 { "-f " } else { "" }, if self.remove.0 { "-r " } else { "" });
        let simple = if self.remove.0 { "--remove-home " } else { "" };
        // userdel's 6 and 12 are about mail and home that were not there; 8 is for who has a process, as one has that is about to end.
        let script = format!(
            "if command -v userdel >/dev/null; then n=0\nwhile :; do\n\
             e=$(userdel {force}{remove}{name} 2>&1); rc=$?; [ $rc = 8 ] && [ $n -lt 10 ] || break\n\
             n=$((n+1)); sleep 0.1 2>/dev/null || sleep 1\ndone\n\
             [ -z \"$e\" ] || printf '%s\\n' \"$e\" >&2\n[ $rc -ne 12 ] || rc=0; exit $rc; \
             else deluser {simple}{name}; fi\n"
        );
        let mut writes = account_files();
        if self.remove.0 {
            writes.extend([user.home.clone(), format!("/var/mail/{}", self.name.0)].map(Resource::Path));
        }
        Plan {
            changes: vec![Change::closed(format!("remove user {}", self.name.0), Step::Script(script), writes)],
            diff: vec![self.diff(Some(user), None)],
            predictions: vec![(self.question(), Answer::User(None))],
            leaves: Some(self.name.0.clone()),
            result,
            ..Plan::default()
        }
    }

    fn diff(&self, before: Option<&UserEntry>, after: Option<&UserEntry>) -> Diff {
        let header = format!("user {}", self.name.0);
        let other_hash = before.map(|u| &u.password_hash) != after.map(|u| &u.password_hash);
        let text = |user: Option<&UserEntry>, which: &str| match user {
            None => String::new(),
            Some(u) => {
                let mut groups = u.groups.clone();
                groups.sort();
                let password =
                    if other_hash && before.is_some() { format!("password: ({which})\n") } else { String::new() };
                let expires = if u.expires.is_empty() { "never" } else { u.expires.as_str() };
                format!(
                    "uid: {}\ngroup: {}\ngroups: {}\ncomment: {}\nhome: {}\nshell: {}\nexpires: {expires}\n{password}",
                    shown_number(u.uid),
                    u.group,
                    groups.join(","),
                    u.comment,
                    u.home,
                    u.shell
                )
            }
        };
        Diff {
            before: text(before, "old"),
            after: text(after, "new"),
            before_header: header.clone(),
            after_header: header,
        }
    }
}

/// Whether a password looks like what crypt(3) makes, or like one that nothing matches.
fn hashed(password: &str) -> bool {
    if matches!(password, "" | "*" | "!" | "*************") {
        return true;
    }
    let fields: Vec<&str> = password.split('$').collect();
    let (Some(kind), Some(hash), true) = (fields.get(1), fields.last(), fields.len() >= 3) else { return false };
    let length = match *kind {
        "1" => Some(22),
        "5" | "y" => Some(43),
        "6" => Some(86),
        _ => None,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "./=".contains(c);
    hash.chars().all(plain) && length.is_none_or(|l| l == hash.len()) && !password.contains([':', '*', '!'])
}

/// Prints the user's line and the primary group's name as they are afterwards.
fn tell(name: &str) -> String {
    let name = quote(name);
    format!(
        "if command -v getent >/dev/null; then getent passwd {name}; \
         else while IFS= read -r l; do case $l in {name}:*) printf '%s\\n' \"$l\" ;; esac; done </etc/passwd; fi\n"
    )
}

impl Module for User {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        match self.expanded(context, state) {
            Ok(user) => user.probes(state),
            Err(missing) => super::copy::unread(missing),
        }
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let wanted = self.expanded(context, state)?;
        let user = state.user(&self.name.0)?.filter(|u| u.name == self.name.0);
        let mut plan = match (self.state, user) {
            (Presence::Absent, user) => wanted.absent(user),
            (Presence::Present, None) => wanted.create(context, state)?,
            (Presence::Present, Some(user)) => wanted.modify(context, state, user)?,
        };
        if self.password.as_ref().is_some_and(|password| !hashed(&password.0)) {
            plan.warnings.push(
                "The input password appears not to have been hashed. The 'password' argument must be encrypted for this module to work properly."
                    .to_owned(),
            );
        }
        Ok(plan)
    }

    fn finish(&self, _: &Context<'_>, plan: &Plan, outputs: &[StepOutput]) -> Result<Map<String, Json>, Failure> {
        let mut result = default_finish(plan, outputs)?;
        for output in outputs {
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            for line in told.lines() {
                if self.generate_ssh_key.0 && (line.starts_with("ssh-") || line.starts_with("ecdsa-")) {
                    result.insert("ssh_public_key".into(), json!(line));
                }
                let fields: Vec<_> = line.split(':').collect();
                if let ([name, _, uid, gid, comment, home, shell], true) =
                    (&fields[..], self.state == Presence::Present)
                {
                    if *name == self.name.0 {
                        result.insert("uid".into(), json!(uid.parse::<u32>().ok()));
                        result.insert("group".into(), json!(gid.parse::<u32>().ok()));
                        result.extend(
                            [("comment", comment), ("home", home), ("shell", shell)]
                                .map(|(k, v)| (k.to_owned(), json!(v))),
                        );
                    }
                }
            }
        }
        let public = result.get("ssh_public_key").and_then(Json::as_str);
        if let Some(print) = public.and_then(|public| key::fingerprint(public.trim())) {
            result.insert("ssh_fingerprint".into(), json!(print));
        }
        Ok(result)
    }
}

/// The stat of a directory that a user is to own, for predictions.
fn home_stat(user: &UserEntry) -> FileStat {
    let mut stat = FileStat::new(FileKind::Directory, 0o755, &user.name, &user.group);
    (stat.uid, stat.gid) = (user.uid, user.gid);
    stat
}
