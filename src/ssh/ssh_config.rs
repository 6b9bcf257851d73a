//! OpenSSH's configuration: `-o` options, `~/.ssh/config`, `/etc/ssh/ssh_config` (ssh_config(5)).
//!
//! Plain files are read here, which spares a process per host. What needs OpenSSH itself (`Match`, canonical names) is
//! asked of `ssh -G`.

use super::{
    account::expand_home,
    error::SshError,
    known_hosts::wildcard,
    target::{Target, key_and_value},
};
use crate::python::{fnmatch::has_magic, glob::glob};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
};

/// A setting and where it stands.
#[derive(Clone, Debug)]
struct Entry {
    key: String,
    value: String,
    origin: String,
}

/// All settings that hold for one host, the strongest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found(Vec<Entry>);

/// Options that change nothing here: no terminal, no multiplexing over a socket, no forwarding to the host.
const WITHOUT_MEANING: &str = "addkeystoagent batchmode canonicaldomains canonicalizefallbacklocal \
    canonicalizehostname canonicalizemaxdots canonicalizepermittedcnames challengeresponseauthentication checkhostip \
    clearallforwardings compression controlmaster controlpath controlpersist dynamicforward enableescapecommandline \
    escapechar exitonforwardfailure fingerprinthash forkafterauthentication forwardagent forwardx11 forwardx11timeout \
    forwardx11trusted gatewayports gssapiauthentication gssapidelegatecredentials gssapikeyexchange gssapirenewalforcesrekey \
    gssapitrustdns hostbasedauthentication ignoreunknown ipqos kbdinteractiveauthentication localcommand localforward \
    loglevel logverbose nohostauthenticationforlocalhost numberofpasswordprompts obscurekeystroketiming permitlocalcommand \
    permitremoteopen protocol rekeylimit remotecommand remoteforward requesttty sessiontype stdinnull \
    streamlocalbindmask streamlocalbindunlink syslogfacility tag tcpkeepalive tunnel tunneldevice updatehostkeys usekeychain \
    verifyhostkeydns visualhostkey warnweakcrypto xauthlocation";

/// Options that would change how a host is reached and that we leave out: the user is told.
const LEFT_OUT: &str = "bindaddress bindinterface casignaturealgorithms channeltimeout ciphers enablesshkeysign \
    hostbasedacceptedalgorithms hostkeyalgorithms kexalgorithms knownhostscommand macs pkcs11provider proxyusefdpass \
    pubkeyacceptedalgorithms pubkeyacceptedkeytypes requiredrsasize securitykeyprovider";

/// Options that are read in `config.rs`.
const UNDERSTOOD: &str = "addressfamily certificatefile connectionattempts connecttimeout f globalknownhostsfile \
    hashknownhosts hostkeyalias hostname identitiesonly identityagent identityfile passwordauthentication port \
    preferredauthentications proxycommand proxyjump pubkeyauthentication revokedhostkeys sendenv serveralivecountmax \
    serveraliveinterval setenv stricthostkeychecking user userknownhostsfile";

fn is_one_of(key: &str, names: &str) -> bool {
    names.split_ascii_whitespace().any(|name| name == key)
}

/// Collects what holds for a host.
pub(crate) fn look_up(host: &str, target: &Target, home: &Path) -> Result<Found, SshError> {
    let mut found = Found::default();
    for (key, value) in &target.options {
        let key = key.to_lowercase();
        let origin = format!("option `-o {key}={value}`");
        if ![UNDERSTOOD, WITHOUT_MEANING, LEFT_OUT].iter().any(|names| is_one_of(&key, names)) {
            let help = Some("leave it out, or move it to ~/.ssh/config if only ssh needs it".into());
            return Err(SshError::Setting { origin, what: "this OpenSSH option is not supported".into(), help });
        }
        found.0.push(Entry { key, value: value.clone(), origin });
    }
    let files = match target.options.get("f").or_else(|| target.options.get("F")).map(String::as_str) {
        Some("none") => Vec::new(),
        Some(file) => vec![expand_home(file, home)],
        None => vec![home.join(".ssh/config"), PathBuf::from("/etc/ssh/ssh_config")],
    };
    let mut reader = Reader { host, home, entries: Vec::new(), needs_client: false };
    for file in &files {
        let given = target.options.contains_key("f") || target.options.contains_key("F");
        reader.file(file, true, 0, given)?;
    }
    if reader.needs_client {
        found.0.extend(ask_client(host, target)?);
    } else {
        found.0.append(&mut reader.entries);
    }
    Ok(found)
}

