//! `ansible.builtin.apt_key`: keys that apt trusts for every repository.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/apt_key_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use super::group::Presence;
use crate::{
    fact::{Probe, Resource, State},
    module::{
        Change, Context, Described, Failure, Flag, Module, ParameterError, Plan, PlanError, Return, Returns, Step, Text,
    },
    sh::{self, quote},
};

/// Parameters of `apt_key`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AptKey {
    /// The key's id: 8, 16 or 40 hexadecimal digits. With it nothing is fetched where it is there already.
    id: Option<Text>,
    /// Where the key is fetched from, by the host.
    url: Option<Text>,
    /// The key itself.
    data: Option<Text>,
    /// A file on the host with the key.
    file: Option<Text>,
    /// The server that is asked for `id`.
    keyserver: Option<Text>,
    /// The file in `/etc/apt/trusted.gpg.d` that it goes into.
    keyring: Option<Text>,
    /// Whether it is to be there.
    #[serde(default)]
    state: Presence,
    /// Whether the certificate of `url` must be good.
    #[serde(default = "Flag::yes")]
    validate_certs: Flag,
}

impl Described for AptKey {
    const NAME: &'static str = "ansible.builtin.apt_key";
    const SUMMARY: &'static str = "Adds and removes keys that apt trusts";
    const EXAMPLES: &'static str = "\
- name: Trust the company's mirror
  ansible.builtin.apt_key:
    url: https://mirror.example.org/key.asc
    id: 4AEE18F83AFDEB23
";
    const RETURNS: Returns = &[&[
        Return::list("before", "always", "Fingerprints of the keys that apt trusted"),
        Return::list("after", "always", "Those that it trusts"),
        Return::text("id", "always", "The id that was given, or the key's own"),
        Return::text("key_id", "always", "The same in capitals, without `0x`"),
        Return::text("fp", "always", "Its last 16 digits"),
        Return::text("short_id", "always", "Its last 8 digits"),
    ]];

    fn check(&self) -> Result<(), ParameterError> {
        let sources = [&self.url, &self.data, &self.file, &self.keyserver].into_iter().flatten().count();
        if sources > 1 {
            return Err(ParameterError::task("only one of `url`, `data`, `file` and `keyserver` can be given"));
        }
        if let Some(id) = &self.id {
            let hex = plain(&id.0);
            if !matches!(hex.len(), 8 | 16 | 40) || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(ParameterError::new("id", format!("Invalid key_id: {}", id.0.escape_debug())));
            }
        }
        match self.state {
            Presence::Absent if self.id.is_none() && (sources == 0 || self.keyserver.is_some()) => {
                Err(ParameterError::new("id", "which key is to go?"))
            }
            Presence::Present if sources == 0 => {
                Err(ParameterError::task("one of `url`, `data`, `file` and `keyserver` is needed"))
            }
            Presence::Present if self.keyserver.is_some() && self.id.is_none() => {
                Err(ParameterError::new("id", "a server is asked for a key by its id"))
            }
            _ => Ok(()),
        }
    }
}

/// An id without what people write around it.
fn plain(id: &str) -> String {
    let id = id.trim();
    id.strip_prefix("0x").or_else(|| id.strip_prefix("0X")).unwrap_or(id).replace(' ', "").to_uppercase()
}

impl AptKey {
    fn ring(&self) -> String {
        self.keyring.as_ref().map_or(String::new(), |ring| format!("--keyring {}", quote(&ring.0)))
    }

    /// A shell function `given` that prints the key.
    fn given(&self) -> String {
        let body = if let Some(url) = &self.url {
            let (curl, wget) = if self.validate_certs.0 { ("", "") } else { (" -k", " --no-check-certificate") };
            let url = quote(&url.0);
            format!(
                "if command -v curl >/dev/null; then curl -fsSL{curl} -- {url} | armoured; else wget -qO-{wget} -- {url} | armoured; fi"
            )
        } else if let Some(data) = &self.data {
            format!("printf '%s\\n' {}", quote(data.0.trim_end()))
        } else if let Some(file) = &self.file {
            format!("armoured <{}", quote(&file.0))
        } else {
            ":".to_owned()
        };
        format!("{}given() {{ {body}; }}\n", sh::file!("apt_key/armoured.sh"))
    }

