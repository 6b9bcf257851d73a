//! Private keys: read once for all hosts, decrypted only when a server wants the key, the passphrase asked for once.

use super::{account::expand_home, prompter::Asker};
use russh::{
    SendError, Signer,
    keys::{
        Certificate, HashAlg, PrivateKey, PublicKey, agent::AgentIdentity, decode_secret_key, signature::Signer as _,
        ssh_encoding::Encode as _, ssh_key, ssh_key::private::KeypairData,
    },
};
use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::OnceCell;

/// A key file, shared by all connections.
pub(crate) struct KeyFile {
    pub(crate) path: PathBuf,
    /// Known without the passphrase, so the server can be asked first.
    pub(crate) public: PublicKey,
    /// `KEY-cert.pub` beside it.
    pub(crate) certificate: Option<Certificate>,
    text: Option<String>,
    private: OnceCell<Result<Arc<PrivateKey>, String>>,
}

/// Why a key file is of no use, in words.
pub(crate) type Useless = String;

impl KeyFile {
    /// Reads a key file as far as that goes without a passphrase.
    pub(crate) fn read(path: &Path) -> Result<Self, Useless> {
        let text = fs::read_to_string(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => error.to_string(),
        })?;
        let certificate = read_certificate(&beside(path, "-cert.pub"));
        let file = |public, text| KeyFile {
            path: path.to_owned(),
            public,
            certificate: certificate.clone(),
            text,
            private: OnceCell::new(),
        };
        if let Ok(public) = PublicKey::from_openssh(text.trim()) {
            // A public key names one that the agent holds.
            return Ok(file(public, None));
        }
        refuse_open_permissions(path)?;
        if let Ok(private) = PrivateKey::from_openssh(&text) {
            return Ok(file(private.public_key().clone(), Some(text)));
        }
        match decode_secret_key(&text, None) {
            Ok(private) => Ok(file(private.public_key().clone(), Some(text))),
            Err(error) => match fs::read_to_string(beside(path, ".pub")) {
                Ok(public) => {
                    let public = PublicKey::from_openssh(public.trim()).map_err(|error| error.to_string())?;
                    Ok(file(public, Some(text)))
                }
                Err(_) if text.contains("ENCRYPTED") => Err(format!(
                    "it is encrypted in an old format: `ssh-keygen -p -f {}` writes the new one",
                    path.display()
                )),
                Err(_) => Err(format!("it is no private key I can read ({error})")),
            },
        }
    }

    /// Gives the private key, asking for the passphrase if there is one: once, for everybody.
    async fn private(&self, asker: &Asker) -> Result<Arc<PrivateKey>, Useless> {
        let decrypt = || async {
            let Some(text) = &self.text else {
                return Err("the file holds a public key, and no agent has the private one".to_owned());
            };
            match decode_secret_key(text, None) {
                Ok(key) => Ok(Arc::new(key)),
                Err(russh::keys::Error::KeyIsEncrypted | russh::keys::Error::SshKey(ssh_key::Error::Encrypted)) => {
                    self.decrypt(text, asker).await
                }
                Err(error) => Err(error.to_string()),
            }
        };
        self.private.get_or_init(decrypt).await.clone()
    }

    async fn decrypt(&self, text: &str, asker: &Asker) -> Result<Arc<PrivateKey>, Useless> {
        for _ in 0..3 {
            let question = format!("Passphrase for the key {}:", self.path.display());
            let Some(passphrase) = asker.ask(question).await else {
                return Err(
                    "it is encrypted and nobody can be asked for its passphrase: add it to an agent (`ssh-add`)".into(),
                );
            };
            let text = text.to_owned();
            let task = move || decode_secret_key(&text, Some(passphrase.reveal()));
            // Deriving the key takes a tenth of a second on purpose.
            if let Ok(Ok(key)) = tokio::task::spawn_blocking(task).await {
                return Ok(Arc::new(key));
            }
        }
        Err("the passphrase is wrong".into())
    }
}

/// Signs with a key file when a server has accepted its public half.
pub(crate) struct FileSigner<'a> {
    pub(crate) file: &'a KeyFile,
    pub(crate) asker: &'a Asker,
}

/// The signature could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    #[error("{0}")]
    Useless(Useless),
    #[error(transparent)]
    Gone(#[from] SendError),
}

impl Signer for FileSigner<'_> {
    type Error = SignError;

    async fn auth_sign(
        &mut self,
        _key: &AgentIdentity,
        hash: Option<HashAlg>,
        mut to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        let key = self.file.private(self.asker).await.map_err(SignError::Useless)?;
        let useless = |error: &dyn std::fmt::Display| SignError::Useless(format!("it cannot sign: {error}"));
        let signature: ssh_key::Signature = match key.key_data() {
            KeypairData::Rsa(pair) => (pair, hash).try_sign(&to_sign),
            other => other.try_sign(&to_sign),
        }
        .map_err(|error| useless(&error))?;
        let mut blob = Vec::new();
        signature.encode(&mut blob).map_err(|error| useless(&error))?;
        blob.encode(&mut to_sign).map_err(|error| useless(&error))?;
        Ok(to_sign)
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

pub(crate) fn read_certificate(path: &Path) -> Option<Certificate> {
    Certificate::from_openssh(fs::read_to_string(path).ok()?.trim()).ok()
}

/// OpenSSH refuses keys that others can read, and so do we.
fn refuse_open_permissions(path: &Path) -> Result<(), Useless> {
    let meta = fs::metadata(path).map_err(|error| error.to_string())?;
    let mine = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == meta.uid());
    if mine && meta.mode() & 0o077 != 0 {
        let mode = meta.mode() & 0o777;
        return Err(format!("others can read it (mode {mode:04o}): `chmod 600 {}`", path.display()));
    }
    Ok(())
}

/// Makes paths absolute that start with `~/`.
pub(crate) fn normal(path: &Path, home: &Path) -> PathBuf {
    expand_home(&path.to_string_lossy(), home)
}
