//! The options of Ansible's plugins that something here stands for: which settings and variables give them.
//!
//! Source: <https://docs.ansible.com/ansible/latest/collections/index_connection.html> and its like

use serde_json::Value as Json;

use super::{
    Configuration, Given, Origin,
    known::SETTINGS,
    setting::Setting,
    value::{self, Kind, Place, Value},
};

/// An option of a plugin.
#[derive(Debug)]
pub struct PluginOption {
    /// The kind of the plugin.
    pub kind: &'static str,
    /// The plugin.
    pub plugin: &'static str,
    /// The option.
    pub name: &'static str,
    /// The settings that give it, separated by blanks: a later one goes before an earlier one.
    pub settings: &'static str,
    /// The variables that give it, separated by blanks: the last one that is there counts.
    pub variables: &'static str,
    /// The text that it is where nothing says it, if that is another than the last setting's default.
    pub default: &'static str,
}

/// The plugins whose options are known, by their kinds.
const PLUGINS: &[(&str, &[&str])] = &[
    ("become", &["doas", "su", "sudo"]),
    ("cache", &["jsonfile", "memory"]),
    ("callback", &["default", "minimal", "oneline"]),
    ("connection", &["local", "ssh"]),
    (
        "inventory",
        &["advanced_host_list", "auto", "constructed", "generator", "host_list", "ini", "script", "toml", "yaml"],
    ),
    ("lookup", &["url"]),
    ("shell", &["sh"]),
    ("vars", &["host_group_vars"]),
];

/// Kinds of plugins that have options, some of which nobody here reads.
pub const KINDS: &[&str] = &[
    "become",
    "cache",
    "callback",
    "cliconf",
    "connection",
    "httpapi",
    "inventory",
    "lookup",
    "netconf",
    "shell",
    "vars",
];

/// The plugins of a kind whose options are known.
pub fn plugins(kind: &str) -> &'static [&'static str] {
    PLUGINS.iter().find(|(known, _)| *known == kind).map_or(&[], |(_, plugins)| plugins)
}

const fn option(
    kind: &'static str,
    plugin: &'static str,
    name: &'static str,
    settings: &'static str,
    variables: &'static str,
    default: &'static str,
) -> PluginOption {
    PluginOption { kind, plugin, name, settings, variables, default }
}

