//! What Ansible's configuration decides: the defaults of flags, and what no flag says.

use std::{path::PathBuf, sync::Arc, sync::OnceLock, time::Duration};

use miette::Report;

use super::settings::Settings;
use crate::{
    ansible_cfg::{Configuration, Origin, Value, current as get},
    connection::{Secret, SshDefaults},
    inventory::{GroupNames, Inventory, LOCALHOST, Rules},
    report::{LeftOut, terminal},
    run::{BecomeDefaults, FactCache, Gathering, Options},
};

/// Whether its warnings were told.
static TOLD: OnceLock<()> = OnceLock::new();

/// Flags that a setting is the default of: Ansible's name of the setting, the flag's.
const FLAGS: &[(&str, &str)] = &[
    ("BECOME_PASSWORD_FILE", "become_password_file"),
    ("CONNECTION_PASSWORD_FILE", "connection_password_file"),
    ("DEFAULT_ASK_PASS", "ask_pass"),
    ("DEFAULT_BECOME", "become"),
    ("DEFAULT_BECOME_ASK_PASS", "ask_become_pass"),
    ("DEFAULT_BECOME_METHOD", "become_method"),
    ("DEFAULT_BECOME_USER", "become_user"),
    ("DEFAULT_FORCE_HANDLERS", "force_handlers"),
    ("DEFAULT_FORKS", "forks"),
    ("DEFAULT_HOST_LIST", "inventory"),
    ("DEFAULT_PRIVATE_KEY_FILE", "private_key"),
    ("DEFAULT_REMOTE_USER", "user"),
    ("DEFAULT_ROLES_PATH", "roles_path"),
    ("DEFAULT_TIMEOUT", "timeout"),
    ("DEFAULT_TRANSPORT", "connection"),
    ("DEFAULT_VERBOSITY", "verbose"),
    ("DIFF_ALWAYS", "diff"),
    ("TAGS_RUN", "tags"),
    ("TAGS_SKIP", "skip_tags"),
    ("TASK_TIMEOUT", "task_timeout"),
    // Those of SSH alone win over the general ones.
    ("ssh_private_key_file", "private_key"),
    ("ssh_timeout", "timeout"),
];

/// Where roles are looked for where nothing says where: what there is of Ansible's folders.
const ROLES: [&str; 3] = ["~/.ansible/roles", "/usr/share/ansible/roles", "/etc/ansible/roles"];

/// The same for collections.
const COLLECTIONS: [&str; 2] = ["~/.ansible/collections", "/usr/share/ansible/collections"];

/// Reads the configuration, for [`get`].
///
/// # Errors
/// When it cannot be taken.
pub fn read() -> Result<&'static Configuration, Report> {
    let read = Configuration::read()?;
    let colours = match (read.truth("ANSIBLE_NOCOLOR"), read.truth("ANSIBLE_FORCE_COLOR")) {
        (Some(true), _) => Some(false),
        (_, Some(true)) => Some(true),
        _ => None,
    };
    if let Some(wanted) = colours {
        console::set_colors_enabled(wanted);
        console::set_colors_enabled_stderr(wanted);
    }
    Ok(read.hold())
}

/// The defaults of flags: those of the file, and those of `ANSIBLE_…` variables.
pub fn defaults(configuration: &Configuration) -> (Settings, Settings) {
    let (mut file, mut variables) = (Settings::new(), Settings::new());
    for (name, flag) in FLAGS {
        let Some(given) = configuration.get(name) else { continue };
        let values = match &given.value {
            Value::Text(text) if text.is_empty() => continue,
            Value::Text(text) if *flag == "connection" && matches!(text.as_str(), "ssh" | "smart") => continue,
            Value::Text(text) => vec![text.clone()],
            Value::Bool(truth) => vec![truth.to_string()],
            // What has no bound by zero with Ansible has none here where it is not given.
            Value::Int(0) if matches!(*flag, "task_timeout" | "timeout") => continue,
            Value::Int(number) => vec![number.to_string()],
            Value::Float(number) => vec![number.to_string()],
            Value::List(list) if *flag == "roles_path" => vec![list.join(":")],
            Value::List(list) => list.iter().filter(|one| !one.is_empty()).cloned().collect(),
        };
        let settings = if matches!(given.origin, Origin::File(..)) { &mut file } else { &mut variables };
        settings.push(((*flag).to_owned(), values));
    }
    (file, variables)
}

