//! Whatever the login shell is, ours is a POSIX one.

use super::{
    sshd::{Sshd, TestUser},
    text,
};
use crate::support::skip::skip_part;
use bringup::connection::{Error, Target, Upload, UploadSource};
use std::{fs, path::Path};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_login_shell_will_do() {
    let sshd = Sshd::start("");
    for login_shell in ["/bin/bash", "/bin/dash", "/usr/bin/fish", "/usr/bin/tcsh", "/usr/bin/zsh"] {
        if !Path::new(login_shell).exists() {
            skip_part!("{login_shell} is not installed");
            continue;
        }
        let Some(user) = TestUser::create("shell", login_shell) else { return };
        let home = format!("/home/{}", user.name);
        for (file, noise) in
            [(".bashrc", "echo noise"), (".cshrc", "echo noise"), (".config/fish/config.fish", "echo noise")]
        {
            let path = Path::new(&home).join(file);
            fs::create_dir_all(path.parent().expect("folder")).expect("folder");
            fs::write(path, format!("{noise}\n")).expect("profile");
        }
        let mut target = sshd.target();
        target.user = Some(user.name.clone());
        let session = super::connect(target.clone(), &sshd.context()).await.expect(login_shell);
        let mut shell = session.shell(None).await.expect(login_shell);
        let odd = "it's \\ \"odd\" ! $HOME `x` %s\n";
        // A folder of its own: nothing is sent to where others can write.
        let path = format!("{home}/it's !odd\\n");
        let upload =
            Upload { r#become: None, source: UploadSource::Bytes(odd.into()), path: &path, mode: 0o644, folder: None };
        session.upload(upload, |_| {}).await.unwrap_or_else(|error| panic!("{login_shell}: {error:?}"));
        assert_eq!(fs::read_to_string(&path).expect("file"), odd, "{login_shell}");
        let mut back = Vec::new();
        session
            .download(None, &path, &mut back, |_, _| {})
            .await
            .unwrap_or_else(|error| panic!("{login_shell}: {error:?}"));
        assert_eq!(back, odd.as_bytes(), "{login_shell}");
        fs::remove_file(&path).expect("removed");
        let answer = text(&mut shell, "id -un; case $PATH in */sbin*) echo sbin;; esac").await;
        assert_eq!(answer, format!("{}\nsbin\n", user.name), "{login_shell}");
        session.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_a_shell_says_so() {
    let Some(user) = TestUser::create("nologin", "/usr/sbin/nologin") else { return };
    let sshd = Sshd::start("");
    let mut target = sshd.target();
    target.user = Some(user.name.clone());
    let session = super::connect(target.clone(), &sshd.context()).await.expect("logged in");
    let mut shell = session.shell(None).await.expect("not noticed yet");
    match super::run(&mut shell, &[bringup::connection::Segment::new("true")]).await.1 {
        Err(Error::NoShell { said, .. }) => assert!(said.contains("not available"), "{said}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_that_does_not_exist_says_so() {
    let sshd = Sshd::start("");
    let mut target = Target::from(sshd.target());
    target.shell = "/no/such/sh".into();
    let session = super::connect(target.clone(), &sshd.context()).await.expect("logged in");
    let mut shell = session.shell(None).await.expect("not noticed yet");
    let end = super::run(&mut shell, &[bringup::connection::Segment::new("true")]).await.1;
    assert!(matches!(&end, Err(Error::NoShell { said, .. }) if said.contains("/no/such/sh")), "{end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forced_command_is_no_success() {
    let sshd = Sshd::start("ForceCommand echo go away; exit 0");
    let session = sshd.session().await;
    let mut shell = session.shell(None).await.expect("not noticed yet");
    let end = super::run(&mut shell, &[bringup::connection::Segment::new("true")]).await.1;
    assert!(matches!(&end, Err(Error::NoShell { said, .. }) if said.contains("go away")), "{end:?}");
    let path = sshd.path("up").display().to_string();
    let upload =
        Upload { r#become: None, source: UploadSource::Bytes("x".into()), path: &path, mode: 0o600, folder: None };
    let Err(error) = session.upload(upload, |_| {}).await else { panic!("sent") };
    assert!(matches!(error, Error::Transfer { .. }), "{error}");
    let mut sink = Vec::new();
    assert!(session.download(None, &path, &mut sink, |_, _| {}).await.is_err());
}
