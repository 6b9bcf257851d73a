use std::{io::Read, process::Stdio, time::Duration};

use serde_json::Value as Json;

use super::Place;

const SITE: &str = r#"
- name: All kinds
  hosts: all
  gather_facts: false
  tasks:
    - name: a file
      copy: { content: "new\n", dest: "{{ playbook_dir }}/out" }
    - name: several
      command: "echo {{ item }}"
      loop: [a, b]
      changed_when: item == "b"
    - name: left out
      ping:
      when: false
    - name: hidden
      command: "echo {{ item }}"
      loop: [hunter2]
      no_log: true
"#;

#[test]
fn json_lines_hold_what_the_contract_says_and_no_secret() {
    let place = Place::new(&[("site.yml", SITE)]);
    let ran = place.play("h1,", &["--output", "json", "--diff"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(!ran.stdout.contains("hunter2"), "{}", ran.stdout);
    let events = ran.events();
    let kinds: Vec<&str> = events.iter().filter_map(|e| e["event"].as_str()).collect();
    assert_eq!((kinds[0], kinds[1], *kinds.last().unwrap()), ("run_start", "play_start", "recap"));
    let time = |e: &Json| e["time"].as_str().is_some_and(|t| t.parse::<jiff::Timestamp>().is_ok());
    assert!(events.iter().all(time));
    let results: Vec<&Json> = events.iter().filter(|e| e["event"] == "task_result").collect();
    let ends: Vec<(&str, &str)> =
        results.iter().map(|e| (e["task"].as_str().unwrap(), e["status"].as_str().unwrap())).collect();
    assert_eq!(ends, [("a file", "changed"), ("several", "changed"), ("left out", "skipped"), ("hidden", "changed")]);
    for result in &results {
        for field in ["play", "host", "item", "duration_ms", "diff", "result"] {
            assert!(result.get(field).is_some(), "{field} is missing in {result}");
        }
    }
    assert_eq!(results[0]["diff"][0]["after"], "new\n");
    let items: Vec<&Json> = events.iter().filter(|e| e["event"] == "item_result").collect();
    assert_eq!((items[0]["item"].as_str(), items[0]["status"].as_str()), (Some("a"), Some("ok")));
    let recap = events.last().unwrap();
    assert_eq!(recap["hosts"]["h1"]["changed"], 3);
    assert!(recap["round_trips"]["h1"].as_u64().unwrap() > 0);
    assert!(recap["duration_ms"].is_u64());
}

#[test]
fn junit_counts_failures() {
    let site = "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: a <b>\n      command: ls /nonexistent\n";
    let ran = Place::new(&[("site.yml", site)]).play("h1,", &["--output", "junit"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stdout.starts_with("<?xml"), "{}", ran.stdout);
    assert!(ran.stdout.contains(r#"tests="1" failures="1" errors="0""#), "{}", ran.stdout);
    assert!(ran.stdout.contains(r#"classname="h1" name="a &lt;b&gt;""#), "{}", ran.stdout);
    assert!(ran.stdout.contains("rc: 2"), "{}", ran.stdout);
}

#[test]
fn exit_codes_tell_what_happened() {
    let ok = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ping:\n";
    let changes =
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - copy: {content: x, dest: '{{ playbook_dir }}/f'}\n";
    let fails = "- hosts: all\n  gather_facts: false\n  tasks:\n    - fail:\n";
    let place = Place::new(&[("ok.yml", ok), ("changes.yml", changes), ("fails.yml", fails)]);
    let code = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["-c", "local", "--no-lock"]);
        place.run(&all).code
    };
    assert_eq!(code(&["apply", "-i", "h1,", "ok.yml"]), 0);
    assert_eq!(code(&["plan", "-i", "h1,", "--exit-code", "ok.yml"]), 0);
    assert_eq!(code(&["plan", "-i", "h1,", "--exit-code", "changes.yml"]), 3);
    assert_eq!(code(&["plan", "-i", "h1,", "changes.yml"]), 0);
    assert!(!place.path().join("f").exists(), "plan changes nothing");
    let command = "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: 'true'\n";
    std::fs::write(place.path().join("command.yml"), command).unwrap();
    assert_eq!(
        code(&["plan", "-i", "h1,", "--exit-code", "command.yml"]),
        3,
        "a command counts as a change when it runs"
    );
    std::fs::write(place.path().join("reads.yml"), format!("{command}      changed_when: false\n")).unwrap();
    assert_eq!(code(&["plan", "-i", "h1,", "--exit-code", "reads.yml"]), 0);
    assert_eq!(code(&["apply", "-i", "h1,", "fails.yml"]), 2);
    assert_eq!(code(&["apply", "-i", "h1,", "missing.yml"]), 1);
    assert_eq!(code(&["apply", "-i", "missing", "ok.yml"]), 1);
    assert_eq!(place.run(&["apply", "-i", "127.0.0.1:1,", "ok.yml"]).code, 4);
    // The gravest of several: unreachable before failed.
    let fails_later = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ping:\n    - fail:\n";
    place.write("mixed.yml", fails_later);
    let mixed = "h1 ansible_connection=local\nh2 ansible_host=127.0.0.1 ansible_port=1\n";
    place.write("hosts", mixed);
    assert_eq!(place.run(&["apply", "--no-lock", "-i", "hosts", "mixed.yml"]).code, 4);
}

#[test]
fn the_items_of_a_loop_are_asked_together() {
    // What is asked is known only once the first task has its answer; each file is read in two rounds.
    let site = "- hosts: all\n  gather_facts: false\n  tasks:\n    - stat: {path: '{{ playbook_dir }}'}\n      register: here\n    - lineinfile: {path: '{{ playbook_dir }}/{{ here.stat.exists }}{{ item }}', line: a}\n      loop: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]\n";
    let place = Place::new(&[("site.yml", site)]);
    (1..=16).for_each(|i| place.write(&format!("True{i}"), "a\n"));
    let ran = place.play("h1,", &["--output", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    let recap = ran.events().pop().unwrap();
    let trips = recap["round_trips"]["h1"].as_u64().unwrap();
    assert!(trips <= 5, "{trips} round trips");
}

#[test]
fn runs_for_different_hosts_share_the_workstation() {
    // The first run ends only when the second has done its part on the same machine.
    let waits = "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - copy: {content: x, dest: '{{ playbook_dir }}/begun'}\n    - wait_for: {path: '{{ playbook_dir }}/other', timeout: 60, sleep: 1}\n";
    let other = "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - wait_for: {path: '{{ playbook_dir }}/begun', timeout: 60, sleep: 1}\n    - copy: {content: x, dest: '{{ playbook_dir }}/other'}\n";
    let place = Place::new(&[("waits.yml", waits), ("other.yml", other)]);
    let first = place.command(&["apply", "-i", "h1,", "waits.yml"]).stdout(Stdio::piped()).spawn().unwrap();
    let second = place.run(&["apply", "-i", "h2,", "other.yml"]);
    let first = first.wait_with_output().unwrap();
    assert_eq!(second.code, 0, "{}", second.stdout);
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stdout));
}

#[test]
fn an_interrupt_finishes_the_step_and_starts_no_new_one() {
    let site = "- hosts: all\n  gather_facts: false\n  tasks:\n    - name: first\n      shell: echo > started; sleep 2; echo > first\n      args: {chdir: '{{ playbook_dir }}'}\n    - name: second\n      shell: echo > '{{ playbook_dir }}/second'\n";
    let place = Place::new(&[("site.yml", site)]);
    let mut command = place.command(&["apply", "-c", "local", "--no-lock", "-i", "h1,", "site.yml"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for _ in 0..200 {
        if place.path().join("started").exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(place.path().join("first").exists(), "the running step is finished");
    assert!(!place.path().join("second").exists(), "no new step is started");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new(&[]);
    let mut child = place.command(&["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 10]).unwrap();
    drop(out);
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
}
