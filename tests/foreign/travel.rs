//! Calls that travel together: as few round trips as can be, and done as if each were waited for.

use super::{PYTHON, Tree, module};

/// Notes in a file that it was run, and does as it is told.
const NOTE: &str = "with open(p['path'], 'a') as file: file.write(p['how'] + '\\n')
if p['how'].startswith('fail'): module.fail_json(msg=p['how'])
if p['how'].startswith('fact'): module.exit_json(ansible_facts=dict(ansible_told=p['how']))
if p['how'].startswith('plain'): module.exit_json(ansible_facts=dict(told=p['how']))
if p['how'].startswith('quiet'): module.exit_json(failed=True)
module.exit_json(changed=p['how'].startswith('change'))";

fn tree() -> Option<Tree> {
    let role = "- note: {path: '{{ top }}/noted', how: role}\n";
    Tree::new(&[("library/note.py", &module(NOTE)), ("roles/r/tasks/main.yml", role)])
}

/// How often a host was spoken to.
fn round_trips(text: &str) -> usize {
    let line = text.lines().find(|line| line.contains(" round trips")).unwrap_or_default();
    line.rsplit(' ').nth(2).and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn tasks_whose_parameters_are_known_travel_together() {
    let Some(tree) = tree() else { return };
    let note = |how: &str| format!("    - note: {{path: '{{{{ top }}}}/noted', how: {how}}}\n");
    let tasks: String = (1..=10).map(|n| note(&format!("n{n}"))).collect();
    let site = format!(
        "- hosts: all\n  gather_facts: false\n  tasks:\n{}    - note: {{path: /dev/null, how: '{{{{ item }}}}'}}\n      loop: [a, b, c]\n{tasks}",
        note("first")
    );
    let together = tree.apply(&site, &["-e", PYTHON]);
    assert_eq!(together.code, 0, "{}", together.text);
    let noted = tree.read("noted");
    assert_eq!(
        noted.lines().collect::<Vec<_>>(),
        ["first", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9", "n10"]
    );
    let apart = tree.apply(&site, &["--no-lookahead", "-e", PYTHON]);
    assert_eq!(apart.code, 0, "{}", apart.text);
    assert!(round_trips(&together.text) + 8 < round_trips(&apart.text), "{}\n{}", together.text, apart.text);
}

/// Tasks, `P` being where they note that they were done, and what is noted in the end.
const ONE_BY_ONE: &[(&str, &str)] = &[
    // A failure ends it.
    ("- note: {path: P, how: fail}\n- note: {path: P, how: behind}", "fail"),
    (
        "- note: {path: P, how: a}\n- {note: {path: P, how: fail}, ignore_errors: true}\n- note: {path: P, how: behind}",
        "a fail behind",
    ),
    ("- {note: {path: P, how: a}, failed_when: true}\n- note: {path: P, how: behind}", "a"),
    ("- {note: {path: P, how: fail}, failed_when: false}\n- note: {path: P, how: behind}", "fail behind"),
    (
        "- note: {path: P, how: a}\n- {note: {path: P, how: b}, failed_when: true}\n- note: {path: P, how: behind}",
        "a b",
    ),
    // Items go on, tasks do not.
    ("- {note: {path: P, how: '{{ item }}'}, loop: [a, fail, b]}\n- note: {path: P, how: behind}", "a fail b"),
    (
        "- block: [{note: {path: P, how: fail}}, {note: {path: P, how: behind}}]\n  rescue: [{note: {path: P, how: rescued}}]",
        "fail rescued",
    ),
    // A module may fail and end well.
    ("- note: {path: P, how: quiet}\n- note: {path: P, how: behind}", "quiet"),
    // What is told is read, whatever it is called.
    ("- note: {path: P, how: plain}\n- note: {path: P, how: \"{{ told | default('no') }}\"}", "plain plain"),
    ("- note: {path: P, how: fact}\n- note: {path: P, how: \"{{ ansible_told | default('no') }}\"}", "fact fact"),
    (
        "- {note: {path: P, how: change}, register: r}\n- {note: {path: P, how: behind}, when: r is changed}",
        "change behind",
    ),
    ("- {note: {path: P, how: same}, register: r}\n- {note: {path: P, how: behind}, when: r is changed}", "same"),
    (
        "- {note: {path: P, how: \"{{ 'again' if (r | default({})).attempts | default(0) else 'a' }}\"}, register: r, until: true}\n\
          - note: {path: P, how: behind}",
        "a behind",
    ),
    (
        "- {note: {path: P, how: \"{{ item }}{{ r.invocation.module_args.how | default('') if r is defined else '' }}\"}, loop: [a, b], register: r}",
        "a ba",
    ),
    // Conditions that are known.
    (
        "- note: {path: P, how: a}\n- {note: {path: P, how: never}, when: false}\n- note: {path: P, how: behind}",
        "a behind",
    ),
    (
        "- {note: {path: P, how: '{{ item }}'}, loop: [a, b, c], when: item != 'b'}\n- note: {path: P, how: behind}",
        "a c behind",
    ),
    ("- {note: {path: P, how: '{{ item }}'}, loop: [a, b, c], loop_control: {break_when: \"item == 'b'\"}}", "a b"),
    // A role that has run is passed by.
    (
        "- import_role: {name: r, allow_duplicates: false}\n- import_role: {name: r, allow_duplicates: false}\n- note: {path: P, how: behind}",
        "role behind",
    ),
    // Others act in between.
    ("- note: {path: P, how: a}\n- shell: echo b >> P\n- note: {path: P, how: c}", "a b c"),
    ("- note: {path: P, how: a}\n- meta: end_play\n- note: {path: P, how: behind}", "a"),
];

/// What stands behind a failure, a fact, or a result that is read is not done before.
#[test]
fn nothing_is_done_that_would_not_be_done_one_by_one() {
    let Some(tree) = tree() else { return };
    for (tasks, noted) in ONE_BY_ONE {
        std::fs::remove_file(tree.path().join("noted")).ok();
        let tasks = tasks.replace(" P,", &format!(" {}/noted,", tree.path().display()));
        let tasks = tasks.replace(">> P", &format!(">> {}/noted", tree.path().display()));
        let tasks: String = tasks.lines().map(|line| format!("    {line}\n")).collect();
        // What is sent for the module is made once that is over: whatever can travel together does.
        let before = "    - {note: {path: /dev/null, how: before}, changed_when: false}\n";
        let site = format!("- hosts: all\n  gather_facts: false\n  tasks:\n{before}{tasks}");
        let ran = tree.apply(&site, &["-e", PYTHON]);
        let read = tree.read("noted").split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(read, *noted, "{tasks}{}", ran.text);
    }
}

/// A handler is owed by the change that notifies it, and by no other.
#[test]
fn handlers_follow_what_has_changed() {
    let Some(tree) = tree() else { return };
    let site = "- hosts: all
  gather_facts: false
  tasks:
    - {note: {path: '{{ top }}/noted', how: same}, notify: never}
    - {note: {path: '{{ top }}/noted', how: change}, notify: once}
    - {note: {path: '{{ top }}/noted', how: change}, notify: once}
  handlers:
    - {name: never, note: {path: '{{ top }}/noted', how: never}}
    - {name: once, note: {path: '{{ top }}/noted', how: once}}
";
    let ran = tree.apply(site, &["-e", PYTHON]);
    assert_eq!(ran.code, 0, "{}", ran.text);
    assert_eq!(tree.read("noted"), "same\nchange\nchange\nonce\n");
}

/// Nothing of a run that is killed goes on.
#[test]
fn no_python_outlives_the_run() {
    let body = "open(p['path'], 'w').write(str(os.getpid()))\ntime.sleep(60)";
    let Some(tree) = Tree::new(&[("library/sleep.py", &module(body))]) else { return };
    tree.write("site.yml", "- hosts: h1\n  gather_facts: false\n  tasks: [{sleep: {path: '{{ top }}/pid'}}]\n");
    let mut child = tree.bringup(&["apply", "--no-lock", "site.yml", "-e", PYTHON]).spawn().unwrap();
    let within = |holds: &dyn Fn() -> bool| {
        (0..400).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            holds()
        })
    };
    assert!(within(&|| !tree.read("pid").is_empty()), "it did not start");
    let pid = tree.read("pid");
    // `unshare` has become the program itself.
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(within(&|| !std::path::Path::new(&format!("/proc/{pid}")).exists()), "{pid} goes on");
}
