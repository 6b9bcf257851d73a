//! What is refused before anything runs: names that are none, words that are data, ways that are not there.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use super::tree::{Engine, NO_TREE, Tree};
use crate::support::skip::skip;

struct World {
    tree: Tree,
    engine: Engine,
    place: tempfile::TempDir,
}

impl World {
    fn new() -> Option<World> {
        let tree = Tree::new()?;
        Some(World { engine: Engine::new(&tree), tree, place: tempfile::tempdir().unwrap() })
    }

    /// Runs a play with one line of inventory; the exit code and all that was printed.
    fn run(&self, inventory: &str, tasks: &str) -> (i32, String) {
        let top = self.place.path();
        fs::write(top.join("hosts"), format!("{inventory}\n")).unwrap();
        fs::write(top.join("site.yml"), format!("- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}")).unwrap();
        let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_bringup")));
        let path = format!("{}:{}", self.engine.path().display(), std::env::var("PATH").unwrap());
        command.args(["apply", "--no-lock", "-i", "hosts", "site.yml"]).current_dir(top);
        let output = command.env("PATH", path).env("HOME", top).stdin(Stdio::null()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
    }
}

const TRUE: &str = "    - command: 'true'\n";

#[test]
fn what_is_not_there_is_unreachable_and_says_what_to_do() {
    let Some(world) = World::new() else { skip!("{NO_TREE}") };
    let top = world.place.path();
    for folder in ["empty", "shell/bin"] {
        fs::create_dir_all(top.join(folder)).unwrap();
    }
    fs::copy("/bin/busybox", top.join("shell/bin/sh")).unwrap();
    let at = |name: &str| top.join(name).display().to_string();
    let chroot = |folder: &str| format!("h1 ansible_connection=chroot ansible_host={folder}");
    for (inventory, told) in [
        (chroot(&at("none")), "there is no folder"),
        (chroot(&at("empty")), "empty/bin/sh"),
        (chroot(&at("shell")), "shell/dev/null"),
        (
            format!("{} ansible_chroot_exe=/no/such/chroot", chroot(&world.tree.text())),
            "could not start /no/such/chroot",
        ),
        (
            "h1 ansible_connection=podman ansible_host=web ansible_podman_executable=/no/such/podman".into(),
            "could not start /no/such/podman",
        ),
        ("h1 ansible_connection=docker ansible_host=gone".into(), "there is no container gone"),
        ("gone ansible_connection=docker".into(), "there is no container gone"),
        ("h1 ansible_connection=podman ansible_podman_host=gone ansible_host=web".into(), "there is no container gone"),
        ("h1 ansible_connection=docker ansible_host=web ansible_user=nobody1".into(), "has no user nobody1"),
    ] {
        let (code, text) = world.run(&inventory, TRUE);
        assert!(code == 4 && text.contains("unreachable=1"), "{inventory}: {code} {text}");
        assert!(text.contains(told) && text.contains("help: "), "{inventory}: {text}");
    }
}

#[test]
fn names_that_are_none_are_refused_before_anything_runs() {
    let Some(world) = World::new() else { skip!("{NO_TREE}") };
    for (inventory, told) in [
        ("h1 ansible_connection=docker ansible_host=-it", "`-it` is no name of a container"),
        ("h1 ansible_connection=docker ansible_host=a/b", "is no name of a container"),
        ("h1 ansible_connection=docker ansible_host='web; id'", "is no name of a container"),
        ("h1 ansible_connection=docker ansible_host=web ansible_user=--privileged", "is no user of a container"),
        ("h1 ansible_connection=docker ansible_host=web ansible_docker_extra_args=\"--context 'a\"", "quotes closed"),
        ("h1 ansible_connection=chroot ansible_host=relative/folder", "is no folder to enter"),
        ("h1 ansible_connection=chroot ansible_host=/srv/../etc", "is no folder to enter"),
        ("h1 ansible_connection=chroot", "`h1` is no folder to enter"),
        ("h1 ansible_connection=lxd", "connection `lxd` is not supported"),
    ] {
        let (code, text) = world.run(inventory, TRUE);
        assert!(code != 0 && text.contains(told), "{inventory}: {text}");
    }
    assert_eq!(world.engine.calls(), "");
}

const OWN: &str = "h1 ansible_connection=docker ansible_host=web";

/// What a host says: arguments, a path, a kind.
const TOLD: &str = "    - command: echo --context evil\n      register: told\n";
const PATH: &str = "    - command: echo /\n      register: told\n";
const KIND: &str = "    - command: echo docker\n      register: told\n";

/// A host's words do not choose what is started on this machine.
#[test]
fn data_decides_nothing_that_runs_here() {
    let Some(world) = World::new() else { skip!("{NO_TREE}") };
    let fact = |name: &str| format!("    - set_fact: {{{name}: '{{{{ told.stdout }}}}'}}\n");
    let vars = |name: &str| format!("    - command: id\n      vars: {{{name}: '{{{{ told.stdout }}}}'}}\n");
    for (first, name) in [
        (TOLD, "ansible_docker_extra_args"),
        (TOLD, "ansible_podman_extra_args"),
        (PATH, "ansible_podman_executable"),
        (PATH, "ansible_chroot_exe"),
        (KIND, "ansible_connection"),
    ] {
        let tasks = format!("{first}{}", fact(name));
        let (code, text) = world.run(OWN, &tasks);
        assert!(code != 0 && text.contains("no host decides what runs on this machine"), "{name}: {text}");
    }
    for (first, name) in [(TOLD, "ansible_docker_extra_args"), (KIND, "ansible_connection")] {
        let (code, text) = world.run(OWN, &format!("{first}{}", vars(name)));
        assert!(code != 0 && text.contains("no host decides what runs on this machine"), "{name}: {text}");
    }
    assert!(!world.engine.calls().contains("evil"));
}

/// Nor does a host that data has made lead anywhere here.
#[test]
fn a_host_made_of_data_leads_nowhere_here() {
    let Some(world) = World::new() else { skip!("{NO_TREE}") };
    // A tree that data names, by its address or by a name that a task has made, is not entered.
    let added = format!(
        "{PATH}    - add_host: {{name: t, ansible_connection: chroot, ansible_host: '{{{{ told.stdout }}}}'}}\n    \
         - {{command: id, delegate_to: t}}\n"
    );
    let named = format!(
        "{PATH}    - add_host: {{name: '{}', ansible_connection: chroot}}\n    - {{command: id, delegate_to: '{}'}}\n",
        world.tree.text(),
        world.tree.text()
    );
    // A kind that data chooses, and arguments of the program.
    let (by_name, by_words) = (
        format!("{KIND}    - add_host: {{name: web, ansible_connection: '{{{{ told.stdout }}}}'}}\n"),
        format!(
            "{TOLD}    - add_host: {{name: web, ansible_connection: docker, ansible_docker_extra_args: '{{{{ told.stdout }}}}'}}\n"
        ),
    );
    let [by_name, by_words] =
        [by_name, by_words].map(|tasks| format!("{tasks}    - {{command: id, delegate_to: web}}\n"));
    let delegated = format!("{PATH}    - {{command: id, connection: chroot, delegate_to: '{{{{ told.stdout }}}}'}}\n");
    let decides = "no host decides what runs on this machine";
    for (tasks, reason) in [
        (added, decides),
        (named, "it is a path"),
        (by_name, decides),
        (by_words, decides),
        (delegated, "it is a path"),
    ] {
        let (code, text) = world.run(OWN, &tasks);
        // Messages are broken into lines for people.
        let text = text.replace("\n  │", "").replace("  ", " ");
        assert!(code == 2 && text.contains(reason) && !text.contains("uid=0"), "{tasks}\n{text}");
    }
    assert!(!world.engine.calls().contains("evil"));
}

#[test]
fn words_of_ones_own_lead_to_a_host_that_a_task_has_added() {
    let Some(world) = World::new() else { skip!("{NO_TREE}") };
    // A container that a task has started is a host by its id.
    let container = "    - command: echo web\n      register: told\n    - add_host: {name: t, ansible_connection: docker, \
                     ansible_host: '{{ told.stdout }}', ansible_docker_extra_args: --context mine}\n    \
                     - {command: id, delegate_to: t}\n";
    let (code, text) = world.run(OWN, container);
    assert_eq!(code, 0, "{text}");
    assert!(world.engine.calls().contains("docker|--context|mine|exec|-i|web|"), "{}", world.engine.calls());
    let tree = format!(
        "    - add_host: {{name: t, ansible_connection: chroot, ansible_host: {}}}\n    - {{command: id, delegate_to: t}}\n",
        world.tree.text()
    );
    let (code, text) = world.run(OWN, &tree);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn only_root_enters_a_tree() {
    let Some(world) = World::new() else { skip!("{NO_TREE}") };
    let top = world.place.path();
    let copy = top.join("bringup");
    fs::copy(env!("CARGO_BIN_EXE_bringup"), &copy).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(top, mode).unwrap();
    let line = format!("h1 ansible_connection=chroot ansible_host={}\n", world.tree.text());
    fs::write(top.join("hosts"), line).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&copy);
    command.args(["exec", "-i", "hosts", "all", "--", "true"]).current_dir(top).env("HOME", top);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(text.contains("only root can enter another tree") && text.contains("sudo -E bringup"), "{text}");
}
