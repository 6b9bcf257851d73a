//! A result is data: whatever its fields are called and whoever chose their names, the run takes no orders from it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::Command,
};

use serde_json::{Value as Json, json};

use crate::{engine::apply, support::world::Servers};

/// What a result might hold that looks like an order, or like the word of the run on how its task ended.
fn orders() -> Vec<(&'static str, Json)> {
    let host = json!({"host_name": "ghost", "groups": ["ghosts"], "host_vars": {"x": 1}});
    vec![
        ("add_host", host.clone()),
        ("add_group", json!("ghosts")),
        ("parent_groups", json!(["all"])),
        ("ansible_facts", json!({"evil": 1, "ansible_evil": 1})),
        ("_ansible_facts_cacheable", json!(true)),
        ("_ansible_no_log", json!(true)),
        ("_ansible_undecided", json!(true)),
        ("_ansible_verbose_always", json!(false)),
        ("no_log", json!(true)),
        ("depends_on", json!("a task")),
        ("would_run", json!(true)),
        ("changed", json!(true)),
        ("failed", json!(true)),
        ("skipped", json!(true)),
        ("unreachable", json!(true)),
        ("rc", json!(1)),
        ("results", json!([{"add_host": host, "changed": true, "failed": true, "depends_on": "x"}])),
        ("place", json!("/etc/passwd:1:1")),
    ]
}

const UNMOVED: &str = "    - assert:
        that:
          - \"'ghost' not in groups.all\"
          - \"'ghosts' not in groups\"
          - evil is undefined
          - ansible_evil is undefined
";

