//! How to reach one host: what the inventory says, what `-o` options say, what OpenSSH's configuration says, in this order.

use super::{
    account::{expand_home, login_name},
    error::SshError,
    known_hosts::{HostKeyPolicy, Rules, wildcard},
    name::{self, check_host, check_user},
    secret::Secret,
    ssh_config::{self, Found},
    target::Target,
};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

/// Everything decided: what connecting goes by.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Option<Secret>,
    /// Named by somebody, as opposed to the default ones.
    pub(crate) keys: Vec<PathBuf>,
    pub(crate) default_keys: Vec<PathBuf>,
    pub(crate) certificates: Vec<PathBuf>,
    pub(crate) identities_only: bool,
    /// The agent's socket.
    pub(crate) agent: Option<PathBuf>,
    pub(crate) public_key_auth: bool,
    pub(crate) password_auth: bool,
    pub(crate) jump: Vec<String>,
    pub(crate) proxy_command: Option<String>,
    /// The name and port the host key is looked up by.
    pub(crate) host_key_place: (String, u16),
    /// Only addresses of version 4 or 6.
    pub(crate) ip_version: Option<u8>,
    pub(crate) warnings: Vec<String>,
    pub(crate) rules: Rules,
    pub(crate) timeout: Duration,
    pub(crate) attempts: u32,
    pub(crate) alive_interval: Option<Duration>,
    pub(crate) alive_max: usize,
    /// Variables that a program on the host starts with, if its server takes them.
    pub(crate) environment: Vec<(String, String)>,
}

impl Settings {
    /// Decides how to reach a target.
    #[allow(clippy::too_many_lines, reason = "one line for each setting")]
    pub(crate) fn resolve(target: &Target, home: &Path) -> Result<Self, SshError> {
        let name = target.address.as_deref().unwrap_or(&target.name);
        let name = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        // Before anything else: `ssh -G` and its `Match exec` would take them in.
        let says = |key: &str| format!("{} (of {})", key, target.name.escape_debug());
        check_host(name, &says(if target.address.is_some() { "ansible_host" } else { "the host's name" }))?;
        if let Some(user) = &target.user {
            check_user(user, &says("ansible_user"))?;
        }
        let found = ssh_config::look_up(name, target, home)?;
        let user = target.user.clone().or_else(|| found.get("user").map(str::to_owned)).unwrap_or_else(login_name);
        let host = match found.get("hostname") {
            Some(pattern) => pattern.replace("%h", name).replace("%%", "%"),
            None => name.to_owned(),
        };
        let port = match (target.port, found.get("port")) {
            (Some(port), _) => port,
            (None, Some(text)) => found.parse("port", text)?,
            (None, None) => 22,
        };
        check_user(&user, &found.origin("user"))?;
        check_host(&host, &found.origin("hostname"))?;
        if let Some(alias) = found.get("hostkeyalias") {
            check_host(alias, &found.origin("hostkeyalias"))?;
        }
        let tokens = Tokens { home, name, host: &host, port, user: &user };
        let expand = |path: &str| PathBuf::from(tokens.expand(path));
        let mut keys = target.private_key_files.clone();
        let named = found.all("identityfile");
        keys.extend(named.iter().filter(|path| **path != "none").map(|path| expand(path)));
        keys.dedup();
        let default_keys = if keys.is_empty() && named.is_empty() { default_keys(home) } else { Vec::new() };
        let preferred = found.get("preferredauthentications");
        let prefers = |methods: &[&str]| {
            preferred.is_none_or(|list| list.split(',').any(|method| methods.contains(&method.trim())))
        };
        let alive: u64 = found.number("serveraliveinterval", 15)?;
        Ok(Settings {
            name: target.name.clone(),
            rules: rules(target, &found, home, &expand)?,
            // An alias stands for the host whatever its port.
            host_key_place: found
                .get("hostkeyalias")
                .map_or_else(|| (host.clone(), port), |alias| (alias.to_owned(), 22)),
            ip_version: ip_version(&found)?,
            warnings: found.left_out(),
            certificates: found.all("certificatefile").iter().map(|path| expand(path)).collect(),
            identities_only: found.yes("identitiesonly", false)?,
            public_key_auth: found.yes("pubkeyauthentication", true)? && prefers(&["publickey"]),
            password_auth: found.yes("passwordauthentication", true)? && prefers(&["password", "keyboard-interactive"]),
            jump: jumps(target, &found),
            proxy_command: proxy_command(&found, &tokens)?,
            timeout: match found.get("connecttimeout") {
                Some(text) if text != "none" => Duration::from_secs(found.seconds("connecttimeout", text)?),
                _ => target.connect_timeout,
            },
            attempts: found.number("connectionattempts", 1)?,
            alive_interval: (alive > 0).then(|| Duration::from_secs(alive)),
            alive_max: found.number("serveralivecountmax", 3)?,
            password: target.password.clone(),
            environment: environment(&found, std::env::vars_os())?,
            agent: agent(&found, &expand),
            keys,
            default_keys,
            host,
            port,
            user,
        })
    }
}

