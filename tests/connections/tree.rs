//! A small system to be entered, and a stand-in for an engine of containers that enters it.

use std::{
    ffi::CString,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Why there is none.
pub const NO_TREE: &str = "no tree can be entered here: it takes root and busybox";

/// Busybox, two users and what every system has. `/proc` is mounted while it is there.
pub struct Tree {
    directory: tempfile::TempDir,
}

/// Does what the real one does for the words that are sent, and nothing for others.
const SUDO: &str = r#"#!/bin/sh
user=
while [ "$1" != -- ]; do [ "$1" != -u ] || user=$2; shift; done
[ "$2" = /bin/sh ] && [ "$3" = -c ] || exit 64
exec su -s /bin/sh -c "$4" "$user"
"#;

impl Tree {
    /// Nothing where this machine cannot have one.
    pub fn new() -> Option<Tree> {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path();
        fs::set_permissions(top, fs::Permissions::from_mode(0o755)).unwrap();
        for folder in ["bin", "dev", "etc", "home/bob", "proc", "root", "run", "tmp", "usr/bin", "var/lib"] {
            fs::create_dir_all(top.join(folder)).unwrap();
        }
        fs::set_permissions(top.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        fs::copy("/bin/busybox", top.join("bin/busybox")).ok()?;
        let list = Command::new("/bin/busybox").arg("--list").output().unwrap();
        for name in String::from_utf8_lossy(&list.stdout).lines().filter(|name| *name != "busybox") {
            symlink("busybox", top.join("bin").join(name)).unwrap();
        }
        fs::write(top.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nbob:x:4242:4242::/home/bob:/bin/sh\n").unwrap();
        fs::write(top.join("etc/group"), "root:x:0:\nbob:x:4242:\n").unwrap();
        program(&top.join("usr/bin/sudo"), SUDO);
        let tree = Tree { directory };
        let ran = |command: &mut Command| command.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        let null = tree.path().join("dev/null");
        let made = ran(Command::new("mknod").args(["-m", "666"]).arg(null).args(["c", "1", "3"]))
            && ran(Command::new("chown").args(["4242:4242"]).arg(tree.path().join("home/bob")))
            && ran(Command::new("mount").args(["-t", "proc", "proc"]).arg(tree.path().join("proc")))
            && ran(Command::new("chroot").arg(tree.path()).args(["/bin/sh", "-c", ": </dev/null"]));
        made.then_some(tree)
    }

    /// Lets its shell be dash, which has no tools of its own: busybox runs its own where no file has their name.
    pub fn take_dash(&self) -> Option<()> {
        let shell = self.path().join("bin/sh");
        fs::remove_file(&shell).unwrap();
        fs::copy("/bin/dash", &shell).ok()?;
        let listed = Command::new("ldd").arg("/bin/dash").output().ok()?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        for library in listed.split_whitespace().filter(|word| word.starts_with('/')) {
            let inside = self.path().join(library.trim_start_matches('/'));
            fs::create_dir_all(inside.parent()?).unwrap();
            fs::copy(library, inside).unwrap();
        }
        Some(())
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn text(&self) -> String {
        self.path().display().to_string()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let proc = CString::new(self.path().join("proc").display().to_string()).unwrap();
        // Before the folder is removed: nothing of the machine's own may go with it.
        let _ = Command::new("umount").arg("-l").arg(proc.to_str().unwrap()).stderr(Stdio::null()).status();
    }
}

/// A program for tests.
pub fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Knows one container, `web`, in a tree. It takes the words that Docker and Podman take, and no others.
pub struct Engine {
    directory: tempfile::TempDir,
}

const ENGINE: &str = r#"#!/bin/sh
top=@TOP@
printf '%s|' "$0" "$@" | tr '\n' ' ' | cut -c1-200 >>"$top/calls"
while [ "$1" != exec ]; do
    case $1 in --context) shift 2 ;; *) echo "unknown flag: $1" >&2; exit 125 ;; esac
done
shift
[ "$1" = -i ] || { echo "the input device is not kept open" >&2; exit 125; }
shift
user=root
case $1 in -u) user=$2; shift 2 ;; esac
case $1 in -*) echo "unknown shorthand flag: $1" >&2; exit 125 ;; esac
[ "$1" = web ] || { echo "Error response from daemon: No such container: $1" >&2; exit 1; }
[ ! -e "$top/stopped" ] || { echo "Error response from daemon: Container 0123 is not running" >&2; exit 1; }
grep -q "^$user:" @TREE@/etc/passwd || { echo "unable to find user $user: no matching entries in passwd file" >&2; exit 126; }
shift
exec chroot --userspec="$user:" @TREE@ "$@"
"#;

impl Engine {
    pub fn new(tree: &Tree) -> Engine {
        let directory = tempfile::tempdir().unwrap();
        let text = ENGINE.replace("@TOP@", &directory.path().display().to_string()).replace("@TREE@", &tree.text());
        for name in ["docker", "podman", "another"] {
            program(&directory.path().join(name), &text);
        }
        Engine { directory }
    }

    /// Where its programs are.
    pub fn path(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// What it was called with so far.
    pub fn calls(&self) -> String {
        fs::read_to_string(self.directory.path().join("calls")).unwrap_or_default()
    }

    pub fn stop(&self) {
        fs::write(self.directory.path().join("stopped"), "").unwrap();
    }
}
