//! Modules that are not native, without a host: what they are asked before a run, their pages, and what of a tree runs how.

use std::path::PathBuf;

use serde_json::Value as Json;

use super::{Place, Ran, ansible::ansible, settled};
use crate::support::skip;

/// A module of a collection, whose fragment says a part of what it takes; `limit` it takes without a word in its code.
const GATE: &str = r#"#!/usr/bin/python
DOCUMENTATION = r'''
module: gate
short_description: Open and close a gate
description:
  - A gate that is C(open) is open, see M(acme.tools.fence).
options:
  name: {description: The gate., type: str, required: true, aliases: [gate]}
  state: {description: What is wanted., type: str, choices: [open, closed], default: open}
  width: {description: 'In metres; O(state=open) is needed.', type: int}
  posts:
    description: The posts.
    type: list
    elements: dict
    suboptions:
      height: {description: Its height., type: float, required: true}
extends_documentation_fragment: [acme.tools.common]
attributes:
  check_mode: {support: partial, description: x, details: Looks at the gate alone.}
'''
EXAMPLES = r'''
- acme.tools.gate: {name: north, state: open}
'''
RETURN = r'''
swung: {description: Whether it swung., returned: always, type: bool}
'''
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.acme.tools.plugins.module_utils.gate import spec
def main():
    AnsibleModule(argument_spec=spec()).exit_json(swung=True)
if __name__ == '__main__':
    main()
"#;

const COMMON: &str = r#"
class ModuleDocFragment(object):
    DOCUMENTATION = r'''
options:
  owner: {description: Who has it., type: str, required: true}
  quiet: {description: Whether it squeaks. May come from the environment variable QUIET., type: bool, required: true}
'''
"#;

/// A module of people's own whose code says more than its documentation.
const OWN: &str = r#"#!/usr/bin/python
DOCUMENTATION = '''
module: own
short_description: Something of one's own
options:
  old: {description: What it took once., required: true}
'''
from ansible.module_utils.basic import AnsibleModule
SPEC = dict(new=dict(type='int', required=True), how=dict(choices=['slow', 'fast']))
def main():
    AnsibleModule(argument_spec=SPEC, supports_check_mode=True).exit_json()
main()
"#;

/// One whose argument spec nobody can read without running it.
const VAGUE: &str = r#"#!/usr/bin/python
DOCUMENTATION = '''
module: vague
short_description: Something vague
options:
  old: {description: What it took once.}
'''
from ansible.module_utils.basic import AnsibleModule
def main():
    AnsibleModule(argument_spec=dict((name, {}) for name in ('old', 'new'))).exit_json()
main()
"#;

const BROKEN: &str = "DOCUMENTATION = '''\nmodule: [broken\n  x: : y\n'''\n";

const SITE: &str = r"- hosts: all
  gather_facts: false
  tasks:
    - acme.tools.gate:
        name: north
        state: opn
        widht: 3
        owner: me
    - acme.tools.gate:
        gate: '{{ which }}'
        state: '{{ how }}'
        width: wide
        posts: [{height: tall}, {}]
    - own: {old: 1, how: slwo}
    - vague: {new: 1}
    - acme.tools.gate: '{{ all }}'
";

fn place() -> Option<(Place, PathBuf)> {
    let python = ansible()?.join("python3");
    let tools = "collections/ansible_collections/acme/tools";
    let place = Place::new(&[
        ("site.yml", SITE),
        (&format!("{tools}/plugins/modules/gate.py"), GATE),
        (&format!("{tools}/plugins/doc_fragments/common.py"), COMMON),
        (&format!("{tools}/plugins/action/fence.py"), "class ActionModule(object):\n    pass\n"),
        (&format!("{tools}/plugins/modules/fence.py"), GATE),
        ("library/own.py", OWN),
        ("library/vague.py", VAGUE),
        ("library/broken.py", BROKEN),
    ]);
    Some((place, python))
}

