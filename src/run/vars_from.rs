//! Files of variables that `include_vars` reads, and which of a folder.
//!
//! Source: <https://docs.ansible.com/ansible/latest/collections/ansible/builtin/include_vars_module.html>

use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use super::{keyword, task_error::TaskError};
use crate::{
    inventory::{Variable, Vars},
    python::regex::{Flags, Regex},
    yaml::{Node, Value},
};

/// What the parameters ask for.
pub struct Asked {
    /// How many folders deep; nought means all.
    depth: i64,
    extensions: Vec<String>,
    matching: Option<Regex>,
    ignored: Vec<Regex>,
    /// Whether files with other extensions are passed over.
    lenient: bool,
    merge: bool,
}

impl Asked {
    /// Reads the rendered parameters.
    ///
    /// # Errors
    /// A pattern that is no expression, a depth that is no number.
    pub fn new(parameters: &Map<String, Json>) -> Result<Asked, TaskError> {
        let texts = |name: &str| match parameters.get(name) {
            None | Some(Json::Null) => None,
            // An empty text means something too: a file without an extension.
            Some(Json::Array(items)) => {
                Some(items.iter().map(|item| keyword::as_text(item).unwrap_or_default()).collect::<Vec<_>>())
            }
            Some(one) => {
                Some(keyword::as_text(one).unwrap_or_default().split(',').map(|s| s.trim().to_owned()).collect())
            }
        };
        let pattern = |text: &str| {
            Regex::new(text, Flags::default())
                .map_err(|error| TaskError::new(format!("include_vars: `{text}`: {error}")))
        };
        let depth = match parameters.get("depth") {
            None | Some(Json::Null) => 0,
            Some(value) => keyword::whole(value)
                .ok_or_else(|| TaskError::new(format!("include_vars: `depth` must be a whole number, not {value}")))?,
        };
        let matching = parameters.get("files_matching").and_then(keyword::as_text);
        let ignored = texts("ignore_files").unwrap_or_default();
        Ok(Asked {
            depth,
            extensions: texts("extensions").unwrap_or_else(|| ["yaml", "yml", "json"].map(str::to_owned).to_vec()),
            matching: matching.as_deref().map(pattern).transpose()?,
            ignored: ignored.iter().map(|text| pattern(&format!("{text}$"))).collect::<Result<_, _>>()?,
            lenient: parameters.get("ignore_unknown_extensions").is_some_and(keyword::truth),
            merge: parameters.get("hash_behaviour").and_then(Json::as_str) == Some("merge"),
        })
    }

    /// The files of a folder, in the order in which they are read: those of a folder before those below it.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn files(&self, dir: &Path) -> Result<Vec<PathBuf>, TaskError> {
        if !dir.is_dir() {
            return Err(TaskError::new(format!("include_vars: `{}` is no folder", dir.display())));
        }
        let mut files = Vec::new();
        self.walk(dir, 1, &mut files)?;
        Ok(files)
    }

    fn walk(&self, dir: &Path, depth: i64, files: &mut Vec<PathBuf>) -> Result<(), TaskError> {
        let unreadable = |e: std::io::Error| TaskError::new(format!("cannot read {}: {e}", dir.display()));
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(unreadable)? {
            entries.push(entry.map_err(unreadable)?.path());
        }
        entries.sort();
        let (folders, plain): (Vec<_>, Vec<_>) = entries.into_iter().partition(|path| path.is_dir());
        for path in plain.into_iter().filter(|path| self.asks_for(path)) {
            match (self.knows(&path), self.lenient) {
                (true, _) => files.push(path),
                (false, true) => {}
                (false, false) => {
                    let known = self.extensions.join(", ");
                    let message = format!("{} does not have a valid extension: {known}", path.display());
                    return Err(TaskError::new(message).help("pass it over with `ignore_unknown_extensions: true`"));
                }
            }
        }
        if self.depth == 0 || depth < self.depth {
            folders.iter().try_for_each(|folder| self.walk(folder, depth + 1, files))?;
        }
        Ok(())
    }

    fn asks_for(&self, path: &Path) -> bool {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
        let fits = |pattern: &Regex| pattern.is_match(name).unwrap_or(false);
        self.matching.as_ref().is_none_or(fits) && !self.ignored.iter().any(fits)
    }

    fn knows(&self, path: &Path) -> bool {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        self.extensions.iter().any(|known| known.trim_start_matches('.') == extension)
    }

    /// Whether mappings are joined with those that are there already.
    pub fn merges(&self) -> bool {
        self.merge
    }

    /// Adds a file's variables to those of the files before it.
    pub fn put(&self, all: &mut Vars, more: Vars) {
        for (name, value) in more {
            let joined = match (all.get(&name), self.merge) {
                (Some(Variable::Node(known)), true) => {
                    value.node().map(|new| Variable::Node(merged(known, new).into()))
                }
                _ => None,
            };
            all.insert(name, joined.unwrap_or(value));
        }
    }
}

/// Two mappings as one, the second above the first; anything else is the second.
fn merged(known: &Node, new: &Node) -> Node {
    let (Value::Map(first), Value::Map(second)) = (&known.value, &new.value) else { return new.clone() };
    let mut entries = first.clone();
    for (key, value) in second {
        match entries.iter_mut().find(|(have, _)| have.key_text() == key.key_text()) {
            Some((_, have)) => *have = merged(have, value),
            None => entries.push((key.clone(), value.clone())),
        }
    }
    Node { value: Value::Map(entries), span: new.span.clone() }
}

/// Reads a file of variables.
///
/// # Errors
/// What is wrong with it.
pub fn file(path: &Path) -> Result<Vars, TaskError> {
    crate::inventory::file_vars(path).map_err(|error| {
        let help = miette::Diagnostic::help(&error).map(|h| h.to_string());
        TaskError { help, ..TaskError::new(error.to_string()) }
    })
}
