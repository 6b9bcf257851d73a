//! `--version`, in the form that programs read Ansible's in, saying what this is.

use miette::Report;

use super::name::Name;
use crate::{
    ansible_cfg,
    cli::{Exit, configured, say::say},
    run::LANGUAGE,
};

/// Prints it.
pub fn print(name: Name) -> Result<Exit, Report> {
    say(&text(name))?;
    Ok(Exit::Ok)
}

fn text(name: Name) -> String {
    let configuration = ansible_cfg::current();
    let paths = |list: Vec<std::path::PathBuf>| {
        let list: Vec<String> = list.iter().map(|path| path.display().to_string()).collect();
        if list.is_empty() { "None".to_owned() } else { list.join(":") }
    };
    let program = std::env::current_exe().map_or_else(|_| "?".to_owned(), |path| path.display().to_string());
    format!(
        "{} [core {LANGUAGE}]\n  config file = {}\n  configured module search path = None\n  \
         ansible python module location = None: this is bringup {}, which runs Ansible's language without Python\n  \
         ansible collection location = {}\n  executable location = {program}\n  python version = None\n  \
         jinja version = None\n  libyaml = False\n",
        name.text(),
        configuration.file().map_or_else(|| "None".to_owned(), |file| file.display().to_string()),
        env!("CARGO_PKG_VERSION"),
        paths(configured::collections_path()),
    )
}
