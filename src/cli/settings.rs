//! `bringup.toml`: settings for those who don't want to repeat flags.
//!
//! It is looked for in the working directory and upwards. Flags, `BRINGUP_…` and `ANSIBLE_…` variables win over it, and it wins
//! over `ansible.cfg`.

use std::path::Path;

use clap::CommandFactory;
use miette::{NamedSource, Report, SourceSpan};
use toml::Value;

use super::{Arguments, configured};

/// The file's name.
const NAME: &str = "bringup.toml";

/// Settings there are: names of long flags, with `_` or `-`.
const KNOWN: [&str; 24] = [
    "accept_new_host_keys",
    "become",
    "become_method",
    "become_password_file",
    "become_user",
    "connection",
    "connection_password_file",
    "diff",
    "extra_vars",
    "force_handlers",
    "forks",
    "inventory",
    "limit",
    "only_changes",
    "output",
    "private_key",
    "profile",
    "python",
    "roles_path",
    "skip_tags",
    "ssh_common_args",
    "tags",
    "task_timeout",
    "timeout",
];

/// Settings that are paths, relative to the file's folder.
const PATHS: [&str; 5] = ["become_password_file", "connection_password_file", "inventory", "private_key", "roles_path"];

/// A setting with its values as a flag would have them.
pub type Settings = Vec<(String, Vec<String>)>;

/// All settings that are the defaults of flags, the strongest last.
///
/// # Errors
/// When a file or a variable is wrong.
pub fn all() -> Result<Settings, Report> {
    let (mut all, variables) = configured::defaults(configured::read()?);
    all.extend(find()?);
    all.extend(variables);
    Ok(all)
}

/// Reads the nearest `bringup.toml`; no settings where there is none.
fn find() -> Result<Settings, Report> {
    let Ok(here) = std::env::current_dir() else { return Ok(Settings::new()) };
    let Some(path) = here.ancestors().map(|folder| folder.join(NAME)).find(|path| path.is_file()) else {
        return Ok(Settings::new());
    };
    let text = std::fs::read_to_string(&path)
        .map_err(|e| miette::miette!(help = "make it readable, or remove it", "cannot read {}: {e}", path.display()))?;
    read(&path, &text)
}

fn wrong(path: &Path, text: &str, at: Option<std::ops::Range<usize>>, message: String, help: String) -> Report {
    let labels = at.map(|at| miette::LabeledSpan::at(SourceSpan::from(at), "here"));
    miette::MietteDiagnostic::new(message).with_help(help).and_labels(labels).into_report(path, text)
}

/// Puts the source behind a diagnostic.
trait IntoReport {
    fn into_report(self, path: &Path, text: &str) -> Report;
}

impl IntoReport for miette::MietteDiagnostic {
    fn into_report(self, path: &Path, text: &str) -> Report {
        Report::new(self).with_source_code(NamedSource::new(path.display().to_string(), text.to_owned()))
    }
}

fn read(path: &Path, text: &str) -> Result<Settings, Report> {
    let table: toml::Table = toml::from_str(text).map_err(|e| {
        wrong(path, text, e.span(), e.message().to_owned(), "settings are lines such as `forks = 20`".to_owned())
    })?;
    let mut settings = Settings::new();
    for (written, value) in table {
        let key = written.replace('-', "_");
        let at = text.find(&written).map(|start| start..start + written.len());
        if !KNOWN.contains(&key.as_str()) {
            let near = crate::suggest::near(&key, KNOWN);
            let help =
                near.map_or_else(|| format!("there are {}", KNOWN.join(", ")), |n| format!("did you mean `{n}`?"));
            return Err(wrong(path, text, at, format!("there is no setting `{written}`"), help));
        }
        let values = match &value {
            Value::Array(many) => many.iter().map(as_text).collect(),
            one => as_text(one).map(|text| vec![text]),
        };
        let Some(values) = values else {
            let help = "write a text, a number, true or false, or a list of these".to_owned();
            return Err(wrong(path, text, at, format!("`{written}` cannot be a {}", value.type_str()), help));
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        let is_path = |value: &str| PATHS.contains(&key.as_str()) || (key == "python" && value.contains('/'));
        let values = values.into_iter().map(|v| if is_path(&v) { beside(folder, v) } else { v }).collect();
        settings.push((key, values));
    }
    Ok(settings)
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn beside(folder: &Path, path: String) -> String {
    // `h1,h2,` is a list of hosts, and `~` is not ours to expand.
    if path.contains(',') || path.starts_with('~') { path } else { folder.join(path).display().to_string() }
}

/// The command line, settings being the defaults of its flags.
pub fn with_defaults(settings: &Settings) -> clap::Command {
    let mut command = Arguments::command();
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(name, |sub| defaulted(sub, settings));
    }
    command
}

/// One command, settings being the defaults of its flags.
pub fn defaulted(mut command: clap::Command, settings: &Settings) -> clap::Command {
    for (key, values) in settings {
        let id = if key == "become" { "become_" } else { key };
        if command.get_arguments().any(|a| a.get_id() == id) {
            // Defaults live as long as the process, as clap's types ask.
            let values: Vec<&'static str> = values.iter().map(|v| &*v.clone().leak()).collect();
            command = command.mut_arg(id, |arg| arg.default_values(values));
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file() {
        let settings = read(Path::new("/p/bringup.toml"), "forks = 7\ninventory = [\"hosts.yml\"]\nbecome = true\n");
        let command = with_defaults(&settings.unwrap());
        let values = |arguments: &[&str]| {
            let matches = command.clone().try_get_matches_from(arguments).unwrap();
            let (_, sub) = matches.subcommand().unwrap();
            let inventory: Vec<String> = sub.get_many::<String>("inventory").unwrap().cloned().collect();
            (*sub.get_one::<usize>("forks").unwrap(), sub.get_flag("become_"), inventory.join(" "))
        };
        assert_eq!(values(&["bringup", "ping"]), (7, true, "/p/hosts.yml".to_owned()));
        assert_eq!(values(&["bringup", "ping", "-f", "3", "-i", "h1,"]), (3, true, "h1,".to_owned()));
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let error = read(Path::new("bringup.toml"), "forks = 7\ninventorry = 'x'\n").unwrap_err();
        assert_eq!(error.to_string(), "there is no setting `inventorry`");
        assert_eq!(error.help().unwrap().to_string(), "did you mean `inventory`?");
        assert!(error.labels().unwrap().any(|l| l.offset() == 10));
        assert!(read(Path::new("bringup.toml"), "forks = \n").is_err());
        assert!(read(Path::new("bringup.toml"), "forks = 1.5\n").unwrap_err().to_string().contains("float"));
    }
}
