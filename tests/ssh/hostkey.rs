//! Is it the host we know?

use super::sshd::{Sshd, write_key};
use bringup::connection::{Become, BecomeFailure, Context, Error, Session};
use bringup::ssh::{HostKeyPolicy, SshError};
use russh::keys::Algorithm;
use std::{fs, os::unix::fs::PermissionsExt as _, process::Command, sync::Arc};

async fn connect(sshd: &Sshd, policy: Option<HostKeyPolicy>) -> Result<Session, SshError> {
    let mut target = sshd.target();
    target.host_key_checking = policy;
    super::connect(target.clone(), &sshd.context()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_host_is_refused_and_the_way_out_is_shown() {
    let sshd = Sshd::start("");
    sshd.know("");
    let Err(error) = connect(&sshd, None).await else { panic!("let in") };
    let report = format!("{:?}", miette::Report::new(error));
    let flat = report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("SHA256:") && flat.contains("ssh-keyscan -p") && flat.contains("accept-new"), "{report}");
    assert_eq!(fs::read_to_string(sshd.known_hosts()).expect("known_hosts"), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_key_is_refused_with_the_old_ones_place_under_every_policy_but_off() {
    let sshd = Sshd::start("");
    write_key(&sshd.path("other"), Algorithm::Ed25519);
    let other = fs::read_to_string(sshd.path("other.pub")).expect("key");
    sshd.know(&format!("# first line\n[127.0.0.1]:{} {other}", sshd.port));
    for policy in [None, Some(HostKeyPolicy::Strict), Some(HostKeyPolicy::AcceptNew)] {
        match connect(&sshd, policy).await {
            Err(SshError::HostKeyChanged { line: 2, file, .. }) => assert_eq!(file, sshd.known_hosts()),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("let in"),
        }
    }
    let session = connect(&sshd, Some(HostKeyPolicy::Off)).await.expect("asked for by name");
    assert!(session.warnings()[0].contains("host keys are not checked"), "{:?}", session.warnings());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_is_refused() {
    let sshd = Sshd::start("");
    let key = fs::read_to_string(sshd.path("host_key.pub")).expect("key");
    sshd.know(&format!("{}@revoked * {key}", sshd.line()));
    let Err(error) = connect(&sshd, None).await else { panic!("let in") };
    assert!(matches!(error, SshError::HostKeyRevoked { line: 2, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accept_new_records_once_for_fifty_connections_at_once() {
    let sshd = Sshd::start("");
    sshd.know("");
    let context = Arc::new(sshd.context());
    let mut target = sshd.target();
    target.host_key_checking = Some(HostKeyPolicy::AcceptNew);
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (target, context) = (target.clone(), Arc::clone(&context));
            tokio::spawn(async move { super::connect(target.clone(), &context).await.map(|_| ()) })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic").expect("a session");
    }
    let text = fs::read_to_string(sshd.known_hosts()).expect("known_hosts");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!(text.trim(), sshd.line().trim());
    connect(&sshd, Some(HostKeyPolicy::Strict)).await.expect("known now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssh_and_we_read_each_others_files() {
    let sshd = Sshd::start("");
    let hashed = Command::new("ssh-keygen").args(["-H", "-f"]).arg(sshd.known_hosts()).output().expect("ssh-keygen");
    assert!(hashed.status.success());
    assert!(fs::read_to_string(sshd.known_hosts()).expect("text").starts_with("|1|"));
    connect(&sshd, None).await.expect("found under its hash");

    sshd.know("");
    let mut target = sshd.target();
    target.host_key_checking = Some(HostKeyPolicy::AcceptNew);
    target.options.insert("hashknownhosts".into(), "yes".into());
    super::connect(target.clone(), &sshd.context()).await.expect("accepted");
    let place = format!("[127.0.0.1]:{}", sshd.port);
    let found =
        Command::new("ssh-keygen").args(["-F", &place, "-f"]).arg(sshd.known_hosts()).output().expect("ssh-keygen");
    assert!(found.status.success(), "ssh-keygen -F does not find what we wrote");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_known_by_one_key_is_not_asked_for_another() {
    let dir = tempfile::tempdir().expect("folder");
    let ecdsa = dir.path().join("ecdsa");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ecdsa", "-N", "", "-f"])
        .arg(&ecdsa)
        .status()
        .expect("ssh-keygen");
    assert!(made.success());
    let sshd = Sshd::start(&format!("HostKey {}", ecdsa.display()));
    let key = fs::read_to_string(dir.path().join("ecdsa.pub")).expect("key");
    sshd.know(&format!("[127.0.0.1]:{} {key}", sshd.port));
    connect(&sshd, None).await.expect("the key it is known by is asked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_a_recorded_authority_is_enough() {
    let dir = tempfile::tempdir().expect("folder");
    let host = dir.path().join("host");
    write_key(&host, Algorithm::Ed25519);
    write_key(&dir.path().join("ca"), Algorithm::Ed25519);
    let authority = fs::read_to_string(dir.path().join("ca.pub")).expect("key");
    let sign = |names: &str| {
        let mut command = Command::new("ssh-keygen");
        command
            .args(["-q", "-s"])
            .arg(dir.path().join("ca"))
            .args(["-h", "-I", "id", "-n", names])
            .arg(dir.path().join("host.pub"));
        assert!(command.status().expect("ssh-keygen").success());
    };
    sign("127.0.0.1");
    let config = format!("HostKey {0}\nHostCertificate {0}-cert.pub", host.display());
    let sshd = Sshd::start(&config);
    sshd.know(&format!("@cert-authority [127.0.0.1]:{} {authority}", sshd.port));
    connect(&sshd, None).await.expect("signed");
    // Without the authority its certificate means nothing.
    sshd.know("");
    assert!(matches!(connect(&sshd, None).await, Err(SshError::HostKeyUnknown { .. })));

    sign("somewhere.else");
    let sshd = Sshd::start(&config);
    sshd.know(&format!("@cert-authority * {authority}"));
    match connect(&sshd, None).await {
        Err(SshError::HostCertificate { reason, .. }) => assert!(reason.contains("somewhere.else"), "{reason}"),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("let in"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_known_hosts_is_named() {
    let sshd = Sshd::start("");
    let mut target = sshd.target();
    target.options.insert("userknownhostsfile".into(), sshd.dir.path().display().to_string());
    let context: Context = sshd.context();
    let Err(error) = super::connect(target.clone(), &context).await else { panic!("let in") };
    assert!(error.to_string().starts_with(&sshd.dir.path().display().to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_become_password_goes_to_a_host_that_may_be_another() {
    let sshd = Sshd::start("");
    let exe = sshd.path("sudo");
    let got = sshd.path("got");
    let asks = "while [ $# -gt 0 ]; do case $1 in -p) prompt=$2; shift 2 ;; --) shift; break ;; *) shift ;; esac; done";
    let ask = format!(
        "#!/bin/sh\n{asks}\nprintf %s \"$prompt\" >&2; read -r p; echo \"$p\" >{}; exec \"$@\"\n",
        got.display()
    );
    let free = format!("#!/bin/sh\n{asks}\nexec \"$@\"\n");
    let wish = Become {
        user: "somebody".into(),
        exe: Some(exe.display().to_string()),
        password: Some("hunter2".into()),
        ..Become::default()
    };
    let write = |text: &str| {
        fs::write(&exe, text).expect("stand-in");
        fs::set_permissions(&exe, fs::Permissions::from_mode(0o755)).expect("mode");
    };
    write(&ask);
    let session = connect(&sshd, Some(HostKeyPolicy::Off)).await.expect("known");
    session.shell(Some(&wish)).await.expect("the known one gets it");
    assert_eq!(fs::read_to_string(&got).expect("sent"), "hunter2\n");
    fs::remove_file(&got).expect("removed");
    for known in [String::new(), changed(&sshd)] {
        sshd.know(&known);
        let session = connect(&sshd, Some(HostKeyPolicy::Off)).await.expect("asked for by name");
        match session.shell(Some(&wish)).await {
            Err(Error::Become { reason: BecomeFailure::Withheld, what, .. }) => {
                assert!(what.contains("not sent"), "{what}")
            }
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("sent"),
        }
        assert!(!fs::read_to_string(&got).unwrap_or_default().contains("hunter2"));
        write(&free);
        session.shell(Some(&wish)).await.expect("where nobody asks for it, it is not needed");
        write(&ask);
    }
}

fn changed(sshd: &Sshd) -> String {
    write_key(&sshd.path("other"), Algorithm::Ed25519);
    let other = fs::read_to_string(sshd.path("other.pub")).expect("key");
    format!("[127.0.0.1]:{} {other}", sshd.port)
}
