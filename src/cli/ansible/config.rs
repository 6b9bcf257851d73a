//! `ansible-config`: the settings there are, and what they are here.

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use indexmap::IndexMap;
use miette::Report;
use serde_json::{Map, Value as Json, json};

use super::{OptionsError, Program};
use crate::{
    ansible_cfg::{self, Configuration, Effect, Kind, ServerSetting, Setting, Value, settings},
    cli::{Exit, say::say},
    report::terminal,
    template::to_yaml,
};

/// Show Ansible's settings
#[derive(Parser)]
#[command(name = "ansible-config", max_term_width = 100)]
pub struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List all settings
    List(Common),
    /// Show what the settings are
    Dump(Dump),
    /// Show the file
    View(Common),
    /// Write a file to begin with
    Init(Init),
    /// Look for settings that there are not
    Validate(Common),
}

#[derive(Args)]
struct Common {
    /// The file, in the place of the one that is found
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The kind of plugin: `base` for none, `all` for all
    #[arg(short = 't', long = "type", value_name = "KIND", default_value = "base")]
    kind: String,
    /// The form of the output
    #[arg(short, long, value_name = "FORM")]
    format: Option<Form>,
    /// The plugins
    plugins: Vec<String>,
    /// Say more
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Args)]
struct Dump {
    /// Only settings that somebody gave
    #[arg(long, alias = "changed-only")]
    only_changed: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Init {
    /// As comments
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Form {
    Display,
    Json,
    Yaml,
    Ini,
    Env,
    Vars,
}

impl Common {
    /// Settings of the core alone have names in capitals.
    fn wanted(&self, setting: &Setting) -> bool {
        let core = setting.name.starts_with(|c: char| c.is_ascii_uppercase());
        match self.kind.as_str() {
            "base" => core,
            "all" => true,
            kind => {
                !core
                    && (setting.name.starts_with(kind)
                        || self.plugins.iter().any(|p| setting.name.starts_with(p.as_str())))
            }
        }
    }

    fn with<T>(&self, show: impl FnOnce(&Configuration) -> Result<T, Report>) -> Result<T, Report> {
        match &self.config {
            None => show(ansible_cfg::current()),
            Some(file) if !file.is_file() => {
                let message =
                    format!("The provided configuration file is missing or not accessible: {}", file.display());
                Err(OptionsError::new(message, "check the path behind `--config`").into())
            }
            Some(file) => show(&Configuration::read_file(file)?),
        }
    }

    fn settings(&self) -> Vec<&'static Setting> {
        let mut wanted: Vec<&Setting> = settings().iter().filter(|setting| self.wanted(setting)).collect();
        wanted.sort_by_key(|setting| setting.name);
        wanted
    }
}

impl Program for Config {
    fn run(self) -> Result<Exit, Report> {
        match &self.action {
            Action::List(common) => list(common),
            Action::Dump(dump) => dump.common.with(|configuration| dump.show(configuration)),
            Action::View(common) => common.with(view),
            Action::Init(init) => init.show(),
            Action::Validate(common) => common.with(|configuration| validate(configuration, common.format)),
        }
    }
}

fn view(configuration: &Configuration) -> Result<Exit, Report> {
    if configuration.file().is_none() {
        let help = "`ansible-config init > ansible.cfg` writes one";
        return Err(miette::miette!(help = help, "there is no ansible.cfg to show"));
    }
    say(configuration.text_of_file())?;
    Ok(Exit::Ok)
}

fn validate(configuration: &Configuration, form: Option<Form>) -> Result<Exit, Report> {
    let mut slips: Vec<String> = configuration.slips().to_vec();
    if form == Some(Form::Env) {
        // Asked for variables, all that Ansible has not are named.
        let own = |name: &&String| ["ANSIBLE_TEST_", "ANSIBLE_LINT_"].iter().any(|start| name.starts_with(start));
        let told = |name: &&String| !own(name) && !slips.iter().any(|slip| slip.starts_with(&format!("{name}:")));
        let others: Vec<&String> = configuration.strange_variables().iter().filter(told).collect();
        let others = others.into_iter().map(|name| format!("{name}: Ansible has no such variable"));
        slips.extend(others.collect::<Vec<_>>());
    }
    slips.iter().for_each(|slip| terminal::err(slip));
    if slips.is_empty() {
        say("all settings are ones that Ansible has\n")?;
    }
    Ok(if slips.is_empty() { Exit::Ok } else { Exit::Usage })
}

fn list(common: &Common) -> Result<Exit, Report> {
    let described = |setting: &&Setting| {
        let keys: Vec<Json> = setting.keys().map(|(section, key)| json!({"key": key, "section": section})).collect();
        let variables: Vec<Json> = setting.variables().map(|name| json!({ "name": name })).collect();
        let here = match setting.effect {
            Effect::Here => "has effect",
            Effect::Moot => "there is nothing here that it could change",
            Effect::Same => "without effect: its default is what is done",
        };
        let fields = json!({
            "bringup": here,
            "default": setting.default,
            "env": variables,
            "ini": keys,
            "name": setting.name,
            "type": kind(setting.kind),
        });
        (setting.name.to_owned(), fields)
    };
    let all: Map<String, Json> = common.settings().iter().map(described).collect();
    print(&Json::Object(all), common.format.unwrap_or(Form::Yaml))
}

fn print(value: &Json, form: Form) -> Result<Exit, Report> {
    match form {
        Form::Json => say(&super::json(value))?,
        _ => say(&to_yaml(value))?,
    }
    Ok(Exit::Ok)
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "string",
        Kind::Bool => "boolean",
        Kind::Int => "integer",
        Kind::Float => "float",
        Kind::List => "list",
        Kind::Path => "path",
        Kind::PathSpec => "pathspec",
        Kind::PathList => "pathlist",
    }
}

