//! What a module that is not native takes: its documentation, or the argument spec in its code, as data.
//!
//! Documentation is written by people and read as it comes: what makes no sense in it is left out, never an error.

mod check;
#[cfg(test)]
mod examples;
mod value;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{Fault, workstation};
pub use check::check;
pub use value::Kind;

/// What a module or plugin says of itself.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The full name; the short one where no collection has it.
    pub name: String,
    /// The file it is in.
    pub path: Option<PathBuf>,
    /// What it takes; `None` where that is not known.
    pub parameters: Option<Vec<Parameter>>,
    /// Whether what it takes was read from its code: then that is all.
    pub certain: bool,
    /// The fields of its results.
    pub returned: Vec<Field>,
    /// Examples in YAML.
    pub examples: Option<String>,
    /// Whether its code says that it has check mode.
    pub check_mode: Option<bool>,
    /// What is wrong with its documentation.
    pub problem: Option<String>,
    /// The documentation as it stands, fragments merged; null where there is none.
    pub doc: Json,
    /// What it says that it returns, as it stands.
    pub returns: Json,
}

/// One parameter.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Other names.
    pub aliases: Vec<String>,
    /// What its value is.
    pub kind: Kind,
    /// What the items of a list are.
    pub elements: Option<Kind>,
    /// The values it may have; empty where there is no such list.
    pub choices: Vec<Json>,
    /// Whether it must be given.
    pub required: bool,
    /// What it is where nothing is said.
    pub default: Option<Json>,
    /// What it is for, a text for each paragraph.
    pub description: Vec<String>,
    /// The parameters in it, where they are known.
    pub inner: Option<Vec<Parameter>>,
    /// Whether those are only told of: the code takes others as well.
    pub loose: bool,
}

/// One field of the results.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What its value is, in Ansible's word.
    pub kind: String,
    /// When it is there.
    pub when: String,
    /// What it tells.
    pub description: Vec<String>,
}

/// What the workstation's Python tells.
#[derive(Deserialize)]
struct Told {
    name: String,
    path: Option<PathBuf>,
    doc: Json,
    examples: Option<String>,
    #[serde(rename = "return")]
    returned: Json,
    problem: Option<String>,
    /// The argument spec in the code, where it can be read there.
    #[serde(default)]
    code: Json,
}

/// What was asked for already, by kind, name and file.
type Known = HashMap<(String, String, Option<PathBuf>), Result<Arc<Spec>, Fault>>;

static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

/// What a plugin of a kind (`module`, `filter` …) says of itself; its file is looked for where it is not known.
///
/// # Errors
/// [`Fault`].
pub fn of(kind: &str, name: &str, path: Option<&Path>) -> Result<Arc<Spec>, Fault> {
    let key = (kind.to_owned(), name.to_owned(), path.map(Path::to_owned));
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().get(&key).cloned();
    if let Some(known) = known {
        return known;
    }
    // One of two modules of a name goes by its path.
    let own = path.filter(|_| name.contains('/')).and_then(Path::file_stem).and_then(|stem| stem.to_str());
    let told: Result<Told, Fault> =
        workstation::ask("documentation", json!({ "kind": kind, "name": own.unwrap_or(name), "path": path }));
    let spec = told.map(|told| Arc::new(Spec::read(told)));
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().insert(key, spec.clone());
    spec
}

/// One of all there are: name, file, what it is for.
pub type Listed = (String, PathBuf, String);

/// All plugins of a kind that this machine's Ansible knows; of collections that are named those of them alone.
///
/// # Errors
/// [`Fault`].
pub fn listed(kind: &str, collections: &[String]) -> Result<Vec<Listed>, Fault> {
    workstation::ask("listed", json!({ "kind": kind, "collections": collections }))
}

impl Spec {
    fn read(told: Told) -> Spec {
        let documented = told.doc.get("options").map(parameters);
        let code = told.code.get("options");
        let certain = code.is_some();
        let parameters = match code {
            Some(code) => Some(of_code(code, documented.unwrap_or_default())),
            // One that documents nothing says that it takes nothing.
            None => documented.or_else(|| told.doc.is_object().then(Vec::new)).map(|all| hedged(all, &told.doc)),
        };
        Spec {
            name: told.name,
            path: told.path,
            parameters,
            certain,
            returned: fields(&told.returned),
            examples: told.examples,
            check_mode: told.code.get("check_mode").and_then(Json::as_bool),
            problem: told.problem,
            doc: told.doc,
            returns: told.returned,
        }
    }

    /// Whether it belongs to no collection: people's own, beside their playbooks and in their roles.
    pub fn is_own(&self) -> bool {
        self.name.contains('/') || self.name.matches('.').count() < 2
    }

