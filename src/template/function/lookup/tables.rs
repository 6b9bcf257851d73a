//! Lookups that find a value in a file of CSV, INI or properties.

use minijinja::{Error, Value};

use super::call::{Call, Lookup};
use super::outside::{read, taken};
use crate::python::regex::{Flags, Place, Regex};
use crate::python::shlex;
use crate::template::value::boolean_text;

/// Their names.
pub(super) const LOOKUPS: &[(&str, Lookup)] = &[("csvfile", csvfile), ("ini", ini)];

/// Options of one call: those of its keywords, and above them those that its terms have held so far.
struct Options {
    given: Vec<(&'static str, Value)>,
}

impl Options {
    fn new(call: &mut Call<'_>, names: &[&'static str]) -> Options {
        let given = names.iter().filter_map(|name| Some((*name, call.option(name)?))).collect();
        Options { given }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.given.iter().rev().find(|(n, _)| *n == name).map(|(_, value)| value).filter(|value| !value.is_none())
    }

    fn text(&self, name: &str, default: &str) -> String {
        self.get(name).map_or_else(|| default.to_owned(), ToString::to_string)
    }

    fn number(&self, call: &Call<'_>, name: &str, default: usize) -> Result<usize, Error> {
        let Some(value) = self.get(name) else { return Ok(default) };
        let text = value.to_string();
        text.trim().parse().map_err(|_| call.wrong(format!("`{name}` must be a whole number, not `{text}`")))
    }

    fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|v| v.as_str().and_then(boolean_text).unwrap_or_else(|| v.is_true()))
    }
}

/// A term's key, its options noted: Ansible's old way of `KEY option=value …`.
fn key(call: &Call<'_>, term: &str, names: &[&'static str], options: &mut Options) -> Result<String, Error> {
    if !term.contains('=') {
        return Ok(term.trim().to_owned());
    }
    let words = shlex::split(term).unwrap_or_else(|_| term.split_whitespace().map(str::to_owned).collect());
    let mut key: Vec<String> = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some((name, value)) => match names.iter().find(|known| **known == name) {
                Some(known) => options.given.push((known, Value::from(value))),
                None => return Err(call.wrong(format!("`{name}` is not an option: {}", names.join(", ")))),
            },
            None => key.push(word),
        }
    }
    if key.is_empty() {
        return Err(call.wrong(format!("`{term}` names no key to look for")));
    }
    Ok(key.join(" "))
}

fn csvfile(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    const NAMES: &[&str] = &["file", "delimiter", "default", "col", "keycol", "encoding"];
    let mut options = Options::new(call, NAMES);
    let mut out = Vec::new();
    for term in call.texts()? {
        let key = key(call, &term, NAMES, &mut options)?;
        let delimiter = options.text("delimiter", "TAB");
        let delimiter = if matches!(delimiter.as_str(), "TAB" | "\\t" | "t") { "\t".to_owned() } else { delimiter };
        let (col, keycol) = (options.number(call, "col", 1)?, options.number(call, "keycol", 0)?);
        let (path, text) = read(call, "files", &options.text("file", "ansible.csv"))?;
        let row = text.lines().map(|line| fields(line, &delimiter)).find(|row| row.get(keycol) == Some(&key));
        match row.map(|row| row.get(col).cloned()) {
            Some(Some(found)) => out.push(taken(&path, found)),
            Some(None) => return Err(call.wrong(format!("the row of `{key}` has no column {col}"))),
            None => out.extend(options.get("default").cloned()),
        }
    }
    Ok(out)
}

/// The fields of a CSV line; quotes may hold the delimiter.
fn fields(line: &str, delimiter: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let (mut rest, mut quoted) = (line, false);
    while let Some(c) = rest.chars().next() {
        if c == '"' {
            if quoted && rest.starts_with("\"\"") {
                if let Some(field) = out.last_mut() {
                    field.push('"');
                }
                rest = &rest[2..];
                continue;
            }
            quoted = !quoted;
        } else if !quoted && rest.starts_with(delimiter) {
            out.push(String::new());
            rest = &rest[delimiter.len()..];
            continue;
        } else if let Some(field) = out.last_mut() {
            field.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// A line of an INI file that is of the section, its key and value.
fn entries<'t>(text: &'t str, section: &str, properties: bool) -> Option<Vec<(&'t str, Option<&'t str>)>> {
    let (mut inside, mut there) = (properties, properties);
    let mut found = Vec::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            inside = name == section || name == "DEFAULT";
            there |= name == section;
        } else if inside {
            match line.split_once(['=', ':']) {
                Some((key, value)) => found.push((key.trim(), Some(value.trim()))),
                None => found.push((line, None)),
            }
        }
    }
    there.then_some(found)
}

fn ini(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    const NAMES: &[&str] = &[
        "file",
        "section",
        "default",
        "type",
        "re",
        "encoding",
        "case_sensitive",
        "allow_no_value",
        "allow_none",
        "interpolation",
    ];
    let mut options = Options::new(call, NAMES);
    let mut out = Vec::new();
    for term in call.texts()? {
        let key = key(call, &term, NAMES, &mut options)?;
        let file = options.text("file", "ansible.ini");
        let section = options.text("section", "global");
        let (path, text) = read(call, "files", &file)?;
        let Some(all) = entries(&text, &section, options.text("type", "ini") == "properties") else {
            return Err(call.wrong(format!("`{file}` has no section `{section}`")));
        };
        let sensitive = options.flag("case_sensitive");
        let fold = |s: &str| if sensitive { s.to_owned() } else { s.to_lowercase() };
        let shown = |value: &Option<&str>| value.map_or_else(|| Value::from(()), |text| taken(&path, text.to_owned()));
        if options.flag("re") {
            let wrong = |error: crate::python::regex::Fault| call.wrong(format!("`{key}`: {error}"));
            let pattern = Regex::at(&key, Flags::default(), Place::Start).map_err(wrong)?;
            for (name, value) in &all {
                if pattern.is_match(&fold(name)).map_err(wrong)? {
                    out.push(shown(value));
                }
            }
            continue;
        }
        match (all.iter().rev().find(|(name, _)| fold(name) == fold(&key)), options.get("default")) {
            (Some((_, value)), _) => out.push(shown(value)),
            (None, Some(default)) => out.push(default.clone()),
            (None, None) => out.push(Value::from("")),
        }
    }
    Ok(out)
}
