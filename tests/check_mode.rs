//! What check mode promises: it tells what `apply` would do, and never less.

use std::fs;

use crate::engine::{apply, tasks};
use crate::support::world::Servers;

#[test]
fn a_plan_does_not_decide_on_what_a_command_would_have_returned() {
    let place = tempfile::tempdir().unwrap();
    let undecided = "    - name: ask
      command: echo yes
      register: answer
    - name: told
      debug: {msg: told}
      when: answer.stdout == 'yes'
    - set_fact: {said: '{{ answer.stdout }}'}
    - name: second hand
      debug: {msg: told}
      when: said == 'yes'
    - name: asserted
      assert: {that: [answer is not changed]}
    - name: shown
      debug: {var: answer.stdout}
    - command: echo yes
      register: again
    - name: judged by itself
      debug: {msg: told}
      register: again
      failed_when: again is failed
    - name: judged
      debug: {msg: told}
      failed_when: answer.stdout != 'yes'
";
    let text = tasks(place.path(), undecided, &["--check"]);
    assert_eq!(text.matches("depends on `").count(), 6, "{text}");
}

#[test]
fn what_a_task_leaves_open_stays_so_where_another_that_would_set_it_is_passed_over() {
    let place = tempfile::tempdir().unwrap();
    let undecided = "    - command: echo yes
      register: answer
    - set_fact: {said: '{{ answer.stdout }}'}
      when: 1 == 1
    - set_fact: {said: other}
      when: 1 == 2
    - command: echo {{ said }}
      check_mode: false
      changed_when: false
      failed_when: false
";
    let text = tasks(place.path(), undecided, &["--check"]);
    assert_eq!(text.matches("depends on `").count(), 2, "{text}");
    assert!(!text.contains("is undefined"), "{text}");
}

#[test]
fn a_plan_does_not_decide_on_what_an_include_or_facts_would_have_set() {
    let place = tempfile::tempdir().unwrap();
    fs::write(
        place.path().join("inner.yml"),
        "- block:\n  - command: echo\n    register: ran\n- include_vars: more.yml\n",
    )
    .unwrap();
    fs::write(place.path().join("more.yml"), "colour: red\n").unwrap();
    let undecided = "    - command: echo yes
      register: answer
    - include_tasks: inner.yml
      when: answer.stdout == 'yes'
    - debug: {msg: told}
      when: ran is changed
    - debug: {msg: told}
      when: colour == 'red'
    - service_facts:
    - debug: {msg: told}
      when: ansible_facts.services is defined
";
    let text = tasks(place.path(), undecided, &["--check"]);
    assert_eq!(text.matches("depends on `").count(), 5, "{text}");
}

#[test]
fn a_plan_goes_on_behind_an_end_that_it_cannot_decide_on() {
    let place = tempfile::tempdir().unwrap();
    let ending = "    - command: echo stop
      register: said
    - meta: end_play
      when: said.stdout == ''
    - copy: {content: x, dest: '{{ top }}/x'}
";
    let text = tasks(place.path(), ending, &["--check"]);
    assert!(text.contains("TASK [copy]"), "{text}");
}

#[test]
fn what_stands_behind_a_link_that_is_made_on_the_way_is_changed_at_once() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("app-1.2")).unwrap();
    fs::write(place.path().join("app-1.2/conf"), "one\n").unwrap();
    let linking = "    - file: {src: app-1.2, dest: '{{ top }}/app', state: link}
    - copy: {content: \"one\\n\", dest: '{{ top }}/app-1.2/conf', mode: '0644'}
    - lineinfile: {path: '{{ top }}/app/conf', line: two}
    - file: {path: '{{ top }}/app', state: absent}
    - file: {src: app-1.2, dest: '{{ top }}/app', state: link}
    - stat: {path: '{{ top }}/app/conf'}
      register: conf
    - assert: {that: conf.stat.exists}
";
    let planned = tasks(place.path(), linking, &["--check"]);
    assert!(planned.contains("changed=4"), "{planned}");
    let done = tasks(place.path(), linking, &[]);
    assert!(done.contains("changed=4"), "{done}");
    assert_eq!(fs::read_to_string(place.path().join("app-1.2/conf")).unwrap(), "one\ntwo\n");
}

