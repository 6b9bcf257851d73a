//! An OpenSSH server of our own: a free port, its own keys, everything in a folder that goes away.

use crate::support::skip;
use bringup::connection::{Context, NoPrompter, Prompter, Session};
use bringup::ssh::Target;
use russh::keys::{Algorithm, PrivateKey, ssh_key::LineEnding};
use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;

const SSHD: &str = "/usr/sbin/sshd";

/// A running server. It lets root (or whoever runs the tests) in with the key `user_key`.
pub struct Sshd {
    pub dir: TempDir,
    pub port: u16,
    child: Child,
}

impl Sshd {
    /// Starts a server with lines of sshd_config added before the usual ones.
    pub fn start(extra: &str) -> Sshd {
        assert!(Path::new(SSHD).exists(), "{SSHD} is missing: install openssh-server to run these tests");
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["host_key", "user_key"] {
            write_key(&dir.path().join(name), Algorithm::Ed25519);
        }
        fs::copy(dir.path().join("user_key.pub"), dir.path().join("authorized_keys")).expect("authorized_keys");
        fs::create_dir_all(dir.path().join("home/.ssh")).expect("home");
        fs::create_dir_all("/run/sshd").ok();
        let port = free_port();
        let path = dir.path().display();
        let config = format!(
            "{extra}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {path}/host_key\nPidFile none\nUsePAM no\nStrictModes no\n\
             PermitRootLogin yes\nAuthorizedKeysFile {path}/authorized_keys\nMaxStartups 200\nLogLevel ERROR\n"
        );
        fs::write(dir.path().join("sshd_config"), config).expect("sshd_config");
        let log = fs::File::create(dir.path().join("log")).expect("log");
        let child = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(dir.path().join("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("sshd");
        let sshd = Sshd { dir, port, child };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                sshd.know(&sshd.line());
                return sshd;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("sshd did not start: {}", fs::read_to_string(sshd.path("log")).unwrap_or_default());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What known_hosts holds about it.
    pub fn line(&self) -> String {
        let key = fs::read_to_string(self.path("host_key.pub")).expect("host_key.pub");
        format!("[127.0.0.1]:{} {}", self.port, key)
    }

    /// Replaces known_hosts.
    pub fn know(&self, text: &str) {
        fs::write(self.known_hosts(), text).expect("known_hosts");
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.path("home/.ssh/known_hosts")
    }

    /// How to reach it, with nothing taken from the machine's own configuration.
    pub fn target(&self) -> Target {
        let mut target = Target::new("h1");
        target.address = Some("127.0.0.1".into());
        target.port = Some(self.port);
        target.private_key_files = vec![self.path("user_key")];
        target.connect_timeout = Duration::from_secs(20);
        target.options.insert("f".into(), "none".into());
        target.options.insert("identityagent".into(), "none".into());
        target.options.insert("globalknownhostsfile".into(), "none".into());
        target
    }

    pub fn context(&self) -> Context {
        self.context_with(Arc::new(NoPrompter))
    }

    pub fn context_with(&self, prompter: Arc<dyn Prompter>) -> Context {
        Context::with_home(prompter, self.path("home"))
    }

    pub async fn session(&self) -> Session {
        super::connect(self.target(), &self.context()).await.expect("a session")
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a new key pair.
pub fn write_key(path: &Path, algorithm: Algorithm) -> PrivateKey {
    let key = PrivateKey::random(&mut rand::rng(), algorithm).expect("a key");
    fs::write(path, key.to_openssh(LineEnding::LF).expect("text").as_bytes()).expect("key");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("mode");
    let public = key.public_key().to_openssh().expect("text");
    fs::write(path.with_extension("pub"), format!("{public}\n")).expect("public key");
    key
}

/// A port that nobody has, below those that the kernel gives to connections: one of theirs could come before the server.
/// No test of this process gets it again.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 20_000 + (number % 12_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A user of this machine that goes away with the test. Only root can make one.
pub struct TestUser {
    pub name: String,
    pub password: String,
}

impl TestUser {
    pub fn create(hint: &str, login_shell: &str) -> Option<TestUser> {
        let name = format!("bt-{hint}-{:04x}", rand::random::<u16>());
        let password = format!("pw-{:08x} '\"", rand::random::<u32>());
        let add = Command::new("useradd").args(["-m", "-s", login_shell, &name]).stderr(Stdio::null()).status();
        if !add.is_ok_and(|status| status.success()) {
            skip::tell("skipped", "no user can be made here: it takes root and useradd");
            return None;
        }
        let mut chpasswd = Command::new("chpasswd").stdin(Stdio::piped()).spawn().expect("chpasswd");
        let line = format!("{name}:{password}\n");
        std::io::Write::write_all(chpasswd.stdin.as_mut().expect("stdin"), line.as_bytes()).expect("written");
        assert!(chpasswd.wait().expect("chpasswd").success());
        Some(TestUser { name, password })
    }
}

impl Drop for TestUser {
    fn drop(&mut self) {
        for _ in 0..20 {
            let gone = Command::new("userdel").args(["-r", "-f", &self.name]).stderr(Stdio::null()).status();
            if gone.is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        eprintln!("the user {} could not be removed", self.name);
    }
}
