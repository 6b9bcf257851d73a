//! Variables that nothing defines are told before a host is touched, and never where they may have a value.

use super::{Place, settled};

/// Tasks, and the names that are told to be undefined.
const CASES: &[(&str, &[&str])] = &[
    ("- debug: msg={{ foo }}", &["foo"]),
    ("- debug: msg={{ foo }}{{ bar.x }}{{ foo }}", &["bar", "foo"]),
    ("- copy: {dest: /nowhere/x, content: '{{ foo | upper }}'}", &["foo"]),
    ("- command: 'echo {{ foo }}'", &["foo"]),
    ("- debug: msg=x\n  when: foo", &["foo"]),
    ("- debug: msg=x\n  when: seen == foo", &["foo"]),
    ("- debug: msg={{ item }}\n  loop: '{{ foo }}'", &["foo"]),
    ("- block:\n  - debug: msg={{ foo }}\n  always:\n  - debug: msg={{ bar }}", &["bar", "foo"]),
    ("- debug: msg={{ sen }}", &["sen"]),
    ("- template: {src: needs.j2, dest: /nowhere/x}", &["foo"]),
    // Nothing is known to be missing here.
    ("- debug: msg={{ seen }}{{ inventory_hostname }}{{ groups }}{{ playbook_dir }}{{ omit }}", &[]),
    ("- debug: msg={{ foo | default('') }}{{ bar is defined }}{{ (foo.x.y | d(1)) + 1 }}", &[]),
    ("- debug: msg={{ foo if bar is defined else 1 }}{{ bar is defined and bar }}{{ true or foo }}", &[]),
    ("- debug: msg={{ ansible_something }}\n  when: seen", &[]),
    ("- debug: msg={{ foo }}\n  when: seen != 'red'", &[]),
    ("- debug: msg={{ foo }}\n  loop: []", &[]),
    ("- debug: msg={{ foo }}\n  ignore_errors: true", &[]),
    ("- debug: msg={{ foo }}\n  tags: never", &[]),
    ("- debug: var=foo", &[]),
    ("- block:\n  - debug: msg={{ foo }}\n  rescue:\n  - debug: msg=x", &[]),
    ("- meta: end_play\n- debug: msg={{ foo }}", &[]),
    ("- set_fact: foo=1\n- debug: msg={{ foo }}", &[]),
    ("- set_fact: {\"{{ seen }}\": 1}\n- debug: msg={{ red }}", &[]),
    ("- command: echo\n  register: foo\n- debug: msg={{ foo.rc }}", &[]),
    ("- debug: msg={{ foo }}\n  vars: {foo: 1}", &[]),
    ("- include_vars: more.yml\n- debug: msg={{ more }}", &[]),
    ("- include_vars: '{{ seen }}.yml'\n- debug: msg={{ color }}", &[]),
    ("- include_tasks: inner.yml\n- debug: msg={{ inner }}", &[]),
    ("- debug: msg={% set foo = 1 %}{{ foo }}", &[]),
    ("- template: {src: header.j2, dest: /nowhere/x}", &[]),
    ("- template: {src: careful.j2, dest: /nowhere/x}", &[]),
    ("- template: {src: needs.j2, dest: /nowhere/x}\n  failed_when: false", &[]),
    (
        "- copy: {content: x, dest: /nowhere/y}\n  delegate_to: localhost\n- template: {src: needs.j2, dest: /nowhere/x}",
        &[],
    ),
    ("- debug: msg={{ [foo, bar] | select('defined') | list }}", &[]),
    ("- group_by: {key: os}\n- debug: msg={{ foo }}", &[]),
    ("- getent: {database: '{{ item }}'}\n  loop: [passwd]\n- debug: msg={{ getent_passwd }}", &[]),
    ("- template: {src: needs.j2, dest: /nowhere/x, variable_start_string: '<<'}", &[]),
    ("- template: {src: needs.j2, dest: /nowhere/x}\n  vars: {foo: 1}", &[]),
    ("- debug: msg={{ range(3) | list }}{{ lookup('env', 'HOME') }}", &[]),
];

fn place() -> Place {
    Place::new(&[
        ("hosts", "h1 seen=red\n"),
        ("more.yml", "more: 1\n"),
        ("red.yml", "color: 1\n"),
        ("inner.yml", "- command: echo\n  register: inner\n"),
        (
            "needs.j2",
            "{% if seen %}{% set own = 1 %}{% endif %}{{ own }}{% if bar is defined %}{{ bar }}{% endif %}\n\
             {% for i in [] %}{{ i }}{{ baz }}{% endfor %}{{ template_path }}{{ foo }}\n{% include 'header.j2' %}{{ after }}\n",
        ),
        (
            "careful.j2",
            "{% set z = foo %}{{ z | default('q') }}{% for i in [foo, bar] if i is defined %}{{ i }}{% endfor %}\n\
             {{ [foo, bar] | select('defined') | join(',') }}{% if foo is defined and foo.x %}{{ foo.y }}{% endif %}\n\
             {% if seen %}{% import 'header.j2' as m %}{% else %}{% from 'header.j2' import n %}{% endif %}{{ m }}{{ n }}{{ foo }}\n",
        ),
        ("header.j2", "#jinja2: variable_start_string:'<<'\n{{ foo }}\n"),
    ])
}

fn play(tasks: &str) -> String {
    let tasks: String = tasks.lines().map(|line| format!("    {line}\n")).collect();
    format!("- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}")
}

#[test]
fn what_nothing_defines_is_told_before_the_run_and_nothing_else() {
    let place = place();
    for (tasks, undefined) in CASES {
        place.write("play.yml", &play(tasks));
        let run = place.run(&["plan", "-i", "hosts", "-c", "local", "--no-lock", "play.yml"]);
        if undefined.is_empty() {
            assert!(run.stdout.contains("PLAY RECAP"), "{tasks}\n{}", run.shown());
            continue;
        }
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{tasks}\n{}", run.shown());
        let told: Vec<&str> = run.stderr.split("  × `").skip(1).filter_map(|text| text.split('`').next()).collect();
        assert_eq!(told, *undefined, "{tasks}\n{}", run.shown());
    }
}

#[test]
fn the_place_and_a_name_that_is_near_are_shown() {
    let place = place();
    place.write("play.yml", &play("- debug: msg=x\n- debug:\n    msg: the colour is {{ sen }}"));
    let run = place.run(&["plan", "-i", "hosts", "-c", "local", "--no-lock", "play.yml"]);
    settled(&place, || {
        insta::assert_snapshot!(run.stderr, @"
  × `sen` is undefined
   ╭─[play.yml:6:31]
 5 │     - debug:
 6 │         msg: the colour is {{ sen }}
   ·                               ─┬─
   ·                                ╰── has no value
   ╰────
  help: did you mean `seen`?
")
    });
    let given = place.run(&["plan", "-i", "hosts", "-c", "local", "--no-lock", "-e", "sen=1", "play.yml"]);
    assert_eq!(given.code, 0, "{}", given.shown());
}
