//! What a host says is data for ever: every place that evaluates a text, with every way of a host's text to get there.

use std::fs;

use serde_json::Value as Json;

use super::{Place, Ran};

/// What the host says: as an expression, it would leave a file behind.
const SAID: &str = "lookup('pipe', 'touch CANARY')";

/// How a host's text gets into a template: its name, and the expression that gives it.
const WAYS: &[(&str, &str)] = &[
    ("registered", "r.stdout"),
    ("a line of it", "r.stdout_lines[0]"),
    ("slurped", "s.content | b64decode | trim"),
    ("set_fact", "fact"),
    ("set_fact of a list", "facts[0].k"),
    ("hostvars", "hostvars['h1'].r.stdout"),
    ("add_host", "hostvars['added'].said"),
    ("vars of the play", "via"),
    ("vars of the task", "own"),
    ("the variable `vars`", "vars['fact']"),
    ("lookup vars", "lookup('vars', 'fact')"),
    ("lookup pipe", "lookup('pipe', 'cat said')"),
    ("lookup file", "lookup('file', 'said')"),
    ("lookup template", "lookup('template', 'said.j2') | trim"),
    ("include_vars", "included"),
    ("a fact in JSON", "(r.stdout | to_json | from_json)"),
    ("from YAML", "({'k': r.stdout} | to_yaml | from_yaml).k"),
    ("a filter", "r.stdout | trim"),
    ("the filter safe", "r.stdout | safe"),
    ("default", "nothing | default(r.stdout)"),
    ("ternary", "true | ternary(r.stdout, '')"),
    ("joined", "[r.stdout] | join"),
    ("mapped", "[r] | map(attribute='stdout') | first"),
    ("grown", "r.stdout ~ ''"),
    ("formatted", "'%s' | format(r.stdout)"),
    ("replaced", "r.stdout | regex_replace('x', 'x')"),
    ("an inline if", "r.stdout if true else ''"),
    ("the user's own text beside it", "mine ~ ' and ' ~ r.stdout"),
];

/// Where a text is evaluated: its name, and the task with `EXPR` for the text.
const PLACES: &[(&str, &str)] = &[
    ("debug var", "debug: {var: \"{{ EXPR }}\"}"),
    ("assert that", "assert: {that: \"{{ EXPR }}\"}"),
    ("assert that a list", "assert: {that: [\"1 == 1\", \"{{ EXPR }}\"]}"),
    ("assert that an expression for a list", "assert: {that: \"{{ ['1 == 1', EXPR] }}\"}"),
    ("assert that a text around it", "assert: {that: \"true and {{ EXPR }}\"}"),
    ("assert by args", "assert: \"{{ {'that': EXPR} }}\""),
    ("when", "ping:\n      when: \"{{ EXPR }}\""),
    ("when with a list", "ping:\n      when: [true, \"{{ EXPR }}\"]"),
    ("failed_when", "command: echo\n      failed_when: \"{{ EXPR }}\""),
    ("changed_when", "command: echo\n      changed_when: \"{{ EXPR }}\""),
    ("until", "command: echo\n      until: \"{{ EXPR }}\"\n      retries: 1\n      delay: 0"),
    ("debug var of an item", "debug: {var: \"{{ item }}\"}\n      loop: [\"{{ EXPR }}\"]"),
    ("assert of an item", "assert: {that: \"{{ item }}\"}\n      loop: \"{{ [EXPR] }}\""),
    ("assert of with_items", "assert: {that: \"{{ item }}\"}\n      with_items: [\"{{ EXPR }}\"]"),
    ("assert of with_dict", "assert: {that: \"{{ item.value }}\"}\n      with_dict: {a: \"{{ EXPR }}\"}"),
    ("assert of with_nested", "assert: {that: \"{{ item[1] }}\"}\n      with_nested: [[1], [\"{{ EXPR }}\"]]"),
    ("assert of with_subelements", "assert: {that: \"{{ item.1 }}\"}\n      with_subelements: [[{l: [\"{{ EXPR }}\"]}], l]"),
    ("assert of with_random_choice", "assert: {that: \"{{ item }}\"}\n      with_random_choice: [\"{{ EXPR }}\"]"),
    ("assert in a file with vars", "include_tasks: {file: checks.yml, apply: {ignore_errors: true}}\n      vars: {check: \"{{ EXPR }}\"}"),
    ("assert in a file with an item", "include_tasks: {file: item.yml, apply: {ignore_errors: true}}\n      loop: [\"{{ EXPR }}\"]"),
];

const SETUP: &str = "- hosts: h1
  gather_facts: false
  vars:
    via: '{{ r.stdout }}'
    mine: 1 == 1
  tasks:
    - command: cat said
      args: {chdir: '{{ playbook_dir }}'}
      register: r
    - slurp: {src: '{{ playbook_dir }}/said'}
      register: s
    - set_fact: {fact: '{{ r.stdout }}', facts: [{k: '{{ r.stdout }}'}]}
    - add_host: {name: added, said: '{{ r.stdout }}'}
    - copy: {content: \"included: {{ r.stdout | to_json }}\\n\", dest: '{{ playbook_dir }}/made.yml', mode: '0644'}
    - include_vars: made.yml
";

fn place() -> Place {
    let place = Place::new(&[
        ("said", SAID),
        ("said.j2", "{{ r.stdout }}\n"),
        ("checks.yml", "- assert: {that: '{{ check }}'}\n"),
        ("item.yml", "- assert: {that: '{{ item }}'}\n"),
    ]);
    let canary = place.path().join("canary").display().to_string();
    place.write("said", &SAID.replace("CANARY", &canary));
    place
}

/// The results of a run's tasks by their names, those of included files under the name of their module.
fn results(ran: &Ran) -> Vec<(String, Json)> {
    let of = |event: &Json| Some((event["task"]["name"].as_str()?.to_owned(), event.clone()));
    ran.events().iter().filter(|e| e["event"] == "task_result").filter_map(of).collect()
}

#[test]
fn what_a_host_says_is_never_evaluated() {
    let place = place();
    let mut site = SETUP.to_owned();
    let mut wanted = Vec::new();
    for (where_, task) in PLACES {
        for (how, expression) in WAYS {
            let name = format!("{where_}: {how}");
            let task = task.replace("EXPR", expression);
            let own = if *how == "vars of the task" && !task.contains("vars:") { "\n      vars: {own: '{{ r.stdout }}'}" } else { "" };
            if *how == "vars of the task" && own.is_empty() {
                continue;
            }
            site.push_str(&format!("    - name: \"{}\"\n      {task}\n      ignore_errors: true{own}\n", name.replace('"', "'")));
            wanted.push(name);
        }
    }
    place.write("site.yml", &site);
    let ran = place.play("h1,", &["--format", "json"]);
    assert!(!place.path().join("canary").exists(), "a text of the host was evaluated");
    assert_eq!(ran.code, 0, "{}", ran.shown());
    fs::write("/tmp/trust.out", &ran.stdout).unwrap();
    let _ = (results(&ran), wanted);
}
