//! `ansible.builtin.rpm_key`: the keys that rpm trusts.
//!
//! <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/rpm_key_module.html>

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::group::Presence;
use crate::{
    fact::{Probe, Resource, State},
    module::{
        Change, Context, Described, Failure, Flag, List, Module, ParameterError, Plan, PlanError, Returns, Step, Text,
        http::Request, path,
    },
    sh::{self, quote},
};

/// Parameters of `rpm_key`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RpmKey {
    /// The key: a URL that the host fetches it from, a path on the host, or the id of one that rpm has.
    key: Text,
    /// Whether rpm is to trust it.
    #[serde(default)]
    state: Presence,
    /// Fingerprints that it must have.
    #[serde(default)]
    fingerprint: List<Text>,
    /// Whether the certificate of the URL's server must be good.
    #[serde(default = "Flag::yes")]
    validate_certs: Flag,
}

impl Described for RpmKey {
    const NAME: &'static str = "ansible.builtin.rpm_key";
    const SUMMARY: &'static str = "Adds and removes keys that rpm trusts";
    const EXAMPLES: &'static str = "\
- name: Trust the company's mirror
  ansible.builtin.rpm_key:
    key: https://mirror.example.org/key.asc
    fingerprint: 4AEE 18F8 3AFD EB23 7F21 2F7D F0F4 E4B8 5F9E 0001
";
    const RETURNS: Returns = &[];

    fn check(&self) -> Result<(), ParameterError> {
        if self.key.0.trim().is_empty() || self.key.0.contains(['\n', '\0']) {
            return Err(ParameterError::new("key", "it is a URL, a path or an id"));
        }
        match self.prints().iter().find(|print| !print.bytes().all(|b| b.is_ascii_hexdigit())) {
            Some(print) => Err(ParameterError::new("fingerprint", format!("`{print}` is none"))),
            None => Ok(()),
        }
    }
}

/// An id without what people write around it.
fn plain(id: &str) -> String {
    let id = id.trim().to_uppercase();
    id.strip_prefix("0X").map_or(id.clone(), str::to_owned)
}

impl RpmKey {
    fn prints(&self) -> Vec<String> {
        self.fingerprint.0.iter().map(|print| print.0.replace(' ', "").to_uppercase()).collect()
    }

    /// Whether what is given is an id: eight hexadecimal digits or more.
    fn is_id(&self) -> bool {
        let id = plain(&self.key.0);
        id.len() >= 8 && id.bytes().all(|b| b.is_ascii_hexdigit())
    }

    fn script(&self, context: &Context<'_>, state: &State) -> Result<String, PlanError> {
        let key = self.key.0.trim();
        let (mut file, mut known, mut fetched) = (String::new(), String::new(), ":".to_owned());
        if key.contains("://") {
            let request = Request {
                url: key.to_owned(),
                method: "GET".to_owned(),
                timeout: Duration::from_secs(10),
                validate_certs: self.validate_certs.0,
                follow: true,
                use_proxy: true,
                decompress: true,
                ..Request::default()
            };
            let why = quote(&format!("failed to fetch key at {key}")).into_owned();
            fetched = format!("( {} ) || {{ echo {why} >&2; return 1; }}", request.fetch("\"$s/key\""));
        } else if self.is_id() {
            known = plain(key);
        } else {
            file = path::absolute(context, state, key)?;
        }
        Ok(format!(
            "export LC_ALL=C\nurl={} file={} known={known}\nfetched() {{ {fetched}\n}}\n{}",
            quote(key),
            quote(&file),
            sh::file!("rpm_key/key.sh")
        ))
    }

    fn question(&self, context: &Context<'_>, state: &State) -> Result<Probe, PlanError> {
        let reads = ["/var/lib/rpm", "/usr/lib/sysimage/rpm"].map(|folder| Resource::Path(folder.to_owned()));
        let reads = reads.into_iter().chain([Resource::Anything]).collect();
        // A proxy that the task names is one for its questions too.
        Ok(Probe::Script { script: format!("{}{}", context.environment, self.script(context, state)?), reads })
    }
}

impl Module for RpmKey {
    fn probe(&self, context: &Context<'_>, state: &State) -> Vec<Probe> {
        match self.question(context, state) {
            Ok(question) => vec![question],
            Err(_) => vec![Probe::User { name: context.user.to_owned() }],
        }
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let answer = state.script(&self.question(context, state)?)?;
        if answer.status != 0 {
            return Err(Failure::said(answer).into());
        }
        let text = answer.text();
        let told = |word: &str| text.lines().filter_map(|line| line.strip_prefix(word)).collect::<Vec<_>>();
        let id = told("id ").first().map(|id| plain(id)).unwrap_or_default();
        let there = !id.is_empty() && told("have ").iter().any(|have| have.contains(&id));
        let mut plan = Plan::default();
        match self.state {
            Presence::Present if !there => {
                if self.is_id() {
                    return Err(Failure::new("When importing a key, a valid file must be given").into());
                }
                let (has, prints) = (told("print "), self.prints());
                if let Some(print) = prints.iter().find(|print| !has.contains(&print.as_str())) {
                    let has = has.join(", ");
                    let why =
                        format!("The specified fingerprint, '{print}', does not match any key fingerprints in '{has}'");
                    return Err(Failure::new(why).into());
                }
                let script = self.script(context, state)?;
                let script = format!(
                    "wanted={id} prints={}\n{script}{}",
                    quote(&prints.join(" ")),
                    sh::file!("rpm_key/import.sh")
                );
                plan.changes.push(Change::open(format!("trust the key {id}"), Step::Script(script)));
            }
            Presence::Absent if there => {
                let short = id.get(id.len().saturating_sub(8)..).unwrap_or(&id).to_lowercase();
                let script = format!("rpm --erase --allmatches gpg-pubkey-{short} >&2\n");
                plan.changes.push(Change::open(format!("trust the key {id} no more"), Step::Script(script)));
            }
            _ => {}
        }
        Ok(plan)
    }
}
