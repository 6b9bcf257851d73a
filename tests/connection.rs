//! Who acts, and where: a connection belongs to the values it was made from, and to the task that needs it.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    engine::apply,
    ssh::sshd::TestUser,
    support::world::{Servers, apart},
};

/// Runs tasks for `h1` of two hosts; what was printed. They must succeed.
fn tasks(servers: &Servers, top: &Path, tasks: &str) -> String {
    let site = format!("- hosts: h1\n  gather_facts: false\n  tasks:\n{tasks}");
    let (code, text) = apply(servers, 2, top, &site, &[]);
    assert_eq!(code, 0, "{text}");
    text
}

/// The same, and the host is locked meanwhile.
fn locked(servers: &Servers, top: &Path, site: &str) {
    fs::write(top.join("site.yml"), site).unwrap();
    fs::write(top.join("hosts"), servers.inventory(2)).unwrap();
    let mut command = apart(Path::new(env!("CARGO_BIN_EXE_bringup")));
    command.args(["apply", "-i", "hosts", "-e", &format!("top={}", top.display()), "site.yml"]);
    let output = command.current_dir(top).env("HOME", servers.home()).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{text}");
}

/// Wherever the login user is set: that user runs the task, and the next one is run by who is said there.
#[test]
#[allow(clippy::too_many_lines, reason = "one play, and what each of its tasks must come to")]
fn a_task_runs_as_the_user_that_is_said_now() {
    let Some(user) = TestUser::create("now", "/bin/sh") else { return };
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let (top, name) = (place.path(), &user.name);
    fs::create_dir_all(top.join("roles/r/tasks")).unwrap();
    fs::create_dir_all(top.join("roles/r/vars")).unwrap();
    fs::write(top.join("roles/r/tasks/main.yml"), "- {command: id -un, register: in_role}\n").unwrap();
    fs::write(top.join("roles/r/vars/main.yml"), format!("ansible_user: {name}\n")).unwrap();
    fs::write(top.join("login.yml"), format!("ansible_user: {name}\n")).unwrap();
    fs::write(top.join("inner.yml"), "- {command: id -un, register: included}\n").unwrap();
    let site = format!(
        "- hosts: h1
  gather_facts: false
  vars: {{ansible_user: {name}}}
  tasks:
    - {{command: id -un, register: in_play}}
- hosts: h1
  gather_facts: false
  tasks:
    - {{command: id -un, register: plain}}
    - {{command: id -un, register: by_task, vars: {{ansible_user: {name}}}}}
    - block:
        - {{command: id -un, register: by_block}}
      vars: {{ansible_user: {name}}}
    - {{command: id -un, register: again}}
    - command: id -un
      vars: {{ansible_user: '{{{{ item }}}}'}}
      loop: [root, {name}, root]
      register: looped
    - include_tasks: inner.yml
      vars: {{ansible_user: {name}}}
    - include_role: {{name: r}}
    - {{command: id -un, register: keyword, remote_user: {name}}}
    - {{command: id -un, register: delegated, delegate_to: h2, vars: {{ansible_user: {name}}}}}
    - {{command: id -un, register: delegated_plain, delegate_to: h2}}
    - add_host: {{name: other, ansible_host: 127.0.0.1, ansible_port: '{{{{ hostvars.h2.ansible_port }}}}', ansible_user: {name},
        ansible_ssh_private_key_file: '{{{{ ansible_ssh_private_key_file }}}}'}}
    - {{command: id -un, register: on_added, delegate_to: other}}
    - add_host: {{name: other, ansible_user: root}}
    - {{command: id -un, register: on_added_again, delegate_to: other}}
    - set_fact: {{ansible_user: '{{{{ by_task.stdout }}}}'}}
    - {{command: id -un, register: by_fact}}
    - {{command: id -un, register: delegated_fact, delegate_to: h2}}
    - set_fact: {{ansible_user: root}}
    - {{command: id -un, register: by_fact_again}}
    - assert:
        that:
          - in_play.stdout == '{name}'
          - plain.stdout == 'root' and again.stdout == 'root'
          - by_task.stdout == '{name}' and by_block.stdout == '{name}'
          - looped.results | map(attribute='stdout') | list == ['root', '{name}', 'root']
          - included.stdout == '{name}' and in_role.stdout == '{name}'
          # As with Ansible the variable of the inventory comes before the keyword.
          - keyword.stdout == 'root'
          - delegated.stdout == '{name}' and delegated_plain.stdout == 'root'
          - on_added.stdout == '{name}' and on_added_again.stdout == 'root'
          - by_fact.stdout == '{name}' and delegated_fact.stdout == 'root' and by_fact_again.stdout == 'root'
- hosts: h2
  gather_facts: false
  tasks:
    - include_vars: login.yml
    - {{command: id -un, register: by_file}}
    - assert: {{that: [by_file.stdout == '{name}']}}
"
    );
    locked(&servers, top, &site);
}

