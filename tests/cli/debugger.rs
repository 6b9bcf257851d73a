//! The task debugger: what is typed at it, line by line.

use super::Place;

const SITE: &str = "- hosts: all
  gather_facts: false
  debugger: on_failed
  vars:
    right: value
  tasks:
    - name: said
      command: echo '{% raw %}{{ 1 + 1 }}{% endraw %}'
      register: said
    - name: wrong
      debug: {msg: '{{ wrong }}'}
      register: told
    - name: file
      command: cat {{ file }}
      vars: {file: nowhere}
    - name: end
      debug: {msg: 'it was {{ told.msg }}'}
";

const RUN: &[&str] = &["apply", "-c", "local", "--no-lock", "-i", "h1,", "site.yml"];

#[test]
fn an_argument_is_changed_and_the_task_done_again() {
    let place = Place::new(&[("site.yml", SITE)]);
    let typed = "p task\np task.args\np host\np result._result.msg\np nowhere\np )(\ntask.args['msg'] = '{{ right }}'\nredo\n\
                 task_vars['file'] = '/dev/null'\nu\np task.args['_raw_params']\nr\n";
    let ran = place.answer(RUN, typed);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    for shown in [
        "TASK: wrong (debug)> \nTASK: wrong\n",
        "{'msg': '{{ wrong }}'}",
        "'h1'",
        "`wrong` is undefined",
        "*** ",
        "'cat /dev/null'",
        "it was value",
        "failed=0",
    ] {
        assert!(ran.stdout.contains(shown), "no {shown:?} in {}", ran.stdout);
    }
    assert!(ran.stderr.contains("h1: wrong (site.yml:10:7): failed: "), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("this is the task debugger").count(), 1, "{}", ran.stderr);
}

#[test]
fn what_a_host_said_is_no_template_in_the_debugger_either() {
    let place = Place::new(&[("site.yml", SITE)]);
    let ran = place.answer(RUN, "task.args['msg'] = said.stdout\nr\nc\n");
    assert_eq!(ran.code, 2, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("\"msg\": \"{{ 1 + 1 }}\""), "{}", ran.stdout);
}

#[test]
fn a_run_that_nobody_answers_ends() {
    let place = Place::new(&[("site.yml", SITE)]);
    for typed in ["q\n", "p 1\n", ""] {
        let ran = place.answer(RUN, typed);
        assert_eq!(ran.code, 130, "{typed:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("User interrupted execution") && !ran.stdout.contains("it was"), "{}", ran.stdout);
    }
}

#[test]
fn the_debugger_starts_where_it_is_told_to() {
    let site = |play: &str, task: &str| {
        format!(
            "- hosts: all\n  gather_facts: false\n{play}  tasks:\n    - name: looked at\n{task}    - debug: {{msg: behind}}\n"
        )
    };
    let (fails, skips) = ("      command: 'false'\n", "      debug:\n      when: false\n");
    let fine = "      debug:\n";
    for (play, task, starts) in [
        ("", fails, false),
        ("  strategy: debug\n", fails, true),
        ("  strategy: debug\n", "      command: 'false'\n      ignore_errors: true\n", false),
        ("  strategy: debug\n", "      command: 'false'\n      debugger: never\n", false),
        ("  debugger: on_failed\n", fine, false),
        ("  debugger: always\n", fine, true),
        ("  debugger: on_skipped\n", skips, true),
        ("  debugger: on_unreachable\n", fails, false),
        ("", "      block: [{command: 'false', debugger: on_failed}]\n", true),
    ] {
        let place = Place::new(&[("site.yml", &site(play, task))]);
        let ran = place.answer(RUN, "c\nc\nc\n");
        let started = ran.stdout.contains("(debug)>");
        assert_eq!(started, starts, "{play}{task}: {}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn the_debugger_keeps_what_no_log_hides() {
    let site = "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: sh -c 'echo hu''sh; false'\n      no_log: true\n      debugger: on_failed\n";
    let place = Place::new(&[("site.yml", site)]);
    let ran = place.answer(RUN, "p task.args\np result._result\nc\n");
    assert!(ran.stdout.contains("hidden by no_log") && ran.stdout.contains("censored"), "{}", ran.stdout);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("hush"), "{}{}", ran.stdout, ran.stderr);
}
