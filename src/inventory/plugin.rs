//! Inventories and variables of hosts that somebody else's plugins make.
//!
//! Who has them the program says once ([`provide`]). Nobody is asked where no file names a plugin that is not here, and no folder
//! holds one.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{Inventory, InventoryError, Vars, folder, folder::Kind, model::Origin, script};
use crate::ansible_cfg;
use crate::yaml::{self, Node};

/// Why a plugin gives nothing: what is wrong, and what to do about it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub help: Option<String>,
}

/// Somebody who has plugins. What they give is YAML in which `!unsafe` marks data.
pub trait Plugins: Send + Sync {
    /// What a plugin makes of a file that configures it, as an inventory script prints it.
    ///
    /// # Errors
    /// [`Failure`].
    fn inventory(&self, plugin: &str, file: &Path) -> Result<String, Failure>;

    /// What vars plugins say of groups and hosts for a folder: `groups` and `hosts`, each name with what files outrank and what
    /// outranks files.
    ///
    /// # Errors
    /// [`Failure`].
    fn variables(&self, folder: &Path, groups: &[&str], hosts: &[&str]) -> Result<String, Failure>;

    /// Tells of the folder of a playbook, beside which plugins may lie.
    fn of_playbook(&self, folder: &Path);
}

static PROVIDED: OnceLock<&'static dyn Plugins> = OnceLock::new();

/// Says once who has plugins.
pub fn provide(plugins: &'static dyn Plugins) {
    let _first = PROVIDED.set(plugins);
}

/// Reads a file that configures a plugin which is not here.
pub(super) fn read(
    inventory: &mut Inventory,
    (plugin, key): (&str, &Node),
    file: &Path,
    origin: &Origin,
) -> Result<(), InventoryError> {
    let wrong = |message: String, help: String| InventoryError::Structure { message, span: key.span.clone(), help };
    let Some(plugins) = PROVIDED.get() else {
        let help = "run `ansible-inventory --list -i FILE` once and use its output, or write an inventory script";
        let message = format!("this configures the inventory plugin `{plugin}`, which is not supported");
        return Err(wrong(message, help.to_owned()));
    };
    let told = plugins.inventory(plugin, file).map_err(|failure| {
        let help = failure.help.unwrap_or_else(|| {
            format!("`ansible-inventory --list -i {}` says what Ansible makes of it", file.display())
        });
        wrong(format!("this configures the inventory plugin `{plugin}`: {}", failure.reason), help)
    })?;
    let name = format!("{} by {plugin}", file.display());
    script::take(inventory, &yaml::load_str(&name, &told)?, origin, |_| Ok(None))
}

/// Whether there may be vars plugins: beside a playbook, in the folders of the configuration, or enabled by name.
fn any_of_variables(playbooks: &[PathBuf]) -> bool {
    let configuration = ansible_cfg::current();
    let enabled = configuration.list("VARIABLE_PLUGINS_ENABLED").unwrap_or_default();
    let native = |name: &String| name.rsplit('.').next() == Some("host_group_vars");
    let home = std::env::home_dir().unwrap_or_default().join(".ansible/plugins/vars");
    let usual = || [home, PathBuf::from("/usr/share/ansible/plugins/vars")].into_iter();
    let folders: Vec<PathBuf> = match configuration.list("DEFAULT_VARS_PLUGIN_PATH") {
        Some(list) => list.iter().map(PathBuf::from).collect(),
        None => usual().collect(),
    };
    let beside = playbooks.iter().map(|folder| folder.join("vars_plugins"));
    let holds = |folder: PathBuf| {
        let python = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.is_ok_and(|entry| entry.path().extension().is_some_and(|suffix| suffix == "py"))
        };
        std::fs::read_dir(folder).is_ok_and(|mut entries| entries.any(python))
    };
    !enabled.iter().all(native) || folders.into_iter().chain(beside).any(holds)
}

impl Inventory {
    /// Tells of the folders of playbooks, and finds out whether there are vars plugins.
    pub(super) fn look_for_vars_plugins(&mut self, playbooks: &[PathBuf]) {
        let Some(plugins) = PROVIDED.get() else { return };
        self.asks_plugins |= any_of_variables(playbooks);
        let whole = |folder: &PathBuf| folder.canonicalize().unwrap_or_else(|_| folder.clone());
        playbooks.iter().map(whole).for_each(|folder| plugins.of_playbook(&folder));
    }

    /// Takes what vars plugins say of all groups and hosts for a folder.
    pub(super) fn read_vars_plugins(&mut self, at: usize) -> Result<(), InventoryError> {
        let (Some(plugins), true) = (PROVIDED.get(), self.asks_plugins) else { return Ok(()) };
        let Self { folders, groups, hosts, .. } = self;
        let Some(folder) = folders.get_mut(at) else { return Ok(()) };
        let groups: Vec<&str> = groups.keys().map(String::as_str).collect();
        let hosts: Vec<&str> = hosts.keys().map(String::as_str).chain(super::model::LOCALHOST).collect();
        let told = plugins.variables(folder.base(), &groups, &hosts).map_err(|failure| InventoryError::VarsPlugin {
            reason: failure.reason,
            help: failure.help.unwrap_or_else(|| "mend the plugin, or take it away".to_owned()),
        })?;
        let root = yaml::load_str("vars plugins", &told)?;
        for (part, kind) in [("groups", Kind::Group), ("hosts", Kind::Host)] {
            let Some(found) = root.get(part) else { continue };
            for (name, _, sides) in found.expect_entries()? {
                let mut both = [Vars::new(), Vars::new()];
                for (side, vars) in sides.expect_seq()?.iter().zip(&mut both) {
                    folder::merge(side, vars)?;
                }
                let [below, above] = both;
                folder.surround(kind, name, below, above);
            }
        }
        Ok(())
    }
}
