//! Modules that are not native: found and made by ansible-core, run by the Python of the host.
//!
//! What they come to is asserted by the plays themselves, so that Ansible can be asked the same.

mod hostile;
mod modules;
mod resident;
mod travel;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{
    cli::ansible::ansible,
    support::{skip, world::Servers, world::apart},
};

/// A tree of playbooks, and the Ansible beside which it is run.
pub struct Tree {
    place: TempDir,
    ansible: PathBuf,
    servers: Servers,
}

/// What a run came to.
pub struct Ran {
    pub code: i32,
    pub text: String,
}

impl Tree {
    /// A tree with these files. Nothing, and it is told, where there is no Ansible.
    pub fn new(files: &[(&str, &str)]) -> Option<Tree> {
        let Some(ansible) = ansible() else {
            skip::tell("skipped", "there is no ansible-playbook on the PATH nor in BRINGUP_TEST_ANSIBLE");
            return None;
        };
        let tree = Tree { place: tempfile::tempdir().unwrap(), ansible, servers: Servers::start() };
        for (name, text) in files {
            tree.write(name, text);
        }
        tree.write("hosts", &tree.servers.inventory(2));
        Some(tree)
    }

    pub fn path(&self) -> &Path {
        self.place.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap_or_default()
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = apart(program);
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(self.ansible.clone()).chain(std::env::split_paths(&paths));
        command.env("PATH", std::env::join_paths(paths).unwrap()).env("HOME", self.servers.home());
        command.current_dir(self.path());
        command
    }

    fn ran(mut command: Command) -> Ran {
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Ran { code: output.status.code().unwrap_or(-1), text }
    }

    /// The command of bringup with these words; the interpreter of hosts is that of Debian.
    pub fn bringup(&self, words: &[&str]) -> Command {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_bringup")));
        command.args(words).args(["-i", "hosts", "-e", &format!("top={}", self.path().display())]);
        command
    }

    /// Runs a playbook for the first host.
    pub fn apply(&self, site: &str, more: &[&str]) -> Ran {
        self.write("site.yml", site);
        let words = [&["apply", "--no-lock", "site.yml", "-l", "h1"], more].concat();
        Tree::ran(self.bringup(&words))
    }

    /// The same by Ansible.
    pub fn ansible(&self, site: &str, more: &[&str]) -> Ran {
        self.write("site.yml", site);
        let mut command = self.command(&self.ansible.join("ansible-playbook"));
        command.args(["-i", "hosts", "-l", "h1", "-e", &format!("top={}", self.path().display()), "site.yml"]);
        command.env("ANSIBLE_HOST_KEY_CHECKING", "false").env("ANSIBLE_PIPELINING", "true").args(more);
        Tree::ran(command)
    }

    /// Runs tasks for one host, by bringup and by Ansible: they assert what they come to.
    pub fn both(&self, tasks: &str) {
        let site = format!("- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}");
        let theirs = self.ansible(&site, &["-e", PYTHON]);
        assert_eq!(theirs.code, 0, "Ansible: {}", theirs.text);
        let ours = self.apply(&site, &["-e", PYTHON]);
        assert_eq!(ours.code, 0, "{}", ours.text);
    }
}

/// What the hosts' interpreter is.
pub const PYTHON: &str = "ansible_python_interpreter=/usr/bin/python3";

/// A module of people's own; `body` has `module` and `p`, its parameters, which are `how` and `path`.
pub fn module(body: &str) -> String {
    let body: String = body.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "#!/usr/bin/python\nimport os, sys, signal, time\nfrom ansible.module_utils.basic import AnsibleModule\n\n\n\
         def main():\n    module = AnsibleModule(\n        argument_spec=dict(how=dict(), path=dict(), secret=dict(no_log=True)), \
         supports_check_mode=True)\n    p = module.params\n{body}    module.exit_json(changed=False)\n\n\nmain()\n"
    )
}
