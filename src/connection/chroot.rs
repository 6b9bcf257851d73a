//! `community.general.chroot`: a tree of files on this machine, entered as its root.

use super::{
    context::Context,
    error::Error,
    kind::{Kind, Role, Variable},
    local::{SHELL, shelled},
    process::{End, Process, Reading},
    program,
    reach::{Connection, Reach, Room, Stream},
    refusal::Refusal,
    settings::Settings,
    target::Target,
};
use futures::future::BoxFuture;
use std::{os::unix::fs::MetadataExt as _, path::Path};

/// Its line in the registry.
///
/// Source: <https://docs.ansible.com/ansible/latest/collections/community/general/chroot_connection.html>
pub static KIND: Kind = Kind {
    name: "community.general.chroot",
    aliases: &[],
    here: true,
    network: false,
    variables: &[
        // An address of the network is none of its folders.
        Variable { role: Role::Address, names: HOST, decides: is_path },
        Variable::guarded(Role::Own, EXE),
        Variable::guarded(Role::Own, UNCHECKED),
        SHELL,
    ],
    make,
};

const HOST: &[&str] = &["ansible_host"];
const EXE: &[&str] = &["ansible_chroot_exe"];
const UNCHECKED: &[&str] = &["ansible_chroot_disable_root_check"];

fn is_path(address: &str) -> bool {
    address.contains('/')
}

fn make(settings: &Settings<'_>) -> Result<Target, Refusal> {
    let folder = match settings.text(HOST) {
        Some(folder) => folder,
        None if settings.known => settings.host,
        None => {
            let what =
                format!("{}: a task has added it, so its name alone does not say which tree to enter", settings.host);
            return Err(Refusal::new(what).help("set `ansible_host` to the folder, in words of your own"));
        }
    };
    if !folder.starts_with('/') || folder.contains('\0') || folder.split('/').any(|part| part == "..") {
        let what = format!("`{}` is no folder to enter", folder.escape_debug());
        return Err(Refusal::new(what).help("`ansible_host`, or the host's name, is its whole path from `/`"));
    }
    let tree = Tree {
        host: settings.host.to_owned(),
        folder: folder.to_owned(),
        exe: settings.text(EXE).unwrap_or("chroot").to_owned(),
        unchecked: settings.truth(UNCHECKED).unwrap_or(false),
    };
    Ok(shelled(Target::new(settings.host, tree), settings))
}

/// A tree, and how it is entered.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tree {
    host: String,
    folder: String,
    exe: String,
    /// It can be entered by others than root.
    unchecked: bool,
}

impl Tree {
    fn words<'a>(&'a self, request: &'a str) -> [&'a str; 5] {
        [&self.exe, &self.folder, "/bin/sh", "-c", request]
    }

    fn absent(&self, what: String, said: String, help: &str) -> Error {
        Error::Absent { host: self.host.clone(), what, said, help: help.to_owned() }
    }

    /// Looks what can be seen from outside, for what the program says of it is short.
    fn look(&self) -> Result<(), Error> {
        let root = std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
        if !root && !self.unchecked {
            let what = "only root can enter another tree".to_owned();
            let help = "run this as root (`sudo -E bringup …`), or set `ansible_chroot_exe` to a program that needs no \
                        root and `ansible_chroot_disable_root_check: true`";
            return Err(self.absent(what, String::new(), help));
        }
        let folder = Path::new(&self.folder);
        if !folder.is_dir() {
            let help = "make the tree first, on the machine where this runs (`debootstrap`, or unpack an image)";
            return Err(self.absent(format!("there is no folder {}", self.folder), String::new(), help));
        }
        // The shell may be a link that leads somewhere within the tree alone: that it is there is enough here.
        if !self.unchecked && folder.join("bin/sh").symlink_metadata().is_err() {
            let help = "a tree to be entered needs a shell: unpack a whole system, or put busybox there";
            return Err(self.absent(format!("there is no {}/bin/sh", self.folder), String::new(), help));
        }
        Ok(())
    }
}

impl Reach for Tree {
    fn connect<'a>(&'a self, _context: &'a Context) -> BoxFuture<'a, Result<Box<dyn Connection>, Error>> {
        Box::pin(async move {
            self.look()?;
            let (end, said, errors) = program::answer(&self.host, &self.words(program::WHO)).await?;
            if program::lacks(&said, "null") {
                let help = "make it: `mknod -m 666 TREE/dev/null c 1 3`, or `mount --bind /dev TREE/dev`";
                return Err(self.absent(format!("there is no {}/dev/null", self.folder), errors, help));
            }
            if end != End::Exit(0) {
                let help = "try it by hand: does it run programs of this machine's processor, and may it be entered?";
                return Err(self.absent(
                    format!("{} {} did not start /bin/sh: {end}", self.exe, self.folder),
                    errors,
                    help,
                ));
            }
            let without_proc = program::lacks(&said, "proc");
            let entered = Entered { tree: self.clone(), user: program::who(&said), without_proc };
            Ok(Box::new(entered) as Box<dyn Connection>)
        })
    }

    fn place(&self) -> String {
        format!("tree {}", self.folder)
    }

    fn login(&self) -> Option<String> {
        None
    }
}

/// A tree that lets us in.
struct Entered {
    tree: Tree,
    user: String,
    without_proc: bool,
}

impl Connection for Entered {
    fn start<'a>(
        &'a self,
        request: &'a str,
        reading: Reading,
        _room: &'a dyn Room,
    ) -> BoxFuture<'a, Result<Process, Error>> {
        Box::pin(async move { program::start(&self.tree.host, &self.tree.words(request), reading) })
    }

    /// The network is this machine's.
    fn forward<'a>(&'a self, to: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, Error>> {
        program::forward(&self.tree.host, to, port)
    }

    fn user(&self) -> &str {
        &self.user
    }

    fn warnings(&self) -> Vec<String> {
        let Tree { host, folder, .. } = &self.tree;
        let warning = format!(
            "{host}: {folder}/proc is not mounted, so facts are missing and two runs cannot see each other's lock: \
             `mount -t proc proc {folder}/proc`"
        );
        if self.without_proc { vec![warning] } else { Vec::new() }
    }
}
