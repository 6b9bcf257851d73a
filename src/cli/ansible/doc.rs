//! `ansible-doc`: what modules there are, as far as Ansible's command tells it.

mod foreign;
mod other;

use std::path::PathBuf;

use clap::Parser;
use miette::Report;
use serde_json::{Map, Value as Json, json};

use super::{OptionsError, Program, flags::without_effect};
use crate::{
    cli::{
        Exit, doc, flags,
        say::{say, say_json},
    },
    foreign::workstation,
    module::{Entry, Registry},
    template::to_yaml,
};

/// Show the pages of modules
#[derive(Parser)]
#[command(name = "ansible-doc", max_term_width = 100)]
pub struct Doc {
    /// The modules
    plugin: Vec<String>,
    /// List the modules
    #[arg(short, long)]
    list: bool,
    /// List the modules with the files they are in
    #[arg(short = 'F', long)]
    list_files: bool,
    /// Show a task to be filled in
    #[arg(short, long)]
    snippet: bool,
    /// Print JSON
    #[arg(short, long)]
    json: bool,
    /// The kind: module, keyword, filter, test, lookup, connection, become, inventory, cache, callback, shell or vars
    #[arg(short = 't', long = "type", value_name = "KIND", default_value = "module")]
    kind: String,
    /// Without effect: modules are part of the program
    #[arg(short = 'M', long, value_name = "FOLDERS")]
    module_path: Vec<String>,
    /// The folder of a playbook that may have modules and plugins of its own
    #[arg(long, value_name = "FOLDER")]
    playbook_dir: Option<PathBuf>,
    #[command(flatten)]
    python: flags::Python,
    /// Say more
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl Program for Doc {
    fn run(self) -> Result<Exit, Report> {
        without_effect(&[("--module-path", !self.module_path.is_empty())]);
        self.python.allow();
        if let Some(folder) = &self.playbook_dir {
            workstation::of_playbook(&std::path::absolute(folder).unwrap_or_else(|_| folder.clone()));
        }
        if self.kind != "module" {
            return self.others();
        }
        if self.list || self.list_files {
            return self.print_list();
        }
        if self.plugin.is_empty() {
            return Err(OptionsError::new("no module is named", "name one, or list them with `-l`").into());
        }
        let mut pages = Map::new();
        for name in &self.plugin {
            let Some(entry) = Registry::get().find(name) else {
                self.foreign(name, &mut pages)?;
                continue;
            };
            match (self.json, self.snippet) {
                (true, _) => drop(pages.insert(entry.name.to_owned(), described(entry))),
                (false, true) => say(&format!("{}\n", entry.examples.trim_end()))?,
                (false, false) => say(&doc::page(entry))?,
            }
        }
        if self.json {
            say_json(&Json::Object(pages))?;
        }
        Ok(Exit::Ok)
    }
}

impl Doc {
    /// What is not native: shown, or put among what is printed as JSON.
    fn foreign(&self, name: &str, pages: &mut Map<String, Json>) -> Result<(), Report> {
        let spec = match doc::foreign::spec(&self.kind, name) {
            Ok(spec) => spec,
            Err(error) => {
                // As with Ansible the others are shown all the same.
                foreign::warn(&error);
                return Ok(());
            }
        };
        match (self.json, self.snippet) {
            (true, _) => drop(pages.insert(spec.name.clone(), foreign::told(&spec))),
            (false, true) => say(&foreign::snippet(&spec))?,
            (false, false) => say(&doc::foreign::page(&spec, doc::WIDTH))?,
        }
        Ok(())
    }

    /// What is no module.
    fn others(&self) -> Result<Exit, Report> {
        if !other::KINDS.contains(&self.kind.as_str()) {
            let message = format!("there is nothing to tell of the kind `{}`", self.kind);
            return Err(OptionsError::new(message, format!("it is one of {}", other::KINDS.join(", "))).into());
        }
        if self.list || self.list_files {
            let mut all = other::listed(&self.kind, &self.plugin);
            let native: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
            if self.kind != "keyword" {
                let python = foreign::listed(&self.kind, &self.plugin, self.list_files);
                all.extend(python.into_iter().filter(|(name, _)| !native.contains(name)));
                all.sort();
            }
            if self.json {
                let all: Map<String, Json> = all.into_iter().map(|(name, about)| (name, json!(about))).collect();
                say_json(&Json::Object(all))?;
                return Ok(Exit::Ok);
            }
            let keyword = self.kind == "keyword";
            let line = |(name, about): &(String, String)| match keyword {
                true => format!("{name}: {about}\n"),
                false => format!("{name}\n"),
            };
            say(&all.iter().map(line).collect::<String>())?;
            return Ok(Exit::Ok);
        }
        if self.plugin.is_empty() {
            return Err(
                OptionsError::new(format!("no {} is named", self.kind), "name one, or list them with `-l`").into()
            );
        }
        let mut told: Map<String, Json> = Map::new();
        for name in &self.plugin {
            if self.kind == "keyword" || other::knows(&self.kind, name) {
                told.extend(other::described(&self.kind, name));
            } else {
                self.foreign(name, &mut told)?;
            }
        }
        match self.json {
            true => say_json(&Json::Object(told))?,
            false if self.kind == "keyword" => say(&to_yaml(&Json::Object(told)))?,
            // Those of Python are shown already.
            false => told.iter().try_for_each(|(name, one)| say(&other::page(&self.kind, name, one)))?,
        }
        Ok(Exit::Ok)
    }

    fn print_list(&self) -> Result<Exit, Report> {
        let wanted = |entry: &&Entry| {
            let below = |prefix: &String| entry.name.starts_with(&format!("{prefix}.")) || entry.name == prefix;
            self.plugin.is_empty() || self.plugin.iter().any(below)
        };
        let entries: Vec<&Entry> = Registry::get().entries().iter().filter(wanted).collect();
        let told =
            |entry: &Entry| if self.list_files { "part of bringup".to_owned() } else { entry.summary.to_owned() };
        let mut all: Vec<(String, String)> = entries.iter().map(|e| (e.name.to_owned(), told(e))).collect();
        let python = foreign::listed("module", &self.plugin, self.list_files);
        all.extend(python.into_iter().filter(|(name, _)| Registry::get().find(name).is_none()));
        all.sort();
        if self.json {
            let all: Map<String, Json> = all.into_iter().map(|(name, about)| (name, json!(about))).collect();
            say_json(&Json::Object(all))?;
        } else {
            let width = all.iter().map(|(name, _)| name.len()).max().unwrap_or(0).min(doc::foreign::NAMES);
            let lines: String = all.iter().map(|(name, about)| format!("{name:<width$} {about}\n")).collect();
            say(&lines)?;
        }
        Ok(Exit::Ok)
    }
}

/// A module in the form that programs read.
fn described(entry: &Entry) -> Json {
    let schema = entry.schema().to_value();
    json!({
        "doc": {
            "module": entry.name.rsplit('.').next(),
            "plugin_name": entry.name,
            "short_description": entry.summary,
            "options": schema.get("properties").cloned().unwrap_or_else(|| json!({})),
        },
        "examples": entry.examples,
    })
}
