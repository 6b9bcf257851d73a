//! Single promises of the executor, each with the smallest play that shows it.

use std::fs;

use crate::support::world::{Servers, apart};

/// Runs a playbook on hosts reached by ssh; the exit code and all that was printed.
pub fn apply(servers: &Servers, hosts: usize, top: &std::path::Path, tasks: &str, more: &[&str]) -> (i32, String) {
    fs::write(top.join("site.yml"), tasks).unwrap();
    fs::write(top.join("hosts"), servers.inventory(hosts)).unwrap();
    let mut command = apart(std::path::Path::new(env!("CARGO_BIN_EXE_bringup")));
    command.args(["apply", "--no-lock", "-i", "hosts", "-e", &format!("top={}", top.display()), "site.yml"]).args(more);
    let output = command.current_dir(top).env("HOME", servers.home()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

/// Runs tasks on one host; what was printed. They must succeed.
pub fn tasks(top: &std::path::Path, tasks: &str, more: &[&str]) -> String {
    let site = format!("- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}");
    let (code, text) = apply(&Servers::start(), 1, top, &site, more);
    assert_eq!(code, 0, "{text}");
    text
}

#[test]
fn a_command_that_notifies_runs_with_the_umask_of_the_host() {
    let place = tempfile::tempdir().unwrap();
    let notifying = "    - shell: umask > {{ top }}/umask
      notify: restart
  handlers:
    - name: restart
      shell: umask > {{ top }}/plain
";
    tasks(place.path(), notifying, &[]);
    let read = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
    assert_eq!(read("umask"), read("plain"));
}

#[test]
fn items_are_carried_out_in_their_order() {
    let place = tempfile::tempdir().unwrap();
    // The second content is too long to travel with others.
    let items = "    - copy:
        content: \"{{ 'x' * item }}\"
        dest: '{{ top }}/file'
      loop: [1, 100000, 2]
";
    tasks(place.path(), items, &[]);
    assert_eq!(fs::read_to_string(place.path().join("file")).unwrap(), "xx");
}

#[test]
fn items_that_went_through_are_told_so_though_a_later_one_fails() {
    let place = tempfile::tempdir().unwrap();
    // That nothing can be made in there turns out on the host, when all three are on their way.
    let items = "    - file: {path: '{{ item }}', state: directory}
      loop: ['{{ top }}/a', /proc/no-such-thing, '{{ top }}/d']
      register: made
      ignore_errors: true
    - assert:
        that:
          - made.results | map(attribute='changed') == [true, false, true]
          - made.results[1] is failed
";
    tasks(place.path(), items, &[]);
}

#[test]
fn a_lookup_that_does_something_does_it_once() {
    let place = tempfile::tempdir().unwrap();
    let lookup = "    - copy: {content: a, dest: '{{ top }}/a'}
    - stat: {path: '{{ top }}/a'}
    - debug:
        msg: \"{{ lookup('pipe', 'echo x >> ' ~ top ~ '/count') }}\"
    - stat: {path: '{{ top }}/b'}
";
    tasks(place.path(), lookup, &[]);
    assert_eq!(fs::read_to_string(place.path().join("count")).unwrap(), "x\n");
}

/// As with Ansible, the task in which a host fails is still done by the others.
#[test]
fn the_user_of_the_inventory_comes_before_that_of_the_command_line() {
    let place = tempfile::tempdir().unwrap();
    tasks(place.path(), "    - ping:\n", &["-u", "nobody-of-that-name"]);
}

#[test]
fn what_says_who_acts_is_true_or_false() {
    let place = tempfile::tempdir().unwrap();
    let site = "- {hosts: all, gather_facts: false, vars: {ansible_become: maybe}, tasks: [ping: ]}\n";
    let (code, text) = apply(&Servers::start(), 1, place.path(), site, &[]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("`ansible_become`: `maybe` is not a valid boolean"), "{text}");
}

#[test]
fn a_task_that_waits_takes_as_long_as_it_waited() {
    let place = tempfile::tempdir().unwrap();
    let waiting = "    - name: wait
      shell: 'cat {{ top }}/seen && exit 0; touch {{ top }}/seen; exit 1'
      register: seen
      until: seen is succeeded
      retries: 3
      delay: 1
";
    let text = tasks(place.path(), waiting, &["--output", "json"]);
    let result = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let waited = result.filter(|event| event["task"] == "wait").find_map(|event| event["duration_ms"].as_f64());
    assert!(waited.is_some_and(|ms| ms >= 1000.0), "{text}");
}

/// Ansible flushes after the tasks and after `post_tasks`: a handler that is notified while handlers run is due at the next of
/// these, and after the last it is forgotten.
#[test]
fn handlers_that_notify_each_other_come_to_an_end() {
    let place = tempfile::tempdir().unwrap();
    let site = |notifying: bool| {
        format!(
            "- hosts: all
  gather_facts: false
  tasks:
    - command: 'true'
      changed_when: {notifying}
      notify: [itself, one]
  handlers:
    - {{name: itself, command: 'true', notify: itself}}
    - {{name: one, command: 'true', notify: two}}
    - {{name: two, command: 'true', notify: one}}
"
        )
    };
    let servers = Servers::start();
    let handlers = |site: &str| {
        let (code, text) = apply(&servers, 1, place.path(), site, &[]);
        assert_eq!(code, 0, "{text}");
        text.matches("RUNNING HANDLER").count()
    };
    assert_eq!(handlers(&site(true)), 6);
    assert_eq!(handlers(&site(false)), 0, "nothing is owed to the next run");
}

/// As with Ansible nobody runs what was notified before the playbook itself ended the play.
#[test]
fn what_was_notified_before_the_play_was_ended_is_forgotten() {
    let place = tempfile::tempdir().unwrap();
    let servers = Servers::start();
    for end in ["end_play", "end_batch", "end_host"] {
        servers.forget();
        let site = |ends: bool| {
            format!(
                "- hosts: all
  gather_facts: false
  tasks:
    - {{command: 'true', notify: one, changed_when: {ends}}}
    - {{meta: {end}, when: {ends}}}
  handlers:
    - {{name: one, command: 'true'}}
"
            )
        };
        for ends in [true, false] {
            let (code, text) = apply(&servers, 1, place.path(), &site(ends), &[]);
            assert!(code == 0 && !text.contains("RUNNING HANDLER"), "{end}: {text}");
        }
    }
}

/// A handler whose variables only the run had that was cut off would fail every run from then on.
#[test]
fn what_is_owed_and_cannot_be_made_up_for_is_told_and_dropped() {
    let place = tempfile::tempdir().unwrap();
    let site = |fails: bool| {
        format!(
            "- hosts: all
  gather_facts: false
  tasks:
    - {{command: echo kept, register: seen, when: {fails}}}
    - {{include_tasks: more.yml, when: {fails}}}
    - {{command: 'true', notify: [gone, asks, still], changed_when: {fails}}}
    - {{fail: , when: {fails}}}
  handlers:
    - {{name: asks, command: 'true', when: lost is changed}}
    - {{name: gone, command: 'echo {{{{ seen.stdout }}}}'}}
    - {{name: still, command: 'true'}}
"
        )
    };
    fs::write(place.path().join("more.yml"), "- {command: echo kept, register: lost}\n").unwrap();
    let servers = Servers::start();
    servers.forget();
    let run = |fails: bool| apply(&servers, 1, place.path(), &site(fails), &[]);
    assert_eq!(run(true).0, 2);
    let (code, text) = run(false);
    assert_eq!(code, 0, "{text}");
    for name in ["gone", "asks"] {
        assert!(
            text.contains(&format!("the handler `{name}` (site.yml:")) && text.contains("is dropped"),
            "{name}: {text}"
        );
    }
    assert!(text.contains("RUNNING HANDLER [still]"), "{text}");
    let (code, text) = run(false);
    assert!(code == 0 && !text.contains("RUNNING HANDLER") && !text.contains("owed"), "{text}");
}

#[test]
fn a_task_to_start_at_that_is_not_there_is_a_mistake() {
    let place = tempfile::tempdir().unwrap();
    let site = "- hosts: all\n  gather_facts: false\n  tasks:\n    - {name: first, command: 'true'}\n";
    let start = |name: &str| apply(&Servers::start(), 1, place.path(), site, &["--start-at-task", name]);
    let (code, text) = start("second");
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("no task is named `second`"), "{text}");
    assert_eq!(start("first").0, 0);
}

#[test]
fn a_run_starts_at_the_task_whose_name_is_given_or_fits() {
    let place = tempfile::tempdir().unwrap();
    let site = "- hosts: all
  gather_facts: false
  tasks:
    - {name: task 1, command: 'true'}
    - {name: task 2, command: 'true'}
    - {name: 'task [3]', command: 'true'}
";
    let servers = Servers::start();
    let ran = |name: &str| {
        let (code, text) = apply(&servers, 1, place.path(), site, &["--start-at-task", name]);
        assert_eq!(code, 0, "{text}");
        ["TASK [task 1]", "TASK [task 2]", "TASK [task [3]]"].map(|title| text.contains(title))
    };
    assert_eq!(ran("task [23]"), [false, true, true], "a set");
    assert_eq!(ran("task [3]"), [false, false, true], "a name word for word");
    assert_eq!(ran("task*"), [true, true, true]);
    assert_eq!(ran("*2"), [false, true, true]);
}

#[test]
fn a_command_that_fails_may_have_changed_something() {
    let place = tempfile::tempdir().unwrap();
    let failing = "    - command: 'false'
      ignore_errors: true
      register: ran
    - command: /no/such/program
      ignore_errors: true
      register: missing
    - assert: {that: [ran is changed, missing is not changed]}
";
    tasks(place.path(), failing, &[]);
}

#[test]
fn a_play_says_how_its_hosts_are_reached() {
    let place = tempfile::tempdir().unwrap();
    let site = "- hosts: all
  gather_facts: false
  connection: local
  tasks:
    - command: readlink /proc/self/ns/net
      register: here
    - assert:
        that: hostvars['h1'].here is succeeded
    - command: printenv SSH_CONNECTION
      register: ssh
      failed_when: ssh.rc == 0
- hosts: all
  gather_facts: false
  tasks:
    - command: printenv SSH_CONNECTION
      failed_when: false
      register: ssh
    - assert: {that: [ssh.rc == 0]}
- hosts: all
  gather_facts: false
  remote_user: nobody-of-this-name
  tasks:
    - ping:
";
    let (code, text) = apply(&Servers::start(), 1, place.path(), site, &[]);
    assert_eq!(code, 0, "{text}");
}

/// As with Ansible: what the link led to says nothing of it.
#[test]
fn what_takes_a_links_place_is_a_new_file() {
    let place = tempfile::tempdir().unwrap();
    let replacing = "    - copy: {content: a, dest: '{{ top }}/f', mode: '0755', owner: daemon}
    - file: {src: f, dest: '{{ top }}/link', state: link}
    - copy: {content: '{{ item }}', dest: '{{ top }}/link'}
      loop: [b, b]
      register: copied
    - command: stat -c '%F %04a %U' {{ top }}/link
      register: real
    - assert:
        that:
          - copied.results | map(attribute='mode') | unique == ['0644']
          - copied.results | map(attribute='owner') | unique == ['root']
          - real.stdout == 'regular file 0644 root'
";
    tasks(place.path(), replacing, &[]);
}

#[test]
fn items_see_what_those_before_them_set_and_registered() {
    let place = tempfile::tempdir().unwrap();
    let items = "    - set_fact:
        all: '{{ (all | default([])) + [item] }}'
      loop: [a, b, c]
    - set_fact:
        most: '{{ (most | default([])) + [item] }}'
      loop: [a, b, c]
      when: \"'b' not in (most | default([]))\"
    - command: echo {{ item }}{{ said.stdout | default('') }}
      loop: [1, 2, 3]
      register: said
    - assert:
        that:
          - all == ['a', 'b', 'c']
          - most == ['a', 'b']
          - said.results | map(attribute='stdout') | list == ['1', '21', '321']
";
    tasks(place.path(), items, &[]);
}

#[test]
fn a_keyword_that_is_left_out_is_as_if_it_were_not_written() {
    let place = tempfile::tempdir().unwrap();
    tasks(place.path(), "    - ping:\n      become: '{{ nothing | default(omit) }}'\n", &[]);
}

#[test]
fn a_pause_leaves_everything_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let pausing = "    - pause: {seconds: 1}\n    - copy: {dest: '{{ top }}/m', content: x}\n";
    let text = tasks(place.path(), pausing, &["--check"]);
    assert!(text.contains("changed=1") && !text.contains("depends on"), "{text}");
}

