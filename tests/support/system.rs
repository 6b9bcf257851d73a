//! A system of its own for cases that change users, packets or kernel settings: namespaces over a copy of this machine.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Files are copied when they are written (overlay), the network and the host's name are its own.
pub struct System {
    holder: Child,
    /// Its root as it stands in its own namespace.
    merged: PathBuf,
    _directory: tempfile::TempDir,
}

/// Mounts the parts and keeps the namespaces alive. `/proc` is shared: of its settings only `net` is the system's own.
const HOLD: &str = r#"set -e
mount -t overlay overlay -o "lowerdir=/,upperdir=$W/upper,workdir=$W/work" "$W/merged"
for d in proc dev; do mount --rbind /$d "$W/merged/$d"; done
mount -t sysfs sysfs "$W/merged/sys"
mount -t tmpfs tmpfs "$W/merged/run"
mkdir -p "$W/merged$T"; mount --rbind "$T" "$W/merged$T"
ip link set lo up
hostname lab-host
echo ready
exec sleep 600"#;

impl System {
    pub fn new() -> System {
        // Not below this machine's root: the parts of an overlay must not lie within each other.
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        for part in ["upper", "work", "merged"] {
            fs::create_dir(directory.path().join(part)).unwrap();
        }
        let mut holder = Command::new("unshare")
            .args(["--mount", "--net", "--uts", "--propagation", "private", "sh", "-c", HOLD])
            .env("W", directory.path())
            .env("T", std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "the system does not start");
        System { holder, merged: directory.path().join("merged"), _directory: directory }
    }

    /// Its root as seen from here.
    pub fn root(&self) -> PathBuf {
        let own = self.merged.strip_prefix("/").unwrap();
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(own)
    }

    /// What begins a command within it.
    pub fn command(&self) -> Command {
        let mut command = Command::new("/usr/bin/nsenter");
        command.args(["-t", &self.holder.id().to_string(), "-m", "-n", "-u", "/usr/sbin/chroot"]).arg(&self.merged);
        command
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
