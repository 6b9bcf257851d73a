//! A server that is not what it should be: it asks for what nobody gives, opens what nobody forwards, and keeps what it is told.

use super::sshd::write_key;
use bringup::connection::{Context, NoPrompter, Session};
use bringup::ssh::{HostKeyPolicy, SshError, Target};
use russh::{
    keys::{Algorithm, PrivateKey},
    server::{self, Auth, PublicKeyOffer, Response, VerifiedPublicKey},
};
use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// What it has heard and got.
#[derive(Clone, Default)]
struct Spoils(Arc<Mutex<Vec<String>>>);

impl Spoils {
    fn add(&self, what: impl Into<String>) {
        self.0.lock().expect("no panic").push(what.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }
}

struct Hostile {
    spoils: Spoils,
    /// How many questions keyboard-interactive asks.
    questions: usize,
    /// Whether a key is enough.
    takes_keys: bool,
}

impl server::Handler for Hostile {
    type Error = russh::Error;

    async fn auth_password(&mut self, _user: &str, password: &str) -> Result<Auth, russh::Error> {
        self.spoils.add(format!("password {password}"));
        Ok(if self.questions == 0 { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey_offered(&mut self, _user: &str, _offer: PublicKeyOffer<'_>) -> Result<Auth, russh::Error> {
        Ok(if self.takes_keys { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(&mut self, _user: &str, _key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        Ok(if self.takes_keys { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        for answer in response.into_iter().flatten() {
            self.spoils.add(format!("answer {}", String::from_utf8_lossy(&answer)));
        }
        let prompts = vec![("Password: ".into(), false); self.questions];
        Ok(Auth::Partial { name: "".into(), instructions: "".into(), prompts: prompts.into() })
    }
}

/// A running one.
struct Trap {
    dir: TempDir,
    port: u16,
    spoils: Spoils,
    handle: tokio::sync::watch::Receiver<Option<server::Handle>>,
}

impl Trap {
    async fn set(questions: usize, takes_keys: bool) -> Trap {
        let dir = tempfile::tempdir().expect("folder");
        fs::create_dir_all(dir.path().join("home/.ssh")).expect("home");
        let host_key: PrivateKey = write_key(&dir.path().join("host_key"), Algorithm::Ed25519);
        write_key(&dir.path().join("user_key"), Algorithm::Ed25519);
        let config = Arc::new(server::Config {
            keys: vec![host_key],
            auth_rejection_time: Duration::from_millis(1),
            ..server::Config::default()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("address").port();
        let spoils = Spoils::default();
        let (opened, handle) = tokio::sync::watch::channel(None);
        let heard = spoils.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let handler = Hostile { spoils: heard.clone(), questions, takes_keys };
                let Ok(running) = server::run_stream(Arc::clone(&config), stream, handler).await else { continue };
                let _ = opened.send(Some(running.handle()));
                tokio::spawn(running);
            }
        });
        Trap { dir, port, spoils, handle }
    }

    fn target(&self, policy: HostKeyPolicy) -> Target {
        let mut target = Target::new("h1");
        target.address = Some("127.0.0.1".into());
        target.port = Some(self.port);
        target.user = Some("root".into());
        target.password = Some("hunter2".into());
        target.private_key_files = vec![self.dir.path().join("user_key")];
        target.host_key_checking = Some(policy);
        for (key, value) in [("f", "none"), ("identityagent", "none"), ("globalknownhostsfile", "none")] {
            target.options.insert(key.into(), value.into());
        }
        target
    }

    fn known_hosts(&self) -> PathBuf {
        self.dir.path().join("home/.ssh/known_hosts")
    }

    /// Makes another key the one that is known.
    fn replace_known_key(&self) {
        write_key(&self.dir.path().join("other"), Algorithm::Ed25519);
        let other = fs::read_to_string(self.dir.path().join("other.pub")).expect("key");
        fs::write(self.known_hosts(), format!("[127.0.0.1]:{} {other}", self.port)).expect("known_hosts");
    }

    async fn connect(&self, policy: HostKeyPolicy) -> Result<Session, SshError> {
        let context = Context::with_home(Arc::new(NoPrompter), self.dir.path().join("home"));
        super::connect(self.target(policy), &context).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_goes_to_a_host_that_may_be_another() {
    for questions in [0, 1] {
        for changed in [true, false] {
            let trap = Trap::set(questions, false).await;
            if changed {
                trap.replace_known_key();
            }
            let Err(error) = trap.connect(HostKeyPolicy::Off).await else { panic!("let in") };
            let told = format!("{:?}", miette::Report::new(error)).split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(trap.spoils.all(), [""; 0], "changed: {changed}");
            assert!(told.contains("not sent") && told.contains("accept-new"), "{told}");
            assert_eq!(told.contains("CHANGED"), changed, "{told}");
        }
    }
    // The control: to a host that is known by its key it goes.
    let trap = Trap::set(0, false).await;
    trap.connect(HostKeyPolicy::AcceptNew).await.expect("recorded");
    trap.connect(HostKeyPolicy::Off).await.expect("the known one");
    assert_eq!(trap.spoils.all(), ["password hunter2"; 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_still_opens_an_unchecked_host_and_the_user_is_warned() {
    let trap = Trap::set(1, true).await;
    trap.replace_known_key();
    let session = trap.connect(HostKeyPolicy::Off).await.expect("a signature is of no use to anybody else");
    let warnings = session.warnings().join("\n");
    assert!(warnings.contains("CHANGED") && warnings.contains("no password"), "{warnings}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_questions_get_no_answer() {
    let trap = Trap::set(100, false).await;
    let Err(error) = trap.connect(HostKeyPolicy::AcceptNew).await else { panic!("let in") };
    assert!(error.to_string().contains("100 questions"), "{error}");
    assert!(!trap.spoils.all().iter().any(|got| got.starts_with("answer")), "{:?}", trap.spoils.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_opens_nothing_here() {
    let mut trap = Trap::set(1, true).await;
    let session = trap.connect(HostKeyPolicy::AcceptNew).await.expect("a session");
    let handle = trap.handle.wait_for(Option::is_some).await.expect("running").clone().expect("a handle");
    let opened = [
        ("agent", handle.channel_open_agent().await.is_ok()),
        ("session", handle.channel_open_session().await.is_ok()),
        ("x11", handle.channel_open_x11("127.0.0.1", 1).await.is_ok()),
        ("direct", handle.channel_open_direct_tcpip("127.0.0.1", 22, "127.0.0.1", 1).await.is_ok()),
        ("direct socket", handle.channel_open_direct_streamlocal("/run/x").await.is_ok()),
        ("forwarded", handle.channel_open_forwarded_tcpip("127.0.0.1", 22, "127.0.0.1", 1).await.is_ok()),
        ("forwarded socket", handle.channel_open_forwarded_streamlocal("/run/x").await.is_ok()),
    ];
    assert!(opened.iter().all(|(_, accepted)| !accepted), "{opened:?}");
    assert!(!session.is_closed(), "asking is no reason to hang up");
}

/// Sends the same bytes without an end to whoever connects.
fn flood(greeting: &'static [u8], packet: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let _ = stream.write_all(greeting);
        while stream.write_all(&packet).is_ok() {}
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_before_the_login_ends_the_connection_soon() {
    // SSH_MSG_IGNORE, which is taken in silence: length, padding, type, a string, padding.
    let mut ignore = vec![0, 0, 0x40, 12, 4, 2, 0, 0, 0x40, 2];
    ignore.extend(vec![b'x'; 0x4002 + 4]);
    for (greeting, packet) in [(&b"SSH-2.0-x\r\n"[..], ignore), (b"", b"no SSH\r\n".to_vec()), (b"", vec![b'x'; 1000])]
    {
        let dir = tempfile::tempdir().expect("folder");
        let mut target = Target::new("h1");
        target.address = Some("127.0.0.1".into());
        target.port = Some(flood(greeting, packet));
        target.options.insert("f".into(), "none".into());
        let began = Instant::now();
        let context = Context::with_home(Arc::new(NoPrompter), dir.path().into());
        let Err(error) = super::connect(target.clone(), &context).await else { panic!("let in") };
        assert!(began.elapsed() < Duration::from_secs(20), "{error}");
        if !greeting.is_empty() {
            assert!(error.to_string().contains("more than 4 MiB"), "{error}");
        }
    }
}
