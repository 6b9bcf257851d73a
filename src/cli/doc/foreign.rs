//! The pages of modules that run by Python, and the list of all modules.

use std::{fmt::Write as _, path::Path, sync::Arc};

use console::style;
use miette::Report;
use serde_json::Value as Json;

use super::{markup::plain, near, wrapped};
use crate::{
    foreign::{
        self, Fault,
        spec::{self, Kind, Parameter, Spec},
        workstation,
    },
    module::Registry,
    report::terminal,
};

/// How deep parameters in parameters are shown.
const DEPTH: usize = 6;

/// How wide the column of names is at most: a few of ten thousand are longer than a line.
const NAMES: usize = 60;

/// What a plugin says of itself: by its name, or by its file.
pub fn spec(kind: &str, name: &str) -> Result<Arc<Spec>, Report> {
    let file = Path::new(name);
    let by_file = name.contains('/') && file.is_file();
    if let Ok(here) = std::env::current_dir() {
        workstation::of_playbook(&here);
    }
    let found = match (by_file, file.file_stem().and_then(|stem| stem.to_str())) {
        (true, Some(stem)) => {
            spec::of(kind, stem, Some(&std::path::absolute(file).unwrap_or_else(|_| file.to_owned())))
        }
        _ => spec::of(kind, name, None),
    };
    let missing = |help: String| miette::miette!(help = help, "there is no {kind} `{name}`");
    match found {
        Ok(found) if found.path.is_some() => Ok(found),
        Ok(_) => Err(missing(near(name))),
        // It may be Python's, which nobody can tell here.
        Err(fault @ (Fault::Never | Fault::Absent(_))) => {
            let native = Registry::get().near(name).filter(|_| kind == "module");
            let help = match native {
                Some(known) => format!("did you mean `{known}`? {}", fault.help().unwrap_or_default()),
                None => fault.help().unwrap_or_default().to_owned(),
            };
            Err(miette::miette!(help = help, "there is no native {kind} `{name}`; for any other, {fault}"))
        }
        Err(fault) => Err(miette::miette!("`{name}`: {fault}")),
    }
}

/// All modules: the native ones, and those of this machine's Ansible.
pub fn list() -> Result<String, Report> {
    let registry = Registry::get();
    let mut all: Vec<(String, &str, String)> =
        registry.entries().iter().map(|entry| (entry.name.to_owned(), "native", entry.summary.to_owned())).collect();
    match spec::listed("module", &[]) {
        Ok(listed) => {
            let python = listed.into_iter().filter(|(name, ..)| registry.find(name).is_none());
            all.extend(python.map(|(name, _, summary)| (name, "Python", plain(&summary))));
        }
        Err(fault) => terminal::warn(&format!("the native modules alone are listed: for others {fault}")),
    }
    all.sort();
    let width = all.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0).min(NAMES);
    Ok(all.iter().map(|(name, how, summary)| format!("{name:<width$}  {how:<6}  {summary}\n")).collect())
}

/// The page of a module; texts are broken at a width.
pub fn page(spec: &Spec, width: usize) -> String {
    let summary = plain(&spec.summary());
    let mut out = format!("{}\n", style(&spec.name).bold());
    if !summary.is_empty() {
        let _ = writeln!(out, "\n{summary}.");
    }
    out.push('\n');
    paragraphs(&mut out, "", &[how_it_runs(spec)], width);
    if let Some(file) = &spec.path {
        let _ = writeln!(out, "Its file: {}", file.display());
    }
    if let Some(problem) = &spec.problem {
        let _ = writeln!(out, "{}", style(format!("What it takes is not told: {problem}.")).yellow());
    }
    if let Some(why) = spec.deprecated() {
        paragraphs(&mut out, "", &[format!("Deprecated: {}.", plain(&why))], width);
    }
    let description: Vec<String> = spec.doc.get("description").map(spec::texts).unwrap_or_default();
    for text in &description {
        out.push('\n');
        paragraphs(&mut out, "", &[plain(text)], width);
    }
    if let Some(parameters) = spec.parameters.as_deref().filter(|all| !all.is_empty()) {
        let _ = writeln!(out, "\n{}", style("Parameters").bold());
        parameters.iter().for_each(|parameter| described(&mut out, parameter, 1, width));
    }
    attributes(&mut out, spec, width);
    listed(&mut out, "Requirements", spec.doc.get("requirements"), width);
    listed(&mut out, "Notes", spec.doc.get("notes"), width);
    returned(&mut out, spec, width);
    if let Some(examples) = &spec.examples {
        let _ = writeln!(out, "\n{}\n", style("Examples").bold());
        for line in examples.trim_end().lines() {
            let _ = writeln!(out, "{}", format!("    {line}").trim_end());
        }
    }
    out
}

