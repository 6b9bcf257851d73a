//! `community.crypto.openssl_privatekey`: a private key that is made once and kept.
//!
//! <https://docs.ansible.com/ansible/latest/collections/community/crypto/openssl_privatekey_module.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::{
    fact::{Probe, State},
    module::{
        Context, Described, Failure, Flag, Mode, Module, ParameterError, Plan, PlanError, Text, Whole,
        ownership::Attributes, whole_file::WholeFile,
    },
    pki::{Curve, Key, KeyKind},
};

/// Parameters of `openssl_privatekey`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpensslPrivatekey {
    /// Where the key is on the host.
    path: Text,
    /// What kind of key.
    #[serde(default, rename = "type")]
    kind: Type,
    /// Bits of an RSA key.
    #[serde(default = "default_size")]
    size: Whole,
    /// The curve of an `ECC` key: `secp256r1` or `secp384r1`.
    curve: Option<Text>,
    /// Whether it is to be there.
    #[serde(default)]
    state: Presence,
    /// When a key that is there is replaced. One that does not fit is replaced under `full_idempotence`.
    #[serde(default)]
    regenerate: Regenerate,
    /// Replace the key in any case.
    #[serde(default)]
    force: Flag,
    /// Keep a replaced key.
    #[serde(default)]
    backup: Flag,
    /// Who owns the file.
    owner: Option<Text>,
    /// The file's group.
    group: Option<Text>,
    /// The file's mode; 0600 for a new key.
    mode: Option<Mode>,
}

fn default_size() -> Whole {
    Whole(4096)
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq)]
enum Type {
    #[default]
    #[serde(rename = "RSA")]
    Rsa,
    #[serde(rename = "ECC")]
    Ecc,
    Ed25519,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Type::Rsa => "RSA",
            Type::Ecc => "ECC",
            Type::Ed25519 => "Ed25519",
        }
    }
}

/// Whether a file is to be there.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Presence {
    /// It is.
    #[default]
    Present,
    /// It is not.
    Absent,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Regenerate {
    Never,
    Fail,
    PartialIdempotence,
    #[default]
    FullIdempotence,
    Always,
}

impl Described for OpensslPrivatekey {
    const NAME: &'static str = "community.crypto.openssl_privatekey";
    const SUMMARY: &'static str = "Makes a private key, once";
    const EXAMPLES: &'static str = "- name: the authority's key\n  community.crypto.openssl_privatekey:\n    path: /etc/kubernetes/pki/ca.key\n    type: ECC\n    curve: secp256r1\n";

    fn check(&self) -> Result<(), ParameterError> {
        self.wanted().map(|_| ())
    }
}

impl OpensslPrivatekey {
    fn wanted(&self) -> Result<KeyKind, ParameterError> {
        match self.kind {
            Type::Rsa => match usize::try_from(self.size.0) {
                Ok(bits @ 2048..=8192) => Ok(KeyKind::Rsa(bits)),
                _ => Err(ParameterError::new("size", format!("{} is not from 2048 to 8192", self.size.0))),
            },
            Type::Ed25519 => Ok(KeyKind::Ed25519),
            Type::Ecc => match self.curve.as_ref().map(|c| c.0.as_str()) {
                Some("secp256r1") => Ok(KeyKind::Ecc(Curve::P256)),
                Some("secp384r1") => Ok(KeyKind::Ecc(Curve::P384)),
                Some(other) => Err(ParameterError::new("curve", format!("`{other}` is not supported"))
                    .help("use secp256r1 or secp384r1")),
                None => Err(ParameterError::new("curve", "a key of type ECC needs a curve").help("use secp256r1")),
            },
        }
    }

    fn file(&self) -> WholeFile<'_> {
        const SECRET: Mode = Mode::Bits(0o600);
        let mode = self.mode.as_ref().or(Some(&SECRET));
        WholeFile {
            path: &self.path.0,
            attributes: Attributes::of(self.owner.as_ref(), self.group.as_ref(), mode),
            backup: self.backup.0,
        }
    }

    /// Whether the key that is there has to go.
    fn replace(&self, present: Option<&str>, wanted: KeyKind) -> Result<bool, Failure> {
        let Some(pem) = present else { return Ok(true) };
        if self.force.0 || self.regenerate == Regenerate::Always {
            return Ok(true);
        }
        if self.regenerate == Regenerate::Never {
            return Ok(false);
        }
        let fits = match Key::from_pem(pem) {
            Ok(key) => key.kind() == wanted,
            Err(error) if self.regenerate == Regenerate::FullIdempotence => {
                // An unreadable key may be encrypted: somebody's property is not thrown away.
                return Err(Failure::new(format!("{}: {error}", self.path.0))
                    .help("remove the file, or set `force: true`, to have it replaced"));
            }
            Err(error) => return Err(Failure::new(format!("{}: {error}", self.path.0))),
        };
        if !fits && self.regenerate != Regenerate::FullIdempotence {
            return Err(Failure::new(format!("{} is a key of another type or size", self.path.0))
                .help("set `force: true` to have it replaced"));
        }
        Ok(!fits)
    }
}

impl Module for OpensslPrivatekey {
    fn probe(&self, context: &Context<'_>, _: &State) -> Vec<Probe> {
        self.file().probes(context)
    }

    fn plan(&self, context: &Context<'_>, state: &State) -> Result<Plan, PlanError> {
        let file = self.file();
        if self.state == Presence::Absent {
            return file.remove(context, state, Map::new());
        }
        let wanted = self.wanted().map_err(|e| Failure::new(e.message))?;
        let present = file.text(state)?;
        let mut result = Map::from_iter([("type".to_owned(), json!(self.kind.name()))]);
        match wanted {
            KeyKind::Rsa(bits) => result.insert("size".into(), json!(bits)),
            _ => self.curve.as_ref().and_then(|c| result.insert("curve".into(), json!(c.0))),
        };
        if !self.replace(present.as_deref(), wanted)? {
            return file.put(context, state, None, result, "");
        }
        let key = Key::generate(wanted).map_err(|e| Failure::new(e.to_string()))?;
        file.put(context, state, Some(key.secret_pem().to_owned()), result, "make the private key")
    }
}
