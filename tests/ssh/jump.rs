//! Ways that are not direct.

use super::{sshd::Sshd, text};
use bringup::connection::Session;
use bringup::ssh::{HostKeyPolicy, SshError};
use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

/// Makes every server accept the key of the first and every known_hosts know all of them.
fn befriend(servers: &[&Sshd]) {
    let key = fs::read_to_string(servers[0].path("user_key.pub")).expect("key");
    let lines: String = servers.iter().map(|sshd| sshd.line()).collect();
    for sshd in servers {
        fs::write(sshd.path("authorized_keys"), &key).expect("authorized_keys");
        sshd.know(&lines);
    }
}

fn place(sshd: &Sshd) -> String {
    format!("127.0.0.1:{}", sshd.port)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_of_jump_hosts_leads_there_quickly() {
    let (end, first, second) = (Sshd::start(""), Sshd::start(""), Sshd::start(""));
    befriend(&[&end, &first, &second]);
    let mut target = end.target();
    target.apply_ssh_args(&format!("-o ProxyJump={},{}", place(&first), place(&second))).expect("arguments");
    let session = super::connect(target.clone(), &end.context()).await.expect("through both");
    let mut shell = session.shell(None).await.expect("a shell");
    let peer = text(&mut shell, "echo $SSH_CONNECTION").await;
    assert!(peer.trim().ends_with(&end.port.to_string()), "{peer}");
    // Nagle's algorithm on the way would cost each of them 40 ms and more; other work on the machine does not slow down all.
    let mut fastest = Duration::MAX;
    for _ in 0..40 {
        let start = Instant::now();
        text(&mut shell, "echo hello").await;
        fastest = fastest.min(start.elapsed());
    }
    assert!(fastest < Duration::from_millis(40), "{fastest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_to_the_jump_host_serves_all_behind_it() {
    let (end, jump) = (Sshd::start(""), Sshd::start("MaxStartups 1\nMaxSessions 1"));
    befriend(&[&end, &jump]);
    let mut target = end.target();
    target.jump = vec![place(&jump)];
    let context = Arc::new(end.context());
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (target, context) = (target.clone(), Arc::clone(&context));
            tokio::spawn(async move {
                let session = super::connect(target.clone(), &context).await.expect("a session");
                text(&mut session.shell(None).await.expect("a shell"), "echo hello").await
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("no panic"), "hello\n");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_on_the_way_names_the_jump_host() {
    let (end, jump) = (Sshd::start(""), Sshd::start(""));
    befriend(&[&end, &jump]);
    jump.know("");
    end.know(&end.line());
    let mut target = end.target();
    target.jump = vec![place(&jump)];
    match super::connect(target.clone(), &end.context()).await {
        Err(SshError::Jump { jump: named, source, .. }) => {
            assert_eq!(named, place(&jump));
            assert!(matches!(*source, SshError::HostKeyUnknown { .. }), "{source}");
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("connected"),
    }
    // The jump host is all right, the host behind it is not there.
    end.know(&format!("{}{}", end.line(), jump.line()));
    target.port = Some(1);
    let Err(error) = super::connect(target.clone(), &end.context()).await else { panic!("connected") };
    assert!(error.to_string().contains("the jump host 127.0.0.1 cannot reach it"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_command_is_a_way_too() {
    let sshd = Sshd::start("");
    let mut target = sshd.target();
    // bash's /dev/tcp stands in for `nc %h %p`. What is ended with the connection is the reader; the writer ends with its input.
    let command = "bash -c 'exec 3<>/dev/tcp/%h/%p 4<&0; cat <&4 >&3 & exec cat <&3 4<&-'";
    target.options.insert("proxycommand".into(), command.into());
    let session = super::connect(target.clone(), &sshd.context()).await.expect("through the command");
    assert_eq!(text(&mut session.shell(None).await.expect("a shell"), "echo hello").await, "hello\n");
    target.options.insert("proxycommand".into(), "false".into());
    let Err(error) = super::connect(target.clone(), &sshd.context()).await else { panic!("connected") };
    assert!(matches!(error, SshError::Closed { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_of_a_host_makes_nobody_a_jump_host() {
    let (end, jump) = (Sshd::start(""), Sshd::start(""));
    befriend(&[&end, &jump]);
    end.know(&end.line());
    let mut target = end.target();
    target.jump = vec![place(&jump)];
    target.host_key_checking = Some(HostKeyPolicy::Off);
    let unknown = |outcome: Result<Session, SshError>| match outcome {
        Err(SshError::Jump { source, .. }) => assert!(matches!(*source, SshError::HostKeyUnknown { .. }), "{source}"),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("an unknown jump host was taken"),
    };
    unknown(super::connect(target.clone(), &end.context()).await);
    target.host_key_checking = None;
    for option in ["StrictHostKeyChecking=no", "StrictHostKeyChecking=accept-new"] {
        let mut target = target.clone();
        target.apply_ssh_args(&format!("-o {option}")).expect("arguments");
        unknown(super::connect(target.clone(), &end.context()).await);
    }
    target.jump_host_key_checking = Some(HostKeyPolicy::AcceptNew);
    super::connect(target.clone(), &end.context()).await.expect("asked for by name");
}
