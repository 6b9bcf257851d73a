//! Which hosts take part in a play, in which order, and what one of them does to the others.

use std::fs;

use crate::{
    engine::apply,
    support::world::{Servers, apart},
};

#[test]
fn any_errors_fatal_ends_the_play_behind_the_task_for_all() {
    let place = tempfile::tempdir().unwrap();
    let site = "- hosts: all
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - shell: '[ {{ inventory_hostname }} != h1 ] || exit 1; sleep 0.3; touch {{ top }}/{{ inventory_hostname }}'
    - shell: touch {{ top }}/behind
";
    for _ in 0..5 {
        let (code, text) = apply(&Servers::start(), 2, place.path(), site, &[]);
        assert_eq!(code, 2, "{text}");
        let done = ["h1", "h2", "behind"].map(|name| place.path().join(name).exists());
        assert_eq!(done, [false, true, false], "{text}");
    }
}

#[test]
fn any_errors_fatal_lets_all_hosts_do_the_failing_task_of_an_include() {
    let place = tempfile::tempdir().unwrap();
    // It fails without asking the host, while the other one may still be waiting.
    fs::write(place.path().join("inner.yml"), "- fail: {msg: wanted}\n").unwrap();
    let site = "- hosts: all
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - include_tasks: inner.yml
      loop: [1, 2]
";
    for _ in 0..10 {
        let (code, text) = apply(&Servers::start(), 2, place.path(), site, &[]);
        assert_eq!((code, text.matches("failed=1 ").count()), (2, 2), "{text}");
    }
}