/// All of them.
#[rustfmt::skip] // a line for each
pub static OPTIONS: &[PluginOption] = &[
    option("become", "doas", "become_exe", "DEFAULT_BECOME_EXE doas_become_exe", "ansible_become_exe ansible_doas_exe", "doas"),
    option("become", "doas", "become_flags", "DEFAULT_BECOME_FLAGS doas_become_flags", "ansible_become_flags ansible_doas_flags", ""),
    option("become", "doas", "become_pass", "become_password doas_become_password", "ansible_become_password ansible_become_pass ansible_doas_pass", ""),
    option("become", "doas", "become_user", "DEFAULT_BECOME_USER doas_become_user", "ansible_become_user ansible_doas_user", ""),
    option("become", "su", "become_exe", "DEFAULT_BECOME_EXE su_become_exe", "ansible_become_exe ansible_su_exe", "su"),
    option("become", "su", "become_flags", "DEFAULT_BECOME_FLAGS su_become_flags", "ansible_become_flags ansible_su_flags", ""),
    option("become", "su", "become_pass", "become_password su_become_password", "ansible_become_password ansible_become_pass ansible_su_pass", ""),
    option("become", "su", "become_user", "DEFAULT_BECOME_USER su_become_user", "ansible_become_user ansible_su_user", ""),
    option("become", "su", "prompt_l10n", "su_prompt_l10n", "ansible_su_prompt_l10n", ""),
    option("become", "sudo", "become_exe", "DEFAULT_BECOME_EXE sudo_become_exe", "ansible_become_exe ansible_sudo_exe", "sudo"),
    option("become", "sudo", "become_flags", "DEFAULT_BECOME_FLAGS sudo_become_flags", "ansible_become_flags ansible_sudo_flags", "-H -S -n"),
    option("become", "sudo", "become_pass", "become_password sudo_become_password", "ansible_become_password ansible_become_pass ansible_sudo_pass", ""),
    option("become", "sudo", "become_user", "DEFAULT_BECOME_USER sudo_become_user", "ansible_become_user ansible_sudo_user", ""),
    option("cache", "jsonfile", "_prefix", "CACHE_PLUGIN_PREFIX", "", ""),
    option("cache", "jsonfile", "_timeout", "CACHE_PLUGIN_TIMEOUT", "", ""),
    option("cache", "jsonfile", "_uri", "CACHE_PLUGIN_CONNECTION", "", ""),
    option("callback", "default", "check_mode_markers", "check_mode_markers", "", ""),
    option("callback", "default", "display_failed_stderr", "display_failed_stderr", "", ""),
    option("callback", "default", "display_ok_hosts", "display_ok_hosts", "", ""),
    option("callback", "default", "display_skipped_hosts", "DISPLAY_SKIPPED_HOSTS", "", ""),
    option("callback", "default", "pretty_results", "pretty_results", "", ""),
    option("callback", "default", "result_format", "result_format", "", ""),
    option("callback", "default", "show_custom_stats", "SHOW_CUSTOM_STATS", "", ""),
    option("callback", "default", "show_per_host_start", "show_per_host_start", "", ""),
    option("callback", "default", "show_task_path_on_failure", "show_task_path_on_failure", "", ""),
    option("connection", "local", "pipelining", "ANSIBLE_PIPELINING", "ansible_pipelining", ""),
    option("connection", "ssh", "control_path", "ssh_control_path", "ansible_control_path", ""),
    option("connection", "ssh", "control_path_dir", "ssh_control_path_dir", "ansible_control_path_dir", "~/.ansible/cp"),
    option("connection", "ssh", "host", "", "inventory_hostname ansible_host ansible_ssh_host", ""),
    option("connection", "ssh", "host_key_checking", "HOST_KEY_CHECKING ssh_host_key_checking", "ansible_host_key_checking ansible_ssh_host_key_checking", ""),
    option("connection", "ssh", "password", "", "ansible_password ansible_ssh_pass ansible_ssh_password", ""),
    option("connection", "ssh", "pipelining", "ANSIBLE_PIPELINING ssh_pipelining", "ansible_pipelining ansible_ssh_pipelining", ""),
    option("connection", "ssh", "pkcs11_provider", "pkcs11_provider", "ansible_ssh_pkcs11_provider", ""),
    option("connection", "ssh", "port", "DEFAULT_REMOTE_PORT", "ansible_port ansible_ssh_port", ""),
    option("connection", "ssh", "private_key_file", "DEFAULT_PRIVATE_KEY_FILE", "ansible_private_key_file ansible_ssh_private_key_file", ""),
    option("connection", "ssh", "reconnection_retries", "ssh_reconnection_retries", "ansible_ssh_retries", ""),
    option("connection", "ssh", "remote_user", "DEFAULT_REMOTE_USER", "ansible_user ansible_ssh_user", ""),
    option("connection", "ssh", "scp_executable", "scp_executable", "ansible_scp_executable", ""),
    option("connection", "ssh", "scp_extra_args", "scp_extra_args", "ansible_scp_extra_args", ""),
    option("connection", "ssh", "sftp_batch_mode", "sftp_batch_mode", "ansible_sftp_batch_mode", ""),
    option("connection", "ssh", "sftp_executable", "sftp_executable", "ansible_sftp_executable", ""),
    option("connection", "ssh", "sftp_extra_args", "sftp_extra_args", "ansible_sftp_extra_args", ""),
    option("connection", "ssh", "ssh_args", "ssh_args", "ansible_ssh_args", ""),
    option("connection", "ssh", "ssh_common_args", "ssh_common_args", "ansible_ssh_common_args", ""),
    option("connection", "ssh", "ssh_executable", "ssh_executable", "ansible_ssh_executable", ""),
    option("connection", "ssh", "ssh_extra_args", "ssh_extra_args", "ansible_ssh_extra_args", ""),
    option("connection", "ssh", "ssh_transfer_method", "ssh_transfer_method", "ansible_ssh_transfer_method", ""),
    option("connection", "ssh", "sshpass_prompt", "sshpass_prompt", "ansible_sshpass_prompt", ""),
    option("connection", "ssh", "timeout", "DEFAULT_TIMEOUT ssh_timeout", "ansible_ssh_timeout", ""),
    option("connection", "ssh", "use_tty", "ssh_use_tty", "ansible_ssh_use_tty", ""),
    option("inventory", "constructed", "use_extra_vars", "constructed_use_extra_vars", "", ""),
    option("inventory", "script", "always_show_stderr", "inventory_script_stderr", "", ""),
    option("inventory", "yaml", "yaml_extensions", "YAML_FILENAME_EXTENSIONS inventory_yaml_valid_extensions", "", ""),
    option("lookup", "url", "ca_path", "url_lookup_ca_path", "ansible_lookup_url_ca_path", ""),
    option("lookup", "url", "ciphers", "url_lookup_ciphers", "ansible_lookup_url_ciphers", ""),
    option("lookup", "url", "follow_redirects", "url_lookup_follow_redirects", "ansible_lookup_url_follow_redirects", ""),
    option("lookup", "url", "force", "url_lookup_force", "ansible_lookup_url_force", ""),
    option("lookup", "url", "force_basic_auth", "url_lookup_force_basic_auth", "ansible_lookup_url_force_basic_auth", ""),
    option("lookup", "url", "http_agent", "url_lookup_http_agent", "ansible_lookup_url_agent", ""),
    option("lookup", "url", "timeout", "url_lookup_timeout", "ansible_lookup_url_timeout", ""),
    option("lookup", "url", "unix_socket", "url_lookup_unix_socket", "ansible_lookup_url_unix_socket", ""),
    option("lookup", "url", "unredirected_headers", "url_lookup_unredirected_headers", "ansible_lookup_url_unredir_headers", ""),
    option("lookup", "url", "use_gssapi", "url_lookup_use_gssapi", "ansible_lookup_url_use_gssapi", ""),
    option("lookup", "url", "use_netrc", "url_lookup_use_netrc", "ansible_lookup_url_use_netrc", ""),
    option("shell", "sh", "admin_users", "admin_users", "ansible_admin_users", ""),
    option("shell", "sh", "async_dir", "async_dir", "ansible_async_dir", ""),
    option("shell", "sh", "common_remote_group", "common_remote_group", "ansible_common_remote_group", ""),
    option("shell", "sh", "remote_tmp", "remote_tmp", "ansible_remote_tmp", "~/.ansible/tmp"),
    option("shell", "sh", "system_tmpdirs", "system_tmpdirs", "ansible_system_tmpdirs", ""),
    option("shell", "sh", "world_readable_temp", "allow_world_readable_tmpfiles", "ansible_shell_allow_world_readable_temp", ""),
    option("vars", "host_group_vars", "_valid_extensions", "YAML_FILENAME_EXTENSIONS", "", ""),
    option("vars", "host_group_vars", "stage", "host_group_vars_stage", "", ""),
];

