//! Who we are: keys, agents, passphrases, passwords.

use super::{
    sshd::{Sshd, TestUser, write_key},
    text,
};
use bringup::connection::{Prompter, Secret};
use bringup::ssh::{SshError, Target};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// An ssh-agent of our own.
struct Agent {
    socket: PathBuf,
    child: Child,
}

impl Agent {
    fn start(dir: &Path) -> Agent {
        let socket = dir.join("agent");
        let child =
            Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn().expect("ssh-agent");
        while !socket.exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Agent { socket, child }
    }

    fn add(&self, key: &Path) {
        let mut add = Command::new("ssh-add");
        let added =
            add.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).stderr(Stdio::null()).status().expect("ssh-add");
        assert!(added.success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers every question with the same words and counts them.
struct Answers(&'static str, AtomicUsize);

impl Prompter for Answers {
    fn ask(&self, question: &str) -> Option<Secret> {
        assert!(question.contains("Passphrase"), "{question}");
        self.1.fetch_add(1, Ordering::SeqCst);
        Some(Secret::new(self.0))
    }
}

fn with_agent(sshd: &Sshd, agent: &Agent) -> Target {
    let mut target = sshd.target();
    target.options.insert("identityagent".into(), agent.socket.display().to_string());
    target
}

async fn refused(target: &Target, sshd: &Sshd) -> (String, String) {
    match super::connect(target.clone(), &sshd.context()).await {
        Err(SshError::Auth { tried, help, .. }) => (tried.join("; "), help),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("let in"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_key_opens_the_door() {
    let sshd = Sshd::start("");
    for algorithm in [
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    ] {
        let name = format!("key-{algorithm}");
        if matches!(algorithm, Algorithm::Rsa { .. }) {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"])
                .arg(sshd.path(&name))
                .status();
            assert!(made.expect("ssh-keygen").success());
            fs::copy(sshd.path(&format!("{name}.pub")), sshd.path("authorized_keys")).expect("authorized_keys");
        } else {
            let key = write_key(&sshd.path(&name), algorithm);
            fs::write(sshd.path("authorized_keys"), key.public_key().to_openssh().expect("text"))
                .expect("authorized_keys");
        }
        let mut target = sshd.target();
        target.private_key_files = vec![sshd.path(&name)];
        super::connect(target.clone(), &sshd.context()).await.expect(&name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_pem_keys_and_default_keys_work() {
    let sshd = Sshd::start("");
    let key = sshd.path("home/.ssh/id_rsa");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "rsa", "-m", "PEM", "-b", "2048", "-N", "", "-f"])
        .arg(&key)
        .status();
    assert!(made.expect("ssh-keygen").success());
    fs::copy(sshd.path("home/.ssh/id_rsa.pub"), sshd.path("authorized_keys")).expect("authorized_keys");
    let mut target = sshd.target();
    target.private_key_files.clear();
    super::connect(target.clone(), &sshd.context()).await.expect("~/.ssh/id_rsa");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_key_is_not_crowded_out_by_the_agents() {
    let sshd = Sshd::start("MaxAuthTries 2");
    let agent = Agent::start(sshd.dir.path());
    for number in 0..8 {
        let key = sshd.path(&format!("other{number}"));
        write_key(&key, Algorithm::Ed25519);
        agent.add(&key);
    }
    let mut target = with_agent(&sshd, &agent);
    super::connect(target.clone(), &sshd.context()).await.expect("the named key comes first");

    // Without a name the agent's are tried in turn until the server has had enough, and the help says so.
    target.private_key_files.clear();
    let (tried, help) = refused(&target, &sshd).await;
    assert!(tried.contains("the agent's key"), "{tried}");
    assert!(help.contains("IdentitiesOnly=yes"), "{tried} / {help}");

    // The agent may hold the named key: no file is needed but the public one.
    agent.add(&sshd.path("user_key"));
    fs::remove_file(sshd.path("user_key")).expect("gone");
    target.private_key_files = vec![sshd.path("user_key.pub")];
    target.options.insert("identitiesonly".into(), "yes".into());
    super::connect(target.clone(), &sshd.context()).await.expect("the agent signs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passphrase_is_asked_for_once_for_all_hosts() {
    let sshd = Sshd::start("");
    let locked = Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", "open sesame", "-f"])
        .arg(sshd.path("user_key"))
        .status();
    assert!(locked.expect("ssh-keygen").success());

    let (tried, _) = refused(&sshd.target(), &sshd).await;
    assert!(tried.contains("it is encrypted and nobody can be asked"), "{tried}");

    let answers = Arc::new(Answers("open sesame", AtomicUsize::new(0)));
    let context = Arc::new(sshd.context_with(answers.clone()));
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let (target, context) = (sshd.target(), Arc::clone(&context));
            tokio::spawn(async move { super::connect(target.clone(), &context).await.map(|_| ()) })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic").expect("let in");
    }
    assert_eq!(answers.1.load(Ordering::SeqCst), 1);

    let wrong = Arc::new(Answers("wrong", AtomicUsize::new(0)));
    let Err(error) = super::connect(sshd.target(), &sshd.context_with(wrong.clone())).await else { panic!("let in") };
    assert!(error.to_string().contains("the passphrase is wrong"), "{error}");
    assert_eq!(wrong.1.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_says_what_was_tried() {
    let sshd = Sshd::start("");
    write_key(&sshd.path("stranger"), Algorithm::Ed25519);
    write_key(&sshd.path("open"), Algorithm::Ed25519);
    let chmod = Command::new("chmod").arg("644").arg(sshd.path("open")).status().expect("chmod");
    assert!(chmod.success());
    fs::write(sshd.path("garbage"), "no key").expect("file");
    assert!(Command::new("chmod").arg("600").arg(sshd.path("garbage")).status().expect("chmod").success());
    let mut target = sshd.target();
    target.private_key_files = ["stranger", "missing", "open", "garbage"].map(|name| sshd.path(name)).to_vec();
    target.password = Some("hunter2".into());
    let (tried, help) = refused(&target, &sshd).await;
    for part in [
        "stranger: not accepted",
        "missing: there is no such file",
        "open: others can read it (mode 0644)",
        "garbage: it is no private key",
        "the password: not accepted",
    ] {
        assert!(tried.contains(part), "{part}: {tried}");
    }
    assert!(help.contains("the server takes"), "{help}");
    assert!(!tried.contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_opens_the_door() {
    let Some(user) = TestUser::create("pw", "/bin/sh") else { return };
    for config in
        ["PasswordAuthentication yes", "PasswordAuthentication no\nKbdInteractiveAuthentication yes\nUsePAM yes"]
    {
        let sshd = Sshd::start(config);
        let mut target = sshd.target();
        target.private_key_files.clear();
        target.user = Some(user.name.clone());
        target.password = Some(user.password.as_str().into());
        let session = super::connect(target.clone(), &sshd.context()).await.expect(config);
        let mut shell = session.shell(None).await.expect("a shell");
        assert_eq!(text(&mut shell, "id -un").await.trim(), user.name);
        target.password = Some("wrong".into());
        let (tried, _) = refused(&target, &sshd).await;
        assert!(tried.contains("the password"), "{tried}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_beside_the_key_is_shown() {
    let dir = tempfile::tempdir().expect("folder");
    write_key(&dir.path().join("ca"), Algorithm::Ed25519);
    let sshd = Sshd::start(&format!("TrustedUserCAKeys {}", dir.path().join("ca.pub").display()));
    fs::write(sshd.path("authorized_keys"), "").expect("empty");
    let who = Command::new("id").arg("-un").output().expect("id");
    let who = String::from_utf8(who.stdout).expect("text");
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-s"])
        .arg(dir.path().join("ca"))
        .args(["-I", "me", "-n", who.trim()])
        .arg(sshd.path("user_key.pub"));
    assert!(sign.status().expect("ssh-keygen").success());
    super::connect(sshd.target(), &sshd.context()).await.expect("certified");
}
