//! Hosts that cannot be reached: each fault has its own name.

use super::sshd::Sshd;
use bringup::connection::{Context, NoPrompter};
use bringup::ssh::{SshError, Target};
use std::{
    io::Write as _,
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

async fn fault(change: impl FnOnce(&mut Target)) -> SshError {
    let dir = tempfile::tempdir().expect("folder");
    let mut target = Target::new("h1");
    target.address = Some("127.0.0.1".into());
    target.connect_timeout = Duration::from_secs(2);
    target.options.insert("f".into(), "none".into());
    change(&mut target);
    let context = Context::with_home(Arc::new(NoPrompter), dir.path().into());
    match super::connect(target.clone(), &context).await {
        Err(error) => error,
        Ok(_) => panic!("connected"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_has_its_own_name() {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let error = fault(|target| target.port = Some(closed)).await;
    assert!(matches!(error, SshError::Refused { port, .. } if port == closed) && error.is_unreachable(), "{error}");

    let error = fault(|target| target.address = Some("no-such-host.invalid".into())).await;
    assert!(matches!(error, SshError::Resolve { .. }), "{error}");

    let error = fault(|target| target.address = Some("255.255.255.255".into())).await;
    assert!(matches!(error, SshError::NoRoute { .. } | SshError::Timeout { .. }), "{error}");

    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("address").port();
    let start = Instant::now();
    let error = fault(|target| target.port = Some(port)).await;
    assert!(matches!(&error, SshError::Timeout { phase, .. } if phase.contains("handshake")), "{error}");
    assert!(start.elapsed() < Duration::from_secs(30));

    for (greeting, closes) in [("HTTP/1.1 400 Bad Request\r\n\r\n", false), ("", true)] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("address").port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let _ = stream.write_all(greeting.as_bytes());
        });
        let error = fault(|target| target.port = Some(port)).await;
        let named =
            matches!(error, SshError::Closed { .. }) || (!closes && matches!(error, SshError::Handshake { .. }));
        assert!(named, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_common_algorithm_is_spelled_out() {
    let sshd = Sshd::start("Ciphers aes256-cbc");
    let Err(error) = super::connect(sshd.target(), &sshd.context()).await else { panic!("connected") };
    let text = error.to_string();
    assert!(matches!(error, SshError::Handshake { .. }) && text.contains("aes256-cbc"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_busy_is_tried_again_when_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("address").port();
    let counter = std::thread::spawn(move || {
        for _ in 0..2 {
            drop(listener.accept().expect("a connection"));
        }
    });
    let error = fault(|target| {
        target.port = Some(port);
        target.options.insert("connectionattempts".into(), "2".into());
    })
    .await;
    assert!(matches!(error, SshError::Closed { .. } | SshError::Refused { .. }), "{error}");
    counter.join().expect("two attempts");
}
