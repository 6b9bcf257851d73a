//! What a host says is data for ever: every place that evaluates a text, with every way of a host's text to get there.

use serde_json::Value as Json;

use super::Place;

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
    ("assert that a text around it", "assert: {that: \"{{ around }}\"}\n      vars: {around: \"true and {{ EXPR }}\"}"),
    ("assert by args", "assert:\n      args: \"{{ {'that': EXPR} }}\""),
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
    (
        "assert of with_subelements",
        "assert: {that: \"{{ item.1 }}\"}\n      with_subelements: [[{l: [\"{{ EXPR }}\"]}], l]",
    ),
    ("assert of with_random_choice", "assert: {that: \"{{ item }}\"}\n      with_random_choice: [\"{{ EXPR }}\"]"),
    (
        "assert in a file with vars",
        "include_tasks: {file: checks.yml, apply: {ignore_errors: true}}\n      vars: {check: \"{{ EXPR }}\"}",
    ),
    (
        "assert in a file with an item",
        "include_tasks: {file: item.yml, apply: {ignore_errors: true}}\n      loop: [\"{{ EXPR }}\"]",
    ),
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

#[test]
fn what_a_host_says_is_never_evaluated() {
    let place = place();
    let mut site = SETUP.to_owned();
    let mut wanted = Vec::new();
    for (where_, task) in PLACES {
        for (how, expression) in WAYS {
            let name = format!("{where_}: {how}");
            let task = task.replace("EXPR", expression);
            let own = if *how == "vars of the task" && !task.contains("vars:") {
                "\n      vars: {own: '{{ r.stdout }}'}"
            } else {
                ""
            };
            if *how == "vars of the task" && own.is_empty() {
                continue;
            }
            site.push_str(&format!(
                "    - name: \"{}\"\n      {task}\n      ignore_errors: true{own}\n",
                name.replace('"', "'")
            ));
            wanted.push(name);
        }
    }
    place.write("site.yml", &site);
    let ran = place.play("h1,", &["--output", "json"]);
    assert!(!place.path().join("canary").exists(), "a text of the host was evaluated");
    let refused = |event: &Json| {
        let text = event["result"].to_string() + &event["message"].to_string();
        // What is shown may be data: it is shown as it is.
        let shown = event["status"] == "ok" && event["action"].as_str().is_some_and(|action| action.ends_with("debug"));
        shown || text.contains("is data, not an expression") && (text.contains(".yml:") || event["place"].is_string())
    };
    let events: Vec<Json> = ran.events().into_iter().filter(|e| e["event"] == "task_result").collect();
    let last = events.last().map(|e| e["task"].to_string());
    let (mut silent, mut inside) = (Vec::new(), 0);
    for event in &events {
        let name = event["task"].as_str().unwrap_or_default().to_owned();
        inside += usize::from(name == "assert" && refused(event));
        if wanted.contains(&name) && event["action"] != "include_tasks" && !refused(event) {
            silent.push(name);
        }
    }
    assert!(silent.is_empty(), "no error: {silent:#?}");
    // The tasks of the two files with checks, one for each way but one.
    assert_eq!((ran.code, inside), (0, 2 * WAYS.len() - 1), "{last:?}");
    assert!(wanted.iter().all(|name| events.iter().any(|e| e["task"] == name.as_str())));
}

/// What people do with texts of their own goes on working.
#[test]
fn the_users_own_texts_are_evaluated() {
    let site = r#"- hosts: all
  gather_facts: false
  vars:
    checks: [number == 7, "'a' in letters"]
    wrong: number == 8
    right: number == 7
    number: 7
    letters: [a, b]
  tasks:
    - assert: {that: "{{ checks }}"}
    - assert: {that: "{{ item }}"}
      loop: "{{ checks }}"
    - assert: {that: "{{ item }}"}
      with_items: [number == 7, "{{ right }}"]
    - assert: {that: "{{ item.value }}"}
      with_dict: {a: number == 7}
    - assert: {that: "{{ wrong }}"}
      register: failed
      ignore_errors: true
    - assert: {that: failed is failed}
    - fail: {msg: the condition is a text}
      when: "{{ wrong }}"
    - ping:
      when: "{{ right }}"
      register: ran
    - assert: {that: ran is not skipped}
    - assert: {that: "{{ from_inventory }}"}
    - assert: {that: "{{ hostvars['h1'].from_inventory }}"}
    - assert: {that: "{{ extra }}"}
    - assert: {that: "{{ filed }}"}
    - debug: {var: number}
    - debug: {var: "{{ item }}"}
      loop: [number, letters]
      register: shown
    - assert: {that: ["shown.results[0].number == 7", "shown.results[1].letters == letters"]}
    - include_tasks: item.yml
      loop: "{{ checks }}"
    - include_tasks: checks.yml
      vars: {check: "{{ right }}"}
    - assert: {that: "{{ around }}"}
      vars: {around: "{{ right }} and {{ number }} == 7 and '{{ inventory_hostname }}' == 'h1'"}
"#;
    let place = Place::new(&[
        ("site.yml", site),
        ("hosts", "h1 from_inventory='number == 7'\n"),
        ("group_vars/all.yml", "filed: number == 7\n"),
        ("checks.yml", "- assert: {that: '{{ check }}'}\n"),
        ("item.yml", "- assert: {that: '{{ item }}'}\n"),
    ]);
    let ran = place.play("hosts", &["-e", "{\"extra\": \"number == 7\"}"]);
    assert_eq!(ran.code, 0, "{}", ran.shown());
}

/// A file that a task wrote here is data: no template, no tasks.
#[test]
fn a_file_from_a_host_is_no_template() {
    let place = place();
    let site = r#"- hosts: h1
  gather_facts: false
  tasks:
    - command: cat said
      args: {chdir: "{{ playbook_dir }}"}
      register: r
    - copy: {content: "a: '{{ '{{' }} {{ r.stdout }} }}'\n", dest: "{{ playbook_dir }}/made.yml", mode: "0644"}
    - fetch: {src: "{{ playbook_dir }}/made.yml", dest: "{{ playbook_dir }}/fetched.yml", flat: true}
    - include_vars: "{{ item }}"
      loop: [made.yml, fetched.yml]
    - debug: {msg: "{{ a }}"}
    - template: {src: "{{ item }}", dest: "{{ playbook_dir }}/out", mode: "0644"}
      loop: [made.yml, fetched.yml, including.j2]
      ignore_errors: true
      register: rendered
    - assert: {that: "rendered.results | select('failed') | list | length == 3"}
    - debug: {msg: "{{ lookup('template', 'fetched.yml') }}"}
      ignore_errors: true
      register: looked
    - assert: {that: ["looked is failed", "'a task of this run wrote it' in looked.msg"]}
    - include_tasks: fetched.yml
      ignore_errors: true
      register: included
"#;
    place.write("site.yml", site);
    place.write("including.j2", "{% include 'fetched.yml' %}\n");
    let ran = place.play("h1,", &[]);
    assert!(!place.path().join("canary").exists(), "{}", ran.shown());
    assert!(ran.shown().contains("a task of this run wrote it"), "{}", ran.shown());
}
