//! The raw sections that the facts script prints.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use crate::python::configparser::{Ini, Reading};

/// What the host told, taken apart into sections and files.
pub(super) struct Told<'a> {
    sections: Vec<(&'a str, Vec<&'a str>)>,
    files: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Told<'a> {
    /// Splits the script's output at its marks.
    pub(super) fn read(text: &'a str) -> Told<'a> {
        let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in text.lines() {
            match (line.strip_prefix('\u{1}'), sections.last_mut()) {
                (Some(name), _) => sections.push((name, Vec::new())),
                (None, Some((_, lines))) => lines.push(line),
                (None, None) => {}
            }
        }
        let mut files: HashMap<&str, Vec<&str>> = HashMap::new();
        for line in sections.iter().find(|(n, _)| *n == "files").map(|(_, l)| l.as_slice()).unwrap_or_default() {
            if let Some((path, content)) = line.split_once(':') {
                files.entry(path).or_default().push(content);
            }
        }
        Told { sections, files }
    }

    /// The lines of a section; none when the host did not print it.
    pub(super) fn section(&self, name: &str) -> &[&'a str] {
        self.sections.iter().find(|(n, _)| *n == name).map(|(_, l)| l.as_slice()).unwrap_or_default()
    }

    /// The lines of a small file; none when it is not there or not readable.
    pub(super) fn file(&self, path: &str) -> &[&'a str] {
        self.files.get(path).map(Vec::as_slice).unwrap_or_default()
    }

    /// The first line of a file, trimmed, where it is not empty.
    pub(super) fn line(&self, path: &str) -> Option<&'a str> {
        self.file(path).first().map(|l| l.trim()).filter(|l| !l.is_empty())
    }

    /// Whether the script printed this word in the section `flags`.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.section("flags").contains(&name)
    }

    /// The sorted names of what stands directly below a directory and holds `leaf`, such as `/sys/class/net/*/mtu`.
    pub(super) fn below(&self, directory: &str, leaf: &str) -> Vec<&'a str> {
        let name = |path: &&'a str| {
            let (name, rest) = path.strip_prefix(directory)?.strip_prefix('/')?.split_once('/')?;
            (rest == leaf).then_some(name)
        };
        let mut names: Vec<_> = self.files.keys().filter_map(name).collect();
        names.sort_unstable();
        names
    }

    /// The facts that the host's own `*.fact` files hold.
    pub(super) fn local_facts(&self) -> Json {
        let mut local = Map::new();
        for (index, (name, lines)) in self.sections.iter().enumerate() {
            let Some(name) = name.strip_prefix("local ") else { continue };
            let behind = self.sections.get(index + 1).map(|(name, _)| *name).unwrap_or_default();
            let fact = match (behind.strip_prefix("failed "), behind.strip_prefix("missing ")) {
                (Some(status), _) => json!(format!("Failure executing fact script {name}.fact, rc: {status}")),
                (_, Some(path)) => json!(format!("Could not stat fact ({path}): No such file or directory")),
                _ => local_fact(name, &lines.join("\n")),
            };
            local.insert(name.to_owned(), fact);
        }
        Json::Object(local)
    }
}

/// A fact file is JSON, or else an INI file, as Ansible has it.
fn local_fact(name: &str, text: &str) -> Json {
    if let Ok(value) = serde_json::from_str(text) {
        return value;
    }
    let Ok(ini) = Ini::parse(text, Reading::default()) else {
        return json!(format!("error loading facts as JSON or ini - please check content: {name}.fact"));
    };
    let mut sections: Map<String, Json> = Map::new();
    for section in ini.sections() {
        let entries = ini.section(section).unwrap_or_default();
        let mut known: Map<String, Json> = Map::new();
        for (key, value) in &entries {
            match ini.interpolated(value.as_deref().unwrap_or_default(), &entries) {
                Ok(text) => known.insert(key.clone(), json!(text)),
                Err(fault) => {
                    return json!(format!("error loading facts as ini - please check content: {name}.fact ({fault})"));
                }
            };
        }
        sections.insert(section.to_owned(), Json::Object(known));
    }
    Json::Object(sections)
}