#[test]
fn with_one_fork_hosts_go_one_after_the_other() {
    let place = tempfile::tempdir().unwrap();
    let site = "- hosts: h2,h1
  gather_facts: false
  tasks:
    - shell: sleep 0.0{{ 3 - play_hosts.index(inventory_hostname) }}; echo {{ inventory_hostname }} >> {{ top }}/order
";
    let (code, text) = apply(&Servers::start(), 2, place.path(), site, &["--forks", "1"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(fs::read_to_string(place.path().join("order")).unwrap(), "h2\nh1\n");
}

#[test]
fn hosts_and_groups_that_appear_can_be_used() {
    let place = tempfile::tempdir().unwrap();
    let site = "- hosts: all
  gather_facts: false
  tasks:
    - group_by: {key: 'kind {{ inventory_hostname }}', parents: [kinds]}
    - assert: {that: [\"'kind-h1' in group_names\", \"groups['kind-h1'] == ['h1']\"]}
      when: inventory_hostname == 'h1'
    - add_host: {name: '{{ item }}', groups: [made], ansible_connection: local, colour: red}
      loop: [m1, m2]
      run_once: true
    - assert:
        that: hostvars['m2'].colour == 'red'
- hosts: kind-h2:&kinds
  gather_facts: false
  tasks:
    - debug: {msg: 'here is {{ inventory_hostname }}'}
- hosts: made
  gather_facts: false
  tasks:
    - debug: {msg: '{{ inventory_hostname }} is {{ colour }}'}
";
    let (code, text) = apply(&Servers::start(), 2, place.path(), site, &[]);
    assert_eq!(code, 0, "{text}");
    for said in ["here is h2", "m1 is red", "m2 is red"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains("here is h1"), "{text}");
}

/// Variables win over keywords, as with Ansible.
#[test]
fn a_failure_that_is_ignored_is_so_for_all_hosts_of_a_task_done_once() {
    let place = tempfile::tempdir().unwrap();
    let site = "- hosts: all
  gather_facts: false
  tasks:
    - command: 'false'
      run_once: true
      ignore_errors: true
    - shell: touch {{ top }}/{{ inventory_hostname }}
";
    let (code, text) = apply(&Servers::start(), 2, place.path(), site, &[]);
    assert_eq!(code, 0, "{text}");
    assert!(place.path().join("h1").exists() && place.path().join("h2").exists(), "{text}");
}

#[test]
fn who_left_does_not_keep_the_others_waiting() {
    let place = tempfile::tempdir().unwrap();
    let site = "- hosts: all
  gather_facts: false
  tasks:
    - meta: end_host
      when: inventory_hostname == 'h1'
    - shell: echo {{ inventory_hostname }} >> {{ top }}/once
      run_once: true
    - shell: touch {{ top }}/{{ inventory_hostname }}
";
    let (code, text) = apply(&Servers::start(), 2, place.path(), site, &[]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(fs::read_to_string(place.path().join("once")).unwrap(), "h2\n");
    assert!(place.path().join("h2").exists() && !place.path().join("h1").exists(), "{text}");
}

#[test]
fn a_play_that_one_host_ends_ends_there_for_all() {
    let place = tempfile::tempdir().unwrap();
    let site = "- hosts: all
  gather_facts: false
  tasks:
    - shell: '[ {{ inventory_hostname }} = h2 ] || sleep 0.5'
    - meta: end_play
      when: inventory_hostname == 'h1'
    - copy: {content: x, dest: '{{ top }}/{{ inventory_hostname }}'}
";
    let (code, text) = apply(&Servers::start(), 2, place.path(), site, &[]);
    assert_eq!(code, 0, "{text}");
    assert!(!place.path().join("h1").exists() && !place.path().join("h2").exists(), "{text}");
}

#[test]
fn forced_handlers_run_though_an_error_was_fatal_for_all() {
    let place = tempfile::tempdir().unwrap();
    let site = "- hosts: all
  gather_facts: false
  any_errors_fatal: true
  force_handlers: true
  tasks:
    - command: 'true'
      notify: after
    - command: 'false'
  handlers:
    - name: after
      shell: touch {{ top }}/{{ inventory_hostname }}
";
    let (code, text) = apply(&Servers::start(), 2, place.path(), site, &[]);
    assert_eq!(code, 2, "{text}");
    assert!(place.path().join("h1").exists() && place.path().join("h2").exists(), "{text}");
}

#[test]
fn who_still_takes_part_is_known_where_it_is_asked() {
    let place = tempfile::tempdir().unwrap();
    let site = "- hosts: all
  gather_facts: false
  tasks:
    - shell: 'sleep 0.5; exit 1'
      when: inventory_hostname == 'h1'
    - set_fact: {leader: '{{ ansible_play_hosts[0] }}'}
    - shell: touch {{ top }}/{{ leader }}
      when: inventory_hostname == leader
";
    let (_, text) = apply(&Servers::start(), 2, place.path(), site, &[]);
    assert!(place.path().join("h2").exists(), "{text}");
}

#[test]
fn the_hosts_of_a_play_are_those_of_all_batches_and_of_plays_before() {
    let place = tempfile::tempdir().unwrap();
    let site = "- hosts: all
  gather_facts: false
  serial: 1
  tasks:
    - &told
      debug: {msg: '{{ inventory_hostname }} {{ ansible_play_batch }} {{ ansible_play_hosts }} {{ ansible_play_hosts_all }}'}
- hosts: all
  gather_facts: false
  tasks:
    - *told
";
    // As ansible-core 2.18 has it.
    let (_, text) = apply(&Servers::start(), 2, place.path(), site, &[]);
    assert!(text.contains("h1 ['h1'] ['h1', 'h2'] ['h1', 'h2']"), "{text}");
    assert!(text.contains("h2 ['h1', 'h2'] ['h1', 'h2'] ['h1', 'h2']"), "{text}");
    let site = "- hosts: all
  gather_facts: false
  tasks:
    - command: test {{ inventory_hostname }} != h1
- hosts: all
  gather_facts: false
  tasks:
    - debug: {msg: '{{ inventory_hostname }} {{ ansible_play_batch }} {{ ansible_play_hosts }} {{ ansible_play_hosts_all }}'}
";
    let (_, text) = apply(&Servers::start(), 2, place.path(), site, &[]);
    assert!(text.contains("h2 ['h2'] ['h2'] ['h1', 'h2']"), "{text}");
}

#[test]
fn two_names_of_one_machine_do_not_lock_each_other_out() {
    let place = tempfile::tempdir().unwrap();
    let servers = Servers::start();
    let hosts = servers.inventory(1);
    let twice = format!("{hosts}{}", hosts.replace("h1 ", "other "));
    fs::write(place.path().join("twice"), twice).unwrap();
    fs::write(place.path().join("site.yml"), "- {hosts: all, gather_facts: false, tasks: [command: sleep 0.3]}\n")
        .unwrap();
    let mut command = apart(std::path::Path::new(env!("CARGO_BIN_EXE_bringup")));
    let output = command
        .args(["apply", "-i", "twice", "site.yml"])
        .current_dir(place.path())
        .env("HOME", servers.home())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