/// What was read of the host that is delegated to is as stale as what was read of the task's own.
#[test]
fn a_delegated_task_reads_anew_with_every_try() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let file = place.path().join("later");
    // Two more seconds of tries than it takes, and less of them than answers stay fresh.
    let site = format!(
        "    - {{stat: {{path: {0}}}, register: before, delegate_to: h2}}
    - shell: '(sleep 1; touch {0}) >/dev/null 2>&1 </dev/null &'
    - {{stat: {{path: {0}}}, register: after, delegate_to: h2, until: after.stat.exists, retries: 30, delay: 0.1}}
    - assert: {{that: [not before.stat.exists, after.stat.exists]}}
",
        file.display()
    );
    tasks(&servers, place.path(), &site);
}

/// What stands in `SSH_CONNECTION` tells which server a login went to.
#[test]
fn a_task_runs_at_the_port_and_on_the_machine_that_are_said_now() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let where_ = "shell: 'set -- ${SSH_CONNECTION:-here here here here}; echo $4'";
    let site = format!(
        "    - {{{where_}, register: own}}
    - {{{where_}, register: port, vars: {{ansible_port: '{{{{ hostvars.h2.ansible_port }}}}'}}}}
    - {{{where_}, register: local, vars: {{ansible_connection: local}}}}
    - {{{where_}, register: delegated, delegate_to: h2}}
    - {{{where_}, register: both, delegate_to: h2, vars: {{ansible_port: '{{{{ hostvars.h1.ansible_port }}}}'}}}}
    - assert:
        that:
          - own.stdout == ansible_port | string and delegated.stdout == hostvars.h2.ansible_port | string
          - port.stdout == hostvars.h2.ansible_port | string and both.stdout == own.stdout
          - local.stdout == 'here'
"
    );
    tasks(&servers, place.path(), &site);
}

/// Each sees what the other has just written, though questions are asked ahead and changes travel together.
#[test]
fn two_logins_on_one_host_see_what_each_other_does() {
    let Some(user) = TestUser::create("two", "/bin/sh") else { return };
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let (name, top) = (&user.name, place.path());
    fs::set_permissions(top, fs::Permissions::from_mode(0o777)).unwrap();
    let as_user = format!("vars: {{ansible_user: {name}}}");
    let site = format!(
        "    - stat: {{path: '{{{{ top }}}}/a'}}
      register: before
    - stat: {{path: '{{{{ top }}}}/a'}}
      register: other_before
      {as_user}
    - copy: {{content: one, dest: '{{{{ top }}}}/a', mode: '0666'}}
    - stat: {{path: '{{{{ top }}}}/a'}}
      register: written
      {as_user}
    - file: {{path: '{{{{ top }}}}/mine', state: directory}}
      {as_user}
    - stat: {{path: '{{{{ top }}}}/mine'}}
      register: mine
    - copy: {{content: inside, dest: '{{{{ top }}}}/mine/b'}}
    - slurp: {{src: '{{{{ top }}}}/mine/b'}}
      register: inside
      {as_user}
    - file: {{path: '{{{{ top }}}}/mine/c', state: touch}}
      {as_user}
    - file: {{path: '{{{{ top }}}}/mine', state: absent}}
    - stat: {{path: '{{{{ top }}}}/mine/c'}}
      register: gone
      {as_user}
    - assert:
        that:
          - not before.stat.exists and not other_before.stat.exists
          - written.stat.exists and written.stat.size == 3
          - mine.stat.exists and mine.stat.pw_name == '{name}'
          - inside.content | b64decode == 'inside'
          - not gone.stat.exists
"
    );
    tasks(&servers, top, &site);
}

