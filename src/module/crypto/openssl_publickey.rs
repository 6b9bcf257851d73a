//! `community.crypto.openssl_publickey`: the public half of a private key.
//!
//! <https://docs.ansible.com/ansible/latest/collections/community/crypto/openssl_publickey_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use super::openssl_privatekey::Presence;
use crate::{
    fact::{Probe, State},
    module::{
        Context, Described, Failure, Flag, Mode, Module, Plan, PlanError, Text,
        ownership::Attributes,
        whole_file::{WholeFile, content, text},
    },
    pki::Key,
};

/// Parameters of `openssl_publickey`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpensslPublickey {
    /// Where the public key is on the host.
    path: Text,
    /// Where the private key is on the host.
    privatekey_path: Text,
    /// Whether it is to be there.
    #[serde(default)]
    state: Presence,
    /// Keep a replaced file.
    #[serde(default)]
    backup: Flag,
    /// Who owns the file.
    owner: Option<Text>,
    /// The file's group.
    group: Option<Text>,
    /// The file's mode.
    mode: Option<Mode>,
}

impl Described for OpensslPublickey {
    const NAME: &'static str = "community.crypto.openssl_publickey";
    const SUMMARY: &'static str = "Writes the public half of a private key";
    const EXAMPLES: &'static str = "- name: the key that checks service accounts' tokens\n  community.crypto.openssl_publickey:\n    path: /etc/kubernetes/pki/sa.pub\n    privatekey_path: /etc/kubernetes/pki/sa.key\n";
}

impl OpensslPublickey {
    fn file(&self) -> WholeFile<'_> {
        let attributes = Attributes::of(self.owner.as_ref(), self.group.as_ref(), self.mode.as_ref());
        WholeFile { path: &self.path.0, attributes, backup: self.backup.0 }
    }
}

impl Module for OpensslPublickey {
    fn probe(&self, context: &Context<'_>, _: &State) -> Vec<Probe> {
        let mut probes = self.file().probes(context);
        if self.state == Presence::Present {
            probes.push(content(&self.privatekey_path.0));
        }
        probes
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let file = self.file();
        let result = Map::from_iter([("privatekey".to_owned(), json!(self.privatekey_path.0))]);
        if self.state == Presence::Absent {
            return file.remove(context, state, result);
        }
        let secret = text(state, &self.privatekey_path.0)?;
        let secret =
            secret.ok_or_else(|| Failure::new(format!("there is no private key at {}", self.privatekey_path.0)))?;
        let key = Key::from_pem(&secret).map_err(|e| Failure::new(format!("{}: {e}", self.privatekey_path.0)))?;
        let wanted = key.public_pem();
        let differs = file.text(state)?.is_none_or(|present| present.trim() != wanted.trim());
        file.put(context, state, differs.then_some(wanted), result, "write the public key")
    }
}
