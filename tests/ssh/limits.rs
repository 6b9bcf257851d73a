//! What one host may say: more than that fails this host, with the limit that was reached, and costs the others nothing.

use super::{one, run, sshd::Sshd, text};
use crate::support::skip;
use bringup::connection::{
    Become, BecomeFailure, Context, Error, MOST_OUTPUT, NoPrompter, Segment, Session, Target, Upload, UploadSource,
};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::io::AsyncReadExt as _;

/// Finds the token in what is sent to the shell, says hello and then does something else.
const LIAR: &str = r#"#!/bin/sh
[ "$SSH_ORIGINAL_COMMAND" = 'exec /bin/sh' ] || eval "$SSH_ORIGINAL_COMMAND"
while read -r line; do
case $line in __bt=*) tok=${line#__bt=}; tok=${tok%% *}; break ;; esac
done
echo "$tok hello /run/x"
"#;

fn executable(path: &Path, text: &str) -> String {
    fs::write(path, text).expect("script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("mode");
    path.display().to_string()
}

/// A server behind whose login everybody gets this shell.
fn with_shell(script: &str) -> Sshd {
    let dir = Box::leak(Box::new(tempfile::tempdir().expect("folder")));
    let shell = executable(&dir.path().join("shell"), script);
    Sshd::start(&format!("ForceCommand {shell}"))
}

async fn fault(sshd: &Sshd) -> Error {
    let session = sshd.session().await;
    let mut shell = session.shell(None).await.expect("not noticed yet");
    let (outputs, end) = run(&mut shell, &[Segment::new("echo a"), Segment::new("echo b")]).await;
    end.err().unwrap_or_else(|| panic!("{outputs:?}"))
}

fn limit_of(error: &Error) -> String {
    match error {
        Error::TooMuch { limit, .. } => limit.clone(),
        other => panic!("{other}"),
    }
}

fn highest_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") >> 10
}

/// Runs a test of this file in a process of its own, whose memory is nobody else's.
fn alone(test: &str) {
    let mut child = Command::new(std::env::current_exe().expect("ourselves"));
    child.args(["--exact", &format!("ssh::limits::{test}"), "--ignored", "--nocapture"]);
    let output = child.output().expect("started");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn floods_cost_little_memory_and_no_other_host() {
    alone("floods");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the test above, in a process of its own"]
async fn floods() {
    let liar = |what: &str| with_shell(&format!("{LIAR}{what}\n"));
    let floods = [
        ("stdout before the greeting", with_shell("#!/bin/sh\ntr '\\0' x </dev/zero"), "1 MiB"),
        ("stderr before the greeting", with_shell("#!/bin/sh\ntr '\\0' x </dev/zero >&2"), "1 MiB"),
        ("a promise", liar("echo \"$tok 1 0 100000000000000 0\"; cat /dev/zero"), "128 MiB"),
        ("a promise on stderr", liar("echo \"$tok 1 0 0 134217729\"; cat /dev/zero"), "128 MiB"),
        ("stderr in the middle of a frame", liar("echo \"$tok 1 0 100 0\"; cat /dev/zero >&2"), "1 MiB"),
    ];
    let good = Sshd::start("");
    let session = good.session().await;
    let mut shell = session.shell(None).await.expect("a shell");
    let faults = futures::future::join_all(floods.iter().map(|(what, sshd, limit)| async move {
        let began = Instant::now();
        let error = fault(sshd).await;
        assert_eq!(limit_of(&error), *limit, "{what}: {error}");
        assert!(error.to_string().contains(&format!("limit of {limit}")) && !error.is_unreachable(), "{error}");
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
    }));
    let others = async {
        for number in 0..20 {
            assert_eq!(text(&mut shell, &format!("echo {number}")).await, format!("{number}\n"));
        }
    };
    tokio::join!(faults, others);
    for what in ["printf '%s 1 0 ' \"$tok\"; tr '\\0' 1 </dev/zero", "yes \"$tok 1 0 0 0\"", "cat /dev/zero"] {
        let error = fault(&liar(what)).await;
        assert!(matches!(error, Error::OutOfStep { .. }), "{what}: {error}");
    }
    let memory = highest_memory();
    assert!(memory < 250, "{memory} MiB at most");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_that_floods_while_nobody_reads_is_let_go() {
    let liar = format!("{LIAR}printf '%s 1 0 0 0\\n%s end\\n%s done\\n' \"$tok\" \"$tok\" \"$tok\"; cat /dev/zero\n");
    let sshd = with_shell(&liar);
    let session = sshd.session().await;
    let mut shell = session.shell(None).await.expect("a shell");
    run(&mut shell, &[Segment::new(":")]).await.1.expect("the first goes through");
    tokio::time::sleep(Duration::from_secs(12)).await;
    let error = run(&mut shell, &[Segment::new(":")]).await.1.expect_err("it says what makes no sense");
    assert!(matches!(error, Error::OutOfStep { .. } | Error::TooMuch { .. }), "{error}");
    let mut sink = Vec::new();
    let path = sshd.path("host_key.pub").display().to_string();
    session.download(None, &path, &mut sink, |_, _| {}).await.expect("the connection is free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_that_flood_end_soon() {
    let sshd = with_shell("#!/bin/sh\ntr '\\0' x </dev/zero");
    let session = sshd.session().await;
    let mut sink = Vec::new();
    let error = session.download(None, "/etc/hostname", &mut sink, |_, _| {}).await.expect_err("no announcement");
    assert!(error.to_string().contains("more than 1 MiB came before"), "{error}");
    let upload =
        Upload { r#become: None, source: UploadSource::Bytes("x".into()), path: "/nowhere", mode: 0o600, folder: None };
    let error = session.upload(upload, |_| {}).await.expect_err("no answer");
    assert!(error.to_string().contains("it sent more than was read"), "{error}");

    // More than was announced never reaches the disk.
    let dir = tempfile::tempdir().expect("folder");
    executable(&dir.path().join("head"), "#!/bin/sh\nexec tr '\\0' x </dev/zero\n");
    let sshd = with_shell(&format!("#!/bin/sh\nPATH={}:$PATH; eval \"$SSH_ORIGINAL_COMMAND\"", dir.path().display()));
    let session = sshd.session().await;
    let mut sink = Vec::new();
    let error = session.download(None, "/etc/passwd", &mut sink, |_, _| {}).await.expect_err("too much");
    assert!(error.to_string().contains("more came than was announced"), "{error}");
    assert!(sink.len() as u64 <= fs::metadata("/etc/passwd").expect("size").len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sudo_that_floods_is_let_go() {
    let dir = tempfile::tempdir().expect("folder");
    let session =
        Session::connect(&Target::local("localhost"), &Context::new(Arc::new(NoPrompter))).await.expect("here");
    for (name, text) in [
        ("stdout", "#!/bin/sh\nexec tr '\\0' x </dev/zero\n"),
        ("stderr", "#!/bin/sh\nexec tr '\\0' x </dev/zero >&2\n"),
        ("prompts", "#!/bin/sh\nexec yes \"[bringup 0\" >&2\n"),
    ] {
        let exe = executable(&dir.path().join(name), text);
        let wish = Become { exe: Some(exe), user: "somebody".into(), password: Some("x".into()), ..Become::default() };
        let began = Instant::now();
        let Err(error) = session.shell(Some(&wish)).await else { panic!("became somebody") };
        assert!(matches!(&error, Error::Become { reason: BecomeFailure::Flooded, .. }), "{error}");
        assert!(error.to_string().contains("limit of 1 MiB"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(20), "{name}: {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tunnel_that_floods_ends_and_the_rest_goes_on() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        while std::io::Write::write_all(&mut stream, &[b'x'; 4096]).is_ok() {}
    });
    let sshd = Sshd::start("");
    let session = sshd.session().await;
    let mut shell = session.shell(None).await.expect("a shell");
    let mut tunnel = session.tunnel("127.0.0.1", port).await.expect("open");
    // Nobody reads for a while.
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(text(&mut shell, "echo still here").await, "still here\n");
    let mut count = 0;
    let mut buffer = vec![0; 64 << 10];
    let end = loop {
        match tunnel.read(&mut buffer).await {
            Ok(0) => panic!("{count} bytes, and no word of the rest"),
            Ok(more) => count += more,
            Err(error) => break error,
        }
    };
    assert!(end.to_string().contains("were not read") && count <= 17 << 20, "{count}: {end}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_holds_so_much_and_says_when_there_is_more() {
    let session =
        Session::connect(&Target::local("localhost"), &Context::new(Arc::new(NoPrompter))).await.expect("here");
    let mut shell = session.shell(None).await.expect("a shell");
    let most = one(&mut shell, &format!("head -c {MOST_OUTPUT} /dev/zero")).await;
    assert!(most.success() && most.stdout.len() == MOST_OUTPUT);
    drop(most);
    let too_much = format!("head -c {} /dev/zero", MOST_OUTPUT + 1);
    let mark = tempfile::NamedTempFile::new().expect("file");
    let next = format!("echo run >{}", mark.path().display());
    let frame = [Segment::new(too_much.as_str()).stop_on_failure(true), Segment::new(next.as_str())];
    let (outputs, end) = run(&mut shell, &frame).await;
    assert!(end.expect("answered").stopped && outputs.len() == 1, "it counts as a failure");
    assert!(!outputs[0].success() && outputs[0].stdout.is_empty());
    let told = String::from_utf8_lossy(&outputs[0].stderr).into_owned();
    assert!(told.contains("more than the 128 MiB") && told.contains("standard output"), "{told}");
    assert_eq!(fs::read_to_string(mark.path()).expect("mark"), "");
    // The status of one that has failed anyway stays, and the shell is of use.
    assert_eq!(one(&mut shell, &format!("{too_much} >&2; exit 3")).await.status, 3);
    let frame = [Segment::reading(too_much.as_str()), Segment::reading("echo fine")];
    let (outputs, end) = run(&mut shell, &frame).await;
    end.expect("answered");
    assert!(!outputs[0].success() && outputs[1].stdout == b"fine\n");
}

/// A shell in a small world, made by a script. Only root can make one.
fn small_world(dir: &Path, prepare: &str) -> Option<String> {
    if !Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success()) {
        skip::tell("skipped", "no mount namespace can be made here");
        return None;
    }
    let script =
        format!("#!/bin/sh\nexec unshare -m sh -c '{prepare}; exec ${{BRINGUP_TEST_SH:-sh}} \"$@\"' sh \"$@\"\n");
    Some(executable(&dir.join("small"), &script))
}

/// The same shell, as one of several programs.
fn as_shell(dir: &Path, world: &str, shell: &str) -> Target {
    let script = format!("#!/bin/sh\nBRINGUP_TEST_SH='{shell}'; export BRINGUP_TEST_SH; exec {world} \"$@\"\n");
    let mut target = Target::local("localhost");
    target.shell = executable(&dir.join(shell.replace(' ', "-")), &script);
    target
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_without_room_is_never_cut_in_silence() {
    let dir = tempfile::tempdir_in("/var/lib").expect("folder");
    let prepare = "for f in /run /dev/shm /tmp /var/tmp; do mount -t tmpfs -o size=1m t $f; done";
    let Some(world) = small_world(dir.path(), prepare) else { return };
    for shell in ["dash", "bash", "busybox sh"] {
        let target = as_shell(dir.path(), &world, shell);
        let session = super::connect(target.clone(), &Context::new(Arc::new(NoPrompter))).await.expect("here");
        let mut first = session.shell(None).await.expect("a shell");
        // It does not look whether what it writes gets anywhere.
        let careless = "head -c 3000000 /dev/zero 2>/dev/null; true";
        for segment in [Segment::new(careless), Segment::reading(careless)] {
            let (outputs, end) = run(&mut first, std::slice::from_ref(&segment)).await;
            end.expect("answered");
            let told = String::from_utf8_lossy(&outputs[0].stderr).into_owned();
            assert!(
                !outputs[0].success() && outputs[0].stdout.is_empty() && told.contains("no room"),
                "{shell}: {told}"
            );
            assert_eq!(text(&mut first, "echo fine").await, "fine\n", "{shell}");
        }
        // Full from elsewhere: what is silent may have had something to say.
        let full = "head -c 3000000 /dev/zero >/run/other 2>/dev/null; echo said";
        assert!(!one(&mut first, full).await.success(), "{shell}");
        assert_eq!(text(&mut first, "echo fine").await, "fine\n", "{shell}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_memory_is_not_filled_with_output() {
    let dir = tempfile::tempdir_in("/var/lib").expect("folder");
    let meminfo = dir.path().join("meminfo");
    fs::write(&meminfo, "MemTotal:          65536 kB\n").expect("written");
    let prepare = format!("mount -t tmpfs -o size=64m t /run; mount --bind {} /proc/meminfo", meminfo.display());
    let Some(world) = small_world(dir.path(), &prepare) else { return };
    for shell in ["dash", "bash", "busybox sh"] {
        let target = as_shell(dir.path(), &world, shell);
        let session = super::connect(target.clone(), &Context::new(Arc::new(NoPrompter))).await.expect("here");
        let mut first = session.shell(None).await.expect("a shell");
        // Forty megabytes in five seconds; what is there at the end goes to a file, for it cannot be printed.
        let chatty = "i=0; while [ $i -lt 40 ]; do head -c 1000000 /dev/zero; sleep 0.12; i=$((i+1)); done; \
                      du -sk /run >/dev/shm/bringup-test-$$";
        for segment in [Segment::new(chatty), Segment::reading(chatty)] {
            let pid = text(&mut first, "echo $$").await.trim().to_owned();
            let (outputs, end) = run(&mut first, &[segment]).await;
            end.expect("answered");
            let told = String::from_utf8_lossy(&outputs[0].stderr).into_owned();
            assert!(
                !outputs[0].success() && told.contains("no room"),
                "{shell}: {} bytes, {told}",
                outputs[0].stdout.len()
            );
            let left = format!("/dev/shm/bringup-test-{pid}");
            let used = fs::read_to_string(&left).expect("measured");
            fs::remove_file(left).expect("removed");
            let used: u64 = used.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number");
            assert!(used < 16 << 10, "{shell}: {used} KiB");
            assert_eq!(text(&mut first, "head -c 3000000 /dev/zero | wc -c").await, "3000000\n", "{shell}");
        }
        let pid = text(&mut first, "echo $$").await;
        session.close().await;
        let left = Command::new("pgrep").args(["-P", pid.trim()]).output().expect("pgrep");
        assert_eq!(String::from_utf8_lossy(&left.stdout), "", "{shell}: the watch ends with its shell");
    }
}