fn run(place: &Place, python: &PathBuf, arguments: &[&str]) -> Ran {
    let mut command = place.command(arguments);
    Ran::of(command.env("BRINGUP_PYTHON", python).output().unwrap())
}

macro_rules! place {
    () => {
        match place() {
            Some(place) => place,
            None => skip::skip!("there is no ansible-playbook on the PATH nor in BRINGUP_TEST_ANSIBLE"),
        }
    };
}

#[test]
fn tasks_are_checked_against_what_modules_say_of_themselves() {
    let (place, python) = place!();
    let found = run(&place, &python, &["lint", "site.yml"]);
    settled(&place, || insta::assert_snapshot!("python_lint", found.shown()));
    place.write("broken.yml", "- hosts: all\n  tasks:\n    - broken: {any: 1}\n");
    let broken = run(&place, &python, &["lint", "broken.yml"]);
    let told = "`broken` is not checked: its documentation cannot be read";
    assert!(broken.code == 0 && broken.stdout.contains(told), "{}", broken.shown());
}

#[test]
fn pages_have_what_documentation_and_code_say() {
    let (place, python) = place!();
    let gate = run(&place, &python, &["doc", "acme.tools.gate"]);
    settled(&place, || insta::assert_snapshot!("python_page", gate.shown()));
    let own = run(&place, &python, &["doc", "own"]);
    assert!(own.stdout.contains("new (whole number, required)") && !own.stdout.contains("old"), "{}", own.shown());
    let broken = run(&place, &python, &["doc", "./library/broken.py"]);
    assert!(broken.code == 0 && broken.stdout.contains("its documentation cannot be read"), "{}", broken.shown());
    let fence = run(&place, &python, &["doc", "acme.tools.fence"]);
    assert!(
        fence.stdout.contains("It does not run here: `acme.tools.fence` has an action plugin"),
        "{}",
        fence.shown()
    );
    let none = run(&place, &python, &["doc", "acme.tools.gatte"]);
    assert!(none.code == 1 && none.stderr.contains("there is no module `acme.tools.gatte`"), "{}", none.shown());
    let all = run(&place, &python, &["doc", "--all"]);
    let line = |text: &str| all.stdout.lines().find(|line| line.starts_with(text)).unwrap_or_default().to_owned();
    assert!(line("acme.tools.gate ").ends_with("Python  Open and close a gate"), "{}", all.stderr);
    assert!(line("ansible.builtin.copy ").contains("native"), "{}", all.stderr);
}

#[test]
fn python_may_be_ruled_out_or_named() {
    let (place, python) = place!();
    let never = place.run(&["lint", "--python", "never", "site.yml"]);
    let word = "`acme.tools.gate` cannot run: it takes Python, which `python: never` rules";
    assert!(never.code == 1 && never.stderr.is_empty() && never.stdout.contains(word), "{}", never.shown());
    let apply = place.run(&["apply", "--python", "never", "-i", "h1,", "-c", "local", "site.yml"]);
    assert!(apply.code == 1 && apply.stderr.contains(word) && apply.stdout.is_empty(), "{}", apply.shown());
    place.write("bringup.toml", "python = \"never\"\n");
    assert!(place.run(&["lint", "site.yml"]).stdout.contains(word));
    // What the environment says wins over the file, and a flag over both.
    assert!(!run(&place, &python, &["lint", "site.yml"]).stdout.contains(word));
    assert!(run(&place, &python, &["lint", "--python", "never", "site.yml"]).stdout.contains(word));
    // A path is looked for beside the file.
    std::os::unix::fs::symlink(&python, place.path().join("python3")).unwrap();
    std::fs::create_dir(place.path().join("below")).unwrap();
    place.write("bringup.toml", "python = \"./nowhere/python3\"\n");
    let mut command = place.command(&["lint", "../site.yml"]);
    let nowhere = Ran::of(command.current_dir(place.path().join("below")).output().unwrap());
    let path = place.path().join("./nowhere/python3").display().to_string();
    assert!(nowhere.stdout.replace(['\n', ' ', '│'], "").contains(&path), "{}", nowhere.shown());
}

