//! `bringup doc --coverage`: what of a tree runs natively, what through Python, and what not at all.

mod expressions;
mod reading;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use console::{Term, style};
use miette::Report;
use serde_json::{Value as Json, json};

use self::{
    expressions::Kind,
    reading::{Named, Reading, Uses},
};
use super::wrapped;
use crate::{
    cli::{
        Exit, configured,
        say::{say, say_json},
    },
    foreign::{
        self,
        spec::{self, Spec},
    },
    module::Registry,
    template::{filter_names, lookup_names, test_names},
};

/// Actions that are no modules.
const ACTIONS: &[&str] =
    &["import_role", "import_tasks", "include", "include_role", "include_tasks", "include_vars", "meta"];

/// So many places of one that does not run are shown.
const PLACES: usize = 5;

/// How something runs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    Native,
    Python,
    /// Not at all, and why.
    Not(String),
}

impl How {
    fn word(&self) -> &'static str {
        match self {
            How::Native => "natively",
            How::Python => "through Python",
            How::Not(_) => "not at all",
        }
    }
}

/// A module or plugin with all its uses.
#[derive(Debug)]
struct Row {
    name: String,
    how: How,
    places: Vec<String>,
}

/// Reads a tree and tells what of it runs.
pub fn run(tree: &Path, as_json: bool) -> Result<Exit, Report> {
    if !tree.exists() {
        return Err(miette::miette!(help = "name a folder, or a playbook", "there is no {}", tree.display()));
    }
    let uses = Reading::of(tree, configured::roles_path());
    if uses.tasks == 0 && uses.broken.is_empty() {
        return Err(miette::miette!(
            help = "name a playbook, or a folder with playbooks or roles in it",
            "there is no task in {}",
            tree.display()
        ));
    }
    let modules = rows(uses.modules.iter().map(|(named, places)| (module(named), places)));
    let plugins: Vec<(Kind, Vec<Row>)> = [Kind::Filter, Kind::Test, Kind::Lookup]
        .into_iter()
        .map(|kind| {
            let of_kind = uses.plugins.iter().filter(|((of, _), _)| *of == kind);
            (kind, rows(of_kind.map(|((_, name), places)| (plugin(kind, name), places))))
        })
        .collect();
    let runs = |rows: &[Row]| rows.iter().all(|row| !matches!(row.how, How::Not(_)));
    let all = runs(&modules) && plugins.iter().all(|(_, rows)| runs(rows)) && uses.broken.is_empty();
    match as_json {
        true => say_json(&told(&uses, &modules, &plugins))?,
        false => say(&shown(tree, &uses, &modules, &plugins))?,
    }
    Ok(if all { Exit::Ok } else { Exit::Usage })
}

/// The modules of a tree that run by Python.
pub fn of_python(tree: &Path) -> Result<Vec<Arc<Spec>>, Report> {
    let uses = Reading::of(tree, configured::roles_path());
    let mut found = Vec::new();
    for named in uses.modules.keys() {
        let (name, how) = module(named);
        if how == How::Python {
            let file = own(named).or_else(|| Registry::get().find(&name)?.file.map(Path::to_owned));
            found.push(
                spec::of("module", &name, file.as_deref()).map_err(|fault| miette::miette!("`{name}`: {fault}"))?,
            );
        }
    }
    Ok(found)
}

/// One row for each name and way, the most used first.
fn rows<'a>(found: impl Iterator<Item = ((String, How), &'a Vec<String>)>) -> Vec<Row> {
    let mut rows: BTreeMap<(String, String), Row> = BTreeMap::new();
    for ((name, how), places) in found {
        let key = (name.clone(), format!("{how:?}"));
        let row = rows.entry(key).or_insert_with(|| Row { name, how, places: Vec::new() });
        row.places.extend(places.iter().cloned());
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.places.len()));
    rows
}

fn module(named: &Named) -> (String, How) {
    let name = &named.name;
    let short = ["ansible.builtin.", "ansible.legacy."].iter().find_map(|own| name.strip_prefix(own)).unwrap_or(name);
    if ACTIONS.contains(&short) {
        return (format!("ansible.builtin.{short}"), How::Native);
    }
    if name.contains("{{") {
        return (name.clone(), How::Not("its name is a template: which module it is tells only a run".to_owned()));
    }
    let registry = Registry::get();
    let native = |name: &str| registry.find(name).filter(|entry| entry.file.is_none());
    if let Some(entry) = native(name) {
        return (entry.name.to_owned(), How::Native);
    }
    if let Some(file) = own(named) {
        return match foreign::of_file(name, &file) {
            Ok(_) => (name.clone(), How::Python),
            Err(fault) => (name.clone(), How::Not(fault.to_string())),
        };
    }
    let among = named.collections.iter().find_map(|collection| native(&format!("{collection}.{name}")));
    if let Some(entry) = among.filter(|_| !name.contains('.')) {
        return (entry.name.to_owned(), How::Native);
    }
    match foreign::find(name, &named.collections) {
        Ok(Some(entry)) => (entry.name.to_owned(), How::Python),
        Ok(None) => (name.clone(), How::Not(missing(name))),
        Err(fault) => (name.clone(), How::Not(fault.to_string())),
    }
}

