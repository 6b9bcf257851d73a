//! `ansible.cfg` and the `ANSIBLE_…` variables, as Ansible reads them.
//!
//! [`Configuration::read`] finds the one file that counts, reads it and the environment, and knows of each setting whether it
//! does anything here. What the values are for is decided elsewhere: this knows nothing of runs and inventories.

mod error;
mod find;
mod galaxy;
mod ini;
mod known;
mod plugin;
mod setting;
mod value;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ffi::OsString,
    path::{Path, PathBuf},
    sync::OnceLock,
};

pub use error::ConfigurationError;
pub use galaxy::{Server, ServerSetting};
pub use plugin::{Asked, KINDS, OPTIONS, PluginOption, plugins};
pub use setting::{Effect, Setting};
pub use value::{Kind, Value};

use ini::Ini;
use value::Place;

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In this environment variable.
    Variable(&'static str),
    /// In this line of the file, under this key.
    File(usize, &'static str),
}

/// A value that somebody gave.
#[derive(Clone, Debug)]
pub struct Given {
    /// What it is.
    pub value: Value,
    /// Where it was given.
    pub origin: Origin,
}

/// What Ansible is configured to do here.
#[derive(Debug, Default)]
pub struct Configuration {
    file: Option<PathBuf>,
    text: String,
    given: BTreeMap<&'static str, Given>,
    warnings: Vec<String>,
    slips: Vec<String>,
    servers: Vec<Server>,
    strange: Vec<String>,
}

/// Read once, for it is the same for all of a process.
static CURRENT: OnceLock<Configuration> = OnceLock::new();

/// The configuration of this process; an empty one before it was read.
pub fn current() -> &'static Configuration {
    static NONE: OnceLock<Configuration> = OnceLock::new();
    CURRENT.get().unwrap_or_else(|| NONE.get_or_init(Configuration::default))
}

/// All settings that Ansible has.
pub fn settings() -> &'static [Setting] {
    known::SETTINGS
}

impl Configuration {
    /// Reads what counts in the working directory, with the environment of this process.
    ///
    /// # Errors
    /// When the file cannot be read as one, or a value is not what its setting takes.
    pub fn read() -> Result<Configuration, ConfigurationError> {
        let variables = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ANSIBLE_"));
        let here = std::env::current_dir().ok();
        Configuration::of(variables, here.as_deref(), std::env::home_dir().as_deref())
    }

    fn of(
        variables: impl Iterator<Item = (OsString, OsString)>,
        here: Option<&Path>,
        home: Option<&Path>,
    ) -> Result<Configuration, ConfigurationError> {
        let text = |text: OsString| text.to_string_lossy().into_owned();
        let variables: HashMap<String, String> = variables.map(|(name, value)| (text(name), text(value))).collect();
        let (file, warnings) = find::find(variables.get("ANSIBLE_CONFIG").map(String::as_str), here, home);
        let mut configuration = Configuration { warnings, ..Configuration::default() };
        let ini = file.map(|file| configuration.add_file(file)).transpose()?;
        configuration.add_variables(&variables, here.unwrap_or(Path::new("/")))?;
        configuration.warnings.extend(configuration.slips.iter().cloned());
        configuration.name_what_has_no_effect();
        configuration.servers = galaxy::servers(&configuration, ini.as_ref(), &variables);
        Ok(configuration)
    }

    /// Reads this file, with the environment of this process.
    ///
    /// # Errors
    /// As [`Configuration::read`].
    pub fn read_file(file: &Path) -> Result<Configuration, ConfigurationError> {
        let variables = std::env::vars_os().filter(|(name, _)| {
            name.to_string_lossy().starts_with("ANSIBLE_") && name.to_string_lossy() != "ANSIBLE_CONFIG"
        });
        let named = ("ANSIBLE_CONFIG".into(), file.as_os_str().to_owned());
        Configuration::of(variables.chain([named]), std::env::current_dir().ok().as_deref(), None)
    }

    /// The file that was read.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The file's text.
    pub fn text_of_file(&self) -> &str {
        &self.text
    }

    /// What is to be said about it: each once.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Names that Ansible has not, each as a sentence with its place.
    pub fn slips(&self) -> &[String] {
        &self.slips
    }

