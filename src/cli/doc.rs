//! `bringup doc`: what modules there are, and the page of one.

mod coverage;
pub(super) mod foreign;
mod markup;

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;
use console::style;
use miette::Report;
use serde_json::Value as Json;

use super::{Exit, flags, say::say};
use crate::{
    module::{Entry, Registry, returns::COMMON},
    report::{Output, terminal},
};

/// List the modules, or show one module's page
#[derive(Args, Debug)]
pub struct Doc {
    /// The module: `copy`, `ansible.posix.sysctl`, or the file of one that is Python
    module: Option<String>,
    /// List the modules that run by Python as well
    #[arg(long, conflicts_with = "module")]
    all: bool,
    /// Tell what of a folder of playbooks and roles, or of one playbook, runs natively, through Python, or not at all
    #[arg(long, value_name = "TREE", conflicts_with_all = ["module", "all"])]
    coverage: Option<PathBuf>,
    /// What `--coverage` prints [default: human]
    #[arg(long, value_enum, value_name = "FORMAT", env = "BRINGUP_OUTPUT", hide_env_values = true)]
    output: Option<Output>,
    #[command(flatten)]
    python: flags::Python,
}

impl Doc {
    /// Runs the command.
    pub fn run(&self) -> Result<Exit, Report> {
        self.python.allow();
        if let Some(tree) = &self.coverage {
            return coverage::run(tree, self.output == Some(Output::Json));
        }
        let text = match &self.module {
            None if self.all => foreign::list()?,
            None => list(),
            Some(name) => match Registry::get().find(name) {
                Some(entry) => page(entry),
                None => foreign::page(&*foreign::spec("module", name)?, 92),
            },
        };
        say(&text)?;
        if self.module.is_none() && !self.all {
            terminal::err("`bringup doc --all` lists those that run by Python as well");
        }
        Ok(Exit::Ok)
    }
}

/// What a name that is no module's may have meant.
pub(super) fn near(name: &str) -> String {
    let near = Registry::get().near(name).map(|n| format!("did you mean `{n}`?"));
    near.unwrap_or_else(|| "`bringup doc` lists all modules".to_owned())
}

fn list() -> String {
    let entries = Registry::get().entries();
    let width = entries.iter().map(|e| e.name.len()).max().unwrap_or(0);
    entries.iter().map(|e| format!("{:<width$}  {}\n", e.name, e.summary)).collect()
}

/// The page of a module.
pub(super) fn page(entry: &Entry) -> String {
    let mut out = format!("{}\n\n{}.\n", style(entry.name).bold(), entry.summary.trim_end_matches('.'));
    if !entry.aliases.is_empty() {
        let _ = writeln!(out, "\nAlso known as: {}", entry.aliases.join(", "));
    }
    let schema = entry.schema().to_value();
    let required: Vec<&str> =
        schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    let properties = schema.get("properties").and_then(Json::as_object);
    if let Some(properties) = properties.filter(|p| !p.is_empty()) {
        let _ = writeln!(out, "\n{}", style("Parameters").bold());
        for (name, property) in properties {
            parameter(&mut out, name, property, &schema, required.contains(&name.as_str()));
        }
    }
    if entry.open {
        out.push_str("\nAny other name is taken as well.\n");
    }
    if let Some(name) = entry.free_form {
        let _ = writeln!(out, "\nText behind the module's name is its `{name}`.");
    }
    returned(&mut out, entry);
    let _ = writeln!(out, "\n{}\n", style("Examples").bold());
    entry.examples.trim_end().lines().for_each(|line| {
        let _ = writeln!(out, "{}", format!("    {line}").trim_end());
    });
    out
}

/// What its results have: first what it says itself, then what every task's may have.
fn returned(out: &mut String, entry: &Entry) {
    let _ = writeln!(out, "\n{}\n", style("Returns").bold());
    for field in entry.returned() {
        let _ = writeln!(out, "  {} ({}, {})", style(field.name).cyan(), field.kind.word(), field.when);
        for line in wrapped(field.description, 92) {
            let _ = writeln!(out, "      {line}");
        }
    }
    let own: Vec<&str> = entry.returned().map(|field| field.name).collect();
    let common: Vec<&str> = COMMON.iter().map(|field| field.name).filter(|name| !own.contains(name)).collect();
    let (last, others) = common.split_last().unwrap_or((&"", &[]));
    out.push('\n');
    for line in wrapped(&format!("As of any task: {} and {last}, where there is such.", others.join(", ")), 96) {
        let _ = writeln!(out, "  {line}");
    }
}

