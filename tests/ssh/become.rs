//! Becoming another user: a stand-in that speaks sudo's protocol, and sudo itself.

use super::{
    one,
    sshd::{Sshd, TestUser},
    text,
};
use crate::support::skip::skip;
use bringup::connection::{
    Become, BecomeFailure, Context, Error, NoPrompter, Secret, Session, Target, Upload, UploadSource,
};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

/// Stands in for sudo: asks with the prompt it is given, as often and in such words as the test wants.
const STAND_IN: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do case $1 in
-p) prompt=$2; shift 2 ;;
-u) user=$2; shift 2 ;;
--) shift; break ;;
*) shift ;;
esac; done
echo "We trust you have received the usual lecture. Password: is not the prompt." >&2
tries=0
while [ "$tries" -lt 3 ]; do
printf %s "$prompt" >&2
IFS= read -r answer || { echo "sudo: no password was provided" >&2; exit 1; }
if [ "$answer" = "right 'one'" ]; then echo "profile noise"; BECAME=$user exec "$@"; fi
echo "Sorry, try again." >&2
tries=$((tries + 1))
done
exit 1
"#;

fn stand_in(dir: &Path, text: &str) -> String {
    let path = dir.join("sudo");
    fs::write(&path, text).expect("stand-in");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
    path.display().to_string()
}

fn wish(exe: &str, password: Option<&str>) -> Become {
    Become { user: "somebody".into(), exe: Some(exe.into()), password: password.map(Secret::new), ..Become::default() }
}

async fn local() -> Session {
    Session::connect(&Target::local("localhost"), &Context::new(Arc::new(NoPrompter))).await.expect("this machine")
}

