//! `ansible-vault`: what `bringup vault` does, under Ansible's name.

use clap::Parser;
use miette::Report;

use super::Program;
use crate::cli::{Exit, vault};

/// Encrypt and decrypt files
#[derive(Parser)]
#[command(name = "ansible-vault", max_term_width = 100)]
// The group of what is inside has this name already.
#[group(skip)]
pub struct Vault {
    #[command(flatten)]
    vault: vault::Vault,
}

impl Program for Vault {
    fn run(self) -> Result<Exit, Report> {
        self.vault.run()
    }
}
