//! Tables and sections: CSV and INI as values and back.
//!
//! <https://docs.ansible.com/ansible/latest/collections/community/general/from_csv_filter.html>

use indexmap::IndexMap;
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::{Entry, on};
use crate::python::configparser::{Entries, Ini, Reading};
use crate::python::csv::{self, Dialect};
use crate::template::args::Args;
use crate::template::value::{describe, items, pairs, string};

pub(super) const GENERAL: &[Entry] = &[on("from_csv", from_csv), on("from_ini", from_ini), on("to_ini", to_ini)];

/// Rows as mappings, their keys those of the first row or the names that are given.
fn from_csv(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let named = args.text_or("dialect", "excel")?;
    let names = args.some("fieldnames").map(|names| items(&names)).transpose()?;
    let delimiter = match named.as_str() {
        "excel" | "unix" => ',',
        "excel-tab" => '\t',
        other => return Err(args.wrong(format!("`{other}` is no dialect: excel, excel-tab or unix"))),
    };
    let mut dialect = Dialect { delimiter, ..Dialect::default() };
    if let Some(given) = args.opt_text("delimiter")? {
        let mut chars = given.chars();
        let (Some(one), None) = (chars.next(), chars.next()) else {
            return Err(args.wrong(format!("`delimiter` is one character, not `{given}`")));
        };
        dialect.delimiter = one;
    }
    dialect.skip_blanks = args.flag("skipinitialspace", false)?;
    dialect.strict = args.flag("strict", false)?;
    let text = string(value)?;
    let rows = csv::rows(text.strip_prefix('\u{feff}').unwrap_or(&text), dialect).map_err(|why| args.wrong(why))?;
    let mut rows = rows.into_iter().filter(|row| !row.is_empty());
    let names = match names {
        Some(names) => names,
        None => rows.next().unwrap_or_default().into_iter().map(Value::from).collect(),
    };
    let row = |row: Vec<String>| {
        let length = names.len();
        let mut made: IndexMap<Value, Value> = IndexMap::new();
        let filled = row.iter().map(|field| Value::from(field.as_str())).chain(std::iter::repeat(Value::from(())));
        made.extend(names.iter().cloned().zip(filled));
        // What no column is named for.
        if let Some(more) = row.get(length..).filter(|more| !more.is_empty()) {
            made.insert(Value::from(()), Value::from(more.to_vec()));
        }
        Value::from(made)
    };
    Ok(rows.map(row).collect())
}

/// Sections as mappings, values as they are written.
fn from_ini(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return Err(args.wrong(format!("needs a text, not {}", describe(value))));
    };
    let ini = Ini::parse(text, Reading { sensitive: true, bare: false }).map_err(|fault| args.wrong(fault))?;
    let mapping = |entries: &Entries| {
        Value::from_pairs(entries.iter().map(|(key, value)| {
            (Value::from(key.as_str()), value.as_deref().map_or_else(|| Value::from(()), Value::from))
        }))
    };
    let mut all: IndexMap<Value, Value> = IndexMap::new();
    for name in ini.sections() {
        all.insert(Value::from(name), mapping(&ini.section(name).unwrap_or_default()));
    }
    if !ini.defaults().is_empty() {
        all.insert(Value::from("DEFAULT"), mapping(ini.defaults()));
    }
    Ok(Value::from(all))
}

/// A mapping of mappings as sections, `DEFAULT` first.
fn to_ini(_: &mut State, value: &Value, args: &mut Args) -> Result<Value, Error> {
    if value.kind() != ValueKind::Map {
        return Err(args.wrong(format!("needs a mapping, not {}", describe(value))));
    }
    let mut sections = Vec::new();
    for (name, entries) in pairs(value)? {
        let name = string(&name)?;
        if entries.kind() != ValueKind::Map {
            return Err(args.wrong(format!("section `{name}` must be a mapping, not {}", describe(&entries))));
        }
        let mut lines = format!("[{name}]\n");
        for (key, value) in pairs(&entries)? {
            lines.push_str(&format!("{} = {}\n", string(&key)?, string(&value)?.replace('\n', "\n\t")));
        }
        let empty = entries.len() == Some(0);
        match name.as_str() {
            "DEFAULT" if empty => {}
            "DEFAULT" => sections.insert(0, lines),
            _ => sections.push(lines),
        }
    }
    if pairs(value)?.is_empty() {
        return Err(args.wrong("an empty mapping has no sections"));
    }
    Ok(Value::from(sections.join("\n")))
}