impl Dump {
    fn show(&self, configuration: &Configuration) -> Result<Exit, Report> {
        let file = configuration.file().map(|file| file.display().to_string());
        let mut rows: Vec<(&str, String, Json)> = Vec::new();
        if self.common.kind != "all" || !self.only_changed {
            rows.push(("CONFIG_FILE", String::new(), json!(file)));
        }
        for setting in self.common.settings() {
            let given = configuration.get(setting.name);
            if given.is_none() && self.only_changed {
                continue;
            }
            let origin = given.map_or_else(|| "default".to_owned(), |given| configuration.origin(&given.origin));
            let value = given.map_or_else(|| configuration.default_of(setting), |given| Some(given.value.clone()));
            rows.push((setting.name, origin, value.map_or(Json::Null, |value| value.to_json())));
        }
        rows.sort_by_key(|(name, ..)| *name);
        match self.common.format.unwrap_or(Form::Display) {
            Form::Display => {
                let mut out = String::new();
                rows.iter().for_each(|(name, origin, value)| {
                    let _ = writeln!(out, "{name}({origin}) = {}", shown(value));
                });
                out.push_str("\nGALAXY_SERVERS:\n");
                if !configuration.servers().is_empty() {
                    out.push('\n');
                }
                for (server, settings) in configuration.servers() {
                    let _ = writeln!(out, "\n{server}\n{}", "=".repeat(server.len()));
                    let mut settings: Vec<&ServerSetting> = settings.iter().collect();
                    settings.sort_by_key(|setting| setting.name);
                    settings.retain(|setting| !self.only_changed || setting.origin != "default");
                    for ServerSetting { name, value, origin } in settings {
                        let value = value.as_ref().map_or(Json::Null, Value::to_json);
                        let _ = writeln!(out, "{name}({origin}) = {}", shown(&value));
                    }
                }
                say(&out)?;
                Ok(Exit::Ok)
            }
            form => {
                let row = |(name, origin, value): &(&str, String, Json)| json!({"name": name, "origin": origin, "value": value});
                let mut all: Vec<Json> = rows.iter().map(row).collect();
                let of = |setting: &ServerSetting| {
                    let value = setting.value.as_ref().map_or(Json::Null, Value::to_json);
                    (setting.name.to_owned(), json!([setting.name, value, setting.origin, null]))
                };
                let servers = configuration.servers().iter();
                let servers: Map<String, Json> = servers
                    .map(|(name, settings)| (name.clone(), Json::Object(settings.iter().map(of).collect())))
                    .collect();
                let mut servers = json!({ "GALAXY_SERVERS": servers });
                servers.sort_all_objects();
                all.push(servers);
                print(&Json::Array(all), form)
            }
        }
    }
}

/// A value as Python prints it.
fn shown(value: &Json) -> String {
    let quoted = |text: &str| {
        let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
        let escaped = text.replace('\\', "\\\\").replace('\n', "\\n");
        let escaped = if quote == '\'' { escaped.replace('\'', "\\'") } else { escaped };
        format!("{quote}{escaped}{quote}")
    };
    match value {
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::String(text) => text.clone(),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| quoted(item.as_str().unwrap_or_default())).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

impl Init {
    fn show(&self) -> Result<Exit, Report> {
        let mark = if self.disabled { ";" } else { "" };
        let mut out = String::new();
        match self.common.format.unwrap_or(Form::Ini) {
            Form::Env => {
                for setting in self.common.settings() {
                    setting.variables().for_each(|name| {
                        let mark = if self.disabled { "#" } else { "" };
                        let _ = writeln!(out, "{mark}{name}='{}'", setting.default.replace('\'', "'\\''"));
                    });
                }
            }
            _ => {
                let mut sections: IndexMap<&str, String> = IndexMap::new();
                for setting in self.common.settings() {
                    // The last of its keys is the one that Ansible recommends.
                    let Some((section, key)) = setting.keys().last() else { continue };
                    let text = sections.entry(section).or_default();
                    let idle = if setting.effect == Effect::Here { "" } else { ", without effect in bringup" };
                    let _ = writeln!(
                        text,
                        "# ({}) {}{idle}\n{mark}{key}={}\n",
                        kind(setting.kind),
                        setting.name,
                        setting.default
                    );
                }
                for (section, text) in sections {
                    let _ = write!(out, "[{section}]\n{text}\n");
                }
            }
        }
        say(&out)?;
        Ok(Exit::Ok)
    }
}