#[test]
fn names_of_facts_may_be_templates() {
    let place = tempfile::tempdir().unwrap();
    let naming = "    - set_fact: {'k_{{ item }}': '{{ item }}'}
      loop: [a, b]
    - assert: {that: [k_a == 'a', k_b == 'b']}
";
    tasks(place.path(), naming, &[]);
}

#[test]
fn templates_know_where_they_come_from() {
    let place = tempfile::tempdir().unwrap();
    fs::write(
        place.path().join("t.j2"),
        "{{ template_path | basename }} {{ template_host | length > 0 }} {{ template_mtime[:2] }}",
    )
    .unwrap();
    tasks(place.path(), "    - template: {src: t.j2, dest: '{{ top }}/t'}\n", &[]);
    assert_eq!(fs::read_to_string(place.path().join("t")).unwrap(), "t.j2 True 20");
}

#[test]
fn a_role_runs_once_in_a_play_unless_it_may_run_again() {
    let place = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = place.path().join("roles").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let noting = |name: &str| {
        format!("- shell: echo {name}{{{{ with | default('') }}}} >> {{{{ top }}}}/ran\n  notify: after {name}\n")
    };
    write("c/tasks/main.yml", &noting("c"));
    write("c/handlers/main.yml", "- name: after c\n  shell: echo after c >> {{ top }}/ran\n");
    for name in ["d", "e"] {
        write(
            &format!("{name}/tasks/main.yml"),
            &noting(name).replace(&format!("notify: after {name}"), "changed_when: true"),
        );
        write(&format!("{name}/meta/main.yml"), "dependencies: [c]\n");
    }
    write("again/tasks/main.yml", &noting("again").replace("notify: after again", "changed_when: true"));
    write("again/meta/main.yml", "allow_duplicates: true\n");
    let site = "- hosts: all
  gather_facts: false
  roles: [d, e, c, {role: c, with: 2}, again, again]
";
    let (code, text) = apply(&Servers::start(), 1, place.path(), site, &[]);
    assert_eq!(code, 0, "{text}");
    let ran = fs::read_to_string(place.path().join("ran")).unwrap();
    assert_eq!(ran, "c\nd\ne\nc2\nagain\nagain\nafter c\n", "{text}");
}

