//! `bringup init`: the playbooks that this program carries, to be read and changed.

use std::path::{Path, PathBuf};

use clap::Args;
use include_dir::{Dir, include_dir};
use miette::Report;

use super::{Exit, ansible::Name, say::say};

static PLAYBOOKS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/playbooks");
const INVENTORY: &str = include_str!("../../inventory.example");

/// Write the playbooks that bringup carries, and an inventory to edit, into a folder
#[derive(Args, Debug)]
pub struct Init {
    /// The folder; what is there already is never overwritten
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Make links to this program there instead, under the names of Ansible's commands
    #[arg(long, value_name = "DIR", conflicts_with = "directory")]
    links: Option<PathBuf>,
}

impl Init {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        if let Some(folder) = &self.links {
            return links(folder);
        }
        let (playbooks, inventory) = (self.directory.join("playbooks"), self.directory.join("inventory.yml"));
        for path in [&playbooks, &inventory] {
            if path.symlink_metadata().is_ok() {
                return Err(miette::miette!(
                    help = "name another folder, or move it away",
                    "{} is there already, and nothing is overwritten",
                    path.display()
                ));
            }
        }
        let unwritable = |path: &Path, e: std::io::Error| {
            miette::miette!(help = "name a folder you may write to", "cannot write {}: {e}", path.display())
        };
        std::fs::create_dir_all(&playbooks).map_err(|e| unwritable(&playbooks, e))?;
        PLAYBOOKS.extract(&playbooks).map_err(|e| unwritable(&playbooks, e))?;
        std::fs::write(&inventory, INVENTORY).map_err(|e| unwritable(&inventory, e))?;
        say(&format!(
            "wrote {} and {}\n\nedit the inventory, then:\n    bringup ping  -i {2}\n    bringup plan  -i {2} {3}\n    bringup apply -i {2} {3}\n",
            playbooks.display(),
            inventory.display(),
            inventory.display(),
            playbooks.join("site.yml").display(),
        ))?;
        Ok(Exit::Ok)
    }
}

/// Makes a link for each of Ansible's commands. One that leads here already stays; nothing else is replaced.
fn links(folder: &Path) -> Result<Exit, Report> {
    let program = std::env::current_exe().and_then(std::fs::canonicalize).map_err(|e| {
        miette::miette!(
            help = "make the links by hand: `ln -s bringup ansible-playbook`",
            "cannot find this program: {e}"
        )
    })?;
    let paths: Vec<PathBuf> = Name::LINKED.iter().map(|name| folder.join(name.text())).collect();
    let ours = |path: &PathBuf| path.canonicalize().is_ok_and(|found| found == program);
    let new: Vec<&PathBuf> = paths.iter().filter(|path| !ours(path)).collect();
    if let Some(path) = new.iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(miette::miette!(
            help = "name a folder of its own, and put it first in PATH",
            "{} is there already, and nothing is overwritten",
            path.display()
        ));
    }
    let unwritable = |path: &Path, e: std::io::Error| {
        miette::miette!(help = "name a folder you may write to", "cannot write {}: {e}", path.display())
    };
    std::fs::create_dir_all(folder).map_err(|e| unwritable(folder, e))?;
    for path in new {
        std::os::unix::fs::symlink(&program, path).map_err(|e| unwritable(path, e))?;
    }
    let names: Vec<&str> = Name::LINKED.iter().map(|name| name.text()).collect();
    let shown = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    say(&format!(
        "{} are links to bringup in {}\n\nput it first in PATH:\n    export PATH={}:$PATH\n",
        names.join(", "),
        folder.display(),
        shown.display(),
    ))?;
    Ok(Exit::Ok)
}
