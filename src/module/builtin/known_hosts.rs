//! `ansible.builtin.known_hosts`: keys of hosts, as SSH of a user of the host knows them.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/known_hosts_module.html>, sshd(8) for the file

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};
use sha1::Sha1;

use super::group::Presence;
use crate::{
    fact::{Probe, State},
    module::{
        Context, Described, Diff, Flag, Module, ParameterError, Plan, PlanError, Return, Returns, Text,
        edit::{self, Edit},
    },
};

/// Parameters of `known_hosts`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KnownHosts {
    /// The host, by name or address; `[name]:2222` with another port.
    #[serde(alias = "host")]
    #[schemars(extend("x-aliases" = ["host"]))]
    name: Text,
    /// The line of its key: name, kind and key, as ssh-keyscan(1) prints it. Needed to add one.
    #[serde(default)]
    key: Option<Text>,
    /// The file.
    #[serde(default = "file")]
    path: Text,
    /// Whether a new line names the host by a hash.
    #[serde(default = "no")]
    hash_host: Flag,
    /// Whether the key is to be there. Without `key` all of the host's go.
    #[serde(default)]
    state: Presence,
}

fn file() -> Text {
    Text("~/.ssh/known_hosts".into())
}

fn no() -> Flag {
    Flag(false)
}

impl Described for KnownHosts {
    const NAME: &'static str = "ansible.builtin.known_hosts";
    const SUMMARY: &'static str = "Adds and removes keys of hosts that SSH knows";
    const EXAMPLES: &'static str = "\
- name: Know the git server
  ansible.builtin.known_hosts:
    name: git.example.org
    key: git.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKAo1FpuXn1pm1GkZ2RFQ9cGVyZ2VzdGVsbHQgbnVyIGhpZXI=
";
    const RETURNS: Returns = &[&[
        Return::text("name", "always", "The host"),
        Return::text("key", "always", "The line of its key, or null"),
        Return::text("path", "always", "The file, as it was given"),
        Return::flag("hash_host", "always", "As it was given"),
        Return::text("state", "always", "`present` or `absent`"),
        Return::map("diff", "always", "The whole file `before` and `after`"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        let name = &self.name.0;
        if name.contains(',') {
            let message = "Comma separated list of names is not supported. Please pass a single name to lookup in the \
                           known_hosts file.";
            return Err(ParameterError::task(message));
        }
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(ParameterError::new("name", format!("`{}` is no host", name.escape_debug())));
        }
        let Some(key) = &self.key else {
            return match self.state {
                Presence::Present => Err(ParameterError::new("key", "No key specified when adding a host")),
                Presence::Absent => Ok(()),
            };
        };
        let Some(line) = Line::parse(key.0.trim()) else {
            let error = ParameterError::new("key", "it is no line of a known_hosts file");
            return Err(error.help("it has the host, the kind and the key, as `ssh-keyscan HOST` prints them"));
        };
        match line.is_of(&self.host()) {
            true => Ok(()),
            false => Err(ParameterError::task("Host parameter does not match hashed host field in supplied key")),
        }
    }
}

/// A line that names a key.
struct Line<'l> {
    /// `@revoked` and the like.
    marker: &'l str,
    hosts: &'l str,
    kind: &'l str,
    key: &'l str,
}

