//! `bringup lint`: every mistake of every file at once.

use std::path::PathBuf;

use clap::Args;
use miette::Report;

use super::{Exit, flags, say::say, vault_password::Passwords};
use crate::inventory::parse_extra_vars;
use crate::playbook::Tree;
use crate::run::Options;

/// Find every mistake in playbooks, and in the roles and files they lead to, without a host
#[derive(Args, Debug)]
pub struct Lint {
    /// The playbooks, or folders: then all playbooks and roles in them. Nothing: this folder
    #[arg(value_name = "PLAYBOOK")]
    playbooks: Vec<PathBuf>,
    /// Variables that names of imports use: `k=v`, JSON, or `@FILE`
    #[arg(short, long, value_name = "VARS")]
    extra_vars: Vec<String>,
    /// Folders to look for roles in, separated by colons
    #[arg(long, value_name = "FOLDERS", env = "BRINGUP_ROLES_PATH", hide_env_values = true)]
    roles_path: Option<std::ffi::OsString>,
    #[command(flatten)]
    python: flags::Python,
    #[command(flatten)]
    vault: Passwords,
}

impl Lint {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        self.python.allow();
        self.vault.unlock()?;
        let options = Options { extra_vars: parse_extra_vars(&self.extra_vars)?, ..Options::default() };
        let loader = flags::lenient_loader(&options, self.roles_path.as_deref());
        let here = [PathBuf::from(".")];
        let given = if self.playbooks.is_empty() { &here[..] } else { &self.playbooks };
        let (mut playbooks, mut roles, mut of_roles) = (Vec::new(), 0, Vec::new());
        for path in given {
            if !path.is_dir() {
                playbooks.push(path.clone());
                continue;
            }
            let tree = Tree::of(path);
            if tree == Tree::default() {
                return Err(miette::miette!(
                    help = "name a playbook, or a folder with playbooks or roles in it",
                    "there is no playbook and no role below {}",
                    path.display()
                ));
            }
            roles += tree.roles.len();
            of_roles.push((path, tree.roles));
            playbooks.extend(tree.playbooks);
        }
        let mut found = loader.lint(&playbooks);
        for (folder, roles) in of_roles {
            for problem in loader.lint_roles(folder, &roles) {
                if !found.iter().any(|known| known.same_as(&problem)) {
                    found.push(problem);
                }
            }
        }
        let errors = found.iter().filter(|d| d.is_error()).count();
        let warnings = found.len() - errors;
        let mut out: String = found.into_iter().map(|d| format!("{:?}\n", Report::new(d))).collect();
        let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        out.push_str(&match (errors, warnings) {
            (0, 0) if roles == 0 => format!("no mistakes in {}\n", many(playbooks.len(), "playbook")),
            (0, 0) => format!("no mistakes in {} and {}\n", many(playbooks.len(), "playbook"), many(roles, "role")),
            (0, w) => format!("{}\n", many(w, "warning")),
            (e, 0) => format!("{}\n", many(e, "error")),
            (e, w) => format!("{}, {}\n", many(e, "error"), many(w, "warning")),
        });
        say(&out)?;
        Ok(if errors > 0 { Exit::Usage } else { Exit::Ok })
    }
}