/// Stands in for sudo: takes any password, notes it with the user, and runs the command as who it was called by.
const STAND_IN: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do case $1 in
-p) prompt=$2; shift 2 ;;
-u) user=$2; shift 2 ;;
--) shift; break ;;
*) shift ;;
esac; done
printf %s "$prompt" >&2
IFS= read -r answer
echo "$user $answer" >>"${0%/*}/told"
BECAME=$user exec "$@"
"#;

#[test]
fn whom_a_task_becomes_and_with_which_password_is_what_is_said_now() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let top = place.path();
    fs::write(top.join("sudo"), STAND_IN).unwrap();
    fs::set_permissions(top.join("sudo"), fs::Permissions::from_mode(0o755)).unwrap();
    let who = "command: printenv BECAME, become: true, become_exe: '{{ top }}/sudo'";
    let site = format!(
        "- hosts: all
  gather_facts: false
  tasks:
    - set_fact: {{ansible_become_password: 'of {{{{ inventory_hostname }}}}'}}
- hosts: h1
  gather_facts: false
  tasks:
    - {{{who}, become_user: daemon, register: a}}
    - {{{who}, become_user: daemon, register: b, vars: {{ansible_become_user: bin}}}}
    - {{{who}, become_user: daemon, register: c, vars: {{ansible_sudo_user: games}}}}
    - {{{who}, become_user: daemon, register: d, vars: {{ansible_sudo_pass: another}}}}
    - {{{who}, become_user: daemon, register: e, delegate_to: h2}}
    - {{{who}, become_user: '{{{{ item }}}}', register: f, loop: [daemon, bin]}}
    - {{command: 'printenv BECAME', become: true, become_exe: '{{{{ top }}}}/sudo', become_user: daemon, register: g,
        vars: {{ansible_become: false}}, failed_when: g.rc == 0}}
    - set_fact: {{ansible_become_user: mail}}
    - {{{who}, become_user: daemon, register: h}}
    - assert:
        that:
          - a.stdout == 'daemon' and b.stdout == 'bin' and c.stdout == 'games' and d.stdout == 'daemon' and e.stdout == 'daemon'
          - f.results | map(attribute='stdout') | list == ['daemon', 'bin']
          - h.stdout == 'mail'
"
    );
    let (code, text) = apply(&servers, 2, top, &site, &[]);
    assert_eq!(code, 0, "{text}");
    let told = fs::read_to_string(top.join("told")).unwrap();
    let mut told: Vec<&str> = told.lines().collect();
    told.sort_unstable();
    // Who has a shell already needs no second one; another password is another shell, and no host hears of another's.
    assert_eq!(told, ["bin of h1", "daemon another", "daemon of h1", "daemon of h2", "games of h1", "mail of h1"]);
}