impl<'l> Line<'l> {
    fn parse(text: &'l str) -> Option<Line<'l>> {
        if text.starts_with('#') || text.contains(['\n', '\r']) {
            return None;
        }
        let mut words = text.split_whitespace();
        let first = words.next()?;
        let (marker, hosts) = if first.starts_with('@') { (first, words.next()?) } else { ("", first) };
        Some(Line { marker, hosts, kind: words.next()?, key: words.next()? })
    }

    /// Whether it names this host, in the clear or hashed.
    fn is_of(&self, host: &str) -> bool {
        self.hosts.split(',').any(|named| match named.strip_prefix("|1|").and_then(|rest| rest.split_once('|')) {
            Some((salt, hash)) => BASE64.decode(salt).is_ok_and(|salt| hashed(&salt, host) == hash),
            None => named.eq_ignore_ascii_case(host),
        })
    }

    fn says(&self, other: &Line<'_>) -> bool {
        (self.marker, self.kind, self.key) == (other.marker, other.kind, other.key)
    }
}

/// The host's name as HMAC-SHA1 with a salt, in base64, as ssh-keygen(1) hashes names.
fn hashed(salt: &[u8], host: &str) -> String {
    // Keys of any length are taken.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(salt) else { return String::new() };
    mac.update(host.as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}

impl KnownHosts {
    fn host(&self) -> String {
        self.name.0.to_lowercase()
    }

    fn edit(&self) -> Edit<'_> {
        Edit::of(&self.path.0)
    }

    /// The line to write.
    fn wanted(&self) -> String {
        let key = self.key.as_ref().map_or("", |k| k.0.trim());
        let (true, Some(line)) = (self.hash_host.0, Line::parse(key)) else { return key.to_owned() };
        if line.hosts.starts_with("|1|") {
            return key.to_owned();
        }
        let salt: [u8; 20] = rand::random();
        let host = format!("|1|{}|{}", BASE64.encode(salt), hashed(&salt, &self.host()));
        key.replacen(line.hosts, &host, 1)
    }

    /// The file's lines as they are to be; `None` where they are so.
    fn edited(&self, lines: &[String]) -> Option<Vec<String>> {
        let host = self.host();
        let given = self.key.as_ref().and_then(|key| Line::parse(key.0.trim()));
        let is_hosts = |line: &String| Line::parse(line.trim()).is_some_and(|l| l.is_of(&host));
        if self.state == Presence::Absent {
            let goes = |line: &String| {
                let same = |given: &Line<'_>| Line::parse(line.trim()).is_some_and(|l| l.says(given));
                is_hosts(line) && given.as_ref().is_none_or(same)
            };
            return lines.iter().any(goes).then(|| lines.iter().filter(|line| !goes(line)).cloned().collect());
        }
        let given = given?;
        // A host has one key of a kind; of authorities and of keys that are revoked there may be several.
        let of_kind = |line: &String| {
            let takes_place = |there: Line<'_>| match given.marker.is_empty() && there.marker.is_empty() {
                true => there.kind == given.kind,
                false => there.says(&given),
            };
            is_hosts(line) && Line::parse(line.trim()).is_some_and(takes_place)
        };
        let mut after = lines.to_vec();
        match after.iter().position(of_kind) {
            Some(at) => {
                let there = Line::parse(after[at].trim())?;
                let hidden = |hosts: &str| hosts.starts_with("|1|");
                if there.says(&given) && hidden(there.hosts) == (self.hash_host.0 || hidden(given.hosts)) {
                    return None;
                }
                after[at] = self.wanted();
            }
            None => after.push(self.wanted()),
        }
        Some(after)
    }
}

impl Module for KnownHosts {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        self.edit().probe(context, state)
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let edit = self.edit();
        let present = edit.present(context, state)?;
        let lines: Vec<String> = present.lines()?.map(str::to_owned).collect();
        let before = present.text()?.unwrap_or_default();
        let (mut plan, after) = match self.edited(&lines) {
            Some(after) => {
                let after = edit::joined(&after);
                (edit.plan(context, state, &present, after.as_bytes(), "")?, after)
            }
            None => (Plan::default(), before.to_owned()),
        };
        // Ansible tells it whether differences are asked for or not.
        let header = if present.bytes.is_some() { &present.path } else { "/dev/null" };
        let diff = Diff {
            before_header: header.to_owned(),
            after_header: present.path.clone(),
            before: before.to_owned(),
            after,
        };
        plan.result = Map::from_iter([
            ("name".to_owned(), json!(self.name.0)),
            ("key".to_owned(), json!(self.key.as_ref().map(|k| k.0.clone()))),
            ("path".to_owned(), json!(self.path.0)),
            ("hash_host".to_owned(), json!(self.hash_host.0)),
            ("state".to_owned(), json!(self.state.word())),
            ("diff".to_owned(), diff.field()),
        ]);
        Ok(plan)
    }
}