    /// The last part of its name.
    pub fn short(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    /// What it is for, in one line.
    pub fn summary(&self) -> String {
        let text = self.doc.get("short_description").map(text).unwrap_or_default();
        text.trim().trim_end_matches('.').to_owned()
    }

    /// What it says of an attribute (`check_mode`, `diff_mode`, `platform` …): `full`, `partial`, `none`, and in what words.
    pub fn attribute(&self, name: &str) -> Option<(String, Vec<String>)> {
        let told = self.doc.get("attributes")?.get(name)?;
        let details = told.get("details").map(texts).unwrap_or_default();
        Some((told.get("support").map(text)?, details))
    }

    /// Why it should not be used any more, and what to use: in words of its authors.
    pub fn deprecated(&self) -> Option<String> {
        let told = self.doc.get("deprecated")?;
        let word = |name: &str| told.get(name).map(text).filter(|text| !text.is_empty());
        let gone = word("removed_in").map(|version| format!("gone in {version}"));
        let gone = gone.or_else(|| word("removed_at_date").map(|date| format!("gone from {date} on")));
        let instead = word("alternative").or_else(|| word("alternatives")).map(|other| format!("instead: {other}"));
        let parts: Vec<String> = [word("why"), gone, instead].into_iter().flatten().collect();
        Some(parts.iter().map(|part| part.trim().trim_end_matches('.')).collect::<Vec<_>>().join("; "))
    }
}

impl Parameter {
    /// Whether it goes by a name.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|alias| alias == name)
    }
}

/// The options of a documentation.
fn parameters(options: &Json) -> Vec<Parameter> {
    options.as_object().into_iter().flatten().map(|(name, told)| parameter(name, told)).collect()
}

fn parameter(name: &str, told: &Json) -> Parameter {
    let kind = Kind::of(told.get("type"));
    let description = told.get("description").map(texts).unwrap_or_default();
    let elements = told.get("elements").map(|_| Kind::of(told.get("elements")));
    let inner = ["suboptions", "options"].iter().find_map(|key| told.get(*key)).map(parameters);
    Parameter {
        name: name.to_owned(),
        aliases: told.get("aliases").map(texts).unwrap_or_default(),
        kind,
        elements,
        choices: choices(told.get("choices")),
        required: told.get("required").and_then(crate::python::truth::boolean).unwrap_or(false)
            && !elsewhere(&description),
        default: told.get("default").filter(|value| !value.is_null()).cloned(),
        description,
        inner: inner.filter(|inner| !inner.is_empty()),
        loose: false,
    }
}

/// What is required by documentation alone is not where notes say that it may come from the environment, or where several things are made
/// by one task (`aggregate`).
fn hedged(mut all: Vec<Parameter>, doc: &Json) -> Vec<Parameter> {
    let notes: Vec<String> = ["notes", "description"].iter().filter_map(|key| doc.get(*key)).flat_map(texts).collect();
    let notes = if elsewhere(&notes) { notes.join("\n") } else { String::new() };
    let several = all.iter().any(|parameter| parameter.name == "aggregate");
    for parameter in &mut all {
        parameter.required &= !several && !notes.contains(&parameter.name);
    }
    all
}

/// Whether the words for a parameter say that its value may come from the environment: documentation has no other way to say so.
fn elsewhere(description: &[String]) -> bool {
    description.iter().any(|text| {
        ["environment var", "env var"].iter().any(|words| text.to_lowercase().contains(words)) || text.contains("E(")
    })
}

/// The values there are to choose from: a list, or a mapping that says what each is for.
fn choices(told: Option<&Json>) -> Vec<Json> {
    match told {
        Some(Json::Array(all)) => all.clone(),
        Some(Json::Object(all)) => all.keys().map(|key| json!(key)).collect(),
        _ => Vec::new(),
    }
}

/// What the code says, with the words of the documentation.
fn of_code(code: &Json, documented: Vec<Parameter>) -> Vec<Parameter> {
    let mut known = parameters(code);
    for parameter in &mut known {
        if let Some(told) = documented.iter().find(|told| told.name == parameter.name) {
            parameter.description.clone_from(&told.description);
            if parameter.inner.is_none() {
                parameter.inner.clone_from(&told.inner);
                parameter.loose = true;
            }
        }
    }
    known
}

fn fields(returned: &Json) -> Vec<Field> {
    let field = |(name, told): (&String, &Json)| Field {
        name: name.clone(),
        kind: told.get("type").map(text).unwrap_or_default(),
        when: told.get("returned").map(text).unwrap_or_default(),
        description: told.get("description").map(texts).unwrap_or_default(),
    };
    returned.as_object().into_iter().flat_map(Map::iter).map(field).collect()
}

/// A value as a text.
pub fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        Json::Bool(truth) => if *truth { "true" } else { "false" }.to_owned(),
        Json::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// A list of texts, or one.
pub fn texts(value: &Json) -> Vec<String> {
    match value {
        Json::Array(all) => all.iter().map(text).collect(),
        Json::Null => Vec::new(),
        one => vec![text(one)],
    }
}