#[test]
fn what_cannot_be_honoured_is_refused_by_name() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let cases = [
        ("become_flags: -H -u bin", "become_flags: `-u` is not supported"),
        ("become_flags: --user=bin", "become_flags: `--user=bin` is not supported"),
        ("vars: {ansible_sudo_flags: -b}", "become_flags: `-b` is not supported"),
        ("vars: {ansible_become_method: pbrun}", "become_method `pbrun` is not supported"),
        ("vars: {ansible_become_user: -x}", "it begins with a dash"),
        ("vars: {ansible_become: perhaps}", "neither true nor false"),
        ("vars: {ansible_connection: winrm}", "connection `winrm` is not supported"),
        ("vars: {ansible_port: 99999}", "`99999` is no port"),
        ("vars: {ansible_user: 'a;b'}", "ansible_user: `a;b` cannot be used"),
        ("vars: {ansible_host: '$(id)'}", "ansible_host: `$(id)` cannot be used"),
        ("delegate_to: '-oProxyCommand=id'", "delegate_to: `-oProxyCommand=id` cannot be used"),
        ("delegate_to: \"a\\nb\"", "delegate_to: `a\\nb` cannot be used"),
    ];
    for (line, wanted) in cases {
        let site = format!(
            "- hosts: h1\n  gather_facts: false\n  become: true\n  become_user: daemon\n  tasks:\n    - command: id\n      {line}\n"
        );
        let (code, text) = apply(&servers, 1, place.path(), &site, &["--output", "json"]);
        let text = text.replace("\\\\", "\\");
        assert!(code == 2 && text.contains(wanted), "{line}: {text}");
    }
}

/// The names of hosts and groups may come from a host: they are refused at the task, in a plan too.
#[test]
fn hosts_and_groups_of_names_that_openssh_refuses_are_not_added() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let refused = [
        "add_host: {name: '-oProxyCommand=id'}",
        "add_host: {name: 'a;id'}",
        "add_host: {name: \"a\\nb\"}",
        "add_host: {name: '../../etc/passwd'}",
        "add_host: {name: '$(id)', ansible_host: 10.0.0.1}",
        "add_host: {name: ok, ansible_host: 'a b'}",
        "add_host: {name: ok, ansible_user: '-l x'}",
        "add_host: {name: ok, ansible_user: 'x|y'}",
        "add_host: {name: ok, ansible_port: '22 -o x'}",
        "add_host: {name: ok, groups: ['../x']}",
        "group_by: {key: \"a\\tb\"}",
        "group_by: {key: ok, parents: [a/b]}",
    ];
    for task in refused {
        let site = format!("- hosts: h1\n  gather_facts: false\n  tasks:\n    - {task}\n");
        for more in [[].as_slice(), &["--check"]] {
            let (code, text) = apply(&servers, 1, place.path(), &site, more);
            // What is written as it is is refused before anything runs.
            assert!(matches!(code, 1 | 2) && text.contains("site.yml:4:"), "{task}: {text}");
        }
    }
    let fine = "    - add_host: {name: web_1.example.org, ansible_host: 10.0.0.1, ansible_user: 'DOMAIN\\alice'}
    - add_host: {name: host with space, ansible_host: 10.0.0.1}
    - add_host: {name: '[fd00::1]:2222', groups: 'a,b-c'}
    - group_by: {key: \"arch_{{ 'x86 64' }}\"}
    - assert: {that: [\"'host with space' in groups.all\", \"'fd00::1' in groups['b-c']\", \"'arch_x86-64' in group_names\"]}
";
    tasks(&servers, place.path(), fine);
    let as_data = "- hosts: h1
  gather_facts: false
  tasks:
    - add_host: {name: host with space, groups: data, x: 1}
- hosts: data
  gather_facts: false
  tasks:
    - assert: {that: [x == 1]}
    - command: id
";
    let (code, text) = apply(&servers, 1, place.path(), as_data, &[]);
    assert!(code != 0 && text.contains("All assertions passed") && text.contains("it has a blank in it"), "{text}");
}

/// A host that nothing listens for, and how often somebody knocked.
fn knocked() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, count)
}

