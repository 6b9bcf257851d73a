//! How often a host is asked: many tasks, few frames.

use std::fs;

use serde_json::Value as Json;

use crate::support::world::{Servers, apart};

/// Forty files in one folder; two tasks in between read what the run itself left.
fn site() -> String {
    let mut site =
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - file: {path: '{{ top }}/d', state: directory}\n"
            .to_owned();
    for number in 0..40 {
        site.push_str(&format!(
            "    - copy: {{dest: '{{{{ top }}}}/d/{number}', content: \"{number}\\n\", mode: '0640'}}\n"
        ));
    }
    site + "    - stat: {path: '{{ top }}/d/7'}\n      register: seven\n    - assert: {that: seven.stat.mode == '0640'}\n"
}

#[test]
fn many_tasks_take_few_round_trips() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let top = place.path();
    fs::write(top.join("site.yml"), site()).unwrap();
    fs::write(top.join("hosts"), servers.inventory(1)).unwrap();
    for (run, changed) in [("first", 41), ("second", 0)] {
        let mut command = apart(std::path::Path::new(env!("CARGO_BIN_EXE_bringup")));
        command.args([
            "apply",
            "--no-lock",
            "--output",
            "json",
            "-i",
            "hosts",
            "-e",
            &format!("top={}", top.display()),
            "site.yml",
        ]);
        let output = command.current_dir(top).env("HOME", servers.home()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        let last: Json = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last["hosts"]["h1"]["changed"], changed, "{run}: {last}");
        let trips = last["round_trips"]["h1"].as_u64().unwrap();
        assert!(trips <= 4, "the {run} run took {trips} round trips");
    }
}