async fn failure(session: &Session, wish: &Become) -> (BecomeFailure, String) {
    match session.shell(Some(wish)).await {
        Err(error @ Error::Become { .. }) => {
            let message = error.to_string();
            let Error::Become { reason, .. } = error else { unreachable!() };
            (reason, message)
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("became somebody"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_goes_to_its_prompt_and_nowhere_else() {
    let dir = tempfile::tempdir().expect("folder");
    let exe = stand_in(dir.path(), STAND_IN);
    let session = local().await;
    let right = wish(&exe, Some("right 'one'"));
    let mut shell = session.shell(Some(&right)).await.expect("somebody's shell");
    assert_eq!(text(&mut shell, "echo $BECAME; echo ${LC_ALL-unset}; cat").await, "somebody\nunset\n");

    let (reason, message) = failure(&session, &wish(&exe, Some("wrong"))).await;
    assert_eq!(reason, BecomeFailure::PasswordWrong);
    assert!(!message.contains("wrong ") && message.contains("did not accept the password"), "{message}");
    assert_eq!(failure(&session, &wish(&exe, None)).await.0, BecomeFailure::PasswordMissing);
    assert!(!format!("{right:?}").contains("right"), "{right:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_become_too() {
    let dir = tempfile::tempdir().expect("folder");
    let exe = stand_in(dir.path(), STAND_IN);
    let sshd = Sshd::start("");
    let session = sshd.session().await;
    let right = wish(&exe, Some("right 'one'"));
    let path = dir.path().join("up").display().to_string();
    let contents = b"contents that begin\nlike a password".to_vec();
    let source = UploadSource::Bytes(contents.clone().into());
    let upload = Upload { r#become: Some(&right), source, path: &path, mode: 0o640, folder: None };
    assert_eq!(session.upload(upload, |_| {}).await.expect("sent"), contents.len() as u64);
    assert_eq!(fs::read(&path).expect("file"), contents);
    let mut back = Vec::new();
    session.download(Some(&right), &path, &mut back, |_, _| {}).await.expect("read");
    assert_eq!(back, contents);
}

/// Everything comes in one piece: the word that the change of user went through, and a file behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_file_that_came_early_is_read() {
    let dir = tempfile::tempdir().expect("folder");
    let held = STAND_IN.replace("exec \"$@\"", "\"$@\" | { sleep 0.3; cat; }; exit");
    let wish = wish(&stand_in(dir.path(), &held), Some("right 'one'"));
    let path = dir.path().join("small");
    fs::write(&path, "small").expect("file");
    let mut back = Vec::new();
    let session = local().await;
    session.download(Some(&wish), &path.display().to_string(), &mut back, |_, _| {}).await.expect("read");
    assert_eq!(back, b"small");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_has_its_own_name() {
    let dir = tempfile::tempdir().expect("folder");
    let session = local().await;
    let cases = [
        ("echo 'bob is not in the sudoers file.' >&2; exit 1", BecomeFailure::Denied),
        ("echo 'sudo: sorry, you must have a tty to run sudo' >&2; exit 1", BecomeFailure::WantsTerminal),
        ("echo 'sudo: unknown user somebody' >&2; exit 1", BecomeFailure::UnknownUser),
        ("echo 'sudo: a password is required' >&2; exit 1", BecomeFailure::PasswordMissing),
        ("echo 'sudo: disk on fire' >&2; exit 1", BecomeFailure::Other),
        ("kill -9 $$", BecomeFailure::Other),
    ];
    for (script, expected) in cases {
        let exe = stand_in(dir.path(), &format!("#!/bin/sh\n{script}\n"));
        assert_eq!(failure(&session, &wish(&exe, None)).await.0, expected, "{script}");
    }
    assert_eq!(failure(&session, &wish("/no/such/sudo", None)).await.0, BecomeFailure::NotInstalled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sudo_itself_lets_us_become_root() {
    if !Path::new("/usr/bin/sudo").exists() {
        skip!("sudo is not installed");
    }
    let Some(user) = TestUser::create("sudo", "/bin/sh") else { return };
    let rule = format!("/etc/sudoers.d/{}", user.name);
    let sshd = Sshd::start("");
    let mut target = sshd.target();
    target.user = Some(user.name.clone());
    let session = super::connect(target.clone(), &sshd.context()).await.expect("logged in");
    let root = |password: Option<&str>| Become { password: password.map(Secret::new), ..Become::default() };

    assert_eq!(failure(&session, &root(None)).await.0, BecomeFailure::PasswordMissing);
    assert_eq!(failure(&session, &root(Some("wrong"))).await.0, BecomeFailure::PasswordWrong);
    // Not in sudoers: told only after the right password.
    assert_eq!(failure(&session, &root(Some(&user.password))).await.0, BecomeFailure::Denied);

    let allow = |line: &str| {
        fs::write(&rule, format!("{line}\n")).expect("rule");
        fs::set_permissions(&rule, fs::Permissions::from_mode(0o440)).expect("mode");
    };
    allow(&format!("{} ALL=(ALL) ALL", user.name));
    let mut shell = session.shell(Some(&root(Some(&user.password)))).await.expect("root");
    let who = text(&mut shell, "id -un; echo $HOME").await;
    let mut plain = session.shell(None).await.expect("the user");
    let me = text(&mut plain, "id -un").await;
    let unknown = Become { user: "nobody-here".into(), ..root(Some(&user.password)) };
    let unknown = failure(&session, &unknown).await.0;

    allow(&format!("{} ALL=(ALL) NOPASSWD: ALL", user.name));
    let mut free = session.shell(Some(&root(None))).await.expect("root without a password");
    let free = one(&mut free, "test -w /etc/shadow; cat").await;

    allow(&format!("Defaults:{0} requiretty\n{0} ALL=(ALL) NOPASSWD: ALL", user.name));
    let tty = failure(&session, &root(None)).await.0;
    fs::remove_file(&rule).expect("rule removed");
    assert_eq!((who.as_str(), me.trim()), ("root\n/root\n", user.name.as_str()));
    assert_eq!(unknown, BecomeFailure::UnknownUser);
    assert_eq!((free.status, free.stdout.as_slice()), (0, &b""[..]));
    assert_eq!(tty, BecomeFailure::WantsTerminal);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn becoming_who_we_are_needs_no_sudo() {
    let session = local().await;
    let wish = Become { user: session.user().to_owned(), exe: Some("/no/such/sudo".into()), ..Become::default() };
    let mut shell = session.shell(Some(&wish)).await.expect("a shell");
    assert_eq!(text(&mut shell, "id -un").await.trim(), session.user());
}
