//! The shell's protocol: what steps give back, and what they cannot break.

use super::{one, run, sshd::Sshd, text};
use crate::support::skip::skip_part;
use bringup::connection::{Context, Error, FrameEnd, NoPrompter, Segment, Session, Target};
use std::{fs, os::unix::fs::symlink, path::Path, sync::Arc, time::Duration};

pub async fn local(shell: &str) -> Session {
    let mut target = Target::local("localhost");
    target.shell = shell.into();
    super::connect(target.clone(), &Context::new(Arc::new(NoPrompter))).await.expect("this machine")
}

/// The shells at hand that the protocol must work in.
pub fn shells(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for (program, name) in
        [("/bin/sh", "sh"), ("/usr/bin/dash", "dash"), ("/bin/bash", "bash"), ("/usr/bin/busybox", "sh")]
    {
        if Path::new(program).exists() {
            let place = dir.join(program.replace('/', "_"));
            fs::create_dir_all(&place).expect("folder");
            symlink(program, place.join(name)).expect("link");
            found.push(place.join(name).display().to_string());
        } else {
            skip_part!("{program} is not installed");
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_come_back_whole_in_every_shell() {
    let dir = tempfile::tempdir().expect("folder");
    let cases: [(&str, u8, &[u8], &[u8]); 17] = [
        ("true", 0, b"", b""),
        ("exit 7", 7, b"", b""),
        ("false", 1, b"", b""),
        ("echo out; echo err >&2", 0, b"out\n", b"err\n"),
        ("printf 'no line end'", 0, b"no line end", b""),
        (r"printf 'a\000b\000'", 0, b"a\0b\0", b""),
        ("cat", 0, b"", b""),
        ("read -r x; echo \"got <$x>\"", 0, b"got <>\n", b""),
        ("echo before; kill -9 $(sh -c 'echo $PPID'); echo after", 137, b"before\n", b""),
        ("set -e; false; echo not reached", 1, b"", b""),
        ("cd /; umask 0; x=1; set -- a b; exit 0", 0, b"", b""),
        ("echo \"${x-unset} $# $*\"", 0, b"unset 0 \n", b""),
        ("__b() { echo stolen; }; __bx=1; exec 1>&-", 0, b"", b""),
        ("return 3", 3, b"", b""),
        ("exec echo replaced", 0, b"replaced\n", b""),
        ("trap 'echo bye' EXIT; exit 4", 4, b"bye\n", b""),
        ("echo \"it's\" '\"quoted\"' \\$HOME", 0, b"it's \"quoted\" $HOME\n", b""),
    ];
    for shell_path in shells(dir.path()) {
        let session = local(&shell_path).await;
        let mut shell = session.shell(None).await.expect("a shell");
        // Each answered by itself, then all together at the end of the frame.
        let steps: [fn(&str) -> Segment; 2] = [|script| Segment::new(script), |script| Segment::reading(script)];
        for step in steps {
            let frame: Vec<_> = cases.iter().map(|(script, ..)| step(script)).collect();
            let (outputs, end) = run(&mut shell, &frame).await;
            assert_eq!(end.expect("the frame").acknowledged, cases.len(), "{shell_path}");
            for ((script, status, stdout, stderr), output) in cases.iter().zip(outputs) {
                assert_eq!(output.status, *status, "{shell_path}: {script}: {output:?}");
                assert_eq!(output.stdout, *stdout, "{shell_path}: {script}");
                assert_eq!(output.stderr, *stderr, "{shell_path}: {script}");
            }
        }
        let frame = [
            Segment::new("echo work"),
            Segment::reading("echo read"),
            Segment::new("false").stop_on_failure(true),
            Segment::reading("echo not reached"),
        ];
        let (outputs, end) = run(&mut shell, &frame).await;
        assert_eq!(end.expect("the frame"), FrameEnd { acknowledged: 3, stopped: true }, "{shell_path}");
        assert_eq!(outputs.iter().map(|o| o.stdout.as_slice()).collect::<Vec<_>>(), [&b"work\n"[..], b"read\n", b""]);
        let syntax = one(&mut shell, "if then (").await;
        assert!(syntax.status != 0 && !syntax.stderr.is_empty(), "{shell_path}: {syntax:?}");
        assert_eq!(one(&mut shell, "echo still here").await.stdout, b"still here\n", "{shell_path}");
        session.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_come_back() {
    let session = local("/bin/sh").await;
    let mut shell = session.shell(None).await.expect("a shell");
    let output = one(&mut shell, "head -c 104857600 /dev/zero; echo end >&2").await;
    assert_eq!((output.status, output.stdout.len(), output.stderr.as_slice()), (0, 104_857_600, b"end\n".as_slice()));
    assert!(session.stats().bytes_down > 104_857_600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_stops_where_it_is_told_to() {
    let session = local("/bin/sh").await;
    let mut shell = session.shell(None).await.expect("a shell");
    let frame = [
        Segment::new("exit 1"),
        Segment::new("echo two").stop_on_failure(true),
        Segment::new("exit 3").stop_on_failure(true),
        Segment::new("echo never"),
    ];
    let (outputs, end) = run(&mut shell, &frame).await;
    assert_eq!(end.expect("the frame"), FrameEnd { acknowledged: 3, stopped: true });
    assert_eq!(outputs.iter().map(|output| output.status).collect::<Vec<_>>(), [1, 0, 3]);
    assert_eq!(one(&mut shell, "echo next frame").await.stdout, b"next frame\n");
    assert_eq!(session.stats().round_trips, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn background_processes_neither_hang_nor_write_into_later_answers() {
    let session = local("/bin/sh").await;
    let mut shell = session.shell(None).await.expect("a shell");
    let start = std::time::Instant::now();
    let output = one(&mut shell, "(while :; do echo noise; echo noise >&2; sleep 0.01; done) & echo $!").await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pid: u32 = text.lines().find_map(|line| line.parse().ok()).expect("a pid");
    for number in 0..20 {
        let output = one(&mut shell, &format!("sleep 0.02; echo {number}")).await;
        assert_eq!((output.stdout, output.stderr), (format!("{number}\n").into_bytes(), Vec::new()));
    }
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(one(&mut shell, &format!("kill {pid}")).await.status, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_shell_is_lost_and_not_a_success() {
    let session = local("/bin/sh").await;
    let mut shell = session.shell(None).await.expect("a shell");
    let frame = [Segment::new("echo $__bd"), Segment::new("kill -9 $$; sleep 5"), Segment::new("echo three")];
    let (outputs, end) = run(&mut shell, &frame).await;
    assert_eq!(outputs.len(), 1);
    let left = String::from_utf8_lossy(&outputs[0].stdout).trim().to_owned();
    assert!(Path::new(&left).is_dir());
    match end {
        Err(Error::ShellLost { acknowledged: 1, segments: 3, .. }) => {}
        other => panic!("{other:?}"),
    }
    // The next frame starts a new one, which sweeps what the old one left.
    assert_eq!(one(&mut shell, "echo again").await.stdout, b"again\n");
    assert!(!Path::new(&left).exists(), "{left}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stays_behind() {
    let sshd = Sshd::start("");
    let session = sshd.session().await;
    let mut shell = session.shell(None).await.expect("a shell");
    let output = one(&mut shell, "echo \"$__bd\"; ls -ld \"$__bd\" | cut -c1-10").await;
    let text = String::from_utf8(output.stdout).expect("text");
    let (folder, mode) = text.trim().split_once('\n').expect("two lines");
    assert_eq!(mode, "drwx------");
    assert!(Path::new(folder).is_dir());
    drop(shell);
    drop(session);
    for _ in 0..100 {
        if !Path::new(folder).exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{folder} is still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ssh_and_local_speak_the_same_protocol() {
    let sshd = Sshd::start("");
    let session = sshd.session().await;
    let mut shell = session.shell(None).await.expect("a shell");
    let frame: Vec<_> = (0..100).map(|number| Segment::new(format!("echo {number}; exit {}", number % 3))).collect();
    let (outputs, end) = run(&mut shell, &frame).await;
    assert_eq!(end.expect("the frame").acknowledged, 100);
    for (number, output) in outputs.iter().enumerate() {
        assert_eq!(output.stdout, format!("{number}\n").into_bytes());
        assert_eq!(usize::from(output.status), number % 3);
    }
    assert_eq!(session.stats().round_trips, 1);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_come_along_where_the_server_takes_them() {
    let sshd = Sshd::start("AcceptEnv GREETING CARGO_PKG_NAME");
    let mut target = sshd.target();
    target.options.insert("setenv".into(), "GREETING='good day' SECRET=1".into());
    target.options.insert("sendenv".into(), "CARGO_PKG_*".into());
    let session = super::connect(target, &sshd.context()).await.expect("connected");
    let mut shell = session.shell(None).await.expect("a shell");
    assert_eq!(
        text(&mut shell, "echo \"$GREETING|$CARGO_PKG_NAME|$CARGO_PKG_VERSION|$SECRET\"").await,
        "good day|bringup||\n"
    );
    session.close().await;
}