#[test]
fn a_tree_is_told_what_runs_how() {
    let (place, python) = place!();
    place.write(
        "roles/web/tasks/main.yml",
        "- copy: {src: a, dest: /b}\n  when: x is defined and x is strange\n- acme.tools.fence:\n",
    );
    place.write("roles/web/templates/a.j2", "{# {{ x | no }} #}\n{{ x | odd }} {{ lookup('env', 'HOME') }}\n");
    place.write("roles/web/tasks/more.yml", "- no.such.module:\n- win_ping:\n- block:\n    - own: {new: 1}\n");
    place.write("tree.yml", "- hosts: all\n  roles: [web]\n  tasks: [{acme.tools.gate: {name: x}}]\n");
    let told = run(&place, &python, &["doc", "--coverage", "."]);
    settled(&place, || insta::assert_snapshot!("python_coverage", told.shown()));
    let json = run(&place, &python, &["doc", "--coverage", "tree.yml", "--output", "json"]);
    let json: Json = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["playbooks"], &json["tasks"]), (&Json::from(1), &Json::from(6)), "{json:#}");
    place.write("fine.yml", "- hosts: all\n  tasks:\n    - ping:\n    - own: {new: 1}\n");
    let fine = run(&place, &python, &["doc", "--coverage", "fine.yml"]);
    assert_eq!(fine.code, 0, "{}", fine.shown());
    assert!(fine.stdout.ends_with("2 of 2 tasks: 1 natively, 1 through Python, 0 not at all\n"), "{}", fine.stdout);
    let never = run(&place, &python, &["doc", "--coverage", "fine.yml", "--python", "never"]);
    assert!(never.code == 1 && never.stdout.contains("1 not at all"), "{}", never.shown());
}

#[test]
fn ansible_doc_and_the_schema_know_them() {
    let (place, python) = place!();
    let links = place.run(&["init", "--links", "links"]);
    assert_eq!(links.code, 0, "{}", links.shown());
    let doc = |arguments: &[&str]| {
        let mut command = std::process::Command::new(place.path().join("links/ansible-doc"));
        command.args(arguments).current_dir(place.path()).env("BRINGUP_PYTHON", &python);
        Ran::of(command.env("NO_COLOR", "1").env("HOME", place.path()).output().unwrap())
    };
    let list = doc(&["-l", "acme.tools", "--playbook-dir", "."]);
    let line = list.stdout.lines().find(|line| line.starts_with("acme.tools.gate ")).unwrap_or_default();
    assert!(line.ends_with("Open and close a gate"), "{}", list.shown());
    let json: Json = serde_json::from_str(&doc(&["-j", "acme.tools.gate", "--playbook-dir", "."]).stdout).unwrap();
    let gate = &json["acme.tools.gate"];
    assert_eq!(gate["doc"]["options"]["owner"]["required"], true, "{json:#}");
    assert_eq!((&gate["doc"]["collection"], &gate["return"]["swung"]["type"]), (&"acme.tools".into(), &"bool".into()));
    let snippet = doc(&["-s", "acme.tools.gate", "--playbook-dir", "."]);
    assert!(
        snippet.stdout.starts_with(
            "- name: Open and close a gate\n  acme.tools.gate:\n      name:                 # (required) The gate.\n"
        ),
        "{}",
        snippet.shown()
    );
    for named in ["acme.tools.gate", "site.yml"] {
        let schema = run(&place, &python, &["schema", named]);
        let schema: Json = serde_json::from_str(&schema.stdout).unwrap();
        let properties = &schema["$defs"]["acme.tools.gate"]["anyOf"][0]["properties"];
        assert!(properties["gate"].is_object() && properties["quiet"].is_object(), "{named}: {properties:#}");
    }
}
