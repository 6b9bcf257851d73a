//! A real Docker, where there is one: the stand-in of the other tests must not be the only one that takes our words.

use std::{
    fs,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use super::{plays::Hosts, suite, target, tree::Tree};
use crate::support::skip;

/// The daemon that the environment names, or one of its own; one container of a tree runs there.
pub struct Daemon {
    /// Names the daemon; the environment does where it is empty.
    address: Vec<String>,
    name: String,
    own: Option<(Child, tempfile::TempDir)>,
}

impl Daemon {
    fn start(tree: &Tree) -> Result<Daemon, String> {
        let name = format!("bringup-test-{}", std::process::id());
        let mut daemon = Daemon { address: Vec::new(), name, own: None };
        if let Some(missing) = skip::program("docker") {
            return Err(format!("no docker answers: {missing}"));
        }
        if !daemon.docker(&["version"]).status.success() {
            daemon.start_own()?;
        }
        daemon.run_container(tree);
        Ok(daemon)
    }

    /// Without a network, which neither the tests nor what else runs on this machine want changed.
    fn start_own(&mut self) -> Result<(), String> {
        if let Some(missing) = skip::root().or_else(|| skip::program("dockerd")) {
            return Err(format!("no docker answers, and none can be started: {missing}"));
        }
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name).display().to_string();
        fs::write(at("daemon.json"), "{}").unwrap();
        self.address = vec!["-H".to_owned(), format!("unix://{}", at("socket"))];
        let mut command = Command::new("dockerd");
        command.args(["--storage-driver=vfs", "--iptables=false", "--ip-forward=false", "--bridge=none"]);
        command.args(["--config-file", &at("daemon.json"), "--pidfile", &at("pid")]);
        command.args(["--data-root", &at("data"), "--exec-root", &at("exec")]).args(&self.address);
        let log = fs::File::create(at("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let log = at("log");
        self.own = Some((child, place));
        let answers = (0..300).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            self.docker(&["version"]).status.success()
        });
        // Some machines let nobody start containers, not even root.
        answers.then_some(()).ok_or_else(|| {
            let said = fs::read_to_string(log).unwrap_or_default();
            format!("dockerd does not start here: {}", said.lines().last().unwrap_or_default())
        })
    }

    fn run_container(&self, tree: &Tree) {
        let tar = Command::new("tar").args(["-C", &tree.text(), "--exclude=./proc/*", "-c", "."]).output().unwrap();
        let archive = tempfile::NamedTempFile::new().unwrap();
        fs::write(archive.path(), &tar.stdout).unwrap();
        let image = self.docker(&["import", &archive.path().display().to_string(), &self.name]);
        assert!(image.status.success(), "{image:?}");
        let more = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"];
        let run = ["run", "--detach", "--init=false", "--network=none", "--name", &self.name, &self.name];
        let container = self.docker(&[&run[..], &more].concat());
        assert!(container.status.success(), "{container:?}");
    }

    fn docker(&self, words: &[&str]) -> Output {
        Command::new("docker").args(&self.address).args(words).stdin(Stdio::null()).output().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.docker(&["rm", "--force", &self.name]);
        self.docker(&["rmi", &self.name]);
        if let Some((child, _)) = &mut self.own {
            // Asked to, it ends what it has started and mounted.
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_of_a_real_docker_is_a_host() {
    let Some(hosts) = Hosts::new() else { skip::skip!("{}", super::tree::NO_TREE) };
    let daemon = match Daemon::start(&hosts.inside) {
        Ok(daemon) => daemon,
        Err(reason) => skip::skip!("{reason}"),
    };
    let extra = daemon.address.join(" ");
    let values = [("ansible_docker_extra_args", extra.as_str()), ("ansible_host", daemon.name.as_str())];
    suite(&target("community.docker.docker", &values), "/root").await;
    tokio::task::spawn_blocking(move || plays(&hosts, &daemon)).await.unwrap();
}

/// The plays of the stand-in, with the real one.
fn plays(hosts: &Hosts, daemon: &Daemon) {
    let line = |name: &str| {
        format!(
            "box ansible_connection=docker ansible_host={name} ansible_docker_extra_args='{}'\n",
            daemon.address.join(" ")
        )
    };
    let run = |name: &str, site: &str| hosts.run_on(&line(name), site);
    fs::write(hosts.top().join("large"), vec![7; 300_000]).unwrap();
    let (code, text) = run(&daemon.name, super::plays::SITE);
    assert_eq!(code, 0, "{text}");
    let (code, text) = run(&daemon.name, super::plays::SITE);
    assert!(code == 0 && text.contains("changed=0"), "{text}");
    let one = "- hosts: box\n  gather_facts: false\n  tasks:\n    - command: id\n";
    for (prepared, name, told) in [
        (&["pause"][..], daemon.name.as_str(), "does not run"),
        (&["unpause"], "bringup-test-gone", "there is no container bringup-test-gone"),
        (&["stop", "--time=5"], daemon.name.as_str(), "does not run"),
    ] {
        let done = daemon.docker(&[prepared, &[daemon.name.as_str()]].concat());
        assert!(done.status.success(), "{done:?}");
        let (code, text) = run(name, one);
        assert!(code == 4 && text.contains("unreachable=1") && text.contains(told), "{code} {text}");
    }
}
