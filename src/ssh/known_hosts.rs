//! Is it the host we know? The check over `known_hosts` files, as sshd(8) describes them.
//!
//! russh's own check knows no patterns, no `@cert-authority` and no `@revoked`, and it compares comments too.

use super::error::SshError;
use crate::python::fnmatch::fnmatch;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use russh::keys::ssh_key::{
    Algorithm, EcdsaCurve, HashAlg, PublicKey,
    certificate::CertType,
    known_hosts::{HostPatterns, Marker},
    public::KeyData,
};
use russh::keys::{Certificate, PublicKeyOrCertificate};
use sha1::{Digest as _, Sha1};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Says what to do with a host key nobody has recorded yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// Refuse it.
    #[default]
    Strict,
    /// Record it; a changed one is still refused.
    AcceptNew,
    /// Let anybody through: whoever is in between can read and change everything. Only when asked for by name. Passwords are
    /// not sent to a host whose key is unknown or has changed.
    Off,
}

/// Why a host that was let through without a check may be somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doubt(pub(crate) String);

/// A line of a file that speaks about the host.
#[derive(Clone, Debug)]
struct Known {
    file: PathBuf,
    line: usize,
    marker: Option<Marker>,
    key: KeyData,
}

/// Everything needed to judge the key one host shows.
#[derive(Clone, Debug)]
pub(crate) struct HostCheck {
    /// The inventory's name, for messages.
    pub(crate) host: String,
    /// The name without a port, in lower case.
    name: String,
    port: u16,
    policy: HostKeyPolicy,
    hashed: bool,
    /// Where a new key is recorded.
    record: Option<PathBuf>,
    known: Vec<Known>,
}

/// Where to look, and how strictly.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) policy: HostKeyPolicy,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) global_files: Vec<PathBuf>,
    pub(crate) revoked: Option<PathBuf>,
    pub(crate) hashed: bool,
}