    fn question(&self) -> Probe {
        let known = self.id.as_ref().map_or(String::new(), |id| plain(&id.0));
        let ring = self.ring();
        let script = format!("ring={}\nknown={known}\n{}{}", quote(&ring), self.given(), sh::file!("apt_key/look.sh"));
        let reads = vec![Resource::Path("/etc/apt".to_owned()), Resource::Anything];
        Probe::Script { script, reads }
    }

    fn add(&self, ids: &[String]) -> String {
        let ring = self.ring();
        match &self.keyserver {
            Some(server) => {
                let id = ids.first().map_or("", String::as_str);
                format!("apt-key {ring} adv --no-tty --keyserver {} --recv-keys {id} >&2 || exit 1\n", quote(&server.0))
            }
            None => format!("{}given | apt-key {ring} add - >&2 || exit 1\n", self.given()),
        }
    }
}

impl Module for AptKey {
    fn probe(&self, _: &Context<'_>, _: &State) -> Vec<Probe> {
        vec![self.question()]
    }

    fn plan(&self, _: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let answer = state.script(&self.question())?;
        if matches!(answer.status, 90 | 91) {
            let told = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            return Err(
                Failure::new(if told.is_empty() { "the key could not be read".to_owned() } else { told }).into()
            );
        }
        let text = answer.text();
        let of = |word: &str| {
            text.lines().filter_map(|line| line.strip_prefix(word)).map(|id| id.trim().to_owned()).collect::<Vec<_>>()
        };
        let (have, given) = (of("have "), of("given "));
        let wanted: Vec<String> = match &self.id {
            Some(id) => vec![plain(&id.0)],
            None => given.clone(),
        };
        let there = |id: &String| have.iter().any(|print| print.ends_with(id.as_str()));
        let id = self.id.as_ref().map_or_else(|| wanted.first().cloned().unwrap_or_default(), |id| id.0.clone());
        let mut plan = Plan::ok(Map::from_iter([
            ("before".to_owned(), json!(have)),
            ("after".to_owned(), json!(have)),
            ("id".to_owned(), json!(id)),
        ]));
        let key = wanted.first().map(|id| id.to_uppercase()).unwrap_or_default();
        let last = |count: usize| key.get(key.len().saturating_sub(count)..).unwrap_or_default().to_owned();
        for (field, value) in [("key_id", key.clone()), ("fp", last(16)), ("short_id", last(8))] {
            plan.result.insert(field.to_owned(), json!(value));
        }
        if wanted.is_empty() {
            return Err(Failure::new("what was given holds no key").into());
        }
        match self.state {
            Presence::Present if !wanted.iter().all(there) => {
                if self.keyserver.is_none()
                    && !wanted.iter().all(|id| given.iter().any(|print| print.ends_with(id.as_str())))
                {
                    let held = if given.is_empty() { "none".to_owned() } else { given.join(", ") };
                    return Err(Failure::new(format!("the key that was given is not {id}, but {held}")).into());
                }
                plan.changes.push(Change::open(format!("trust the key {id}"), Step::Script(self.add(&wanted))));
                let after: Vec<&String> =
                    have.iter().chain(given.iter().filter(|print| !have.contains(print))).collect();
                plan.result.insert("after".into(), json!(after));
            }
            Presence::Absent if wanted.iter().any(there) => {
                let script: String =
                    wanted.iter().map(|id| format!("apt-key {} del {id} >&2 || exit 1\n", self.ring())).collect();
                plan.changes.push(Change::open(format!("trust the key {id} no more"), Step::Script(script)));
                let gone = |print: &&String| wanted.iter().any(|id| print.ends_with(id.as_str()));
                plan.result.insert("after".into(), json!(have.iter().filter(|print| !gone(print)).collect::<Vec<_>>()));
            }
            _ => {}
        }
        Ok(plan)
    }
}
