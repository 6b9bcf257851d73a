//! Lookups that find a value in a file of CSV, INI or properties.

use std::sync::Arc;

use minijinja::{Error, Value};

use super::call::{Call, Lookup};
use super::outside::{read_as, taken};
use crate::python::configparser::{Fault, Ini, Reading};
use crate::python::csv::{self, Dialect};
use crate::python::regex::{Flags, Place, Regex};
use crate::template::value::boolean_text;
use crate::yaml::{Node, Source, Span, parse_kv};

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
    let source = Arc::new(Source { name: "term".to_owned(), text: term.to_owned() });
    let node = Node::text(term, Span { source, start: 0, end: term.len() });
    let mut key = String::new();
    for (name, value) in parse_kv(&node).map_err(|error| call.wrong(error))? {
        let (name, value) = (name.key_text(), value.key_text());
        match names.iter().find(|known| **known == name) {
            Some(known) => options.given.push((known, Value::from(value))),
            None if name == "_raw_params" => key = value,
            None => return Err(call.wrong(format!("`{name}` is not a valid option: {}", names.join(", ")))),
        }
    }
    if key.is_empty() {
        return Err(call.wrong(match call.name {
            "ini" => format!("No key to lookup was provided as first term with in string inline options: `{term}`"),
            _ => format!("Search key is required but was not found in `{term}`"),
        }));
    }
    Ok(key)
}

fn csvfile(call: &mut Call<'_>) -> Result<Vec<Value>, Error> {
    const NAMES: &[&str] = &["file", "delimiter", "default", "col", "keycol", "encoding"];
    let mut options = Options::new(call, NAMES);
    let mut out = Vec::new();
    if call.terms.is_empty() {
        return Err(call.wrong("Search key is required but was not found"));
    }
    for term in call.texts()? {
        let key = key(call, &term, NAMES, &mut options)?;
        let delimiter = options.text("delimiter", "TAB");
        let delimiter = if matches!(delimiter.as_str(), "TAB" | "\\t" | "t") { "\t".to_owned() } else { delimiter };
        let keycol = options.number(call, "keycol", 0)?;
        let (file, encoding) = (options.text("file", "ansible.csv"), options.text("encoding", "utf-8"));
        if call.local.find("files", &file).is_none() {
            return Err(call.wrong(format!("`{file}`: No such file or directory")));
        }
        let (path, text) = read_as(call, "files", &file, &encoding)?;
        let mut chars = delimiter.chars();
        let (Some(delimiter), None) = (chars.next(), chars.next()) else {
            return Err(call.wrong(format!("`delimiter` is one character, not `{delimiter}`")));
        };
        let rows = csv::rows(&text, Dialect { delimiter, ..Dialect::default() }).map_err(|why| call.wrong(why))?;
        let row = rows.into_iter().find(|row| row.get(keycol) == Some(&key));
        match row {
            Some(row) => {
                let col = options.number(call, "col", 1)?;
                let found = row.get(col).cloned();
                let found = found.ok_or_else(|| call.wrong(format!("the row of `{key}` has no column {col}")))?;
                out.push(taken(&path, found));
            }
            None => out.extend(options.get("default").cloned()),
        }
    }
    Ok(out)
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
        let (file, section) = (options.text("file", "ansible.ini"), options.text("section", "global"));
        let (path, text) = read_as(call, "files", &file, &options.text("encoding", "utf-8"))?;
        let properties = options.text("type", "ini") == "properties";
        let (text, section) = match properties {
            true => (format!("[java_properties]\n{text}"), "java_properties".to_owned()),
            false => (text, section),
        };
        let bare = options.flag("allow_no_value") || options.flag("allow_none");
        let parsed = Ini::parse(&text, Reading { sensitive: options.flag("case_sensitive"), bare });
        let parsed = parsed.map_err(|fault| {
            let what = if matches!(fault, Fault::TwoKeys(..)) { "Duplicate option in" } else { "cannot read" };
            call.wrong(format!("{what} '{file}': {fault}"))
        })?;
        let all = parsed.section(&section);
        let all = all.ok_or_else(|| call.wrong(format!("No section '{section}' in {file}")))?;
        let plain = options.get("interpolation").is_some() && !options.flag("interpolation");
        // A key without a value adds nothing.
        let shown = |value: &Option<String>| -> Result<Option<Value>, Error> {
            let Some(text) = value else { return Ok(None) };
            let text = match plain {
                true => text.clone(),
                false => parsed.interpolated(text, &all).map_err(|fault| call.wrong(fault))?,
            };
            Ok(Some(taken(&path, text)))
        };
        if options.flag("re") {
            let wrong = |error: crate::python::regex::Fault| call.wrong(format!("`{key}`: {error}"));
            let pattern = Regex::at(&key, Flags::default(), Place::Start).map_err(wrong)?;
            for (name, value) in &all {
                if pattern.is_match(name).map_err(wrong)? {
                    out.push(shown(value)?.unwrap_or_else(|| Value::from(())));
                }
            }
            continue;
        }
        let key = parsed.key(&key);
        match (all.iter().find(|(name, _)| *name == key), options.get("default")) {
            (Some((_, value)), _) => out.extend(shown(value)?),
            (None, Some(default)) => out.push(default.clone()),
            (None, None) => out.push(Value::from("")),
        }
    }
    Ok(out)
}