/// What a setting about encrypted files is set to, by the name that it has in `ansible.cfg`; of a list the entries stand between commas.
pub fn vault(key: &str) -> Option<String> {
    let name = match key {
        "ask_vault_pass" => "DEFAULT_ASK_VAULT_PASS",
        "vault_encrypt_identity" => "DEFAULT_VAULT_ENCRYPT_IDENTITY",
        "vault_encrypt_salt" => "VAULT_ENCRYPT_SALT",
        "vault_id_match" => "DEFAULT_VAULT_ID_MATCH",
        "vault_identity" => "DEFAULT_VAULT_IDENTITY",
        "vault_identity_list" => "DEFAULT_VAULT_IDENTITY_LIST",
        "vault_password_file" => "DEFAULT_VAULT_PASSWORD_FILE",
        _ => return None,
    };
    Some(match &get().get(name)?.value {
        Value::Text(text) => text.clone(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::List(list) => list.join(","),
    })
}

/// Tells once what is to be said about the configuration.
pub fn warn() {
    if TOLD.set(()).is_ok() {
        let configuration = get();
        configuration.warnings().iter().for_each(|warning| terminal::warn(warning));
        gives_up(configuration).into_iter().for_each(|warning| terminal::warn(&warning));
    }
}

/// Where a setting was given, for messages.
fn place(configuration: &Configuration, name: &str) -> String {
    match (configuration.get(name).map(|given| &given.origin), configuration.file()) {
        (Some(Origin::Variable(variable)), _) => (*variable).to_owned(),
        (Some(Origin::File(line, key)), Some(file)) => format!("{}:{line}: `{key}`", file.display()),
        _ => name.to_owned(),
    }
}

/// How inventories are read; only under Ansible's names a group's name is told that templates cannot say.
pub fn inventory_rules(as_ansible: bool) -> Rules {
    let configuration = get();
    let list = |name: &str| configuration.list(name).map(<[String]>::to_vec);
    Rules {
        joins_mappings: configuration.text("DEFAULT_HASH_BEHAVIOUR") == Some("merge"),
        group_names: match configuration.text("TRANSFORM_INVALID_GROUP_CHARS") {
            Some("always") => GroupNames::Replaced,
            Some("silently") => GroupNames::ReplacedSilently,
            Some("ignore") => GroupNames::Kept,
            None if !as_ansible => GroupNames::Kept,
            _ => GroupNames::Told,
        },
        ignored_endings: list("INVENTORY_IGNORE_EXTS"),
        ignored_patterns: list("INVENTORY_IGNORE_PATTERNS").unwrap_or_default(),
    }
}

/// What is done as configured though it costs something.
fn gives_up(configuration: &Configuration) -> Vec<String> {
    let mut warnings = Vec::new();
    let cache = configuration.text("CACHE_PLUGIN").map(|kind| kind.trim_start_matches("ansible.builtin."));
    match cache {
        None | Some("memory" | "jsonfile") => {}
        Some(other) => warnings.push(format!(
            "{}: facts are not kept in `{other}`: only `memory` and `jsonfile` are there",
            place(configuration, "CACHE_PLUGIN")
        )),
    }
    warnings
}

/// What is to be said where the first host is reached whose key is not checked.
fn of_unchecked_keys(configuration: &Configuration) -> Option<String> {
    let place = place(configuration, unchecked(configuration)?);
    Some(format!(
        "{place} switches off the check of host keys: whoever answers at a host's address gets what is sent there, passwords \
         excepted. `--accept-new-host-keys` asks nobody either, and notices a host that was replaced"
    ))
}

/// The setting by which host keys are not checked.
fn unchecked(configuration: &Configuration) -> Option<&'static str> {
    // That of SSH alone wins.
    let name =
        ["ssh_host_key_checking", "HOST_KEY_CHECKING"].into_iter().find(|name| configuration.get(name).is_some());
    name.filter(|name| configuration.truth(name) == Some(false))
}

/// Takes over what no flag says.
///
/// # Errors
/// When a value cannot be.
pub fn apply(configuration: &Configuration, options: &mut Options) -> Result<(), Report> {
    let text = |name: &str| configuration.text(name).map(str::to_owned);
    let wrong =
        |name: &str, help: &str| miette::miette!(help = help.to_owned(), "{} cannot be", place(configuration, name));
    options.ssh = SshDefaults {
        args: text("ssh_args"),
        common_args: text("ssh_common_args"),
        extra_args: text("ssh_extra_args"),
        port: match configuration.number("DEFAULT_REMOTE_PORT") {
            Some(port) => {
                let port = u16::try_from(port).ok().filter(|port| *port > 0);
                Some(port.ok_or_else(|| wrong("DEFAULT_REMOTE_PORT", "a port is a number from 1 to 65535"))?)
            }
            None => None,
        },
        host_key_checking: unchecked(configuration).map(|_| false),
    };
    options.unchecked_keys = of_unchecked_keys(configuration);
    for method in ["sudo", "su", "doas"] {
        let one = |field: &str, general: &str| text(&format!("{method}_become_{field}")).or_else(|| text(general));
        let defaults = BecomeDefaults {
            exe: one("exe", "DEFAULT_BECOME_EXE"),
            flags: one("flags", "DEFAULT_BECOME_FLAGS"),
            password: one("password", "become_password").map(Secret::new),
        };
        options.become_defaults.insert(method, defaults);
    }
    options.gathering = match configuration.text("DEFAULT_GATHERING") {
        Some("explicit") => Gathering::Explicit,
        Some("smart") => Gathering::Smart,
        _ => Gathering::Implicit,
    };
    options.gather_subset = configuration.list("gather_subset").unwrap_or_default().to_vec();
    options.gather_timeout = configuration.number("gather_timeout");
    options.debugger = configuration.truth("ENABLE_TASK_DEBUGGER").unwrap_or(false);
    options.debugger_passes_ignored = configuration.truth("TASK_DEBUGGER_IGNORE_ERRORS").unwrap_or(true);
    options.any_errors_fatal = configuration.truth("ANY_ERRORS_FATAL").unwrap_or(false);
    options.no_log = configuration.truth("DEFAULT_NO_LOG").unwrap_or(false);
    options.config_file = configuration.file().map(PathBuf::from);
    options.managed = text("DEFAULT_MANAGED_STR");
    options.merge_hashes = configuration.text("DEFAULT_HASH_BEHAVIOUR") == Some("merge");
    options.unheard = unheard();
    options.native = configuration.truth("DEFAULT_JINJA2_NATIVE").unwrap_or(false);
    options.broken_conditionals = configuration.truth("ALLOW_BROKEN_CONDITIONALS").unwrap_or(true);
    options.fact_cache = fact_cache(configuration)?;
    Ok(())
}

