//! Where a play runs: folders that stand for hosts, servers to reach them by, and what is in them afterwards.

use std::{
    collections::BTreeMap,
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value as Json;
use tempfile::TempDir;

/// Runs what follows with a `/var/lib` of its own: what bringup keeps there is one host's, and ours are one machine.
const OWN_STATE: &str = "mount -t tmpfs -o mode=755 tmpfs /var/lib && mkdir /var/lib/bringup && exec \"$@\"";

/// A command whose `/var/lib` is its own, where this machine allows that.
pub fn apart(program: &Path) -> Command {
    let works =
        Command::new("unshare").args(["--mount", "sh", "-c", OWN_STATE, "sh", "true"]).stderr(Stdio::null()).status();
    if !works.is_ok_and(|s| s.success()) {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", OWN_STATE, "sh"]).arg(program);
    command
}

/// Two servers on the loopback, each with a state of its own.
pub struct Servers {
    dir: TempDir,
    ports: Vec<u16>,
    running: Vec<Child>,
}

impl Servers {
    pub fn start() -> Servers {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display().to_string();
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(dir.path().join(key))
                .status();
            assert!(
                made.is_ok_and(|s| s.success()),
                "ssh-keygen is missing: install openssh-client to run these tests"
            );
        }
        fs::create_dir_all("/run/sshd").ok();
        fs::create_dir(dir.path().join(".ssh")).unwrap();
        let mut servers = Servers { dir, ports: Vec::new(), running: Vec::new() };
        let mut known = String::new();
        for number in 0..2 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let config = format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {path}/host\nPidFile none\nUsePAM no\nStrictModes no\n\
                 PermitRootLogin yes\nAuthorizedKeysFile {path}/user.pub\nMaxStartups 200\nLogLevel ERROR\n"
            );
            let file = servers.dir.path().join(format!("config{number}"));
            fs::write(&file, config).unwrap();
            let log = fs::File::create(servers.dir.path().join(format!("log{number}"))).unwrap();
            let mut command = apart(Path::new("/usr/sbin/sshd"));
            command.args(["-D", "-e", "-f"]).arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            servers.running.push(command.spawn().expect("sshd is missing: install openssh-server to run these tests"));
            servers.ports.push(port);
            known.push_str(&format!(
                "[127.0.0.1]:{port} {}",
                fs::read_to_string(servers.dir.path().join("host.pub")).unwrap()
            ));
        }
        fs::write(servers.dir.path().join(".ssh/known_hosts"), known).unwrap();
        for port in &servers.ports {
            let up = (0..500).any(|_| {
                std::thread::sleep(Duration::from_millis(10));
                TcpStream::connect(("127.0.0.1", *port)).is_ok()
            });
            assert!(up, "sshd did not start: {:?}", fs::read_to_string(servers.dir.path().join("log0")));
        }
        servers
    }

    /// Lets the hosts forget what runs before owe them.
    pub fn forget(&self) {
        for server in &self.running {
            let state = PathBuf::from(format!("/proc/{}/root/var/lib/bringup/pending", server.id()));
            // There is none unless a run was cut off or failed.
            let _ = fs::remove_file(state);
        }
    }

    pub fn home(&self) -> &Path {
        self.dir.path()
    }

    /// An inventory of so many hosts.
    pub fn inventory(&self, hosts: usize) -> String {
        let line = |number: usize| {
            format!(
                "h{} ansible_host=127.0.0.1 ansible_port={} ansible_user=root ansible_ssh_private_key_file={}/user\n",
                number + 1,
                self.ports[number],
                self.dir.path().display()
            )
        };
        (0..hosts).map(line).collect()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What a path is: kind, mode, owner, content or target.
pub type Files = BTreeMap<String, String>;

/// The folder in which the hosts of a case have theirs.
pub struct World {
    dir: TempDir,
}

impl World {
    pub fn new() -> World {
        World { dir: tempfile::tempdir().unwrap() }
    }

    /// Where the hosts' folders are.
    pub fn base(&self) -> PathBuf {
        self.dir.path().join("base")
    }

    /// Where the playbook is.
    pub fn book(&self) -> PathBuf {
        self.dir.path().join("book")
    }

    /// Writes the playbook and what stands beside it.
    pub fn write(&self, case: &Json) {
        let _ = fs::remove_dir_all(self.book());
        fs::create_dir_all(self.book()).unwrap();
        let site = self.book().join("site.yml");
        fs::write(site, serde_json::to_string_pretty(&case["site"]).unwrap()).unwrap();
        for (name, content) in case["files"].as_object().unwrap() {
            let text = match content.as_str() {
                Some(text) => text.to_owned(),
                None => serde_json::to_string_pretty(content).unwrap(),
            };
            let path = self.book().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    /// Makes all hosts as they are before the play.
    pub fn reset(&self, case: &Json) {
        let _ = fs::remove_dir_all(self.base());
        for host in ["h1", "h2", "localhost"] {
            let top = self.base().join(host);
            fs::create_dir_all(&top).unwrap();
            for node in case["before"].as_array().unwrap() {
                let path = top.join(node["path"].as_str().unwrap());
                let text = |field: &str| node[field].as_str().unwrap_or_default();
                // Shrinking may have left out the folder it stood in.
                let _ = match text("kind") {
                    "directory" => fs::create_dir(&path),
                    "link" => symlink(text("target"), &path),
                    _ => fs::write(&path, text("content")).and_then(|()| {
                        let mode = u32::from_str_radix(text("mode"), 8).unwrap_or(0o644);
                        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
                    }),
                };
            }
        }
    }

    /// All that is there now.
    pub fn files(&self) -> Files {
        let mut files = Files::new();
        walk(&self.base(), &self.base(), &mut files);
        files
    }
}

fn walk(top: &Path, dir: &Path, files: &mut Files) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let owner = format!("{:o} {}:{}", meta.mode() & 0o7777, meta.uid(), meta.gid());
        let shown = if meta.is_symlink() {
            format!("link to {} ({}:{})", fs::read_link(&path).unwrap().display(), meta.uid(), meta.gid())
        } else if meta.is_dir() {
            format!("directory {owner}")
        } else {
            format!("file {owner} {} names {:?}", meta.nlink(), String::from_utf8_lossy(&fs::read(&path).unwrap()))
        };
        files.insert(path.strip_prefix(top).unwrap().display().to_string(), shown);
        if meta.is_dir() {
            walk(top, &path, files);
        }
    }
}
