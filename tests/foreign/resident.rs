//! The protocol with a host's resident Python, without modules of Ansible's.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    sync::Arc,
};

use bringup::connection::{Call, Context, Interpreter, MOST_OUTPUT, NoPrompter, Payload, Session, Target};
use serde_json::{Map, json};

use crate::support::skip::skip;

/// What the resident unpacks.
fn compressed(text: &str) -> Vec<u8> {
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", "import sys, zlib; sys.stdout.buffer.write(zlib.compress(sys.stdin.buffer.read()))"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    python.wait_with_output().unwrap().stdout
}

/// A module that waits as long as it is told, and says so.
fn payload() -> Arc<Payload> {
    let module = "import json, time\nfrom ansible.module_utils import basic\n\
                  wait = json.loads(basic._ANSIBLE_ARGS)['ANSIBLE_MODULE_ARGS']['wait']\nwhile wait < 0: print('x' * 1000000)\ntime.sleep(wait)\n\
                  print(json.dumps({'waited': wait, 'failed': wait < 0.01}))\nraise SystemExit(0)\n";
    let files = [
        ("m.py", module),
        ("ansible/__init__.py", ""),
        ("ansible/module_utils/__init__.py", ""),
        ("ansible/module_utils/basic.py", "_ANSIBLE_ARGS = None\n"),
    ];
    Arc::new(Payload {
        mark: "payload".into(),
        module: "m".into(),
        profile: None,
        files: files.iter().map(|(name, _)| ((*name).to_owned(), format!("mark of {name}"))).collect(),
        contents: files.iter().map(|(_, text)| compressed(text).into()).collect(),
        defaults: Map::new(),
    })
}

fn call(payload: &Arc<Payload>, wait: f64, group: u32) -> Call {
    let arguments = json!({ "wait": wait }).as_object().cloned().unwrap();
    Call { payload: payload.clone(), arguments, environment: Vec::new(), before: String::new(), limit: None, group }
}

#[tokio::test]
async fn calls_that_were_sent_ahead_are_answered_in_their_turn() {
    if !std::path::Path::new("/usr/bin/python3").exists() {
        skip!("python3 is not installed");
    }
    let session = Session::connect(&Target::local("here"), &Context::new(Arc::new(NoPrompter))).await.unwrap();
    let python = Interpreter { command: Some("/usr/bin/python3".into()), environment: Vec::new() };
    let resident = session.resident(None, python);
    let payload = payload();
    let of = |wait: f64, group: u32| call(&payload, wait, group);
    // The first goes on its way with two more, and both are there when they are asked for.
    let first = resident.call(&of(0.02, 0), &[of(0.03, 1), of(0.04, 2)]).await.unwrap();
    assert!(first.stdout.starts_with(b"{\"waited\": 0.02"), "{}", String::from_utf8_lossy(&first.stdout));
    assert!(resident.awaits().await);
    let trips = resident.stats().round_trips;
    for wait in [0.03, 0.04] {
        let reply = resident.call(&of(wait, 0), &[]).await.unwrap();
        assert!(String::from_utf8_lossy(&reply.stdout).contains(&format!("\"waited\": {wait}")), "{reply:?}");
    }
    assert_eq!(resident.stats().round_trips, trips);
    // Another one is asked for while the second is under way: that is told, and the third is not made.
    resident.call(&of(0.02, 0), &[of(0.5, 1), of(0.6, 2)]).await.unwrap();
    let other = resident.call(&of(0.05, 0), &[]).await.unwrap();
    assert!(String::from_utf8_lossy(&other.stdout).contains("0.05") && other.beyond == 1, "{other:?}");
    // What stands behind a failure is not made, its fellow items are; asked for all the same, it is.
    let failed = resident.call(&of(0.001, 0), &[of(0.02, 0), of(0.03, 1)]).await.unwrap();
    assert!(String::from_utf8_lossy(&failed.stdout).contains("true"));
    let fellow = resident.call(&of(0.02, 0), &[]).await.unwrap();
    assert!(!fellow.unrun);
    let behind = resident.call(&of(0.03, 0), &[]).await.unwrap();
    assert!(!behind.unrun && behind.beyond == 0 && behind.status == 0, "{behind:?}");
    // One that goes on printing is ended, and the next one is well.
    let flood = resident.call(&of(-1.0, 0), &[]).await.unwrap();
    assert!(flood.cut.is_some_and(|bytes| bytes > MOST_OUTPUT as u64) && flood.stdout.is_empty(), "{:?}", flood.cut);
    assert_eq!(resident.call(&of(0.02, 0), &[]).await.unwrap().status, 0);
    // One that takes too long is ended.
    let late = Call { limit: Some(std::time::Duration::from_millis(300)), ..of(30.0, 0) };
    let late = resident.call(&late, &[]).await.unwrap();
    assert!(late.timed_out, "{late:?}");
}