impl HostCheck {
    /// Reads what is recorded about a host.
    pub(crate) fn read(host: &str, name: &str, port: u16, rules: &Rules) -> Result<Self, SshError> {
        let name = name.to_lowercase();
        let mut known = Vec::new();
        for file in rules.files.iter().chain(&rules.global_files) {
            let text = match fs::read(file) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(SshError::File { path: file.clone(), source }),
            };
            collect(&String::from_utf8_lossy(&text), file, &name, port, &mut known);
        }
        if let Some(file) = &rules.revoked {
            read_revoked(file, &mut known)?;
        }
        let record = rules.files.first().cloned();
        Ok(Self { host: host.to_owned(), name, port, policy: rules.policy, hashed: rules.hashed, record, known })
    }

    #[cfg(any(test, fuzzing))]
    /// Reads what a text records about a host: for fuzzing.
    pub(crate) fn of_text(text: &str, name: &str, port: u16) -> Self {
        let mut known = Vec::new();
        collect(text, Path::new("known_hosts"), name, port, &mut known);
        let (host, policy) = (name.to_owned(), HostKeyPolicy::Strict);
        Self { name: host.clone(), host, port, policy, hashed: false, record: None, known }
    }

    /// Orders the host-key algorithms so that the ones with a recorded key come first.
    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        let recorded = |algorithm: &Algorithm| {
            self.known.iter().any(|known| known.marker.is_none() && same_kind(&known.key.algorithm(), algorithm))
        };
        let (mut first, rest): (Vec<_>, Vec<_>) = supported().into_iter().partition(recorded);
        first.extend(rest);
        first
    }

    /// The certificate algorithms to offer: none unless an authority is recorded for this host.
    pub(crate) fn certificate_algorithms(&self) -> Vec<Algorithm> {
        let trusted = self.known.iter().any(|known| known.marker == Some(Marker::CertAuthority));
        if trusted { supported() } else { Vec::new() }
    }

    /// Judges what the host has shown; records a new key where that is asked for.
    ///
    /// Where nothing is to be checked, a host that would have been refused is let through, with the reason why it would have
    /// been: then nobody knows who it is.
    pub(crate) fn verify(&self, shown: &PublicKeyOrCertificate) -> Result<Option<Doubt>, SshError> {
        match (self.judge(shown), self.policy) {
            (Ok(()), _) => Ok(None),
            (Err(error), HostKeyPolicy::Off) => Ok(Some(Doubt(error.to_string()))),
            (Err(error), _) => Err(error),
        }
    }

    fn judge(&self, shown: &PublicKeyOrCertificate) -> Result<(), SshError> {
        let key = shown.public_key();
        self.refuse_revoked(key.key_data())?;
        if let PublicKeyOrCertificate::Certificate(certificate) = shown {
            self.refuse_revoked(certificate.signature_key())?;
            match self.judge_certificate(certificate) {
                Ok(()) => return Ok(()),
                // Its key may still be recorded by itself.
                Err(error) if !self.is_recorded(key.key_data()) => return Err(error),
                Err(_) => return Ok(()),
            }
        }
        if self.is_recorded(key.key_data()) {
            return Ok(());
        }
        let plain = || self.known.iter().filter(|known| known.marker.is_none());
        let same = plain().find(|known| same_kind(&known.key.algorithm(), &key.algorithm()));
        // A host known by another kind of key is no new host: whoever is in between could simply show another kind.
        if let Some(old) = same.or_else(|| plain().next()) {
            return Err(SshError::HostKeyChanged {
                host: self.host.clone(),
                address: self.lookup_name(),
                algorithm: short_name(&key.algorithm()),
                fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
                file: old.file.clone(),
                line: old.line,
            });
        }
        match self.policy {
            HostKeyPolicy::AcceptNew => self.record_key(&key),
            _ => Err(SshError::HostKeyUnknown {
                host: self.host.clone(),
                address: self.lookup_name(),
                lookup: self.name.clone(),
                port: self.port,
                algorithm: short_name(&key.algorithm()),
                fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
                file: self.record.as_ref().map_or_else(|| "known_hosts".into(), |file| file.display().to_string()),
            }),
        }
    }

    fn is_recorded(&self, key: &KeyData) -> bool {
        self.known.iter().any(|known| known.marker.is_none() && known.key == *key)
    }

    fn refuse_revoked(&self, key: &KeyData) -> Result<(), SshError> {
        let revoked = |known: &&Known| known.marker == Some(Marker::Revoked) && known.key == *key;
        match self.known.iter().find(revoked) {
            None => Ok(()),
            Some(known) => Err(SshError::HostKeyRevoked {
                host: self.host.clone(),
                address: self.lookup_name(),
                fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
                file: known.file.clone(),
                line: known.line,
            }),
        }
    }

    /// Follows `PROTOCOL.certkeys` of OpenSSH: type, authority, time, name, critical options.
    fn judge_certificate(&self, certificate: &Certificate) -> Result<(), SshError> {
        let fail = |reason: String| {
            Err(SshError::HostCertificate { host: self.host.clone(), address: self.name.clone(), reason })
        };
        if certificate.cert_type() != CertType::Host {
            return fail("it is a user's certificate, not a host's".into());
        }
        let authorities: Vec<_> = self
            .known
            .iter()
            .filter(|known| known.marker == Some(Marker::CertAuthority))
            .map(|known| known.key.fingerprint(HashAlg::Sha256))
            .collect();
        let signer = certificate.signature_key().fingerprint(HashAlg::Sha256);
        if !authorities.contains(&signer) {
            return fail(format!("the authority {signer} that signed it is not recorded for this host"));
        }
        if certificate.validate(&authorities).is_err() {
            return fail("its signature or its time of validity does not hold (is the clock right?)".into());
        }
        let names = certificate.valid_principals();
        if !names.iter().any(|name| name.eq_ignore_ascii_case(&self.name) || wildcard(&name.to_lowercase(), &self.name))
        {
            return fail(format!("it is for {}", names.join(", ")));
        }
        if let Some(option) = certificate.critical_options().keys().next() {
            return fail(format!("it demands `{option}`, which nobody here understands"));
        }
        Ok(())
    }

    fn lookup_name(&self) -> String {
        lookup_name(&self.name, self.port)
    }

    /// Appends the key under a lock, once, however many connections are being made.
    fn record_key(&self, key: &PublicKey) -> Result<(), SshError> {
        let Some(path) = self.record.as_ref().filter(|path| path.as_path() != Path::new("/dev/null")) else {
            return Ok(());
        };
        let outcome = self.append(path, key);
        outcome.map_err(|source| SshError::File { path: path.clone(), source })?.map_or(Ok(()), |line| {
            Err(SshError::HostKeyChanged {
                host: self.host.clone(),
                address: self.lookup_name(),
                algorithm: short_name(&key.algorithm()),
                fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
                file: path.clone(),
                line,
            })
        })
    }

    /// Gives the line of another key that somebody has recorded meanwhile.
    fn append(&self, path: &Path, key: &PublicKey) -> io::Result<Option<usize>> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        file.lock()?;
        let text = read_all(&mut file)?;
        let mut known = Vec::new();
        collect(&text, path, &self.name, self.port, &mut known);
        let plain: Vec<_> = known.iter().filter(|known| known.marker.is_none()).collect();
        if plain.iter().any(|known| known.key == *key.key_data()) {
            return Ok(None);
        }
        if let Some(other) = plain.first() {
            return Ok(Some(other.line));
        }
        let mut bare = key.clone();
        bare.set_comment("");
        let bare = bare.to_openssh().map_err(io::Error::other)?;
        let name = self.lookup_name();
        let name = if self.hashed { hashed_name(&name) } else { name };
        let start = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        file.write_all(format!("{start}{name} {}\n", bare.trim()).as_bytes())?;
        Ok(None)
    }
}