/// What becomes of an option that is asked for.
#[derive(Debug, PartialEq)]
pub enum Asked {
    /// It has this value, given here.
    Value(Json, String),
    /// The plugin has no such option.
    NoOption,
    /// There is no such plugin here.
    NoPlugin,
}

impl PluginOption {
    /// The settings that give it, the last one first to count.
    pub fn settings(&self) -> impl DoubleEndedIterator<Item = &'static Setting> {
        let find = |name| SETTINGS.iter().find(|setting| setting.name == name);
        self.settings.split_whitespace().filter_map(find)
    }

    /// What its values are.
    pub fn type_of_value(&self) -> Kind {
        self.settings().next_back().map_or(Kind::Text, |setting| setting.kind)
    }

    /// A variable's value as this option takes it.
    fn read(&self, given: Json) -> Json {
        let place = Place { folder: std::path::Path::new("/"), file: false };
        match (&given, self.type_of_value()) {
            // A path on a host is none of this machine's.
            (_, Kind::Text | Kind::Path | Kind::PathSpec | Kind::PathList) => given,
            (Json::String(text), kind) => value::read(kind, text, &place).map_or(given, |value| value.to_json()),
            _ => given,
        }
    }
}

impl Configuration {
    /// An option of a plugin, with the variables that are given.
    pub fn option(&self, kind: &str, plugin: &str, name: &str, variable: &dyn Fn(&str) -> Option<Json>) -> Asked {
        let plugin =
            plugin.strip_prefix("ansible.builtin.").or(plugin.strip_prefix("ansible.legacy.")).unwrap_or(plugin);
        if !PLUGINS.iter().any(|(known, plugins)| *known == kind && plugins.contains(&plugin)) {
            return Asked::NoPlugin;
        }
        let found = OPTIONS.iter().find(|option| option.kind == kind && option.plugin == plugin && option.name == name);
        let Some(option) = found else { return Asked::NoOption };
        for variable_name in option.variables.split_whitespace().rev() {
            if let Some(given) = variable(variable_name) {
                return Asked::Value(option.read(given), format!("var: {variable_name}"));
            }
        }
        let given: Vec<&Given> = option.settings().rev().filter_map(|setting| self.get(setting.name)).collect();
        let by_variable = given.iter().find(|given| matches!(given.origin, Origin::Variable(_)));
        if let Some(given) = by_variable.or(given.first()) {
            return Asked::Value(given.value.to_json(), self.origin(&given.origin));
        }
        let default = match option.default {
            "" => option.settings().next_back().and_then(|setting| self.default_of(setting)),
            text => Some(Value::Text(text.to_owned())),
        };
        Asked::Value(default.map_or(Json::Null, |value| value.to_json()), "default".to_owned())
    }

    /// Where a value was given, in Ansible's words.
    pub fn origin(&self, origin: &Origin) -> String {
        match origin {
            Origin::Variable(name) => format!("env: {name}"),
            Origin::File(..) => self.file().map(|file| file.display().to_string()).unwrap_or_default(),
        }
    }

    /// The value of a setting where none is given: Ansible's folder is where it is said to be.
    pub fn default_of(&self, setting: &Setting) -> Option<Value> {
        let default = match (setting.default, setting.kind) {
            ("", Kind::Text) if setting.name == "DEFAULT_BECOME_FLAGS" => return Some(Value::Text(String::new())),
            ("", Kind::List) => return Some(Value::List(Vec::new())),
            ("", _) => return None,
            (default, Kind::Path | Kind::PathSpec | Kind::PathList) => default,
            _ => return setting.default_value(),
        };
        let text = match self.text("ANSIBLE_HOME") {
            Some(home) if setting.name != "ANSIBLE_HOME" => default.replace("~/.ansible", home),
            _ => default.to_owned(),
        };
        value::read(setting.kind, &text, &Place { folder: std::path::Path::new("/"), file: true })
    }
}