/// The tasks before it may be what makes the host, the user or the key: a question asked ahead waits until somebody is there.
#[test]
fn nobody_logs_in_ahead_of_the_task_that_needs_it() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let (port, count) = knocked();
    let site = format!(
        "- hosts: h1
  gather_facts: false
  tasks:
    - stat: {{path: /etc}}
    - fail: {{msg: here it ends}}
    - stat: {{path: /etc}}
      delegate_to: h2
      vars: {{ansible_port: {port}}}
    - stat: {{path: /etc}}
      vars: {{ansible_port: {port}}}
    - stat: {{path: /etc}}
      become: true
      become_user: daemon
      vars: {{ansible_port: {port}}}
    - stat: {{path: /etc}}
      delegate_to: later
"
    );
    let site = format!(
        "- hosts: h1
  gather_facts: false
  tasks:
    - add_host: {{name: later, ansible_host: 127.0.0.1, ansible_port: {port}}}
{site}"
    );
    let (code, text) = apply(&servers, 2, place.path(), &site, &[]);
    assert!(code == 2 && text.contains("here it ends"), "{text}");
    assert_eq!(count.load(Ordering::SeqCst), 0, "{text}");
}

#[test]
fn a_lookup_of_a_password_is_made_once() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let site = "- hosts: h1
  gather_facts: false
  vars:
    ansible_password: \"{{ lookup('pipe', 'echo x >> ' ~ top ~ '/count; echo secret') }}\"
  tasks:
    - {command: 'true'}
    - {stat: {path: /etc}}
    - {command: 'true'}
    - {stat: {path: /usr}}
";
    let (code, text) = apply(&servers, 1, place.path(), site, &[]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(fs::read_to_string(place.path().join("count")).unwrap(), "x\n");
}

#[test]
fn a_host_out_of_reach_may_be_put_up_with() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let site = format!(
        "- hosts: h1
  gather_facts: false
  tasks:
    - copy: {{content: x, dest: '{{{{ top }}}}/x'}}
    - ping:
      vars: {{ansible_port: {port}}}
      ignore_unreachable: true
      register: gone
    - ping:
      vars: {{ansible_port: '{{{{ item }}}}'}}
      loop: [{port}, '{{{{ hostvars.h1.ansible_port }}}}']
      ignore_unreachable: true
      register: some
    - {{ping: , register: there}}
    - assert:
        that:
          - gone is unreachable and gone is not failed and there.ping == 'pong'
          - some.results[0] is unreachable and some.results[1].ping == 'pong'
    - ping:
      vars: {{ansible_port: {port}}}
"
    );
    let (code, text) = apply(&servers, 1, place.path(), &site, &[]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("unreachable=1") && text.contains("ignored=1"), "{text}");
}

#[test]
fn facts_of_another_host_are_that_hosts() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let site = "    - set_fact: {a: 'for {{ item }}'}
      delegate_to: '{{ item }}'
      delegate_facts: true
      loop: [h2, localhost]
    - getent: {database: passwd, key: root}
      delegate_to: h2
      delegate_facts: true
    - assert:
        that:
          - hostvars.h2.a == 'for h2' and hostvars.localhost.a == 'for localhost' and a is undefined
          - hostvars.h2.getent_passwd is defined and getent_passwd is undefined
";
    tasks(&servers, place.path(), site);
}

