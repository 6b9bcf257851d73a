//! Plugins of Python: a tree with filters, tests, lookups, vars and inventory plugins beside the playbook, in a role and in a collection
//! ends as with Ansible, by the oldest and the newest ansible-core and the one in between.
//!
//!     BRINGUP_TEST_ANSIBLE=…/ansible-playbook BRINGUP_TEST_ANSIBLE_OLDEST=… BRINGUP_TEST_ANSIBLE_NEWEST=… cargo test --test cases plugins

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use libtest_mimic::Trial;
use serde_json::Value as Json;

use crate::{
    ansible::{by_ansible, by_bringup, command, difference, prepared, with_python_of},
    random_plays::runs::ansible_program,
    support::skip,
};

/// An `ansible-playbook` that a variable names.
fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

/// What is done with an Ansible.
type With = fn(&Path);

/// A test for each Ansible that is there.
pub fn trials() -> Vec<Trial> {
    let programs = [
        ("ansible", ansible_program()),
        ("oldest", named("BRINGUP_TEST_ANSIBLE_OLDEST")),
        ("newest", named("BRINGUP_TEST_ANSIBLE_NEWEST")),
    ];
    let tests: [(&str, With); 3] = [
        ("a_tree_ends_as_with_ansible", a_tree_ends_as_with_ansible),
        ("what_is_wrong_is_told_with_its_place", what_is_wrong_is_told_with_its_place),
        ("an_inventory_is_told_as_ansible_tells_it", an_inventory_is_told_as_ansible_tells_it),
    ];
    let mut all = vec![skip::always("plugins::nothing_is_started_where_all_is_native", nothing_is_started)];
    for (name, program) in programs {
        for (test, run) in tests {
            let missing = match (&program, name) {
                (Some(_), _) => None,
                (None, "ansible") => Some("there is no ansible to compare with".to_owned()),
                (None, _) => Some(format!("there is no {name} ansible to compare with")),
            };
            let program = program.clone().unwrap_or_default();
            all.push(skip::trial(format!("plugins::{test}::{name}"), || missing, move || run(&program)));
        }
    }
    all
}

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugins/tree")
}

fn bringup(folder: &Path, program: &Path, words: &[&str]) -> (Option<i32>, String) {
    let mut command = command(Path::new(env!("CARGO_BIN_EXE_bringup")), folder);
    with_python_of(&mut command, program);
    let output = command.args(words).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn a_tree_ends_as_with_ansible(program: &Path) {
    let theirs = by_ansible(program, &tree());
    assert_eq!(theirs["exit"], 0, "{theirs:?}");
    let (ours, text) = by_bringup(&tree(), Some(program));
    if let Some(difference) = difference(&ours, &theirs) {
        let said: Vec<&str> = text.lines().filter(|line| !line.starts_with('{')).take(12).collect();
        panic!("{difference}\n{}", said.join("\n"));
    }
}

fn what_is_wrong_is_told_with_its_place(program: &Path) {
    let folder = prepared(&tree());
    let play = "- hosts: h1\n  gather_facts: false\n  tasks:\n";
    let file = folder.path().join("wrong.yml");
    let tasks = [
        "    - debug: {msg: \"{{ 1 | markd }}\"}\n",
        "    - debug: {msg: \"{{ 1 | my.own.louder }}\"}\n",
        "    - debug: {msg: \"{{ 1 is my.own.quiet }}\"}\n",
        "    - debug: {msg: \"{{ lookup('my.own.none') }}\"}\n",
        "    - debug: {msg: \"{{ 1 | marked }} {{ 1 is odd_one }} {{ lookup('beside') }}\"}\n",
    ];
    fs::write(&file, format!("{play}{}", tasks.concat())).unwrap();
    let (code, text) = bringup(folder.path(), program, &["lint", "wrong.yml"]);
    assert_eq!(code, Some(1), "{text}");
    let known = [
        ("there is no filter `markd`", "wrong.yml:4"),
        ("there is no filter `my.own.louder`", "wrong.yml:5"),
        ("there is no test `my.own.quiet`", "wrong.yml:6"),
        ("there is no lookup `my.own.none`", "wrong.yml:7"),
    ];
    for (wrong, place) in known {
        assert!(text.contains(wrong) && text.contains(place), "{wrong}: {text}");
    }
    assert!(text.contains("4 errors"), "{text}");
    for (task, words, place) in [
        ("msg: \"{{ 1 | refused }}\"", "it is 1", "1 | refused"),
        ("msg: \"{{ 1 | broken }}\"", "AttributeError: 'int' object has no attribute", "1 | broken"),
        ("msg: \"{{ lookup('beside', 'fail') }}\"", "it was told to", "lookup('beside', 'fail')"),
    ] {
        fs::write(&file, format!("{play}    - debug:\n        {task}\n")).unwrap();
        let (code, text) = bringup(folder.path(), program, &["apply", "--no-lock", "-i", "hosts", "wrong.yml"]);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(words) && text.contains(place) && text.contains("wrong.yml:5"), "{task}: {text}");
        assert!(!text.contains("Traceback"), "{text}");
    }
}

fn an_inventory_is_told_as_ansible_tells_it(program: &Path) {
    let folder = prepared(&tree());
    let words = ["-i", "machines.yml", "--list", "--playbook-dir", "."];
    let listed = |mut asked: Command| -> Json {
        let output = asked.env("ANSIBLE_VARS_ENABLED", "host_group_vars").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    };
    fs::remove_dir_all(folder.path().join("vars_plugins")).unwrap();
    let mut theirs = command(&program.with_file_name("ansible-inventory"), folder.path());
    theirs.args(words);
    let own = folder.path().join("ansible-inventory");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_bringup"), &own).unwrap();
    let mut ours = command(&own, folder.path());
    with_python_of(&mut ours, program);
    ours.args(words);
    let (mut ours, mut theirs) = (listed(ours), listed(theirs));
    // Since 2.19 Ansible says which texts are never templates.
    told_plainly(&mut theirs);
    for told in [&mut ours, &mut theirs] {
        told["_meta"].as_object_mut().unwrap().remove("profile");
    }
    assert_eq!(ours, theirs);
}

fn told_plainly(value: &mut Json) {
    if let Some(text) = value.get_mut("__ansible_unsafe").map(Json::take) {
        *value = text;
        return;
    }
    match value {
        Json::Array(items) => items.iter_mut().for_each(told_plainly),
        Json::Object(map) => map.values_mut().for_each(told_plainly),
        _ => {}
    }
}

/// No Python is looked for where nothing names a plugin.
fn nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("started");
    let python = folder.path().join("python3");
    fs::write(&python, format!("#!/bin/sh\n: > '{}'\n", mark.display())).unwrap();
    fs::set_permissions(&python, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let task =
        |text: &str| format!("- hosts: localhost\n  gather_facts: false\n  tasks:\n    - debug: {{msg: \"{text}\"}}\n");
    let run = |text: &str| {
        fs::write(folder.path().join("p.yml"), task(text)).unwrap();
        let mut command = command(Path::new(env!("CARGO_BIN_EXE_bringup")), folder.path());
        command.env("PATH", folder.path()).args(["apply", "--no-lock", "-i", "localhost,", "-c", "local", "p.yml"]);
        command.output().unwrap()
    };
    let native = run("{{ 'a' | upper }} {{ 1 is odd }} {{ lookup('env', 'HOME') }}");
    assert!(native.status.success() && !mark.exists(), "{}", String::from_utf8_lossy(&native.stderr));
    let foreign = run("{{ 'a' | my.own.filter }}");
    assert!(!foreign.status.success() && mark.exists());
}