/// That it takes Python, or why it does not run at all.
fn how_it_runs(spec: &Spec) -> String {
    let found = match &spec.path {
        Some(path) if spec.is_own() => foreign::of_file(&spec.name, path).map(Some),
        _ => foreign::find(&spec.name, &[]),
    };
    match found {
        Err(fault) => format!("It does not run here: {fault}."),
        Ok(_) => "It runs by Python, which hosts must have.".to_owned(),
    }
}

fn paragraphs(out: &mut String, indent: &str, texts: &[String], width: usize) {
    for text in texts {
        for line in wrapped(text, width.saturating_sub(indent.len()).max(20)) {
            let _ = writeln!(out, "{indent}{line}");
        }
    }
}

fn described(out: &mut String, parameter: &Parameter, depth: usize, width: usize) {
    let (own, text) = ("  ".repeat(2 * depth - 1), "  ".repeat(2 * depth + 1));
    let mut remarks = vec![match (parameter.kind, parameter.elements) {
        (Kind::List, Some(of)) => format!("list of {}", plural(of)),
        (kind, _) => kind.word().to_owned(),
    }];
    if parameter.required {
        remarks.push("required".to_owned());
    }
    if let Some(default) = &parameter.default {
        let shown = if parameter.kind == Kind::Truth { yes_or_no(default) } else { spec::text(default) };
        let shown = if default.is_array() || default.is_object() { default.to_string() } else { shown };
        if !shown.is_empty() && shown != "[]" && shown != "{}" {
            remarks.push(format!("default: {shown}"));
        }
    }
    let _ = writeln!(out, "\n{own}{} ({})", style(&parameter.name).cyan(), remarks.join(", "));
    let description: Vec<String> = parameter.description.iter().map(|text| plain(text)).collect();
    paragraphs(out, &text, &description, width + 6);
    if !parameter.choices.is_empty() {
        let choices: Vec<String> = parameter.choices.iter().map(yes_or_no).collect();
        paragraphs(out, &text, &[format!("One of: {}.", choices.join(", "))], width + 6);
    }
    if !parameter.aliases.is_empty() {
        paragraphs(out, &text, &[format!("Also written: {}.", parameter.aliases.join(", "))], width + 6);
    }
    if depth < DEPTH {
        parameter.inner.iter().flatten().for_each(|inner| described(out, inner, depth + 1, width));
    }
}

fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "texts",
        Kind::Whole => "whole numbers",
        Kind::Number => "numbers",
        Kind::Truth => "yes or no",
        Kind::List => "lists",
        Kind::Mapping => "mappings",
        Kind::Json => "JSON",
        Kind::Size => "sizes",
        Kind::Any => "any values",
    }
}

fn yes_or_no(value: &Json) -> String {
    match value {
        Json::Bool(truth) => if *truth { "yes" } else { "no" }.to_owned(),
        other => spec::text(other),
    }
}

/// What it says of check mode and differences.
fn attributes(out: &mut String, spec: &Spec, width: usize) {
    let mut lines = Vec::new();
    for (name, what) in [("check_mode", "Check mode"), ("diff_mode", "Differences")] {
        let told = spec.attribute(name);
        let code = spec.check_mode.filter(|_| name == "check_mode").map(|has| if has { "full" } else { "none" });
        let Some(support) = told.as_ref().map(|(support, _)| support.as_str()).or(code) else { continue };
        let word = match support {
            "full" => "yes",
            "none" | "N/A" => "no",
            "partial" => "in part",
            other => other,
        };
        let details = told.as_ref().map(|(_, details)| details.join(" ")).unwrap_or_default();
        let details = if details.is_empty() { String::new() } else { format!(". {}", plain(&details)) };
        lines.push(format!("{what}: {word}{}.", details.trim_end_matches('.')));
    }
    if !lines.is_empty() {
        out.push('\n');
        paragraphs(out, "", &lines, width);
    }
}

fn listed(out: &mut String, title: &str, texts: Option<&Json>, width: usize) {
    let texts = texts.map(spec::texts).unwrap_or_default();
    if texts.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}\n", style(title).bold());
    for text in &texts {
        for (at, line) in wrapped(&plain(text), width).iter().enumerate() {
            let _ = writeln!(out, "  {} {line}", if at == 0 { "-" } else { " " });
        }
    }
}

fn returned(out: &mut String, spec: &Spec, width: usize) {
    if spec.returned.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}\n", style("Returns").bold());
    for field in &spec.returned {
        let remarks: Vec<String> =
            [&field.kind, &field.when].into_iter().filter(|text| !text.is_empty()).map(|text| plain(text)).collect();
        let remarks = if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join(", ")) };
        let _ = writeln!(out, "  {}{remarks}", style(&field.name).cyan());
        let description: Vec<String> = field.description.iter().map(|text| plain(text)).collect();
        paragraphs(out, "      ", &description, width + 6);
    }
}