/// Forgets the facts that are kept of hosts.
///
/// # Errors
/// When a file stays.
pub fn flush(cache: &FactCache, inventory: &Inventory) -> Result<(), Report> {
    inventory.hosts().chain(LOCALHOST).try_for_each(|host| cache.forget(host)).map_err(|error| {
        let folder = cache.folder.display();
        miette::miette!(help = "check who owns the folder", "cannot forget the facts in {folder}: {error}")
    })
}

/// What lines for people leave out.
pub fn left_out(unchanged: bool) -> LeftOut {
    let hidden = |name: &str| get().truth(name) == Some(false);
    let stats = get().truth("SHOW_CUSTOM_STATS") != Some(true);
    LeftOut { unchanged, ok: hidden("display_ok_hosts"), skipped: hidden("DISPLAY_SKIPPED_HOSTS"), stats }
}

/// Whether failures go to standard error where Ansible's lines are printed.
pub fn failures_aside() -> bool {
    get().truth("display_failed_stderr") == Some(true)
}

fn fact_cache(configuration: &Configuration) -> Result<Option<Arc<FactCache>>, Report> {
    if !matches!(configuration.text("CACHE_PLUGIN"), Some("jsonfile" | "ansible.builtin.jsonfile")) {
        return Ok(None);
    }
    let folder = configuration.path("CACHE_PLUGIN_CONNECTION").ok_or_else(|| {
        miette::miette!(
            help = "name the folder: `fact_caching_connection = ~/.cache/facts`",
            "{}: `jsonfile` keeps facts in a folder, and none is named",
            place(configuration, "CACHE_PLUGIN")
        )
    })?;
    let lifetime = configuration.number("CACHE_PLUGIN_TIMEOUT").unwrap_or(86_400);
    Ok(Some(Arc::new(FactCache {
        folder,
        prefix: configuration.text("CACHE_PLUGIN_PREFIX").unwrap_or_default().to_owned(),
        lifetime: Duration::from_secs(lifetime),
    })))
}

/// Where roles are looked for where no flag says where.
pub fn roles_path() -> Vec<PathBuf> {
    there(&ROLES)
}

/// Whether a notification that nobody hears is warned of alone.
pub fn unheard() -> bool {
    get().truth("ERROR_ON_MISSING_HANDLER") == Some(false)
}

/// The folder that stands for a playbook's where there is none.
pub fn playbook_dir() -> Option<PathBuf> {
    get().text("PLAYBOOK_DIR").map(PathBuf::from)
}

/// Where collections are looked for.
pub fn collections_path() -> Vec<PathBuf> {
    match get().list("COLLECTIONS_PATHS") {
        Some(list) => list.iter().map(|path| without_own_folder(path)).collect(),
        None => there(&COLLECTIONS),
    }
}

/// A path may name the folder `ansible_collections` itself, as with Ansible.
fn without_own_folder(path: &str) -> PathBuf {
    let path = PathBuf::from(path);
    match path.file_name().is_some_and(|name| name == "ansible_collections") {
        true => path.parent().map(PathBuf::from).unwrap_or(path),
        false => path,
    }
}

fn there(folders: &[&str]) -> Vec<PathBuf> {
    let home = std::env::home_dir().unwrap_or_default();
    let whole = |folder: &&str| folder.strip_prefix("~/").map_or_else(|| PathBuf::from(folder), |rest| home.join(rest));
    folders.iter().map(whole).filter(|folder| folder.is_dir()).collect()
}