    /// Makes it that of this process; the first counts.
    pub fn hold(self) -> &'static Configuration {
        CURRENT.get_or_init(|| self)
    }

    /// Environment variables that begin as Ansible's do and are none of its own: anybody may have such ones.
    pub fn strange_variables(&self) -> &[String] {
        &self.strange
    }

    /// The servers of Ansible's that are listed.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// What was given for a setting.
    pub fn get(&self, name: &str) -> Option<&Given> {
        self.given.get(name)
    }

    /// A text or path that was given and is not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        match &self.get(name)?.value {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// A text that was given and means a path: beside the file, or in the working directory where a variable says it.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        let text = self.text(name)?;
        let folder = match (&self.get(name)?.origin, &self.file) {
            (Origin::File(..), Some(file)) => file.parent().unwrap_or(Path::new("/")).to_owned(),
            _ => std::env::current_dir().unwrap_or_default(),
        };
        Some(PathBuf::from(value::path(text, &Place { folder: &folder, file: false })))
    }

    /// A truth value that was given.
    pub fn truth(&self, name: &str) -> Option<bool> {
        match self.get(name)?.value {
            Value::Bool(truth) => Some(truth),
            _ => None,
        }
    }

    /// A number that was given and is none below zero.
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.get(name)?.value {
            Value::Int(number) => u64::try_from(number).ok(),
            _ => None,
        }
    }

    /// Texts or paths that were given.
    pub fn list(&self, name: &str) -> Option<&[String]> {
        match &self.get(name)?.value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    fn add_file(&mut self, file: PathBuf) -> Result<Ini, ConfigurationError> {
        if !file.extension().is_some_and(|end| end == "cfg" || end == "ini") {
            let message = format!("{} is no file of settings by its name", file.display());
            return Err(ConfigurationError::new(message, "its name must end in `.cfg` or `.ini`"));
        }
        let unreadable = |reason: String| {
            let message = format!("cannot read {}: {reason}", file.display());
            ConfigurationError::new(message, "make it readable, or remove it")
        };
        let bytes = std::fs::read(&file).map_err(|error| unreadable(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|error| unreadable(error.to_string()))?;
        let ini = Ini::parse(&text)
            .map_err(|wrong| ConfigurationError::new(wrong.message, wrong.help).at(&file, &text, wrong.line))?;
        let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
        let place = Place { folder: &folder, file: true };
        for setting in known::SETTINGS {
            let Some((key, entry)) = setting.keys().filter_map(|(s, key)| Some((key, ini.get(s, key)?))).last() else {
                continue;
            };
            let value = take(setting, &entry.value, &place)
                .map_err(|(message, help)| ConfigurationError::new(message, help).at(&file, &text, entry.line))?;
            self.doubt(setting, &entry.value, &format!("{}:{}: `{key}`", file.display(), entry.line));
            self.given.insert(setting.name, Given { value, origin: Origin::File(entry.line, key) });
        }
        self.name_unknown(&ini, &file);
        (self.file, self.text) = (Some(file), text);
        Ok(ini)
    }

    fn add_variables(&mut self, variables: &HashMap<String, String>, here: &Path) -> Result<(), ConfigurationError> {
        if variables.is_empty() {
            return Ok(());
        }
        let place = Place { folder: here, file: false };
        for setting in known::SETTINGS {
            let found = setting.variables().filter_map(|name| Some((name, variables.get(name)?))).last();
            let Some((name, text)) = found else { continue };
            // As with Ansible an empty variable says nothing where a text would be none.
            if text.is_empty() && !matches!(setting.kind, Kind::Text | Kind::List) {
                continue;
            }
            let value = take(setting, text, &place)
                .map_err(|(message, help)| ConfigurationError::new(ill_typed(setting, name, &message), help))?;
            self.doubt(setting, text, name);
            self.given.insert(setting.name, Given { value, origin: Origin::Variable(name) });
        }
        // Anybody may have such variables for purposes of his own: only what looks like a slip is one.
        let known: HashSet<&str> =
            known::SETTINGS.iter().flat_map(Setting::variables).chain(["ANSIBLE_CONFIG"]).collect();
        let mut others: Vec<&String> = variables.keys().filter(|name| !known.contains(name.as_str())).collect();
        others.sort();
        self.strange = others.iter().map(|name| (*name).clone()).collect();
        // What all of them begin with says nothing.
        let own = |name: &'_ str| name.strip_prefix("ANSIBLE_").unwrap_or(name).to_owned();
        let known: Vec<String> = known.into_iter().map(own).collect();
        for name in others {
            let short = own(name);
            let alike = known.iter().map(String::as_str).filter(|known| known.len().abs_diff(short.len()) < 2);
            if let Some(near) = crate::suggest::near(&short, alike) {
                self.slips.push(format!("{name}: Ansible has no such variable; did you mean `ANSIBLE_{near}`?"));
            }
        }
        Ok(())
    }

    /// Warns of a truth value that says neither; Ansible takes it as false.
    fn doubt(&mut self, setting: &Setting, text: &str, place: &str) {
        if setting.kind == Kind::Bool && value::truth(text).is_none() {
            self.warnings.push(format!("{place}: `{text}` is neither true nor false, and counts as false"));
        }
    }

    /// Warns of keys that Ansible has not, and of the sections of its plugins that nobody here reads.
    fn name_unknown(&mut self, ini: &Ini, file: &Path) {
        let keys: HashSet<(&str, &str)> = known::SETTINGS.iter().flat_map(Setting::keys).collect();
        let sections: HashSet<&str> = keys.iter().map(|(section, _)| *section).collect();
        let mut strange: Vec<String> = Vec::new();
        for (section, key, entry) in ini.entries() {
            if section == "DEFAULT" || section.starts_with("galaxy_server.") || keys.contains(&(section, key)) {
                continue;
            }
            let place = format!("{}:{}", file.display(), entry.line);
            if !sections.contains(section) {
                let near = crate::suggest::near(section, sections.iter().copied());
                match near {
                    Some(near) => {
                        self.slips.push(format!("{place}: there is no `[{section}]`; did you mean `[{near}]`?"))
                    }
                    None => strange.push(format!("[{section}]")),
                }
                continue;
            }
            let elsewhere = keys.iter().filter(|(_, known)| *known == key).map(|(section, _)| *section).min();
            let here = keys.iter().filter(|(known, _)| *known == section).map(|(_, key)| *key);
            let hint = match (elsewhere, crate::suggest::near(key, here)) {
                (Some(other), _) => format!("; it belongs into `[{other}]`"),
                (None, Some(near)) => format!("; did you mean `{near}`?"),
                (None, None) => String::new(),
            };
            self.slips.push(format!("{place}: Ansible has no setting `{key}` in `[{section}]`{hint}"));
        }
        strange.dedup();
        if !strange.is_empty() {
            self.warnings.push(format!(
                "{}: {} is for plugins that are not here, and has no effect",
                file.display(),
                strange.join(", ")
            ));
        }
    }

    /// One warning for all that is given and changes nothing here.
    fn name_what_has_no_effect(&mut self) {
        let idle = |setting: &&Setting| match (setting.effect, self.given.get(setting.name)) {
            (Effect::Same, Some(given)) => setting.default_value().as_ref() != Some(&given.value),
            _ => false,
        };
        let mut named: Vec<(Option<usize>, String)> = Vec::new();
        for setting in known::SETTINGS.iter().filter(idle) {
            named.push(match self.given.get(setting.name).map(|given| &given.origin) {
                Some(Origin::File(line, key)) => (Some(*line), format!("`{key}` (line {line})")),
                Some(Origin::Variable(name)) => (None, (*name).to_owned()),
                None => continue,
            });
        }
        named.sort();
        if !named.is_empty() {
            let list: Vec<String> = named.into_iter().map(|(_, text)| text).collect();
            let file = self.file.as_ref().map_or_else(|| "ansible.cfg".to_owned(), |file| file.display().to_string());
            let callbacks =
                ["DEFAULT_STDOUT_CALLBACK", "CALLBACKS_ENABLED", "callback_whitelist", "DEFAULT_CALLBACK_PLUGIN_PATH"];
            let some = known::SETTINGS.iter().filter(idle).any(|setting| callbacks.contains(&setting.name));
            let instead = if some { "; callbacks do not run here, `--output json` tells each event" } else { "" };
            self.warnings.push(format!("{file}: without effect here: {}{instead}", list.join(", ")));
        }
    }
}

/// What is wrong with a variable, in Ansible's words and ours.
fn ill_typed(setting: &Setting, variable: &str, message: &str) -> String {
    format!("Invalid type for configuration option setting: {} (from env: {variable}): {message}", setting.name)
}

/// Reads the value of a setting; the message and the help where it is none.
fn take(setting: &Setting, text: &str, place: &Place<'_>) -> Result<Value, (String, String)> {
    let wrong = |help: String| (format!("`{text}` is no value for {}", setting.name), help);
    let value = value::read(setting.kind, text, place).ok_or_else(|| wrong("it takes a number".into()))?;
    let choices: Vec<&str> = setting.choices.split_whitespace().collect();
    let fits = |text: &String| choices.is_empty() || choices.contains(&text.as_str());
    let all_fit = match &value {
        Value::Text(one) => fits(one),
        Value::List(many) => many.iter().all(fits),
        _ => true,
    };
    if all_fit { Ok(value) } else { Err(wrong(format!("it is one of {}", choices.join(", ")))) }
}

#[cfg(test)]
mod tests;