#[cfg(any(test, fuzzing))]
/// Reads a text by itself, without what it includes: for fuzzing.
pub(crate) fn read_text(host: &str, text: &str) -> Result<Found, SshError> {
    let nowhere = Path::new("/nonexistent");
    let mut reader = Reader { host, home: nowhere, entries: Vec::new(), needs_client: false };
    reader.text(text, &nowhere.join("config"), true, MOST_INCLUDES)?;
    Ok(Found(reader.entries))
}

/// So deep files may include each other, as with OpenSSH.
const MOST_INCLUDES: u8 = 16;

struct Reader<'a> {
    host: &'a str,
    home: &'a Path,
    entries: Vec<Entry>,
    needs_client: bool,
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, active: bool, depth: u8, must_exist: bool) -> Result<(), SshError> {
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => return Ok(()),
            Err(source) => return Err(SshError::File { path: path.to_owned(), source }),
        };
        self.text(&text, path, active, depth)
    }

    fn text(&mut self, text: &str, path: &Path, mut active: bool, depth: u8) -> Result<(), SshError> {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let origin = format!("{}:{}", path.display(), index + 1);
            let Some((key, value)) = key_and_value(line) else {
                return Err(SshError::Setting { origin, what: format!("`{line}` has no value"), help: None });
            };
            match key.as_str() {
                "host" => active = self.host_matches(&value),
                // `final` means a second pass, in which nothing else would match anew.
                "match" if ["all", "final all"].contains(&value.to_lowercase().as_str()) => active = true,
                "match" => self.needs_client = true,
                "canonicalizehostname" if active && value != "no" => self.needs_client = true,
                "include" if active => self.include(path, &value, depth, &origin)?,
                _ if active => self.entries.push(Entry { key, value, origin }),
                _ => {}
            }
        }
        Ok(())
    }

    fn include(&mut self, from: &Path, value: &str, depth: u8, origin: &str) -> Result<(), SshError> {
        if depth >= MOST_INCLUDES {
            let what = "files include each other without an end".into();
            return Err(SshError::Setting { origin: origin.to_owned(), what, help: None });
        }
        for word in words(value) {
            let path = expand_home(&word, self.home);
            let path = match (path.is_absolute(), from.starts_with("/etc/ssh")) {
                (true, _) => path,
                (false, true) => Path::new("/etc/ssh").join(path),
                (false, false) => self.home.join(".ssh").join(path),
            };
            for file in matching_files(&path) {
                self.file(&file, true, depth + 1, false)?;
            }
        }
        Ok(())
    }

    fn host_matches(&self, patterns: &str) -> bool {
        let mut found = false;
        for pattern in words(patterns) {
            match pattern.strip_prefix('!') {
                Some(negated) if wildcard(negated, self.host) => return false,
                Some(_) => {}
                None => found |= wildcard(&pattern, self.host),
            }
        }
        found
    }
}

/// Expands the wildcards of a path, as `Include` does with glob(3).
fn matching_files(path: &Path) -> Vec<PathBuf> {
    match path.to_str().filter(|path| has_magic(path)) {
        Some(pattern) => glob(pattern).into_iter().map(PathBuf::from).collect(),
        None => vec![path.to_owned()],
    }
}