fn read_all(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The name a host has in the files: with its port, unless that is 22.
fn lookup_name(name: &str, port: u16) -> String {
    if port == 22 { name.to_owned() } else { format!("[{name}]:{port}") }
}

/// Takes the lines that speak about a host. Without one for its port, those for the bare name count, as in OpenSSH.
fn collect(text: &str, file: &Path, name: &str, port: u16, known: &mut Vec<Known>) {
    let with_port = lookup_name(name, port);
    let mut bare = Vec::new();
    let before = known.len();
    for (index, line) in text.lines().enumerate() {
        let Some((marker, hosts, key)) = fields(line) else { continue };
        let Ok(patterns) = hosts.parse::<HostPatterns>() else { continue };
        let here = matches_host(&patterns, &with_port);
        if !here && (port == 22 || !matches_host(&patterns, name)) {
            continue;
        }
        let Ok(key) = PublicKey::from_openssh(&key) else { continue };
        let entry = Known { file: file.to_owned(), line: index + 1, marker, key: key.key_data().clone() };
        // A revocation counts however the host is reached.
        if here || marker == Some(Marker::Revoked) { known.push(entry) } else { bare.push(entry) }
    }
    if known[before..].iter().all(|entry| entry.marker == Some(Marker::Revoked)) {
        known.append(&mut bare);
    }
}

fn fields(line: &str) -> Option<(Option<Marker>, &str, String)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let mut words = line.split_ascii_whitespace();
    let mut first = words.next()?;
    let mut marker = None;
    if first.starts_with('@') {
        marker = Some(first.parse().ok()?);
        first = words.next()?;
    }
    Some((marker, first, format!("{} {}", words.next()?, words.next()?)))
}

fn matches_host(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::HashedName { salt, hash } => hmac_sha1(salt, name.as_bytes()) == *hash,
        HostPatterns::Patterns(patterns) => {
            let mut found = false;
            for pattern in patterns {
                let pattern = pattern.to_lowercase();
                match pattern.strip_prefix('!') {
                    Some(negated) if wildcard(negated, name) => return false,
                    Some(_) => {}
                    None => found |= wildcard(&pattern, name),
                }
            }
            found
        }
    }
}

/// Matches `*` and `?`, as ssh_config(5) defines patterns: unlike elsewhere a bracket is a bracket, as in `[host]:2222`.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    fnmatch(&pattern.replace('[', "[[]"), text)
}

fn read_revoked(file: &Path, known: &mut Vec<Known>) -> Result<(), SshError> {
    let bytes = fs::read(file).map_err(|source| SshError::File { path: file.to_owned(), source })?;
    if bytes.starts_with(b"SSHKRL\n\0") {
        return Err(SshError::Setting {
            origin: format!("RevokedHostKeys {}", file.display()),
            what: "it is a binary key revocation list, which is not supported".into(),
            help: Some(
                "write the revoked public keys as text, one a line, or as `@revoked` lines in known_hosts".into(),
            ),
        });
    }
    for (index, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
        if let Ok(key) = PublicKey::from_openssh(line.trim()) {
            let key = key.key_data().clone();
            known.push(Known { file: file.to_owned(), line: index + 1, marker: Some(Marker::Revoked), key });
        }
    }
    Ok(())
}

/// What we offer, best first. `ssh-rsa` with SHA-1 is left out, as in OpenSSH since 8.8.
fn supported() -> Vec<Algorithm> {
    use EcdsaCurve::{NistP256, NistP384, NistP521};
    vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: NistP256 },
        Algorithm::Ecdsa { curve: NistP384 },
        Algorithm::Ecdsa { curve: NistP521 },
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ]
}

fn same_kind(a: &Algorithm, b: &Algorithm) -> bool {
    a == b || matches!((a, b), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }))
}

fn short_name(algorithm: &Algorithm) -> String {
    match algorithm {
        Algorithm::Ed25519 => "ed25519".into(),
        Algorithm::Ecdsa { .. } => "ecdsa".into(),
        Algorithm::Rsa { .. } => "rsa".into(),
        other => other.to_string(),
    }
}

fn hashed_name(name: &str) -> String {
    let salt: [u8; 20] = rand::random();
    format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(hmac_sha1(&salt, name.as_bytes())))
}

/// HMAC (RFC 2104) with SHA-1: the form hashed names have.
fn hmac_sha1(key: &[u8], message: &[u8]) -> [u8; 20] {
    const BLOCK: usize = 64;
    let mut padded = [0u8; BLOCK];
    if key.len() > BLOCK {
        padded[..20].copy_from_slice(&Sha1::digest(key));
    } else {
        padded[..key.len()].copy_from_slice(key);
    }
    let with = |pad: u8| padded.map(|byte| byte ^ pad);
    let inner = Sha1::new().chain_update(with(0x36)).chain_update(message).finalize();
    Sha1::new().chain_update(with(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
#[path = "known_hosts_tests.rs"]
mod tests;