fn parameter(out: &mut String, name: &str, property: &Json, schema: &Json, required: bool) {
    let mut remarks = vec![kind(property, schema)];
    if required {
        remarks.push("required".to_owned());
    }
    match property.get("default") {
        None | Some(Json::Null) => {}
        Some(Json::String(text)) if text.is_empty() => {}
        Some(Json::String(text)) => remarks.push(format!("default: {text}")),
        Some(other) => remarks.push(format!("default: {other}")),
    }
    remarks.retain(|r| !r.is_empty());
    let _ = writeln!(out, "\n  {} ({})", style(name).cyan(), remarks.join(", "));
    let text = property.get("description").and_then(Json::as_str).unwrap_or_default();
    for line in wrapped(text, 92) {
        let _ = writeln!(out, "      {line}");
    }
    let choices = choices(property, schema);
    if !choices.is_empty() {
        let _ = writeln!(out, "      One of: {}.", choices.join(", "));
    }
    let aliases = property.get("x-aliases").and_then(Json::as_array);
    if let Some(aliases) = aliases {
        let names: Vec<&str> = aliases.iter().filter_map(Json::as_str).collect();
        let _ = writeln!(out, "      Also written: {}.", names.join(", "));
    }
}

/// The definition that a property leads to, `null` beside it left out.
fn resolved<'a>(property: &'a Json, schema: &'a Json) -> &'a Json {
    if let Some(name) = property.get("$ref").and_then(Json::as_str).and_then(|r| r.strip_prefix("#/$defs/")) {
        return schema.get("$defs").and_then(|d| d.get(name)).map_or(property, |found| resolved(found, schema));
    }
    for key in ["anyOf", "allOf"] {
        if let Some(Json::Array(ways)) = property.get(key) {
            let mut real = ways.iter().filter(|w| w.get("type").and_then(Json::as_str) != Some("null"));
            if let (Some(one), None) = (real.next(), real.next()) {
                return resolved(one, schema);
            }
        }
    }
    property
}

fn kind(property: &Json, schema: &Json) -> String {
    let found = resolved(property, schema);
    let names: Vec<&str> = match found.get("type") {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(many)) => many.iter().filter_map(Json::as_str).filter(|t| *t != "null").collect(),
        _ if !choices(property, schema).is_empty() => vec!["string"],
        _ if found.get("anyOf").is_some_and(|ways| ways.to_string().contains("\"array\"")) => vec!["array"],
        _ => Vec::new(),
    };
    let word = |name: &str| {
        match name {
            "boolean" => "yes or no",
            "integer" => "whole number",
            "array" => "list",
            "object" => "mapping",
            "string" => "text",
            other => other,
        }
        .to_owned()
    };
    match names.as_slice() {
        // How the parameter types of modules say it: a mode is a text first, a flag a truth value first.
        ["string", "integer"] => "mode".to_owned(),
        [first, ..] => word(first),
        [] => "any value".to_owned(),
    }
}

fn choices(property: &Json, schema: &Json) -> Vec<String> {
    let found = resolved(property, schema);
    if let Some(Json::Array(words)) = found.get("enum") {
        return words.iter().filter_map(Json::as_str).map(str::to_owned).collect();
    }
    let Some(Json::Array(ways)) = found.get("oneOf") else { return Vec::new() };
    let mut all = Vec::new();
    for way in ways {
        match (way.get("const").and_then(Json::as_str), way.get("enum").and_then(Json::as_array)) {
            (Some(word), _) => all.push(word.to_owned()),
            (None, Some(words)) => all.extend(words.iter().filter_map(Json::as_str).map(str::to_owned)),
            _ => {}
        }
    }
    all
}

/// Breaks a text into lines.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.split("\n\n").filter(|p| !p.trim().is_empty()) {
        lines.push(String::new());
        for word in paragraph.split_whitespace() {
            let Some(line) = lines.last_mut() else { continue };
            if !line.is_empty() && line.len() + 1 + word.len() > width {
                lines.push(word.to_owned());
            } else {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
        }
    }
    lines
}