/// Asks OpenSSH's client, which prints every setting of a host with `-G`.
fn ask_client(host: &str, target: &Target) -> Result<Vec<Entry>, SshError> {
    let mut command = Command::new("ssh");
    command.arg("-G");
    if let Some(file) = target.options.get("f").or_else(|| target.options.get("F")) {
        command.args(["-F", file]);
    }
    if let Some(user) = &target.user {
        command.args(["-l", user]);
    }
    if let Some(port) = target.port {
        command.args(["-p", &port.to_string()]);
    }
    let output = command.args(["--", host]).output().map_err(|source| SshError::Local {
        host: target.name.clone(),
        program: "`ssh -G`, which the `Match` in your OpenSSH configuration needs,".into(),
        source,
    })?;
    if !output.status.success() {
        let what = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(SshError::Setting { origin: format!("ssh -G {host}"), what, help: None });
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let entries = text.lines().filter_map(|line| {
        let (key, value) = line.split_once(' ')?;
        // These are OpenSSH's own defaults: they must not look like somebody's wish.
        let default = match key {
            "identityfile" => value.starts_with("~/.ssh/id_"),
            "stricthostkeychecking" => value == "ask",
            "connecttimeout" => value == "none",
            "serveraliveinterval" => value == "0",
            _ => false,
        };
        let entry = Entry { key: key.to_owned(), value: value.to_owned(), origin: format!("ssh -G {host}") };
        (!default).then_some(entry)
    });
    Ok(entries.collect())
}

/// Splits a value into words, quotes kept together: OpenSSH's rules, which are a shell's and not Python's.
pub(crate) fn words(value: &str) -> Vec<String> {
    shell_words::split(value).unwrap_or_else(|_| value.split_whitespace().map(str::to_owned).collect())
}

impl Found {
    /// The first, which is the one that counts.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
    }

    /// What somebody wished for and does not get. The system's own policy in `/etc` is no wish.
    pub(crate) fn left_out(&self) -> Vec<String> {
        let wished = |entry: &&Entry| !entry.origin.starts_with("/etc/") && !entry.origin.starts_with("ssh -G");
        let left_out = self.0.iter().filter(wished).filter(|entry| is_one_of(&entry.key, LEFT_OUT));
        left_out.map(|entry| format!("{}: `{}` is not supported and was left out", entry.origin, entry.key)).collect()
    }

    /// All of those that add up.
    pub(crate) fn all(&self, key: &str) -> Vec<&str> {
        self.0.iter().filter(|entry| entry.key == key).map(|entry| entry.value.as_str()).collect()
    }

    /// Tells which of two stands first.
    pub(crate) fn comes_before(&self, key: &str, other: &str) -> bool {
        let place = |key: &str| self.0.iter().position(|entry| entry.key == key);
        match (place(key), place(other)) {
            (Some(first), Some(second)) => first < second,
            (first, _) => first.is_some(),
        }
    }

    /// Where the value of a key stands.
    pub(crate) fn origin(&self, key: &str) -> String {
        self.0.iter().find(|entry| entry.key == key).map_or_else(|| key.to_owned(), |entry| entry.origin.clone())
    }

    /// Complains about a value, with its place.
    pub(crate) fn strange(&self, key: &str, value: &str) -> SshError {
        SshError::Setting { origin: self.origin(key), what: format!("`{value}` is no value for {key}"), help: None }
    }

    pub(crate) fn parse<T: FromStr>(&self, key: &str, value: &str) -> Result<T, SshError> {
        value.parse().map_err(|_| self.strange(key, value))
    }

    pub(crate) fn number<T: FromStr>(&self, key: &str, default: T) -> Result<T, SshError> {
        self.get(key).map_or(Ok(default), |value| self.parse(key, value))
    }

    /// Reads a time as OpenSSH writes it: seconds, or `1m30s`.
    pub(crate) fn seconds(&self, key: &str, value: &str) -> Result<u64, SshError> {
        let mut total = 0u64;
        let mut digits = String::new();
        for c in value.chars() {
            let unit = match c.to_ascii_lowercase() {
                '0'..='9' => {
                    digits.push(c);
                    continue;
                }
                's' => 1,
                'm' => 60,
                'h' => 3600,
                'd' => 86_400,
                _ => return Err(self.strange(key, value)),
            };
            total = total.saturating_add(self.parse::<u64>(key, &std::mem::take(&mut digits))?.saturating_mul(unit));
        }
        if !digits.is_empty() {
            total = total.saturating_add(self.parse::<u64>(key, &digits)?);
        }
        Ok(total)
    }

    pub(crate) fn yes(&self, key: &str, default: bool) -> Result<bool, SshError> {
        match self.get(key) {
            None => Ok(default),
            Some("yes" | "true") => Ok(true),
            Some("no" | "false") => Ok(false),
            Some(other) => Err(self.strange(key, other)),
        }
    }
}

#[cfg(test)]
#[path = "ssh_config_tests.rs"]
mod tests;
