//! Logging in, in OpenSSH's order: the keys somebody named, the agent's, the default ones, then passwords.

use super::{
    client::{Client, Notes},
    config::Settings,
    context::Context,
    error::SshError,
    keys::{FileSigner, KeyFile, SignError, normal, read_certificate},
    limit::short,
    prompter::Patience,
};
use russh::{
    MethodKind, MethodSet,
    client::{AuthResult, Handle, KeyboardInteractiveAuthResponse},
    keys::{
        Algorithm, Certificate, HashAlg, PublicKey,
        agent::{AgentIdentity, client::AgentClient},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::net::UnixStream;

/// One login.
pub(crate) struct Login<'a> {
    pub(crate) handle: &'a mut Handle<Client>,
    pub(crate) settings: &'a Settings,
    pub(crate) context: &'a Context,
    pub(crate) notes: &'a Notes,
    pub(crate) patience: Patience,
    tried: Vec<String>,
    /// What the server takes, once it has said so.
    allowed: Option<MethodSet>,
    rsa_hash: Option<Option<HashAlg>>,
}

/// What came of one attempt.
enum Outcome {
    In,
    /// The server wants something else, or something more.
    Next,
}

/// How long the agent may take to list its keys; signing may wait for a person's confirmation.
const AGENT_PATIENCE: Duration = Duration::from_secs(5);

/// More questions at once are no login.
const MOST_PROMPTS: usize = 16;

/// A key to offer, and who can sign with it.
enum Candidate {
    File(Arc<KeyFile>, Option<Certificate>),
    Agent(AgentIdentity),
}

impl<'a> Login<'a> {
    pub(crate) fn new(
        handle: &'a mut Handle<Client>,
        settings: &'a Settings,
        context: &'a Context,
        notes: &'a Notes,
        patience: Patience,
    ) -> Self {
        Self { handle, settings, context, notes, patience, tried: Vec::new(), allowed: None, rsa_hash: None }
    }

    /// Tries everything we have until the server lets us in.
    pub(crate) async fn run(mut self) -> Result<(), SshError> {
        if self.settings.public_key_auth && self.with_keys().await? {
            return Ok(());
        }
        let password = self.settings.password.clone().filter(|_| self.settings.password_auth);
        if let (Some(_), Some(doubt)) = (&password, self.notes.doubt()) {
            // As OpenSSH: whoever is in between could use a password, but not a signature.
            self.tried.push(format!("the password: not sent, as host keys are not checked and {doubt}"));
        } else if let Some(password) = password {
            if self.may(MethodKind::Password) && self.with_password(password.reveal()).await? {
                return Ok(());
            }
            if self.may(MethodKind::KeyboardInteractive) && self.with_questions(password.reveal()).await? {
                return Ok(());
            }
        }
        Err(self.refused())
    }

    fn may(&self, method: MethodKind) -> bool {
        !self.handle.is_closed() && self.allowed.as_ref().is_none_or(|allowed| allowed.contains(&method))
    }

    async fn with_keys(&mut self) -> Result<bool, SshError> {
        let mut agent = self.agent().await;
        let identities = match &mut agent {
            // One that has stopped answering must not keep us from the other keys.
            Some(agent) => tokio::time::timeout(AGENT_PATIENCE, agent.request_identities()).await,
            None => Ok(Ok(Vec::new())),
        };
        let identities = identities.ok().and_then(Result::ok).unwrap_or_else(|| {
            self.tried.push("the agent: no answer".into());
            Vec::new()
        });
        for candidate in self.candidates(identities) {
            if !self.may(MethodKind::PublicKey) {
                break;
            }
            let outcome = match candidate {
                Candidate::File(file, certificate) => self.offer_file(&file, certificate).await?,
                Candidate::Agent(identity) => match &mut agent {
                    Some(agent) => self.offer_agent(agent, &identity).await?,
                    None => Outcome::Next,
                },
            };
            if matches!(outcome, Outcome::In) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn agent(&mut self) -> Option<AgentClient<UnixStream>> {
        let socket = self.settings.agent.clone()?;
        match tokio::time::timeout(AGENT_PATIENCE, AgentClient::connect_uds(&socket)).await.ok() {
            Some(Ok(mut agent)) => {
                // Agents with keys bound to destinations want to know the session; others do not know the question.
                if let Some(binding) = self.handle.agent_session_binding() {
                    let _ = tokio::time::timeout(AGENT_PATIENCE, agent.bind_session(binding, false)).await;
                }
                Some(agent)
            }
            Some(Err(error)) => {
                self.tried.push(format!("the agent at {}: {error}", socket.display()));
                None
            }
            None => {
                self.tried.push(format!("the agent at {}: no answer", socket.display()));
                None
            }
        }
    }

    /// Puts the keys in order. A named key comes first, so that an agent with many others cannot crowd it out
    /// (`MaxAuthTries` counts every offer).
    fn candidates(&mut self, identities: Vec<AgentIdentity>) -> Vec<Candidate> {
        let settings = self.settings;
        let named = self.files(&settings.keys, true);
        let default = self.files(&settings.default_keys, false);
        let extra: Vec<_> = settings.certificates.iter().filter_map(|path| read_certificate(path)).collect();
        let held = |file: &KeyFile| {
            identities.iter().find(|identity| {
                matches!(identity, AgentIdentity::PublicKey { key, .. } if key.key_data() == file.public.key_data())
            })
        };
        let mut candidates = Vec::new();
        let offer = |file: &Arc<KeyFile>, candidates: &mut Vec<Candidate>| {
            let for_key = |certificate: &&Certificate| certificate.public_key() == file.public.key_data();
            for certificate in extra.iter().filter(for_key).chain(&file.certificate) {
                candidates.push(Candidate::File(Arc::clone(file), Some(certificate.clone())));
            }
            // The agent signs without asking for the passphrase.
            candidates.push(match held(file) {
                Some(identity) => Candidate::Agent(identity.clone()),
                None => Candidate::File(Arc::clone(file), None),
            });
        };
        named.iter().for_each(|file| offer(file, &mut candidates));
        if !settings.identities_only {
            let is_named = |identity: &AgentIdentity| {
                let key = identity.public_key();
                named.iter().any(|file| file.public.key_data() == key.key_data())
            };
            candidates.extend(identities.iter().filter(|identity| !is_named(identity)).cloned().map(Candidate::Agent));
        }
        let default = default.iter().filter(|file| settings.identities_only || held(file).is_none());
        default.for_each(|file| offer(file, &mut candidates));
        candidates
    }

    fn files(&mut self, paths: &[std::path::PathBuf], named: bool) -> Vec<Arc<KeyFile>> {
        let mut files = Vec::new();
        for path in paths {
            let path = normal(path, &self.context.home);
            match self.context.key_file(&path) {
                Ok(file) => files.push(file),
                // Nobody asked for the default ones.
                Err(_) if !named && !path.exists() => {}
                Err(why) => self.tried.push(format!("key {}: {why}", path.display())),
            }
        }
        files
    }

    async fn offer_file(&mut self, file: &KeyFile, certificate: Option<Certificate>) -> Result<Outcome, SshError> {
        let kind = if certificate.is_some() { "certificate for key" } else { "key" };
        let what = format!("{kind} {}", file.path.display());
        let hash = self.hash_for(&file.public).await?;
        let mut signer = FileSigner { file, asker: &self.context.asker };
        let user = self.settings.user.clone();
        let attempt = async {
            match certificate {
                Some(certificate) => {
                    self.handle.authenticate_certificate_with(user, certificate, hash, &mut signer).await
                }
                None => self.handle.authenticate_publickey_with(user, file.public.clone(), hash, &mut signer).await,
            }
        };
        match self.patience.limit(attempt).await {
            Some(Ok(result)) => Ok(self.note(what, result)),
            Some(Err(SignError::Useless(why))) => {
                self.tried.push(format!("{what}: {why}"));
                Ok(Outcome::Next)
            }
            Some(Err(SignError::Gone(_))) => {
                self.tried.push(format!("{what}: the server hung up"));
                Ok(Outcome::Next)
            }
            None => Err(self.too_slow()),
        }
    }

    async fn offer_agent(
        &mut self,
        agent: &mut AgentClient<UnixStream>,
        identity: &AgentIdentity,
    ) -> Result<Outcome, SshError> {
        let what = match identity.comment() {
            "" => "a key of the agent".to_owned(),
            comment => format!("the agent's key {comment}"),
        };
        let hash = self.hash_for(&identity.public_key()).await?;
        let user = self.settings.user.clone();
        let attempt = async {
            match identity {
                AgentIdentity::PublicKey { key, .. } => {
                    self.handle.authenticate_publickey_with(user, key.clone(), hash, agent).await
                }
                AgentIdentity::Certificate { certificate, .. } => {
                    self.handle.authenticate_certificate_with(user, certificate.clone(), hash, agent).await
                }
            }
        };
        match self.patience.limit(attempt).await {
            Some(Ok(result)) => Ok(self.note(what, result)),
            Some(Err(error)) => {
                self.tried.push(format!("{what}: {error}"));
                Ok(Outcome::Next)
            }
            None => Err(self.too_slow()),
        }
    }

    /// RSA keys sign with SHA-512 or SHA-256, as the server prefers.
    async fn hash_for(&mut self, key: &PublicKey) -> Result<Option<HashAlg>, SshError> {
        if !matches!(key.algorithm(), Algorithm::Rsa { .. }) {
            return Ok(None);
        }
        if self.rsa_hash.is_none() {
            let asked =
                self.patience.limit(self.handle.best_supported_rsa_hash()).await.ok_or_else(|| self.too_slow())?;
            self.rsa_hash = Some(match asked {
                Ok(Some(hash)) => hash,
                _ => Some(HashAlg::Sha512),
            });
        }
        Ok(self.rsa_hash.flatten())
    }

    async fn with_password(&mut self, password: &str) -> Result<bool, SshError> {
        let attempt = self.handle.authenticate_password(self.settings.user.clone(), password);
        match self.patience.limit(attempt).await {
            Some(Ok(result)) => Ok(matches!(self.note("the password".into(), result), Outcome::In)),
            Some(Err(error)) => {
                self.tried.push(format!("the password: {error}"));
                Ok(false)
            }
            None => Err(self.too_slow()),
        }
    }

    /// Answers the questions of keyboard-interactive: a hidden one is taken for the password's.
    async fn with_questions(&mut self, password: &str) -> Result<bool, SshError> {
        let what = "the password (keyboard-interactive)";
        let user = self.settings.user.clone();
        let start = self.handle.authenticate_keyboard_interactive_start(user, None);
        let mut reply = self.patience.limit(start).await;
        for _ in 0..4 {
            let prompts = match reply {
                None => return Err(self.too_slow()),
                Some(Ok(KeyboardInteractiveAuthResponse::Success)) => return Ok(true),
                Some(Ok(KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. })) => prompts,
                Some(Ok(KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success })) => {
                    let result = AuthResult::Failure { remaining_methods, partial_success };
                    return Ok(matches!(self.note(what.into(), result), Outcome::In));
                }
                Some(Err(error)) => {
                    self.tried.push(format!("{what}: {error}"));
                    return Ok(false);
                }
            };
            if prompts.len() > MOST_PROMPTS {
                self.tried.push(format!("{what}: the server asks {} questions at once", prompts.len()));
                return Ok(false);
            }
            if let Some(open) = prompts.iter().find(|prompt| prompt.echo) {
                self.tried.push(format!("{what}: the server asks `{}`, which has no answer here", short(&open.prompt)));
                return Ok(false);
            }
            let answers = prompts.iter().map(|_| password.to_owned()).collect();
            reply = self.patience.limit(self.handle.authenticate_keyboard_interactive_respond(answers)).await;
        }
        self.tried.push(format!("{what}: the server asks again and again"));
        Ok(false)
    }

    fn note(&mut self, what: String, result: AuthResult) -> Outcome {
        match result {
            AuthResult::Success => Outcome::In,
            AuthResult::Failure { remaining_methods, partial_success } => {
                let why = match (partial_success, self.handle.is_closed()) {
                    (true, _) => "accepted, but the server wants more",
                    (false, true) => "the server hung up",
                    (false, false) => "not accepted",
                };
                self.tried.push(format!("{what}: {why}"));
                self.allowed = Some(remaining_methods);
                Outcome::Next
            }
        }
    }

    fn too_slow(&self) -> SshError {
        SshError::Timeout {
            host: self.settings.name.clone(),
            address: self.settings.host.clone(),
            port: self.settings.port,
            phase: "logging in",
            after: self.patience.whole,
        }
    }

    fn refused(self) -> SshError {
        let said = self.notes.said();
        let too_many = said.contains("Too many authentication failures");
        let help = if self.notes.doubt().is_some() && self.settings.password.is_some() {
            "no password goes to a host whose key is unknown or has changed: let the key be checked and remembered \
             (`--accept-new-host-keys`, `StrictHostKeyChecking=accept-new`) instead of switching the check off"
                .to_owned()
        } else if too_many {
            "the server counts every key that is offered (MaxAuthTries): name the right one with --private-key or \
             `ansible_ssh_private_key_file`, and set `-o IdentitiesOnly=yes`"
                .to_owned()
        } else {
            let takes = self.allowed.as_ref().map_or_else(String::new, |methods| {
                let names: Vec<&str> = methods.iter().map(Into::into).collect();
                format!(
                    "the server takes {}; ",
                    if names.is_empty() { "nothing more".into() } else { names.join(", ") }
                )
            });
            format!(
                "{takes}set the user (`ansible_user`), a key (`--private-key`, `ansible_ssh_private_key_file`) or a password (-k)"
            )
        };
        let mut tried = self.tried;
        if !said.is_empty() {
            tried.push(format!("the server said: {}", short(&said)));
        }
        SshError::Auth {
            host: self.settings.name.clone(),
            address: self.settings.host.clone(),
            port: self.settings.port,
            user: self.settings.user.clone(),
            tried,
            help,
        }
    }
}