/// What the host chooses is there when it is registered. The account is this machine's, and taken away again.
#[test]
fn a_new_user_tells_its_number_and_its_key() {
    let place = tempfile::tempdir().unwrap();
    let users = "    - group: {name: bringup-test-group}
      register: g
    - user: {name: bringup-test-user, home: '{{ top }}/home', generate_ssh_key: true, ssh_key_type: ed25519}
      register: u
    - user: {name: bringup-test-user, home: '{{ top }}/home', generate_ssh_key: true, ssh_key_type: ed25519}
      register: again
    - user: {name: bringup-test-user, state: absent}
    - group: {name: bringup-test-group, state: absent}
    - assert:
        that:
          - g.gid | int > 0
          - u.uid | int > 0
          - u.ssh_public_key is match('ssh-ed25519 ')
          - again is not changed
          - again.ssh_public_key == u.ssh_public_key
          - again.ssh_key_file == u.ssh_key_file
";
    tasks(place.path(), users, &[]);
}

#[test]
fn a_module_that_is_not_there_fails_where_its_condition_holds() {
    let place = tempfile::tempdir().unwrap();
    let site = "- hosts: all
  gather_facts: false
  vars: {family: Debian}
  tasks:
    - name: elsewhere
      some_subscription: {name: x}
      when: family == 'RedHat'
    - block:
        - action: some_subscription name=x
      when: family == 'RedHat'
    - name: here
      some_subscription: {name: x}
      when: family == 'Debian'
      ignore_errors: true
      register: tried
    - assert: {that: [tried is failed, \"'no module `some_subscription`' in tried.msg\"]}
";
    let (code, text) = apply(&Servers::start(), 1, place.path(), site, &[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("ok=2 ") && text.contains("skipped=2 ") && text.contains("ignored=1"), "{text}");
    // So do filters and lookups that are not there, but not in the task's own condition.
    let filters = "    - command: echo {{ x | some_filter }}
      when: false or x is defined
    - block:
        - debug: {msg: told}
          when: x | success
      when: x is defined
";
    let told = tasks(place.path(), filters, &[]);
    assert!(told.contains("skipped=2 ") && told.matches("this fails where the conditions").count() == 2, "{told}");
    let own = "- hosts: all\n  tasks:\n    - debug: {msg: told}\n      when: x | success\n";
    assert_eq!(apply(&Servers::start(), 1, place.path(), own, &[]).0, 1);
    // One line for all of them; a slip ends the run at once, and so does what no condition keeps away.
    assert_eq!(text.matches("no module `some_subscription`").count(), 2, "{text}");
    assert!(text.contains("site.yml:6 and at 2 more places"), "{text}");
    for wrong in [site.replace("some_subscription", "comand"), site.replace("when: family == 'Debian'", "when: true")] {
        let (code, text) = apply(&Servers::start(), 1, place.path(), &wrong, &[]);
        assert!(code != 0 && text.contains("unknown module") && !text.contains("PLAY RECAP"), "{text}");
    }
}

#[test]
fn what_a_link_leads_to_is_looked_at_behind_a_change_of_it() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("d")).unwrap();
    fs::write(place.path().join("g"), "x\n").unwrap();
    std::os::unix::fs::symlink("../g", place.path().join("d/l")).unwrap();
    let looking = "    - blockinfile: {path: '{{ top }}/g', block: a}
    - stat: {path: '{{ top }}/d/l', follow: true}
      register: seen
    - stat: {path: '{{ top }}/g'}
      register: real
    - assert: {that: [seen.stat.inode == real.stat.inode, seen.stat.size == real.stat.size, seen.stat.size > 2]}
    - file: {path: '{{ top }}/n', state: directory}
    - file: {path: '{{ top }}/to', src: n, state: link}
    - copy: {content: x, dest: '{{ top }}/n/f'}
    - stat: {path: '{{ top }}/to', follow: true}
      register: folder
    - assert: {that: [folder.stat.isdir]}
";
    tasks(place.path(), looking, &[]);
}

/// A proxy that has what nobody else has, and what it was asked for; ends with the test.
fn proxy() -> (String, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let all = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = all.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut asked = [0; 4096];
            let length = stream.read(&mut asked).unwrap_or(0);
            let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
            let wanted = asked.split(' ').nth(1);
            told.lock().unwrap().extend(wanted.map(str::to_owned));
            let body = match wanted {
                Some("http://files.invalid/SUMS") => {
                    "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  f\n"
                }
                Some("http://files.invalid/f") => "hello\n",
                _ => "",
            };
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (format!("http://{address}"), all)
}

#[test]
fn what_a_module_asks_the_web_it_asks_by_the_proxy_of_its_task() {
    let place = tempfile::tempdir().unwrap();
    let web =
        "    - get_url: {url: http://files.invalid/f, dest: '{{ top }}/f', checksum: sha256:http://files.invalid/SUMS}
      environment: &proxy {http_proxy: '{{ proxy }}'}
    - uri: {url: http://files.invalid/f, return_content: true}
      environment: *proxy
      register: read
    - copy: {content: '{{ read.content }}', dest: '{{ top }}/read'}
";
    tasks(place.path(), web, &["-e", &format!("proxy={}", proxy().0)]);
    for name in ["f", "read"] {
        assert_eq!(fs::read_to_string(place.path().join(name)).unwrap(), "hello\n", "{name}");
    }
}

/// Before it changes anything, too: what `plan` tells is what the task would find.
#[test]
fn what_a_module_asks_before_it_acts_it_asks_by_the_proxy_of_its_task() {
    let (place, (proxy, asked)) = (tempfile::tempdir().unwrap(), proxy());
    let tried = "    - block:
        - apt: {deb: http://files.invalid/package.deb}
          ignore_errors: true
        - deb822_repository: {name: of-the-test, uris: http://files.invalid, suites: a, components: b, signed_by: http://files.invalid/key}
          ignore_errors: true
        - unarchive: {src: http://files.invalid/a.tar, dest: '{{ top }}', remote_src: true}
          ignore_errors: true
        - git: {repo: http://files.invalid/repository, dest: '{{ top }}/repository'}
          ignore_errors: true
      check_mode: true
      environment: {http_proxy: '{{ proxy }}'}
";
    tasks(place.path(), tried, &["-e", &format!("proxy={proxy}")]);
    let asked = asked.lock().unwrap();
    for file in ["package.deb", "key", "a.tar", "repository/info/refs"] {
        let url = format!("http://files.invalid/{file}");
        assert!(asked.iter().any(|one| one.split('?').next() == Some(&url)), "{file}: {asked:?}");
    }
}
