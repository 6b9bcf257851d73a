//! What every kind of connection must do, kind by kind: sessions first, then whole plays.

mod daemon;
mod plays;
mod refusals;
mod tree;

use std::{fs, sync::Arc, time::Duration};

use bringup::connection::{
    Become, Context, Defaults, Error, FrameEnd, NoPrompter, Segment, Session, Settings, Target, Upload, UploadSource,
    registry,
};

use crate::ssh::{one, run, sshd::Sshd, text};
use crate::support::skip::skip;
use tree::{Engine, NO_TREE, Tree};

/// Makes the way to a host of its settings.
fn target(kind: &str, values: &[(&'static str, &str)]) -> Target {
    let values = values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let settings = Settings { host: "h1", values, defaults: &Defaults::default(), known: true };
    (registry::find(kind).unwrap().make)(&settings).unwrap()
}

fn context() -> Context {
    Context::new(Arc::new(NoPrompter))
}

/// All that stands on a connection, as root in a system where `folder` can be written.
async fn suite(target: &Target, folder: &str) {
    let session = Session::connect(target, &context()).await.unwrap();
    assert_eq!(session.warnings(), Vec::<String>::new());
    assert_eq!(session.user(), "root");
    let mut shell = session.shell(None).await.unwrap();
    // Bytes of any kind come back from both streams, with the status.
    let output = one(&mut shell, "printf '\\377\\000a\\n'; printf 'b\\200' >&2; exit 7").await;
    assert_eq!((output.status, &output.stdout[..], &output.stderr[..]), (7, &b"\xff\0a\n"[..], &b"b\x80"[..]));
    let frame = [Segment::new("echo one"), Segment::new("exit 3").stop_on_failure(true), Segment::new("echo never")];
    let (outputs, end) = run(&mut shell, &frame).await;
    assert_eq!((outputs.len(), end.unwrap()), (2, FrameEnd { acknowledged: 2, stopped: true }));
    files(&session, folder).await;
    becoming(&session).await;
    // A shell that is killed is no success, and the next frame has a new one.
    let before = text(&mut shell, "echo $$").await;
    let (_, end) = run(&mut shell, &[Segment::new("kill -9 $$; sleep 1")]).await;
    let error = end.unwrap_err();
    assert!(matches!(error, Error::ShellLost { acknowledged: 0, .. }) && error.is_unreachable(), "{error}");
    assert_ne!(text(&mut shell, "echo $$").await, before);
    // A program that is killed by a signal is told by its status.
    assert_eq!(one(&mut shell, "sh -c 'kill -9 $$'").await.status, 137);
    session.close().await;
    // Nothing stays behind: a new shell sees its own folder alone, once those of the shells that ended have gone.
    let session = Session::connect(target, &context()).await.unwrap();
    let mut shell = session.shell(None).await.unwrap();
    let list = format!("ls -a /run /dev/shm /tmp /var/tmp {folder} /home/bob 2>/dev/null | grep '^[.]bringup-'");
    let mut left = text(&mut shell, &list).await;
    for _ in 0..50 {
        if left.lines().count() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        left = text(&mut shell, &list).await;
    }
    assert_eq!(left.lines().count(), 1, "{left}");
}

async fn files(session: &Session, folder: &str) {
    for length in [0usize, 1, 65_537, 3_000_001] {
        let contents: Vec<u8> = (0..length).map(|place| (place * 7 % 251) as u8).collect();
        let path = format!("{folder}/it's here {length}");
        let source = UploadSource::Bytes(contents.clone().into());
        let upload = Upload { r#become: None, source, path: &path, mode: 0o640, folder: None };
        assert_eq!(session.upload(upload, |_| {}).await.unwrap(), length as u64);
        let mut back = Vec::new();
        session.download(None, &path, &mut back, |_, _| {}).await.unwrap();
        assert!(back == contents, "{length}");
    }
    // Not even a link in the place of the folder leads an upload astray, and what fails leaves nothing.
    let source = UploadSource::Bytes("x".into());
    let upload = Upload { r#become: None, source, path: "/no/such/folder/x", mode: 0o600, folder: None };
    let error = session.upload(upload, |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Transfer { .. }) && !error.is_unreachable(), "{error}");
}

async fn becoming(session: &Session) {
    // Root becomes root without any program.
    let mut root = session.shell(Some(&Become::default())).await.unwrap();
    assert_eq!(text(&mut root, "id -un").await, "root\n");
    let bob = Become { user: "bob".into(), ..Become::default() };
    let mut shell = session.shell(Some(&bob)).await.unwrap();
    assert_eq!(text(&mut shell, "id -un; echo x >/root/of-bob || echo refused").await, "bob\nrefused\n");
    let source = UploadSource::Bytes("of bob".into());
    let upload = Upload { r#become: Some(&bob), source, path: "/home/bob/file", mode: 0o600, folder: None };
    session.upload(upload, |_| {}).await.unwrap();
    assert_eq!(text(&mut shell, "cat /home/bob/file; ls -l /home/bob/file | cut -c1-10").await, "of bob-rw-------\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_is_a_host() {
    let Some(tree) = Tree::new() else { skip!("{NO_TREE}") };
    let target = target("community.general.chroot", &[("ansible_host", &tree.text())]);
    assert!(!target.is_local() && target == target.clone());
    suite(&target, "/root").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_is_a_host() {
    let Some(tree) = Tree::new() else { skip!("{NO_TREE}") };
    let engine = Engine::new(&tree);
    let exe = engine.path().join("another").display().to_string();
    let values = [("ansible_podman_executable", exe.as_str()), ("ansible_host", "web")];
    suite(&target("podman", &values), "/root").await;
    // Another user, and arguments before the command.
    let more = [values[0], values[1], ("ansible_user", "bob"), ("ansible_podman_extra_args", "--context 'a b'")];
    let session = Session::connect(&target("podman", &more), &context()).await.unwrap();
    assert_eq!(session.user(), "bob");
    assert_eq!(text(&mut session.shell(None).await.unwrap(), "id -un").await, "bob\n");
    assert!(engine.calls().contains("another|--context|a b|exec|-i|-u|bob|web|/bin/sh|-c|"), "{}", engine.calls());
    let Err(error) = session.tunnel("127.0.0.1", 6443).await else { panic!("a tunnel") };
    assert!(error.to_string().contains("opens no connection to 127.0.0.1:6443"), "{error}");
    // One that is stopped is lost to its shells, and told as what it is when it is entered again.
    engine.stop();
    let Err(error) = Session::connect(&target("podman", &values), &context()).await else { panic!("entered") };
    assert!(error.is_unreachable() && error.to_string().contains("the container web does not run"), "{error}");
}

/// The same over SSH, to a machine with a user `bob` of its own: what is held here holds there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ssh_and_this_machine_do_the_same() {
    let sshd = Sshd::start("");
    let here = Session::connect(&Target::local("h1"), &context()).await.unwrap();
    for (session, name) in [(sshd.session().await, "there"), (here, "here")] {
        // An upload is to a file that is new.
        let folder = sshd.path(name).display().to_string();
        fs::create_dir(&folder).unwrap();
        let mut shell = session.shell(None).await.unwrap();
        let output = one(&mut shell, "printf '\\377\\000a\\n'; printf 'b\\200' >&2; exit 7").await;
        assert_eq!((output.status, &output.stdout[..], &output.stderr[..]), (7, &b"\xff\0a\n"[..], &b"b\x80"[..]));
        files(&session, &folder).await;
    }
}

/// A tree without `id`, `stat` and the like, and with a shell that has none of its own: nothing hangs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_without_tools_still_answers() {
    let Some(tree) = Tree::new() else { skip!("{NO_TREE}") };
    let Some(()) = tree.take_dash() else { skip!("dash is not installed") };
    let without = |name: &str| fs::remove_file(tree.path().join("bin").join(name)).unwrap();
    ["id", "stat", "timeout", "date", "find"].into_iter().for_each(without);
    let target = target("chroot", &[("ansible_host", &tree.text())]);
    let session = Session::connect(&target, &context()).await.unwrap();
    assert_eq!(session.user(), "");
    let mut shell = session.shell(None).await.unwrap();
    let output = one(&mut shell, "id").await;
    assert_eq!(output.status, 127, "{output:?}");
    assert_eq!(text(&mut shell, "echo here").await, "here\n");
    // Nothing can be answered without `wc`: that is told, and no answer is made up.
    without("wc");
    let (outputs, end) = run(&mut shell, &[Segment::new("echo here")]).await;
    assert!(outputs.is_empty() && end.is_err(), "{outputs:?} {end:?}");
}
