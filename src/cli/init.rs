//! `bringup init`: the playbooks that this program carries, to be read and changed.

use std::path::{Path, PathBuf};

use clap::Args;
use include_dir::{Dir, include_dir};
use miette::Report;

use super::{Exit, say::say};

static PLAYBOOKS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/playbooks");
const INVENTORY: &str = include_str!("../../inventory.example");

/// Write the playbooks that bringup carries, and an inventory to edit, into a folder
#[derive(Args, Debug)]
pub struct Init {
    /// The folder; what is there already is never overwritten
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
}

impl Init {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
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