#[test]
fn variables_of_an_include_come_before_what_was_set() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let top = place.path();
    let show = "- set_fact: {seen: '{{ seen + [v] }}'}\n- set_fact: {seen: '{{ seen + [v] }}'}\n  vars: {v: task}\n";
    fs::create_dir_all(top.join("roles/r/tasks")).unwrap();
    fs::write(top.join("roles/r/tasks/main.yml"), show).unwrap();
    fs::write(top.join("show.yml"), show).unwrap();
    let site = "    - set_fact: {v: fact, seen: []}
    - include_tasks: show.yml
      vars: {v: include}
    - include_role: {name: r}
      vars: {v: includerole}
    - assert: {that: [\"seen == ['include', 'include', 'includerole', 'includerole']\", v == 'fact']}
";
    tasks(&servers, top, site);
}

/// What a host says decides neither what runs on this machine nor whom it trusts, whichever way it becomes a variable.
#[test]
fn no_host_decides_what_runs_here() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let canary = place.path().join("canary");
    let proxy = format!("-o ProxyCommand='touch {}'", canary.display());
    let values = [
        ("ansible_connection", "local"),
        ("ansible_ssh_common_args", proxy.as_str()),
        ("ansible_ssh_args", "-o StrictHostKeyChecking=no"),
        ("ansible_host_key_checking", "no"),
    ];
    for (name, value) in values {
        let said = serde_json::json!({ name: value }).to_string().replace('\'', "''");
        let act = format!("command: touch {}", canary.display());
        let ways = [
            format!("    - set_fact: '{{{{ p.content | b64decode | from_json }}}}'\n    - {act}\n"),
            format!(
                "    - set_fact: {{{name}: '{{{{ (p.content | b64decode | from_json).{name} }}}}'}}\n    - {act}\n"
            ),
            format!("    - {act}\n      vars: {{{name}: '{{{{ (p.content | b64decode | from_json).{name} }}}}'}}\n"),
            format!(
                "    - set_fact: {{x: '{{{{ p.content | b64decode | from_json }}}}'}}\n    - {act}\n      vars: {{{name}: '{{{{ hostvars.h1.x.{name} }}}}'}}\n"
            ),
            format!(
                "    - add_host: {{name: new, {name}: '{{{{ (p.content | b64decode | from_json).{name} }}}}'}}\n    - {act}\n      delegate_to: new\n"
            ),
            format!(
                "    - fetch: {{src: '{{{{ top }}}}/said', dest: '{{{{ top }}}}/got.yml', flat: true}}\n    - include_vars: '{{{{ top }}}}/got.yml'\n    - {act}\n"
            ),
        ];
        for way in ways {
            let site = format!(
                "- hosts: h1\n  gather_facts: false\n  tasks:\n    - copy: {{dest: '{{{{ top }}}}/said', content: !unsafe '{said} '}}\n    - {{slurp: {{src: '{{{{ top }}}}/said'}}, register: p}}\n{way}"
            );
            let (code, text) = apply(&servers, 1, place.path(), &site, &[]);
            assert!(code == 2 && text.contains(&format!("{name}: the value is made of data")), "{name} {way}: {text}");
            assert!(!canary.exists(), "{way}: {text}");
        }
    }
}

/// The user's own words may be put together as the user likes.
#[test]
fn the_users_own_words_decide_what_runs_here() {
    let (servers, place) = (Servers::start(), tempfile::tempdir().unwrap());
    let run = "command: 'true'";
    let site = format!(
        "    - {{{run}, register: p, vars: {{ansible_connection: local}}}}
    - {{{run}, vars: {{ansible_connection: \"{{{{ 'local' if inventory_hostname == 'h1' else 'ssh' }}}}\"}}}}
    - {{{run}, vars: {{kind: local, ansible_connection: '{{{{ kind }}}}'}}}}
    - {{{run}, vars: {{ansible_connection: '{{{{ item }}}}'}}, loop: [local]}}
    - {{{run}, connection: local, vars: {{ansible_ssh_args: \"-o ProxyCommand='nc {{{{ hostvars.h2.ansible_host }}}}'\"}}}}
    - {{{run}, vars: {{ansible_ssh_common_args: \"-o ConnectTimeout={{{{ 9 + p.rc }}}}\"}}}}
    - add_host: {{name: new, ansible_connection: local}}
    - {{{run}, delegate_to: new}}
    - set_fact: {{ansible_connection: local}}
    - {run}
"
    );
    tasks(&servers, place.path(), &site);
}
