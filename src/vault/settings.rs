//! What says where passwords come from: flags, `ANSIBLE_VAULT_…` variables, and the keys `vault_…` of `ansible.cfg`.
//!
//! Source: <https://docs.ansible.com/ansible/latest/reference_appendices/config.html#default-vault-identity>

use super::source::{Ask, Purpose, Source};
use super::{DEFAULT_ID, Keyring, Named, SourceError};

/// The keys of `[defaults]` in `ansible.cfg` that [`Settings::read`] asks for. The environment variable of each is its name in
/// capitals behind `ANSIBLE_`.
pub const KEYS: [&str; 7] = [
    "ask_vault_pass",
    "vault_encrypt_identity",
    "vault_encrypt_salt",
    "vault_id_match",
    "vault_identity",
    "vault_identity_list",
    "vault_password_file",
];

/// Where the passwords of a run come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `[LABEL@]SOURCE`, as behind `--vault-id`, in the order in which they are tried.
    pub ids: Vec<String>,
    /// Files and scripts without a label, as behind `--vault-password-file`; they come after `ids`.
    pub password_files: Vec<String>,
    /// Whether to ask for a password (`-J`).
    pub ask: bool,
    /// The label of what was given without one (`vault_identity`).
    pub identity: String,
    /// The vault id to encrypt with, where several passwords could be meant (`vault_encrypt_identity`).
    pub encrypt_identity: Option<String>,
    /// Whether to try on a text only the passwords of the vault id that it names (`vault_id_match`).
    pub id_match: bool,
    /// A salt that makes encrypted texts the same each time (`vault_encrypt_salt`).
    pub encrypt_salt: Option<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            ids: Vec::new(),
            password_files: Vec::new(),
            ask: false,
            identity: DEFAULT_ID.to_owned(),
            encrypt_identity: None,
            id_match: false,
            encrypt_salt: None,
        }
    }
}

impl Settings {
    /// Reads settings by Ansible's names ([`KEYS`]). `value` gives what one of them is set to: a path that is relative must
    /// have been joined to the folder it is relative to, and of a list the entries stand between commas.
    ///
    /// # Errors
    /// When one that is true or false is neither.
    pub fn read(value: impl Fn(&str) -> Option<String>) -> Result<Settings, SourceError> {
        let text = |name: &str| value(name).filter(|value| !value.trim().is_empty());
        let flag = |name: &str| match text(name) {
            None => Ok(false),
            Some(value) => crate::python::truth::boolean_text(&value).ok_or_else(|| {
                SourceError::new(format!("`{name}` is neither true nor false"), "write `true` or `false`")
            }),
        };
        let list = text("vault_identity_list").unwrap_or_default();
        Ok(Settings {
            ids: list.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect(),
            password_files: text("vault_password_file").into_iter().collect(),
            ask: flag("ask_vault_pass")?,
            identity: text("vault_identity").unwrap_or_else(|| DEFAULT_ID.to_owned()),
            encrypt_identity: text("vault_encrypt_identity"),
            id_match: flag("vault_id_match")?,
            encrypt_salt: text("vault_encrypt_salt"),
        })
    }

    /// The same with what the command line adds: its vault ids come behind those of the settings, its files before theirs.
    #[must_use]
    pub fn with_flags(mut self, ids: &[String], password_files: &[String], ask: bool) -> Settings {
        self.ids.extend_from_slice(ids);
        self.password_files.splice(0..0, password_files.iter().cloned());
        self.ask |= ask;
        self
    }

    /// Whether no password is spoken of anywhere.
    pub fn are_empty(&self) -> bool {
        self.ids.is_empty() && self.password_files.is_empty() && !self.ask
    }

    /// Fetches the passwords: files are read, scripts run, a person is asked. A source that fails is told to `warn`, as long
    /// as another gives a password. An encrypted password file is decrypted with the passwords before it.
    ///
    /// # Errors
    /// When there is no password for all that was given, or nobody can be asked.
    pub fn keyring(
        &self,
        purpose: Purpose,
        ask: &Ask<'_>,
        warn: &mut dyn FnMut(&SourceError),
    ) -> Result<Keyring, SourceError> {
        let given = self.ids.iter().map(|id| Source::parse(id, &self.identity));
        let files = self.password_files.iter().map(|file| Ok(Source::file(file, &self.identity)));
        let asked = self.ask.then(|| Ok(Source::asking(&self.identity)));
        let mut named: Vec<Named> = Vec::new();
        let mut failed = None;
        for source in given.chain(files).chain(asked) {
            let source = source?;
            match source.fetch(purpose, ask, &named) {
                Ok(secret) => named.push(Named { id: source.label, secret }),
                Err(error) if source.asks => return Err(error),
                Err(error) => {
                    if let Some(before) = failed.replace(error) {
                        warn(&before);
                    }
                }
            }
        }
        match failed {
            Some(error) if named.is_empty() => return Err(error),
            Some(error) => warn(&error),
            None => {}
        }
        Ok(Keyring::new(named).matching(&self.identity, self.id_match).with_salt(self.encrypt_salt.clone()))
    }
}