#[test]
fn a_plan_tells_of_loops_that_depend_and_gathers_facts_all_the_same() {
    let place = tempfile::tempdir().unwrap();
    let site = "- hosts: all
  gather_facts: false
  tasks:
    - command: 'true'
    - copy: {dest: '{{ top }}/m{{ item }}', content: x}
      loop: [a, b]
- hosts: all
  tasks:
    - debug: {msg: 'this is {{ ansible_hostname }}'}
    - pause: {seconds: 1}
";
    let text = apply(&Servers::start(), 1, place.path(), site, &["--check"]);
    assert_eq!(text.0, 0, "{}", text.1);
    assert!(text.1.contains("depends on `command`") && text.1.contains("this is "), "{}", text.1);
}

#[test]
fn what_is_below_an_archive_that_is_yet_to_be_unpacked_depends_on_it() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("member"), "x\n").unwrap();
    let packed = std::process::Command::new("tar").args(["-czf", "x.tgz", "member"]).current_dir(place.path()).status();
    assert!(packed.unwrap().success());
    let unpacking = "    - file: {path: '{{ top }}/d', state: directory}
    - unarchive: {src: '{{ top }}/x.tgz', dest: '{{ top }}/d', creates: '{{ top }}/d/.complete'}
    - copy: {content: done, dest: '{{ top }}/d/.complete'}
";
    let planned = tasks(place.path(), unpacking, &["--check"]);
    // The archive may hold that file: it is known when it has been unpacked.
    assert!(planned.contains("changed=2") && planned.contains("depends on `unarchive`"), "{planned}");
    let done = tasks(place.path(), unpacking, &[]);
    assert!(done.contains("changed=3"), "{done}");
    assert!(tasks(place.path(), unpacking, &["--check"]).contains("changed=0"));
}

#[test]
fn what_only_reads_makes_nothing_doubtful_but_what_is_made_of_its_result() {
    let place = tempfile::tempdir().unwrap();
    let there = place.path().display();
    let reading = format!(
        "    - command: echo yes
      register: answer
      changed_when: false
    - copy: {{content: x, dest: {there}/known}}
    - copy: {{content: '{{{{ answer.stdout }}}}', dest: {there}/made}}
    - copy: {{content: x, dest: '{there}/beside'}}
    - lineinfile: {{path: {there}/made, line: x, create: true}}
    - stat: {{path: {there}/made}}
    - command: 'echo {{{{ answer.stdout }}}}'
      changed_when: false
    - copy: {{content: x, dest: {there}/behind}}
"
    );
    let text = tasks(place.path(), &reading, &["--check"]);
    // The file made of it, and the two tasks that look at that file; then the command made of it.
    assert_eq!(text.matches("depends on `").count(), 4, "{text}");
    assert!(text.contains("3 changes to be made on 1 host"), "{text}");
    assert!(text.contains("1 command that never changes anything (`changed_when: false`) not run"), "{text}");
    // A command of which nobody says so may have done anything.
    let text = tasks(place.path(), &reading.replace("      changed_when: false\n", ""), &["--check"]);
    assert!(text.contains("no changes foreseen"), "{text}");
}

#[test]
fn a_second_name_of_a_file_that_is_yet_to_be_made_is_known() {
    let linked = "    - copy: {content: one, dest: '{{ top }}/f'}
    - file: {state: hard, src: '{{ top }}/f', dest: '{{ top }}/g'}
    - name: once more
      file: {state: hard, src: '{{ top }}/f', dest: '{{ top }}/g'}
      register: once_more
    - name: the other way round
      file: {state: hard, src: '{{ top }}/g', dest: '{{ top }}/f'}
      register: other_way
    - copy: {content: two, dest: '{{ top }}/f'}
    - name: another file now
      file: {state: hard, src: '{{ top }}/f', dest: '{{ top }}/g', force: true}
      register: another
    - assert: {that: [once_more is not changed, other_way is not changed, another is changed]}
";
    for flags in [&["--check"][..], &[]] {
        let place = tempfile::tempdir().unwrap();
        tasks(place.path(), linked, flags);
    }
}

#[test]
fn what_a_hidden_task_depends_on_is_told_to_programs_too() {
    let place = tempfile::tempdir().unwrap();
    let hidden = "    - name: ask
      command: echo yes
      register: answer
      no_log: true
    - name: told
      debug: {msg: told}
      when: answer.stdout == 'yes'
      no_log: true
";
    let text = tasks(place.path(), hidden, &["--check", "--output", "json"]);
    assert!(text.contains("\"would_run\":true") && text.contains("\"depends_on\":\"ask\""), "{text}");
    assert!(!text.contains("echo yes"), "{text}");
}