/// What `SendEnv` takes from `ours`, and behind it what `SetEnv` says, which wins (ssh_config(5)).
pub(crate) fn environment(
    found: &Found,
    ours: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, SshError> {
    let mut patterns: Vec<String> = Vec::new();
    for word in found.all("sendenv").into_iter().flat_map(ssh_config::words) {
        match word.strip_prefix('-') {
            // It takes back what was said before.
            Some(gone) => patterns.retain(|pattern| !wildcard(gone, pattern)),
            None => patterns.push(word),
        }
    }
    let texts =
        ours.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut sent: Vec<_> = texts.filter(|(name, _)| patterns.iter().any(|pattern| wildcard(pattern, name))).collect();
    sent.sort();
    // Of several lines the first alone counts.
    for word in found.get("setenv").map(ssh_config::words).unwrap_or_default() {
        let (name, value) = word.split_once('=').ok_or_else(|| found.strange("setenv", &word))?;
        sent.push((name.to_owned(), value.to_owned()));
    }
    Ok(sent)
}

/// The agent's socket.
fn agent(found: &Found, expand: &dyn Fn(&str) -> PathBuf) -> Option<PathBuf> {
    match found.get("identityagent") {
        Some("none") => None,
        Some("SSH_AUTH_SOCK") | None => std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from),
        Some(path) => match path.strip_prefix('$').filter(|name| !name.starts_with('{')) {
            Some(variable) => std::env::var_os(variable).map(PathBuf::from),
            None => Some(expand(path)),
        },
    }
}

fn ip_version(found: &Found) -> Result<Option<u8>, SshError> {
    match found.get("addressfamily") {
        Some("inet") => Ok(Some(4)),
        Some("inet6") => Ok(Some(6)),
        Some("any") | None => Ok(None),
        Some(other) => Err(found.strange("addressfamily", other)),
    }
}

fn proxy_command(found: &Found, tokens: &Tokens<'_>) -> Result<Option<String>, SshError> {
    let Some(command) = found.get("proxycommand").filter(|command| *command != "none") else { return Ok(None) };
    let alias = found.get("hostkeyalias").unwrap_or(tokens.host);
    let token = |c| tokens.value(c).or_else(|| (c == 'k').then(|| alias.to_owned()));
    name::command(command, token, &found.origin("proxycommand")).map(Some)
}

fn jumps(target: &Target, found: &Found) -> Vec<String> {
    if !target.jump.is_empty() {
        return target.jump.iter().filter(|jump| jump.as_str() != "none").cloned().collect();
    }
    match found.get("proxyjump") {
        // A ProxyCommand that stands earlier wins, and it excludes jumps.
        Some(jumps) if jumps != "none" && !found.comes_before("proxycommand", "proxyjump") => {
            jumps.split(',').map(|jump| jump.trim().to_owned()).collect()
        }
        _ => Vec::new(),
    }
}

fn rules(target: &Target, found: &Found, home: &Path, expand: &dyn Fn(&str) -> PathBuf) -> Result<Rules, SshError> {
    let policy = match (target.host_key_checking, found.get("stricthostkeychecking")) {
        (Some(policy), _) => policy,
        (None, Some("accept-new")) => HostKeyPolicy::AcceptNew,
        (None, Some("no" | "off" | "false")) => HostKeyPolicy::Off,
        (None, Some("yes" | "ask" | "true") | None) => HostKeyPolicy::Strict,
        (None, Some(other)) => return Err(found.strange("stricthostkeychecking", other)),
    };
    let files = |key: &str, default: Vec<PathBuf>| match found.get(key) {
        Some("none") => Vec::new(),
        Some(paths) => ssh_config::words(paths).iter().map(|path| expand(path)).collect(),
        None => default,
    };
    Ok(Rules {
        policy,
        files: files("userknownhostsfile", vec![home.join(".ssh/known_hosts"), home.join(".ssh/known_hosts2")]),
        global_files: files(
            "globalknownhostsfile",
            vec!["/etc/ssh/ssh_known_hosts".into(), "/etc/ssh/ssh_known_hosts2".into()],
        ),
        revoked: found.get("revokedhostkeys").filter(|path| *path != "none").map(expand),
        hashed: found.yes("hashknownhosts", false)?,
    })
}

fn default_keys(home: &Path) -> Vec<PathBuf> {
    ["id_ed25519", "id_ecdsa", "id_rsa"].iter().map(|name| home.join(".ssh").join(name)).collect()
}

/// What `%h` and its like stand for.
struct Tokens<'a> {
    home: &'a Path,
    name: &'a str,
    host: &'a str,
    port: u16,
    user: &'a str,
}

impl Tokens<'_> {
    /// What a token stands for.
    fn value(&self, token: char) -> Option<String> {
        Some(match token {
            'h' => self.host.to_owned(),
            'n' => self.name.to_owned(),
            'p' => self.port.to_string(),
            'r' => self.user.to_owned(),
            'u' => login_name(),
            'd' => self.home.to_string_lossy().into_owned(),
            _ => return None,
        })
    }

    /// Expands `~`, `%` tokens and `${VARIABLES}` as ssh_config(5) says.
    fn expand(&self, text: &str) -> String {
        let text = expand_home(text, self.home).to_string_lossy().into_owned();
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['%', '$']) {
            out.push_str(&rest[..at]);
            let here = &rest[at..];
            if let Some((variable, after)) = here.strip_prefix("${").and_then(|inner| inner.split_once('}')) {
                out.push_str(&std::env::var(variable).unwrap_or_default());
                rest = after;
                continue;
            }
            let mut chars = here.chars();
            let sign = chars.next().unwrap_or_default();
            let token = if sign == '%' { chars.next() } else { None };
            match token {
                Some('%') => out.push('%'),
                Some(other) => match self.value(other) {
                    Some(value) => out.push_str(&value),
                    None => out.extend([sign, other]),
                },
                None => out.push(sign),
            }
            rest = &here[sign.len_utf8() + token.map_or(0, char::len_utf8)..];
        }
        out.push_str(rest);
        out
    }
}
