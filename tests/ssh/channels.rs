//! Channels: how many a server allows, how many sessions a small machine bears, and connections that go away.

use super::{one, run, sshd::Sshd, text};
use bringup::connection::{Become, End, Error, Segment, Upload, UploadSource};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

fn upload<'a>(path: &'a str, contents: &'static str) -> Upload<'a> {
    Upload { r#become: None, source: UploadSource::Bytes(contents.into()), path, mode: 0o600, folder: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_transfers_than_max_sessions() {
    let sshd = Sshd::start("MaxSessions 10");
    let session = sshd.session().await;
    let mut shell = session.shell(None).await.expect("a shell");
    for number in 0..25 {
        let path = sshd.path(&format!("up{number}")).display().to_string();
        assert_eq!(session.upload(upload(&path, "contents"), |_| {}).await.expect("sent"), 8);
    }
    assert_eq!(text(&mut shell, "echo still the same shell").await, "still the same shell\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_at_a_time_is_enough() {
    let sshd = Sshd::start("MaxSessions 1");
    let session = Arc::new(sshd.session().await);
    let mut first = session.shell(None).await.expect("a shell");
    let pid = text(&mut first, "echo $$").await;
    let path = sshd.path("up").display().to_string();
    session.upload(upload(&path, "contents"), |_| {}).await.expect("the idle shell makes room");
    assert_ne!(text(&mut first, "echo $$").await, pid, "a new shell after that");

    // Two shells take turns.
    let mut second = session.shell(None).await.expect("another shell");
    for _ in 0..3 {
        assert_eq!(text(&mut first, "echo 1").await, "1\n");
        assert_eq!(text(&mut second, "echo 2").await, "2\n");
    }
    // A busy shell is waited for.
    let busy = tokio::spawn(async move { text(&mut first, "sleep 1; echo done").await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut back = Vec::new();
    session.download(None, &path, &mut back, |_, _| {}).await.expect("after the shell is done");
    assert_eq!(back, b"contents");
    assert_eq!(busy.await.expect("no panic"), "done\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_sessions_is_named() {
    let sshd = Sshd::start("MaxSessions 0");
    let session = sshd.session().await;
    let Err(error) = session.shell(None).await else { panic!("a shell") };
    assert!(matches!(error, Error::ChannelRefused { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_sessions_on_two_threads() {
    let sshd = Sshd::start("");
    let context = Arc::new(sshd.context());
    let start = Instant::now();
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let (target, context) = (sshd.target(), Arc::clone(&context));
            tokio::spawn(async move {
                let session = super::connect(target.clone(), &context).await.expect("a session");
                let mut shell = session.shell(None).await.expect("a shell");
                let answer = text(&mut shell, &format!("echo {number}")).await;
                session.close().await;
                answer
            })
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.expect("no panic"), format!("{number}\n"));
    }
    assert!(start.elapsed() < Duration::from_secs(120), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_goes_away_is_lost_and_what_was_done_is_known() {
    let sshd = Sshd::start("");
    let session = sshd.session().await;
    let mut shell = session.shell(None).await.expect("a shell");
    // The shell's grandparent is the sshd process of this connection alone.
    let kill = "sleep 1; p=$(cut -d' ' -f4 /proc/$$/stat); kill -9 \"$p\"; sleep 30";
    let frame = [Segment::new("echo one"), Segment::new("echo two"), Segment::new(kill), Segment::new("echo four")];
    let start = Instant::now();
    let (outputs, end) = run(&mut shell, &frame).await;
    assert_eq!(outputs.len(), 2);
    match end {
        Err(Error::ShellLost { acknowledged: 2, segments: 4, end, .. }) => assert_ne!(end, End::Exit(0)),
        other => panic!("{other:?}"),
    }
    assert!(start.elapsed() < Duration::from_secs(20), "noticed at once, not by keepalives");
    for _ in 0..50 {
        if session.is_closed() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(session.is_closed());
    let (_, end) = run(&mut shell, &[Segment::new("true")]).await;
    assert!(matches!(end, Err(Error::Lost { .. })), "{end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unread_tunnel_holds_nobody_up() {
    let sshd = Sshd::start("");
    let session = sshd.session().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("address").port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let noise = vec![7u8; 8 << 20];
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &noise).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    });
    let mut tunnel = session.tunnel("127.0.0.1", port).await.expect("a tunnel");
    let mut shell = session.shell(None).await.expect("a shell");
    for _ in 0..5 {
        let quick = tokio::time::timeout(Duration::from_secs(10), one(&mut shell, "echo hello"));
        assert_eq!(quick.await.expect("in time").stdout, b"hello\n");
    }
    let mut first = vec![0; 4 << 20];
    tokio::io::AsyncReadExt::read_exact(&mut tunnel, &mut first).await.expect("the bytes");
    assert!(first.iter().all(|&byte| byte == 7));

    let Err(error) = session.tunnel("127.0.0.1", 1).await else { panic!("port 1 answers") };
    assert!(matches!(error, Error::Tunnel { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_was_given_up_does_not_confuse_the_next() {
    let sshd = Sshd::start("");
    let session = sshd.session().await;
    let mut shell = session.shell(None).await.expect("a shell");
    let slow = [Segment::new("sleep 2; echo old")];
    let given_up = tokio::time::timeout(Duration::from_millis(300), run(&mut shell, &slow)).await;
    assert!(given_up.is_err());
    assert_eq!(text(&mut shell, "echo new").await, "new\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_ends_when_its_time_is_over() {
    let sshd = Sshd::start("");
    let session = sshd.session().await;
    let mut shell = session.shell(None).await.expect("a shell");
    let frame = [
        Segment::new("echo quick; exit 124").timeout(Some(Duration::from_secs(60))),
        Segment::new("echo \"it's\" begun; sleep 300").timeout(Some(Duration::from_secs(4))),
        Segment::new("echo after"),
    ];
    let start = Instant::now();
    let (outputs, end) = run(&mut shell, &frame).await;
    assert_eq!(end.expect("the frame").acknowledged, 3);
    assert!(start.elapsed() < Duration::from_secs(60));
    assert_eq!((outputs[0].status, outputs[0].timed_out), (124, false));
    assert_eq!((outputs[1].stdout.as_slice(), outputs[1].timed_out), (&b"it's begun\n"[..], true));
    assert!(!outputs[1].success() && outputs[2].success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nul_byte_is_refused_before_anything_runs() {
    let sshd = Sshd::start("");
    let session = sshd.session().await;
    let mut shell =
        session.shell(Some(&Become { user: session.user().into(), ..Become::default() })).await.expect("shell");
    let (outputs, end) = run(&mut shell, &[Segment::new("true"), Segment::new(*b"a\0b")]).await;
    assert!(outputs.is_empty() && matches!(end, Err(Error::NulInScript { index: 1, .. })), "{end:?}");
}
