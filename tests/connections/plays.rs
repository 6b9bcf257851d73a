//! Plays on hosts of all kinds at once: twice, and the second time there is nothing to do.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use super::tree::{Engine, NO_TREE, Tree};
use crate::support::skip::skip;
use crate::support::world::{Servers, apart};

/// A tree, a container in another one, a server and this machine.
pub struct Hosts {
    tree: Tree,
    pub inside: Tree,
    engine: Engine,
    servers: Servers,
    place: tempfile::TempDir,
}

impl Hosts {
    pub fn new() -> Option<Hosts> {
        let (tree, inside) = (Tree::new()?, Tree::new()?);
        let engine = Engine::new(&inside);
        Some(Hosts { tree, inside, engine, servers: Servers::start(), place: tempfile::tempdir().unwrap() })
    }

    pub fn top(&self) -> &Path {
        self.place.path()
    }

    fn inventory(&self) -> String {
        format!(
            "{} ansible_connection=community.general.chroot\nbox ansible_connection=docker ansible_host=web\n\
             here ansible_connection=local\n{}",
            self.tree.text(),
            self.servers.inventory(1)
        )
    }

    fn command(&self, site: &str, more: &[&str]) -> Command {
        let path = format!("{}:{}", self.engine.path().display(), std::env::var("PATH").unwrap());
        let mut command = self.apply(&self.inventory(), site);
        command.args(more).env("PATH", path);
        command
    }

    fn apply(&self, inventory: &str, site: &str) -> Command {
        fs::write(self.top().join("site.yml"), site).unwrap();
        fs::write(self.top().join("hosts"), inventory).unwrap();
        let mut command = apart(Path::new(env!("CARGO_BIN_EXE_bringup")));
        command.args(["apply", "-i", "hosts", "-e", &format!("top={}", self.top().display()), "site.yml"]);
        command.current_dir(self.top()).env("HOME", self.servers.home()).stdin(Stdio::null());
        command
    }

    /// Runs a play on hosts of another inventory, without the stand-in.
    pub fn run_on(&self, inventory: &str, site: &str) -> (i32, String) {
        told(&self.apply(inventory, site).output().unwrap())
    }

    fn run(&self, site: &str, more: &[&str]) -> (i32, String) {
        told(&self.command(site, more).output().unwrap())
    }
}

fn told(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

pub const SITE: &str = r"- hosts: all
  gather_facts: true
  vars: {to: '/tmp/{{ top | basename }}-{{ inventory_hostname | basename }}'}
  tasks:
    - assert: {that: [ansible_user_id == 'root', ansible_kernel | length > 0]}
    - file: {path: '{{ to }}', state: directory, mode: '0750'}
    - copy: {content: 'grüße {{ inventory_hostname }}', dest: '{{ to }}/small', mode: '0600'}
    - copy: {src: large, dest: '{{ to }}/large'}
    - lineinfile: {path: '{{ to }}/lines', line: another, create: true}
    - command: {cmd: cp small copied, chdir: '{{ to }}', creates: '{{ to }}/copied'}
    - fetch: {src: '{{ to }}/large', dest: '{{ top }}/back/{{ inventory_hostname | basename }}', flat: true}
    - stat: {path: '{{ to }}/large'}
      register: there
    - assert: {that: [there.stat.exists, there.stat.size == 300000]}
";

#[test]
fn a_play_on_hosts_of_every_kind_has_nothing_to_do_the_second_time() {
    let Some(hosts) = Hosts::new() else { skip!("{NO_TREE}") };
    let large: Vec<u8> = (0..300_000u32).map(|place| (place % 251) as u8).collect();
    fs::write(hosts.top().join("large"), &large).unwrap();
    let (code, text) = hosts.run(SITE, &[]);
    assert_eq!(code, 0, "{text}");
    let tree = hosts.tree.path().file_name().unwrap();
    for host in [tree.to_str().unwrap(), "box", "here", "h1"] {
        assert_eq!(fs::read(hosts.top().join("back").join(host)).unwrap(), large, "{host}");
    }
    let name = hosts.top().file_name().unwrap().to_str().unwrap();
    let small = fs::read_to_string(hosts.inside.path().join(format!("tmp/{name}-box/small"))).unwrap();
    assert_eq!(small, "grüße box");
    let (code, text) = hosts.run(SITE, &["--diff"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(text.matches("changed=0").count(), 4, "{text}");
    for host in ["here", "h1"] {
        fs::remove_dir_all(format!("/tmp/{name}-{host}")).unwrap();
    }
}

/// `become` goes on from whom one is in there.
#[test]
fn a_task_becomes_another_user_in_a_tree_and_in_a_container() {
    let Some(hosts) = Hosts::new() else { skip!("{NO_TREE}") };
    let site = format!(
        "- hosts: '{},box'
  gather_facts: false
  tasks:
    - {{command: id -un, register: plain}}
    - {{command: id -un, register: root, become: true}}
    - {{command: id -un, register: bob, become: true, become_user: bob}}
    - copy: {{content: x, dest: /home/bob/file}}
      become: true
      become_user: bob
    - {{command: stat -c %U /home/bob/file, register: owner}}
    - assert: {{that: [plain.stdout == 'root', root.stdout == 'root', bob.stdout == 'bob', owner.stdout == 'bob']}}
",
        hosts.tree.text()
    );
    let (code, text) = hosts.run(&site, &[]);
    assert_eq!(code, 0, "{text}");
}

/// Of two runs at the same time the second is told who holds the host.
#[test]
fn a_tree_and_a_container_are_locked_as_hosts_are() {
    let Some(hosts) = Hosts::new() else { skip!("{NO_TREE}") };
    for host in [hosts.tree.text(), "box".to_owned()] {
        let site =
            format!("- hosts: '{host}'\n  gather_facts: false\n  tasks:\n    - shell: touch /tmp/begun; sleep 6\n");
        let mut first = hosts.command(&site, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let begun = |tree: &Tree| tree.path().join("tmp/begun").exists();
        let waited = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            if host == "box" { begun(&hosts.inside) } else { begun(&hosts.tree) }
        });
        assert!(waited, "{host}: the first run did not begin");
        let (code, text) = hosts.run(&site.replace("sleep 6", "true"), &[]);
        assert!(first.wait().unwrap().success());
        assert!(code != 0 && text.contains("since "), "{host}: {text}");
        // Once it is over, the host is free.
        let (code, text) = hosts.run(&site.replace("sleep 6", "true"), &[]);
        assert_eq!(code, 0, "{host}: {text}");
    }
}

/// A container that is stopped in the middle of a play is lost; the other hosts go on.
#[test]
fn a_container_that_is_stopped_meanwhile_is_unreachable() {
    let Some(hosts) = Hosts::new() else { skip!("{NO_TREE}") };
    let stopped = hosts.engine.path().join("stopped").display().to_string();
    let site = format!(
        "- hosts: box,here
  gather_facts: false
  tasks:
    - {{command: 'true'}}
    - shell: 'touch {stopped}; kill -9 $PPID $$'
      when: inventory_hostname == 'box'
      ignore_unreachable: true
      register: lost
      delegate_to: '{{{{ inventory_hostname }}}}'
    - {{command: 'true'}}
"
    );
    // Within the container nobody can write out there: the test stops it as an operator would.
    let site = site.replace(&format!("touch {stopped}; "), "");
    hosts.engine.stop();
    let (code, text) = hosts.run(&site, &[]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("the container web does not run") && text.contains("docker start web"), "{text}");
    assert!(text.contains("here"), "{text}");
}