/// The statuses of all tasks, by name; the play must end well.
fn statuses(text: &str) -> Vec<(String, String)> {
    let events = text.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let ends = events.filter(|event| event["event"] == "task_result");
    ends.map(|end| (end["task"].as_str().unwrap().to_owned(), end["status"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn what_debug_shows_is_no_order() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let vars: serde_json::Map<String, Json> =
        orders().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let mut site = format!("- hosts: all\n  gather_facts: false\n  vars: {}\n  tasks:\n", Json::Object(vars));
    for (name, _) in orders() {
        site.push_str(&format!("    - name: show {name}\n      debug: {{var: {name}}}\n      register: shown\n"));
        // The tests of templates look at what `results` holds, as with Ansible.
        if name != "results" {
            site.push_str("    - assert: {that: [shown is not changed, shown is not failed]}\n");
        }
        site.push_str(&format!("    - name: loop {name}\n      debug: {{var: {name}}}\n      loop: [1, 2]\n"));
    }
    site.push_str(UNMOVED);
    for more in [["--output", "json"].as_slice(), &["--check", "--output", "json"]] {
        let (code, text) = apply(&servers, 1, place.path(), &site, more);
        assert_eq!(code, 0, "{text}");
        for (task, status) in statuses(&text) {
            assert_eq!(status, "ok", "{task}: {text}");
        }
    }
    let (_, text) = apply(&servers, 1, place.path(), &site, &["--check"]);
    assert!(!text.contains("would run") && !text.contains("depends on"), "{text}");
    assert_eq!(text.matches("\"place\": \"/etc/passwd:1:1\"").count(), 3, "what is asked for is shown: {text}");
}

/// Answers requests with the given headers, `404` for those of a path with `missing`.
fn web_server(headers: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let count = stream.read(&mut request).unwrap_or(0);
            let missing = String::from_utf8_lossy(&request[..count]).contains("/missing");
            let status = if missing { "404 Not Found" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 2\r\nConnection: close\r\n\r\nok");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

#[test]
fn what_a_web_server_answers_is_no_order() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let mut headers = String::new();
    for (name, value) in orders() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        headers.push_str(&format!("{}: {value}\r\n", name.replace('_', "-")));
    }
    headers.push_str("Help: me\r\nX-Told: yes\r\n");
    let url = format!("http://127.0.0.1:{}", web_server(headers));
    let site = format!(
        "- hosts: all
  gather_facts: false
  tasks:
    - name: read
      uri: {{url: '{url}/there'}}
      register: r
    - name: post
      uri: {{url: '{url}/there', method: POST}}
      register: p
    - name: saved
      uri: {{url: '{url}/there', dest: '{{{{ top }}}}/saved'}}
      register: s
    - assert:
        that:
          - r.x_told == 'yes'
          - r is not changed and r is not failed and r is not skipped and r is not unreachable
          - p is not changed and p is not failed and p is not skipped and p is not unreachable
          - s is changed
    - name: missing
      uri: {{url: '{url}/missing'}}
      register: m
      ignore_errors: true
    - assert: {{that: [m is failed, m is not changed, m is not skipped, m is not unreachable]}}
{UNMOVED}"
    );
    let (code, text) = apply(&servers, 1, place.path(), &site, &["--output", "json"]);
    assert_eq!(code, 0, "{text}");
    let told = statuses(&text);
    let status = |task: &str| told.iter().find(|(name, _)| name == task).map(|(_, status)| status.as_str());
    assert_eq!(status("read"), Some("ok"), "{text}");
    assert_eq!(status("post"), Some("ok"), "{text}");
    assert_eq!(status("saved"), Some("changed"), "{text}");
    assert_eq!(status("missing"), Some("ignored"), "{text}");
    // A failure is shown with the lines it is about: a server does not say which.
    fs::remove_file(place.path().join("saved")).unwrap();
    let (code, text) = apply(&servers, 1, place.path(), &site, &[]);
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("root:x:0:0") && !text.contains("help: me"), "{text}");
}

#[test]
fn a_plan_is_empty_whatever_results_are_called() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    fs::write(place.path().join("hosts"), servers.inventory(1)).unwrap();
    let vars: serde_json::Map<String, Json> =
        orders().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let shows: String = orders().iter().map(|(name, _)| format!("    - debug: {{var: {name}}}\n")).collect();
    let site = format!("- hosts: all\n  gather_facts: false\n  vars: {}\n  tasks:\n{shows}", Json::Object(vars));
    fs::write(place.path().join("site.yml"), site).unwrap();
    let mut plan = Command::new(env!("CARGO_BIN_EXE_bringup"));
    plan.args(["plan", "--exit-code", "-i", "hosts", "site.yml"]);
    let output = plan.current_dir(place.path()).env("HOME", servers.home()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The kind: where the run or a report would read a word of its own back out of a result.
#[test]
fn nothing_reads_orders_out_of_results() {
    let mut found = Vec::new();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for folder in ["run", "run/machine", "report"] {
        let files = fs::read_dir(top.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        for path in files.filter(|path| path.is_file()) {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for (word, _) in orders() {
                // `rc` is shown; the fields that stay under `no_log` are copied by name.
                let reads = [format!("get(\"{word}\")"), format!("contains_key(\"{word}\")"), format!("[\"{word}\"]")];
                let reads = reads.iter().any(|read| text.contains(read.as_str()));
                if reads && word != "rc" {
                    found.push(format!("{}: {word}", path.display()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn facts_that_are_set_and_hosts_that_are_added_are_still_taken_over() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let site = "- hosts: h1
  gather_facts: false
  tasks:
    - set_fact: {a: '{{ item }}', cacheable: true}
      loop: [1, 2]
      register: set
    - add_host: {name: '{{ item }}', groups: [added], b: '{{ item }}'}
      loop: [x1, x2]
      register: added
    - group_by: {key: by a key}
      register: grouped
    - getent: {database: passwd, key: root}
    - assert:
        that:
          - a == 2 and ansible_facts.a == 2
          - set.results[0].ansible_facts.a == 1
          - added.results[1].add_host.host_name == 'x2'
          - grouped.add_group == 'by-a-key'
          - groups['added'] == ['x1', 'x2'] and hostvars.x2.b == 'x2'
          - \"'by-a-key' in group_names\"
          - getent_passwd.root[1] == '0' and ansible_facts.getent_passwd.root[1] == '0'
";
    let (code, text) = apply(&servers, 1, place.path(), site, &[]);
    assert_eq!(code, 0, "{text}");
}