/// The file of a module in the `library/` beside it.
fn own(named: &Named) -> Option<PathBuf> {
    let files = std::fs::read_dir(named.beside.as_ref()?.join("library")).ok()?;
    let mut files: Vec<PathBuf> = files.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.into_iter().find(|path| path.file_stem().and_then(|stem| stem.to_str()) == Some(&named.name))
}

fn missing(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        [namespace, collection, ..] if parts.len() > 2 && *namespace != "ansible" => {
            format!("it is nowhere: install the collection `{namespace}.{collection}`, or a version that has it")
        }
        _ => "there is no such module".to_owned(),
    }
}

fn plugin(kind: Kind, name: &str) -> (String, How) {
    let names = match kind {
        Kind::Filter => filter_names(),
        Kind::Test => test_names(),
        Kind::Lookup => lookup_names(),
    };
    let short = |full: &str| full.rsplit('.').next() == Some(name);
    if let Some(full) = names.iter().find(|full| *full == name).or_else(|| names.iter().find(|full| short(full))) {
        return (full.clone(), How::Native);
    }
    match spec::of(kind.name(), name, None) {
        Ok(found) if found.path.is_some() => (found.name.clone(), How::Python),
        Ok(_) => (name.to_owned(), How::Not(format!("there is no such {}", kind.name()))),
        Err(fault) => (name.to_owned(), How::Not(fault.to_string())),
    }
}

/// Lines for people.
fn shown(tree: &Path, uses: &Uses, modules: &[Row], plugins: &[(Kind, Vec<Row>)]) -> String {
    let width = usize::from(Term::stdout().size().1).clamp(60, 120);
    let mut out = String::new();
    let roles = uses.roles.len();
    let parts = [many(uses.playbooks, "playbook"), many(roles, "role"), many(uses.tasks, "task")];
    let _ = writeln!(out, "{}: {}", tree.display(), parts.join(", "));
    section(&mut out, ("Modules", "task"), modules, width);
    for (kind, rows) in plugins {
        let title = match kind {
            Kind::Filter => "Filters",
            Kind::Test => "Tests",
            Kind::Lookup => "Lookups",
        };
        section(&mut out, (title, "use"), rows, width);
    }
    if !uses.broken.is_empty() {
        let _ = writeln!(out, "\n{}", style("Files that cannot be read").bold());
        for (file, why) in &uses.broken {
            let _ = writeln!(out, "  {}", file.display());
            for line in wrapped(why, width - 6) {
                let _ = writeln!(out, "      {line}");
            }
        }
    }
    let tasks =
        |how: &str| -> usize { modules.iter().filter(|row| row.how.word() == how).map(|row| row.places.len()).sum() };
    let (native, python, not) = (tasks("natively"), tasks("through Python"), tasks("not at all"));
    let _ = writeln!(
        out,
        "\n{} of {}: {native} natively, {python} through Python, {not} not at all",
        native + python,
        many(uses.tasks, "task")
    );
    out
}

fn section(out: &mut String, (title, unit): (&str, &str), rows: &[Row], width: usize) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", style(title).bold());
    let digits = rows.iter().map(|row| row.places.len().to_string().len()).max().unwrap_or(1);
    for label in ["natively", "through Python", "not at all"] {
        let of: Vec<&Row> = rows.iter().filter(|row| row.how.word() == label).collect();
        let uses: usize = of.iter().map(|row| row.places.len()).sum();
        if of.is_empty() {
            continue;
        }
        let label = if label == "not at all" { style(label).red() } else { style(label) };
        let _ = writeln!(out, "  {label}: {} in {}", of.len(), many(uses, unit));
        for row in of {
            let _ = writeln!(out, "    {:>digits$}  {}", row.places.len(), style(&row.name).cyan());
            let How::Not(why) = &row.how else { continue };
            let indent = " ".repeat(digits + 8);
            for line in wrapped(why, width.saturating_sub(indent.len())) {
                let _ = writeln!(out, "{indent}{line}");
            }
            for place in row.places.iter().take(PLACES) {
                let _ = writeln!(out, "{indent}{place}");
            }
            if row.places.len() > PLACES {
                let _ = writeln!(out, "{indent}and {} more", row.places.len() - PLACES);
            }
        }
    }
}

fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The same for programs, with all places.
fn told(uses: &Uses, modules: &[Row], plugins: &[(Kind, Vec<Row>)]) -> Json {
    let row = |row: &Row| {
        let (how, why) = match &row.how {
            How::Native => ("native", None),
            How::Python => ("python", None),
            How::Not(why) => ("not", Some(why)),
        };
        json!({ "name": row.name, "runs": how, "why": why, "count": row.places.len(), "places": row.places })
    };
    let of = |kind: Kind| -> Vec<Json> {
        plugins.iter().filter(|(of, _)| *of == kind).flat_map(|(_, rows)| rows).map(row).collect()
    };
    json!({
        "playbooks": uses.playbooks,
        "roles": uses.roles.len(),
        "tasks": uses.tasks,
        "modules": modules.iter().map(row).collect::<Vec<_>>(),
        "filters": of(Kind::Filter),
        "tests": of(Kind::Test),
        "lookups": of(Kind::Lookup),
        "unreadable": uses.broken.iter().map(|(file, why)| json!({ "file": file, "why": why })).collect::<Vec<_>>(),
    })
}
